package gateway_test

import (
	"fmt"
	"testing"
)

// naps is a flow that sleeps before it calls the plugin.
var naps = map[string]string{"flows/naps.yaml": `
schema: 1
id: naps
triggers: [{id: start, type: gateway}]
nodes:
  - {id: rest, type: wait, with: {for: 3s}} # that many calls begin before
  - {id: work, type: slow.go, with: {}}
  - {id: reply, type: response.json, with: {body: done}}
edges: [{from: start, to: rest}, {from: rest, to: work}, {from: work, to: reply}]
`}

// TestConcurrencyAfterSleep: a run that sleeps without its caller takes no place,
// and needs one when it goes on.
func TestConcurrencyAfterSleep(t *testing.T) {
	r := serve(t, `
- {method: POST, path: /later, flow: naps, concurrency: 1, async: always}
- {method: POST, path: /left, flow: naps, concurrency: 1, timeout: 100ms}
`, naps)
	for _, c := range []struct {
		path  string
		begun int
	}{{"/api/later", 202}, {"/api/left", 504}} {
		before := r.plugin.count()
		r.plugin.hold()
		for range 3 { // all sleep
			r.eventually(func() error {
				if a := r.call("POST", c.path, "{}"); a.status != c.begun {
					return fmt.Errorf("%s: status %d, %s", c.path, a.status, a.body)
				}
				return nil
			})
		}
		asked := r.places.Load()
		r.called(before + 1)
		r.eventually(func() error {
			if n := r.places.Load() - asked; n != 3 {
				return fmt.Errorf("%d runs went on, want 3", n)
			}
			return nil
		})
		for range 3 {
			r.call("POST", c.path, "{}").problem(503, "concurrency")
		}
		r.called(before + 1)
		r.plugin.release()
		r.called(before + 3)
		if n := r.plugin.most(); n != 1 {
			t.Errorf("%s: %d runs were at work at once, want 1", c.path, n)
		}
		r.eventually(func() error {
			if a := r.call("POST", c.path, "{}"); a.status != c.begun {
				return fmt.Errorf("%s: status %d, %s", c.path, a.status, a.body)
			}
			return nil
		})
		r.called(before + 4)
	}
}

// TestConcurrencyAfterACrash: runs that a crash cut short take their places when
// they go on.
func TestConcurrencyAfterACrash(t *testing.T) {
	r := serve(t, "- {method: POST, path: /x, flow: slowly, concurrency: 1, idempotency: {}, timeout: 100ms}\n", nil)
	r.plugin.hold()
	d := r.call("POST", "/api/x", "{}", key, "a").problem(504, "timeout")
	r.crash()
	r.plugin.hold()
	r.start()
	before := r.plugin.count()
	r.hurry(d.RunID)
	r.called(before + 1)
	r.call("POST", "/api/x", "{}", key, "b").problem(503, "concurrency")
	r.plugin.release()
	r.eventually(func() error {
		if a := r.call("POST", "/api/x", "{}", key, "b"); a.status != 201 {
			return fmt.Errorf("status %d, %s", a.status, a.body)
		}
		return nil
	})
}
