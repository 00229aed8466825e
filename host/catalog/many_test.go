package catalog

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/trama-run/trama/host/grant"
	"github.com/trama-run/trama/host/store"
)

// many is a set of more than one commit takes.
func many(t *testing.T, body string) Set {
	t.Helper()
	set := Set{Grants: []Grant{someGrant(1, grant.MiB)}}
	for i := range 600 {
		f := *hello(t, body)
		f.ID = fmt.Sprintf("hello-%d", i)
		set.Flows = append(set.Flows, &f)
		set.Routes = append(set.Routes, route(i+1, fmt.Sprintf("/%s/%d", body, i)))
	}
	return set
}

// failing is a store that fails at one of its commits.
type failing struct {
	store.Store
	left int
}

var errFull = errors.New("no more for now")

func (f *failing) Commit(ctx context.Context, b *store.Batch) (store.Result, error) {
	if f.left--; f.left == 0 {
		return store.Result{}, errFull
	}
	return f.Store.Commit(ctx, b)
}

// TestMany: sets that no one commit takes are applied, and one that stopped in
// the middle is ended by the next, in this process or another.
func TestMany(t *testing.T) {
	s := &failing{Store: openStore(t, t.TempDir())}
	c := openCatalog(t, s)
	check := func(c *Catalog, version int) {
		t.Helper()
		now := c.Snapshot()
		if len(now.Flows) != 600 || len(now.Routes) != 600 || len(now.Grants) != 1 {
			t.Fatalf("%d flows, %d routes, %d grants", len(now.Flows), len(now.Routes), len(now.Grants))
		}
		for id, f := range now.Flows {
			if f.Version != version || f.Program == nil {
				t.Fatalf("%s is at version %d, want %d", id, f.Version, version)
			}
		}
	}
	if _, err := c.Apply(t.Context(), many(t, "one"), true); err != nil {
		t.Fatal(err)
	}
	check(c, 1)
	check(openCatalog(t, s), 1)

	two := many(t, "two")
	s.left = 3
	if _, err := c.Apply(t.Context(), two, true); !errors.Is(err, errFull) {
		t.Fatalf("got %v, want the store's error", err)
	}
	inStore := openCatalog(t, s)
	if a, b := len(c.Snapshot().Routes), len(inStore.Snapshot().Routes); a != b {
		t.Errorf("after a failure the catalog has %d routes, the store %d", a, b)
	}
	if _, err := inStore.Apply(t.Context(), two, true); err != nil {
		t.Fatal(err)
	}
	if n := len(inStore.Snapshot().Routes); n != 600 {
		t.Errorf("%d routes, want 600", n)
	}
	if got := apply(t, openCatalog(t, s), two, false); got != "" {
		t.Errorf("applied again: %q, want nothing", got)
	}
}
