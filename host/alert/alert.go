// Package alert tells operators what flows want them to know: it is the
// outbox's sender of alerts. An alert goes where alerts.yaml says: to a
// webhook, as a signed POST, or into the outbox of a contact on a channel.
//
// The package must not know flows, or when an alert is tried again.
package alert

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/trama-run/trama/host/calllog"
	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/cause"
	"github.com/trama-run/trama/host/contact"
	"github.com/trama-run/trama/host/egress"
	"github.com/trama-run/trama/host/outbox"
	"github.com/trama-run/trama/host/secret"
	"github.com/trama-run/trama/host/signature"
	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/pdk/abi"
)

// CodeNoAlert: no alert is configured under the name that a flow used.
const CodeNoAlert = "no_alert"

// Config joins the alerts to their surroundings.
type Config struct {
	Catalog func() *catalog.Catalog
	Egress  *egress.Client
	Secrets *secret.Source
	Now     func() time.Time // nil: time.Now
}

// Alerts are the configured alerts.
type Alerts struct {
	config Config
	method *signature.Method // of Standard Webhooks
}

var _ outbox.Sender = (*Alerts)(nil)

// New returns the alerts of a catalog. They are the sender of the items of
// outbox.PrefixAlert, which are outbox.Alert.
func New(config Config) *Alerts {
	if config.Now == nil {
		config.Now = time.Now
	}
	return &Alerts{config, signature.Standard()}
}

// Policy is how alerts are tried: for a day, since an operator's own systems
// may be down for a night.
func Policy() outbox.Policy {
	return outbox.Policy{
		Pauses: []time.Duration{
			5 * time.Second, 30 * time.Second, 5 * time.Minute, 30 * time.Minute,
			2 * time.Hour, 5 * time.Hour, 8 * time.Hour, 8 * time.Hour,
		},
		Jitter:        0.2,
		MaxRetryAfter: 24 * time.Hour,
		AtOnce:        4,
		Breaker: outbox.Breaker{
			Window: 10 * time.Minute, MinTries: 10, Share: 0.8,
			Pause: 30 * time.Second, MaxPause: 10 * time.Minute,
		},
	}
}

// Held returns why an alert can't go out now, and nil if it can.
func (a *Alerts) Held(id string) *abi.Error {
	s := a.config.Catalog().Snapshot()
	to, err := s.Alert(id)
	if err != nil {
		return noAlert(err)
	}
	if to.Webhook == nil {
		if _, ok := s.Channels[to.Channel]; !ok {
			return &abi.Error{Code: abi.CodeUnavailable, Message: fmt.Sprintf("alert %q: channel %q is not configured: add it to channels.yaml", to.ID, to.Channel)}
		}
		return nil
	}
	if to.Webhook.Secret != "" {
		if _, err := a.key(to.Webhook.Secret); err != nil {
			return &abi.Error{Code: abi.CodeNoSecret, Message: fmt.Sprintf("alert %q: %v", to.ID, err)}
		}
	}
	return nil
}

func noAlert(err error) *abi.Error { return &abi.Error{Code: CodeNoAlert, Message: err.Error()} }

// unconfigured is the endpoint of all alerts that nobody has configured: their
// names may come from templates, and be without end.
const unconfigured = "alerts that are not configured"

// Endpoint implements outbox.Sender. An alert that nobody has configured is
// not held: it is a dead letter at once, since its name may be a mistake.
func (a *Alerts) Endpoint(item outbox.Item) (string, *abi.Error) {
	to, err := a.config.Catalog().Snapshot().Alert(idOf(item))
	if err != nil {
		return unconfigured, nil
	}
	held := a.Held(to.ID)
	if held != nil && held.Code == CodeNoAlert { // it went since
		held = nil
	}
	return "alert " + to.ID, held
}

func idOf(item outbox.Item) string {
	return strings.TrimPrefix(item.Queue, outbox.PrefixAlert+":")
}

// Send implements outbox.Sender.
func (a *Alerts) Send(ctx context.Context, item outbox.Item) (outbox.Outcome, *abi.Error) {
	var alert outbox.Alert
	if err := json.Unmarshal(item.Value, &alert); err != nil {
		return outbox.Outcome{}, &abi.Error{Code: abi.CodeInvalid, Message: fmt.Sprintf("the alert can't be read: %v", err)}
	}
	to, err := a.config.Catalog().Snapshot().Alert(idOf(item))
	if err != nil {
		return outbox.Outcome{}, noAlert(err)
	}
	if to.Webhook != nil {
		ctx = cause.With(ctx, func(of *cause.Cause) { of.Kind, of.Name = calllog.KindAlert, to.ID })
		return outbox.Outcome{}, a.post(ctx, to, alert)
	}
	return a.pass(to, alert)
}

// pass lets an alert go on into the outbox of a contact, with the commit that
// takes it out of its own.
func (a *Alerts) pass(to catalog.Alert, alert outbox.Alert) (outbox.Outcome, *abi.Error) {
	scheme, path, _ := strings.Cut(to.To, ":")
	queue := outbox.ContactKey(contact.KeyOf(to.Channel, abi.Address{Scheme: scheme, Path: path}))
	value, err := json.Marshal(outbox.Message{Head: alert.Head, Message: abi.Message{Type: abi.MessageText, Text: text(alert)}})
	if err != nil {
		return outbox.Outcome{}, &abi.Error{Code: abi.CodeInvalid, Message: err.Error()}
	}
	return outbox.Outcome{State: outbox.StateQueued, Settle: func(_ context.Context, batch *store.Batch, _ *outbox.Delivery) error {
		batch.Append = append(batch.Append, store.Append{Queue: queue, Value: value})
		batch.Wake = append(batch.Wake, store.Wake{Key: queue, At: a.config.Now()})
		return nil
	}}, nil
}

// text is an alert as people read it in a chat.
func text(alert outbox.Alert) string {
	var b strings.Builder
	if alert.Level != "" {
		b.WriteString(strings.ToUpper(alert.Level) + ": ")
	}
	b.WriteString(alert.Text)
	var from []string
	for _, part := range []struct{ name, value string }{{"flow", alert.Flow}, {"node", alert.Node}, {"run", alert.RunID}} {
		if part.value != "" {
			from = append(from, part.name+" "+part.value)
		}
	}
	if len(from) > 0 {
		b.WriteString("\n(" + strings.Join(from, ", ") + ")")
	}
	return b.String()
}
