package access

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"github.com/trama-run/trama/host/problem"
	signing "github.com/trama-run/trama/host/signature"
	"github.com/trama-run/trama/host/source"
)

// Service is how a service signs the requests that it makes.
//
// A signed request may come again as long as its time is taken: services send
// one again whose answer they did not see. Where that must not count twice, the
// route's idempotency is by an id of the request.
type Service struct {
	Scheme Scheme     `json:"scheme" source:"required"`
	Secret SecretList `json:"secret" source:"required"`
}

// Scheme is how requests are signed, written out or as the name of a preset.
type Scheme struct{ signing.Scheme }

// UnmarshalSource reads a scheme, or the name of a preset.
func (s *Scheme) UnmarshalSource(v source.Value) source.Problems {
	if name, ok := v.Any().(string); ok {
		s.Preset = name
		return nil
	}
	return v.Decode(&s.Scheme)
}

// SecretList are the names, on a host, of what serves as one secret: one, or
// several while it is rotated, any of which is right. In a document it is a
// name or a list.
type SecretList []string

// MaxSecrets bounds a SecretList: every request is held against each.
const MaxSecrets = 5

// UnmarshalSource reads a name or a list of names.
func (l *SecretList) UnmarshalSource(v source.Value) source.Problems {
	if v.IsList() {
		return v.Decode((*[]string)(l))
	}
	var name string
	problems := v.Decode(&name)
	*l = SecretList{name}
	return problems
}

// UnmarshalJSON reads what MarshalJSON writes.
func (l *SecretList) UnmarshalJSON(data []byte) error {
	var name string
	if json.Unmarshal(data, &name) == nil {
		*l = SecretList{name}
		return nil
	}
	return json.Unmarshal(data, (*[]string)(l))
}

// MarshalJSON writes one name as a text, and several as a list.
func (l SecretList) MarshalJSON() ([]byte, error) {
	if len(l) == 1 {
		return json.Marshal(l[0])
	}
	return json.Marshal([]string(l))
}

// Header is where the signature stands.
func (s *Service) Header() string {
	m, err := signing.New(s.Scheme.Scheme)
	if err != nil { // it was checked when the route was made
		return ""
	}
	return m.Header()
}

func (s *Service) validate() (problems []string) {
	if _, err := signing.New(s.Scheme.Scheme); err != nil {
		problems = append(problems, fmt.Sprintf("signature: %v", err))
	}
	if len(s.Secret) == 0 || len(s.Secret) > MaxSecrets {
		problems = append(problems, fmt.Sprintf("signature: secret: name 1 to %d secrets that both sides know", MaxSecrets))
	}
	return problems
}

// serviceCaller is by what a lockout knows services.
const serviceCaller = "service"

// service checks the signature of a service.
func (c *call) service(ctx context.Context, s *Service) *problem.Details {
	method, err := c.guard.method(s.Scheme.Scheme)
	if err != nil {
		return c.notChecked(ctx, s, err)
	}
	q := signing.Request{Method: c.Method, URL: c.guard.config.URL(c.Headers("host"), c.Target), Headers: map[string]string{}, Query: map[string]string{}, Body: c.Body}
	for _, name := range method.Headers() {
		name = strings.ToLower(name)
		values := c.Headers(name)
		if len(values) > 1 {
			return twice(name)
		}
		if len(values) == 1 {
			q.Headers[name] = values[0]
		}
	}
	if _, sent := q.Headers[strings.ToLower(method.Header())]; !sent {
		c.why = "no signature was sent in " + s.Header()
		return c.unauthorized()
	}
	if _, query, ok := strings.Cut(c.Target, "?"); ok {
		values, err := url.ParseQuery(query)
		if err != nil {
			return problem.New(400, "bad_query", "the query can't be read")
		}
		for name, all := range values {
			if len(all) == 1 {
				q.Query[name] = all[0]
			}
		}
	}
	if wait := c.guard.lockout.locked(c.home, serviceCaller, c.now); wait > 0 {
		c.why = c.shut()
		return lockedOut(wait)
	}
	var keys []signing.Key
	var missing error
	for _, name := range s.Secret {
		value, err := c.guard.config.Secrets.Open(name)
		if err != nil {
			missing = err
			continue
		}
		k, err := method.Key(value.Reveal())
		if err != nil {
			missing = fmt.Errorf("secret %q: %w", name, err)
			continue
		}
		keys = append(keys, k)
	}
	if len(keys) == 0 { // while a secret is rotated, one of two may be missing
		return c.notChecked(ctx, s, missing)
	}
	_, err = method.Verify(q, c.now, keys...)
	if err != nil {
		c.why = "the service's signature is not taken: " + err.Error()
	}
	if errors.Is(err, signing.ErrTime) { // whoever signs well is told what else is wrong
		return late(c.unauthorized())
	}
	return c.judge(err == nil)
}

// notChecked answers a call whose signature can't be checked.
func (c *call) notChecked(ctx context.Context, s *Service, err error) *problem.Details {
	c.guard.seldom.Say(ctx, slog.LevelError, "signature "+strings.Join(s.Secret, " "), "a service's signature can't be checked", "error", err)
	return problem.Busy("signatures_unavailable", "signed requests can't be checked now", 10*time.Second)
}

// method gives a scheme made ready.
func (g *Guard) method(s signing.Scheme) (*signing.Method, error) {
	if m, ok := g.methods.Load(s); ok {
		return m.(*signing.Method), nil
	}
	m, err := signing.New(s)
	if err == nil {
		g.methods.Store(s, m)
	}
	return m, err
}
