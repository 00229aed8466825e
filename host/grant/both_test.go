package grant

import (
	"reflect"
	"testing"
)

func TestBoth(t *testing.T) {
	of := func(g Grant) Grant { g.Plugin, g.Of = "acme", OfBundled; return g }
	for _, c := range []struct {
		name      string
		g, old, w Grant
	}{
		{"one host for another", Grant{Egress: []string{"https://a.com", "https://b.com"}}, Grant{Egress: []string{"https://b.com", "https://c.com"}}, Grant{Egress: []string{"https://b.com"}}},
		{"a pattern", Grant{Egress: []string{"https://*.acme.com"}}, Grant{Egress: []string{"https://api.acme.com"}}, Grant{Egress: []string{"https://api.acme.com"}}},
		{"connection names no origin", Grant{Egress: []string{"connection"}}, Grant{Egress: []string{"https://b.com"}}, Grant{}},
		{"secrets and keys", Grant{Secrets: []string{"a", "b"}, Keys: []string{"k"}}, Grant{Secrets: []string{"b", "c"}, Keys: []string{"l"}}, Grant{Secrets: []string{"b"}}},
		{"bound now", Grant{Secrets: []string{"a"}, Bound: map[string][]string{"a": {"https://b.com"}}}, Grant{Secrets: []string{"a"}}, Grant{Secrets: []string{"a"}, Bound: map[string][]string{"a": {"https://b.com"}}}},
		{"bound before", Grant{Secrets: []string{"a"}}, Grant{Secrets: []string{"a"}, Bound: map[string][]string{"a": {"https://b.com"}}}, Grant{Secrets: []string{"a"}, Bound: map[string][]string{"a": {"https://b.com"}}}},
		{"bound to others", Grant{Secrets: []string{"a"}, Bound: map[string][]string{"a": {"https://c.com"}}}, Grant{Secrets: []string{"a"}, Bound: map[string][]string{"a": {"https://b.com"}}}, Grant{}},
		{"the settings of now", Grant{Config: map[string]string{"a": "1"}}, Grant{Config: map[string]string{"a": "2", "b": "3"}}, Grant{Config: map[string]string{"a": "1"}}},
		{"kv and limits", Grant{KV: MiB, Limits: Limits{Memory: 64 * MiB, Requests: 4}}, Grant{KV: KiB, Limits: Limits{Requests: 8, Log: KiB}}, Grant{KV: KiB, Limits: Limits{Requests: 4, Log: KiB}}},
	} {
		g, old := of(c.g), of(c.old)
		got := g.Both(old)
		if !reflect.DeepEqual(got, of(c.w)) {
			t.Errorf("%s: %v, want %v", c.name, got, of(c.w))
		}
		if !got.Within(g) || !got.Within(old) {
			t.Errorf("%s: %v is within %v: %v, within %v: %v", c.name, got, g, got.Within(g), old, got.Within(old))
		}
	}
}
