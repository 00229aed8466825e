package kv

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/host/store/badger"
	"github.com/trama-run/trama/pdk/abi"
)

func openStore(t *testing.T) store.Store {
	t.Helper()
	s, err := badger.Open(badger.Config{Dir: t.TempDir(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// commit saves a memory as a run's commit does.
func commit(t *testing.T, s store.Store, m *Memory) {
	t.Helper()
	var b store.Batch
	if err := m.Save(&b); err != nil {
		t.Fatal(err)
	}
	result, err := s.Commit(t.Context(), &b)
	if err != nil {
		t.Fatal(err)
	}
	m.Saved(result.Revision)
	if waits(t, m) {
		t.Error("what was saved still waits")
	}
}

// waits says whether something waits for a commit.
func waits(t *testing.T, m *Memory) bool {
	t.Helper()
	var b store.Batch
	if err := m.Save(&b); err != nil {
		t.Fatal(err)
	}
	return len(b.Put)+len(b.Delete) > 0
}

func get(t *testing.T, c *Call, key string) string {
	t.Helper()
	value, found, err := c.Get(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	if !found {
		return "-"
	}
	return string(value)
}

func set(t *testing.T, c *Call, key, value string) {
	t.Helper()
	if err := c.Set(t.Context(), key, []byte(value)); err != nil {
		t.Fatal(err)
	}
}

// A call reads its own writes; others read them once it succeeded; the store
// has them once the run is committed.
func TestWritesBecomeVisibleInSteps(t *testing.T) {
	s := openStore(t)
	m := Open(s, "wa/whatsapp:1")
	first := m.Begin("acme", 100)
	set(t, first, "a", "1")
	if got := get(t, first, "a"); got != "1" {
		t.Errorf("the call itself reads %q", got)
	}
	if got := get(t, m.Begin("acme", 100), "a"); got != "-" {
		t.Errorf("another call reads %q of a call that has not ended", got)
	}
	if waits(t, m) {
		t.Error("a call that has not succeeded waits for a commit")
	}
	if !first.Keep() || !waits(t, m) {
		t.Error("what was kept does not wait")
	}
	if got := get(t, m.Begin("acme", 100), "a"); got != "1" {
		t.Errorf("the next call reads %q", got)
	}
	if got := get(t, Open(s, "wa/whatsapp:1").Begin("acme", 100), "a"); got != "-" {
		t.Errorf("before the commit another run reads %q", got)
	}
	commit(t, s, m)
	if got := get(t, Open(s, "wa/whatsapp:1").Begin("acme", 100), "a"); got != "1" {
		t.Errorf("after the commit another run reads %q", got)
	}
	second := m.Begin("acme", 100)
	if err := second.Delete(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if err := second.Delete(t.Context(), "nothing"); err != nil {
		t.Fatal(err)
	}
	if got := get(t, second, "a"); got != "-" {
		t.Errorf("deleted, and reads %q", got)
	}
	second.Keep()
	m.Forget()
	if got := get(t, m.Begin("acme", 100), "a"); got != "1" {
		t.Errorf("after a run was given up, reads %q", got)
	}
	if m.Begin("acme", 100).Keep() {
		t.Error("a call that wrote nothing has something to commit")
	}
}

func TestPluginsAndContactsAreApart(t *testing.T) {
	s := openStore(t)
	// The names are such that keys of one could be read as keys of another.
	who := []struct{ contact, plugin string }{
		{"wa/whatsapp:1", "acme"}, {"wa/whatsapp:1", "other"}, {"wa/whatsapp:2", "acme"}, {"wa/whatsapp:1/acme", "acme"}, {"wa/whatsapp:1/acme/acme", "x"},
	}
	for i, w := range who {
		m := Open(s, w.contact)
		c := m.Begin(w.plugin, 100)
		if keys, _, err := c.List(t.Context(), "", "", 10); err != nil || len(keys) > 0 {
			t.Errorf("%v sees %q of others, %v", w, keys, err)
		}
		set(t, c, "key", fmt.Sprint(i))
		c.Keep()
		commit(t, s, m)
	}
	for i, w := range who {
		if got := get(t, Open(s, w.contact).Begin(w.plugin, 100), "key"); got != fmt.Sprint(i) {
			t.Errorf("%v reads %q", w, got)
		}
	}
}

// Two runs that began on the same state do not both win.
func TestConflict(t *testing.T) {
	s := openStore(t)
	a, b := Open(s, "c"), Open(s, "c")
	for _, m := range []*Memory{a, b} {
		c := m.Begin("p", 100)
		set(t, c, "k", "v")
		c.Keep()
	}
	commit(t, s, a)
	var batch store.Batch
	if err := b.Save(&batch); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Commit(t.Context(), &batch); !errors.Is(err, store.ErrConflict) {
		t.Errorf("the second commit: %v", err)
	}
}

func code(err error) string {
	var failure *abi.Error
	if errors.As(err, &failure) {
		return failure.Code
	}
	return fmt.Sprint(err)
}

func TestQuotaAtItsEdge(t *testing.T) {
	s := openStore(t)
	m := Open(s, "c")
	c := m.Begin("p", 10)
	ctx := t.Context()
	for _, step := range []struct {
		key, value, want string
	}{
		{"ab", "12345678", "<nil>"}, // 10 bytes: all of it
		{"ab", "123456789", abi.CodeLimit},
		{"c", "", abi.CodeLimit}, // a key counts too
		{"ab", "1234", "<nil>"},  // 6
		{"c", "123", "<nil>"},    // 10
		{"c", "1234", abi.CodeLimit},
		{"c", "", "<nil>"},
	} {
		if err := c.Set(ctx, step.key, []byte(step.value)); code(err) != step.want {
			t.Errorf("set %s to %q: %v, want %s", step.key, step.value, err, step.want)
		}
	}
	if got := get(t, c, "ab"); got != "1234" {
		t.Errorf("a refused write has left %q", got)
	}
	c.Keep()
	commit(t, s, m)
	// The grant was lowered since: what is there may shrink and not grow.
	narrow := Open(s, "c").Begin("p", 3)
	for _, step := range []struct{ key, value, want string }{{"ab", "12345", abi.CodeLimit}, {"ab", "123", "<nil>"}, {"new", "", abi.CodeLimit}} {
		if err := narrow.Set(ctx, step.key, []byte(step.value)); code(err) != step.want {
			t.Errorf("under a lower quota, set %s to %q: %v", step.key, step.value, err)
		}
	}
	if err := narrow.Delete(ctx, "ab"); err != nil {
		t.Error(err)
	}
}

func TestBounds(t *testing.T) {
	s := openStore(t)
	ctx := t.Context()
	m := Open(s, "c")
	c := m.Begin("p", 1<<30)
	for _, key := range []string{"", strings.Repeat("k", abi.MaxKVKey+1), "\xff"} {
		if err := c.Set(ctx, key, nil); code(err) != abi.CodeInvalid {
			t.Errorf("set %.10q: %v", key, err)
		}
		if _, _, err := c.Get(ctx, key); code(err) != abi.CodeInvalid {
			t.Errorf("get %.10q: %v", key, err)
		}
		if err := c.Delete(ctx, key); code(err) != abi.CodeInvalid {
			t.Errorf("delete %.10q: %v", key, err)
		}
	}
	if err := c.Set(ctx, "k", make([]byte, abi.MaxKVValue+1)); code(err) != abi.CodeLimit {
		t.Errorf("a value too long: %v", err)
	}
	// One call may write 8 MiB, and writing a key again does not count twice.
	for i := range 20 {
		if err := c.Set(ctx, fmt.Sprint(i%8), make([]byte, abi.MaxKVValue)); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Set(ctx, "9", []byte{1}); code(err) != abi.CodeLimit {
		t.Errorf("more than a call may write: %v", err)
	}
	c.Keep()
	commit(t, s, m) // and that is no more than the store takes

	for n := 8; n < abi.MaxKVKeys; {
		c := m.Begin("p", 1<<30)
		for range maxChanges {
			if n < abi.MaxKVKeys {
				set(t, c, fmt.Sprint("key", n), "")
				n++
			}
		}
		if n < abi.MaxKVKeys {
			if err := c.Set(ctx, "another", nil); code(err) != abi.CodeLimit {
				t.Errorf("more changes than one call may make: %v", err)
			}
			if err := c.Delete(ctx, "0"); code(err) != abi.CodeLimit {
				t.Errorf("more changes than one call may make: %v", err)
			}
		}
		c.Keep()
		commit(t, s, m)
	}
	c = m.Begin("p", 1<<30)
	if err := c.Set(ctx, "another", nil); code(err) != abi.CodeLimit {
		t.Errorf("more keys than there may be: %v", err)
	}
	set(t, c, "key8", "new")
}

func TestList(t *testing.T) {
	s := openStore(t)
	m := Open(s, "c")
	c := m.Begin("p", 1000)
	for _, key := range []string{"b", "a/2", "a/1", "a", "a/3"} {
		set(t, c, key, "")
	}
	c.Keep()
	commit(t, s, m)
	c = m.Begin("p", 1000)
	set(t, c, "a/4", "")
	if err := c.Delete(t.Context(), "a/2"); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		prefix, after string
		max           int
		want          []string
		more          bool
	}{
		{"", "", 10, []string{"a", "a/1", "a/3", "a/4", "b"}, false},
		{"a/", "", 10, []string{"a/1", "a/3", "a/4"}, false},
		{"a/", "", 2, []string{"a/1", "a/3"}, true},
		{"a/", "a/3", 2, []string{"a/4"}, false},
		{"x", "", 2, nil, false},
	} {
		keys, more, err := c.List(t.Context(), step.prefix, step.after, step.max)
		if err != nil || !slices.Equal(keys, step.want) || more != step.more {
			t.Errorf("%+v: got %q, %v, %v", step, keys, more, err)
		}
	}
}

// TestModel compares the memory with a map, over calls that fail or succeed and
// runs that are committed or given up.
func TestModel(t *testing.T) {
	s := openStore(t)
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		who := fmt.Sprint("contact-", n)
		stored := map[string]string{}
		for range rapid.IntRange(1, 4).Draw(t, "runs") {
			m := Open(s, who)
			run := copyOf(stored)
			for range rapid.IntRange(1, 4).Draw(t, "calls") {
				c := m.Begin("p", 60)
				call := copyOf(run)
				for range rapid.IntRange(0, 6).Draw(t, "steps") {
					key := rapid.StringMatching(`[a-c]{1,2}`).Draw(t, "key")
					switch rapid.IntRange(0, 2).Draw(t, "step") {
					case 0:
						value := rapid.StringMatching(`x{0,12}`).Draw(t, "value")
						if c.Set(t.Context(), key, []byte(value)) == nil {
							call[key] = value
						}
					case 1:
						if err := c.Delete(t.Context(), key); err != nil {
							t.Fatal(err)
						}
						delete(call, key)
					}
					compare(t, c, call)
				}
				if rapid.Bool().Draw(t, "succeeds") {
					c.Keep()
					run = call
				}
			}
			if rapid.Bool().Draw(t, "committed") {
				var b store.Batch
				if err := m.Save(&b); err != nil {
					t.Fatal(err)
				}
				result, err := s.Commit(t.Context(), &b)
				if err != nil {
					t.Fatal(err)
				}
				m.Saved(result.Revision)
				stored = run
			}
			compare(t, Open(s, who).Begin("p", 60), stored)
		}
	})
}

func copyOf(m map[string]string) map[string]string {
	c := map[string]string{}
	for k, v := range m {
		c[k] = v
	}
	return c
}

func compare(t *rapid.T, c *Call, want map[string]string) {
	keys, _, err := c.List(t.Context(), "", "", 100)
	if err != nil || len(keys) != len(want) {
		t.Fatalf("keys %q, %v; want %v", keys, err, want)
	}
	held := 0
	for _, key := range keys {
		value, found, err := c.Get(t.Context(), key)
		if err != nil || !found || string(value) != want[key] {
			t.Fatalf("%s is %q, %v, %v; want %v", key, value, found, err, want)
		}
		held += len(key) + len(value)
	}
	if held > 60 {
		t.Fatalf("%d bytes are held", held)
	}
}

// Two plugins that one run calls have two memories.
func TestPluginsOfOneRunAreApart(t *testing.T) {
	m := Open(openStore(t), "c")
	a, b := m.Begin("a", 100), m.Begin("b", 100)
	set(t, a, "k", "of a")
	a.Keep()
	if got := get(t, b, "k"); got != "-" {
		t.Errorf("b reads %q", got)
	}
}
