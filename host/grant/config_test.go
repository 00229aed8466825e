package grant

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/trama-run/trama/pdk/abi"
)

// TestConfig: what a manifest requires of settings must be given; what is given
// holds, and goes over to the line that is proposed for a new content.
func TestConfig(t *testing.T) {
	m := abi.Manifest{Name: "acme", Kind: abi.KindConnector, Config: json.RawMessage(`{"required":["currency"]}`)}
	settings := map[string]string{"currency": "BRL", "more": "on"}
	for _, test := range []struct {
		name    string
		bundled bool
		of      string
		config  map[string]string
		want    Status
		remedy  string
	}{
		{"no grant", false, "sha256:0", settings, Pending, `config: {currency: "BRL", more: "on"}`},
		{"no grant of a bundled one", true, "sha256:0", nil, Pending, `config: {currency: "..."}} # in place of "...", the settings`},
		{"missing", false, "sha256:" + digest, map[string]string{"more": "on"}, Pending, `config: {currency: "...", more: "on"}`},
		{"as it was proposed", false, "sha256:" + digest, map[string]string{"currency": "...", "more": "on"}, Pending, `config: {currency: "...", more: "on"}} # in place of "...", the settings`},
		{"given", false, "sha256:" + digest, settings, Granted, ""},
	} {
		d := Decide(m, Content{Digest: digest, Bundled: test.bundled}, []Grant{{Plugin: "acme", Of: test.of, Config: test.config}})
		if d.Status != test.want || !strings.Contains(d.Remedy, test.remedy) || d.Status == Granted && !maps.Equal(d.Grant.Config, settings) {
			t.Errorf("%s: %+v", test.name, d)
		}
	}
}

// TestTakenConfig: of what a former content was given, a new one has what its
// schema has a place for, in the line that is proposed too.
func TestTakenConfig(t *testing.T) {
	settings := map[string]string{"currency": "BRL", "old": "on"}
	for _, test := range []struct {
		schema string
		kind   abi.Kind
		left   string
	}{
		{`{"properties":{"currency":{}},"required":["currency"],"additionalProperties":false}`, abi.KindConnector, "old"},
		{`{"additionalProperties":false}`, abi.KindLanguage, "currency,old"},
		{`{"additionalProperties":false}`, abi.KindChannel, ""},
		{`{"properties":{"currency":{}}}`, abi.KindConnector, ""},
		{`{"properties":{"currency":{}},"additionalProperties":{"minLength":1}}`, abi.KindConnector, ""},
		{`{"properties":{"currency":{}},"patternProperties":{"^o":{}},"additionalProperties":false}`, abi.KindConnector, ""},
		{`true`, abi.KindConnector, ""},
		{``, abi.KindConnector, ""},
	} {
		m := abi.Manifest{Name: "acme", Kind: test.kind, Config: json.RawMessage(test.schema)}
		taken, left := TakenConfig(m, settings)
		if strings.Join(left, ",") != test.left || len(taken)+len(left) != len(settings) {
			t.Errorf("%s of a %s: takes %v, leaves %v", test.schema, test.kind, taken, left)
		}
		d := Decide(m, Content{Digest: digest}, []Grant{{Plugin: "acme", Of: "sha256:0", Config: settings}})
		if line := lineOf(t, d.Remedy); !maps.Equal(line.Config, taken) {
			t.Errorf("%s of a %s: the remedy is %q", test.schema, test.kind, d.Remedy)
		}
	}
}

// TestConfigLine: what is printed of settings is read as the same ones.
func TestConfigLine(t *testing.T) {
	g := Grant{Plugin: "acme", Of: OfBundled, Config: map[string]string{"no": "yes", "a key": "line\nline", "x": "3", "date": "2026-01-02", "ü": "{{ ☃ }}", "e": ""}}
	var read []struct{ Config map[string]string }
	if err := yaml.Unmarshal([]byte(g.String()), &read); err != nil || len(read) != 1 || !maps.Equal(read[0].Config, g.Config) {
		t.Errorf("%s is read as %q, %v", g, read, err)
	}
}
