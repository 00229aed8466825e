package catalog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/trama-run/trama/host/flow"
	"github.com/trama-run/trama/host/source"
	"github.com/trama-run/trama/host/store"
)

// says gives what the current version of hello answers, and its number.
func says(c *Catalog) string {
	f, ok := c.Snapshot().Flows["hello"]
	if !ok {
		return "nothing"
	}
	text := fmt.Sprintf("v%d %v", f.Version, answer(f.Flow))
	if f.Rolled != nil {
		text += fmt.Sprintf(" from v%d", f.Rolled.From)
	}
	return text
}

func answer(f *flow.Flow) any {
	node, _ := f.Node("reply")
	return node.With.Get("body").Any()
}

func rollback(t *testing.T, c *Catalog, to int) {
	t.Helper()
	if _, err := c.Rollback(t.Context(), "hello", to); err != nil {
		t.Fatal(err)
	}
}

// TestRollback: a rollback holds, over readings of the same file and restarts,
// until the file or the API gives the flow another document.
func TestRollback(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	c := openCatalog(t, s)
	file := func(bodies ...string) func() {
		return func() {
			for _, body := range bodies {
				apply(t, c, Set{Flows: []*flow.Flow{hello(t, body)}}, false)
			}
		}
	}
	for _, step := range []struct {
		name string
		do   func()
		want string
	}{
		{"three versions", file("one", "two", "three"), "v3 three"},
		{"back by one", func() { rollback(t, c, 0) }, "v2 two from v3"},
		{"the same file again", file("three"), "v2 two from v3"},
		{"a broken file", func() { apply(t, c, Set{Broken: []string{"flows/hello.yaml"}}, false) }, "v2 two from v3"},
		{"the file, with the flow further down", func() {
			f := hello(t, "three")
			f.At.Line = 9
			apply(t, c, Set{Flows: []*flow.Flow{f}}, false)
		}, "v2 two from v3"},
		{"back by one more", func() { rollback(t, c, 0) }, "v1 one from v3"},
		{"a restart", func() {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = openStore(t, dir)
			c = openCatalog(t, s)
		}, "v1 one from v3"},
		{"the same file after it", file("three"), "v1 one from v3"},
		{"another document", file("four"), "v4 four"},
		{"back to a number", func() { rollback(t, c, 2) }, "v2 two from v4"},
		{"forward again", func() { rollback(t, c, 4) }, "v4 four"},
		{"to where it is", func() { rollback(t, c, 4) }, "v4 four"},
		{"back once more", func() { rollback(t, c, 3) }, "v3 three from v4"},
		{"the file agrees", file("three"), "v3 three"},
		{"the file is gone", func() { apply(t, c, Set{}, false) }, "nothing"},
		{"the API publishes", func() {
			if _, err := c.PutFlow(t.Context(), hello(t, "five")); err != nil {
				t.Fatal(err)
			}
		}, "v5 five"},
		{"back to what was a file's", func() { rollback(t, c, 1) }, "v1 one from v5"},
		{"the API publishes the last one again", func() {
			if _, err := c.PutFlow(t.Context(), hello(t, "five")); err != nil {
				t.Fatal(err)
			}
		}, "v5 five"},
	} {
		step.do()
		if got := says(c); got != step.want {
			t.Errorf("%s: %s, want %s", step.name, got, step.want)
		}
		if got := says(openCatalog(t, s)); got != step.want {
			t.Errorf("%s: the store has %s, want %s", step.name, got, step.want)
		}
	}
	for _, refused := range []struct {
		id   string
		to   int
		want error
	}{{"hello", 99, store.ErrNotFound}, {"other", 0, store.ErrNotFound}, {"hello", -1, store.ErrNotFound}} {
		if _, err := c.Rollback(t.Context(), refused.id, refused.to); !errors.Is(err, refused.want) {
			t.Errorf("rollback of %s to %d: %v, want %v", refused.id, refused.to, err, refused.want)
		}
	}
	rollback(t, c, 1)
	if _, err := c.Rollback(t.Context(), "hello", 0); !errors.Is(err, ErrFirst) {
		t.Errorf("back from the first: %v, want ErrFirst", err)
	}
}

func TestVersions(t *testing.T) {
	s := openStore(t, t.TempDir())
	c := openCatalog(t, s)
	clock := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	c.now = func() time.Time { clock = clock.Add(time.Minute); return clock }
	near := hello(t, "near") // its keys stand beside those of hello
	near.ID = "hello-2"
	apply(t, c, Set{Flows: []*flow.Flow{hello(t, "one"), near}}, false)
	apply(t, c, Set{Flows: []*flow.Flow{hello(t, "two"), near}}, false)
	apply(t, c, Set{}, false)
	if _, err := c.PutFlow(t.Context(), hello(t, "three")); err != nil {
		t.Fatal(err)
	}
	rollback(t, c, 2)
	// The first is from a time when nothing was kept beside it.
	if _, err := s.Commit(t.Context(), &store.Batch{Delete: []store.ID{{Kind: kindPublished, Key: versionKey("hello", 1)}}}); err != nil {
		t.Fatal(err)
	}
	list, err := c.Versions(t.Context(), "hello")
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, v := range list {
		lines = append(lines, fmt.Sprintf("%d %s %v %s", v.Number, v.Origin, v.Current, v.Published.Format(time.TimeOnly)))
		one, document, err := c.Document(t.Context(), "hello", v.Number)
		if err != nil || one != v {
			t.Errorf("version %d alone is %+v, %v; in the list %+v", v.Number, one, err, v)
		}
		f, err := flow.Parse("", document)
		if want := []string{"one", "two", "three"}[v.Number-1]; err != nil || answer(f) != want {
			t.Errorf("version %d: %v, %v, want %q", v.Number, f, err, want)
		}
	}
	want := "1  false 00:00:00; 2 flows/hello.yaml:2 true 03:07:05; 3 api false 03:08:05"
	if got := strings.Join(lines, "; "); got != want {
		t.Errorf("versions are\n%s, want\n%s", got, want)
	}
	if gone, err := c.Versions(t.Context(), "hello-2"); err != nil || len(gone) != 1 || gone[0].Current {
		t.Errorf("a removed flow's versions: %v, %v", gone, err)
	}
	if _, err := c.Versions(t.Context(), "hell"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("versions of no flow: %v", err)
	}
	if _, _, err := c.Document(t.Context(), "hello", 4); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a version that is not there: %v", err)
	}
}

// TestManyVersions: more than are in memory at a time.
func TestManyVersions(t *testing.T) {
	c := openCatalog(t, openStore(t, t.TempDir()))
	const many = 2*versionPage + 3
	for i := range many {
		if _, err := c.PutFlow(t.Context(), hello(t, fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	list, err := c.Versions(t.Context(), "hello")
	if err != nil || len(list) != many || list[many-1].Number != many || list[many-1].Origin.Kind != "api" {
		t.Errorf("%d versions, %v, want %d", len(list), err, many)
	}
}

// TestUnreadableVersion: a document that this Trama refuses holds back its own
// flow alone; a rollback and a new document both mend it.
func TestUnreadableVersion(t *testing.T) {
	for name, mend := range map[string]func(*Catalog) error{
		"rollback": func(c *Catalog) error { _, err := c.Rollback(t.Context(), "hello", 1); return err },
		"file": func(c *Catalog) error {
			_, err := c.Apply(t.Context(), Set{Flows: []*flow.Flow{hello(t, "one")}}, false)
			return err
		},
	} {
		s := openStore(t, t.TempDir())
		c := openCatalog(t, s)
		apply(t, c, Set{Flows: []*flow.Flow{hello(t, "one")}, Routes: []Route{route(1, "/a")}}, false)
		apply(t, c, Set{Flows: []*flow.Flow{hello(t, "two")}, Routes: []Route{route(1, "/a")}}, false)
		if _, err := s.Commit(t.Context(), &store.Batch{Put: []store.Put{{ID: store.ID{Kind: kindVersion, Key: versionKey("hello", 2)}, Value: []byte(`{"schema": 99}`)}}}); err != nil {
			t.Fatal(err)
		}
		c = openCatalog(t, s)
		now := c.Snapshot()
		if b := now.Broken["hello"]; b == nil || b.Version != 2 || len(now.Flows) != 0 || len(now.Routes) != 1 {
			t.Fatalf("broken: %v, %d flows, %d routes", b, len(now.Flows), len(now.Routes))
		}
		if _, err := c.Rollback(t.Context(), "hello", 2); err != nil {
			if _, ok := errors.AsType[*BrokenError](err); !ok {
				t.Errorf("rollback to what can't be read: %v", err)
			}
		}
		if err := mend(c); err != nil {
			t.Fatal(err)
		}
		if now := c.Snapshot(); len(now.Broken) != 0 || answer(now.Flows["hello"].Flow) != "one" {
			t.Errorf("after the %s: %s, broken %v", name, says(c), now.Broken)
		}
	}
}

// TestOtherWriting: a document that an older Trama stored in another way is no
// new version.
func TestOtherWriting(t *testing.T) {
	s := openStore(t, t.TempDir())
	c := openCatalog(t, s)
	set := Set{Flows: []*flow.Flow{hello(t, "one")}}
	apply(t, c, set, false)
	_, document, err := c.Document(t.Context(), "hello", 1)
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(document, &fields); err != nil {
		t.Fatal(err)
	}
	other, err := json.MarshalIndent(fields, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Commit(t.Context(), &store.Batch{Put: []store.Put{{ID: store.ID{Kind: kindVersion, Key: versionKey("hello", 1)}, Value: other}}}); err != nil {
		t.Fatal(err)
	}
	c = openCatalog(t, s)
	if got := apply(t, c, set, false) + says(c); got != "v1 one" {
		t.Errorf("got %s, want v1", got)
	}
}

func TestPutFlows(t *testing.T) {
	c := openCatalog(t, openStore(t, t.TempDir()))
	many := make([]*flow.Flow, maxPublished+1)
	for i := range many {
		f := *hello(t, "x")
		f.ID = fmt.Sprintf("hello-%d", i)
		many[i] = &f
	}
	for name, flows := range map[string][]*flow.Flow{"too many": many, "twice": {hello(t, "one"), hello(t, "two")}} {
		_, err := c.PutFlows(t.Context(), flows)
		if _, ok := errors.AsType[source.Problems](err); !ok || len(c.Snapshot().Flows) != 0 {
			t.Errorf("%s: %v, and %d flows are published", name, err, len(c.Snapshot().Flows))
		}
	}
	if changes, err := c.PutFlows(t.Context(), many[1:]); err != nil || len(changes) != maxPublished || changes[0].Version != 1 {
		t.Errorf("%d changes, %v", len(changes), err)
	}
	apply(t, c, Set{Flows: []*flow.Flow{hello(t, "one")}}, false)
	many[1].Title = "other"
	if _, err := c.PutFlows(t.Context(), []*flow.Flow{many[1], hello(t, "two")}); err == nil || c.Snapshot().Flows["hello-1"].Version != 1 {
		t.Errorf("one of two is a file's: %v, and hello-1 is at version %d", err, c.Snapshot().Flows["hello-1"].Version)
	}
}

// TestPublishUnderLoad: many publish two flows together and roll a third back
// and forth while others read. Every snapshot is whole, no publication is lost,
// and no version is overwritten.
func TestPublishUnderLoad(t *testing.T) {
	s := openStore(t, t.TempDir())
	c := openCatalog(t, s)
	ids := []string{"hello-a", "hello-b"}
	titled := func(id, title string) *flow.Flow {
		f := *hello(t, "x")
		f.ID, f.Title = id, title
		return &f
	}
	for _, title := range []string{"first", "second"} {
		if _, err := c.PutFlow(t.Context(), titled("hello-r", title)); err != nil {
			t.Fatal(err)
		}
	}
	const writers, each = 4, 12
	var stop atomic.Bool
	var numbers sync.Map // "<flow>/<version>" -> title
	see := func(now *Snapshot) {
		a, b := now.Flows[ids[0]], now.Flows[ids[1]]
		if a.Flow != nil && (b.Flow == nil || a.Flow.Title != b.Flow.Title) {
			t.Errorf("%s is at %q, its pair at %+v", ids[0], a.Flow.Title, b)
		}
		for id, f := range now.Flows {
			if f.Program == nil || f.Flow.ID != id {
				t.Errorf("%s v%d is not whole", id, f.Version)
				continue
			}
			if was, seen := numbers.LoadOrStore(fmt.Sprintf("%s/%d", id, f.Version), f.Flow.Title); seen && was != f.Flow.Title {
				t.Errorf("%s v%d was %q, and is %q", id, f.Version, was, f.Flow.Title)
			}
		}
		if r := now.Flows["hello-r"]; (r.Rolled != nil) != (r.Version == 1) {
			t.Errorf("hello-r is at version %d, rolled back: %v", r.Version, r.Rolled)
		}
	}
	var readers, all sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for !stop.Load() {
				see(c.Snapshot())
				runtime.Gosched()
			}
		})
	}
	for w := range writers {
		all.Go(func() {
			for i := range each {
				title := fmt.Sprintf("%d-%d", w, i)
				if _, err := c.PutFlows(context.Background(), []*flow.Flow{titled(ids[0], title), titled(ids[1], title)}); err != nil {
					t.Error(err)
				}
				if _, err := c.Rollback(context.Background(), "hello-r", 1+(w+i)%2); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	stop.Store(true)
	readers.Wait()
	for _, id := range ids {
		list, err := c.Versions(t.Context(), id)
		if err != nil || len(list) != writers*each {
			t.Fatalf("%s has %d versions, %v, want %d", id, len(list), err, writers*each)
		}
		titles := map[string]bool{}
		for i, v := range list {
			_, document, err := c.Document(t.Context(), id, v.Number)
			if err != nil {
				t.Fatal(err)
			}
			f, err := flow.Parse("", document)
			if err != nil {
				t.Fatal(err)
			}
			if seen, ok := numbers.Load(fmt.Sprintf("%s/%d", id, v.Number)); ok && seen != f.Title || v.Number != i+1 {
				t.Errorf("%s v%d holds %q, readers saw %q", id, v.Number, f.Title, seen)
			}
			titles[f.Title] = true
		}
		if len(titles) != writers*each {
			t.Errorf("%s: %d publications are left of %d", id, len(titles), writers*each)
		}
	}
	see(openCatalog(t, s).Snapshot())
}
