package catalog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/trama-run/trama/host/flow"
	"github.com/trama-run/trama/host/grant"
	"github.com/trama-run/trama/host/source"
	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/host/store/badger"
)

// openStore opens a real store; the directory stays for a second opening.
func openStore(t *testing.T, dir string) store.Store {
	t.Helper()
	s, err := badger.Open(badger.Config{Dir: dir, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() }) // a second close does nothing
	return s
}

func openCatalog(t *testing.T, s store.Store) *Catalog {
	t.Helper()
	c, err := Open(t.Context(), s, func(*Snapshot) {})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// hello is a flow whose answer tells its versions apart.
func hello(t *testing.T, body string) *flow.Flow {
	t.Helper()
	f, err := flow.Parse("flows/hello.yaml", fmt.Appendf(nil, `
schema: 1
id: hello
triggers: [{id: start, type: gateway}]
nodes: [{id: reply, type: response.json, with: {body: %q}}]
edges: [{from: start, to: reply}]
`, body))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func route(line int, path string) Route {
	return Route{At: source.Place{File: "routes.yaml", Line: line}, Method: "GET", Path: path, Flow: "hello"}
}

func someGrant(line int, memory grant.Size) Grant {
	return Grant{At: source.Place{File: "grants.yaml", Line: line}, Grant: grant.Grant{Plugin: "acme", Of: "bundled", Limits: grant.Limits{Memory: memory}}}
}

// apply applies a set and returns what it did, one word a change.
func apply(t *testing.T, c *Catalog, set Set, allowWider bool) string {
	t.Helper()
	changes, err := c.Apply(t.Context(), set, allowWider)
	if err != nil {
		t.Fatal(err)
	}
	var words []string
	for _, ch := range changes {
		words = append(words, ch.Action+" "+ch.Object)
	}
	return strings.Join(words, ", ")
}

func TestApply(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	c := openCatalog(t, s)
	set := Set{Flows: []*flow.Flow{hello(t, "one")}, Routes: []Route{route(1, "/a"), route(2, "/b")}, Grants: []Grant{someGrant(1, grant.MiB)}}
	for _, step := range []struct {
		name   string
		change func()
		want   string
	}{
		{"everything is new", func() {}, "created flow/hello, created grant/acme bundled, created route/GET /a, created route/GET /b"},
		{"the same again", func() {}, ""},
		{"a new version of a flow", func() { set.Flows = []*flow.Flow{hello(t, "two")} }, "updated flow/hello"},
		{"a route moved in its file", func() { set.Routes = []Route{route(7, "/a"), route(8, "/b")} }, ""},
		{"a route taken out", func() { set.Routes = set.Routes[:1] }, "removed route/GET /b"},
		{"a broken file keeps its objects", func() { set.Routes, set.Broken = nil, []string{"routes.yaml"} }, ""},
		{"a mended file", func() { set.Broken = nil }, "removed route/GET /a"},
	} {
		step.change()
		if got := apply(t, c, set, true); got != step.want {
			t.Errorf("%s: %q, want %q", step.name, got, step.want)
		}
	}
	if v := c.Snapshot().Flows["hello"].Version; v != 2 {
		t.Errorf("hello is at version %d, want 2", v)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	reopened := openCatalog(t, openStore(t, dir))
	if got := apply(t, reopened, set, false); got != "" {
		t.Errorf("after a restart the same files did %q, want nothing", got)
	}
	for version, want := range map[int]string{1: "one", 2: "two"} {
		p, err := reopened.Program(t.Context(), "hello", version)
		if err != nil {
			t.Fatal(err)
		}
		node, _ := p.Flow().Node("reply")
		if got := node.With.Get("body").Any(); got != want {
			t.Errorf("version %d answers %v, want %q", version, got, want)
		}
	}
}

func TestWiderGrantsWait(t *testing.T) {
	c := openCatalog(t, openStore(t, t.TempDir()))
	if got := apply(t, c, Set{Grants: []Grant{someGrant(1, grant.MiB)}}, false); got != "widened grant/acme bundled" {
		t.Errorf("a new grant: %q", got)
	}
	if n := len(c.Snapshot().Grants); n != 0 {
		t.Fatalf("%d grants hold, want none before it is confirmed", n)
	}
	apply(t, c, Set{Grants: []Grant{someGrant(1, grant.MiB)}}, true)
	if got := apply(t, c, Set{Grants: []Grant{someGrant(1, 2*grant.MiB)}}, false); got != "widened grant/acme bundled" {
		t.Errorf("a wider grant: %q", got)
	}
	if got := c.Snapshot().Grants[0].Limits.Memory; got != grant.MiB {
		t.Errorf("memory %s holds, want the confirmed 1MiB", got)
	}
	if got := apply(t, c, Set{Grants: []Grant{someGrant(1, grant.KiB)}}, false); got != "updated grant/acme bundled" {
		t.Errorf("a narrower grant needs no confirmation: %q", got)
	}
	if got := c.Snapshot().Grants[0].Limits.Memory; got != grant.KiB {
		t.Errorf("memory %s holds, want the narrower 1KiB", got)
	}
	mixed := someGrant(1, 2*grant.MiB)
	mixed.Egress = []string{"https://b.com"}
	before := someGrant(1, grant.MiB)
	before.Egress = []string{"https://a.com", "https://b.com"}
	apply(t, c, Set{Grants: []Grant{before}}, true)
	for i, want := range []string{"updated grant/acme bundled, widened grant/acme bundled", "widened grant/acme bundled"} {
		if got := apply(t, c, Set{Grants: []Grant{mixed}}, false); got != want {
			t.Errorf("reading %d of what both widens and narrows: %q, want %q", i+1, got, want)
		}
		if got := c.Snapshot().Grants[0]; got.Limits.Memory != grant.MiB || !slices.Equal(got.Egress, []string{"https://b.com"}) {
			t.Errorf("reading %d: %s holds, want what is in both", i+1, got)
		}
	}
	if got := apply(t, c, Set{Grants: []Grant{mixed}}, true); got != "updated grant/acme bundled" {
		t.Errorf("confirmed: %q", got)
	}
	if got := apply(t, c, Set{}, false); got != "removed grant/acme bundled" {
		t.Errorf("a grant taken out needs no confirmation: %q", got)
	}
}

func TestOriginsKeepApart(t *testing.T) {
	c := openCatalog(t, openStore(t, t.TempDir()))
	apply(t, c, Set{Flows: []*flow.Flow{hello(t, "one")}}, true)
	_, err := c.PutFlow(t.Context(), hello(t, "two"))
	owned, ok := errors.AsType[*FileError](err)
	if !ok || owned.Origin.File != "flows/hello.yaml" || owned.Origin.Line == 0 {
		t.Fatalf("an API edit of a file's flow: %v, want the file and line", err)
	}
	grants, _ := KindOf("grant")
	if _, err := c.Put(t.Context(), grants, "", []byte("{plugin: acme, of: bundled}")); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Apply(t.Context(), Set{Flows: []*flow.Flow{hello(t, "one")}, Grants: []Grant{someGrant(3, 0)}}, true); err == nil || !strings.Contains(err.Error(), "grants.yaml:3") {
		t.Errorf("a file's grant over the API's: %v, want a refusal with the place", err)
	}
	if got := apply(t, c, Set{}, true); got != "removed flow/hello" {
		t.Errorf("an empty workspace did %q; the API's grant must stay", got)
	}
	if _, err := c.Remove(t.Context(), "grant", "acme bundled"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Remove(t.Context(), "grant", "acme bundled"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("removing it again: %v, want not found", err)
	}
}

func TestTwoOfOneName(t *testing.T) {
	c := openCatalog(t, openStore(t, t.TempDir()))
	_, err := c.Apply(t.Context(), Set{Routes: []Route{route(1, "/a"), route(2, "/a")}}, true)
	problems, ok := errors.AsType[source.Problems](err)
	if !ok || len(problems) != 1 || problems[0].Line != 2 || !strings.Contains(problems[0].Message, "routes.yaml:1") {
		t.Fatalf("got %v, want the second place, naming the first", err)
	}
	if len(c.Snapshot().Routes) != 0 {
		t.Error("half of the set was applied")
	}
}

// TestChangesAtOnce hammers the catalog: no publish is lost, and every
// snapshot that a reader sees is whole.
func TestChangesAtOnce(t *testing.T) {
	c := openCatalog(t, openStore(t, t.TempDir()))
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			f := hello(t, "x")
			f.ID = fmt.Sprintf("hello-%d", i)
			for v := range 5 {
				f.Title = fmt.Sprint(v)
				if _, err := c.PutFlow(context.Background(), f); err != nil {
					t.Error(err)
				}
				if got := c.Snapshot().Flows[f.ID]; got.Version != v+1 || got.Program == nil {
					t.Errorf("%s: version %d after %d publishes", f.ID, got.Version, v+1)
				}
			}
		})
	}
	all.Wait()
	if n := len(c.Snapshot().Flows); n != 8 {
		t.Errorf("%d flows, want 8", n)
	}
}
