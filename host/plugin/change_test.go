package plugin

import (
	"sync"
	"testing"
	"time"

	"github.com/trama-run/trama/pdk/abi"
)

// TestGrantsUnderCalls: while a grant comes and goes, a call runs under the
// grant or is told that the plugin is pending. There is nothing between: code
// without a grant, with no limit set.
func TestGrantsUnderCalls(t *testing.T) {
	w := newWorld(t)
	w.put(t, "adder.yaml", []byte(sidecarText))
	w.put(t, "adder.wasm", guest(t, "json", ""))
	grants := grantOf(w.status(t).Digest)
	w.SetGrants(grants)
	if _, err := w.total(t); err != nil { // compiled
		t.Fatal(err)
	}
	stop := time.Now().Add(time.Second)
	var all sync.WaitGroup
	all.Go(func() {
		for time.Now().Before(stop) {
			w.SetGrants(nil)
			w.SetGrants(grants)
		}
	})
	for range 4 {
		all.Go(func() {
			for time.Now().Before(stop) {
				out, err := w.total(t)
				if err == nil && out == `{"total":15,"items":1}` || err != nil && err.Code == abi.CodeUnavailable {
					continue
				}
				t.Errorf("call: %s, %v; want the answer, or unavailable", out, err)
				return
			}
		})
	}
	all.Wait()
}
