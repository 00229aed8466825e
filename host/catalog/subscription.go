package catalog

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/trama-run/trama/host/egress"
	"github.com/trama-run/trama/host/expr"
	"github.com/trama-run/trama/host/grant"
	"github.com/trama-run/trama/host/source"
)

// Types of the events that outside systems may subscribe to. A flow's event
// has a type of its own, "event:NAME"; EventFlow stands for all of them.
const (
	EventMessage    = "message"      // a contact has written
	EventSent       = "message.sent" // a message to a contact was taken by its service
	EventStatus     = "status"       // what became of a sent message
	EventRun        = "run.finished" // a run is over
	EventAttendance = "attendance"   // reserved: nothing gives it yet
	EventFlow       = "event"        // a flow's event, whatever its name
)

// eventTypes are those that a subscription may name, beside "event:NAME".
var eventTypes = []string{EventMessage, EventSent, EventStatus, EventRun, EventAttendance, EventFlow}

// MaxDeliveryTimeout is how long a subscriber has for its answer, at most and
// if its subscription doesn't say.
const MaxDeliveryTimeout = 30 * time.Second

// Subscription is an outside system that wants to be told of events, by signed
// POSTs to a URL:
//
//	{id: crm, url: https://crm.example.com/trama, events: [message, run.finished],
//	 filter: input.data.flow == "orders", secrets: [crm_sign],
//	 headers: {Authorization: "Bearer {{ crm }}"},
//	 tokens: {crm: {oauth2: {token_url: https://login.example.com/token, client_id: trama, secret: crm_client}}}}
type Subscription struct {
	At  source.Place `json:"-"`
	ID  string       `json:"id" source:"required"`
	URL string       `json:"url" source:"required"`
	// Events are types of events; see EventMessage and those after it.
	Events []string `json:"events" source:"required"`
	// Filter is an expression that sees the event as input, and is true for
	// those that the subscriber wants; all if it is empty.
	Filter string `json:"filter,omitempty"`
	// Headers take the place of the default ones, each the one of its name; an
	// empty value leaves that out. In a value, {{ NAME }} is the token of that
	// name, and {{ secret.NAME }} a secret.
	Headers map[string]string `json:"headers,omitempty"`
	// Secrets are the names of those that deliveries are signed with: one, or
	// two while it is rotated. Without one, deliveries are not signed.
	Secrets []string `json:"secrets,omitempty"`
	// Tokens are where values of headers come from that run out, by name.
	Tokens map[string]TokenSource `json:"tokens,omitempty"`
	// Timeout is how long the subscriber has for its answer; 30 s if not set.
	Timeout grant.Duration `json:"timeout,omitzero"`
	// Ordered: an event is sent when the one before was taken or given up. One
	// that fails holds all behind it, for days.
	Ordered bool `json:"ordered,omitempty"`
	// Enabled is true if left out. What happens while it is false is not kept
	// for the subscriber, and what waited becomes dead letters.
	Enabled *bool `json:"enabled,omitempty"`
}

// TokenSource is one of three ways to a token.
type TokenSource struct {
	OAuth2 *TokenOAuth2 `json:"oauth2,omitempty"`
	HTTP   *TokenHTTP   `json:"http,omitempty"`
	// Flow is the id of a flow with a gateway trigger, which answers with
	// {"token": ..., "expires_in": seconds}.
	Flow string `json:"flow,omitempty"`
	// Life is how long a token is used whose source doesn't say; without it,
	// until the subscriber answers 401.
	Life grant.Duration `json:"life,omitzero"`
}

// TokenOAuth2 asks for a token by client credentials (RFC 6749, section 4.4).
type TokenOAuth2 struct {
	TokenURL string   `json:"token_url" source:"required"`
	ClientID string   `json:"client_id" source:"required"`
	Secret   string   `json:"secret" source:"required"` // name of the client's secret
	Scopes   []string `json:"scopes,omitempty"`
	// ClientAuth is where the client's credentials stand: header, which it is
	// if left out, or body.
	ClientAuth string            `json:"client_auth,omitempty"`
	Params     map[string]string `json:"params,omitempty"` // such as audience
}

// TokenHTTP asks for a token by a request of any form. {{ secret.NAME }} is a
// secret, in headers and in the texts of the body.
type TokenHTTP struct {
	URL     string            `json:"url" source:"required"`
	Method  string            `json:"method,omitempty"` // POST if left out
	Headers map[string]string `json:"headers,omitempty"`
	// Body is a text, sent as it is, or a value, sent as JSON.
	Body any `json:"body,omitempty"`
	// Token and Expires are where the answer has them: JSON pointers. What
	// Expires points to is a number of seconds from now, an instant in seconds
	// or milliseconds since 1970, or one as in RFC 3339.
	Token   string `json:"token" source:"required"`
	Expires string `json:"expires,omitempty"`
}

// On says whether the subscription's document enables it.
func (s Subscription) On() bool { return s.Enabled == nil || *s.Enabled }

// Name is the subscription's id.
func (s *Subscription) Name() string { return s.ID }

func (s *Subscription) place() *source.Place { return &s.At }

var (
	flowEventPattern   = regexp.MustCompile(`^event:[^\x00-\x1f\x7f]{1,200}$`)
	headerNamePattern  = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$")
	tokenNamePattern   = regexp.MustCompile(`^[a-z][a-z0-9_]{0,39}$`)
	pointerPattern     = regexp.MustCompile(`^(/[^/]*)+$`)
	placeholderPattern = regexp.MustCompile(`\{\{\s*([^{}]*?)\s*\}\}`)
)

const secretScope = "secret."

// framingHeaders are the host's: how a request travels, and how a receiver
// knows and checks a delivery.
var framingHeaders = []string{"Host", "Connection", "Content-Length", "Transfer-Encoding", "Upgrade", "Te", "Trailer", "Keep-Alive", "Accept-Encoding",
	"Webhook-Id", "Webhook-Timestamp", "Webhook-Signature"}

// Placeholders gives the names in the {{ }} of a text.
func Placeholders(text string) (names []string) {
	for _, found := range placeholderPattern.FindAllStringSubmatch(text, -1) {
		names = append(names, found[1])
	}
	return names
}

// Expand puts values into the {{ }} of a text. The author's text is expanded
// once, never what a value contains.
func Expand(text string, value func(name string) (string, error)) (string, error) {
	var failed error
	expanded := placeholderPattern.ReplaceAllStringFunc(text, func(found string) string {
		v, err := value(placeholderPattern.FindStringSubmatch(found)[1])
		if err != nil && failed == nil {
			failed = err
		}
		return v
	})
	return expanded, failed
}

// SecretIn gives the secret that a placeholder names.
func SecretIn(placeholder string) (name string, ok bool) {
	return strings.CutPrefix(placeholder, secretScope)
}

// Check returns what is wrong with the subscription.
func (s Subscription) Check() source.Problems {
	problems := checkID(s.At, "subscription", s.ID)
	add := func(hint, format string, args ...any) {
		problems.Add(s.At, hint, "subscription %q: %s", s.ID, fmt.Sprintf(format, args...))
	}
	checkTarget(add, "url", s.URL)
	if len(s.Events) == 0 {
		add("name one of "+strings.Join(eventTypes, ", ")+", event:NAME", "it names no events")
	}
	for i, typ := range s.Events {
		switch {
		case slices.Contains(s.Events[:i], typ):
			add("name it once", "events has %q twice", typ)
		case !slices.Contains(eventTypes, typ) && !flowEventPattern.MatchString(typ):
			hint := source.Suggest(typ, eventTypes)
			if !strings.HasPrefix(hint, "did you mean") {
				hint = "there are " + strings.Join(eventTypes, ", ") + ", and event:NAME for a flow's event"
			}
			add(hint, "there is no event %q", typ)
		}
	}
	if s.Filter != "" {
		if _, err := expr.Compile(s.Filter); err != nil {
			add(`the event is input, such as input.data.flow == "orders"`, "filter: %v", err)
		}
	}
	used := map[string]bool{}
	known := func(what string, tokens bool) func(name string) {
		return func(name string) { s.checkPlaceholder(add, what, name, tokens, used) }
	}
	checkHeaders(add, "headers", s.Headers, known("headers", true))
	if len(s.Secrets) > 2 {
		add("name the new one and the one before", "secrets are one, or two while it is rotated; there are %d", len(s.Secrets))
	}
	for _, name := range s.Secrets {
		checkSecret(add, "secrets", name)
	}
	for _, name := range slices.Sorted(maps.Keys(s.Tokens)) {
		if !tokenNamePattern.MatchString(name) {
			add("use lower-case letters, digits and _, starting with a letter", "token %q", name)
		}
		s.Tokens[name].check(add, name, known)
		if !used[name] {
			add("write {{ "+name+" }} into a header, or remove it", "no header uses the token %q", name)
		}
	}
	if t := time.Duration(s.Timeout); t < 0 || t > 0 && t < time.Second || t > MaxDeliveryTimeout {
		add("", "timeout %s: want 1s to %s", t, MaxDeliveryTimeout)
	}
	return problems
}

// adder takes a problem of an object.
type adder func(hint, format string, args ...any)

func (s Subscription) checkPlaceholder(add adder, what, name string, tokens bool, used map[string]bool) {
	used[name] = true
	if secret, is := SecretIn(name); is {
		checkSecret(add, what, secret)
		return
	}
	if _, ok := s.Tokens[name]; tokens && !ok || !tokens {
		hint := "write {{ secret.NAME }} for a secret"
		if tokens {
			hint = "describe it under tokens, or " + hint
		}
		add(hint, "%s: {{ %s }} is not known", what, name)
	}
}

func (t TokenSource) check(add adder, name string, known func(string, bool) func(string)) {
	what := "token " + name
	ways := 0
	for _, is := range []bool{t.OAuth2 != nil, t.HTTP != nil, t.Flow != ""} {
		if is {
			ways++
		}
	}
	if ways != 1 {
		add("give one", "%s: it comes from one of oauth2, http and flow", what)
	}
	if o := t.OAuth2; o != nil {
		checkTarget(add, what+": token_url", o.TokenURL)
		checkSecret(add, what, o.Secret)
		if o.ClientAuth != "" && o.ClientAuth != "header" && o.ClientAuth != "body" {
			add("use header or body", "%s: client_auth %q", what, o.ClientAuth)
		}
	}
	if h := t.HTTP; h != nil {
		checkTarget(add, what+": url", h.URL)
		if !slices.Contains([]string{"", http.MethodGet, http.MethodPost, http.MethodPut}, h.Method) {
			add("use POST, GET or PUT", "%s: method %q", what, h.Method)
		}
		checkHeaders(add, what, h.Headers, known(what, false))
		EachText(h.Body, func(text string) {
			for _, placeholder := range Placeholders(text) {
				known(what, false)(placeholder)
			}
		})
		for where, pointer := range map[string]string{"token": h.Token, "expires": h.Expires} {
			if !pointerPattern.MatchString(pointer) && (where == "token" || pointer != "") {
				add("write it as /data/"+where, "%s: %s %q is not a JSON pointer", what, where, pointer)
			}
		}
	}
	if t.Life < 0 {
		add("", "%s: life %s", what, time.Duration(t.Life))
	}
}

// EachText visits the texts of a JSON value.
func EachText(value any, visit func(string)) {
	switch v := value.(type) {
	case string:
		visit(v)
	case []any:
		for _, one := range v {
			EachText(one, visit)
		}
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			EachText(v[name], visit)
		}
	}
}

func checkTarget(add adder, what, text string) {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		add("", "%s: it can't be read as a URL", what)
	case u.User != nil:
		add("put credentials into headers, as {{ secret.NAME }}", "%s: it has credentials in it", what)
	case u.Fragment != "":
		add("leave it out", "%s: it has a fragment, which is never sent", what)
	default:
		if _, err := grant.OriginOf(u); err != nil {
			add("", "%s: %v", what, err)
		} else if _, never := egress.NearOf(u.Hostname()); never {
			add("name another host", "%s: %s is a link-local, metadata or special-purpose address, to which nothing is ever sent", what, u.Hostname())
		}
	}
}

func checkHeaders(add adder, what string, headers map[string]string, placeholder func(name string)) {
	seen := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		canonical := http.CanonicalHeaderKey(name)
		switch {
		case !headerNamePattern.MatchString(name):
			add("use letters, digits and -", "%s: %q is not a header's name", what, name)
		case slices.Contains(framingHeaders, canonical):
			add("leave it out", "%s: the header %s is the host's to set", what, canonical)
		case seen[canonical]:
			add("give it once", "%s: the header %s is there twice", what, canonical)
		case strings.ContainsFunc(headers[name], func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }):
			add("", "%s: the value of %s holds a line break or control character", what, canonical)
		}
		seen[canonical] = true
		for _, p := range Placeholders(headers[name]) {
			placeholder(p)
		}
	}
}

func checkSecret(add adder, what, name string) {
	if !secretPattern.MatchString(name) {
		add("use 1 to 64 lower-case letters, digits and _; the value is set as TRAMA_SECRET_<NAME>", "%s: %q is not a secret's name", what, name)
	}
}
