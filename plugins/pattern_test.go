package plugins_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/trama-run/trama/pdk/abi"
)

// TestPattern holds every manifest of this build, and those that trama plugin new
// writes, to the pattern that README.md states.
func TestPattern(t *testing.T) {
	files, err := filepath.Glob("*/manifest.json")
	templates, failed := filepath.Glob("../pdk/template/*/manifest.json")
	if err != nil || failed != nil || len(files) < 6 || len(templates) < 3 {
		t.Fatalf("manifests %q %q (%v, %v), want at least six, and three of templates", files, templates, err, failed)
	}
	for _, file := range append(files, templates...) {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var m abi.Manifest
		if err := json.Unmarshal(data, &m); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for _, fault := range faults(m) {
			t.Errorf("%s: %s", file, fault)
		}
	}
}

// faults says what a manifest lacks of the pattern, each with its path.
func faults(m abi.Manifest) (list []string) {
	want := func(ok bool, format string, args ...any) {
		if !ok {
			list = append(list, fmt.Sprintf(format, args...))
		}
	}
	want(m.Title != "", "title: missing")
	want(m.Titles["pt-BR"] != "", `titles["pt-BR"]: missing`)
	want(m.Description != "", "description: missing")
	want(m.Kind != abi.KindConnector || len(m.Operations) > 0, "operations: there are none")
	for i, s := range m.Capabilities.Secrets {
		want(s.Reason != "", "capabilities.secrets[%d].reason: missing", i)
	}
	for _, op := range m.Operations {
		at := "operations." + op.Name
		want(op.Title != "", "%s.title: missing", at)
		want(op.Titles["pt-BR"] != "", `%s.titles["pt-BR"]: missing`, at)
		want(op.Description != "", "%s.description: missing", at)
		effects := []abi.Effect{abi.EffectPure, abi.EffectIdempotent, abi.EffectQueryable, abi.EffectUnsafe}
		want(slices.Contains(effects, op.Effect), "%s.effect: %q is no effect class", at, op.Effect)
		list = append(list, undescribed(at+".input", op.Input)...)
		want(len(op.Output) > 0, "%s.output: missing", at)

		outputs, errors := 0, 0
		for i, e := range op.Examples {
			want(e.Title != "", "%s.examples[%d].title: missing", at, i)
			if e.Error == nil {
				outputs++
				want(len(e.Output) > 0, "%s.examples[%d]: neither output nor error", at, i)
				continue
			}
			errors++
			want(e.Error.Code != "" && e.Error.Message != "", "%s.examples[%d].error: wants a code and a message", at, i)
		}
		want(outputs > 0, "%s.examples: none has an output", at)
		want(errors > 0, "%s.examples: none has an error", at)
	}
	if m.Kind == abi.KindChannel {
		list = append(list, undescribed("config", m.Config)...)
		want(len(m.Sends) > 0, "sends: missing")
		want(m.Bounds != abi.Bounds{}, "bounds: missing")
		want(len(m.Warm) > 0, "warm: missing, and no example of an operation stands in for it")
		w := m.Webhook
		want(w != nil && (w.Signature != nil || w.Token != nil), "webhook: nothing proves who sends")
		want(w != nil && w.DeliveryID != "", "webhook.delivery_id: missing")
		want(w != nil && w.Sample != nil, "webhook.sample: missing")
	}
	return list
}

// undescribed says of which of its members, the only ones that it takes, a
// schema of an object doesn't say what they mean.
func undescribed(path string, schema json.RawMessage) []string {
	var s struct {
		Type                 string
		AdditionalProperties any
		Properties           map[string]struct{ Description string }
	}
	if err := json.Unmarshal(schema, &s); err != nil {
		return []string{fmt.Sprintf("%s: %v", path, err)}
	}
	var list []string
	if s.Type != "object" || s.AdditionalProperties != false {
		list = append(list, path+": want an object of type object with additionalProperties false")
	}
	for name, p := range s.Properties {
		if p.Description == "" {
			list = append(list, path+"."+name+".description: missing")
		}
	}
	slices.Sort(list)
	return list
}

// TestFaults shows that a manifest which lacks something is told so.
func TestFaults(t *testing.T) {
	const whole = `{
		"title": "Acme", "titles": {"pt-BR": "Acme"}, "description": "A shop.", "kind": "connector",
		"operations": [{
			"name": "read", "title": "Read", "titles": {"pt-BR": "Ler"}, "description": "Reads.", "effect": "pure",
			"input": {"type": "object", "additionalProperties": false, "properties": {"id": {"description": "Which."}}}, "output": {},
			"examples": [{"title": "one", "input": {}, "output": {}}, {"title": "none", "input": {}, "error": {"code": "not_found", "message": "no"}}]
		}],
		"capabilities": {"secrets": [{"name": "key", "reason": "It signs."}]}
	}`
	const channel = `{
		"title": "Chat", "titles": {"pt-BR": "Chat"}, "description": "A chat.", "kind": "channel",
		"config": {"type": "object", "additionalProperties": false}, "sends": ["text"], "bounds": {"text": 10},
		"warm": [{"export": "send"}], "webhook": {"token": {}, "delivery_id": "body_sha256", "sample": {"body": {}}}
	}`
	for _, test := range []struct{ manifest, without, want string }{
		{whole, "", ""},
		{channel, "", ""},
		{whole, `"title": "Acme", `, "title: missing"},
		{whole, `"pt-BR": "Acme"`, `titles["pt-BR"]: missing`},
		{whole, `"description": "A shop.", `, "description: missing"},
		{whole, `, "reason": "It signs."`, "capabilities.secrets[0].reason"},
		{whole, `"pt-BR": "Ler"`, `operations.read.titles["pt-BR"]`},
		{whole, `"effect": "pure",`, "operations.read.effect"},
		{whole, `, "output": {},`, "operations.read.output"},
		{whole, `"additionalProperties": false, `, "operations.read.input: want"},
		{whole, `"description": "Which."`, "operations.read.input.id.description"},
		{whole, `, {"title": "none", "input": {}, "error": {"code": "not_found", "message": "no"}}`, "none has an error"},
		{whole, `{"title": "one", "input": {}, "output": {}}, `, "none has an output"},
		{whole, `, "message": "no"`, "wants a code and a message"},
		{channel, `, "sends": ["text"]`, "sends: missing"},
		{channel, `"text": 10`, "bounds: missing"},
		{channel, `"token": {}, `, "webhook: nothing proves"},
		{channel, `, "sample": {"body": {}}`, "webhook.sample: missing"},
		{channel, `{"export": "send"}`, "warm: missing"},
	} {
		text := strings.Replace(test.manifest, test.without, "", 1)
		if test.without == `, "output": {},` {
			text = strings.Replace(test.manifest, test.without, ",", 1)
		}
		var m abi.Manifest
		if err := json.Unmarshal([]byte(text), &m); err != nil {
			t.Fatalf("without %s: %v", test.without, err)
		}
		got := strings.Join(faults(m), "; ")
		if (test.want == "") != (got == "") || !strings.Contains(got, test.want) {
			t.Errorf("without %s: faults %q, want one with %q", test.without, got, test.want)
		}
	}
}
