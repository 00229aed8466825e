package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/trama-run/trama/host/calllog"
	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/cause"
	"github.com/trama-run/trama/host/egress"
	"github.com/trama-run/trama/host/grant"
	"github.com/trama-run/trama/host/outbox"
	"github.com/trama-run/trama/host/signature"
	"github.com/trama-run/trama/pdk/abi"
)

// CodeDisabled: the subscription gets no deliveries; those that waited are dead
// letters.
const CodeDisabled = "disabled"

// Bounds of a delivery.
const (
	maxAnswer   = 256 << 10        // bytes of an answer that are read: its status is what counts
	maxRequests = 4                // of one try: each may be made twice
	maxSlow     = time.Minute      // that a subscription is spared for, by itself
	maxAskSlow  = 10 * time.Minute // and if its receiver asks for it
)

// gone and off are the endpoints of deliveries that nobody takes: they end at
// once, whatever their subscription's breaker says.
const (
	endpointGone = "subscriptions that are gone"
	endpointOff  = "subscriptions that are disabled"
)

// of finds the subscription of a queue.
func (w *Webhooks) of(queue string) *subscription {
	id, _, _ := strings.Cut(strings.TrimPrefix(queue, PrefixDelivery+":"), "/")
	return w.index.Load().all[id]
}

// Endpoint implements outbox.Sender.
func (w *Webhooks) Endpoint(item outbox.Item) (string, *abi.Error) {
	s := w.of(item.Queue)
	if s == nil {
		return endpointGone, nil
	}
	if w.disabled(s) != "" {
		return endpointOff, nil
	}
	return "subscription " + s.ID, w.held(s)
}

// held says why deliveries of a subscription wait: what they need is not there,
// or its receiver has asked for a pause.
func (w *Webhooks) held(s *subscription) *abi.Error {
	if s.refused != nil {
		return s.refused
	}
	missing := func(name string) *abi.Error {
		if _, err := w.config.Secrets.Open(name); err != nil {
			return &abi.Error{Code: abi.CodeNoSecret, Message: fmt.Sprintf("subscription %q: %v", s.ID, err)}
		}
		return nil
	}
	for _, name := range s.Secrets {
		if err := missing(name); err != nil {
			return err
		}
	}
	for _, value := range s.Headers {
		for _, placeholder := range catalog.Placeholders(value) {
			if name, is := catalog.SecretIn(placeholder); is {
				if err := missing(name); err != nil {
					return err
				}
			}
		}
	}
	if err := w.unmet(s); err != nil {
		return err
	}
	w.mu.Lock()
	k := w.states[s.ID]
	w.mu.Unlock()
	if k == nil {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.slowUntil.After(w.now()) {
		return &abi.Error{Code: abi.CodeUnavailable, Message: fmt.Sprintf("subscription %q: its receiver has asked for a pause, until %s", s.ID, k.slowUntil.UTC().Format(time.RFC3339))}
	}
	return nil
}

// Send implements outbox.Sender.
func (w *Webhooks) Send(ctx context.Context, item outbox.Item) (outbox.Outcome, *abi.Error) {
	s := w.of(item.Queue)
	if s == nil { // nobody wants it any more
		return outbox.Outcome{State: outbox.StateCancelled}, nil
	}
	if off := w.disabled(s); off != "" {
		return outbox.Outcome{}, &abi.Error{Code: CodeDisabled, Message: fmt.Sprintf("subscription %q: %s; it can be sent with: trama subscription replay %s", s.ID, off, s.ID)}
	}
	var d delivery
	var e Event
	err := json.Unmarshal(item.Value, &d)
	if err == nil {
		err = json.Unmarshal(d.Event, &e)
	}
	if err != nil {
		return outbox.Outcome{}, &abi.Error{Code: abi.CodeInvalid, Message: fmt.Sprintf("the event can't be read: %v", err)}
	}
	a, failure := w.try(ctx, s, e, d.Event)
	if ctx.Err() != nil { // it is sent again after the next start
		return outbox.Outcome{}, failure
	}
	w.pace(ctx, s, a, failure)
	disabled, err := w.note(ctx, s, a, a.Status == http.StatusGone)
	if err != nil {
		w.config.Log.Error("what came of a delivery was not noted", "subscription", s.ID, "error", err)
	}
	if disabled && failure != nil {
		failure.Code, failure.Retryable = CodeDisabled, false
	}
	return outbox.Outcome{}, failure
}

// try sends an event once; twice if its token was refused, with another one.
func (w *Webhooks) try(ctx context.Context, s *subscription, e Event, body []byte) (Attempt, *abi.Error) {
	a := Attempt{At: w.now(), Event: e.ID, Type: e.Type}
	ctx = cause.With(ctx, func(of *cause.Cause) { of.Kind, of.Name = calllog.KindSubscription, s.ID })
	began := time.Now()
	answer, failure := w.post(ctx, s, e, body, &a)
	a.Millis = time.Since(began).Milliseconds()
	if failure == nil {
		a.Status = answer.Status
		failure = refused(s, answer, w.now())
	}
	if failure != nil {
		a.Error, a.Unsent = failure.Message, failure.Code == abi.CodeUnavailable
	}
	return a, failure
}

// post makes the request, and makes it again after a 401 if it carried tokens.
func (w *Webhooks) post(ctx context.Context, s *subscription, e Event, body []byte, a *Attempt) (abi.HTTPResponse, *abi.Error) {
	scope, failure := w.scope(s, s.URL)
	if failure != nil {
		return abi.HTTPResponse{}, failure
	}
	for {
		headers, tokens, failure := w.headers(ctx, s, e, body, scope)
		if failure != nil {
			return abi.HTTPResponse{}, failure
		}
		answer, err := scope.Send(ctx, abi.HTTPRequest{Method: http.MethodPost, URL: s.URL, Headers: headers, Body: string(body)})
		if err != nil {
			return answer, unsent(s, s.URL, err)
		}
		if answer.Status != http.StatusUnauthorized || len(tokens) == 0 || a.Renewed {
			return answer, nil
		}
		for name, value := range tokens {
			w.tokens.reject(s, name, value)
		}
		a.Renewed = true
	}
}

// scope opens the way to a URL of a subscription's, under the host's rules.
func (w *Webhooks) scope(s *subscription, target string) (*egress.Scope, *abi.Error) {
	u, err := url.Parse(target)
	if err == nil && u.Scheme == "http" && !w.config.Rules.AllowHTTP {
		err = fmt.Errorf("%s is not encrypted: use https, or set webhooks: {allow_http: true} in trama.yaml and restart", u.Host)
	}
	var origin grant.Origin
	if err == nil {
		origin, err = grant.OriginOf(u)
	}
	if err != nil {
		return nil, &abi.Error{Code: abi.CodeUnavailable, Message: fmt.Sprintf("subscription %q: %v", s.ID, err), Retryable: true}
	}
	near := egress.NearNothing
	if w.config.Rules.AllowPrivate {
		near = egress.NearHosts
	}
	timeout := time.Duration(s.Timeout)
	if timeout == 0 {
		timeout = catalog.MaxDeliveryTimeout
	}
	return w.config.Egress.Open(egress.Policy{
		Origins: []string{origin.String()}, Near: near, Timeout: timeout, Requests: maxRequests,
		HTTPBytes: maxAnswer, Direct: true, Cut: true,
	}), nil
}

// headers makes those of one try, and gives the tokens that are in them by
// name.
func (w *Webhooks) headers(ctx context.Context, s *subscription, e Event, body []byte, scope *egress.Scope) (headers, used map[string]string, failure *abi.Error) {
	headers = map[string]string{"Content-Type": "application/json; charset=utf-8"}
	used = map[string]string{}
	for name, text := range s.Headers {
		value, err := catalog.Expand(text, func(placeholder string) (string, error) {
			value, failure := w.value(ctx, s, placeholder, scope)
			if _, is := catalog.SecretIn(placeholder); failure == nil && !is {
				used[placeholder] = value
			}
			if failure != nil {
				return "", failure
			}
			return value, nil
		})
		if err != nil {
			return nil, nil, asError(err)
		}
		if name = http.CanonicalHeaderKey(name); value == "" {
			delete(headers, name)
		} else {
			headers[name] = value
		}
	}
	now := w.now()
	headers["Webhook-Id"], headers["Webhook-Timestamp"] = e.ID, strconv.FormatInt(now.Unix(), 10)
	if len(s.Secrets) == 0 {
		return headers, used, nil
	}
	var keys []signature.Key
	for _, name := range s.Secrets {
		secret, err := w.config.Secrets.Open(name)
		if err == nil {
			var key signature.Key
			key, err = w.method.Key(secret.Reveal())
			keys = append(keys, key)
		}
		if err != nil {
			return nil, nil, unavailable(s, "secret %q: %v", name, err)
		}
	}
	signed, err := w.method.Sign(e.ID, now, body, keys...)
	if err != nil {
		return nil, nil, unavailable(s, "%v", err)
	}
	maps.Copy(headers, signed)
	return headers, used, nil
}

// value gives what a placeholder stands for, and hides it from what comes back.
func (w *Webhooks) value(ctx context.Context, s *subscription, placeholder string, scope *egress.Scope) (string, *abi.Error) {
	name, isSecret := catalog.SecretIn(placeholder)
	if !isSecret {
		token, failure := w.tokens.get(ctx, s, placeholder)
		if failure == nil {
			scope.Hide(token)
		}
		return token, failure
	}
	secret, err := w.config.Secrets.Open(name)
	if err != nil {
		return "", unavailable(s, "%v", err)
	}
	scope.Hide(secret.Reveal())
	return secret.Reveal(), nil
}

// unavailable is an error after which nothing was sent: the delivery waits.
func unavailable(s *subscription, format string, args ...any) *abi.Error {
	return &abi.Error{Code: abi.CodeUnavailable, Message: fmt.Sprintf("subscription %q: %s", s.ID, fmt.Sprintf(format, args...))}
}

// unsent says why there is no answer. All that may heal is tried again: names
// lead elsewhere, and certificates are renewed.
func unsent(s *subscription, target string, err error) *abi.Error {
	failure := *asError(err)
	failure.Retryable = true
	if failure.Code == abi.CodeDenied { // its remedy is for plugins' grants
		host := target
		if u, err := url.Parse(target); err == nil {
			host = u.Host
		}
		failure.Code = abi.CodeUnavailable // nothing was sent: it waits until it may be
		failure.Message = fmt.Sprintf("%s leads to an address that is not public: use another, or set webhooks: {allow_private: true} in trama.yaml and restart", host)
	}
	failure.Message = fmt.Sprintf("subscription %q: %s", s.ID, failure.Message)
	return &failure
}

// refused makes a failure of an answer that is not 2xx. A redirect is one too:
// the subscription named the place.
func refused(s *subscription, answer abi.HTTPResponse, now time.Time) *abi.Error {
	if answer.Status/100 == 2 {
		return nil
	}
	text := fmt.Sprintf("subscription %q: its receiver answered with status %d", s.ID, answer.Status)
	if answer.Status/100 == 3 {
		text += ", a redirect, which is not followed: change the url"
	}
	return &abi.Error{
		Code: "status_" + strconv.Itoa(answer.Status), Message: text, Retryable: answer.Status != http.StatusGone,
		RetryAfterMillis: outbox.RetryAfter(answer.Headers["retry-after"], now).Milliseconds(),
	}
}

// pace spares a receiver that can't keep up: 429, 502 and 504 hold all of its
// deliveries for a while, or for as long as it asks. The while grows by what was
// tried after it; the other tries of the same moment say nothing new.
func (w *Webhooks) pace(ctx context.Context, s *subscription, a Attempt, failure *abi.Error) {
	k, err := w.lock(ctx, s.ID)
	if err != nil { // note says so
		return
	}
	defer k.mu.Unlock()
	news := !a.At.Before(k.slowUntil)
	switch a.Status {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusGatewayTimeout:
		if news {
			k.slowed++
		}
		pause := min(time.Second<<min(k.slowed-1, 10), maxSlow)
		asked := min(time.Duration(failure.RetryAfterMillis)*time.Millisecond, maxAskSlow)
		if until := w.now().Add(max(asked, pause)); until.After(k.slowUntil) && (news || asked > 0) {
			k.slowUntil = until
		}
	default:
		if news && !a.Unsent {
			k.slowed = 0
		}
	}
}

// asError gives an error the form that all failures of a send have.
func asError(err error) *abi.Error {
	if shaped, ok := errors.AsType[*abi.Error](err); ok {
		return shaped
	}
	return &abi.Error{Code: abi.CodeInvalid, Message: err.Error()}
}

// TypeTest is the type of the event that Test sends.
const TypeTest = "test"

// Test sends an event of type TypeTest to a subscription now, disabled or not,
// and tells what came of it. Errors: ErrNone, or that no event can be made.
func (w *Webhooks) Test(ctx context.Context, id string) (Attempt, error) {
	s := w.index.Load().all[id]
	if s == nil {
		return Attempt{}, ErrNone
	}
	e, body, err := w.encode(TypeTest, map[string]any{"subscription": id, "text": "This is a test: nothing has happened."})
	if err != nil {
		return Attempt{}, err
	}
	a, _ := w.try(ctx, s, e, body)
	return a, nil
}
