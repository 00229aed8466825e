package trial

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/trama-run/trama/host/engine"
	"github.com/trama-run/trama/host/expr"
	"github.com/trama-run/trama/host/flow"
	"github.com/trama-run/trama/host/run/record"
	"github.com/trama-run/trama/host/source"
	"github.com/trama-run/trama/pdk/abi"
)

// Result is how a case ended.
type Result struct {
	At   source.Place  `json:"at"`
	Name string        `json:"name"`
	Took time.Duration `json:"took"` // nanoseconds
	// Failures are what is not as expected, one or more lines each; none: the
	// case passed.
	Failures []string `json:"failures,omitempty"`
}

// Run plays a case. Its error is the context's: whatever else goes wrong is a
// failure of the case.
func (b *Bench) Run(ctx context.Context, c Case) (Result, error) {
	began := time.Now()
	p := play{c: c}
	w, err := b.World(ctx, c)
	if err == nil {
		p.World = w
		err = p.play(ctx)
		w.Close(ctx)
	}
	if err != nil {
		p.fail("%v", err)
	}
	return Result{At: c.At, Name: c.Name, Took: time.Since(began), Failures: p.failures}, ctx.Err()
}

// play is a case at work.
type play struct {
	*World
	c        Case
	failures []string
	at       string // which part of the case is compared
	// What expectations have seen: numbers of steps, events and alerts.
	steps, events, alerts int
	failedExpected        bool
}

func (p *play) fail(format string, args ...any) {
	p.failures = append(p.failures, p.at+fmt.Sprintf(format, args...))
}

func (p *play) play(ctx context.Context) error {
	if err := p.begin(ctx); err != nil {
		return err
	}
	for i, step := range p.c.Messages {
		p.at = fmt.Sprintf("step %d (%s): ", i+1, step.At)
		if err := p.step(ctx, step); err != nil {
			return err
		}
	}
	p.at = ""
	if len(p.c.Messages) == 0 {
		if err := p.End(ctx); err != nil {
			return err
		}
	}
	if err := p.expect(ctx, p.c.Expect); err != nil {
		return err
	}
	return p.rest(ctx)
}

// begin starts the flow as its trigger is started; one that takes messages
// waits for them.
func (p *play) begin(ctx context.Context) error {
	is := p.trigger.Type == flow.TriggerActivate
	switch {
	case isMessage(p.trigger) && len(p.c.Messages) == 0:
		return fmt.Errorf("the trigger %q takes messages: give messages: [{receive: ...}]", p.trigger.ID)
	case is && p.c.Event != nil:
		return fmt.Errorf("the trigger %q takes activations: give activate: {variables: {...}} in the place of event; the flow sees the variables as input, beside contact", p.trigger.ID)
	case !is && p.c.Activate != nil:
		return fmt.Errorf("the trigger %q is of type %s, and takes no activations: leave out activate, or name a trigger of type activate", p.trigger.ID, p.trigger.Type)
	case isMessage(p.trigger):
		return nil
	case p.c.Activate != nil:
		return p.Begin(ctx, p.c.Activate.Variables)
	}
	return p.Begin(ctx, p.c.Event)
}

func (p *play) step(ctx context.Context, step Step) error {
	switch {
	case step.Expect != nil:
		return p.expect(ctx, *step.Expect)
	case step.Advance != "":
		to, err := Later(p.clock, step.Advance)
		if err != nil {
			return err
		}
		return p.Advance(ctx, to)
	}
	unit, err := unitOf(step.Receive.Any())
	if err != nil {
		return err
	}
	return p.receive(ctx, unit)
}

// unitOf reads a message: a text, or a message with its fields and those that
// flows see beside them.
func unitOf(value any) (u abi.Unit, err error) {
	if text, ok := value.(string); ok {
		u.Message = &abi.Message{Type: abi.MessageText, Text: text}
		return u, nil
	}
	fields, ok := value.(map[string]any)
	if !ok {
		return u, fmt.Errorf("a message is a text or an object, found %s", shown(value))
	}
	u.Message = &abi.Message{}
	rest := map[string]any{}
	for name, value := range fields {
		switch name {
		case "channel", "from", "messages": // the trial's own
		case "id":
			u.ID, _ = value.(string)
		case "name":
			u.Name, _ = value.(string)
		case "time_millis":
			u.TimeMillis, _ = value.(int64)
		default:
			rest[name] = value
		}
	}
	data, err := json.Marshal(rest)
	if err != nil {
		return u, err
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(u.Message); err != nil {
		return u, fmt.Errorf("a message: %w", err)
	}
	return u, nil
}

// expect compares what came with what should have.
func (p *play) expect(ctx context.Context, want Expect) error {
	records, err := p.Records(ctx)
	if err != nil {
		return err
	}
	var steps []record.Step
	last := record.Record{}
	for _, r := range records {
		steps = append(steps, r.Steps...)
		last = r
	}
	if len(records) == 0 {
		p.fail("%s", p.nothing())
		return nil
	}
	if last.Flow != p.flow.Flow.ID && last.Status != engine.Cancelled {
		p.fail("flow %s was started, and not %s: its trigger comes first", last.Flow, p.flow.Flow.ID)
	}
	p.expectRun(want, last)
	if want.Steps != nil {
		var got []string
		for _, s := range steps[min(p.steps, len(steps)):] {
			got = append(got, nameOf(s))
		}
		p.steps = len(steps)
		if lines := compareSteps(want.Steps, got); lines != nil {
			p.fail("steps:\n  %s", strings.Join(lines, "\n  "))
		}
	}
	if !want.Messages.IsZero() {
		sent, unsent := p.Take()
		var got []any
		for _, m := range sent {
			got = append(got, any(engine.MessageValue(m)))
		}
		if lines := p.list("messages", want.Messages, got, func(item any) any {
			if text, ok := item.(string); ok {
				return map[string]any{"text": text}
			}
			return item
		}); lines != nil {
			p.failures = append(append(p.failures, lines...), unsent...)
		}
	}
	if !want.Answer.IsZero() {
		p.compare("answer", want.Answer, p.answered(steps))
	}
	if !want.User.IsZero() {
		user, err := p.User(ctx)
		if err != nil {
			return err
		}
		p.compare("user", want.User, user)
	}
	for _, of := range []struct {
		name, kind string
		want       source.Value
		seen       *int
	}{{"events", "emit_event", want.Events, &p.events}, {"alerts", "send_alert", want.Alerts, &p.alerts}} {
		if of.want.IsZero() {
			continue
		}
		var all []record.Step
		for _, s := range steps {
			if s.Type == of.kind && s.EffectID != "" {
				all = append(all, s)
			}
		}
		got := all[min(*of.seen, len(all)):]
		*of.seen = len(all)
		self := func(item any) any { return item }
		lines := p.list(of.name, of.want, outputsOf(got), self)
		if lines != nil && p.list(of.name, of.want, outputsOf(byPath(got, nameOf)), self) == nil {
			lines = nil
		}
		p.failures = append(p.failures, lines...)
	}
	return nil
}

// nothing says why no run may have begun.
func (p *play) nothing() string {
	lines := []string{fmt.Sprintf("no run began: the flow %s has these triggers, and none took what came", p.flow.Flow.ID)}
	for _, t := range p.flow.Flow.Triggers {
		data, err := json.Marshal(t)
		if err != nil {
			data = []byte(err.Error())
		}
		lines = append(lines, "  "+string(data))
	}
	if log := p.Log(); log != "" {
		lines = append(lines, log)
	}
	return strings.Join(lines, "\n")
}

// expectRun compares how the run stands or ended.
func (p *play) expectRun(want Expect, r record.Record) {
	if want.Status != "" && want.Status != string(r.Status) {
		p.fail("status: want %s, got %s%s", want.Status, r.Status, reason(r))
	}
	if want.Label != "" && want.Label != r.Label {
		p.fail("label: want %s, got %q", want.Label, r.Label)
	}
	if !want.Result.IsZero() {
		p.compare("result", want.Result, valueOf(r.Result))
	}
	if !want.Error.IsZero() {
		p.compare("error", want.Error, valueOf(r.Error))
	}
	p.failedExpected = want.Status == string(engine.Failed) || !want.Error.IsZero()
}

func reason(r record.Record) string {
	if r.Error == nil {
		return fmt.Sprintf(" at node %s", r.Node)
	}
	return fmt.Sprintf(": node %s: %s: %s", r.Error.Node, r.Error.Code, r.Error.Message)
}

func (p *play) compare(name string, want source.Value, got any) {
	for _, line := range match(name, want.Any(), got) {
		p.fail("%s", line)
	}
}

// list compares lists item by item, and gives the failures.
func (p *play) list(name string, want source.Value, got []any, read func(any) any) (failures []string) {
	fail := func(format string, args ...any) { failures = append(failures, p.at+fmt.Sprintf(format, args...)) }
	items, ok := want.Any().([]any)
	if !ok {
		fail("%s: want a list, found %s", name, shown(want.Any()))
		return failures
	}
	for i, item := range items {
		if i >= len(got) {
			fail("%s[%d]: want %s, and there is none", name, i, shown(item))
			continue
		}
		for _, line := range match(fmt.Sprintf("%s[%d]", name, i), read(item), got[i]) {
			fail("%s", line)
		}
	}
	for i := len(items); i < len(got); i++ {
		fail("%s[%d]: %s came, and was not expected", name, i, shown(got[i]))
	}
	return failures
}

// rest says what nobody expected.
func (p *play) rest(ctx context.Context) error {
	p.failures = append(p.failures, p.Wrong()...)
	p.failures = append(p.failures, p.answers.unused()...)
	records, err := p.Records(ctx)
	if err != nil {
		return err
	}
	for _, r := range records {
		if r.Status == engine.Failed && !p.failedExpected {
			p.fail("the run failed, which was not expected%s", reason(r))
		}
	}
	return nil
}

// answered is what the gateway's caller got or, where it would have waited too
// long, what the flow answered; nil: nothing.
func (p *play) answered(steps []record.Step) any {
	a := p.answer
	switch {
	case a == nil:
		for _, s := range steps {
			if s.Type == "response.json" && s.EffectID != "" {
				return s.Output
			}
		}
		return nil
	case a.Failure != nil && a.Failure.Code == abi.CodeTimeout:
		return map[string]any{"status": int64(504)}
	case a.Failure != nil:
		return map[string]any{"status": int64(500)}
	case a.Response == nil:
		return map[string]any{"status": int64(204)}
	}
	return valueOf(a.Response)
}

// valueOf gives a value as flows see it.
func valueOf(v any) any {
	data, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	value, err := expr.ParseJSON(data)
	if err != nil {
		return err.Error()
	}
	return value
}

// nameOf is a step in one word.
func nameOf(s record.Step) string {
	name := s.Node
	if s.Path != "" {
		name = s.Path + "/" + name
	}
	if s.Port != "" {
		name += "." + s.Port
	}
	return name
}

// sameStep says whether a step is meant, with its path and port or without.
func sameStep(want, got string) bool {
	path, node := "", got
	if at := strings.LastIndex(got, "/"); at >= 0 {
		path, node = got[:at+1], got[at+1:]
	}
	bare, _, _ := strings.Cut(node, ".")
	return want == got || want == node || want == bare || want == path+bare
}
