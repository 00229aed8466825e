package webhook

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/trama-run/trama/host/calllog"
	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/cause"
	"github.com/trama-run/trama/host/egress"
	"github.com/trama-run/trama/host/expr"
	"github.com/trama-run/trama/host/flow"
	"github.com/trama-run/trama/host/signature"
	"github.com/trama-run/trama/pdk/abi"
)

// maxToken is the longest token that a header carries.
const maxToken = 16 << 10

// fetch gets a token from its source. After a failure the deliveries that need
// it wait; its text shows nothing that the source said.
func (w *Webhooks) fetch(ctx context.Context, s *subscription, name string, source catalog.TokenSource) (issued, *abi.Error) {
	asked := w.now()
	var answer any
	var failure *abi.Error
	token, expires := "/access_token", "/expires_in"
	switch {
	case source.OAuth2 != nil:
		answer, failure = w.askOAuth2(ctx, s, source.OAuth2)
	case source.HTTP != nil:
		token, expires = source.HTTP.Token, source.HTTP.Expires
		answer, failure = w.askHTTP(ctx, s, source.HTTP)
	default:
		token = "/token"
		answer, failure = w.askFlow(ctx, s, name, source.Flow)
	}
	if failure != nil {
		failure.Code, failure.Retryable = abi.CodeUnavailable, false // nothing was sent: the delivery waits
		failure.Message = fmt.Sprintf("%s (token %q)", failure.Message, name)
		return issued{}, failure
	}
	found, _ := expr.Pointer(answer, token)
	value, _ := found.(string)
	if value == "" || len(value) > maxToken || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return issued{}, unavailable(s, "token %q: its source's answer has no text at %s that a header can carry", name, token)
	}
	got := issued{Value: value}
	var end time.Time
	if found, ok := expr.Pointer(answer, expires); ok {
		var readable bool
		if end, readable = instant(found, asked); !readable && source.Life == 0 {
			return issued{}, unavailable(s, "token %q: what its source's answer has at %s says no time: want seconds from now, seconds or milliseconds since 1970, RFC 3339 with a zone, or an HTTP date; else give the token's life", name, expires)
		}
	}
	if end.IsZero() && source.Life > 0 {
		end = asked.Add(time.Duration(source.Life))
	}
	if !end.IsZero() {
		got.End, got.Renew = end, end.Add(-min(earlier, end.Sub(asked)/5))
	}
	return got, nil
}

// askOAuth2 asks by client credentials.
func (w *Webhooks) askOAuth2(ctx context.Context, s *subscription, o *catalog.TokenOAuth2) (any, *abi.Error) {
	scope, failure := w.scope(s, o.TokenURL)
	if failure != nil {
		return nil, failure
	}
	secret, err := w.config.Secrets.Open(o.Secret)
	if err != nil {
		return nil, unavailable(s, "%v", err)
	}
	scope.Hide(secret.Reveal())
	form := url.Values{"grant_type": {"client_credentials"}}
	for name, value := range o.Params {
		form.Set(name, value)
	}
	if len(o.Scopes) > 0 {
		form.Set("scope", strings.Join(o.Scopes, " "))
	}
	headers := map[string]string{"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"}
	if o.ClientAuth == "body" {
		form.Set("client_id", o.ClientID)
		form.Set("client_secret", secret.Reveal())
	} else { // RFC 6749, section 2.3.1: both are form-encoded first
		pair := base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(o.ClientID) + ":" + url.QueryEscape(secret.Reveal())))
		scope.Hide(pair)
		headers["Authorization"] = "Basic " + pair
	}
	return w.ask(ctx, s, scope, abi.HTTPRequest{Method: http.MethodPost, URL: o.TokenURL, Headers: headers, Body: form.Encode()})
}

// askHTTP asks by the request that the source describes.
func (w *Webhooks) askHTTP(ctx context.Context, s *subscription, h *catalog.TokenHTTP) (any, *abi.Error) {
	scope, failure := w.scope(s, h.URL)
	if failure != nil {
		return nil, failure
	}
	fill := func(text string) (string, error) {
		return catalog.Expand(text, func(placeholder string) (string, error) {
			name, _ := catalog.SecretIn(placeholder)
			secret, err := w.config.Secrets.Open(name)
			if err != nil {
				return "", unavailable(s, "%v", err)
			}
			scope.Hide(secret.Reveal())
			return secret.Reveal(), nil
		})
	}
	request := abi.HTTPRequest{Method: h.Method, URL: h.URL, Headers: map[string]string{"Accept": "application/json"}}
	if request.Method == "" {
		request.Method = http.MethodPost
	}
	body, err := filled(h.Body, fill)
	if err != nil {
		return nil, asError(err)
	}
	switch text, isText := body.(string); {
	case body == nil:
	case isText:
		request.Body = text
	default:
		data, err := json.Marshal(body)
		if err != nil {
			return nil, unavailable(s, "%v", err)
		}
		request.Body, request.Headers["Content-Type"] = string(data), "application/json"
	}
	own := map[string]string{}
	for name, value := range h.Headers {
		if own[http.CanonicalHeaderKey(name)], err = fill(value); err != nil {
			return nil, asError(err)
		}
	}
	maps.Copy(request.Headers, own)
	return w.ask(ctx, s, scope, request)
}

// filled copies a JSON value with its texts filled in.
func filled(value any, fill func(string) (string, error)) (any, error) {
	switch v := value.(type) {
	case string:
		return fill(v)
	case []any:
		list := make([]any, len(v))
		for i := range v {
			var err error
			if list[i], err = filled(v[i], fill); err != nil {
				return nil, err
			}
		}
		return list, nil
	case map[string]any:
		object := make(map[string]any, len(v))
		for name := range v {
			var err error
			if object[name], err = filled(v[name], fill); err != nil {
				return nil, err
			}
		}
		return object, nil
	}
	return value, nil
}

// ask sends a request for a token and reads its answer, which is JSON. What a
// scope has hidden is not in it, so the token must not be among that.
func (w *Webhooks) ask(ctx context.Context, s *subscription, scope *egress.Scope, request abi.HTTPRequest) (any, *abi.Error) {
	ctx = cause.With(ctx, func(of *cause.Cause) { of.Kind, of.Name, of.Secret = calllog.KindSubscription, s.ID, true })
	response, err := scope.Send(ctx, request)
	if err != nil {
		return nil, unsent(s, request.URL, err)
	}
	host := request.URL
	if u, err := url.Parse(request.URL); err == nil {
		host = u.Host
	}
	if response.Status/100 != 2 {
		return nil, unavailable(s, "%s answered with status %d", host, response.Status)
	}
	var answer any
	if err := expr.UnmarshalJSON([]byte(response.Body), &answer); err != nil {
		return nil, unavailable(s, "%s answered with what is not JSON", host)
	}
	return answer, nil
}

// askFlow lets a flow answer.
func (w *Webhooks) askFlow(ctx context.Context, s *subscription, name, id string) (any, *abi.Error) {
	f, ok := w.config.Catalog().Snapshot().Flows[id]
	if !ok {
		return nil, unavailable(s, "flow %q is not published", id)
	}
	trigger := ""
	for _, t := range f.Flow.Triggers {
		if t.Type == flow.TriggerGateway && trigger == "" {
			trigger = t.ID
		}
	}
	if trigger == "" {
		return nil, unavailable(s, "flow %q has no trigger of type gateway", id)
	}
	answer, err := w.config.Run(ctx, f, trigger, map[string]any{
		"method": "POST", "path": "/", "params": map[string]any{}, "query": map[string]any{}, "headers": map[string]any{},
		"client": map[string]any{}, "body": map[string]any{"subscription": s.ID, "token": name},
	})
	switch {
	case err != nil:
		return nil, unavailable(s, "flow %q: %v", id, err)
	case answer.Failure != nil:
		return nil, unavailable(s, "flow %q failed, see: trama runs show %s", id, answer.RunID)
	case answer.Response == nil || answer.Response.Status/100 != 2:
		return nil, unavailable(s, "flow %q did not answer with a token, see: trama runs show %s", id, answer.RunID)
	}
	return answer.Response.Body, nil
}

// maxLife: a number below it is a time from now, in seconds; one from it on is
// an instant.
const maxLife = 1e9

// instant reads when a token runs out; zero if that is not said. A number that
// is not above zero stands for none.
func instant(value any, asked time.Time) (end time.Time, readable bool) {
	text := ""
	switch v := value.(type) {
	case nil:
		return time.Time{}, true
	case string:
		text = v
	case json.Number:
		text = v.String()
	case int64:
		text = strconv.FormatInt(v, 10)
	case float64:
		text = strconv.FormatFloat(v, 'f', -1, 64)
	}
	n, err := strconv.ParseFloat(text, 64)
	switch {
	case err == nil && n <= 0:
		return time.Time{}, true
	case err == nil && n < maxLife:
		return asked.Add(time.Duration(n * float64(time.Second))), true
	case err == nil && n < math.MaxInt64:
		return signature.Epoch(int64(n)) // a fraction of a second less does no harm
	}
	if end, readable = signature.Time(text); !readable {
		end, err = http.ParseTime(text)
		readable = err == nil
	}
	return end, readable
}
