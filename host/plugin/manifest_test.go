package plugin

import (
	"strings"
	"testing"
)

// What a manifest asks for must be something that can be given.
func TestManifestAsks(t *testing.T) {
	for capabilities, want := range map[string]string{
		`{}`: "",
		`{"kv_bytes": 1024, "secrets": [{"name": "key", "places": ["body"], "origins": ["https://api.acme.com", "connection"]}]}`: "",
		`{"kv_bytes": -1}`: "kv_bytes -1",
		`{"secrets": [{"name": "key", "origins": ["api.acme.com"]}]}`: `secret "key": origin "api.acme.com"`,
		`{"secrets": [{"name": "key", "origins": ["*"]}]}`:            "the whole Internet",
		`{"egress": ["https://*.acme.com", "connection"]}`:            "",
		`{"egress": ["https://*"]}`:                                   `no grant can give what it asks for: egress: origin "https://*"`,
		`{"egress": ["https://*.com"]}`:                               "two labels",
		`{"secrets": [{"name": "API key"}]}`:                          `"API key" is not a secret's name`,
		`{"kv": true}`:                                                `unknown field "kv"`,
	} {
		_, err := ParseManifest([]byte(`{"name": "acme", "version": "1.0.0", "abi": 1, "kind": "connector", "capabilities": ` + capabilities + `}`))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", capabilities, err)
		}
	}
}
