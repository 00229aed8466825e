// Package run carries sessions through the world: it loads a session's state,
// lets the engine advance it, performs the calls that it asks for, and commits.
//
// A session is driven by one goroutine at a time; calls of its sub-runs may be
// made at once. Before a call that may change
// something outside, its intent is committed together with everything that
// the run did before; its result is committed before the next call, be that
// one pure, or at the end; what the plugin wrote into the memory of the run's
// contact goes with it. So a crash repeats no finished effect. A call that was
// begun when the process died is repeated with the same effect id, unless its
// plugin says that this is unsafe: then its outcome is unknown, and the flow's
// error port decides. Pure calls may be repeated after a crash, those of about
// the last second. A gateway run whose calls are all pure, and which ends with
// its answer within that time, is not committed before it.
//
// The package must not know HTTP, webhooks or how plugins run.
package run

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/contact"
	"github.com/trama-run/trama/host/engine"
	"github.com/trama-run/trama/host/fallback"
	"github.com/trama-run/trama/host/plugin"
	"github.com/trama-run/trama/host/run/mail"
	"github.com/trama-run/trama/host/run/record"
	"github.com/trama-run/trama/host/run/told"
	"github.com/trama-run/trama/host/run/trigger"
	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/host/turn"
	"github.com/trama-run/trama/pdk/abi"
)

// Prefixes of the keys whose work this package does. A key is the unit of
// order, and the name of its session record and of its mailbox.
const (
	PrefixRun = "run" // "run:<run id>": a run without a contact, while no caller drives it
)

// Plugins performs calls; host/plugin's Registry does.
type Plugins interface {
	Call(ctx context.Context, c plugin.Call) (json.RawMessage, plugin.Usage, *abi.Error)
	ManifestOf(name, digest string) (abi.Manifest, bool)
	Serving(name string) (digest string)
	ReadyOf(name, digest string) *abi.Error
}

// Config joins a runner to its surroundings.
type Config struct {
	Store   store.Store
	Catalog func() *catalog.Catalog
	Plugins Plugins
	Env     map[string]any
	// Secret says why a secret can't be opened; nil: it can.
	Secret func(name string) error
	// Check says why a response is not what its route promises. nil: all are.
	Check func(route string, r *engine.Respond) error
	// Place waits for a place among the runs of a route that are at work, no
	// longer than ctx; not ok: there is none for now. leave gives it back. nil:
	// there is one always.
	Place func(ctx context.Context, route string) (leave func(), ok bool)
	// Fetch gets the medium of a contact's message before its flow sees it; nil:
	// messages are as they came. While it answers ErrLater, the contact's work
	// waits, and nobody else's.
	Fetch func(ctx context.Context, channel string, who contact.Key, m abi.Message) (abi.Message, error)
	// Able gives what a channel's adapter can send; nil: everything.
	Able func(channel string) fallback.Adapter
	// Addresses gives how a channel's adapter writes addresses; nil: in any way.
	Addresses func(channel string) []abi.AddressForm
	// Talks says whether a channel has contacts; nil: the catalog's have.
	Talks func(channel string) bool
	// Poke wakes the dispatcher.
	Poke func()
	// Subscribers are told of runs that are over and of flows' events; nil: there
	// are none.
	Subscribers told.Subscribers
	// Now and Sleep are the clock; nil: the system's. Sleep returns the
	// context's error if that ends first.
	Now   func() time.Time
	Sleep func(ctx context.Context, d time.Duration) error
	// Ended is told of each run that is over; nil: nobody asks.
	Ended func(flow string, status engine.Status, took time.Duration)
	// ID names a run; names must grow. nil: UUIDs of version 7.
	ID func() (string, error)
	// InOrder makes calls that could go at once one at a time, in their order,
	// and stores all records as runs end, so that the same events give the
	// same. For trials and simulations: in production it only costs time.
	InOrder bool
	Log     *slog.Logger
}

// Runner drives runs.
type Runner struct {
	config    Config
	records   *record.Recorder
	env       atomic.Pointer[environment]
	known     sync.Map // *engine.Program -> needs
	published *trigger.Published
	room      room // of stored runs that are driven

	drivers drivers
	first   first
	people  *turn.Turns // keys of contacts: their work, and operators' changes

	mu     sync.Mutex
	active map[string]bool   // keys of gateway runs that are driven now; guarded by mu
	later  map[string]func() // by key, who waits for the end of a run of Later that was not driven yet; guarded by mu
	gone   sync.WaitGroup    // gateway runs
	stop   context.Context   // ends when runs must
	cancel context.CancelFunc
}

// New returns a runner. Close ends it.
func New(config Config) *Runner {
	if config.Now == nil {
		config.Now, config.Sleep = time.Now, sleep
	}
	if config.ID == nil {
		config.ID = newID
	}
	if config.Subscribers == nil {
		config.Subscribers = told.Nobody{}
	}
	if config.Talks == nil {
		config.Talks = func(channel string) bool { return mail.Talks(config.Catalog().Snapshot(), channel) }
	}
	stop, cancel := context.WithCancel(context.Background())
	return &Runner{
		config: config, records: record.NewRecorder(config.Store, config.Log),
		drivers: drivers{work: make(chan func())}, first: first{runs: map[string]queued{}}, people: turn.New(), published: trigger.New(config.Catalog), active: map[string]bool{}, later: map[string]func(){}, stop: stop, cancel: cancel,
	}
}

// Close waits for runs that are driven, no longer than ctx, then ends them;
// what was committed of them goes on at the next start.
func (r *Runner) Close(ctx context.Context) {
	done := make(chan struct{})
	go func() { r.gone.Wait(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
	}
	r.cancel()
	<-done
	r.records.Close()
}

// Unrecorded counts the runs that left no record, under load.
func (r *Runner) Unrecorded() int64 { return r.records.Dropped() }

// newID returns an id that grows with time (RFC 9562, version 7).
func newID() (string, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return "", fmt.Errorf("run id: %w", err)
	}
	return id.String(), nil
}

// Held returns why a flow can't begin now: a plugin, a connection or a secret
// that it needs is not there. nil: it can.
func (r *Runner) Held(f catalog.Flow) *abi.Error {
	if need := r.needs(f.Program); len(need.jumps) == 0 { // as nearly all
		return r.lacks(need, nil)
	}
	programs, _ := r.reach(f)
	return r.held(programs, nil)
}

// held is Held for a session with these pins. It waits for no plugin that it
// has pinned: what has become of that one is for its error ports.
func (r *Runner) held(programs engine.Programs, pins map[string]string) *abi.Error {
	for _, id := range slices.Sorted(maps.Keys(programs)) {
		if err := r.lacks(r.needs(programs[id]), pins); err != nil {
			return err
		}
	}
	return nil
}

func (r *Runner) lacks(need needs, pins map[string]string) *abi.Error {
	for _, name := range need.plugins {
		if pins[name] != "" {
			continue
		}
		if err := r.config.Plugins.ReadyOf(name, ""); err != nil {
			return err
		}
	}
	connections := r.config.Catalog().Snapshot().Connections
	for _, id := range need.connections {
		connection, ok := connections[id]
		if !ok {
			return &abi.Error{Code: abi.CodeUnavailable, Message: fmt.Sprintf("connection %q is not configured: add it to connections.yaml", id), Retryable: true}
		}
		for _, name := range connection.Auth.Secrets() {
			if err := r.config.Secret(name); err != nil {
				return &abi.Error{Code: abi.CodeUnavailable, Message: fmt.Sprintf("connection %q: %v", id, err), Retryable: true}
			}
		}
	}
	return nil
}

// now is the clock of runs, to the millisecond that records keep.
func (r *Runner) now() time.Time { return r.config.Now().Truncate(time.Millisecond) }

func (r *Runner) sleep(ctx context.Context, d time.Duration) error { return r.config.Sleep(ctx, d) }

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
