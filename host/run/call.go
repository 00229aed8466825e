package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/trama-run/trama/host/cause"
	"github.com/trama-run/trama/host/dispatch"
	"github.com/trama-run/trama/host/engine"
	"github.com/trama-run/trama/host/expr"
	"github.com/trama-run/trama/host/hostfn"
	"github.com/trama-run/trama/host/kv"
	"github.com/trama-run/trama/host/plugin"
	"github.com/trama-run/trama/host/run/encode"
	"github.com/trama-run/trama/host/run/record"
	"github.com/trama-run/trama/host/trace"
	"github.com/trama-run/trama/pdk/abi"
)

// asked is a call that is about to be made.
type asked struct {
	call   *engine.Call
	digest string // of the plugin's content that the session is pinned to
	export string
	effect abi.Effect
	of     cause.Cause // for whom it is made
	caller plugin.Caller
}

// ended is a call that was made.
type ended struct {
	*asked
	output  json.RawMessage
	failure *abi.Error
	usage   plugin.Usage
	lines   []record.Line // that the plugin logged
	writes  *kv.Call      // into the memory of the contact; nil: none
}

// work are the calls of a session that are being made beside who drives it. Its
// zero value has none.
type work struct {
	ended   chan ended
	running map[string]bool // by effect id
	calls   sync.WaitGroup
}

func (w *work) start(perform func() ended, effectID string) {
	if w.ended == nil {
		w.ended, w.running = make(chan ended), map[string]bool{}
	}
	w.running[effectID] = true
	w.calls.Go(func() { w.ended <- perform() })
}

// stopped says that the host stops: whatever a call gave, it may have been cut
// short by that. If it was driven for too long only, what it gave holds.
func stopped(ctx context.Context) bool { return errors.Is(ctx.Err(), context.Canceled) }

// next waits for a call to end.
func (w *work) next(ctx context.Context) (ended, error) {
	select {
	case one := <-w.ended:
		if stopped(ctx) {
			return ended{}, ctx.Err()
		}
		delete(w.running, one.call.EffectID)
		return one, nil
	case <-ctx.Done():
		return ended{}, ctx.Err()
	}
}

// wait lets the calls end that nobody waits for any more.
func (w *work) wait() {
	if w.ended == nil {
		return // none was started
	}
	done := make(chan struct{})
	go func() { w.calls.Wait(); close(done) }()
	for {
		select {
		case <-w.ended:
		case <-done:
			return
		}
	}
}

// ask prepares a call, with its intent if it may change something outside. A
// call that can't be made has its result at once.
func (j *journey) ask(call *engine.Call) (*asked, *engine.Result) {
	refuse := func(err *abi.Error) (*asked, *engine.Result) {
		return nil, &engine.Result{EffectID: call.EffectID, Error: err}
	}
	j.session.pin(call.Plugin, j.runner.config.Plugins)
	a := &asked{call: call, digest: j.session.Pins[call.Plugin], of: cause.Cause{
		Run: j.session.ID, Node: call.Node, Attempt: call.Attempt, Contact: j.session.Contact, Secret: j.record.Secret,
	}, caller: plugin.Caller{Run: j.session.ID, Contact: j.session.Contact, Starts: j.starts()}}
	var refused *abi.Error
	if a.export, a.effect, refused = j.runner.target(call, a.digest); refused != nil {
		return refuse(refused)
	}
	// An intent that was found, not made here, is of a call that was cut short:
	// every call that ended took its intent away.
	if a.effect == abi.EffectUnsafe && j.found[call.EffectID] {
		j.forget(call.EffectID)
		return refuse(&abi.Error{Code: abi.CodeUnknown, Message: fmt.Sprintf("node %s: the host stopped during this call, so it is not known whether it took effect; it is not repeated because the plugin says that a repeat may do it twice", call.Node)})
	}
	if a.effect != abi.EffectPure && !slices.Contains(j.session.Intents, call.EffectID) {
		j.session.Intents = append(slices.Clip(j.session.Intents), call.EffectID)
	}
	return a, nil
}

// starts is how many runs have led to this one without a pause. One that has
// waited for somebody or some time begins anew: it may go on for ever.
func (j *journey) starts() int {
	if len(j.record.Inputs)+j.record.LeftInputs > 0 {
		return 0
	}
	return int(j.hops())
}

// forget takes an intent away.
func (j *journey) forget(effectID string) {
	delete(j.found, effectID)
	j.session.Intents = slices.DeleteFunc(slices.Clone(j.session.Intents), func(id string) bool { return id == effectID })
}

// conclude gives the engine's result of a call that was made.
func (j *journey) conclude(one ended) *engine.Result {
	call, result := one.call, &engine.Result{EffectID: one.call.EffectID}
	for _, l := range one.lines {
		j.record.KeepLine(l)
	}
	if one.usage != (plugin.Usage{}) {
		j.cost = &record.Cost{Fuel: one.usage.Fuel, GuestTime: one.usage.GuestTime, MemoryBytes: one.usage.MemoryBytes}
	}
	j.forget(call.EffectID)
	if one.effect != abi.EffectPure {
		j.owed, j.known = true, true
	}
	if one.failure != nil {
		result.Error = settled(one.failure, one.effect)
		return result
	}
	value, err := expr.ParseJSON(one.output)
	if err != nil {
		result.Error = &abi.Error{Code: abi.CodeBadOutput, Message: fmt.Sprintf("node %s: output of %s.%s: %v", call.Node, call.Plugin, call.Operation, err)}
		return result
	}
	result.Output = value
	if one.writes != nil && one.writes.Keep() {
		j.owed = true // before the next call, so that no commit has those of two
	}
	return result
}

// settled is a call's failure as the flow may act on it. An unsafe call is made
// at most once, so it is never retryable, and where it was cut short its
// outcome is unknown.
func settled(failure *abi.Error, effect abi.Effect) *abi.Error {
	if effect != abi.EffectUnsafe || failure.Code == abi.CodeUnavailable { // the latter: nothing was called
		return failure
	}
	final := *failure
	final.Retryable, final.RetryAfterMillis = false, 0
	if final.Code == abi.CodeTimeout || final.Code == abi.CodeTrap {
		final.Code = abi.CodeUnknown
		final.Message = "it is not known whether it took effect: " + final.Message
	}
	return &final
}

// perform makes a call. It may run beside others of the same journey and
// beside the engine's next move, so it reads nothing of the journey that they
// change: that is in what was asked.
func (r *Runner) perform(ctx context.Context, j *journey, a *asked) (one ended) {
	c := a.call
	one.asked = a
	ctx, span := trace.Begin(ctx, trace.Inside, "node "+c.Node)
	defer func() {
		span.Number("trama.attempt", int64(c.Attempt))
		span.Text("trama.effect", c.EffectID)
		if one.failure != nil {
			span.Fail(one.failure.Code)
		}
		span.End()
	}()
	ctx = cause.With(ctx, func(of *cause.Cause) {
		of.Run, of.Node, of.Attempt, of.Contact, of.Secret = a.of.Run, a.of.Node, a.of.Attempt, a.of.Contact, a.of.Secret
	})
	value, code := scriptOf(c)
	input, err := encode.Append(make([]byte, 0, 256), value, false)
	if err != nil {
		one.failure = &abi.Error{Code: abi.CodeInvalid, Message: fmt.Sprintf("node %s: input: %v", c.Node, err)}
		return one
	}
	call := plugin.Call{
		Plugin: c.Plugin, Digest: a.digest, Export: a.export, Input: input, Code: code, EffectID: c.EffectID, Node: c.Node, Timeout: c.Timeout, Caller: a.caller,
		Log: func(level, text string) {
			one.lines = append(one.lines, record.Line{Node: c.Node, At: r.now(), Level: level, Text: text})
		},
	}
	if c.Connection != "" {
		connection, ok := r.config.Catalog().Snapshot().Connections[c.Connection]
		if !ok {
			one.failure = &abi.Error{Code: abi.CodeUnavailable, Message: fmt.Sprintf("node %s: connection %q is not configured: add it to connections.yaml", c.Node, c.Connection)}
			return one
		}
		call.Connection = &connection.Connection
	}
	call.Blobs = blobsOf(r.config.Store, j.key)
	if j.memory != nil {
		call.KV = func(quota int64) hostfn.KV {
			one.writes = j.memory.Begin(c.Plugin, quota)
			return one.writes
		}
	}
	defer dispatch.Aside(ctx)()
	one.output, one.usage, one.failure = r.config.Plugins.Call(ctx, call)
	return one
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
