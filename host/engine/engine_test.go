package engine_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/trama-run/trama/host/engine"
	"github.com/trama-run/trama/host/expr"
	"github.com/trama-run/trama/host/flow"
	"github.com/trama-run/trama/host/source"
	"github.com/trama-run/trama/pdk/abi"
	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "write what came out into the case files; read them before you commit")

// event is one entry of a case's events.yaml. A start begins a new run.
type event struct {
	User    map[string]any `json:"user"`
	Env     map[string]any `json:"env"`
	Start   *start         `json:"start"`
	Result  *result        `json:"result"`
	Message map[string]any `json:"message"`
	Tick    bool           `json:"tick"`
	Retry   bool           `json:"retry"`
	After   string         `json:"after"` // time that passes before it, instead of a second
}

type start struct {
	Trigger string `json:"trigger"`
	Value   any    `json:"value"`
}

type result struct {
	EffectID string     `json:"effect_id"` // of the pending call, if left out
	Output   any        `json:"output"`
	Error    *abi.Error `json:"error"`
}

// outcome is one entry of want.json.
type outcome struct {
	Error   string          `json:"error,omitempty"`
	Session *engine.Session `json:"session,omitempty"`
	User    map[string]any  `json:"user,omitempty"`
	Effects []engine.Effect `json:"effects,omitempty"`
	Steps   []engine.Step   `json:"steps,omitempty"`
}

var began = time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)

// player plays events on a program. It writes the run out and reads it back
// between all events, and holds Advance to what it promises.
type player struct {
	programs engine.Programs
	stored   bool // write the session as JSON between events
	session  engine.Session
	user     map[string]any
	env      map[string]any
	now      time.Time
}

func (p *player) play(t rapid.TB, e event) outcome {
	t.Helper()
	if e.User != nil {
		p.user = e.User
	}
	if e.Env != nil {
		p.env = e.Env
	}
	if p.now.IsZero() {
		p.now = began
	}
	in := engine.Event{Now: p.now, User: p.user, Env: p.env}
	if e.After != "" {
		span, err := flow.ParseSpan(e.After)
		if err != nil {
			t.Fatal(err)
		}
		in.Now = p.now.Add(span - time.Second)
	}
	p.now = in.Now.Add(time.Second)
	switch {
	case e.Start != nil:
		p.session = begin("run-1", p.programs, e.Start.Trigger)
		in.Start = &engine.Start{Trigger: e.Start.Trigger, Value: e.Start.Value}
	case e.Result != nil:
		in.Result = &engine.Result{EffectID: e.Result.EffectID, Output: e.Result.Output, Error: e.Result.Error}
		if calls := p.session.Calls(); in.Result.EffectID == "" && len(calls) > 0 {
			in.Result.EffectID = calls[0].EffectID
		}
	case e.Tick:
		in.Tick = true
	case e.Retry:
		in.Retry = true
	default:
		in.Message = &engine.Message{Value: e.Message}
	}
	before := dump(t, []any{p.session, in})
	out, err := p.programs.Advance(p.session, in)
	if after := dump(t, []any{p.session, in}); before != after {
		t.Fatalf("Advance changed its input:\n%s\nbecame\n%s", before, after)
	}
	if err != nil {
		if !reflect.DeepEqual(out, engine.Outcome{}) {
			t.Fatalf("an error with an outcome: %v, %+v", err, out)
		}
		return outcome{Error: err.Error()}
	}
	p.session, p.user = out.Session, out.User
	if p.stored {
		p.session = engine.Session{}
		if err := json.Unmarshal([]byte(dump(t, out.Session)), &p.session); err != nil {
			t.Fatal(err)
		}
		if again := dump(t, p.session); again != dump(t, out.Session) {
			t.Fatalf("the session changed in the store:\n%s\nbecame\n%s", dump(t, out.Session), again)
		}
		if !reflect.DeepEqual(values(p.session.Run), values(out.Session.Run)) {
			t.Fatalf("values changed in the store:\n%#v\nbecame\n%#v", values(out.Session.Run), values(p.session.Run))
		}
	}
	return outcome{Session: &out.Session, User: out.User, Effects: out.Effects, Steps: out.Steps}
}

// begin gives a session of the flow "f" that has not started: a contact's or a
// caller's, as the trigger says.
func begin(id string, programs engine.Programs, trigger string) engine.Session {
	s := engine.Session{ID: id, Run: &engine.Run{Flow: "f", Version: 3}}
	t, _ := programs["f"].Flow().Trigger(trigger)
	switch t.Type {
	case flow.TriggerGateway:
		s.Caller = true
	case flow.TriggerMessage, flow.TriggerReferral, flow.TriggerActivate:
		s.Contact = "wa/tel:1"
	}
	return s
}

// values gives the free-form parts of a run and those below it, whose numbers
// must keep their types.
func values(r *engine.Run) []any {
	if r == nil {
		return nil
	}
	all := []any{r.Trigger, r.Result}
	for _, m := range []map[string]any{r.Vars, r.Nodes} {
		if len(m) > 0 {
			all = append(all, m)
		}
	}
	if r.Pending != nil {
		all = append(all, r.Pending.Input)
	}
	if r.Wait != nil && len(r.Wait.Gathered) > 0 {
		all = append(all, r.Wait.Gathered)
	}
	all = append(all, values(r.Called)...)
	if r.Group != nil {
		for _, sub := range r.Group.Subs {
			all = append(all, sub.Input, sub.Result)
			all = append(all, values(sub.Run)...)
		}
	}
	return all
}

func dump(t rapid.TB, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func compile(t testing.TB, document []byte) *engine.Program {
	t.Helper()
	return compileAs(t, document, 3)
}

func compileAs(t testing.TB, document []byte, version int) *engine.Program {
	t.Helper()
	f, err := flow.Parse("flow.yaml", document)
	if err != nil {
		t.Fatal(err)
	}
	// The flow too has been in the store.
	data, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	var stored flow.Flow
	if err := json.Unmarshal(data, &stored); err != nil {
		t.Fatal(err)
	}
	program, err := engine.Compile(&stored, version)
	if err != nil {
		t.Fatal(err)
	}
	return program
}

func cases(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/runs/*.txt")
	if err != nil || len(files) < 12 {
		t.Fatalf("found %d cases, want at least 12 (%v)", len(files), err)
	}
	return files
}

func TestRuns(t *testing.T) {
	for _, file := range cases(t) {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			programs := engine.Programs{}
			var events []event
			for i, f := range archive.Files[:len(archive.Files)-1] {
				switch {
				case f.Name == "events.yaml":
					if problems := source.Decode(f.Name, f.Data, &events); problems != nil {
						t.Fatal(problems)
					}
				case i == 0: // the flow that begins
					programs["f"] = compile(t, f.Data)
				default:
					p := compile(t, f.Data)
					programs[p.Flow().ID] = p
				}
			}
			want := &archive.Files[len(archive.Files)-1]
			if len(events) == 0 || want.Name != "want.json" {
				t.Fatal("want flow.yaml, other flows, events.yaml and want.json")
			}
			stored := player{programs: programs, stored: true}
			kept := player{programs: programs}
			var outcomes []outcome
			for _, e := range events {
				o := stored.play(t, e)
				if plain := kept.play(t, e); dump(t, o) != dump(t, plain) {
					t.Errorf("stored, it gave\n%s\nkept in memory\n%s", dump(t, o), dump(t, plain))
				}
				outcomes = append(outcomes, o)
			}
			data, err := json.MarshalIndent(outcomes, "", " ")
			if err != nil {
				t.Fatal(err)
			}
			got := string(data) + "\n"
			if want := string(want.Data); got != want {
				if *update {
					archive.Files[len(archive.Files)-1].Data = []byte(got)
					if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
						t.Fatal(err)
					}
					return
				}
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

// TestEveryKindHasACase: a new kind of node comes with a run through it.
func TestEveryKindHasACase(t *testing.T) {
	for _, kind := range flow.Kinds() {
		data, err := os.ReadFile("testdata/runs/" + kind.Type + ".txt")
		if err != nil {
			t.Errorf("kind %s: %v", kind.Type, err)
		} else if !strings.Contains(string(data), `"type": "`+kind.Type+`"`) {
			t.Errorf("kind %s: its case passes no such node", kind.Type)
		}
	}
}

func TestLimits(t *testing.T) {
	programs := engine.Programs{"f": compile(t, []byte(`
schema: 1
id: l
triggers: [{id: start, type: message}]
nodes:
  - {id: pick, type: conditional, with: {branches: [{port: wait, when: input.wait}, {port: call, when: input.call}]}}
  - {id: loop, type: set_flow, with: {set: {n: "{{ (flow.n ?? 0) + 1 }}"}}}
  - {id: wait, type: wait_reply}
  - {id: call, type: xml.to_json, with: {xml: "{{ input.text }}"}}
  - {id: caught, type: end}
edges:
  - {from: start, to: pick}
  - {from: pick, port: else, to: loop}
  - {from: loop, to: loop}
  - {from: loop, port: error, to: caught}
  - {from: pick, port: wait, to: wait}
  - {from: pick, port: call, to: call}
  - {from: call, to: call}
  - {from: call, port: error, to: caught}
`))}
	play := func(value map[string]any) *engine.Run {
		p := player{programs: programs}
		return p.play(t, event{Start: &start{Trigger: "start", Value: value}}).Session.Run
	}
	wants := func(run *engine.Run, want string) {
		t.Helper()
		if run.Status != engine.Failed || run.Failure == nil || run.Failure.Code != abi.CodeLimit ||
			!strings.Contains(run.Failure.Message, want) {
			t.Errorf("got %s, %+v; want a limit: %s", run.Status, run.Failure, want)
		}
	}
	wants(play(map[string]any{}), `node "loop": the run passed 1000 nodes without a wait`)
	text := strings.Repeat("x", 300<<10)
	wants(play(map[string]any{"wait": true, "text": text}), `node "wait": the run holds`)
	big, err := programs.Advance(begin("r", programs, "start"), engine.Event{Now: began, Start: &engine.Start{
		Trigger: "start", Value: map[string]any{"call": true, "text": strings.Repeat("x", 8<<20)}}})
	if err != nil {
		t.Fatal(err)
	}
	wants(big.Session.Run, `over the limit of 16777216`)
	if run := play(map[string]any{"call": true, "text": text}); run.Status != engine.Running {
		t.Errorf("a run that only calls: %s, %+v", run.Status, run.Failure)
	}

	// A loop of calls is a loop, too.
	p := player{programs: programs}
	run := p.play(t, event{Start: &start{Trigger: "start", Value: map[string]any{"call": true}}}).Session.Run
	for n := 0; run.Status == engine.Running; n++ {
		if n > 1100 {
			t.Fatal("it never ends")
		}
		run = p.play(t, event{Result: &result{Output: map[string]any{"text": "x"}}}).Session.Run
	}
	wants(run, "1000 nodes")
}

// TestAnyRun: whatever comes, a run that is stored between events goes as one
// that is not, Advance changes nothing that it is given (see play), and each
// effect has an id of its own.
func TestAnyRun(t *testing.T) {
	programs := engine.Programs{"f": compile(t, []byte(`
schema: 1
id: any
triggers: [{id: start, type: message}]
nodes:
  - {id: keep, type: set_flow, with: {set: {last: "{{ input }}", all: "{{ {flow: flow.last, nodes: nodes} | toJSON() | len() }}"}}}
  - {id: fetch, type: http.request, retry: {attempts: 3}, with: {body: "{{ input }}", flow: "{{ flow }}"}}
  - {id: code, type: run_code, with: {code: x}}
  - {id: who, type: set_user, with: {set: {seen: "{{ input }}", before: "{{ len(user) }}"}}}
  - {id: tell, type: send_message, with: {text: "got {text} {{ input }}"}}
  - {id: wait, type: wait_reply, with: {save_as: reply}}
  - {id: pick, type: conditional, with: {branches: [{port: stop, when: 'input.text == "stop"'}]}}
  - {id: sorry, type: send_message, with: {text: "{{ error.node }}: {{ error }}"}}
  - {id: stop, type: end, with: {result: "{{ nodes }}"}}
edges:
  - {from: start, to: keep}
  - {from: keep, to: fetch}
  - {from: fetch, to: code}
  - {from: fetch, port: error, to: sorry}
  - {from: code, to: who}
  - {from: who, to: tell}
  - {from: tell, to: wait}
  - {from: sorry, to: wait}
  - {from: wait, to: pick}
  - {from: pick, port: stop, to: stop}
  - {from: pick, port: else, to: keep}
`))}
	leaf := rapid.OneOf(
		rapid.Just[any](nil), rapid.Bool().AsAny(), rapid.Int64().AsAny(), rapid.Float64().AsAny(),
		rapid.SampledFrom([]string{"", "stop", "{{ env.X }}", "{text}", "é"}).AsAny())
	object := rapid.MapOfN(rapid.SampledFrom([]string{"text", "a", "b"}), leaf, 0, 3)
	anything := rapid.OneOf(leaf, rapid.SliceOfN(leaf, 0, 3).AsAny(), object.AsAny())
	value := func(t *rapid.T, of *rapid.Generator[any]) any {
		data, err := json.Marshal(of.Draw(t, "value"))
		if err != nil {
			t.Fatal(err)
		}
		v, err := expr.ParseJSON(data)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	rapid.Check(t, func(t *rapid.T) {
		stored := player{programs: programs, stored: true}
		kept := player{programs: programs}
		ids := map[string]string{}
		e := event{Start: &start{Trigger: "start", Value: value(t, object.AsAny())}}
		for range 12 {
			a, b := stored.play(t, e), kept.play(t, e)
			if dump(t, a) != dump(t, b) {
				t.Fatalf("stored, it gave\n%s\nkept in memory\n%s", dump(t, a), dump(t, b))
			}
			if a.Error != "" {
				t.Fatal(a.Error)
			}
			own := func(id, of string) {
				if first, ok := ids[id]; ok && first != of {
					t.Fatalf("%s and %s share the effect id %s", first, of, id)
				}
				ids[id] = of
			}
			for _, effect := range a.Effects {
				if _, ok := ids[effect.ID]; ok {
					t.Fatalf("the effect id %s came twice", effect.ID)
				}
				own(effect.ID, "an effect of "+effect.Node)
			}
			for _, call := range a.Session.Calls() {
				own(call.EffectID, fmt.Sprintf("call %d of %s", a.Session.Run.Steps, call.Node))
			}
			switch a.Session.Run.Status {
			case engine.Running:
				e = event{Result: &result{Output: value(t, anything)}}
				if rapid.Bool().Draw(t, "fails") {
					e.Result = &result{Error: &abi.Error{
						Code: "x", Message: "y", Retryable: rapid.Bool().Draw(t, "retryable"),
						Detail: json.RawMessage(dump(t, value(t, anything))),
					}}
				}
			case engine.Waiting:
				e = event{Message: value(t, object.AsAny()).(map[string]any)}
			default:
				return
			}
		}
	})
}

func TestAdvanceRefusesWhatDoesNotFit(t *testing.T) {
	programs := engine.Programs{"f": compile(t, []byte(`
schema: 1
id: l
triggers: [{id: start, type: message}]
nodes: [{id: wait, type: wait_reply}]
edges: [{from: start, to: wait}]
`))}
	fresh := begin("r", programs, "start")
	waiting, err := programs.Advance(fresh, engine.Event{Start: &engine.Start{Trigger: "start"}})
	if err != nil {
		t.Fatal(err)
	}
	run := func(r engine.Run) engine.Session { return engine.Session{ID: "r", Run: &r} }
	tests := []struct {
		session engine.Session
		event   engine.Event
		want    string
	}{
		{fresh, engine.Event{}, "the event is empty"},
		{engine.Session{}, engine.Event{Tick: true}, "it has no run"},
		{fresh, engine.Event{Start: &engine.Start{Trigger: "x"}}, `has no trigger "x"`},
		{run(engine.Run{Flow: "g"}), engine.Event{Start: &engine.Start{Trigger: "start"}}, `flow "g" is not among its programs`},
		{waiting.Session, engine.Event{Start: &engine.Start{Trigger: "start"}}, "it has started already and is waiting"},
		{waiting.Session, engine.Event{Result: &engine.Result{}}, "the run is waiting"},
		{waiting.Session, engine.Event{Retry: true}, "it is waiting and has not failed"},
		{run(engine.Run{Flow: "f", Status: engine.Done}), engine.Event{Message: &engine.Message{}}, "the run is done"},
		{run(engine.Run{Flow: "f", Status: engine.Waiting, Node: "gone", Wait: &engine.Wait{Reply: true}}), engine.Event{Message: &engine.Message{}}, "another version"},
	}
	for _, test := range tests {
		if _, err := programs.Advance(test.session, test.event); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("got %v, want %s", err, test.want)
		}
	}
}

func TestMessageValue(t *testing.T) {
	got := engine.MessageValue(abi.Message{Type: abi.MessageButtonReply, Payload: "yes", Raw: json.RawMessage(`{"n": 9007199254740993}`)})
	want := map[string]any{"type": "button_reply", "text": "", "payload": "yes", "raw": map[string]any{"n": int64(9007199254740993)}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %#v", got)
	}
	if got := engine.MessageValue(abi.Message{Text: "x", Raw: json.RawMessage(`{`)}); got["text"] != "x" {
		t.Errorf("with raw that is no JSON: %#v", got)
	}
}

func BenchmarkAdvance(b *testing.B) {
	archive, err := txtar.ParseFile("testdata/runs/order-intake.txt")
	if err != nil {
		b.Fatal(err)
	}
	programs := engine.Programs{"f": compile(b, archive.Files[0].Data)}
	value, err := expr.ParseJSON([]byte(`{"method": "POST", "body": "<order/>"}`))
	if err != nil {
		b.Fatal(err)
	}
	outputs := []any{map[string]any{"order": map[string]any{}}, map[string]any{"total": int64(5)}}
	b.ReportAllocs()
	for b.Loop() {
		event := engine.Event{Now: began, Start: &engine.Start{Trigger: "start", Value: value}}
		out, err := programs.Advance(begin("r", programs, "start"), event)
		for _, output := range outputs {
			if err != nil {
				b.Fatal(err)
			}
			out, err = programs.Advance(out.Session, engine.Event{Now: began, Result: &engine.Result{EffectID: out.Session.Calls()[0].EffectID, Output: output}})
		}
		if err != nil || !out.Session.Over() || !out.Session.Responded {
			b.Fatal(out.Session.Run.Status, err)
		}
	}
}
