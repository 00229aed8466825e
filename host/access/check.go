package access

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/trama-run/trama/host/access/token"
	"github.com/trama-run/trama/host/problem"
)

// Request is a call as it came, before its body was read as anything.
type Request struct {
	// Owner names whose limits count: the route, or "" for those that stand
	// for all routes.
	Owner    string
	Security Security
	Peer     netip.Addr // who is connected
	Method   string
	Target   string // path and query as they were sent
	// Headers gives all values of a header by its lower-case name.
	Headers func(name string) []string
	Body    []byte
	// Later says that the call only asks for what an earlier one started, which
	// was counted: it needs the same proof, and counts for no limit.
	Later bool
}

// Caller is who calls, as far as it is known.
type Caller struct {
	// IP is where the call comes from; invalid if what proxies say of it makes
	// no sense.
	IP netip.Addr
	// Client is the name of the client; "" without one.
	Client string
	// Scopes are those of the token if there is one, else of the client.
	Scopes []string
	// Claims are those of the token.
	Claims map[string]any
	// Service says that a service's signature was right.
	Service bool
	// Header is what the answer tells of limits: RateLimit and
	// RateLimit-Policy.
	Header map[string]string
	// Refused says to the operator why the call is refused, which the caller is
	// not told; empty: it is not.
	Refused string

	token [sha256.Size]byte // sum of the token that Claims are of
}

// Identity names who calls, for what belongs to a caller: limits, keys, answers
// that are kept. It is empty for a caller that nothing is known of but its
// address. A token that names no subject is a caller of its own: who it is
// stands in a claim that nobody knows here.
func (c Caller) Identity() string {
	var names []string
	if c.Client != "" {
		names = append(names, "client:"+c.Client)
	}
	if c.Claims != nil {
		names = append(names, c.subject())
	}
	return strings.Join(names, " ")
}

// subject names whom a token is of.
func (c Caller) subject() string {
	issuer, _ := c.Claims["iss"].(string)
	subject, _ := c.Claims["sub"].(string)
	hash := sha256.Sum256([]byte(issuer + "\x00" + subject)) // they may be long
	if subject == "" {
		hash = c.token
	}
	return "token:" + hex.EncodeToString(hash[:])
}

// Secret says whether a header holds what a caller proves itself by, and so
// goes no further than to the guard.
func (s Security) Secret(header string) bool {
	switch header {
	case HeaderClient, HeaderClientToo, HeaderSignature:
		return true
	case HeaderAuthorization:
		for _, w := range s {
			if w.JWT != nil {
				return true
			}
		}
	}
	return false
}

// IP gives the address that a call comes from.
func (g *Guard) IP(peer netip.Addr, headers func(name string) []string) netip.Addr {
	return ClientIP(peer, headers, g.config.Trusted)
}

// Check says who calls, or why the call is refused. Of several ways in, the
// first that is met counts.
func (g *Guard) Check(ctx context.Context, q Request) (Caller, *problem.Details) {
	c := call{guard: g, Request: q, now: g.config.Now(), ip: g.IP(q.Peer, q.Headers)}
	c.home = from(c.ip, q.Peer)
	if len(q.Security) == 0 {
		return Caller{IP: c.ip}, nil
	}
	var answer *problem.Details
	var reasons []string
	for i := range q.Security {
		w := &q.Security[i]
		caller, refused := c.meet(ctx, w)
		if refused == nil {
			if caller, refused = c.admit(ctx, w, caller); refused != nil {
				caller.Refused = refused.Detail
				g.tell(ctx, &c, refused, caller.Refused)
			}
			return caller, refused
		}
		why := c.why
		if why == "" {
			why = refused.Detail
		}
		if len(q.Security) > 1 {
			why = fmt.Sprintf("way %d: %s", i+1, why)
		}
		reasons, c.why = append(reasons, why), ""
		if answer == nil || weight(refused.Status) > weight(answer.Status) {
			answer = refused
		}
	}
	if answer.Status == 401 {
		answer.Header = c.challenge()
	}
	why := strings.Join(reasons, "; ")
	g.tell(ctx, &c, answer, why)
	return Caller{IP: c.ip, Refused: why}, answer
}

// tell logs why a call is refused.
func (g *Guard) tell(ctx context.Context, c *call, refused *problem.Details, why string) {
	path, _, _ := strings.Cut(c.Target, "?")
	g.config.Log.DebugContext(ctx, "call refused", "method", c.Method, "path", path, "from", c.ip, "status", refused.Status, "code", refused.Code, "reason", why)
}

// weight orders refusals by which of them tells a caller most: what it may try
// again goes before what it can mend, and that before what it can't.
func weight(status int) int {
	switch status {
	case 503, 429:
		return 3
	case 400:
		return 2
	case 401:
		return 1
	}
	return 0
}

// call is one call that is checked.
type call struct {
	guard *Guard
	Request
	now  time.Time
	ip   netip.Addr
	home netip.Addr // what its failures and limits are counted by

	client   *entry           // nil: not looked up
	clientBy *problem.Details // why there is none
	without  string           // the same, in words for the operator
	failed   bool             // a wrong credential of it was counted
	badToken bool             // a token came that is not taken
	proof    *signature       // that it was let in with
	why      string           // a way is not met, in words for the operator
}

// meet says who calls if a way in is met.
func (c *call) meet(ctx context.Context, w *Way) (Caller, *problem.Details) {
	caller := Caller{IP: c.ip}
	if len(w.IPs) > 0 && !within(w.IPs, c.ip) {
		c.why = fmt.Sprintf("it comes from %s, which is not one of the addresses", c.ip)
		return caller, c.forbidden()
	}
	if w.client() {
		e, refused := c.identify()
		c.why = c.without
		if refused == nil && w.Signed {
			refused = c.signed(e)
		}
		if refused != nil {
			return caller, refused
		}
		if caller.Client, caller.Scopes = e.client.Name, e.client.Scopes; !w.Clients.IsZero() && !w.Clients.has(caller.Client) {
			c.why = fmt.Sprintf("client %s is not one of those that may call", caller.Client)
			return caller, c.forbidden()
		}
	}
	if w.Service != nil {
		if refused := c.service(ctx, w.Service); refused != nil {
			return caller, refused
		}
		caller.Service = true
	}
	if w.JWT != nil {
		claims, refused := c.token(ctx, w.JWT)
		if refused != nil {
			return caller, refused
		}
		caller.Claims, caller.Scopes = claims, w.JWT.Scopes(claims)
		text, _ := token.Bearer(c.Headers(HeaderAuthorization)[0])
		caller.token = sha256.Sum256([]byte(text))
	}
	for _, scope := range w.Scopes {
		if !slices.Contains(caller.Scopes, scope) {
			c.why = fmt.Sprintf("the scope %s is missing among %q", scope, caller.Scopes)
			refused := c.forbidden()
			if w.JWT != nil { // RFC 6750, section 3.1
				refused.Header = map[string]string{"WWW-Authenticate": fmt.Sprintf(`Bearer error="insufficient_scope", scope="%s"`, strings.Join(w.Scopes, " "))}
			}
			return caller, refused
		}
	}
	return caller, nil
}

// identify finds the client of the call, once.
func (c *call) identify() (*entry, *problem.Details) {
	if c.client != nil {
		return c.client, c.clientBy
	}
	t := c.guard.clients.Load()
	c.client = t.none
	values := c.Headers(HeaderClient)
	if too := c.Headers(HeaderClientToo); len(too) > 0 {
		values = append(values, too...)
	}
	switch {
	case len(values) == 0:
		c.clientBy, c.without = c.unauthorized(), "no client_id was sent"
	case len(values) > 1:
		c.clientBy = twice(HeaderClient)
	default:
		e, same := t.find(values[0])
		state := e.key.State(c.now)
		ok := same && state == KeyActive
		name := ""
		if ok {
			name = e.caller
		}
		c.client = e
		if wait := c.guard.lockout.locked(c.home, name, c.now); wait > 0 {
			c.clientBy, c.without = lockedOut(wait), c.shut()
		} else if c.clientBy = c.judge(ok); !ok {
			c.without = e.unfit(same, state)
		}
	}
	return c.client, c.clientBy
}

// judge counts a credential that is wrong.
func (c *call) judge(ok bool) *problem.Details {
	if ok {
		return nil
	}
	if !c.failed {
		c.failed = true
		c.guard.fail(c.home, c.now)
	}
	return c.unauthorized()
}

// signed checks the signature of a call against a client's secret.
func (c *call) signed(e *entry) *problem.Details {
	values := c.Headers(HeaderSignature)
	switch {
	case len(values) == 0:
		c.why = e.says("no signature was sent")
		return c.unauthorized()
	case len(values) > 1:
		return twice(HeaderSignature)
	}
	s, ok := parseSignature(values[0])
	if !ok {
		c.why = e.says("the signature can't be read")
		return c.judge(false)
	}
	if refused := c.judge(e.key.Signed && s.verify(e.secret, c.Method, c.Target, c.Body)); refused != nil {
		if c.why = e.says("the signature is not that of the request under the key's secret"); !e.key.Signed {
			c.why = e.says("the key has no secret to sign with")
		}
		return refused
	}
	// Whoever signs well is told what else is wrong.
	if !c.guard.used.timely(s, c.now) {
		c.why = e.says(fmt.Sprintf("it was signed at %s, and taken is what was signed up to %s ago since the start", s.time().UTC().Format(time.RFC3339), maxAge))
		return late(c.unauthorized())
	}
	if wait := c.guard.used.early(s, e.client.Name); wait > 0 {
		c.why = e.says("its clock is ahead, so that what it signs can't be told yet from what it signed before the start")
		return problem.Busy("signature_early", "the host has just started, and what this client signs can't be told yet from what it signed before: sign anew and send it again, and check the clock, which is ahead", wait)
	}
	if c.guard.used.seen(s, c.now) {
		return replayed(c.unauthorized())
	}
	c.proof = &s
	return nil
}

// tokenCaller is by what a lockout knows those who came with a token.
const tokenCaller = "token"

// token checks the token of a call.
func (c *call) token(ctx context.Context, j *JWT) (map[string]any, *problem.Details) {
	values := c.Headers(HeaderAuthorization)
	switch {
	case len(values) == 0:
		c.why = "no token was sent"
		return nil, c.unauthorized()
	case len(values) > 1:
		return nil, twice(HeaderAuthorization)
	}
	text, ok := token.Bearer(values[0])
	if !ok {
		c.why = "the header authorization has no bearer token"
		return nil, c.unauthorized()
	}
	if wait := c.guard.lockout.locked(c.home, tokenCaller, c.now); wait > 0 {
		c.why = c.shut()
		return nil, lockedOut(wait)
	}
	claims, err := c.guard.tokens.Check(ctx, j, text)
	if unavailable, is := errors.AsType[*token.UnavailableError](err); is {
		c.guard.seldom.Say(ctx, slog.LevelWarn, "tokens of "+j.Issuer, "tokens can't be checked", "issuer", j.Issuer, "error", unavailable)
		return nil, problem.Busy("keys_unavailable", "tokens can't be checked now", 10*time.Second)
	}
	if err != nil {
		c.badToken, c.why = true, "the token is not taken: "+err.Error()
	}
	if errors.Is(err, token.ErrUnknownKey) { // its issuer may have it by now: nothing that a lockout should count
		return nil, c.unauthorized()
	}
	return claims, c.judge(err == nil)
}

// shut says to the operator that the address is locked out.
func (c *call) shut() string {
	return fmt.Sprintf("%s is locked out, after %d wrong credentials", c.home, failures.Calls)
}

// admit lets a caller in that met a way, as far as its limits allow.
func (c *call) admit(ctx context.Context, w *Way, caller Caller) (Caller, *problem.Details) {
	if demands := c.demands(w, caller); len(demands) > 0 && !c.Later {
		stand, refused, err := c.guard.limits.take(ctx, demands, c.now)
		if err != nil {
			c.guard.seldom.Say(ctx, slog.LevelError, "limits", "limits can't be counted", "error", err)
			return caller, problem.Busy("limits_unavailable", "the call's limits can't be counted now", 5*time.Second)
		}
		caller.Header = headers(stand)
		if refused >= 0 {
			return caller, exceeded(stand[refused], caller.Header)
		}
	}
	if c.proof != nil {
		if err := c.guard.horizon.reach(ctx, c.guard.config.Store, caller.Client, c.proof.time(), c.now); err != nil {
			c.guard.seldom.Say(ctx, slog.LevelError, "horizon", "a request that is signed ahead of the clock can't be taken", "client", caller.Client, "error", err)
			return caller, problem.Busy("signatures_unavailable", "signed requests can't be told from replays now", 5*time.Second)
		}
		fresh, room := c.guard.used.take(*c.proof, caller.Client, c.now)
		if !fresh {
			return caller, replayed(c.unauthorized())
		}
		if !room {
			return caller, problem.Busy("signatures", "more signed requests come than can be told from replays", maxAge/10)
		}
	}
	if caller.Client != "" {
		c.guard.lockout.pass(c.home, c.client.caller, c.now)
	}
	if caller.Service {
		c.guard.lockout.pass(c.home, serviceCaller, c.now)
	}
	if caller.Claims != nil {
		c.guard.lockout.pass(c.home, tokenCaller, c.now)
	}
	return caller, nil
}

// demands lists the limits that a caller is under: those of the way, then its
// own.
func (c *call) demands(w *Way, caller Caller) (demands []demand) {
	add := func(limit, owner, name string, rate Rate, quota bool) {
		if rate.IsZero() {
			return
		}
		if demands == nil {
			demands = make([]demand, 0, 4)
		}
		demands = append(demands, demand{limit, callerKey{owner, name}, rate, quota})
	}
	if !w.Rate.IsZero() || !w.Quota.IsZero() {
		owner, name := "route "+c.Owner, c.name(caller)
		add("rate", owner, name, w.Rate, false)
		add("quota", owner, name, w.Quota, true)
	}
	if caller.Client != "" {
		add("client-rate", ownerClient, c.client.caller, c.client.client.Rate, false)
		add("client-quota", ownerClient, c.client.caller, c.client.client.Quota, true)
	}
	return demands
}

// name is by what limits know a caller.
func (c *call) name(caller Caller) string {
	switch {
	case caller.Client != "":
		return c.client.caller
	case caller.Claims != nil:
		return caller.subject()
	}
	return "ip:" + c.home.String()
}

// unauthorized answers a caller that is not known, in the same way whatever is
// wrong with it. It names the schemes that may help, as RFC 9110 asks.
func (c *call) unauthorized() *problem.Details {
	d := problem.New(401, "unauthorized", "the call needs credentials that this route takes; the header WWW-Authenticate names them")
	d.Header = c.challenge()
	return d
}

// challenge names the schemes that a call's route takes, each with its header
// if that is not Authorization. Of a token that was sent it says that it is not
// taken (RFC 6750, section 3.1), and not why.
func (c *call) challenge() map[string]string {
	var schemes []string
	add := func(is bool, scheme string) {
		if is && !slices.Contains(schemes, scheme) {
			schemes = append(schemes, scheme)
		}
	}
	for _, w := range c.Security {
		client, signed, token := w.Asks()
		add(token && c.badToken, `Bearer error="invalid_token"`)
		add(token && !c.badToken, "Bearer")
		add(client, `Client header="`+HeaderClient+`"`)
		add(signed, `Signature header="`+HeaderSignature+`"`)
		if w.Service != nil {
			add(true, `Signature header="`+w.Service.Header()+`"`)
		}
	}
	return map[string]string{"WWW-Authenticate": strings.Join(schemes, ", ")}
}

// forbidden answers a caller that no credential helps, or another one.
func (c *call) forbidden() *problem.Details {
	return problem.New(403, "forbidden", "this caller may not make this call")
}

func twice(header string) *problem.Details {
	return problem.New(400, "duplicate_header", "the header "+header+" must be sent once")
}

func late(d *problem.Details) *problem.Details {
	d.Code, d.Detail = "signature_late", "the time of the signature is not now: check the clock, and sign each request anew when it is sent"
	return d
}

func replayed(d *problem.Details) *problem.Details {
	d.Code, d.Detail = "signature_replayed", "the signature was used before: sign each request anew, with another nonce"
	return d
}

func lockedOut(wait time.Duration) *problem.Details {
	d := problem.New(429, "locked_out", "too many calls with wrong credentials came from this address")
	d.Retry, d.RetryAfter = true, seconds(wait)
	return d
}

func exceeded(s standing, header map[string]string) *problem.Details {
	d := problem.New(429, "rate_limited", "the caller made more calls than it may in this time")
	if s.quota {
		d.Code, d.Detail = "quota_exceeded", "the caller has made all calls that it may make in this period"
	}
	d.Retry, d.RetryAfter, d.Header = true, seconds(s.reset), header
	return d
}
