package outbox

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/pdk/abi"
)

// TestCancel: what was not sent can be taken back, wherever it stands in its
// queue, and what follows it does not wait for its next try.
func TestCancel(t *testing.T) {
	w := newWorld(t, quick())
	w.other.answer = func(item Item, nth int) *abi.Error {
		if item.EffectID == "a" {
			return busy
		}
		return nil
	}
	w.put(person(1), "a", "b", "c")
	w.put(person(2), "d")
	w.run(2 * time.Second) // "a" was tried twice; "d" is gone
	if got := w.waiting(""); !slices.Equal(got, []string{"a", "b", "c"}) {
		t.Fatalf("waiting %v", got)
	}
	list, err := w.outbox.Waiting(t.Context(), PrefixContact, 1)
	if err != nil || len(list) != 1 || list[0].Failed != 2 || list[0].LastFailure != busy.Message || !list[0].Next.After(w.clock) || list[0].RunID != "run-a" {
		t.Errorf("waiting %+v, %v", list, err)
	}
	if got := w.waiting(person(2)); len(got) > 0 {
		t.Errorf("waiting for the other: %v", got)
	}
	if found, err := w.outbox.Cancel(t.Context(), "b"); err != nil || found.Queue != person(1) {
		t.Errorf("cancelled %+v, %v", found, err)
	}
	if list, err := w.outbox.Waiting(t.Context(), "", 1); err != nil || list[0].Failed != 2 {
		t.Errorf("the tries of another were forgotten: %+v, %v", list, err)
	}
	for _, id := range []string{"b", "d", "nobody"} {
		if _, err := w.outbox.Cancel(t.Context(), id); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("cancel %s: %v", id, err)
		}
	}
	if _, err := w.outbox.Cancel(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	w.run(0) // at once
	w.want("a:"+StateCancelled, "b:"+StateCancelled, "c:"+StateSent, "d:"+StateSent)
	if got := w.other.ids(); !slices.Equal(got, []string{"a", "d", "a", "c"}) {
		t.Errorf("tries %v", got)
	}
	if len(w.letters()) > 0 {
		t.Errorf("dead letters %v", w.letters())
	}
}

// TestFindAmongMany: what waits is found and listed however many keys of others
// have a wake, and are due before it, and however many queues there are.
func TestFindAmongMany(t *testing.T) {
	w := newWorld(t, quick())
	wake := func(n int, key func(int) string) {
		t.Helper()
		for from := 0; from < n; from += store.MaxChanges {
			var b store.Batch
			for i := range min(store.MaxChanges, n-from) {
				b.Wake = append(b.Wake, store.Wake{Key: key(from + i), At: w.clock.Add(-time.Second)})
			}
			if _, err := w.store.Commit(t.Context(), &b); err != nil {
				t.Fatal(err)
			}
		}
	}
	wake(100_001, func(n int) string { return fmt.Sprint("contact:", n) })
	wake(2*queuePage, person)
	w.put(person(3), "a")
	w.put(person(2*queuePage), "b")
	if got := w.waiting(""); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("waiting %v", got)
	}
	for prefix, want := range map[string]int{"out": 2, "outbox:": 2, "outbox:wa/test:3": 1, "outbox:other": 0, "contact:": 0, "outboxes": 0} {
		if got := w.waiting(prefix); len(got) != want {
			t.Errorf("waiting in %q: %v", prefix, got)
		}
	}
	for _, id := range []string{"a", "b"} {
		if _, err := w.outbox.Cancel(t.Context(), id); err != nil {
			t.Errorf("cancel %s: %v", id, err)
		}
	}
}

// TestCancelQueue: a queue of any length is emptied, and nothing else.
func TestCancelQueue(t *testing.T) {
	w := newWorld(t, quick())
	var ids []string
	for n := range 2*maxCancel + 7 {
		ids = append(ids, fmt.Sprint("i", n))
	}
	w.put(person(1), ids...)
	w.put(person(2), "other")
	if n, err := w.outbox.CancelQueue(t.Context(), person(1)); err != nil || n != len(ids) {
		t.Errorf("cancelled %d, %v", n, err)
	}
	if n, err := w.outbox.CancelQueue(t.Context(), person(1)); err != nil || n != 0 {
		t.Errorf("and again %d, %v", n, err)
	}
	if _, err := w.outbox.CancelQueue(t.Context(), "intake:wa"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a queue of others: %v", err)
	}
	w.run(time.Minute)
	w.want("i0:"+StateCancelled, ids[len(ids)-1]+":"+StateCancelled, "other:"+StateSent)
}

// TestCancelWhileSending: a send in progress is waited for, and what it has
// delivered is not called cancelled.
func TestCancelWhileSending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, quick())
		w.put(person(1), "a", "b")
		answer := make(chan struct{})
		w.other.before = func(context.Context, Item) { <-answer }
		go func() {
			if _, err := w.outbox.Work(t.Context(), person(1)); err != nil {
				t.Error(err)
			}
		}()
		synctest.Wait()
		ends := map[string]chan error{"a": make(chan error, 1), "b": make(chan error, 1)}
		for id, end := range ends {
			go func() {
				_, err := w.outbox.Cancel(t.Context(), id)
				end <- err
			}()
			synctest.Wait()
			if len(end) > 0 {
				t.Fatalf("cancel %s ended while sending: %v", id, <-end)
			}
		}
		impatient, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		if _, err := w.outbox.Cancel(impatient, "b"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("who does not wait: %v", err)
		}
		close(answer)
		if a, b := <-ends["a"], <-ends["b"]; !errors.Is(a, store.ErrNotFound) || b != nil {
			t.Errorf("cancel a: %v, b: %v", a, b)
		}
		w.want("a:"+StateSent, "b:"+StateCancelled)
	})
}

// TestWaitingHeld: what waits for something that is missing says what it is.
func TestWaitingHeld(t *testing.T) {
	w := newWorld(t, quick())
	w.other.where = func(item Item) (string, *abi.Error) {
		return "there", &abi.Error{Code: abi.CodeNoSecret, Message: "no key of " + item.Queue}
	}
	w.put(person(1), "a", "b")
	list, err := w.outbox.Waiting(t.Context(), "", 9)
	if err != nil || len(list) != 2 || list[0].Held != "no key of "+person(1) || list[1].Held != list[0].Held {
		t.Errorf("waiting %+v, %v", list, err)
	}
}
