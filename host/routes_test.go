package host_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// TestRoutesOverAKill: calls that a host was killed in the middle of have their
// answers from the next one, and their flow is begun once.
func TestRoutesOverAKill(t *testing.T) {
	t.Parallel()
	i := install(t, nil, map[string]string{
		"routes.yaml": `
- {method: POST, path: /orders, flow: order, timeout: 300ms, idempotency: {required: true}, request: {schema: {type: object, required: [n]}}}
- {method: POST, path: /later, flow: order, async: always}
`,
		"flows/order.yaml": `
schema: 1
id: order
triggers: [{id: start, type: gateway}]
nodes:
  - {id: think, type: wait, with: {for: 2s}}
  - {id: reply, type: response.json, with: {status: 201, body: {n: "{{ trigger.body.n }}"}}}
edges: [{from: start, to: think}, {from: think, to: reply}]
`})
	c := i.startChild()
	call := func(method, path, body string, headers ...string) answer {
		return i.send(method, "http://"+c.addr+path, body, append(headers, "Content-Type", "application/json")...)
	}
	i.problem(call("POST", "/api/orders", `{"n": 7}`), 400, "no_key", "Idempotency-Key")
	i.problem(call("POST", "/api/orders", `{}`, "Idempotency-Key", "k"), 422, "invalid_body")
	late := i.problem(call("POST", "/api/orders", `{"n": 7}`, "Idempotency-Key", "k"), 504, "timeout")
	if late["retry"] != true {
		t.Errorf("a call with a key may not be tried again: %v", late)
	}
	later := call("POST", "/api/later", `{"n": 8}`)
	if err := later.want(202); err != nil {
		t.Fatal(err)
	}
	at := later.header.Get("Location")
	c.kill()
	c = i.startChild()
	defer c.kill()
	var a answer
	i.eventually("the answer of a call with a key", func() error {
		a = call("POST", "/api/orders", `{"n": 7}`, "Idempotency-Key", "k")
		return a.want(201)
	})
	if a.body != `{"n":7}` || a.run() != late["run_id"] || a.header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("%s of run %s, %v", a.body, a.run(), a.header)
	}
	i.problem(call("POST", "/api/orders", `{"n": 9}`, "Idempotency-Key", "k"), 422, "key_reused")
	i.eventually("the answer that comes later", func() error {
		a := call("GET", at, "")
		var s struct {
			Status string
			Answer struct {
				Status int
				Body   map[string]int
			}
		}
		if err := json.Unmarshal([]byte(a.body), &s); err != nil || a.want(200) != nil {
			return fmt.Errorf("status %d: %s", a.status, a.body)
		}
		if s.Status != "done" || s.Answer.Status != 201 || s.Answer.Body["n"] != 8 {
			return fmt.Errorf("it says %s", a.body)
		}
		return nil
	})
	if strings.Contains(i.log.String(), "panic") {
		t.Error("the host panicked")
	}
}
