package channel

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/contact"
	"github.com/trama-run/trama/host/expr"
	"github.com/trama-run/trama/host/run"
	"github.com/trama-run/trama/host/signature"
	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/pdk/abi"
)

// Channels whose adapter is catalog.AdapterWebhook take the webhooks of any
// service: a request is checked and stored as those of other channels are, and
// becomes an event that starts flows. No plugin has a part in it.

// prepared is the config of such a channel, read.
type prepared struct {
	catalog.Webhook
	method *signature.Method // nil: requests are not signed
	// challenge is complete; its zero value takes none.
	challenge catalog.Challenge
}

// again says how requests that somebody got hold of can be sent again as others;
// empty: they can't.
func (p *prepared) again() string {
	if p.method == nil || p.ID == "body_sha256" || strings.HasPrefix(p.ID, "json:") {
		return ""
	}
	if _, timed := p.method.Timed(); timed {
		return ""
	}
	id := headerIn(p.ID)
	if id != "" && slices.ContainsFunc(p.method.Headers(), func(signed string) bool { return strings.EqualFold(signed, id) }) {
		return ""
	}
	how := "as it was"
	if id != "" {
		how = "with another " + id
	}
	return fmt.Sprintf("its signature covers neither a time nor an id: who has got hold of a request can send it again, %s, and it is another event; if no two events have the same body, write id: body", how)
}

// preparations keeps what was read of one snapshot of the catalog, by channel.
type preparations struct {
	mu       sync.Mutex
	snapshot *catalog.Snapshot    // guarded by mu
	read     map[string]*prepared // guarded by mu
	// adapters has the methods of manifests, by channel; guarded by mu.
	adapters map[string]adapter
}

// adapter is what was read of a manifest.
type adapter struct {
	from   *abi.WebhookSignature
	method *signature.Method
}

// ofManifest reads how the requests of a channel's adapter are signed.
func (p *preparations) ofManifest(ch catalog.Channel, s *abi.WebhookSignature) (*signature.Method, *abi.Error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if known := p.adapters[ch.ID]; known.from == s {
		return known.method, nil
	}
	method, err := signature.New(scheme(s))
	if err != nil {
		return nil, &abi.Error{Code: abi.CodeInvalid, Message: fmt.Sprintf("plugin %s: webhook signature: %v", ch.Adapter, err)}
	}
	if p.adapters == nil {
		p.adapters = map[string]adapter{}
	}
	p.adapters[ch.ID] = adapter{s, method}
	return method, nil
}

// prepare reads the config of a channel, or says why the channel can't work.
func (c *Channels) prepare(ch catalog.Channel) (*prepared, *abi.Error) {
	snapshot := c.config.Catalog().Snapshot()
	c.prepared.mu.Lock()
	defer c.prepared.mu.Unlock()
	if c.prepared.snapshot != snapshot {
		c.prepared.snapshot, c.prepared.read = snapshot, map[string]*prepared{}
	}
	if p, ok := c.prepared.read[ch.ID]; ok {
		return p, nil
	}
	w, problems := ch.Webhook()
	if problems != nil {
		return nil, &abi.Error{Code: abi.CodeInvalid, Message: fmt.Sprintf("channel %q: %v", ch.ID, problems)}
	}
	p := &prepared{Webhook: w}
	if w.Signature != nil {
		var err error
		if p.method, err = signature.New(w.Signature.Scheme); err != nil {
			return nil, &abi.Error{Code: abi.CodeInvalid, Message: fmt.Sprintf("channel %q: signature: %v", ch.ID, err)}
		}
		if p.ID == "" && p.method.ID() != "" {
			p.ID = "header:" + p.method.ID()
		}
	}
	if w.Challenge != nil {
		p.challenge = w.Challenge.Full()
	}
	if p.ID == "body" {
		p.ID = "body_sha256"
	}
	c.prepared.read[ch.ID] = p
	return p, nil
}

// generic takes one request of such a channel.
func (c *Channels) generic(ctx context.Context, ch catalog.Channel, q Request) (Reply, error) {
	p, held := c.prepare(ch)
	if held != nil {
		return Reply{}, c.unprepared(ch, held)
	}
	if err := from(p.Webhook, q); err != nil && q.sample == nil {
		return Reply{}, err
	}
	byToken := p.challenge.Token != ""
	if byToken {
		if reply, is, err := c.challenged(ch, p.challenge, ch.Secrets[catalog.SecretVerifyToken], q); is || err != nil {
			return reply, err
		}
	}
	if q.Method != "POST" {
		return Reply{}, wrongMethod(p.challenge.Method == "GET")
	}
	guard, err := c.genuine(ch, p, q)
	if err != nil {
		return Reply{}, err
	}
	if p.Basic != "" || p.Token != "" || p.method != nil {
		c.passed(q)
	}
	if !byToken && p.challenge.Challenge != "" {
		if reply, is, err := c.challenged(ch, p.challenge, nil, q); is || err != nil {
			return reply, err
		}
	}
	return c.keep(ctx, ch, q, mark(ch.ID, p.ID, q), guard)
}

// event takes a stored request of such a channel out of the intake: it starts
// flows, or waits for those before it that are about the same.
func (c *Channels) event(ctx context.Context, ch catalog.Channel, item store.Item) error {
	p, held := c.prepare(ch)
	if held != nil {
		return c.bury(ctx, ch, item, *held)
	}
	batch := removal(item)
	var stored raw
	if err := json.Unmarshal(item.Value, &stored); err != nil {
		return c.bury(ctx, ch, item, abi.Error{Code: abi.CodeInvalid, Message: fmt.Sprintf("stored request: %v", err)})
	}
	if stored.Sample != "" {
		defer c.room.hold(stored.Body)()
		e, err := eventOf(ch, p, &stored)
		got := reading{event: &e}
		if err != nil {
			got = reading{failure: &abi.Error{Code: abi.CodeInvalid, Message: err.Error()}}
		}
		return c.endSample(ctx, item, stored.Sample, got)
	}
	about := ""
	if p.Order != "" {
		var err error
		if about, err = c.place(ctx, &batch, ch, p, &stored); err != nil {
			return fmt.Errorf("channel %s: %w", ch.ID, err)
		}
	}
	if about != "" && p.Contact == "" {
		return c.line(ctx, &batch, ch, item, about, stored)
	}
	_, err := c.begin(ctx, &batch, ch, p, item, stored, "")
	return err
}

// begin starts the flows of a stored request with a batch that takes it out of
// its queue, and gives the ids of their runs; done is a key that is woken when
// they end. What can't start anything is a dead letter, without an error.
func (c *Channels) begin(ctx context.Context, batch *store.Batch, ch catalog.Channel, p *prepared, item store.Item, stored raw, done string) (map[string]string, error) {
	defer c.room.hold(stored.Body)()
	e, err := eventOf(ch, p, &stored)
	e.Done = done
	e.From = &contact.Origin{Channel: ch.ID, Request: stored.Request, Delivery: stored.ID}
	var runs map[string]string
	if err == nil {
		runs, err = c.config.Event(batch, e)
	}
	if err == nil && len(runs) == 0 && !c.config.Subscribers.Heard(catalog.EventFlow+":"+e.Name) {
		err = fmt.Errorf("event %q: %w: publish one, then replay this", e.Name, run.ErrNoFlow)
	}
	reason := abi.Error{Code: abi.CodeUnavailable}
	if errors.Is(err, expr.ErrNoRoom) {
		reason.Code = abi.CodeLimit
	}
	if err == nil && done != "" {
		err = running(batch, done, runs)
	}
	if err == nil && stored.ID != "" && len(runs) > 0 {
		err = remember(batch, stored.ID, runs)
	}
	if err == nil {
		_, err = c.config.Store.Commit(ctx, batch)
		if err == nil {
			c.config.Poke()
			return runs, nil
		}
		if !errors.Is(err, store.ErrTooBig) && !errors.Is(err, store.ErrInvalid) {
			return nil, fmt.Errorf("channel %s: %w", ch.ID, err)
		}
		reason.Code = abi.CodeLimit
	}
	reason.Message = err.Error()
	return nil, c.bury(ctx, ch, item, reason)
}

// kindRuns keeps the ids of the runs that a delivery has started, by its id.
const kindRuns store.Kind = "webhook-runs"

// runsTTL is as long as the call log keeps calls, if nobody says otherwise.
const runsTTL = 14 * 24 * time.Hour

func remember(batch *store.Batch, delivery string, runs map[string]string) error {
	value, err := json.Marshal(slices.Sorted(maps.Values(runs)))
	batch.Put = append(batch.Put, store.Put{ID: store.ID{Kind: kindRuns, Key: delivery}, Value: value, TTL: runsTTL})
	return err
}

// Runs gives the ids of the runs that a delivery has started; none if it has
// started none so far, or too long ago.
func (c *Channels) Runs(ctx context.Context, delivery string) (runs []string, err error) {
	record, err := c.config.Store.Load(ctx, store.ID{Kind: kindRuns, Key: delivery})
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err == nil {
		err = json.Unmarshal(record.Value, &runs)
	}
	return runs, err
}

// eventOf makes an event of a stored request. Its body is read as JSON if it is
// JSON, whatever its Content-Type says: services forget it, and some send
// another once they are given headers of one's own. One that holds so many values
// that they would take more than bodyRoom is an error.
func eventOf(ch catalog.Channel, p *prepared, stored *raw) (run.Event, error) {
	data := map[string]any{"channel": ch.ID, "method": stored.Method, "headers": texts(stored.Headers), "query": texts(stored.Query)}
	q := stored.request()
	body, err := expr.ParseWithin(stored.Body, bodyRoom)
	switch {
	case err == nil:
		data["body"] = body
	case errors.Is(err, expr.ErrNoRoom):
		return run.Event{}, fmt.Errorf("channel %q: the body holds so many values that they would take more than %d MiB: have its sender send fewer at once: %w", ch.ID, bodyRoom>>20, err)
	case utf8.Valid(stored.Body):
		data["body"] = string(stored.Body)
	default:
		data["body_base64"] = base64.StdEncoding.EncodeToString(stored.Body)
	}
	if about := placed(p.Order, q); about != "" {
		data["order"] = about
	}
	if at, ok := signature.Time(placed(p.Time, q)); ok {
		data["time"] = at.UTC().Format(time.RFC3339Nano)
	}
	if stored.Stale != nil {
		data["stale"] = *stored.Stale
	}
	e := run.Event{Name: p.Event, Data: data}
	if p.Contact != "" {
		found, _ := expr.Pointer(body, strings.TrimPrefix(p.Contact, "json:"))
		text, ok := found.(string)
		if !ok {
			return e, fmt.Errorf("channel %q: the body names no contact at %s", ch.ID, p.Contact)
		}
		e.Contact = text
	}
	return e, nil
}

func texts(values map[string]string) map[string]any {
	all := make(map[string]any, len(values))
	for name, value := range values {
		all[name] = value
	}
	return all
}

// placed gives the text or the number at a place of a request: header:NAME or
// json:/pointer. It is empty if there is none.
func placed(place string, q Request) string {
	if header := headerIn(place); header != "" {
		return q.Headers[strings.ToLower(header)]
	}
	path, ok := strings.CutPrefix(place, "json:")
	if !ok {
		return ""
	}
	text, _ := expr.TextAt(q.Body, path) // it makes no values of a stranger's body
	return text
}
