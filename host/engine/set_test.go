package engine_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/trama-run/trama/host/engine"
	"github.com/trama-run/trama/pdk/abi"
)

// TestAppendIsACopy: two ways on from one session do not write into each
// other's lists.
func TestAppendIsACopy(t *testing.T) {
	programs := engine.Programs{"f": compile(t, []byte(`
schema: 1
id: f
triggers: [{id: start, type: message}]
nodes:
  - {id: ask, type: wait_reply}
  - {id: keep, type: set_flow, with: {append: {said: "{{ input.text }}"}}}
edges:
  - {from: start, to: ask}
  - {from: ask, to: keep}
  - {from: keep, to: ask}
`))}
	p := player{programs: programs}
	p.play(t, event{Start: &start{Trigger: "start"}})
	for i := range 9 {
		p.play(t, event{Message: map[string]any{"text": fmt.Sprint(i)}})
		one, other := p, p
		one.play(t, event{Message: map[string]any{"text": "one"}})
		other.play(t, event{Message: map[string]any{"text": "other"}})
		said := one.session.Run.Vars["said"].([]any)
		if len(said) != i+2 || said[i+1] != "one" {
			t.Fatalf("after %d: %v", i, said)
		}
	}
}

// TestListsAreBounded: a list that is appended to in each turn of a
// conversation fails the run with a limit.
func TestListsAreBounded(t *testing.T) {
	programs := engine.Programs{"f": compile(t, []byte(`
schema: 1
id: f
triggers: [{id: start, type: message}]
nodes:
  - {id: keep, type: set_flow, with: {append: {said: "{{ input.text }}"}}}
  - {id: ask, type: wait_reply}
edges:
  - {from: start, to: keep}
  - {from: keep, to: ask}
  - {from: ask, to: keep}
`))}
	p := player{programs: programs}
	text := map[string]any{"text": strings.Repeat("x", 8<<10)}
	run := p.play(t, event{Start: &start{Trigger: "start", Value: text}}).Session.Run
	for n := 0; run.Status == engine.Waiting; n++ {
		if n > 40 {
			t.Fatal("the list grows without a bound")
		}
		run = p.play(t, event{Message: text}).Session.Run
	}
	if run.Failure == nil || run.Failure.Code != abi.CodeLimit || !strings.Contains(run.Failure.Message, "over the limit of 262144") {
		t.Errorf("got %s, %+v", run.Status, run.Failure)
	}
}
