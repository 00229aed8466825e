package gateway

import (
	"strings"
	"testing"

	"github.com/trama-run/trama/host/problem"
)

// TestRoom: what bodies hold is bounded for each and for all, small ones don't
// wait for it, and a call that is over has given it back.
func TestRoom(t *testing.T) {
	g := &Gateway{}
	read := func(contentType, text string) (*call, *problem.Details) {
		q := &call{}
		return q, body(map[string]any{}, contentType, []byte(text), g.hold(q, []byte(text)))
	}
	tight := "[" + strings.Repeat(`{"a":0},`, 200_000) + "0]" // some 80 MiB
	if _, refused := read(mediaJSON, tight+" "+tight[1:]); refused == nil || refused.Status != 400 {
		t.Errorf("no JSON: %+v", refused)
	}
	if _, refused := read(mediaJSON, "["+strings.Repeat(tight+",", 2)+"0]"); refused == nil || refused.Status != 413 {
		t.Errorf("one that holds very much: %+v", refused)
	}
	g.room.used.Store(0) // those were calls that nobody ended

	var calls []*call
	for len(calls) < 10 {
		q, refused := read(mediaJSON, tight)
		calls = append(calls, q)
		if refused != nil {
			if refused.Status != 503 || refused.RetryAfter == 0 {
				t.Errorf("one too many: %+v", refused)
			}
			break
		}
	}
	if held := g.room.used.Load(); len(calls) < 3 || len(calls) > 5 || held > roomForAll {
		t.Errorf("%d bodies hold %d MiB", len(calls), held>>20)
	}
	g.room.used.Add(roomForAll)
	if _, refused := read(mediaJSON, "["+strings.Repeat(`{"a":0},`, 1000)+"0]"); refused != nil {
		t.Errorf("a small one has to wait: %+v", refused)
	}
	if _, refused := read("text/plain", strings.Repeat("x", smallBody+1)); refused == nil || refused.Status != 503 {
		t.Errorf("a large text: %+v", refused)
	}
	g.room.used.Add(-roomForAll)
	for _, q := range calls {
		q.leave()
	}
	if held := g.room.used.Load(); held != 0 {
		t.Errorf("%d bytes are held by nobody", held)
	}
}
