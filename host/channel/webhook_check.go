package channel

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/trama-run/trama/host/access"
	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/problem"
	"github.com/trama-run/trama/host/signature"
	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/pdk/abi"
)

// Bounds of challenges.
const (
	maxChallengeBody = 64 << 10 // of a request that may be one
	maxChallenge     = 4 << 10  // of what is sent back
)

// from says why a request's address may not send.
func from(w catalog.Webhook, q Request) error {
	in := func(n access.Network) bool { return n.Contains(q.IP.Unmap()) }
	if len(w.IPs) == 0 || slices.ContainsFunc(w.IPs, in) {
		return nil
	}
	return problem.New(403, "ip", "requests from this address are not taken")
}

// genuine says why a request is not one of the service's, and takes out of it
// what showed that it is. replay is what its signature may be used once for.
func (c *Channels) genuine(ch catalog.Channel, p *prepared, q Request) (*replay, error) {
	w := p.Webhook
	where, name := w.TokenOf()
	header := ""
	if where == "header" {
		header = name
	}
	if err := once(q, header, headerIn(w.ID), headerIn(w.Order), headerIn(w.Time)); err != nil {
		return nil, err
	}
	if w.Basic != "" {
		if err := c.basic(ch, w, q); err != nil {
			return nil, err
		}
	}
	if w.Token != "" {
		if err := c.token(ch, w, q); err != nil {
			return nil, err
		}
	}
	if p.method == nil {
		return nil, nil
	}
	if err := once(q, p.method.Headers()...); err != nil {
		return nil, err
	}
	proof, err := c.signed(ch, p.method, ch.Secrets[catalog.SecretWebhook], q)
	tolerance, timed := p.method.Timed()
	if err != nil || !timed {
		return nil, err
	}
	return &replay{
		id:  store.ID{Kind: kindReplay, Key: ch.ID + "/" + hex.EncodeToString(proof.Digest[:])},
		ttl: 2*tolerance + time.Minute, // before and after, and what a clock is off
	}, nil
}

// once refuses a request in which one of some headers came twice: the service
// and a proxy may have gone by different ones.
func once(q Request, headers ...string) error {
	for _, name := range headers {
		if slices.Contains(q.Repeated, strings.ToLower(name)) {
			return problem.New(400, "duplicate_header", fmt.Sprintf("the request has the header %s twice", name))
		}
	}
	return nil
}

// headerIn gives the header that a place is; empty if it is another.
func headerIn(place string) string {
	name, ok := strings.CutPrefix(place, "header:")
	if !ok {
		return ""
	}
	return name
}

// signed says why a request is not signed with one of the secrets, and takes
// the signature out of it.
func (c *Channels) signed(ch catalog.Channel, m *signature.Method, names catalog.SecretList, q Request) (signature.Proof, error) {
	var keys []signature.Key
	var missing error
	for _, name := range names {
		value, err := c.config.Secrets.Open(name)
		if err == nil {
			var k signature.Key
			if k, err = m.Key(value.Reveal()); err == nil {
				keys = append(keys, k)
				continue
			}
			err = fmt.Errorf("secret %q: %w", name, err)
		}
		missing = err
	}
	if len(keys) == 0 { // while a secret is rotated, one of two may be missing
		return signature.Proof{}, c.unprepared(ch, noSecret(ch, missing))
	}
	proof, err := m.Verify(signature.Request{Method: q.Method, URL: q.URL, Headers: q.Headers, Query: q.Query, Body: q.Body}, c.config.Now(), keys...)
	if err == nil {
		delete(q.Headers, strings.ToLower(m.Header()))
		return proof, nil
	}
	_, detail, _ := strings.Cut(err.Error(), ": ")
	switch {
	case errors.Is(err, signature.ErrMalformed):
		return proof, problem.New(400, "signature_header", detail)
	case errors.Is(err, signature.ErrTime):
		return proof, problem.New(401, "signature_time", detail)
	}
	return proof, problem.New(401, "signature", detail)
}

// equal compares a text with each of some secrets. It fails if none of them is
// there.
func (c *Channels) equal(ch catalog.Channel, names catalog.SecretList, text string) (right bool, err error) {
	there := false
	for _, name := range names {
		one, failure := c.config.Secrets.Equal(name, text)
		if failure != nil {
			err = failure
			continue
		}
		there, right = true, right || one
	}
	if there {
		return right, nil
	}
	return false, c.unprepared(ch, noSecret(ch, err))
}

// token compares the token of a request, and takes it out.
func (c *Channels) token(ch catalog.Channel, w catalog.Webhook, q Request) error {
	where, name := w.TokenOf()
	values, key := q.Query, name
	if where == "header" {
		values, key = q.Headers, strings.ToLower(name)
	}
	given := values[key]
	if key == "authorization" && where == "header" && len(given) > len("Bearer ") && strings.EqualFold(given[:len("Bearer ")], "Bearer ") {
		given = given[len("Bearer "):]
	}
	right, err := c.equal(ch, ch.Secrets[w.TokenSecret()], given)
	if err != nil {
		return err
	}
	if !right {
		return problem.New(401, "token", fmt.Sprintf("the %s %s does not hold the expected token", where, name))
	}
	delete(values, key)
	return nil
}

// tokened says why a request does not hold the token that its adapter's
// manifest wants, and takes the token out of it.
func (c *Channels) tokened(ch catalog.Channel, w *abi.Webhook, q Request) error {
	names, missing := c.secretNames(ch, w.Token.Secret)
	if missing != nil {
		return c.unprepared(ch, missing)
	}
	if err := once(q, w.Token.Header, headerIn(w.DeliveryID)); err != nil {
		return err
	}
	header := strings.ToLower(w.Token.Header)
	right, err := c.equal(ch, names, q.Headers[header])
	if err != nil {
		return err
	}
	if !right {
		return problem.New(401, "token", fmt.Sprintf("the header %s does not hold the expected token", w.Token.Header))
	}
	delete(q.Headers, header)
	return nil
}

// basic compares the user name and the password of a request.
func (c *Channels) basic(ch catalog.Channel, w catalog.Webhook, q Request) error {
	scheme, text, _ := strings.Cut(q.Headers["authorization"], " ")
	user, password := "", ""
	if data, err := base64.StdEncoding.DecodeString(text); err == nil && strings.EqualFold(scheme, "Basic") {
		user, password, _ = strings.Cut(string(data), ":")
	}
	right, err := c.equal(ch, ch.Secrets[catalog.SecretPassword], password)
	if err != nil {
		return err
	}
	if !right || user != w.Basic {
		refused := problem.New(401, "basic", "the header Authorization does not hold the expected user and password")
		refused.Header = map[string]string{"WWW-Authenticate": `Basic realm="webhooks", charset="UTF-8"`}
		return refused
	}
	return nil
}

// challenged answers a challenge if its token is right. is says whether the
// request was one.
func (c *Channels) challenged(ch catalog.Channel, with catalog.Challenge, token catalog.SecretList, q Request) (reply Reply, is bool, err error) {
	value := fields(q)
	moded := with.Mode == "" || value(with.Mode) == with.ModeValue
	if q.Method != with.Method || q.Method == "POST" && !moded {
		return Reply{}, false, nil
	}
	right := true
	if with.Token != "" {
		if right, err = c.equal(ch, token, value(with.Token)); err != nil {
			return Reply{}, true, err
		}
	}
	if !right || !moded {
		return Reply{}, true, problem.New(403, "handshake", "the verify token or the mode is not the expected one")
	}
	challenge := value(with.Challenge)
	if challenge == "" || len(challenge) > maxChallenge {
		return Reply{}, true, problem.New(400, "challenge", fmt.Sprintf("%s is missing or longer than %d bytes", with.Challenge, maxChallenge))
	}
	return plain(challenge, OutcomeChallenge), true, nil
}

// fields gives the fields of what may be a challenge, by name: of the query,
// else of the body, which is a JSON object or a form.
func fields(q Request) func(name string) string {
	var object map[string]any
	var form url.Values
	if q.Method == "POST" && len(q.Body) <= maxChallengeBody {
		body, err := q.parsed()
		if object, _ = body.(map[string]any); err != nil {
			if form, err = url.ParseQuery(string(q.Body)); err != nil {
				form = nil
			}
		}
	}
	return func(name string) string {
		if header := headerIn(name); header != "" {
			return q.Headers[strings.ToLower(header)]
		}
		if value, ok := q.Query[name]; ok {
			return value
		}
		switch v := object[name].(type) {
		case string:
			return v
		case int64:
			return strconv.FormatInt(v, 10)
		}
		if values := form[name]; len(values) == 1 {
			return values[0]
		}
		return ""
	}
}

// unkeyed says which secret of a channel of adapter webhook is missing, or
// can't serve.
func (c *Channels) unkeyed(ch catalog.Channel) *abi.Error {
	p, err := c.prepare(ch)
	if err != nil {
		return err
	}
	for _, use := range p.Secrets() {
		for _, name := range ch.Secrets[use] {
			value, err := c.config.Secrets.Open(name)
			if err == nil && use == catalog.SecretWebhook && p.method != nil {
				if _, err = p.method.Key(value.Reveal()); err != nil {
					err = fmt.Errorf("secret %q: %w", name, err)
				}
			}
			if err != nil {
				return noSecret(ch, err)
			}
		}
	}
	return nil
}
