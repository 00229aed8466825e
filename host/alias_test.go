package host_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/trama-run/trama/host/plugin"
)

// TestRequestMemory: what a flow keeps of a request stays as it was, though
// the server uses the request's memory for others: in the steps after the
// answer, and in the record that is written later.
func TestRequestMemory(t *testing.T) {
	t.Parallel()
	rogue := sandboxGuest(t, "portable")
	i := serve(t, nil, map[string]string{
		"plugins/rogue.wasm": rogue, "plugins/rogue.yaml": guestManifest,
		"grants.yaml": `[{plugin: rogue, of: "sha256:` + plugin.Digest([]byte(rogue), []byte(guestManifest)) + `"}]`,
		"routes.yaml": "- {method: POST, path: /a/:x/b/:y, flow: keep}\n",
		"flows/keep.yaml": `schema: 1
id: keep
triggers: [{id: start, type: gateway}]
nodes:
  - {id: answer, type: response.json, with: {body: "{{ trigger }}", headers: {X-Echo: "{{ trigger.params.x }}"}}}
  - {id: later, type: rogue.copy, with: {all: "{{ trigger }}"}}
  - {id: end, type: end, with: {result: "{{ trigger }}"}}
edges:
  - {from: start, to: answer}
  - {from: answer, to: later}
  - {from: later, to: end}
`,
	})
	const workers, each = 8, 25
	type kept struct{ run, tag string }
	found := make([][]kept, workers)
	// matches checks every part of an event against the tag that it was made of.
	matches := func(where, tag string, event any) {
		data, err := json.Marshal(event)
		if err != nil {
			t.Error(err)
		}
		for _, part := range []string{
			`"x":"x` + tag + `"`, `"y":"y` + tag + `"`, `"q":"q` + tag + `"`, `"x-tag":"h` + tag + `"`, `"body":"b` + tag, `"path":"/a/x` + tag + `/b/y` + tag + `"`, `"method":"POST"`,
		} {
			if !strings.Contains(string(data), part) {
				t.Errorf("%s of %s lacks %s: %s", where, tag, part, data)
			}
		}
	}
	var calls sync.WaitGroup
	for w := range workers {
		calls.Go(func() {
			for n := range each {
				tag := strings.Repeat(fmt.Sprintf("%c%02d", 'a'+w, n), 1+(w+n)%5)
				a := i.call("POST", "/api/a/x"+tag+"/b/y"+tag+"?q=q"+tag, "b"+tag+strings.Repeat(".", 200*((w+n)%4)), "X-Tag", "h"+tag, "Content-Type", "text/plain")
				if err := a.want(200); err != nil {
					t.Error(err)
					return
				}
				matches("the answer", tag, json.RawMessage(a.body))
				if a.header.Get("X-Echo") != "x"+tag {
					t.Errorf("the header is %q", a.header.Get("X-Echo"))
				}
				found[w] = append(found[w], kept{a.run(), tag})
			}
		})
	}
	calls.Wait()
	for _, list := range found {
		for _, k := range list {
			d := i.ended(k.run)
			matches("the record's event", k.tag, d.Event)
			matches("the result", k.tag, d.Result)
			matches("a later step", k.tag, d.Steps[1].Output)
		}
	}
}
