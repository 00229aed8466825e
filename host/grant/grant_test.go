package grant

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
	"pgregory.net/rapid"

	"github.com/trama-run/trama/pdk/abi"
)

var digest = strings.Repeat("9f", 32)

// The secrets of a channel adapter are named by its channels: any that are
// given will do.
func TestChannelSecrets(t *testing.T) {
	m := abi.Manifest{Name: "chat", Kind: abi.KindChannel, Capabilities: abi.Capabilities{Secrets: []abi.SecretRequest{{Name: "bot_token"}, {Name: "hook"}}}}
	for _, test := range []struct {
		kind    abi.Kind
		secrets []string
		want    Status
	}{
		{abi.KindChannel, []string{"sales_token", "sales_hook"}, Granted},
		{abi.KindChannel, []string{"bot_token", "hook"}, Granted},
		{abi.KindChannel, nil, Pending},
		{abi.KindConnector, []string{"sales_token", "sales_hook"}, Pending},
	} {
		m.Kind = test.kind
		d := Decide(m, Content{Digest: digest, Bundled: true}, []Grant{{Plugin: "chat", Of: OfBundled, Secrets: test.secrets}})
		if d.Status != test.want || d.Status == Granted && !slices.Equal(d.Grant.Secrets, test.secrets) {
			t.Errorf("%s with %q: %+v", test.kind, test.secrets, d)
		}
		if said := strings.Contains(d.Remedy, "those that channels.yaml gives"); d.Status == Pending && said != (test.kind == abi.KindChannel) {
			t.Errorf("%s: remedy %q", test.kind, d.Remedy)
		}
	}
}

func TestSize(t *testing.T) {
	for text, want := range map[string]Size{
		"64MiB": 64 * MiB, "1KiB": KiB, "2 GiB": 2 * GiB, "4096": 4096, "100B": 100, "0": 0,
	} {
		var s Size
		if err := s.UnmarshalText([]byte(text)); err != nil || s != want {
			t.Errorf("%s: %d, %v", text, s, err)
		}
	}
	for _, text := range []string{"", "MiB", "64MB", "64mb", "-1", "1.5MiB", "1e6", "64MiBB", "99999999999GiB", "0x10"} {
		s := Size(7)
		if err := s.UnmarshalText([]byte(text)); err == nil || s != 7 {
			t.Errorf("%q was taken as %d, %v", text, s, err)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		want := Size(rapid.Int64Range(0, 1<<40).Draw(t, "n"))
		text, _ := want.MarshalText()
		var got Size
		if err := got.UnmarshalText(text); err != nil || got != want {
			t.Fatalf("%d is written %s and read %d, %v", want, text, got, err)
		}
	})
}

func TestGrantJSON(t *testing.T) {
	document := `{"plugin":"acme","of":"sha256:` + digest + `","egress":["https://api.acme.com"],"keys":["orders"],"limits":{"memory":"64MiB","time":"10s"}}`
	var g Grant
	if err := json.Unmarshal([]byte(document), &g); err != nil {
		t.Fatal(err)
	}
	if g.Limits.Memory != 64*MiB || g.Limits.Time != Duration(10*time.Second) {
		t.Fatalf("limits are %+v", g.Limits)
	}
	again, err := json.Marshal(g)
	if err != nil || string(again) != document {
		t.Fatalf("got %s, %v", again, err)
	}
	if problems := g.Validate(); len(problems) > 0 {
		t.Fatal(problems)
	}
}

// many gives so many settings.
func many(n int) map[string]string {
	settings := map[string]string{}
	for i := range n {
		settings[strings.Repeat("k", i+1)] = ""
	}
	return settings
}

func TestValidate(t *testing.T) {
	cases := map[string]struct {
		change func(*Grant)
		want   string
	}{
		"name":       {func(g *Grant) { g.Plugin = "Acme" }, "plugin"},
		"no of":      {func(g *Grant) { g.Of = "" }, "of"},
		"short":      {func(g *Grant) { g.Of = "sha256:9f2c" }, "of"},
		"upper case": {func(g *Grant) { g.Of = "sha256:" + strings.ToUpper(digest) }, "of"},
		"no prefix":  {func(g *Grant) { g.Of = digest }, "of"},
		"no signer":  {func(g *Grant) { g.Of = "signer:" }, "the name of a key in trusted_keys"},
		"signer":     {func(g *Grant) { g.Of = "signer:Acme Inc." }, "the name of a key in trusted_keys"},
		"star":       {func(g *Grant) { g.Egress = []string{"*"} }, "whole Internet"},
		"path":       {func(g *Grant) { g.Egress = []string{"https://a.example.com/x"} }, "after the host"},
		"user":       {func(g *Grant) { g.Egress = []string{"https://u:p@a.example.com"} }, "user name"},
		"secret":     {func(g *Grant) { g.Secrets = []string{"../etc/passwd"} }, "secrets"},
		"key":        {func(g *Grant) { g.Keys = []string{"A"} }, "keys"},
		"memory":     {func(g *Grant) { g.Limits.Memory = GiB }, "ceiling of 512MiB"},
		"time":       {func(g *Grant) { g.Limits.Time = Duration(2 * time.Minute) }, "ceiling of 1m0s"},
		"requests":   {func(g *Grant) { g.Limits.Requests = 257 }, "ceiling of 256"},
		"negative":   {func(g *Grant) { g.Limits.Requests = -1 }, "negative"},
		"setting":    {func(g *Grant) { g.Config = map[string]string{"a\nb": "1"} }, "not a setting's name"},
		"no name":    {func(g *Grant) { g.Config = map[string]string{"": "1"} }, "not a setting's name"},
		"settings":   {func(g *Grant) { g.Config = many(maxSettings + 1) }, "put what belongs together"},
		"long":       {func(g *Grant) { g.Config = map[string]string{"a": strings.Repeat("x", int(maxSettingBytes))} }, "over the limit of 64KiB"},
	}
	for name, c := range cases {
		g := Grant{Plugin: "acme", Of: OfBundled, Egress: []string{"connection", "http://erp:8080"}, Limits: Ceiling()}
		if problems := g.Validate(); len(problems) > 0 {
			t.Fatal(problems)
		}
		c.change(&g)
		problems := g.Validate()
		if len(problems) != 1 || !strings.Contains(problems[0], c.want) {
			t.Errorf("%s: %q", name, problems)
		}
	}
}

// greedy asks for one of everything.
func greedy() abi.Manifest {
	return abi.Manifest{
		Name: "acme",
		Capabilities: abi.Capabilities{
			Egress: []string{"https://api.acme.com", "https://*.cdn.acme.com"}, Secrets: []abi.SecretRequest{{Name: "acme_token"}}, Sign: []string{abi.AlgRS256},
		},
		Limits: abi.Limits{MemoryBytes: 64 << 20, TimeMillis: 1000},
	}
}

func TestDecide(t *testing.T) {
	full := Grant{
		Plugin: "acme", Of: "sha256:" + digest, Egress: []string{"https://*.acme.com"},
		Secrets: []string{"acme_token", "acme_hook"}, Keys: []string{"orders"}, Limits: Limits{Memory: 64 * MiB},
	}
	with := func(change func(*Grant)) []Grant {
		g := full
		change(&g)
		return []Grant{g}
	}
	cases := []struct {
		name    string
		grants  []Grant
		bundled bool
		status  Status
		reason  string
	}{
		{"no grant", nil, false, Pending, "no grant"},
		{"no grant, bundled", nil, true, Pending, "no grant"},
		{"full", []Grant{full}, false, Granted, ""},
		{"of another plugin", with(func(g *Grant) { g.Plugin = "other" }), false, Pending, "no grant"},
		{"of another content", with(func(g *Grant) { g.Of = "sha256:" + strings.Repeat("0", 64) }), false, Pending, "was granted to another content"},
		{"bundled, of a foreign file", with(func(g *Grant) { g.Of = OfBundled }), false, Pending, "was granted to another content"},
		{"bundled", with(func(g *Grant) { g.Of = OfBundled }), true, Granted, ""},
		{"bundled, by digest", []Grant{full}, true, Granted, ""},
		{"one origin of two", with(func(g *Grant) { g.Egress = []string{"https://api.acme.com"} }), false, Pending, "egress https://*.cdn.acme.com"},
		{"narrower", with(func(g *Grant) { g.Egress = []string{"https://api.acme.com", "https://eu.cdn.acme.com"} }), false, Granted, ""},
		{"other scheme", with(func(g *Grant) { g.Egress = []string{"http://*.acme.com"} }), false, Pending, "egress https://api.acme.com"},
		{"connection in place of an origin", with(func(g *Grant) { g.Egress = []string{"connection"} }), false, Pending, "egress"},
		{"no secret", with(func(g *Grant) { g.Secrets = nil }), false, Pending, "secret acme_token"},
		{"no key", with(func(g *Grant) { g.Keys = nil }), false, Pending, "a key for RS256"},
		{"no memory", with(func(g *Grant) { g.Limits = Limits{} }), false, Pending, "limit memory 64MiB"},
		{"less memory", with(func(g *Grant) { g.Limits.Memory = 16 * MiB }), false, Granted, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			d := Decide(greedy(), Content{Digest: digest, Bundled: c.bundled}, c.grants)
			if d.Status != c.status || !strings.Contains(d.Reason, c.reason) {
				t.Fatalf("got %s, %q", d.Status, d.Reason)
			}
			if d.Status == Granted {
				return
			}
			if len(d.Missing) == 0 || d.Grant.Plugin != "" {
				t.Fatalf("pending with missing %q and grant %+v", d.Missing, d.Grant)
			}
			// What the remedy says, done, must be enough.
			line := lineOf(t, d.Remedy)
			if problems := line.Validate(); len(problems) > 0 {
				t.Fatalf("the remedy %q is not valid: %q", d.Remedy, problems)
			}
			if again := Decide(greedy(), Content{Digest: digest, Bundled: c.bundled}, []Grant{line}); again.Status != Granted {
				t.Fatalf("after the remedy %q: %s, %s", d.Remedy, again.Status, again.Reason)
			}
		})
	}
}

// lineOf reads the line of grants.yaml in a remedy.
func lineOf(t *testing.T, remedy string) Grant {
	t.Helper()
	_, line, ok := strings.Cut(remedy, "grants.yaml: ")
	var list []any
	if err := yaml.Unmarshal([]byte(line), &list); !ok || err != nil || len(list) != 1 {
		t.Fatalf("no line of grants.yaml in %q: %v", remedy, err)
	}
	data, err := json.Marshal(list[0])
	if err != nil {
		t.Fatal(err)
	}
	var g Grant
	if err := json.Unmarshal(data, &g); err != nil {
		t.Fatal(err)
	}
	return g
}

func TestDecideGivesTheIntersection(t *testing.T) {
	d := Decide(greedy(), Content{Digest: "sha256:" + digest}, []Grant{{
		Plugin: "acme", Of: "sha256:" + digest,
		Egress:  []string{"https://*.acme.com", "https://other.com", "https://eu.cdn.acme.com"},
		Secrets: []string{"acme_token", "acme_hook"}, Keys: []string{"orders"},
		Limits: Limits{Memory: 4 * GiB, Log: 1},
	}})
	want := []string{"https://api.acme.com", "https://*.cdn.acme.com", "https://eu.cdn.acme.com"}
	if d.Status != Granted || !slices.Equal(d.Grant.Egress, want) {
		t.Errorf("got %s, %q", d.Status, d.Grant.Egress)
	}
	if !slices.Equal(d.Grant.Secrets, []string{"acme_token", "acme_hook"}) || !slices.Equal(d.Grant.Keys, []string{"orders"}) {
		t.Errorf("got %+v", d.Grant)
	}
	limits := Default()
	limits.Memory, limits.Time, limits.Log = 512*MiB, Duration(time.Second), 1
	if d.Grant.Limits != limits {
		t.Errorf("limits are %+v, want %+v", d.Grant.Limits, limits)
	}
}

func TestDecideWithoutRequests(t *testing.T) {
	quiet := abi.Manifest{Name: "xml"}
	if d := Decide(quiet, Content{Digest: digest, Bundled: true}, nil); d.Status != Granted || d.Grant.Limits != Default() || d.Grant.Of != OfBundled {
		t.Errorf("bundled: %+v", d)
	}
	d := Decide(quiet, Content{Digest: digest}, nil)
	if want := `add to grants.yaml: - {plugin: xml, of: "sha256:` + digest + `"}`; d.Status != Pending || d.Remedy != want {
		t.Errorf("foreign: %s, %s", d.Status, d.Remedy)
	}
	// Keys that were not asked for are not given, nor origins.
	d = Decide(quiet, Content{Digest: digest, Bundled: true}, []Grant{{Plugin: "xml", Of: OfBundled, Keys: []string{"k"}, Egress: []string{"https://a.example.com", "connection"}}})
	if d.Status != Granted || len(d.Grant.Keys)+len(d.Grant.Egress) > 0 {
		t.Errorf("unasked: %+v", d)
	}
}

func TestDecideConnection(t *testing.T) {
	generic := abi.Manifest{Name: "http", Capabilities: abi.Capabilities{Egress: []string{abi.EgressConnection}}}
	for _, egress := range [][]string{{"connection"}, {"https://api.acme.com"}, {"connection", "https://api.acme.com"}} {
		d := Decide(generic, Content{Digest: digest, Bundled: true}, []Grant{{Plugin: "http", Of: OfBundled, Egress: egress}})
		if d.Status != Granted || !slices.Equal(d.Grant.Egress, egress) {
			t.Errorf("%q: %+v", egress, d)
		}
	}
	if d := Decide(generic, Content{Digest: digest, Bundled: true}, []Grant{{Plugin: "http", Of: OfBundled}}); d.Status != Pending {
		t.Errorf("%+v", d)
	}
}

// Whatever is asked and given, nothing holds that the operator did not give.
func TestDecideNeverWidens(t *testing.T) {
	origins := []string{"https://a.example.com", "https://b.example.com", "https://*.example.com", "https://*.b.example.com", "http://a.example.com", "connection"}
	some := rapid.SliceOfNDistinct(rapid.SampledFrom(origins), 0, 4, rapid.ID[string])
	rapid.Check(t, func(t *rapid.T) {
		requested, given := some.Draw(t, "requested"), some.Draw(t, "given")
		asked, gave := rapid.Int64Range(-1, 1<<33).Draw(t, "asked"), rapid.Int64Range(0, 1<<33).Draw(t, "gave")
		m := abi.Manifest{Name: "p", Capabilities: abi.Capabilities{Egress: requested}, Limits: abi.Limits{OutputBytes: asked}}
		d := Decide(m, Content{Digest: digest}, []Grant{{Plugin: "p", Of: "sha256:" + digest, Egress: given, Limits: Limits{Output: Size(gave)}}})
		if d.Status != Granted {
			return
		}
		for _, e := range d.Grant.Egress {
			if !slices.ContainsFunc(given, func(g string) bool { return g == e || covers(g, e) }) {
				t.Fatalf("%s holds, given was %q", e, given)
			}
			if !slices.ContainsFunc(requested, func(r string) bool { return r == e || r == "connection" || covers(r, e) }) {
				t.Fatalf("%s holds, requested was %q", e, requested)
			}
		}
		top := max(Default().Output, Size(gave))
		if d.Grant.Limits.Output <= 0 || d.Grant.Limits.Output > min(top, Ceiling().Output) {
			t.Fatalf("output is %s, given %d, asked %d", d.Grant.Limits.Output, gave, asked)
		}
	})
}

func covers(wide, narrow string) bool {
	w, errW := ParseOrigin(wide)
	n, errN := ParseOrigin(narrow)
	return errW == nil && errN == nil && w.Covers(n)
}
