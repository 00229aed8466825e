package host

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/trama-run/trama/host/calllog"
	"github.com/trama-run/trama/host/cause"
	"github.com/trama-run/trama/host/deadletter"
	"github.com/trama-run/trama/host/egress"
	"github.com/trama-run/trama/host/engine"
	"github.com/trama-run/trama/host/outbox"
	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/host/store/badger"
	"github.com/trama-run/trama/host/telemetry"
	"github.com/trama-run/trama/host/trace"
	"github.com/trama-run/trama/host/webhook"
)

// watchers opens what keeps calls and follows them: the log, and the tracer if
// there is a collector.
func (h *Host) watchers(ctx context.Context) (err error) {
	s := h.config.Settings
	if c := s.CallLog; !c.Off {
		h.calls = calllog.New(calllog.Config{
			Store: h.store, Secrets: h.secretValues, Changes: h.secrets.Changes, Days: c.Days, Bytes: int64(c.Bytes),
			NoBodies: c.Bodies != nil && !*c.Bodies, Log: h.config.Log,
		})
	}
	if s.Otel.Endpoint == "" {
		return nil
	}
	h.tracer, err = trace.Open(ctx, trace.Config{
		Endpoint: s.Otel.Endpoint, Share: s.Otel.Share, Log: h.config.Log,
		Headers: func() (map[string]string, error) {
			headers := map[string]string{}
			for name, secret := range s.Otel.Headers {
				value, err := h.secrets.Open(secret)
				if err != nil {
					return nil, err
				}
				headers[name] = value.Reveal()
			}
			return headers, nil
		},
	})
	return err
}

// settingSecrets are the secrets that the settings name, with which do.
func (h *Host) settingSecrets() map[string][]string {
	users := map[string][]string{}
	for _, name := range h.config.Settings.Otel.Headers {
		users[name] = []string{"setting/otel"}
	}
	return users
}

// secretValues are the secrets that no record may have.
func (h *Host) secretValues() []string {
	values := []string{h.token}
	known, err := h.secrets.List()
	if err != nil {
		h.config.Log.Error("not all secrets can be listed, to be kept out of the call log and of answers", "error", err)
	}
	for _, info := range known {
		if value, err := h.secrets.Open(info.Name); err == nil { // else nothing can use it either
			values = append(values, value.Reveal())
		}
	}
	return values
}

// requested counts a request of the public listener.
func (h *Host) requested(kind, name, outcome string, status int, took time.Duration) {
	if kind == calllog.KindWebhook {
		h.metrics.Hooked(name, outcome, status)
		return
	}
	h.metrics.Requested(name, status, took)
}

// exchanged keeps a request that went out.
func (h *Host) exchanged(ctx context.Context, x *egress.Exchange) {
	if !h.calls.Takes(x.Failure != nil || x.Status >= 400) {
		return
	}
	of := cause.Of(ctx)
	c := &calllog.Seen{
		Call: calllog.Call{
			At: x.Began, Duration: x.Took, Direction: calllog.Out, Kind: of.Kind, Name: of.Name, Method: x.Method, Endpoint: x.URL,
			Status: x.Status, Attempt: of.Attempt, Run: of.Run, Node: of.Node, Contact: of.Contact, RequestID: of.Request, EffectID: of.Effect,
			Trace: trace.ID(ctx),
		},
		Asked:    calllog.Half{Headers: lines(x.Asked), Bytes: x.AskedBytes},
		Answered: calllog.Half{Headers: lines(x.Answered), Bytes: x.AnsweredBytes},
		Redact:   x.Redact,
	}
	if c.Kind == "" {
		c.Kind = calllog.KindHost
	}
	if !of.Secret {
		c.Asked.Body, c.Answered.Body = x.AskedBody, x.AnsweredBody
	}
	if x.Failure != nil {
		c.Error = x.Failure.Code + ": " + x.Failure.Message
	}
	h.calls.Add(c)
}

func lines(header http.Header) []byte {
	var b bytes.Buffer
	header.Write(&b) //nolint:errcheck // a buffer takes everything
	return b.Bytes()
}

// ran counts a run that is over.
func (h *Host) ran(flow string, status engine.Status, took time.Duration) {
	h.metrics.Ran(flow, string(status), took)
}

// lane is the name of a kind of queue for people.
func lane(prefix string) string {
	switch prefix {
	case outbox.PrefixContact:
		return "message"
	case webhook.PrefixDelivery:
		return "subscription"
	}
	return prefix
}

// tried counts a try to send something.
func (h *Host) tried(prefix, result string) { h.metrics.Delivered(lane(prefix), result) }

// committed counts a commit.
func (h *Host) committed(took time.Duration, err error) {
	reason := ""
	switch {
	case err == nil, errors.Is(err, store.ErrConflict), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
	case errors.Is(err, store.ErrNoSpace):
		reason = "no_space"
	case errors.Is(err, store.ErrUnknown):
		reason = "unknown"
	default:
		reason = "other"
	}
	h.metrics.Committed(took, reason)
}

// Bounds of what is counted for Prometheus.
const (
	maxCounted     = 10_000 // of one kind
	maxOpen        = 100    // endpoints that are named
	conditionEvery = 5 * time.Second
)

// condition is how the host is, not older than a few seconds.
type condition struct {
	mu    sync.Mutex
	at    time.Time           // guarded by mu
	value telemetry.Condition // guarded by mu
}

// condition counts what waits.
func (h *Host) condition() telemetry.Condition {
	c := &h.conditions
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.at) < conditionEvery {
		return c.value
	}
	ctx, cancel := context.WithTimeout(context.Background(), conditionEvery)
	defer cancel()
	value := telemetry.Condition{Breakers: map[string]int{}, DiskFree: -1, CallsLost: h.calls.Dropped(), RunsLost: h.runs.Unrecorded(), LockedOut: len(h.guard.Locked())}
	for _, state := range []string{outbox.BreakerClosed, outbox.BreakerHalfOpen, outbox.BreakerOpen} {
		value.Breakers[state] = 0
	}
	for _, e := range h.outbox.Endpoints() {
		value.Breakers[e.Breaker]++
		if e.Breaker != outbox.BreakerClosed && len(value.Open) < maxOpen {
			value.Open = append(value.Open, e.Name)
		}
	}
	if free, err := badger.FreeSpace(h.config.Settings.Data); err == nil {
		value.DiskFree = int64(free)
	}
	err := h.queues(ctx, &value)
	err = errors.Join(err, deadletter.Each(ctx, h.store, deadletter.Filter{}, "", maxCounted, maxCounted, func(deadletter.Letter) { value.DeadLetters++ }))
	if err != nil {
		h.config.Log.Error("metrics are not whole", "error", err)
	}
	c.at, c.value = time.Now(), value
	return value
}

// queues counts the keys that have work.
func (h *Host) queues(ctx context.Context, into *telemetry.Condition) error {
	now := time.Now()
	for _, prefix := range h.dispatch.Prefixes() {
		q := telemetry.Queue{Name: lane(prefix)}
		for after := ""; q.Waiting < maxCounted; {
			wakes, err := h.store.Wakes(ctx, prefix+":", after, 1000)
			if err != nil {
				return err
			}
			for _, w := range wakes {
				q.Waiting++
				if late := now.Sub(w.At); late >= 0 {
					q.Due++
					q.Age = max(q.Age, late)
				}
			}
			if len(wakes) < 1000 {
				break
			}
			after = wakes[len(wakes)-1].Key
		}
		into.Queues = append(into.Queues, q)
	}
	return nil
}

// stopWatching ends what keeps calls and follows them, with what waits.
func (h *Host) stopWatching() error {
	h.calls.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return h.tracer.Close(ctx)
}
