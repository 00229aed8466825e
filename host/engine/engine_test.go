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
	Message any            `json:"message"`
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
	Run     *engine.Run     `json:"run,omitempty"`
	User    map[string]any  `json:"user,omitempty"`
	Effects []engine.Effect `json:"effects,omitempty"`
	Steps   []engine.Step   `json:"steps,omitempty"`
}

var began = time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)

// player plays events on a program. It writes the run out and reads it back
// between all events, and holds Advance to what it promises.
type player struct {
	program *engine.Program
	stored  bool // write the run as JSON between events
	run     engine.Run
	user    map[string]any
	env     map[string]any
	turn    int
}

func (p *player) play(t rapid.TB, e event) outcome {
	t.Helper()
	if e.User != nil {
		p.user = e.User
	}
	if e.Env != nil {
		p.env = e.Env
	}
	in := engine.Event{Now: began.Add(time.Duration(p.turn) * time.Second), User: p.user, Env: p.env}
	p.turn++
	switch {
	case e.Start != nil:
		p.run = engine.Run{ID: "run-1", Flow: "f", Version: 3}
		in.Start = &engine.Start{Trigger: e.Start.Trigger, Value: e.Start.Value}
	case e.Result != nil:
		in.Result = &engine.Result{EffectID: e.Result.EffectID, Output: e.Result.Output, Error: e.Result.Error}
		if in.Result.EffectID == "" && p.run.Pending != nil {
			in.Result.EffectID = p.run.Pending.EffectID
		}
	default:
		in.Message = &engine.Message{Value: e.Message}
	}
	before := dump(t, []any{p.run, in})
	out, err := p.program.Advance(p.run, in)
	if after := dump(t, []any{p.run, in}); before != after {
		t.Fatalf("Advance changed its input:\n%s\nbecame\n%s", before, after)
	}
	if err != nil {
		if !reflect.DeepEqual(out, engine.Outcome{}) {
			t.Fatalf("an error with an outcome: %v, %+v", err, out)
		}
		return outcome{Error: err.Error()}
	}
	p.run, p.user = out.Run, out.User
	if p.stored {
		p.run = engine.Run{}
		if err := json.Unmarshal([]byte(dump(t, out.Run)), &p.run); err != nil {
			t.Fatal(err)
		}
		if again := dump(t, p.run); again != dump(t, out.Run) {
			t.Fatalf("the run changed in the store:\n%s\nbecame\n%s", dump(t, out.Run), again)
		}
		if !reflect.DeepEqual(values(&p.run), values(&out.Run)) {
			t.Fatalf("values changed in the store:\n%#v\nbecame\n%#v", values(&out.Run), values(&p.run))
		}
	}
	return outcome{Run: &out.Run, User: out.User, Effects: out.Effects, Steps: out.Steps}
}

// values gives the free-form parts of a run, whose numbers must keep their
// types.
func values(r *engine.Run) []any {
	all := []any{r.Trigger, r.Result}
	for _, m := range []map[string]any{r.Vars, r.Nodes} {
		if len(m) > 0 {
			all = append(all, m)
		}
	}
	if r.Pending != nil {
		all = append(all, r.Pending.Input)
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
	program, err := engine.Compile(&stored)
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
			if len(archive.Files) != 3 {
				t.Fatalf("want flow.yaml, events.yaml and want.json")
			}
			var events []event
			if problems := source.Decode("events.yaml", archive.Files[1].Data, &events); problems != nil {
				t.Fatal(problems)
			}
			stored := player{program: compile(t, archive.Files[0].Data), stored: true}
			kept := player{program: stored.program}
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
			if want := string(archive.Files[2].Data); got != want {
				if *update {
					archive.Files[2].Data = []byte(got)
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
	program := compile(t, []byte(`
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
`))
	play := func(value map[string]any) *engine.Run {
		p := player{program: program}
		return p.play(t, event{Start: &start{Trigger: "start", Value: value}}).Run
	}
	wants := func(run *engine.Run, want string) {
		t.Helper()
		if run.Status != engine.Failed || run.Failure == nil || run.Failure.Code != abi.CodeLimit || run.Pending != nil ||
			!strings.Contains(run.Failure.Message, want) {
			t.Errorf("got %s, %+v; want a limit: %s", run.Status, run.Failure, want)
		}
	}
	wants(play(map[string]any{}), `node "loop": the run passed 1000 nodes without waiting`)
	text := strings.Repeat("x", 300<<10)
	wants(play(map[string]any{"wait": true, "text": text}), `node "wait": the run holds`)
	big, err := program.Advance(engine.Run{ID: "r"}, engine.Event{Now: began, Start: &engine.Start{
		Trigger: "start", Value: map[string]any{"call": true, "text": strings.Repeat("x", 8<<20)}}})
	if err != nil {
		t.Fatal(err)
	}
	wants(&big.Run, `over the limit of 16777216`)
	if run := play(map[string]any{"call": true, "text": text}); run.Status != engine.Running {
		t.Errorf("a run that only calls: %s, %+v", run.Status, run.Failure)
	}

	// A loop of calls is a loop, too.
	p := player{program: program}
	run := p.play(t, event{Start: &start{Trigger: "start", Value: map[string]any{"call": true}}}).Run
	for n := 0; run.Status == engine.Running; n++ {
		if n > 1100 {
			t.Fatal("it never ends")
		}
		run = p.play(t, event{Result: &result{Output: map[string]any{"text": "x"}}}).Run
	}
	wants(run, "1000 nodes")
}

// TestAnyRun: whatever comes, a run that is stored between events goes as one
// that is not, Advance changes nothing that it is given (see play), and each
// effect has an id of its own.
func TestAnyRun(t *testing.T) {
	program := compile(t, []byte(`
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
`))
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
		stored := player{program: program, stored: true}
		kept := player{program: program}
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
			if call := a.Run.Pending; call != nil {
				own(call.EffectID, fmt.Sprintf("call %d of %s", a.Run.Steps, call.Node))
			}
			switch a.Run.Status {
			case engine.Running:
				e = event{Result: &result{Output: value(t, anything)}}
				if rapid.Bool().Draw(t, "fails") {
					e.Result = &result{Error: &abi.Error{
						Code: "x", Message: "y", Retryable: rapid.Bool().Draw(t, "retryable"),
						Detail: json.RawMessage(dump(t, value(t, anything))),
					}}
				}
			case engine.Waiting:
				e = event{Message: value(t, object.AsAny())}
			default:
				return
			}
		}
	})
}

func TestAdvanceRefusesWhatDoesNotFit(t *testing.T) {
	program := compile(t, []byte(`
schema: 1
id: l
triggers: [{id: start, type: message}]
nodes: [{id: wait, type: wait_reply}]
edges: [{from: start, to: wait}]
`))
	waiting, err := program.Advance(engine.Run{ID: "r"}, engine.Event{Start: &engine.Start{Trigger: "start"}})
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		run   engine.Run
		event engine.Event
		want  string
	}{
		{engine.Run{}, engine.Event{}, "the event is empty"},
		{engine.Run{}, engine.Event{Start: &engine.Start{Trigger: "x"}}, `has no trigger "x"`},
		{waiting.Run, engine.Event{Start: &engine.Start{Trigger: "start"}}, "it has started already and is waiting"},
		{waiting.Run, engine.Event{Result: &engine.Result{}}, "the run is waiting and calls nothing"},
		{engine.Run{Status: engine.Done}, engine.Event{Message: &engine.Message{}}, "the run is done and does not wait"},
		{engine.Run{Status: engine.Waiting, Node: "gone"}, engine.Event{Message: &engine.Message{}}, "another version"},
	}
	for _, test := range tests {
		if _, err := program.Advance(test.run, test.event); err == nil || !strings.Contains(err.Error(), test.want) {
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
	program := compile(b, archive.Files[0].Data)
	value, err := expr.ParseJSON([]byte(`{"method": "POST", "body": "<order/>"}`))
	if err != nil {
		b.Fatal(err)
	}
	outputs := []any{map[string]any{"order": map[string]any{}}, map[string]any{"total": int64(5)}}
	b.ReportAllocs()
	for b.Loop() {
		event := engine.Event{Now: began, Start: &engine.Start{Trigger: "start", Value: value}}
		out, err := program.Advance(engine.Run{ID: "r"}, event)
		for _, output := range outputs {
			if err != nil {
				b.Fatal(err)
			}
			out, err = program.Advance(out.Run, engine.Event{Now: began, Result: &engine.Result{EffectID: out.Run.Pending.EffectID, Output: output}})
		}
		if err != nil || out.Run.Status != engine.Done || !out.Run.Responded {
			b.Fatal(out.Run.Status, err)
		}
	}
}
