package plugin

import (
	"encoding/json"
	"maps"
	"reflect"
	"strings"
	"testing"

	"github.com/trama-run/trama/host/grant"
	"github.com/trama-run/trama/pdk/abi"
)

const settingsText = `name: adder
version: 1.0.0
abi: 1
kind: connector
operations: [{name: config, effect: pure}]
config: {type: object, properties: {rate: {type: string, pattern: "^[0-9]+$"}}, required: [rate], additionalProperties: false}
`

// TestSettings: a plugin waits for the settings that its manifest requires, and
// for such as fit; what waits says what to write.
func TestSettings(t *testing.T) {
	w := newWorld(t)
	w.put(t, "adder.yaml", []byte(settingsText))
	w.put(t, "adder.wasm", guest(t, "portable", ""))
	digest := w.status(t).Digest
	if s := w.status(t); s.State != StatePending || !strings.Contains(s.Remedy, `config: {rate: "..."}`) || !strings.Contains(s.Remedy, "the settings as you want them") {
		t.Errorf("without a grant: %s, remedy %q", s.State, s.Remedy)
	}
	for _, test := range []struct {
		name     string
		settings map[string]string
		reason   string // of waiting
		remedy   string
	}{
		{"a required one is missing", nil, "the setting rate", `config: {rate: "..."}`},
		{"it has another form", map[string]string{"rate": "seven"}, "rate: ", "change config on the line of adder in grants.yaml"},
		{"one is misspelt", map[string]string{"rate": "7", "rat": "8"}, "'rat' not allowed", "change config on the line of adder in grants.yaml"},
		{"they fit", map[string]string{"rate": "7"}, "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			w.SetGrants([]grant.Grant{{Plugin: "adder", Of: "sha256:" + digest, Config: test.settings}})
			s := w.status(t)
			if test.reason == "" {
				out, _, err := w.Call(t.Context(), Call{Plugin: "adder", Export: "config", Input: []byte("rate")})
				if s.State != StateReady || err != nil || string(out) != "7" {
					t.Errorf("%s: the setting is %s, %v", s.State, out, err)
				}
				return
			}
			if s.State != StatePending || !strings.Contains(s.Reason, test.reason) || !strings.HasSuffix(s.Remedy, " --config NAME=VALUE") || !strings.Contains(s.Remedy, test.remedy) {
				t.Errorf("%s, reason %q, remedy %q", s.State, s.Reason, s.Remedy)
			}
		})
	}
	// A channel adapter's schema is of each channel's settings.
	channel := abi.Manifest{Kind: abi.KindChannel, Config: []byte(`{"required":["bot"]}`)}
	if wrong := Unfit(channel, nil); wrong != "" || len(grant.RequiredConfig(channel)) > 0 {
		t.Errorf("of a channel adapter's grant it is wanted: %s %q", wrong, grant.RequiredConfig(channel))
	}
}

// TestSettingsSchema: settings that nobody could give are faults of a manifest.
func TestSettingsSchema(t *testing.T) {
	for config, want := range map[string]string{
		`7`:                       "config: not a JSON Schema: ",
		`{"type":"strin"}`:        "config: not a JSON Schema: at #/type: want one of",
		`{"required":"currency"}`: "config: not a JSON Schema: at #/required",
		`{"required":["a",""]}`:   `config.required[1]: no grant can give it: config: "" is not a setting's name`,
		`{"properties":{"a.b":{"type":"integer"},"c":{"type":["string"]},"d":{},"e":{"type":"string"}}}`: "config.properties.a.b.type: a setting is a text: want string, with a pattern or an enum where not every text will do; config.properties.c.type: ",
		`true`:                       "",
		`false`:                      "config: no settings fit it: ",
		`{"type":["array","null"]}`:  "config.type: no settings fit it: want object",
		`{"type":["object","null"]}`: "",
		`{"required":["a"],"properties":{},"additionalProperties":false}`:                `config.required[0]: no settings fit it: "a" is required, and additionalProperties refuses it; name it in properties`,
		`{"required":["a"],"patternProperties":{"^a$":{}},"additionalProperties":false}`: "",
		`{"properties":{"e":{"enum":["x"]}},"required":["e"]}`:                           "",
	} {
		_, err := ParseManifest([]byte(`{"name":"acme","version":"1.0.0","abi":1,"kind":"connector","config":` + config + `}`))
		if (err == nil) != (want == "") || err != nil && !strings.HasPrefix(err.Error(), "manifest: "+want) {
			t.Errorf("%s: %v; want %s", config, err, want)
		}
	}
}

// TestTrySettings: a plugin is tried with such settings as a server would call it
// with, and with none if it needs none.
func TestTrySettings(t *testing.T) {
	const schema = `{"properties":{"rate":{"enum":["7","8"]},"mode":{}},"required":["rate","more"]}`
	example := func(settings map[string]string) abi.Operation {
		return abi.Operation{Examples: []abi.Example{{}, {Config: settings}}}
	}
	fits := map[string]string{"rate": "8", "more": "x"}
	for _, test := range []struct {
		name     string
		manifest abi.Manifest
		want     map[string]string
	}{
		{"none are needed", abi.Manifest{Config: []byte(`{"properties":{"rate":{}}}`), Operations: []abi.Operation{example(fits)}}, nil},
		{"an example has some", abi.Manifest{Config: []byte(schema), Operations: []abi.Operation{example(map[string]string{"rate": "9"}), example(fits)}}, fits},
		{"no example has any", abi.Manifest{Config: []byte(schema)}, map[string]string{"rate": "7", "more": "123"}},
		{"of a channel", abi.Manifest{Kind: abi.KindChannel, Config: []byte(schema)}, nil},
	} {
		if got := TrySettings(test.manifest); !maps.Equal(got, test.want) {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

// TestSample: settings are what their schema says of them.
func TestSample(t *testing.T) {
	got := Sample(json.RawMessage(`{"type": "object", "required": ["id"], "properties": {
		"id": {"type": "string"}, "mode": {"enum": ["b", "a"]}, "n": {"type": "integer", "minimum": 5}, "is": {"type": "boolean"},
		"list": {"type": "array"}, "in": {"properties": {"x": {"type": "number"}}}, "kept": {"type": "string", "default": "d"}}}`))
	want := map[string]any{
		"id": "123", "mode": "b", "n": json.Number("5"), "is": true, "list": []any{},
		"in": map[string]any{"x": json.Number("1")}, "kept": "d",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%v", got)
	}
	if got := Sample(nil); got != nil {
		t.Errorf("of no schema: %v", got)
	}
}
