package gateway

import (
	"context"
	"testing"
)

// TestLine: who waits for a place gets it before new calls, in the order of
// coming; who leaves the line makes room in it.
func TestLine(t *testing.T) {
	p := &places{}
	for n := range 3 {
		if p.take(2) != (n < 2) {
			t.Fatal("there are two places")
		}
	}
	first, second := p.stand(2), p.stand(2)
	has := func(place chan struct{}) bool {
		select {
		case <-place:
			return true
		default:
			return false
		}
	}
	if p.give(2); !has(first) || has(second) || p.take(2) {
		t.Fatal("the first in line has the place, and no new call")
	}
	if p.give(1); has(second) {
		t.Fatal("of one place that there is now, one is taken")
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if p.wait(gone, 1) || len(p.line) != 1 {
		t.Fatal("who has left stands in no line")
	}
	if p.give(1); !has(second) {
		t.Fatal("the second is next")
	}
	for range maxLine {
		p.stand(1)
	}
	if p.wait(t.Context(), 1) {
		t.Fatal("the line has an end")
	}
	if p.give(0); p.taken != maxLine || len(p.line) != 0 {
		t.Fatalf("without a bound all go on: %d of %d", p.taken, maxLine)
	}
	if p = (&places{}); !has(p.stand(1)) || p.taken != 1 {
		t.Fatal("who is first in line finds a free place")
	}
}
