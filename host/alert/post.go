package alert

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/egress"
	"github.com/trama-run/trama/host/grant"
	"github.com/trama-run/trama/host/outbox"
	"github.com/trama-run/trama/host/signature"
	"github.com/trama-run/trama/pdk/abi"
)

// timeout bounds one POST, its answer included.
const timeout = 10 * time.Second

// body is what is posted.
type body struct {
	ID    string          `json:"id"`   // the effect id, the same for all tries
	Time  time.Time       `json:"time"` // of the alert, not of the try
	Text  string          `json:"text"`
	Level string          `json:"level,omitempty"`
	Run   string          `json:"run,omitempty"`
	Flow  string          `json:"flow,omitempty"`
	Node  string          `json:"node,omitempty"`
	Data  json.RawMessage `json:"data,omitempty"`
}

// final are the answers that another try would get again.
var final = []int{http.StatusBadRequest, http.StatusGone, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity}

// post sends an alert to a webhook, signed by the rules of Standard Webhooks
// 1.0.0 if the alert names a secret. Any 2xx is success. A redirect is not
// followed: the operator named the place. The host reaches it as a grant of
// the URL's origin would: a private address only if the URL has it literally.
func (a *Alerts) post(ctx context.Context, to catalog.Alert, alert outbox.Alert) *abi.Error {
	content, err := json.Marshal(body{
		ID: alert.EffectID, Time: alert.At, Text: alert.Text, Level: alert.Level,
		Run: alert.RunID, Flow: alert.Flow, Node: alert.Node, Data: alert.Data,
	})
	if err != nil {
		return &abi.Error{Code: abi.CodeInvalid, Message: fmt.Sprintf("alert %q: %v", to.ID, err)}
	}
	u, err := url.Parse(to.Webhook.URL)
	if err != nil {
		return &abi.Error{Code: abi.CodeInvalid, Message: fmt.Sprintf("alert %q: url: %v", to.ID, err)}
	}
	origin, err := grant.OriginOf(u)
	if err != nil {
		return &abi.Error{Code: abi.CodeInvalid, Message: fmt.Sprintf("alert %q: url: %v", to.ID, err)}
	}
	stamp := strconv.FormatInt(a.config.Now().Unix(), 10)
	headers := map[string]string{
		"Content-Type": "application/json",
		"Webhook-Id":   alert.EffectID, "Webhook-Timestamp": stamp,
	}
	if to.Webhook.Secret != "" {
		key, err := a.key(to.Webhook.Secret)
		if err != nil { // it went since the outbox asked
			return &abi.Error{Code: abi.CodeUnavailable, Message: fmt.Sprintf("alert %q: %v", to.ID, err)}
		}
		signed, err := a.method.Sign(alert.EffectID, a.config.Now(), content, key)
		if err != nil {
			return &abi.Error{Code: abi.CodeInvalid, Message: fmt.Sprintf("alert %q: %v", to.ID, err)}
		}
		maps.Copy(headers, signed)
	}
	scope := a.config.Egress.Open(egress.Policy{Origins: []string{origin.String()}, Timeout: timeout, Direct: true})
	answer, err := scope.Send(ctx, abi.HTTPRequest{Method: http.MethodPost, URL: to.Webhook.URL, Headers: headers, Body: string(content)})
	if failure, ok := errors.AsType[*abi.Error](err); ok {
		named := *failure
		named.Message = fmt.Sprintf("alert %q: %s", to.ID, named.Message)
		return &named
	}
	if err != nil {
		return &abi.Error{Code: abi.CodeUnreachable, Message: fmt.Sprintf("alert %q: %v", to.ID, err), Retryable: true}
	}
	if answer.Status/100 == 2 {
		return nil
	}
	return &abi.Error{
		Code: "status_" + strconv.Itoa(answer.Status), Message: fmt.Sprintf("alert %q: %s answered with status %d", to.ID, origin, answer.Status),
		Retryable:        answer.Status/100 != 3 && !slices.Contains(final, answer.Status),
		RetryAfterMillis: outbox.RetryAfter(answer.Headers["retry-after"], a.config.Now()).Milliseconds(),
	}
}

// key opens a secret as the key that signs.
func (a *Alerts) key(name string) (signature.Key, error) {
	value, err := a.config.Secrets.Open(name)
	if err != nil {
		return signature.Key{}, err
	}
	key, err := a.method.Key(value.Reveal())
	if err == nil && !key.Private() {
		err = errors.New("it is a public key, which verifies and can't sign")
	}
	if err != nil {
		return signature.Key{}, fmt.Errorf("secret %q: %w", name, err)
	}
	return key, nil
}
