package grant

import (
	"strings"
	"testing"

	"github.com/trama-run/trama/pdk/abi"
)

// Memory of contacts is given by the operator, and never more than is asked.
func TestDecideKV(t *testing.T) {
	for name, c := range map[string]struct {
		asks  int64
		given Size
		want  Size // 0 with missing: pending
		lacks string
	}{
		"not asked, not given":    {0, 0, 0, ""},
		"not asked, given":        {0, MiB, 0, ""},
		"asked, not given":        {1 << 20, 0, 0, "kv 1MiB"},
		"asked and given":         {1 << 20, MiB, MiB, ""},
		"less is given":           {1 << 20, KiB, KiB, ""},
		"more is given":           {1 << 10, MiB, KiB, ""},
		"more than the ceiling":   {1 << 40, MaxKV, MaxKV, ""},
		"a number that is no ask": {-1, 0, 0, ""},
	} {
		m := abi.Manifest{Name: "acme", Capabilities: abi.Capabilities{KVBytes: c.asks}}
		d := Decide(m, Content{Digest: digest}, []Grant{{Plugin: "acme", Of: "sha256:" + digest, KV: c.given}})
		if d.Grant.KV != c.want || (d.Status == Pending) != (c.lacks != "") || strings.Join(d.Missing, ", ") != c.lacks {
			t.Errorf("%s: %+v", name, d)
		}
		if c.lacks != "" && !strings.Contains(d.Remedy, "kv: 1MiB") {
			t.Errorf("%s: the remedy is %q", name, d.Remedy)
		}
	}
	// A bundled plugin that asks for memory waits too.
	if d := Decide(abi.Manifest{Name: "acme", Capabilities: abi.Capabilities{KVBytes: 1}}, Content{Digest: digest, Bundled: true}, nil); d.Status != Pending {
		t.Errorf("a bundled plugin: %+v", d)
	}
}

func TestBoundSecrets(t *testing.T) {
	m := abi.Manifest{Name: "acme", Capabilities: abi.Capabilities{Secrets: []abi.SecretRequest{{Name: "key"}}}}
	g := Grant{Plugin: "acme", Of: "sha256:" + digest, Secrets: []string{"key"}, Bound: map[string][]string{"key": {"https://api.acme.com", "connection"}}, KV: 64 * KiB}
	if problems := g.Validate(); len(problems) > 0 {
		t.Fatal(problems)
	}
	if d := Decide(m, Content{Digest: digest}, []Grant{g}); d.Status != Granted || len(d.Grant.Bound["key"]) != 2 {
		t.Errorf("%+v", d)
	}
	if want := `secrets: [key], bound: {key: ["https://api.acme.com", connection]}, kv: 64KiB}`; !strings.HasSuffix(g.String(), want) {
		t.Errorf("written as %s, want %s", g, want)
	}
	for text, change := range map[string]func(*Grant){
		"not among the grant's secrets": func(g *Grant) { g.Secrets = nil },
		"has no origins":                func(g *Grant) { g.Bound = map[string][]string{"key": {}} },
		"the whole Internet":            func(g *Grant) { g.Bound = map[string][]string{"key": {"*"}} },
		"not between":                   func(g *Grant) { g.KV = MaxKV + 1 },
		"-1 is not between":             func(g *Grant) { g.KV = -1 },
	} {
		bad := g
		change(&bad)
		if problems := bad.Validate(); len(problems) != 1 || !strings.Contains(problems[0], text) {
			t.Errorf("%s: %q", text, problems)
		}
	}
	for name, c := range map[string]struct {
		change func(*Grant)
		within bool
	}{
		"the same":            {func(*Grant) {}, true},
		"bound closer":        {func(g *Grant) { g.Bound = map[string][]string{"key": {"connection"}} }, true},
		"bound elsewhere":     {func(g *Grant) { g.Bound = map[string][]string{"key": {"https://other.test"}} }, false},
		"not bound":           {func(g *Grant) { g.Bound = nil }, false},
		"without that secret": {func(g *Grant) { g.Bound, g.Secrets = nil, nil }, true},
		"more memory":         {func(g *Grant) { g.KV = MiB }, false},
		"less memory":         {func(g *Grant) { g.KV = 0 }, true},
	} {
		next := g
		c.change(&next)
		if next.Within(g) != c.within {
			t.Errorf("%s: within is %v", name, !c.within)
		}
	}
}
