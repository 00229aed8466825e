package run

import (
	"testing"
	"time"

	"github.com/trama-run/trama/host/engine"
	"github.com/trama-run/trama/pdk/abi"
)

// TestStepsOfOneNode: what the engine says at the beginning and at the end of
// a call or a wait is one step; repeats of a call are steps of their own.
func TestStepsOfOneNode(t *testing.T) {
	began := time.Date(2025, 8, 4, 12, 0, 0, 0, time.UTC)
	failed := &abi.Error{Code: abi.CodeUnreachable}
	var r Record
	for _, s := range []engine.Step{
		{Ordinal: 1, Node: "wait", Input: "before", Started: began},
		{Ordinal: 1, Node: "wait", Port: "next", Output: "reply", Started: began.Add(time.Hour)},
		{Ordinal: 2, Node: "call", Input: "in", EffectID: "e", Started: began},
		{Ordinal: 2, Node: "call", Input: "in", EffectID: "e", Attempt: 1, Error: failed, Started: began, Duration: time.Second},
		{Ordinal: 2, Node: "call", Input: "in", EffectID: "e", Attempt: 2, Port: "next", Output: "out", Started: began.Add(2 * time.Second), Duration: time.Second},
		{Ordinal: 3, Node: "end", Started: began},
	} {
		r.step(s)
	}
	type seen struct {
		node, port string
		attempt    int
		duration   time.Duration
		failed     bool
	}
	var got []seen
	for _, s := range r.Steps {
		got = append(got, seen{s.Node, s.Port, s.Attempt, s.Duration, s.Error != nil})
		if s.Node != "end" && s.Input == nil {
			t.Errorf("step %+v has lost its input", s)
		}
	}
	want := []seen{
		{"wait", "next", 0, time.Hour, false},
		{"call", "", 1, time.Second, true},
		{"call", "next", 2, time.Second, false},
		{"end", "", 0, 0, false},
	}
	if len(got) != len(want) {
		t.Fatalf("steps %+v, want %+v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("step %d is %+v, want %+v", i, got[i], want[i])
		}
	}
}
