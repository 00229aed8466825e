package grant

import (
	"cmp"
	"net/url"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestWithin(t *testing.T) {
	old := Grant{
		Plugin: "acme", Of: OfBundled, Egress: []string{"connection", "https://*.acme.com"},
		Secrets: []string{"a", "b"}, Keys: []string{"k"}, Limits: Limits{Memory: 64 * MiB, Requests: 4},
	}
	for _, c := range []struct {
		name   string
		change func(g *Grant)
		want   bool
	}{
		{"the same", func(*Grant) {}, true},
		{"in another order", func(g *Grant) { g.Secrets, g.Egress = []string{"b", "a"}, []string{"https://*.acme.com", "connection"} }, true},
		{"nothing at all", func(g *Grant) { *g = Grant{Plugin: g.Plugin, Of: g.Of, Limits: Limits{Requests: 1}} }, true},
		{"one host of a pattern", func(g *Grant) { g.Egress = []string{"https://api.acme.com"} }, true},
		{"another port", func(g *Grant) { g.Egress = []string{"https://api.acme.com:8443"} }, false},
		{"another host", func(g *Grant) { g.Egress = append(g.Egress, "https://acme.org") }, false},
		{"a wider pattern", func(g *Grant) { g.Egress = []string{"https://*.com.br"} }, false},
		{"another secret", func(g *Grant) { g.Secrets = []string{"a", "c"} }, false},
		{"another key", func(g *Grant) { g.Keys = []string{"k", "l"} }, false},
		{"less memory", func(g *Grant) { g.Limits.Memory = MiB }, true},
		{"the default memory, which is less", func(g *Grant) { g.Limits.Memory = 0 }, true},
		{"more memory", func(g *Grant) { g.Limits.Memory = 65 * MiB }, false},
		{"the default requests, which are more", func(g *Grant) { g.Limits.Requests = 0 }, false},
		{"less time than the default", func(g *Grant) { g.Limits.Time = Duration(time.Second) }, true},
		{"more time than the default", func(g *Grant) { g.Limits.Time = Duration(6 * time.Second) }, false},
		{"other settings", func(g *Grant) { g.Config = map[string]string{"currency": "BRL"} }, true},
		{"another plugin", func(g *Grant) { g.Plugin = "other" }, false},
		{"another content", func(g *Grant) { g.Of = "sha256:" + digest }, false},
	} {
		g := old
		g.Egress, g.Secrets, g.Keys = slices.Clone(old.Egress), slices.Clone(old.Secrets), slices.Clone(old.Keys)
		c.change(&g)
		if got := g.Within(old); got != c.want {
			t.Errorf("%s: within is %v, want %v", c.name, got, c.want)
		}
	}
	if (Grant{Plugin: "acme", Of: OfBundled}).Within(Grant{}) {
		t.Error("a grant is within no grant")
	}
}

// TestWithinGivesNoMore: what is within gives no URL, name or limit that the
// other does not give.
func TestWithinGivesNoMore(t *testing.T) {
	entries := []string{"connection", "https://a.com", "https://x.a.com", "https://*.a.com", "https://*.x.a.com", "https://a.com:444", "http://a.com", "not an origin"}
	urls := []string{"https://a.com/", "https://x.a.com/", "https://y.x.a.com/", "https://a.com:444/", "http://a.com/", "https://b.com/"}
	names := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c"}), 0, 2)
	some := rapid.Custom(func(t *rapid.T) Grant {
		return Grant{
			Plugin: "acme", Of: OfBundled,
			Egress:  rapid.SliceOfN(rapid.SampledFrom(entries), 0, 2).Draw(t, "egress"),
			Secrets: names.Draw(t, "secrets"), Keys: names.Draw(t, "keys"),
			Limits: Limits{Memory: rapid.SampledFrom([]Size{0, MiB, 32 * MiB, 64 * MiB}).Draw(t, "memory"), Requests: rapid.SampledFrom([]int{0, 1, 32, 33}).Draw(t, "requests")},
		}
	})
	reaches := func(g Grant, u *url.URL) bool {
		return slices.ContainsFunc(g.Egress, func(e string) bool {
			o, err := ParseOrigin(e)
			return err == nil && o.Match(u)
		})
	}
	rapid.Check(t, func(t *rapid.T) {
		g, old := some.Draw(t, "new"), some.Draw(t, "old")
		if !g.Within(g) || !old.Within(old) {
			t.Fatal("a grant is not within itself")
		}
		if !g.Within(old) {
			return
		}
		for _, text := range urls {
			u, err := url.Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			if reaches(g, u) && !reaches(old, u) {
				t.Fatalf("%v is within %v, but reaches %s", g, old, text)
			}
		}
		if slices.Contains(g.Egress, "connection") && !slices.Contains(old.Egress, "connection") {
			t.Fatalf("%v is within %v, but reaches connections", g, old)
		}
		for _, name := range g.Secrets {
			if !slices.Contains(old.Secrets, name) {
				t.Fatalf("%v is within %v, but has the secret %s", g, old, name)
			}
		}
		for _, name := range g.Keys {
			if !slices.Contains(old.Keys, name) {
				t.Fatalf("%v is within %v, but has the key %s", g, old, name)
			}
		}
		if usual := Default(); cmp.Or(g.Limits.Memory, usual.Memory) > cmp.Or(old.Limits.Memory, usual.Memory) ||
			cmp.Or(g.Limits.Requests, usual.Requests) > cmp.Or(old.Limits.Requests, usual.Requests) {
			t.Fatalf("%v is within %v, but has a higher limit", g, old)
		}
	})
}
