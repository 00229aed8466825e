package outbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/trama-run/trama/host/deadletter"
	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/pdk/abi"
)

// TestSchedule: an item is tried at the instants that its policy says, with
// one effect id, over restarts too, and holds those behind it in its queue.
func TestSchedule(t *testing.T) {
	asks := func(after time.Duration) *abi.Error {
		return &abi.Error{Code: "busy", Message: "m", Retryable: true, RetryAfterMillis: after.Milliseconds()}
	}
	for _, c := range []struct {
		name    string
		answers []*abi.Error // to the tries of "a"; then nil
		tries   []time.Duration
		end     string
	}{
		{"at once", nil, []time.Duration{0}, StateSent},
		{"twice busy", []*abi.Error{busy, busy}, []time.Duration{0, time.Second, 11 * time.Second}, StateSent},
		{"always busy", []*abi.Error{busy, busy, busy, busy}, []time.Duration{0, time.Second, 11 * time.Second}, StateDead},
		{"refused", []*abi.Error{busy, refused}, []time.Duration{0, time.Second}, StateDead},
		{"asked to wait", []*abi.Error{asks(time.Minute)}, []time.Duration{0, time.Minute}, StateSent},
		{"asked to wait for less", []*abi.Error{asks(time.Millisecond)}, []time.Duration{0, time.Second}, StateSent},
		{"asked to wait for ever", []*abi.Error{asks(1000 * time.Hour), {Code: "m", Retryable: true, RetryAfterMillis: 1 << 62}}, []time.Duration{0, time.Hour, 2 * time.Hour}, StateSent},
		{"asked to come before", []*abi.Error{asks(-time.Hour)}, []time.Duration{0, time.Second}, StateSent},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, quick())
			w.other.answer = func(item Item, nth int) *abi.Error {
				if item.EffectID == "a" && nth <= len(c.answers) {
					return c.answers[nth-1]
				}
				return nil
			}
			start := w.clock
			w.put(person(1), "a", "b")
			for range 200 {
				w.run(59 * time.Second)
				w.open()
			}
			var tries []time.Duration
			for n, id := range w.other.ids() {
				if id == "a" {
					tries = append(tries, w.other.got[n].at.Sub(start))
				} else if n != len(c.tries) {
					t.Errorf("b was sent as number %d", n+1)
				}
			}
			if !slices.Equal(tries, c.tries) {
				t.Errorf("tried at %v, want %v", tries, c.tries)
			}
			w.want("a:"+c.end, "b:"+StateSent)
			letters := w.letters()
			if c.end != StateDead {
				if len(letters) > 0 {
					t.Errorf("dead letters %+v", letters)
				}
				return
			}
			if len(letters) != 1 {
				t.Fatalf("dead letters %+v, want one", letters)
			}
			l, last := letters[0], c.answers[len(c.tries)-1]
			if l.EffectID != "a" || l.RunID != "run-a" || l.Channel != "wa" || l.Reason.Code != last.Code || len(l.Tries) != len(c.tries) || !strings.Contains(string(l.Value), `"text":"a"`) {
				t.Errorf("the dead letter is %+v", l)
			}
			for n, try := range l.Tries {
				if try.Code != c.answers[n].Code || try.At.Sub(start) != c.tries[n] {
					t.Errorf("try %d is %+v", n+1, try)
				}
			}
		})
	}
}

// TestNeverEarly: work that comes meanwhile wakes a queue, and does not bring
// the next try of its first item forward; nothing is left of the tries after.
func TestNeverEarly(t *testing.T) {
	w := newWorld(t, quick())
	w.other.answer = func(_ Item, nth int) *abi.Error {
		if nth <= 2 {
			return busy
		}
		return nil
	}
	w.put(person(1), "a")
	w.run(2 * time.Second)
	for n := range 5 {
		w.put(person(1), fmt.Sprint("more", n))
		w.run(time.Second)
	}
	if got := w.other.ids(); len(got) != 2 {
		t.Errorf("tries %v", got)
	}
	w.run(2 * time.Minute)
	w.want("a:"+StateSent, "more4:"+StateSent)
	if left, err := w.store.List(t.Context(), kindAttempts, "", 10, false); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// TestJitter: it only ever adds, no more than its share, and a crash does not
// change it.
func TestJitter(t *testing.T) {
	p := quick()
	p.Jitter = 0.2
	seen := map[time.Duration]bool{}
	for n := range 200 {
		id := fmt.Sprint(n)
		pause, again := p.pause(id, 2, *busy)
		if !again || pause < 10*time.Second || pause > 12*time.Second || pause%time.Millisecond != 0 {
			t.Fatalf("pause %s, %v", pause, again)
		}
		if same, _ := p.pause(id, 2, *busy); same != pause {
			t.Fatalf("pauses %s and %s for one try", pause, same)
		}
		seen[pause.Truncate(100*time.Millisecond)] = true
	}
	if len(seen) < 15 {
		t.Errorf("200 pauses fall on %d of 20 tenths of a second", len(seen))
	}
}

// TestHeld: what can't be sent for the operator's reasons waits without a try,
// and looks more and more rarely.
func TestHeld(t *testing.T) {
	w := newWorld(t, quick())
	missing := &abi.Error{Code: abi.CodeNoSecret, Message: "no secret"}
	looks := 0
	w.other.where = func(Item) (string, *abi.Error) { looks++; return "there", missing }
	w.put(person(1), "a")
	w.run(time.Hour)
	if len(w.other.got) > 0 || looks < 100 || looks > 150 {
		t.Errorf("%d looks and the tries %v", looks, w.other.got)
	}
	missing = nil
	w.other.answer = func(_ Item, nth int) *abi.Error { // it goes between the look and the send
		if nth == 1 {
			return &abi.Error{Code: abi.CodeUnavailable, Message: "gone", Retryable: true}
		}
		return nil
	}
	w.run(maxHeld + 2*minHeld)
	w.want("a:" + StateSent)
	if e := w.outbox.Endpoints()[0]; e.Tries != 1 || e.Failed != 0 || e.Running != 0 {
		t.Errorf("the endpoint is %+v: what was not tried does not count", e)
	}
}

// TestUnreadable: an item that is none becomes a dead letter, and holds nobody.
func TestUnreadable(t *testing.T) {
	w := newWorld(t, quick())
	for _, value := range []string{"{", `"text"`, "{}", `{"effect_id": 7}`} {
		if _, err := w.store.Commit(t.Context(), &store.Batch{Append: []store.Append{{Queue: person(1), Value: []byte(value)}}}); err != nil {
			t.Fatal(err)
		}
	}
	w.put(person(1), "a")
	w.run(time.Minute)
	w.want("a:" + StateSent)
	letters := w.letters()
	if len(letters) != 4 || letters[3].Reason.Code != abi.CodeInvalid || string(letters[3].Value) != "{" {
		t.Errorf("dead letters %+v", letters)
	}
	if _, err := w.outbox.Work(t.Context(), "nobody:1"); err == nil || !strings.Contains(err.Error(), "nobody") {
		t.Errorf("a queue that nobody sends for: %v", err)
	}
}

// TestLongItem: an item of any length that a queue holds dies if it is refused,
// after one send, and so does one whose outcome can't be stored; what is behind
// them goes.
func TestLongItem(t *testing.T) {
	for _, c := range []struct {
		name    string
		failure *abi.Error
		settle  func(context.Context, *store.Batch, *Delivery) error
		code    string
	}{
		{"refused", refused, nil, refused.Code},
		{"refused at length", &abi.Error{Code: "no", Message: strings.Repeat("m", store.MaxValue)}, nil, "no"},
		{"an outcome that is too big", nil, func(_ context.Context, b *store.Batch, _ *Delivery) error {
			b.Append = append(b.Append, store.Append{Queue: person(2), Value: make([]byte, store.MaxValue+1)})
			return nil
		}, abi.CodeLimit},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, quick())
			w.other.answer = func(item Item, _ int) *abi.Error {
				w.other.settle = nil
				if item.EffectID != "long" {
					return nil
				}
				w.other.settle = c.settle
				return c.failure
			}
			data, err := json.Marshal(Message{Head: Head{EffectID: "long", At: w.clock, RunID: "run-long"}, Message: abi.Message{Type: abi.MessageText}})
			if err != nil {
				t.Fatal(err)
			}
			data = append(data, strings.Repeat(" ", store.MaxValue-len(data))...)
			if _, err := w.store.Commit(t.Context(), &store.Batch{Append: []store.Append{{Queue: person(1), Value: data}}}); err != nil {
				t.Fatal(err)
			}
			w.put(person(1), "next")
			w.run(time.Hour)
			w.want("long:"+StateDead, "next:"+StateSent)
			if got := w.other.ids(); !slices.Equal(got, []string{"long", "next"}) {
				t.Errorf("tries %v", got)
			}
			if letters := w.letters(); len(letters) != 1 || letters[0].Reason.Code != c.code || len(letters[0].Value) != len(data) {
				t.Errorf("%d dead letters", len(letters))
			}
		})
	}
}

// full is a store whose disk is full for a while.
type full struct {
	store.Store
	refuse int // so many commits
}

func (f *full) Commit(ctx context.Context, b *store.Batch) (store.Result, error) {
	if f.refuse--; f.refuse >= 0 {
		return store.Result{}, store.ErrNoSpace
	}
	return f.Store.Commit(ctx, b)
}

// TestFullDisk: what is known of a send and can't be stored now is stored
// later, without another send.
func TestFullDisk(t *testing.T) {
	for state, answer := range map[string]*abi.Error{StateSent: nil, StateDead: refused} {
		w := newWorld(t, quick())
		w.other.answer = func(Item, int) *abi.Error { return answer }
		w.put(person(1), "a", "b")
		w.outbox.config.Store = &full{w.store, 3}
		for n := range 5 {
			if _, err := w.outbox.Work(t.Context(), person(1)); errors.Is(err, store.ErrNoSpace) != (n < 3) {
				t.Errorf("work %d: %v", n, err)
			}
		}
		w.want("a:"+state, "b:"+state)
		if got := w.other.ids(); !slices.Equal(got, []string{"a", "b"}) {
			t.Errorf("%s: tries %v", state, got)
		}
	}
}

// TestSettleConflict: a commit that meets another one is made again with what
// is true then, and the item is not sent twice.
func TestSettleConflict(t *testing.T) {
	w := newWorld(t, quick())
	id := store.ID{Kind: "k", Key: "a"}
	settled := 0
	w.other.settle = func(ctx context.Context, b *store.Batch, d *Delivery) error {
		settled++
		record, err := w.store.Load(ctx, id)
		if settled == 1 { // the other commit comes right after this look
			if _, err := w.store.Commit(ctx, &store.Batch{Put: []store.Put{{ID: id, Value: []byte("v")}}}); err != nil {
				return err
			}
		} else if err != nil {
			return err
		}
		b.Expect = append(b.Expect, store.Expect{ID: id, Revision: record.Revision})
		d.State = "read"
		return nil
	}
	w.put(person(1), "a")
	w.run(time.Second)
	w.want("a:read")
	if settled != 2 || len(w.other.got) != 1 {
		t.Errorf("settled %d times after %d sends", settled, len(w.other.got))
	}
}

// TestReplay: a dead letter that is put back is sent with its effect id, and
// its tries are counted anew; one that is given up is cancelled.
func TestReplay(t *testing.T) {
	w := newWorld(t, quick())
	w.other.answer = func(Item, int) *abi.Error { return refused }
	w.put(person(1), "a")
	w.put(person(2), "b")
	w.run(time.Minute)
	w.want("a:"+StateDead, "b:"+StateDead)
	w.other.answer = func(_ Item, nth int) *abi.Error {
		if nth <= 3 { // two more failures than the first life had
			return busy
		}
		return nil
	}
	for _, l := range w.letters() {
		var err error
		if l.EffectID == "a" {
			err = deadletter.Replay(t.Context(), w.store, l.ID, nil, w.clock)
		} else {
			err = w.outbox.GiveUp(t.Context(), l.ID)
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := w.outbox.GiveUp(t.Context(), l.ID); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("giving up what is gone: %v", err)
		}
	}
	w.run(time.Minute)
	w.want("a:"+StateSent, "b:"+StateCancelled)
	if got := w.other.ids(); len(got) != 5 || len(w.letters()) != 0 {
		t.Errorf("tries %v, dead letters %v", got, w.letters())
	}
}

// TestEveryItemEnds: whatever the other side answers, whenever the process
// dies and whatever is cancelled or replayed, each item ends taken, dead or
// cancelled, in the order of its queue, and a dead one has a letter.
func TestEveryItemEnds(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		policy := quick()
		policy.Jitter, policy.AtOnce = 0.3, 2
		policy.Breaker.MinTries = 5
		w := newWorld(t, policy)
		answers := rapid.SliceOfN(rapid.SampledFrom([]*abi.Error{nil, nil, nil, busy, busy, refused, {Code: abi.CodeUnavailable}, {Code: abi.CodeUnknown}}), 1, 40).Draw(rt, "answers")
		dies := rapid.SliceOfN(rapid.IntRange(0, 9), 1, 40).Draw(rt, "dies")
		tries := 0
		var die context.CancelFunc
		w.other.answer = func(Item, int) *abi.Error {
			tries++
			if dies[tries%len(dies)] == 0 && tries < 400 {
				die() // after the other side has it, before our commit
			}
			if tries > 400 {
				return nil
			}
			return answers[tries%len(answers)]
		}
		var all []string
		for n := range rapid.IntRange(1, 5).Draw(rt, "queues") {
			for m := range rapid.IntRange(1, 4).Draw(rt, "items") {
				id := fmt.Sprintf("%d-%d", n, m)
				w.put(person(n), id)
				all = append(all, id)
			}
		}
		cancelled := map[string]int{} // how many tries there were before
		end := w.clock.Add(100 * time.Hour)
		for steps := 0; ; steps++ {
			if steps > 20_000 {
				rt.Fatalf("still at work after %d steps", steps)
			}
			var ctx context.Context
			ctx, die = context.WithCancel(context.Background())
			more := w.step(ctx, end)
			if ctx.Err() != nil {
				w.open()
			}
			die()
			switch rapid.IntRange(0, 60).Draw(rt, "operator") {
			case 0:
				id := rapid.SampledFrom(all).Draw(rt, "cancelled")
				if _, err := w.outbox.Cancel(context.Background(), id); err == nil {
					cancelled[id] = len(w.other.got)
				} else if !errors.Is(err, store.ErrNotFound) {
					rt.Fatal(err)
				}
			case 1:
				if _, _, err := deadletter.ReplayAll(context.Background(), w.store, deadletter.Filter{}, nil, w.clock); err != nil {
					rt.Fatal(err)
				}
				more = true
			}
			if !more {
				break
			}
		}
		dead := map[string]bool{}
		for _, l := range w.letters() {
			dead[l.EffectID] = true
		}
		if left := w.waiting(""); len(left) > 0 {
			rt.Errorf("still waiting: %v", left)
		}
		first := map[string][]string{} // by queue, what was tried for the first time
		for _, s := range w.other.got {
			if !slices.Contains(first[s.queue], s.id) {
				first[s.queue] = append(first[s.queue], s.id)
			}
		}
		for queue, ids := range first {
			if !slices.IsSorted(ids) {
				rt.Errorf("%s was sent in the order %v", queue, ids)
			}
		}
		for _, id := range all {
			d := w.delivery(id)
			if !slices.Contains([]string{StateSent, StateDead, StateCancelled}, d.State) || dead[id] != (d.State == StateDead) {
				rt.Errorf("%s ended as %+v; a dead letter: %v", id, d, dead[id])
			}
			if before, is := cancelled[id]; is && (d.State != StateCancelled || slices.Contains(w.other.ids()[before:], id)) {
				rt.Errorf("%s was cancelled and ended as %+v", id, d)
			}
		}
	})
}

// TestItemsAreOneObject: what runs put down is what senders read.
func TestItemsAreOneObject(t *testing.T) {
	data, err := json.Marshal(Message{Head: Head{EffectID: "e", RunID: "r"}, Message: abi.Message{Type: abi.MessageText, Text: "t"}})
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(data, &fields); err != nil {
		t.Fatal(err)
	}
	if fields["effect_id"] != "e" || fields["run_id"] != "r" || fields["message"] == nil || fields["at"] == nil {
		t.Errorf("a message is %s", data)
	}
	if got := AlertKey(strings.Repeat("ü", 5000)); len(got) > 200 || !strings.HasPrefix(got, "alert:ü") {
		t.Errorf("the key of an endless id has %d bytes", len(got))
	}
}
