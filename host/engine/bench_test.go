package engine_test

import (
	"testing"

	"github.com/trama-run/trama/host/engine"
	"github.com/trama-run/trama/host/expr"
)

// tenNodes passes ten nodes of the kinds that a flow without plugins is made
// of.
const tenNodes = `
schema: 1
id: ten
triggers: [{id: start, type: gateway}]
nodes:
  - {id: name, type: set_flow, with: {set: {name: "{{ input.body.name }}", total: 0}}}
  - {id: known, type: conditional, with: {branches: [{port: vip, when: 'input.body.kind == "vip"'}, {port: firm, when: 'input.body.kind == "firm"'}]}}
  - {id: one, type: set_flow, with: {set: {total: "{{ flow.total + input.body.items[0].price }}"}}}
  - {id: two, type: set_flow, with: {set: {total: "{{ flow.total + input.body.items[1].price }}"}}}
  - {id: big, type: conditional, with: {branches: [{port: big, when: "flow.total > 1000"}]}}
  - {id: fee, type: set_flow, with: {set: {fee: "{{ flow.total * 0.1 }}"}}}
  - {id: text, type: set_flow, with: {set: {text: "{{ flow.name }} pays {{ flow.total }} and {{ flow.fee }}"}}}
  - {id: free, type: conditional, with: {branches: [{port: free, when: "flow.fee < 1"}]}}
  - {id: reply, type: response.json, with: {status: 201, body: {text: "{{ flow.text }}", total: "{{ flow.total }}"}}}
  - {id: end, type: end, with: {result: "{{ flow.total }}"}}
edges:
  - {from: start, to: name}
  - {from: name, to: known}
  - {from: known, port: else, to: one}
  - {from: one, to: two}
  - {from: two, to: big}
  - {from: big, port: else, to: fee}
  - {from: fee, to: text}
  - {from: text, to: free}
  - {from: free, port: else, to: reply}
  - {from: reply, to: end}
`

// BenchmarkTenNodes is the engine's time for a run of ten nodes without a call.
func BenchmarkTenNodes(b *testing.B) {
	programs := engine.Programs{"f": compile(b, []byte(tenNodes))}
	value, err := expr.ParseJSON([]byte(`{"method": "POST", "body": {"name": "Ana", "kind": "person", "items": [{"price": 10}, {"price": 30}]}}`))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		out, err := programs.Advance(begin("r", programs, "start"), engine.Event{Now: began, Start: &engine.Start{Trigger: "start", Value: value}})
		if err != nil || out.Session.Run.Status != engine.Done || out.Session.Steps != 10 {
			b.Fatal(out.Session.Run.Status, out.Session.Steps, err)
		}
	}
}
