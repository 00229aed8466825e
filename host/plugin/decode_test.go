package plugin

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/trama-run/trama/host/sandbox/wasm"
	"github.com/trama-run/trama/pdk/abi"
)

// TestDecodeManifest: every field that is wrong is told with its path, all of
// them at once.
func TestDecodeManifest(t *testing.T) {
	const head = `"name": "acme", "version": "1.0.0", "kind": "connector"`
	for _, test := range []struct{ manifest, want string }{
		{`{"abi": 1, "name": 7, "titel": "", "operations": [{"name": "a", "effect": "pure", "examples": [{"in": 1, "http": [{"request": {"headers": {"a": 1}}}]}]}, 4],
			"limits": {"fuel": 1.5, "requests": "many"}, "capabilities": {"egress": "https://a.example"}, "webhook": []}`,
			`manifest: capabilities.egress: it is a text; want a list; ` +
				`limits.fuel: it is the number 1.5; want a whole number; ` +
				`limits.requests: it is a text; want a whole number; ` +
				`name: it is the number 7; want a text; ` +
				`operations[0].examples[0].http[0].request.headers.a: it is the number 1; want a text; ` +
				`operations[0].examples[0].in: unknown field; there are config, error, http, input, output, title; ` +
				`operations[1]: it is the number 4; want an object; ` +
				`titel: unknown field; there are abi, addresses, bounds, capabilities, config,`},
		{`{"abi": 1, ` + head + `, "title": null, "config": {"anything": ["goes"]}}`, ""},
		{`{"abi": 7, "new": true}`, "plugin wants abi 7, host has abi 1: build it"},
		{`{` + head + `}`, "abi: it is missing; want the version of the contract that the plugin was written for, which is 1 in this host"},
		{`{"abi": "1"}`, "abi: it is a text; want the number 1"},
		{`["abi"]`, "it is a list; want an object"},
		{``, "manifest is not JSON: it is empty"},
		{"{\n \"abi\": 1,\n oops}", "manifest is not JSON: line 3, column 2: invalid character 'o'"},
		{`{"abi": 1`, "manifest is not JSON: line 1, column 9: unexpected EOF"},
		{`{"abi": 1} {}`, "manifest is not JSON: line 1, column 10: there is more behind its end"},
		{`{"abi": 1, ` + head + `, "limits": {"memory_bytes": 99999999999999999999}}`, "limits.memory_bytes: it is the number 99999999999999999999; want a whole number"},
	} {
		_, err := ParseManifest([]byte(test.manifest))
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%.60s\ngives %v\nwant  %s", test.manifest, err, test.want)
		}
	}
	_, err := ParseManifest([]byte(`{"abi": 1, "limits": {"requests": true}}`))
	if faults, ok := errors.AsType[Faults](err); !ok || !slices.Equal(faults[0].Path, []string{"limits", "requests"}) {
		t.Errorf("%v has no path", err)
	}
}

// TestManifestInTheFile: a section with the manifest is read without running
// the module, is part of the file's digest, and comes before a file beside it.
func TestManifestInTheFile(t *testing.T) {
	const manifest = `{"name": "inside", "version": "1.0.0", "abi": 1, "kind": "connector", "operations": [{"name": "total", "effect": "pure"}]}`
	packed := func(data string) []byte {
		t.Helper()
		module, err := wasm.WithCustom(guest(t, "json", ""), abi.SectionManifest, []byte(data))
		if err != nil {
			t.Fatal(err)
		}
		return module
	}
	w := newWorld(t)
	w.put(t, "adder.yaml", []byte(sidecarText))
	good := packed(manifest)
	w.put(t, "adder.wasm", good)
	if s := w.status(t); s.Name != "inside" || s.Digest != Digest(good, nil) || s.State == StateBroken {
		t.Errorf("%+v", s)
	}
	section := good[len(guest(t, "json", "")):]
	for _, test := range []struct {
		name   string
		module []byte
		want   string
	}{
		{"no JSON", packed("{"), "section trama.manifest: manifest is not JSON: line 1, column 1"},
		{"a fault", packed(strings.Replace(manifest, "pure", "harmless", 1)), "section trama.manifest: manifest: operations[0].effect"},
		{"another version", packed(strings.Replace(manifest, `"abi": 1`, `"abi": 2`, 1)), "plugin wants abi 2, host has abi 1"},
		{"twice", slices.Concat(good, section), "stands twice"},
		{"a function that is not there", packed(strings.Replace(manifest, `"total"`, `"sum"`, 1)), `the function "sum", which the module does not export; it has total`},
		{"a memory in the place of a function", packed(strings.Replace(manifest, `"total"`, `"memory"`, 1)), `the function "memory", which the module exports as a memory; want a function () -> i32`},
	} {
		w.put(t, "adder.wasm", test.module)
		if s := w.status(t); s.State != StateBroken || !strings.Contains(s.Reason, test.want) {
			t.Errorf("%s: %s, %q; want broken with %q", test.name, s.State, s.Reason, test.want)
		}
	}
}

// TestDescribeOfAnotherType: what can't be asked for the manifest is told as
// that, not as a file without one.
func TestDescribeOfAnotherType(t *testing.T) {
	module := []byte("\x00asm\x01\x00\x00\x00" +
		"\x01\x0a\x02\x60\x00\x01\x7f\x60\x01\x7f\x01\x7f" + // () -> i32, (i32) -> i32
		"\x03\x03\x02\x00\x01" +
		"\x07\x12\x02\x03run\x00\x00\x08describe\x00\x01" +
		"\x0a\x0b\x02\x04\x00\x41\x00\x0b\x04\x00\x41\x00\x0b")
	w := newWorld(t)
	w.put(t, "adder.yaml", []byte(sidecarText))
	w.put(t, "adder.wasm", module)
	if s := w.status(t); s.State != StateBroken || !strings.Contains(s.Reason, `the export "describe" is a function (i32) -> i32; want a function () -> i32`) {
		t.Errorf("%+v", s)
	}
}
