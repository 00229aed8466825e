package flow_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/trama-run/trama/host/flow"
	"github.com/trama-run/trama/pdk/abi"
)

func TestCheck(t *testing.T) {
	input := `{"type": "object", "required": ["url"], "additionalProperties": false, "properties": {
		"url": {"type": "string", "minLength": 1},
		"method": {"enum": ["GET", "POST"]},
		"count": {"type": "integer", "maximum": 9007199254740993},
		"a/b%": {"$ref": "#/$defs/number"}
	}, "$defs": {"number": {"type": "number"}}}`
	installed := func(plugin string) ([]abi.Operation, bool) {
		switch plugin {
		case "http":
			return []abi.Operation{{Name: "request", Input: json.RawMessage(input)}, {Name: "free"}, {Name: "pay", Effect: abi.EffectUnsafe}}, true
		case "odd":
			return []abi.Operation{{Name: "any", Input: json.RawMessage(`true`)}, {Name: "broken", Input: json.RawMessage(`{`)},
				{Name: "file", Input: json.RawMessage(`{"properties": {"x": {"$ref": "file:///etc/passwd"}}}`)}}, true
		case "javascript":
			return nil, true
		}
		return nil, false
	}
	tests := []struct{ name, node, want string }{
		{"fits", `type: http.request, with: {url: /x, method: "{{ input.method }}", count: 9007199254740993, a/b%: 1.5}`, ``},
		{"no schema", `type: http.free, with: {anything: 1}`, ``},
		{"operation", `type: http.requets, with: {}`, `f:6:5: the plugin "http" has no operation "requets"; did you mean "http.request"?`},
		{"missing", `type: http.request`, `f:6:5: http.request needs "url" in "with"; add "url: ..."`},
		{"unknown", `type: http.request, with: {url: x, ulr: y}`, `f:6:48: http.request takes no "ulr"; did you mean "url"?`},
		{"literal", `type: http.request, with: {url: "", method: PUT, count: 1.5}`, `f:6:45: http.request does not take this "url": minLength: got 0, want 1
f:6:57: http.request does not take this "method": value must be one of 'GET', 'POST'
f:6:69: http.request does not take this "count": got number, want integer`},
		{"large", `type: http.request, with: {url: x, count: 9007199254740994}`, `f:6:55: http.request does not take this "count": maximum: got 9`},
		{"reference", `type: http.request, with: {url: x, a/b%: x}`, `f:6:54: http.request does not take this "a/b%": got string, want number`},
		{"file", `type: odd.file, with: {x: 1}`, `f:6:5: the input schema of odd.file is broken: failing loading "file:///etc/passwd": no URLLoader`},
		{"true", `type: odd.any, with: {x: 1}`, ``},
		{"broken", `type: odd.broken, with: {x: 1}`, `f:6:5: the input schema of odd.broken is broken`},
		{"held", `type: soap.call, with: {x: 1}`, `held`},
		{"held language", `type: run_code, with: {language: lua, code: x}`, `held`},
		{"retry of a safe operation", `type: http.free, retry: {attempts: 2}`, ``},
		{"retry of an unsafe operation", `type: http.pay, retry: {attempts: 2}`, `f:6:36: http.pay is unsafe to repeat, so it is called once at most; take retry away`},
		{"retry of a script", `type: run_code, retry: {attempts: 2}, with: {code: x}`, ``},
		{"language", `type: run_code, with: {code: x}`, ``},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			document := "schema: 1\nid: x\ntriggers: [{id: start, type: gateway}]\nedges: [{from: start, to: n}]\nnodes:\n  - {id: n, " + test.node + "}\n"
			f, err := flow.Parse("f", []byte(document))
			if err != nil {
				t.Fatal(err)
			}
			problems, held := f.Check(installed)
			got := problems.Error()
			if len(held) > 0 {
				if got != "" || held[0].Node != "n" || held[0].At.Line != 6 || !strings.Contains(held[0].Error(), held[0].Plugin+".wasm") {
					t.Errorf("held %+v, problems %s", held, got)
				}
				got = "held"
			}
			if got != test.want && (test.want == "" || !strings.HasPrefix(got, test.want)) {
				t.Errorf("got:\n%s\nwant:\n%s", got, test.want)
			}
		})
	}
}
