package run

import (
	"testing"
	"time"

	"github.com/trama-run/trama/host/engine"
)

// TestRoom: a run with a large event waits while others take all the room that
// there is, and a small one does not.
func TestRoom(t *testing.T) {
	r := newRig(t, ordering)
	large := make([]any, 10_000)
	for n := range large {
		large[n] = map[string]any{"n": n}
	}
	keys := map[string]string{}
	for name, data := range map[string]any{"large": large, "small": 1} {
		s, err := r.runner.Emit(t.Context(), Event{Name: "tick", Data: data})
		if err != nil {
			t.Fatal(err)
		}
		keys[name] = PrefixRun + ":" + s.Runs["order"]
	}
	calls, held := 0, int64(0)
	r.call = func() { calls, held = calls+1, r.runner.room.used.Load() }
	again := func(name string, want time.Duration) {
		t.Helper()
		next, err := r.runner.Alone(t.Context(), keys[name])
		if err != nil || want == 0 && !next.IsZero() || want > 0 && next.Sub(r.now) != want {
			t.Fatalf("%s: again at %s, %v; want in %s", name, next, err, want)
		}
	}
	r.runner.room.used.Store(roomForRuns)
	again("large", roomPause)
	if calls != 0 {
		t.Fatal("there is no room, and it was called")
	}
	again("small", 0)
	r.runner.room.used.Store(0)
	again("large", 0)
	if calls != 2 || held < 10_000*300 || r.runner.room.used.Load() != 0 {
		t.Errorf("%d calls, %d bytes held in the last, %d now", calls, held, r.runner.room.used.Load())
	}
	for _, record := range r.records() {
		if record.Status != engine.Done {
			t.Errorf("%+v", record)
		}
	}
}
