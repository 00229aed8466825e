package trial

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/trama-run/trama/host/contact"
	"github.com/trama-run/trama/host/engine"
	"github.com/trama-run/trama/host/expr"
	"github.com/trama-run/trama/host/flow"
	"github.com/trama-run/trama/host/plugin"
	"github.com/trama-run/trama/host/run/encode"
	"github.com/trama-run/trama/host/run/mail"
	"github.com/trama-run/trama/host/run/record"
	"github.com/trama-run/trama/pdk/abi"
)

// Replay is how a run's record was played again.
type Replay struct {
	Steps int `json:"steps"` // that are as recorded
	Calls int `json:"calls"` // pure ones that were made again
	// Cut are values that were cut in the record, of which the beginnings were
	// compared; Notes say what else was not compared, or why it ended early.
	Cut   []string `json:"cut,omitempty"`
	Notes []string `json:"notes,omitempty"`
	// Departure is the first step that is not as recorded; nil: all are.
	Departure *Departure `json:"departure,omitempty"`
}

// Departure says where a replay is not as recorded.
type Departure struct {
	Ordinal int      `json:"ordinal"`
	Node    string   `json:"node"`
	Lines   []string `json:"lines"`
}

// replay is a record that is played again.
type replay struct {
	bench    *Bench
	record   record.Record
	programs engine.Programs
	session  engine.Session
	user     map[string]any
	env      map[string]any
	inputs   int // that were applied
	result   Replay
}

// Replay plays a record again, with the flows and plugins of the bench: what
// came from outside is taken from the record, and pure calls are made again and
// compared.
func (b *Bench) Replay(ctx context.Context, of record.Record) (Replay, error) {
	r := &replay{bench: b, record: of, programs: engine.Programs{}}
	for id, f := range b.catalog.Snapshot().Flows {
		r.programs[id] = f.Program
	}
	f, err := b.Flow(of.Flow)
	if err != nil {
		return r.result, err
	}
	trigger, ok := f.Flow.Trigger(of.Trigger)
	if !ok {
		return r.result, fmt.Errorf("flow %q has no trigger %q", of.Flow, of.Trigger)
	}
	if _, cut := record.CutOf(of.Event); cut {
		return r.result, fmt.Errorf("the event of run %s was cut in its record, so it can't be played again", of.ID)
	}
	who, withContact := strings.CutPrefix(of.Key, mail.Prefix+":")
	if !withContact {
		who = ""
	}
	r.user, r.env = userOf(of.User, who), objectOf(of.Env)
	r.session = engine.Session{
		ID: of.ID, Contact: who, Caller: trigger.Type == flow.TriggerGateway && !withContact,
		Run: &engine.Run{ID: of.ID, Flow: of.Flow, Version: f.Version},
	}
	if err := r.advance(engine.Event{Now: of.Started, Start: &engine.Start{Trigger: of.Trigger, Value: valueOf(of.Event)}}); err != nil {
		return r.result, err
	}
	for r.result.Departure == nil {
		more, err := r.next(ctx)
		if err != nil || !more {
			return r.result, err
		}
	}
	return r.result, nil
}

// objectOf gives an object of a record as flows see it.
func objectOf(v any) map[string]any {
	object, _ := valueOf(v).(map[string]any)
	if object == nil {
		object = map[string]any{}
	}
	return object
}

// advance moves the session on, and compares the steps that come of it.
func (r *replay) advance(event engine.Event) error {
	event.User, event.Env, event.Talks = r.user, r.env, r.talks
	outcome, err := r.programs.Advance(r.session, event)
	if err != nil {
		return err
	}
	r.session, r.user = outcome.Session, outcome.User
	for _, step := range outcome.Steps {
		if r.result.Departure != nil || r.result.Steps >= len(r.record.Steps) && r.record.LeftSteps > 0 {
			break
		}
		if r.result.Steps >= len(r.record.Steps) {
			r.depart(step.Ordinal, step.Node, "the record ends, and the run goes on here")
			break
		}
		r.compare(r.record.Steps[r.result.Steps], step)
	}
	return nil
}

// talks says whether a channel had contacts when the run was recorded.
func (r *replay) talks(channel string) bool {
	return !slices.ContainsFunc(r.record.Steps, func(s record.Step) bool {
		return s.Type == "emit_event" && codeOf(s.Error) == engine.CodeNoContact && strings.Contains(s.Error.Message, fmt.Sprintf("the channel %q", channel))
	})
}

func (r *replay) depart(ordinal int, node string, lines ...string) {
	r.result.Departure = &Departure{Ordinal: ordinal, Node: node, Lines: lines}
}

func (r *replay) note(format string, args ...any) {
	r.result.Notes = append(r.result.Notes, fmt.Sprintf(format, args...))
}

// next does what the record says came next, and says whether there was such.
func (r *replay) next(ctx context.Context) (bool, error) {
	at := r.result.Steps
	if r.inputs < len(r.record.Inputs) && r.record.Inputs[r.inputs].After <= at {
		input := r.record.Inputs[r.inputs]
		r.inputs++
		if input.Kind == record.InputMoved {
			r.note("the run was moved from version %d of flow %s to %d here: the replay ends after %d steps", input.From, input.Flow, input.To, at)
			return false, nil
		}
		return true, r.input(input)
	}
	if at >= len(r.record.Steps) {
		r.ended()
		return false, nil
	}
	step := r.record.Steps[at]
	if step.Attempt == 0 {
		position := r.session.Position()
		if r.record.LeftInputs > 0 {
			r.note("messages that came later were not kept: the replay ends after %d steps", at)
			return false, nil
		}
		r.depart(step.Ordinal, step.Node, fmt.Sprintf("the record goes on at node %s, and the run is %s at node %s", step.Node, position.Status, position.Node))
		return true, nil
	}
	for _, call := range r.session.Calls() {
		if call.EffectID == step.EffectID {
			return r.call(ctx, step, call)
		}
	}
	position := r.session.Position()
	r.depart(step.Ordinal, step.Node, fmt.Sprintf("the record has a call of node %s, and the run is %s at node %s", step.Node, position.Status, position.Node))
	return true, nil
}

// userOf is a recorded scope "user" with the contact's key, which a record hides
// as it does all that is called so.
func userOf(recorded any, key string) map[string]any {
	user := objectOf(recorded)
	if _, known := user[contact.FieldKey]; known && key != "" {
		user = maps.Clone(user)
		user[contact.FieldKey] = key
	}
	return user
}

// input moves the session on by a message, a timer or a retry.
func (r *replay) input(i record.Input) error {
	if i.User != nil {
		r.user = userOf(i.User, r.session.Contact)
	}
	if i.HeardAt != nil {
		r.user = maps.Clone(r.user)
		r.user[contact.FieldHeardAt] = i.HeardAt
	}
	event := engine.Event{Now: i.At}
	switch i.Kind {
	case record.InputMessage:
		if _, cut := record.CutOf(i.Message); cut {
			return fmt.Errorf("a message to run %s was cut in its record, so it can't be played again", r.record.ID)
		}
		event.Message = &engine.Message{Value: objectOf(i.Message), At: i.Heard}
	case record.InputRetry:
		event.Retry = true
	default:
		event.Tick, event.Heard = true, i.Heard
	}
	if err := r.advance(event); err != nil {
		r.depart(r.session.Steps, r.session.Position().Node, fmt.Sprintf("the record has a %s here, which does not fit: %v", i.Kind, err))
	}
	return nil
}

// call moves the session on by the result of a call: that of the record, or of
// making it again if it is pure.
func (r *replay) call(ctx context.Context, step record.Step, call *engine.Call) (bool, error) {
	result := engine.Result{EffectID: call.EffectID, Error: step.Error}
	again := r.pure(call)
	_, cut := record.CutOf(step.Output)
	switch {
	case again != nil:
		output, failure := r.perform(ctx, *again, call)
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		r.result.Calls++
		result.Output, result.Error = output, failure
	case cut:
		r.note("the output of node %s was cut in the record, and its call can't be made again: the replay ends before it", step.Node)
		return false, nil
	case step.Error == nil:
		result.Output = valueOf(step.Output)
	}
	return true, r.advance(engine.Event{Now: step.Started.Add(step.Duration), Result: &result})
}

// pure gives a call that may be made again, since it changes and asks for
// nothing outside, and uses no key; nil: it may not.
func (r *replay) pure(c *engine.Call) *plugin.Call {
	input, code := c.Input, ""
	if fields, ok := c.Input.(map[string]any); ok && c.Script {
		rest := maps.Clone(fields)
		code, _ = rest["code"].(string)
		delete(rest, "code")
		input = rest
	}
	data, err := json.Marshal(input)
	if err != nil {
		return nil
	}
	call := &plugin.Call{Plugin: c.Plugin, Export: abi.FuncRun, Input: data, Code: code, EffectID: c.EffectID, Node: c.Node, Timeout: c.Timeout}
	if c.Script {
		if c.Connection != "" {
			return nil
		}
	} else {
		operation, inside := r.bench.operation(c.Plugin, c.Operation)
		if !inside || operation.Effect != abi.EffectPure || c.Connection != "" {
			return nil
		}
		call.Export = plugin.ExportOf(operation)
	}
	if refused := r.bench.plugins.Ready(c.Plugin); refused != nil {
		r.note("node %s: taken from the record: %s", c.Node, refused.Message)
		return nil
	}
	return call
}

// perform makes a pure call. It reaches nothing.
func (r *replay) perform(ctx context.Context, call plugin.Call, of *engine.Call) (any, *abi.Error) {
	r.bench.trying.Lock()
	defer r.bench.trying.Unlock()
	r.bench.answers = newAnswers(nil, nil)
	output, _, failure := r.bench.plugins.Call(ctx, call)
	if failure != nil {
		return nil, failure
	}
	value, err := expr.ParseJSON(output)
	if err != nil {
		return nil, &abi.Error{Code: abi.CodeBadOutput, Message: fmt.Sprintf("node %s: %v", of.Node, err)}
	}
	return value, nil
}

// compare compares a step with that of the record.
func (r *replay) compare(want record.Step, got engine.Step) {
	var lines []string
	for _, field := range []struct{ name, want, got string }{
		{"node", nameOf(record.Step{Step: engine.Step{Path: want.Path, Node: want.Node}}), nameOf(record.Step{Step: engine.Step{Path: got.Path, Node: got.Node}})},
		{"type", want.Type, got.Type}, {"port", want.Port, got.Port}, {"error", codeOf(want.Error), codeOf(got.Error)},
	} {
		if field.want != field.got {
			lines = append(lines, fmt.Sprintf("%s: recorded %q, now %q", field.name, field.want, field.got))
		}
	}
	if want.Node == got.Node {
		lines = append(lines, r.value(want.Node, "input", want.Input, got.Input)...)
		lines = append(lines, r.value(want.Node, "output", want.Output, got.Output)...)
	}
	if lines != nil {
		r.depart(want.Ordinal, want.Node, lines...)
		return
	}
	r.result.Steps++
}

func codeOf(e *abi.Error) string {
	if e == nil {
		return ""
	}
	return e.Code
}

// value compares a value with the recorded one; of one that was cut, what was
// kept.
func (r *replay) value(node, name string, recorded, now any) []string {
	want, err := json.Marshal(valueOf(recorded))
	got, err2 := json.Marshal(valueOf(encode.Redacted(now)))
	if err != nil || err2 != nil {
		return []string{fmt.Sprintf("%s: %v, %v", name, err, err2)}
	}
	if prefix, cut := record.CutOf(recorded); cut {
		r.result.Cut = append(r.result.Cut, fmt.Sprintf("node %s: %s, compared by its first %d bytes", node, name, len(prefix)))
		if whole, err := encode.Append(nil, now, true); err == nil && strings.HasPrefix(string(whole), prefix) {
			return nil
		}
		return []string{fmt.Sprintf("%s: recorded as %s…", name, shown(prefix)), fmt.Sprintf("%s: now %s", name, shown(valueOf(now)))}
	}
	if string(want) == string(got) {
		return nil
	}
	var lines []string
	for _, line := range match(name, valueOf(recorded), valueOf(encode.Redacted(now))) {
		line = strings.Replace(line, ": want ", ": recorded ", 1)
		lines = append(lines, strings.Replace(line, ", got ", ", now ", 1))
	}
	if lines == nil { // there is more than was
		lines = []string{fmt.Sprintf("%s: recorded %s", name, want), fmt.Sprintf("%s: now %s", name, got)}
	}
	return lines
}

// ended compares how the run stands when the record has no more steps.
func (r *replay) ended() {
	switch is := r.session.Run.Status; {
	case r.record.LeftSteps > 0:
		r.note("%d later steps were not kept: the replay ends after %d", r.record.LeftSteps, r.result.Steps)
	case r.record.Status == engine.Cancelled:
		r.note("the run was cancelled here: %s", r.record.Reason)
	case is != r.record.Status:
		r.depart(r.session.Steps, r.session.Position().Node, fmt.Sprintf("status: recorded %s, now %s", r.record.Status, is))
	case r.session.Run.Ended:
		if lines := r.value(r.session.Run.Node, "result", r.record.Result, r.session.Run.Result); lines != nil {
			r.depart(r.session.Steps, r.session.Run.Node, lines...)
		}
	}
}
