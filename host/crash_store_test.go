package host_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"sync/atomic"
	"time"

	"github.com/trama-run/trama/host/simulation"
	"github.com/trama-run/trama/host/store"
)

// childStore says how the store of a child differs from the one on disk. The
// zero value: in nothing.
type childStore struct {
	// Point is one of simulation.Points: at the Count-th commit there the child
	// kills itself, by When before, during or after it.
	Point string
	When  string
	Count int64
	// Mutant is the name of one of simulation.Mutants.
	Mutant string
	// Watch lets the child print quietLine when the store has no more work.
	Watch bool
}

// quietLine is what a child prints once its store has no more work.
const quietLine = "quiet"

// moments are when a child kills itself at a commit.
var moments = [...]string{"before", "during", "after"}

func (c childStore) wrap(s store.Store) store.Store {
	if c.Watch {
		go tellQuiet(s)
	}
	if c.Point != "" {
		s = &deadly{Store: s, plan: c}
	}
	for _, m := range simulation.Mutants() {
		if m.Name == c.Mutant {
			s = m.Wrap(s)
		}
	}
	return s
}

// tellQuiet says when a store has no more work.
func tellQuiet(s store.Store) {
	for {
		time.Sleep(200 * time.Millisecond)
		if quiet, err := simulation.Quiet(context.Background(), s); err == nil && quiet {
			fmt.Println(quietLine)
			return
		}
	}
}

// deadly is a store at which the process ends.
type deadly struct {
	store.Store
	plan  childStore
	count atomic.Int64
}

func (d *deadly) Commit(ctx context.Context, b *store.Batch) (store.Result, error) {
	if simulation.Point(b) != d.plan.Point || d.count.Add(1) != d.plan.Count {
		return d.Store.Commit(ctx, b)
	}
	switch d.plan.When {
	case "during":
		go d.Store.Commit(ctx, b) //nolint:errcheck // nobody lives to see it
		time.Sleep(time.Duration(rand.IntN(1500)) * time.Microsecond)
	case "after":
		if _, err := d.Store.Commit(ctx, b); err != nil {
			return store.Result{}, err
		}
	}
	self, err := os.FindProcess(os.Getpid())
	if err == nil {
		err = self.Kill()
	}
	if err != nil {
		panic(err)
	}
	select {} // until the signal is here
}
