package channel

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/deadletter"
	"github.com/trama-run/trama/host/run"
	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/pdk/abi"
)

// TestBodyHasItsRoom: what is made of a stored body takes no more than is held
// for it, and one that would take very much is dead.
func TestBodyHasItsRoom(t *testing.T) {
	list := func(item string, bytes int) string {
		return "[" + strings.Repeat(item+",", bytes/(len(item)+1)) + item + "]"
	}
	const n = 1 << 20
	for _, body := range []string{
		list(`{"":0}`, n), list("{}", n), list("[]", n), list("0.5", n), list(`""`, n), `{"` + strings.Repeat("x", n) + `":1}`,
		strings.Repeat("[", 1000) + list(`{"":0}`, n) + strings.Repeat("]", 1000), strings.Repeat("x", n), strings.Repeat("\xff", n),
	} {
		stored := &raw{Body: []byte(body)}
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		e, err := eventOf(catalog.Channel{ID: "x"}, &prepared{}, stored)
		if err != nil {
			t.Fatalf("%.20q: %v", body, err)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		runtime.KeepAlive(e)
		took, most := int(after.HeapAlloc)-int(before.HeapAlloc), min(perByte*len(body), bodyRoom)
		t.Logf("%.20q: %d KiB of %d", body, took>>10, len(body)>>10)
		if took > most {
			t.Errorf("%.20q takes %d bytes, more than the %d that are held for it", body, took, most)
		}
	}

	h := newHooks(t, `[{id: x, adapter: webhook, config: {event: x, token: "header:X-Token"}, secrets: {secret: a}}]`)
	send := func(body string) {
		t.Helper()
		h.answers(body[:10], asks("x", body, "X-Token", "key a"), 200, "")
	}
	send(list(`{"":0}`, 3*n))
	send(strings.Repeat("[", 1000) + list("0", 2*n) + strings.Repeat("]", 1000)) // only the library reads it
	send(strings.Repeat("not JSON ", n/3))
	h.work(t.Context())
	if len(h.events) != 1 {
		t.Errorf("%d events", len(h.events))
	}
	var letters []deadletter.Letter
	if err := deadletter.Each(t.Context(), h.store, deadletter.Filter{}, "", 10, 10, func(l deadletter.Letter) { letters = append(letters, l) }); err != nil {
		t.Fatal(err)
	}
	if len(letters) != 2 || letters[0].Reason.Code != abi.CodeLimit || !strings.Contains(letters[1].Reason.Message, "128 MiB: have its sender") {
		t.Errorf("%+v", letters)
	}
}

// TestBodiesHaveRoom: large bodies wait until there is room for them, and small
// ones don't.
func TestBodiesHaveRoom(t *testing.T) {
	const large = 5
	var document strings.Builder
	for n := range large + 1 {
		fmt.Fprintf(&document, "- {id: c%d, adapter: webhook, config: {event: x, token: \"header:X-Token\"}, secrets: {secret: a}}\n", n)
	}
	h := newHooks(t, document.String())
	var mu sync.Mutex
	inside, most := 0, 0 // guarded by mu
	came, release := make(chan bool, large), make(chan bool)
	h.config.Event = func(_ *store.Batch, e run.Event) (map[string]string, error) {
		if e.From.Channel == "c5" {
			return map[string]string{"flow": "1"}, nil
		}
		mu.Lock()
		inside++
		most = max(most, inside)
		mu.Unlock()
		came <- true
		<-release
		mu.Lock()
		inside--
		mu.Unlock()
		return map[string]string{"flow": "1"}, nil
	}
	var all sync.WaitGroup
	take := func(id string) {
		if _, err := h.Intake(t.Context(), PrefixIntake+":"+id); err != nil {
			t.Error(err)
		}
	}
	for n := range large {
		id := fmt.Sprintf("c%d", n)
		h.answers(id, asks(id, strings.Repeat("x", 3<<20), "X-Token", "key a"), 200, "")
		all.Go(func() { take(id) })
	}
	<-came
	<-came
	h.answers("small", asks("c5", "{}", "X-Token", "key a"), 200, "")
	take("c5")
	close(release)
	all.Wait()
	if most != 2 {
		t.Errorf("%d large bodies at once, want 2", most)
	}
	if h.room.used != 0 {
		t.Errorf("%d bytes are held by nobody", h.room.used)
	}
}
