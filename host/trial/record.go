package trial

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/trama-run/trama/host/contact"
	"github.com/trama-run/trama/host/engine"
	"github.com/trama-run/trama/host/run/mail"
	"github.com/trama-run/trama/host/run/record"
	"github.com/trama-run/trama/host/source"
)

// CaseOf makes a case of a run's record that passes as long as the flow does
// what it did. Calls of plugins are answered by what they gave; notes say what
// the record does not hold. Of a run that was retried, the case ends before.
func CaseOf(r record.Record) (c Case, notes []string) {
	w := caseWriter{clock: r.Started}
	if at := slices.IndexFunc(r.Inputs, func(i record.Input) bool { return i.Kind == record.InputRetry }); at >= 0 {
		w.note("the run was retried at %s, which a case can't do: it ends before", r.Inputs[at].At.Format(time.RFC3339))
		r = before(r, at)
	}
	r.Steps = byPath(r.Steps, nameOf)
	w.record = r
	w.c = Case{
		Name: "run " + r.ID, Flow: r.Flow, Trigger: r.Trigger, Run: r.ID, Now: Instant{r.Started}, Env: objectOf(r.Env),
	}
	w.calls()
	who, withContact := strings.CutPrefix(r.Key, mail.Prefix+":")
	event := objectOf(r.Event)
	if _, cut := record.CutOf(r.Event); cut {
		w.note("the event was cut: give the whole one")
	}
	if withContact {
		w.c.Contact, w.c.User = who, objectOf(r.User)
		for _, name := range []string{contact.FieldChannel, contact.FieldAddress, contact.FieldKey} {
			delete(w.c.User, name)
		}
	}
	switch {
	case withContact && event["from"] != nil && event["channel"] != nil:
		w.receive(event)
	case withContact && isActivation(event, who):
		delete(event, "contact")
		w.c.Activate = &Activate{Variables: event}
	default:
		w.c.Event = event
	}
	if withContact {
		w.conversation()
	}
	w.expect()
	return w.c, w.notes
}

// before gives a record as it was before an input that retried the run: with
// the failure that the last step has, if it has one.
func before(r record.Record, at int) record.Record {
	retry := r.Inputs[at]
	r.Inputs, r.LeftInputs = r.Inputs[:at], 0
	r.LeftSteps = max(retry.After-len(r.Steps), 0)
	r.Steps = r.Steps[:min(retry.After, len(r.Steps))]
	r.Status, r.Label, r.Result, r.Reason, r.Error = engine.Failed, "", nil, "", nil
	if n := len(r.Steps); n > 0 && r.LeftSteps == 0 {
		if last := r.Steps[n-1]; last.Error != nil && last.Port == "" && last.Path == "" {
			r.Error = &engine.Failure{Node: last.Node, Error: *last.Error}
		}
	}
	return r
}

// isActivation says whether an event is what an activation gave: the contact
// beside variables. An emitted event has {event, data, contact}.
func isActivation(event map[string]any, who string) bool {
	_, name := event["event"]
	_, data := event["data"]
	return event["contact"] == who && !(name && data && len(event) == 3)
}

type caseWriter struct {
	record record.Record
	c      Case
	clock  time.Time
	notes  []string
}

func (w *caseWriter) note(format string, args ...any) {
	w.notes = append(w.notes, fmt.Sprintf(format, args...))
}

func (w *caseWriter) receive(message map[string]any) {
	w.c.Messages = append(w.c.Messages, Step{Receive: source.ValueOf(message)})
}

// conversation adds what came later, each at its time.
func (w *caseWriter) conversation() {
	for _, input := range w.record.Inputs {
		if input.Kind == record.InputMoved {
			w.note("the run was moved from version %d of flow %s to %d, and the case is played in one", input.From, input.Flow, input.To)
			continue
		}
		at := input.At
		if input.Kind == record.InputMessage && !input.Heard.IsZero() {
			at = input.Heard
		}
		if at.After(w.clock) {
			w.c.Messages = append(w.c.Messages, Step{Advance: at.Format(time.RFC3339Nano)})
			w.clock = at
		}
		if input.Kind == record.InputMessage {
			if _, cut := record.CutOf(input.Message); cut {
				w.note("a message was cut: give the whole one")
			}
			w.receive(objectOf(input.Message))
		}
	}
	if w.record.LeftInputs > 0 {
		w.note("%d later messages and timers were not kept", w.record.LeftInputs)
	}
}

// calls adds the answers of plugins. Of a node of which one was cut, none is
// given: it is called.
func (w *caseWriter) calls() {
	var cut []string
	for _, s := range w.record.Steps {
		if _, is := record.CutOf(s.Output); is && s.Attempt > 0 && !slices.Contains(cut, s.Node) {
			cut = append(cut, s.Node)
			w.note("an output of node %s was cut: it is called, so that its requests need answers under http", s.Node)
		}
	}
	for _, s := range w.record.Steps {
		if s.Attempt == 0 || slices.Contains(cut, s.Node) {
			continue
		}
		call := Call{Node: s.Node}
		if input, is := valueOf(s.Input), s.Path != ""; is {
			if fields, isScript := input.(map[string]any); isScript && s.Type == "run_code" {
				input = fields["input"]
			}
			if _, cut := record.CutOf(s.Input); !cut {
				call.Input = source.ValueOf(input)
			}
		}
		if e := s.Error; e != nil {
			call.Error = &CallError{Code: e.Code, Message: e.Message, Retryable: e.Retryable}
			if e.Detail != nil {
				call.Error.Detail = valueOf(e.Detail)
			}
		} else {
			call.Output = source.ValueOf(valueOf(s.Output))
		}
		w.c.Calls = append(w.c.Calls, call)
	}
}

// expect adds what came of the run.
func (w *caseWriter) expect() {
	r, want := w.record, &w.c.Expect
	var messages, events, alerts []any
	shown := true // all that was sent is known
	if r.LeftSteps > 0 {
		w.note("%d later steps were not kept", r.LeftSteps)
	}
	for _, s := range r.Steps {
		want.Steps = append(want.Steps, nameOf(s))
		switch {
		case s.EffectID == "" || s.Attempt > 0:
		case s.Sent != nil:
			sent, is := valueOf(s.Sent).([]any)
			if shown = shown && is; !is {
				w.note("what node %s sent was cut: the messages are not compared", s.Node)
			}
			messages = append(slices.Grow(messages, 1), sent...) // none is to be expected, too
		case s.Type == "send_message":
			messages = append(messages, kept(s.Output))
		case s.Type == "wait_reply": // asked again
			messages = append(messages, anything())
		case s.Type == "emit_event":
			events = append(events, kept(s.Output))
		case s.Type == "send_alert":
			alerts = append(alerts, kept(s.Output))
		case s.Type == "response.json" && !strings.HasPrefix(r.Key, mail.Prefix+":"):
			want.Answer = source.ValueOf(kept(s.Output))
		}
	}
	if r.LeftSteps > 0 { // nor all that they sent
		want.Steps, messages, events, alerts = nil, nil, nil, nil
	}
	if !shown {
		messages = nil
	}
	for _, list := range []struct {
		into  *source.Value
		items []any
	}{{&want.Messages, messages}, {&want.Events, events}, {&want.Alerts, alerts}} {
		if list.items != nil {
			*list.into = source.ValueOf(list.items)
		}
	}
	switch r.Status {
	case engine.Cancelled:
		w.note("the run was cancelled: %s", r.Reason)
	case engine.Done, engine.Failed, engine.Waiting:
		want.Status = string(r.Status)
	}
	want.Label = r.Label
	if r.Result != nil {
		want.Result = source.ValueOf(kept(r.Result))
	}
	if r.Error != nil {
		want.Error = source.ValueOf(map[string]any{"node": r.Error.Node, "code": r.Error.Code})
	}
}

// kept is a value of a record; anything, if it was cut.
func kept(v any) any {
	if _, cut := record.CutOf(v); cut {
		return anything()
	}
	return valueOf(v)
}

func anything() any { return map[string]any{"$any": true} }
