// Package webhook tells outside systems of what happens here: those that have
// a subscription get each event that they asked for as a signed POST.
//
// An event is written down in the commit of what caused it, if anybody
// subscribes to its type ([Webhooks.Tell]); so neither can be there without
// the other. From there it is dealt out, once to each subscription, into
// queues of the outbox ([Webhooks.FanOut]), which tries it by a schedule until
// it is taken or dead; [Webhooks] is the outbox's sender. What the outbox
// spares an endpoint, such as breakers and places, it does by subscription, so
// that one that is dead slows no other.
//
// Whoever subscribes and nobody who doesn't costs something: without an event
// of its type, a subscription is an entry in an index in memory.
//
// The package must not know where events come from, or when they are tried
// again.
package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/egress"
	"github.com/trama-run/trama/host/outbox"
	"github.com/trama-run/trama/host/run"
	"github.com/trama-run/trama/host/secret"
	"github.com/trama-run/trama/host/seldom"
	"github.com/trama-run/trama/host/signature"
	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/pdk/abi"
)

// Prefixes of the keys whose work this package has a part in.
const (
	// PrefixEvents begins the key of the events that wait to be dealt out.
	PrefixEvents = "events"
	// PrefixDelivery begins the queues of the outbox:
	// "webhook:<subscription>/<type>/<event>", so that what fails holds nothing
	// else, or "webhook:<subscription>/" for one that wants its events in order.
	PrefixDelivery = "webhook"
	// PrefixFailing begins the keys of subscriptions whose tries fail:
	// "failing:<subscription>". Their wakes are when that is told.
	PrefixFailing = "failing"
)

// keyEvents is the queue of events, and the key of its wake.
const keyEvents = PrefixEvents + ":new"

// Rules are what the operator of the host allows all subscriptions.
type Rules struct {
	// AllowHTTP lets deliveries go without TLS.
	AllowHTTP bool
	// AllowPrivate lets them go to private and loopback addresses.
	AllowPrivate bool
	// DisableAfter is how long every try of a subscription may fail until it is
	// disabled; 0: 7 days.
	DisableAfter time.Duration
}

const defaultDisableAfter = 7 * 24 * time.Hour

// Vault keeps tokens, encrypted; secret.Vault does.
type Vault interface {
	Get(name string) (string, error)
	Put(name, value string) error
	Remove(name string) error
}

// Config joins the subscriptions to their surroundings.
type Config struct {
	Store   store.Store
	Catalog func() *catalog.Catalog
	Egress  *egress.Client
	Secrets *secret.Source
	Vault   Vault
	// Run runs a flow that makes a token: Secretly of host/run's Runner.
	Run   func(ctx context.Context, f catalog.Flow, trigger string, event map[string]any) (run.Answer, error)
	Rules Rules
	// Poke wakes the dispatcher.
	Poke func()
	Now  func() time.Time // nil: time.Now
	Log  *slog.Logger
}

// Webhooks are the subscriptions of a host.
type Webhooks struct {
	config Config
	tokens tokens
	seldom *seldom.Log       // of what strikes with each event
	method *signature.Method // of Standard Webhooks
	index  atomic.Pointer[index]
	opened time.Time

	mu         sync.Mutex
	configured map[string]catalog.Subscription // guarded by mu
	off        map[string]string               // URLs of subscriptions that were disabled, by id; guarded by mu
	states     map[string]*kept                // guarded by mu
}

var _ outbox.Sender = (*Webhooks)(nil)

// Open returns the subscriptions of a host whose catalog is not open yet; see
// Update. It reads which of them fail or were disabled.
func Open(ctx context.Context, config Config) (*Webhooks, error) {
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.Rules.DisableAfter == 0 {
		config.Rules.DisableAfter = defaultDisableAfter
	}
	w := &Webhooks{config: config, method: signature.Standard(), off: map[string]string{}, states: map[string]*kept{}}
	w.seldom = seldom.New(config.Log, config.Now)
	w.opened = w.now()
	w.tokens = tokens{webhooks: w, held: map[string]*token{}}
	w.index.Store(&index{})
	return w, w.readStates(ctx)
}

// now is the clock, to the millisecond that records keep.
func (w *Webhooks) now() time.Time { return w.config.Now().Truncate(time.Millisecond) }

// Policy is how deliveries are tried: ten times over three days and more. A
// breaker opens after few failures, since a receiver that hangs takes a place
// for as long as it has for its answer; one that answers late, and well, gets
// few.
func Policy() outbox.Policy {
	return outbox.Policy{
		Pauses: []time.Duration{
			5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour,
			10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour,
		},
		Jitter:        0.2,
		MaxRetryAfter: 24 * time.Hour,
		AtOnce:        8,
		Slow:          2 * time.Second,
		AtOnceSlow:    2,
		Breaker: outbox.Breaker{
			Window: 2 * time.Minute, MinTries: 6, Share: 0.8,
			Pause: 15 * time.Second, MaxPause: 5 * time.Minute,
		},
	}
}

// subscription is a configured one, made ready.
type subscription struct {
	catalog.Subscription
	filter *filter // nil: it takes all
	// sums are those of the sources of its tokens, by name.
	sums    func() (map[string]string, error)
	refused *abi.Error // why the host's rules don't let it work
}

// index is all subscriptions at one time. It is never changed.
type index struct {
	all map[string]*subscription
	of  map[string][]*subscription // those that work, by type of event, in the order of ids
	// off has those that were disabled for their failures, as of has the others.
	off map[string][]*subscription
}

// wants lists the subscriptions to a type of event, in the order of their ids.
func (x *index) wants(typ string) []*subscription { return wanting(x.of, typ) }

// misses lists those that would want it, and were disabled for their failures.
func (x *index) misses(typ string) []*subscription { return wanting(x.off, typ) }

func wanting(of map[string][]*subscription, typ string) []*subscription {
	own := of[typ]
	if !strings.HasPrefix(typ, catalog.EventFlow+":") || len(of[catalog.EventFlow]) == 0 {
		return own
	}
	both := slices.Concat(own, of[catalog.EventFlow])
	slices.SortFunc(both, func(a, b *subscription) int { return strings.Compare(a.ID, b.ID) })
	return slices.Compact(both)
}

// Update makes the subscriptions those of a snapshot.
func (w *Webhooks) Update(s *catalog.Snapshot) {
	w.mu.Lock()
	before := w.configured
	w.configured = s.Subscriptions
	var moved []string
	for id, failed := range w.off {
		if now, stays := s.Subscriptions[id]; stays && now.URL != failed { // another URL is another try
			moved = append(moved, id)
			delete(w.off, id)
		}
	}
	w.rebuild()
	var gone []store.ID
	for id := range before {
		if _, stays := s.Subscriptions[id]; !stays {
			gone = append(gone, stateID(id), missedID(id))
			delete(w.off, id)
			delete(w.states, id)
		}
	}
	w.mu.Unlock()
	for id := range before {
		for name := range before[id].Tokens {
			if _, stays := s.Subscriptions[id].Tokens[name]; !stays {
				w.tokens.forget(id, name)
			}
		}
	}
	for _, id := range moved { // or it would be disabled again by a restart after the old URL came back
		if err := w.Enable(context.Background(), id); err != nil {
			w.config.Log.Error("a subscription has another url, and that it was disabled was not taken back", "subscription", id, "error", err)
		}
	}
	for some := range slices.Chunk(gone, store.MaxChanges) {
		if _, err := w.config.Store.Commit(context.Background(), &store.Batch{Delete: some}); err != nil {
			w.config.Log.Error("what is known of subscriptions that are gone was not removed", "subscriptions", len(some), "error", err)
		}
	}
}

// rebuild makes the index. The caller holds mu.
func (w *Webhooks) rebuild() {
	before := w.index.Load()
	next := &index{all: make(map[string]*subscription, len(w.configured)), of: map[string][]*subscription{}, off: map[string][]*subscription{}}
	for _, id := range slices.Sorted(maps.Keys(w.configured)) {
		s := &subscription{Subscription: w.configured[id], refused: w.refuse(w.configured[id])}
		if old := before.all[id]; old != nil && old.Filter == s.Filter {
			s.filter = old.filter
		} else if s.Filter != "" {
			s.filter = newFilter(s.Filter)
		}
		s.sums = sync.OnceValues(func() (map[string]string, error) { return sumsOf(s.Tokens) })
		next.all[id] = s
		if !s.On() { // one that is refused gets its events: they wait
			continue
		}
		of := next.of
		if w.off[id] != "" {
			of = next.off
		}
		for _, typ := range s.Events {
			of[typ] = append(of[typ], s)
		}
	}
	w.index.Store(next)
}

// refuse says why the host's rules don't let a subscription work.
func (w *Webhooks) refuse(s catalog.Subscription) *abi.Error {
	u, err := url.Parse(s.URL)
	if err == nil && u.Scheme == "http" && !w.config.Rules.AllowHTTP {
		err = errors.New("it is not encrypted: use https, or set webhooks: {allow_http: true} in trama.yaml and restart")
	}
	if err != nil {
		return &abi.Error{Code: abi.CodeDenied, Message: fmt.Sprintf("subscription %q: url: %v", s.ID, err)}
	}
	return nil
}

// disabled says why a subscription gets nothing, by its document or because it
// was disabled; "" if it does.
func (w *Webhooks) disabled(s *subscription) string {
	if !s.On() {
		return "its document says enabled: false"
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.off[s.ID] != "" {
		return "it was disabled, see: trama subscription state " + s.ID
	}
	return ""
}

// load reads a record of JSON, if there is one.
func load(ctx context.Context, s store.Store, id store.ID, into any) (found bool, err error) {
	record, err := s.Load(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	if err == nil {
		err = json.Unmarshal(record.Value, into)
	}
	if err != nil {
		return false, fmt.Errorf("record %s %s: %w", id.Kind, id.Key, err)
	}
	return true, nil
}
