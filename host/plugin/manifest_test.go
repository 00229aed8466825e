package plugin

import (
	"errors"
	"strings"
	"testing"

	"github.com/trama-run/trama/host/flow"
	"github.com/trama-run/trama/host/sandbox"
	"github.com/trama-run/trama/host/sandbox/wasm"
	"github.com/trama-run/trama/pdk/abi"
)

// What a manifest asks for must be something that can be given.
func TestManifestAsks(t *testing.T) {
	for capabilities, want := range map[string]string{
		`{}`: "",
		`{"kv_bytes": 1024, "secrets": [{"name": "key", "places": ["body"], "origins": ["https://api.acme.com", "connection"]}]}`: "",
		`{"kv_bytes": -1}`:        "capabilities.kv_bytes: no grant can give it: kv: -1 is not between 0 and 64MiB",
		`{"kv_bytes": 100000000}`: "capabilities.kv_bytes: no grant can give it: kv: 100000000 is not",
		`{"secrets": [{"name": "key", "places": ["header:X-API-Key", "query:key", "path", "body"]}]}`: "",
		`{"secrets": [{"name": "key", "places": ["body", "headers"]}]}`:                               `capabilities.secrets[0].places[1]: "headers": want header:<Name>, query:<name>, path or body`,
		`{"secrets": [{"name": "key", "places": ["header:"]}]}`:                                       `capabilities.secrets[0].places[0]: "header:": want`,
		`{"secrets": [{"name": "key", "origins": ["api.acme.com"]}]}`:                                 `capabilities.secrets[0].origins[0]: origin "api.acme.com"`,
		`{"secrets": [{"name": "key", "origins": ["*"]}]}`:                                            "the whole Internet",
		`{"egress": ["https://*.acme.com", "connection"]}`:                                            "",
		`{"egress": ["https://*"]}`:                                                                   `capabilities.egress[0]: no grant can give it: egress: origin "https://*"`,
		`{"egress": ["connection", "https://*.com"]}`:                                                 "capabilities.egress[1]: no grant can give it: egress: origin",
		`{"secrets": [{"name": "API key"}]}`:                                                          `capabilities.secrets[0].name: no grant can give it: secrets: "API key" is not a secret's name`,
		`{"kv": true}`:                                                                                "capabilities.kv: unknown field; there are egress, kv_bytes, secrets, sign",
	} {
		_, err := ParseManifest([]byte(`{"name": "acme", "version": "1.0.0", "abi": 1, "kind": "connector", "capabilities": ` + capabilities + `}`))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", capabilities, err)
		}
	}
}

// TestManifestLimits: a limit is one that a grant can give.
func TestManifestLimits(t *testing.T) {
	for limits, want := range map[string]string{
		`{"memory_bytes": 536870912, "fuel": 100000000000, "time_millis": 60000, "input_bytes": 33554432, "output_bytes": 33554432, "http_bytes": 33554432, "requests": 256, "log_bytes": 1048576, "blob_bytes": 1073741824}`: "",
		`{"memory_bytes": 1073741824}`:         "limits.memory_bytes: no grant can give it: limits: memory: 1GiB is above the ceiling of 512MiB",
		`{"fuel": 100000000001}`:               "limits.fuel: no grant",
		`{"time_millis": 60001}`:               "limits.time_millis: no grant can give it: limits: time: 1m0.001s is above the ceiling of 1m0s",
		`{"time_millis": 9223372036854775807}`: "limits.time_millis: no grant",
		`{"input_bytes": 33554433}`:            "limits.input_bytes: no grant",
		`{"output_bytes": 33554433}`:           "limits.output_bytes: no grant",
		`{"http_bytes": 33554433}`:             "limits.http_bytes: no grant",
		`{"requests": 257}`:                    "limits.requests: no grant",
		`{"log_bytes": -1}`:                    "limits.log_bytes: no grant can give it: limits: log: -1 is negative",
		`{"blob_bytes": 1073741825}`:           "limits.blob_bytes: no grant",
	} {
		_, err := ParseManifest([]byte(`{"name": "acme", "version": "1.0.0", "abi": 1, "kind": "connector", "limits": ` + limits + `}`))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", limits, err)
		}
	}
}

// TestManifestNodes: no plugin has a name by which its operations would be the
// host's own nodes.
func TestManifestNodes(t *testing.T) {
	dotted := 0
	for _, kind := range flow.Kinds() {
		name, operation, is := strings.Cut(kind.Type, ".")
		if !is {
			continue // an operation's type has a dot
		}
		dotted++
		_, err := ParseManifest([]byte(`{"name": "` + name + `", "version": "1.0.0", "abi": 1, "kind": "connector", "operations": [{"name": "` + operation + `", "effect": "pure"}]}`))
		if err == nil || !strings.Contains(err.Error(), `name: "`+name+`" is the host's own`) {
			t.Errorf("%s: %v", kind.Type, err)
		}
	}
	if dotted == 0 {
		t.Error("no node of the host's has a dot in its type: this tries nothing")
	}
}

// TestManifestFaults: each fault is told with its path.
func TestManifestFaults(t *testing.T) {
	_, err := ParseManifest([]byte(`{"name": "A", "version": "1", "abi": 1, "kind": "robot", "image": "some", "warm": [{}],
		"limits": {"time_millis": -5, "requests": -1}, "capabilities": {"sign": ["HS256", "MD5"]},
		"operations": [{"name": "a", "effect": "pure"}, {"name": "a", "effect": "none"}]}`))
	faults, ok := errors.AsType[Faults](err)
	if !ok {
		t.Fatal(err)
	}
	var paths []string
	for _, f := range faults {
		paths = append(paths, JSONPath(f.Path))
	}
	if got := strings.Join(paths, " "); got != "name version image kind limits.time_millis limits.requests warm[0] capabilities.sign[1] operations[1].name operations[1].effect" {
		t.Errorf("%s\n%v", got, err)
	}
	for webhook, want := range map[string]string{
		`{"signature": {}}`: "webhook.signature: want",
		`{"signature": {"header": "X", "secret": "x", "algorithm": "md5"}}`: `webhook.signature.algorithm: "md5": want`,
		`{"handshake": {}}`:                                   "webhook.handshake: want",
		`{"delivery_id": "cookie"}`:                           `webhook.delivery_id: "cookie": want`,
		`{"token": {"header": "X-Token"}}`:                    "webhook.token: want",
		`{"token": {"header": "X Token", "secret": "token"}}`: "webhook.token: want",
		`{"sample": {"body": "hello"}}`:                       "webhook.sample.body: want",
		`{"sample": {"headers": {"X:": "1"}, "body": {}}}`:    `webhook.sample.headers: "X:" is no name`,
		`{"token": {"header": "X-Token", "secret": "token"}, "sample": {"headers": {"x-token": "1"}, "body": {}}}`: "webhook.sample.headers: x-token: leave it out",
	} {
		_, err := ParseManifest([]byte(`{"name": "acme", "version": "1.0.0", "abi": 1, "kind": "channel", "webhook": ` + webhook + `}`))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", webhook, err)
		}
	}
}

// TestManifestChannel: what a channel's manifest says of messages and titles is
// held against what can be.
func TestManifestChannel(t *testing.T) {
	for fields, want := range map[string]string{
		`"titles": {"pt-BR": "Correio", "zh-Hant-TW": "x", "es-419": "y"}, "sends": ["text", "voice"], "bounds": {"text": 10, "url_buttons": -1}, "operations": [{"name": "a", "effect": "pure", "titles": {"pt": "A"}}]`: "",
		`"titles": {"Portuguese": "Correio"}`:                                               `titles: "Portuguese": want a language`,
		`"titles": {"pt-BR": " "}`:                                                          "titles.pt-BR: it is empty",
		`"operations": [{"name": "a", "effect": "pure", "titles": {"pt_BR": "A"}}]`:         `operations[0].titles: "pt_BR": want`,
		`"sends": ["text", "media"]`:                                                        `sends[1]: "media": want one of text, image`,
		`"sends": ["text", "text"]`:                                                         `sends[1]: "text" is there twice`,
		`"bounds": {"buttons": -1}`:                                                         "bounds.buttons: -1: want",
		`"bounds": {"url_buttons": -2}`:                                                     "bounds.url_buttons: -2: want",
		`"addresses": [{"scheme": "p", "pattern": "[0-9]+", "strip": " ", "example": "1"}]`: "",
		`"addresses": [{"scheme": "p", "pattern": "[0-9]+"}]`:                               "addresses[0]: want a scheme",
		`"addresses": [{"scheme": "p", "pattern": "(", "example": "1"}]`:                    "addresses[0].pattern: error parsing",
		`"addresses": [{"scheme": "p", "pattern": "[0-9]", "example": "12"}]`:               `addresses[0].example: "12" does not fit`,
		`"addresses": [{"scheme": "p", "pattern": "1", "example": "1"}, {"scheme": "p", "pattern": "1", "example": "1"}]`: `addresses[1]: the scheme "p" is there twice`,
		`"bounds": {"edits": 1}`:           "bounds.edits: 1: want -1",
		`"bounds": {"text": 1, "rwos": 2}`: "bounds.rwos: unknown field",
	} {
		_, err := ParseManifest([]byte(`{"name": "acme", "version": "1.0.0", "abi": 1, "kind": "channel", ` + fields + `}`))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", fields, err)
		}
	}
}

// TestManifestNames: what a manifest names is there, or is told.
func TestManifestNames(t *testing.T) {
	function := func(name string) wasm.Export { return wasm.Export{Name: name, Kind: "func", Signature: "() -> i32"} }
	info := sandbox.Info{Exports: []wasm.Export{function("sum"), function("receive"), function("send"), function("run"), {Name: "memory", Kind: "memory"}}}
	for _, test := range []struct {
		manifest abi.Manifest
		want     string
	}{
		{abi.Manifest{Operations: []abi.Operation{{Name: "sum"}}, Warm: []abi.Warm{{Export: "sum"}}}, ""},
		{abi.Manifest{Operations: []abi.Operation{{Name: "add"}}}, `names the function "add", which the module does not export; it has sum, receive, send, run`},
		{abi.Manifest{Operations: []abi.Operation{{Name: "add", Export: "memory"}}}, `"memory", which the module exports as a memory`},
		{abi.Manifest{Kind: abi.KindChannel}, ""},
		{abi.Manifest{Kind: abi.KindLanguage, Warm: []abi.Warm{{Export: "run"}, {Export: "rum"}}}, `names the function "rum", which the module does not export`},
	} {
		err := checkAgainst(info, test.manifest)
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: %v", test.manifest, err)
		}
	}
}
