// Package run carries runs through the world: it loads a run's state, lets the
// engine advance it, performs the calls that it asks for, and commits.
//
// A run is driven by one goroutine at a time. Before a call that may change
// something outside, its intent is committed together with everything that
// the run did before; its result is committed before the next call, be that
// one pure, or at the end; what the plugin wrote into the memory of the run's
// contact goes with it. So a crash repeats no finished effect. A call that was
// begun when the process died is repeated with the same effect id, unless its
// plugin says that this is unsafe: then its outcome is unknown, and the flow's
// error port decides. A gateway run whose calls are all pure, and which ends
// with its answer, is not committed before it.
//
// The package must not know HTTP, webhooks or how plugins run.
package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/engine"
	"github.com/trama-run/trama/host/hostfn"
	"github.com/trama-run/trama/host/kv"
	"github.com/trama-run/trama/host/plugin"
	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/pdk/abi"
)

// Prefixes of the keys whose work this package does. A key is the unit of
// order, and the name of its session record and of its mailbox.
const (
	PrefixContact = "contact" // "contact:<contact key>": a conversation
	PrefixRun     = "run"     // "run:<run id>": a gateway run that was interrupted
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
	// Poke wakes the dispatcher.
	Poke func()
	Log  *slog.Logger
}

// Runner drives runs.
type Runner struct {
	config  Config
	records *recorder
	known   sync.Map // *engine.Program -> needs

	mu     sync.Mutex
	active map[string]bool // keys of gateway runs that are driven now; guarded by mu
	gone   sync.WaitGroup  // gateway runs
	stop   context.Context // ends when runs must
	cancel context.CancelFunc
}

// New returns a runner. Close ends it.
func New(config Config) *Runner {
	stop, cancel := context.WithCancel(context.Background())
	return &Runner{
		config: config, records: newRecorder(config.Store, config.Log),
		active: map[string]bool{}, stop: stop, cancel: cancel,
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
	r.records.close()
}

// newID returns an id that grows with time (RFC 9562, version 7).
func newID() (string, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return "", fmt.Errorf("run id: %w", err)
	}
	return id.String(), nil
}

// session is what is stored of a key's conversation or run between commits.
type session struct {
	Run engine.Run `json:"run"`
	// Intent is the effect id of a call that was begun and is not known to
	// have ended.
	Intent string `json:"intent,omitempty"`
	// Pins are the contents of plugins that the run began with, by name: the
	// run ends on them.
	Pins map[string]string `json:"pins,omitempty"`
}

// kindSession is the kind of session records, by key.
const kindSession store.Kind = "session"

// Held returns why a flow can't begin now: a plugin, a connection or a secret
// that it needs is not there. nil: it can.
func (r *Runner) Held(p *engine.Program) *abi.Error { return r.held(p, nil) }

// held is Held for a run with these pins. It waits for no plugin that it has
// pinned: what has become of that one is for the run's error ports.
func (r *Runner) held(p *engine.Program, pins map[string]string) *abi.Error {
	need := r.needs(p)
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

// needs is what a flow can't run without.
type needs struct{ plugins, connections []string }

// needs reads a flow's needs off its document once.
func (r *Runner) needs(p *engine.Program) needs {
	if n, ok := r.known.Load(p); ok {
		return n.(needs)
	}
	n := needs{p.Flow().Plugins(), p.Flow().Connections()}
	r.known.Store(p, n)
	return n
}

// perform makes the call that a run waits for. What the call wrote into the
// memory of the run's contact, if it has one, is with the result.
func (r *Runner) perform(ctx context.Context, j *journey, c *engine.Call) (json.RawMessage, plugin.Usage, *kv.Call, *abi.Error) {
	digest := j.session.Pins[c.Plugin]
	export, _, failure := r.target(c, digest)
	if failure != nil {
		return nil, plugin.Usage{}, nil, failure
	}
	value, code := scriptOf(c)
	input, err := json.Marshal(value)
	if err != nil {
		return nil, plugin.Usage{}, nil, &abi.Error{Code: abi.CodeInvalid, Message: fmt.Sprintf("node %s: input: %v", c.Node, err)}
	}
	call := plugin.Call{
		Plugin: c.Plugin, Digest: digest, Export: export, Input: input, Code: code, EffectID: c.EffectID, Timeout: c.Timeout,
		Log: func(level, text string) {
			j.record.line(Line{Node: c.Node, At: now(), Level: level, Text: text})
		},
	}
	if c.Connection != "" {
		connection, ok := r.config.Catalog().Snapshot().Connections[c.Connection]
		if !ok {
			return nil, plugin.Usage{}, nil, &abi.Error{Code: abi.CodeUnavailable, Message: fmt.Sprintf("node %s: connection %q is not configured: add it to connections.yaml", c.Node, c.Connection)}
		}
		call.Connection = &connection.Connection
	}
	call.Blobs = blobsOf(r.config.Store, j.key)
	var writes *kv.Call
	if j.memory != nil {
		call.KV = func(quota int64) hostfn.KV {
			writes = j.memory.Begin(c.Plugin, quota)
			return writes
		}
	}
	output, usage, failure := r.config.Plugins.Call(ctx, call)
	return output, usage, writes, failure
}

// scriptOf gives a call's input and, apart from it, the code of its script.
func scriptOf(c *engine.Call) (input any, code string) {
	object, ok := c.Input.(map[string]any)
	if !ok || !c.Script {
		return c.Input, ""
	}
	if code, _ = object["code"].(string); code == "" {
		return c.Input, ""
	}
	rest := maps.Clone(object)
	delete(rest, "code")
	return rest, code
}

// target finds the function that a call means in a content of its plugin, and
// its effect class. A script reaches nothing without a connection, so it is
// pure then, and else unsafe.
func (r *Runner) target(c *engine.Call, digest string) (export string, effect abi.Effect, _ *abi.Error) {
	manifest, ok := r.config.Plugins.ManifestOf(c.Plugin, digest)
	if !ok {
		return "", "", r.config.Plugins.ReadyOf(c.Plugin, digest)
	}
	if c.Script {
		if manifest.Kind != abi.KindLanguage {
			return "", "", &abi.Error{Code: abi.CodeInvalid, Message: fmt.Sprintf("node %s: plugin %q is not a language", c.Node, c.Plugin)}
		}
		if c.Connection == "" {
			return abi.FuncRun, abi.EffectPure, nil
		}
		return abi.FuncRun, abi.EffectUnsafe, nil
	}
	for _, op := range manifest.Operations {
		if op.Name == c.Operation {
			return plugin.ExportOf(op), op.Effect, nil
		}
	}
	return "", "", &abi.Error{Code: abi.CodeInvalid, Message: fmt.Sprintf("node %s: plugin %q has no operation %q", c.Node, c.Plugin, c.Operation)}
}

// load reads a JSON record; found is false, and the revision 0, if there is
// none.
func load[T any](ctx context.Context, s store.Store, id store.ID, into *T) (revision store.Revision, found bool, err error) {
	record, err := s.Load(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	if err := json.Unmarshal(record.Value, into); err != nil {
		return 0, false, fmt.Errorf("record %s %s: %w", id.Kind, id.Key, err)
	}
	return record.Revision, true, nil
}

// now is the clock of runs, to the millisecond that records keep.
func now() time.Time { return time.Now().Truncate(time.Millisecond) }
