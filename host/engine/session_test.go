package engine_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/trama-run/trama/host/engine"
	"github.com/trama-run/trama/host/expr"
	"github.com/trama-run/trama/pdk/abi"
)

// session plays a flow, with others that it may jump to, on a clock of its own.
// It is stored between all events.
type session struct {
	*player
	t    *testing.T
	last outcome
}

func play(t *testing.T, trigger string, value map[string]any, document string, others ...string) *session {
	t.Helper()
	programs := engine.Programs{"f": compile(t, []byte("schema: 1\nid: f\n"+document))}
	for _, other := range others {
		p := compile(t, []byte("schema: 1\n"+other))
		programs[p.Flow().ID] = p
	}
	s := &session{player: &player{programs: programs, stored: true}, t: t}
	parsed, err := expr.ParseJSON([]byte(dump(t, value)))
	if err != nil {
		t.Fatal(err)
	}
	s.send(event{Start: &start{Trigger: trigger, Value: parsed}})
	return s
}

func (s *session) send(e event) *session {
	s.t.Helper()
	s.last = s.play(s.t, e)
	if s.last.Error != "" {
		s.t.Fatal(s.last.Error)
	}
	return s
}

func (s *session) says(text string) *session {
	s.t.Helper()
	return s.send(event{Message: map[string]any{"text": text}})
}

func (s *session) pass(span string) *session {
	s.t.Helper()
	return s.send(event{Tick: true, After: span})
}

// results brings a result for each call that is pending now, in their order.
func (s *session) results(outputs ...any) *session {
	s.t.Helper()
	calls := s.session.Calls()
	if len(calls) != len(outputs) {
		s.t.Fatalf("%d calls are pending, want %d", len(calls), len(outputs))
	}
	for i, output := range outputs {
		r := &result{EffectID: calls[i].EffectID, Output: output}
		if err, ok := output.(*abi.Error); ok {
			r.Output, r.Error = nil, err
		}
		s.send(event{Result: r})
	}
	return s
}

// want compares how the root run stands: "status node", and its result or
// failure if it is over.
func (s *session) want(want string) *session {
	s.t.Helper()
	run := s.session.Run
	got := fmt.Sprintf("%s %s", run.Status, run.Node)
	switch {
	case run.Status == engine.Done && run.Ended:
		got += " " + dump(s.t, run.Result)
	case run.Status == engine.Failed:
		got += " " + run.Failure.Code + ": " + run.Failure.Message
	}
	if got != want {
		s.t.Fatalf("the session stands at\n%s\nwant\n%s", got, want)
	}
	return s
}

func (s *session) pending() (inputs []string) {
	for _, c := range s.session.Calls() {
		inputs = append(inputs, dump(s.t, c.Input))
	}
	return inputs
}

const contact = "triggers: [{id: start, type: message}]\n"

func TestSubRunsGoAtOnceAndInOrder(t *testing.T) {
	s := play(t, "start", map[string]any{"items": []any{1, 2, 3, 4, 5}}, contact+`
nodes:
  - {id: all, type: for_each, with: {items: "{{ input.items }}", concurrency: 2}}
  - {id: twice, type: xml.to_json, retry: {attempts: 2, backoff: 10s}, with: {n: "{{ input }}"}}
  - {id: keep, type: set_flow, with: {set: {n: "{{ (flow.n ?? 0) + 1 }}"}}}
  - {id: out, type: end, with: {result: "{{ [input, flow.n] }}"}}
  - {id: done, type: end, with: {result: "{{ [input.results, input.failed, flow.n] }}"}}
edges:
  - {from: start, to: all}
  - {from: all, port: each, to: twice}
  - {from: twice, to: keep}
  - {from: keep, to: out}
  - {from: all, to: done}
`)
	if got := s.pending(); !slices.Equal(got, []string{`{"n":1}`, `{"n":2}`}) {
		t.Fatalf("pending at first: %v", got)
	}
	ids := []string{s.session.Calls()[0].EffectID, s.session.Calls()[1].EffectID}
	// The second ends first; the third begins beside the first.
	s.send(event{Result: &result{EffectID: ids[1], Output: "two"}})
	if got := s.pending(); !slices.Equal(got, []string{`{"n":1}`, `{"n":3}`}) {
		t.Fatalf("pending after one: %v", got)
	}
	// The first is retried: its effect id stays, and its place in the order.
	s.send(event{Result: &result{EffectID: ids[0], Error: &abi.Error{Code: "busy", Message: "later", Retryable: true}}})
	if c := s.session.Calls()[0]; c.EffectID != ids[0] || c.Attempt != 2 || c.NotBefore.Sub(s.now) < 6*time.Second || c.NotBefore.Sub(s.now) > 12*time.Second {
		t.Fatalf("retried: %+v at %v", c, s.now)
	}
	s.results("one", "three").results("four", "five")
	s.want(`done done [[["one",1],["two",1],["three",1],["four",1],["five",1]],0,null]`)
}

func TestParallelSleepsAndCalls(t *testing.T) {
	s := play(t, "start", nil, contact+`
nodes:
  - {id: both, type: parallel, with: {branches: [slow, call]}}
  - {id: slow, type: wait, with: {for: 1h}}
  - {id: call, type: xml.to_json, with: {}}
  - {id: menu, type: jump, with: {flow: menu}}
  - {id: done, type: end, with: {result: "{{ [input.results, input.failed] }}"}}
edges:
  - {from: start, to: both}
  - {from: both, port: slow, to: slow}
  - {from: both, port: call, to: call}
  - {from: call, to: menu}
  - {from: both, to: done}
`, `id: menu
triggers:
  - {id: called, type: call}
nodes:
  - {id: ask, type: wait_reply}
  - {id: no, type: end, with: {result: "{{ error.message }}"}}
edges:
  - {from: called, to: ask}
  - {from: ask, port: error, to: no}
`)
	if s.session.Due().IsZero() || len(s.session.Calls()) != 1 {
		t.Fatalf("due %v, calls %d", s.session.Due(), len(s.session.Calls()))
	}
	if s.session.Status() != engine.Running {
		t.Errorf("while it calls it is %s", s.session.Status())
	}
	s.results("x").want("gathering both").pass("59m").want("gathering both")
	if s.session.Status() != engine.Waiting {
		t.Errorf("while it sleeps it is %s", s.session.Status())
	}
	s.pass("2m")
	s.want(`done done [{"call":{"label":"","result":"node \"ask\": sub-runs that go at once can't wait for replies, since it would not be known whose they are; give the node above concurrency: 1, or ask before it"},"slow":null},0]`)
}

func TestAskingForEach(t *testing.T) {
	s := play(t, "start", map[string]any{"items": []any{"tea", "milk"}}, contact+`
nodes:
  - {id: all, type: for_each, with: {items: "{{ input.items }}"}}
  - {id: say, type: send_message, with: {text: "how much {{ input }}?"}}
  - {id: ask, type: wait_reply, with: {timeout: 5m}}
  - {id: given, type: end, with: {result: "{{ nodes.all.item }}: {{ input.text }}"}}
  - {id: none, type: end, with: {result: "{{ nodes.all.item }}: silence"}}
  - {id: done, type: end, with: {result: "{{ input.results }}"}}
edges:
  - {from: start, to: all}
  - {from: all, port: each, to: say}
  - {from: say, to: ask}
  - {from: ask, to: given}
  - {from: ask, port: timeout, to: none}
  - {from: all, to: done}
`)
	s.want("gathering all").says("two").want("gathering all").pass("6m").want(`done done ["tea: two","milk: silence"]`)
}

func TestCallsAndReturns(t *testing.T) {
	menu := `
nodes:
  - {id: menu, type: wait_reply}
  - {id: again, type: jump, with: {flow: f, return: false}}
  - {id: back, type: end, with: {label: picked, result: "{{ input.text }}"}}
  - {id: pick, type: conditional, with: {branches: [{port: again, when: 'input.text == "again"'}, {port: fail, when: 'input.text == "fail"'}]}}
  - {id: fail, type: conditional, with: {branches: [{port: x, when: "1"}]}}
edges:
  - {from: in, to: menu}
  - {from: menu, to: pick}
  - {from: pick, port: else, to: back}
  - {from: pick, port: again, to: again}
  - {from: pick, port: fail, to: fail}
`
	main := contact + `
nodes:
  - {id: count, type: set_flow, with: {set: {n: 7}}}
  - {id: ask, type: jump, with: {flow: menu, ports: [picked]}}
  - {id: picked, type: end, with: {result: "{{ [flow.n, input] }}"}}
edges:
  - {from: start, to: count}
  - {from: count, to: ask}
  - {from: ask, port: picked, to: picked}
`
	other := "id: menu\ntriggers: [{id: in, type: call}]" + menu
	play(t, "start", nil, main, other).want("calling ask").says("tea").want(`done picked [7,{"label":"picked","result":"tea"}]`)

	// A flow may go over to one that called it: that is a loop through a menu.
	s := play(t, "start", nil, main, other)
	for range 30 {
		if s.says("again").want("calling ask"); s.session.Position().Path != "ask" {
			t.Fatalf("the calls pile up: %s", s.session.Position().Path)
		}
	}
	s = play(t, "start", nil, main, other).says("fail")
	s.want(`failed ask invalid: flow menu, node fail: branch "x": the condition "1" must be true or false; compare it, as in input.total > 0`)
	// Retried, it fails at the same node of the called flow, and not before.
	if s.send(event{Retry: true}); len(s.last.Steps) != 2 || s.last.Steps[0].Node != "fail" || s.last.Steps[0].Path != "ask" {
		t.Errorf("retried, it passes %+v", s.last.Steps)
	}
}

func TestCallsAreNotTooDeep(t *testing.T) {
	s := play(t, "start", map[string]any{"n": 1}, contact+`
nodes:
  - {id: down, type: jump, with: {flow: f, input: {n: "{{ input.n + 1 }}"}}}
  - {id: bottom, type: end, with: {result: "{{ trigger.n }}: {{ error.code }}"}}
  - {id: up, type: end, with: {result: "{{ input.result }}"}}
edges: [{from: start, to: down}, {from: down, to: up}, {from: down, port: error, to: bottom}]
`)
	s.want(`done up "10: limit"`)
}

func TestOnError(t *testing.T) {
	document := contact + `on_error: sorry
nodes:
  - {id: call, type: xml.to_json, with: {}}
  - {id: sorry, type: set_flow, with: {set: {why: "{{ error.node }} {{ error.code }} {{ error.attempt }}"}}}
  - {id: again, type: xml.to_json, with: {}}
  - {id: done, type: end, with: {result: "{{ flow.why }}"}}
edges:
  - {from: start, to: call}
  - {from: sorry, to: again}
  - {from: again, to: done}
`
	broken := &abi.Error{Code: "broken", Message: "it broke"}
	s := play(t, "start", nil, document).results(broken).want("running again")
	s.results("x").want(`done done "call broken 1"`)
	// It is not for errors after it.
	play(t, "start", nil, document).results(broken).results(broken).want("failed again broken: it broke")
}

func TestRetry(t *testing.T) {
	s := play(t, "start", map[string]any{"n": 1}, contact+`
nodes:
  - {id: call, type: xml.to_json, with: {n: "{{ input.n }}"}}
  - {id: done, type: end, with: {result: "{{ input }}"}}
edges: [{from: start, to: call}, {from: call, to: done}]
`)
	id := s.session.Calls()[0].EffectID
	s.results(&abi.Error{Code: "down", Message: "it is down"}).want("failed call down: it is down")
	if len(s.session.Calls()) != 0 {
		t.Fatal("a failed session asks for calls")
	}
	s.send(event{Retry: true}).want("running call")
	if c := s.session.Calls(); len(c) != 1 || c[0].EffectID != id || c[0].Attempt != 2 {
		t.Fatalf("retried: %+v, want the effect id %s", c, id)
	}
	s.results("fine").want(`done done "fine"`)
}

func TestRepliesInTime(t *testing.T) {
	document := contact + `
nodes:
  - {id: ask, type: wait_reply, with: {timeout: 10m, debounce: 2s, save_as: reply}}
  - {id: got, type: end, with: {result: "{{ [flow.reply, len(input.messages)] }}"}}
  - {id: late, type: end, with: {result: late}}
edges: [{from: start, to: ask}, {from: ask, to: got}, {from: ask, port: timeout, to: late}]
`
	play(t, "start", nil, document).pass("9m").want("waiting ask").pass("2m").want(`done late "late"`)
	// Quick messages are one reply: quiet for two seconds ends it.
	s := play(t, "start", nil, document).says("I want").says("two").says("cups").want("waiting ask")
	s.pass("1s").want("waiting ask").pass("2s").want(`done got ["I want\ntwo\ncups",3]`)
	// Messages that are taken late belong together as when they came.
	s = play(t, "start", nil, document)
	came := s.session.Due()
	for _, e := range []engine.Event{
		{Message: &engine.Message{Value: map[string]any{"text": "one"}, At: came}},
		{Message: &engine.Message{Value: map[string]any{"text": "two"}, At: came.Add(time.Second)}},
		{Tick: true},
	} {
		e.Now = came.Add(time.Minute)
		out, err := s.programs.Advance(s.player.session, e)
		if err != nil {
			t.Fatal(err)
		}
		s.player.session = out.Session
	}
	if got := fmt.Sprint(s.player.session.Run.Result); got != "[one\ntwo 2]" {
		t.Errorf("taken late: %q", got)
	}
	// Who never is quiet is heard after ten times as long.
	s = play(t, "start", nil, document)
	n := 0
	for ; s.session.Run.Status == engine.Waiting && n < 100; n++ {
		s.says("x")
	}
	if n > 21 {
		t.Errorf("%d messages were gathered", n)
	}
}

func TestSilence(t *testing.T) {
	document := contact + `
nodes:
  - {id: arm, type: start_inactivity, with: {after: 10m}}
  - {id: ask, type: jump, with: {flow: menu}}
  - {id: call, type: xml.to_json, with: {}}
  - {id: silent, type: end, with: {result: silent}}
edges: [{from: start, to: arm}, {from: arm, to: ask}, {from: arm, port: inactive, to: silent}, {from: ask, to: call}]
`
	menu := `id: menu
triggers: [{id: in, type: call}]
nodes: [{id: one, type: wait_reply}, {id: two, type: wait_reply}]
edges: [{from: in, to: one}, {from: one, to: two}]
`
	// It ends the called flow and goes on in the one that armed it.
	play(t, "start", nil, document, menu).pass("9m").want("calling ask").pass("2m").want(`done silent "silent"`)
	// Each message sets it back.
	play(t, "start", nil, document, menu).pass("9m").says("x").pass("9m").want("calling ask").pass("2m").want(`done silent "silent"`)
	// What is called is let end; the timer holds afterwards.
	s := play(t, "start", nil, document, menu).says("x").says("y").want("running call")
	if !s.session.Due().IsZero() {
		t.Errorf("due at %v while it calls", s.session.Due())
	}
	s.pass("1h").want("running call").results("x").want("done call")

	// One that a called flow armed ends with it.
	s = play(t, "start", nil, contact+`
nodes: [{id: ask, type: jump, with: {flow: quick}}, {id: wait, type: wait_reply}]
edges: [{from: start, to: ask}, {from: ask, to: wait}]
`, `id: quick
triggers: [{id: in, type: call}]
nodes: [{id: arm, type: start_inactivity, with: {after: 1m}}]
edges: [{from: in, to: arm}]
`)
	if s.want("waiting wait"); s.session.Silence != nil {
		t.Error("the timer of a flow that returned is armed")
	}
}

// TestUntil: a tick leaves what is due after a message that came before it.
func TestUntil(t *testing.T) {
	s := play(t, "start", nil, contact+`
nodes:
  - {id: first, type: wait_reply, with: {timeout: 10m}}
  - {id: second, type: wait_reply, with: {timeout: 10m}}
  - {id: done, type: end, with: {result: "{{ input.text }}"}}
edges: [{from: start, to: first}, {from: first, port: timeout, to: second}, {from: second, to: done}]
`)
	due := s.session.Due()
	for until, want := range map[time.Duration]string{-time.Second: "first", 0: "second", time.Hour: "second"} {
		out, err := s.programs.Advance(s.player.session, engine.Event{Now: due.Add(time.Minute), Tick: true, Until: due.Add(until)})
		if err != nil || out.Session.Run.Node != want {
			t.Errorf("until %s after: at %q, %v; want %q", until, out.Session.Run.Node, err, want)
		}
	}
}

// TestGatheredMessagesOutliveAMove: what a contact wrote is not lost if the
// session moves to a version that does not gather.
func TestGatheredMessagesOutliveAMove(t *testing.T) {
	version := func(with string, number int) *engine.Program {
		return compileAs(t, []byte(`
schema: 1
id: f
triggers: [{id: start, type: message}]
nodes: [{id: ask, type: wait_reply`+with+`}, {id: end, type: end, with: {result: "{{ input.text }}"}}]
edges: [{from: start, to: ask}, {from: ask, to: end}]
`), number)
	}
	before, after := version(", with: {debounce: 5s}", 3), version("", 4)
	programs := engine.Programs{"f": before}
	says := func(s engine.Session, text string) engine.Session {
		return advance(t, programs, s, engine.Event{Message: &engine.Message{Value: map[string]any{"text": text}}}).Session
	}
	s := advance(t, programs, begin("r", programs, "start"), engine.Event{Start: &engine.Start{Trigger: "start"}}).Session
	s = says(s, "first")
	if err := s.Move(before, after, nil); err != nil {
		t.Fatal(err)
	}
	programs["f"] = after
	if s = says(s, "second"); s.Run.Result != "first\nsecond" {
		t.Errorf("it took %v", s.Run.Result)
	}
}
