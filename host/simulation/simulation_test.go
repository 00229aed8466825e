package simulation

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/contact"
	"github.com/trama-run/trama/host/store/memory"
	"github.com/trama-run/trama/host/workspace"
	"github.com/trama-run/trama/pdk/abi"
)

var (
	oneSeed = flag.Uint64("seed", 0, "play this seed alone, and tell what happens")
	seeds   = flag.Uint64("seeds", 300, "how many seeds are played")
)

// terms are those of all seeds: work that failed is tried again after a minute
// at most.
var terms = Terms{Beat: 40 * time.Second, Slack: 80 * time.Second}

// longest is how long, by the virtual clock, work may take to end.
const longest = 8 * time.Hour

// prepare makes the catalogs, which all worlds share: of the flows as they are
// at first, of their next versions, and of those without schedules.
func prepare(t testing.TB) []*catalog.Catalog {
	t.Helper()
	first, err := Flows(terms.Beat)
	if err != nil {
		t.Fatal(err)
	}
	second := next(first)
	last := maps.Clone(second)
	delete(last, PathTick)
	editions := []map[string][]byte{first, second, last}
	var catalogs []*catalog.Catalog
	for n := range editions {
		c, err := catalog.Open(t.Context(), memory.Open(memory.NewDisk(), nil), func(*catalog.Snapshot) {})
		if err != nil {
			t.Fatal(err)
		}
		for _, files := range editions[:n+1] {
			files["channels.yaml"] = []byte("- {id: post, adapter: post, connection: peer}\n- {id: loud, adapter: post, connection: peer}\n" + Hooks)
			files["connections.yaml"] = []byte("- {id: peer, base_url: \"http://127.0.0.1:1\"}\n")
			set, problems := workspace.Parse(files)
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			if _, err := c.Apply(t.Context(), set, true); err != nil {
				t.Fatal(err)
			}
		}
		catalogs = append(catalogs, c)
	}
	return catalogs
}

// play plays a seed and gives what was wrong, and what happened.
func play(t *testing.T, editions []*catalog.Catalog, seed uint64, mutant *Mutant) (problems []string, events []Event) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{seed: seed, mutant: mutant, editions: editions, disk: memory.NewDisk(), history: NewHistory(time.Now), asked: map[string]uint64{}}
		random := rand.New(rand.NewPCG(seed, 1))
		level := func(most float64) float64 { // often none at all
			if random.IntN(3) == 0 {
				return 0
			}
			return random.Float64() * most
		}
		w.odds = odds{
			crash: level(0.04), unknown: level(0.02), conflict: level(0.03), noSpace: level(0.03), stuck: level(0.005), read: level(0.01),
			cut: level(0.08), busy: level(0.3), lost: level(0.1), refused: level(0.05),
		}
		var writers []func()
		for n := range 2 + random.IntN(3) {
			channelID, person := "post", fmt.Sprint("p", n)
			if n == 2 {
				channelID = "loud"
			}
			own := rand.New(rand.NewPCG(seed, uint64(10+n)))
			w.people = append(w.people, string(contact.KeyOf(channelID, abi.Address{Scheme: "post", Path: person})))
			writers = append(writers, func() { w.write(channelID, person, own) })
		}
		w.publish(0, true)
		end, ended := make(chan struct{}), make(chan struct{})
		go func() { w.live(end); close(ended) }()
		for _, write := range writers {
			w.clients.Go(write)
		}
		w.clients.Go(func() { w.call(rand.New(rand.NewPCG(seed, 2))) })
		for n, who := range w.people {
			w.clients.Go(func() { w.attend(who, rand.New(rand.NewPCG(seed, uint64(20+n)))) })
		}
		w.clients.Go(func() { w.migrate(rand.New(rand.NewPCG(seed, 4))) })
		w.clients.Go(func() { w.trouble(rand.New(rand.NewPCG(seed, 3))) })
		time.Sleep(4 * time.Minute)
		w.quiet.Store(true)
		w.clients.Wait()
		w.until("a process", func(context.Context, *life) bool { return true })
		w.publish(2, false)
		for began, pause := time.Now(), time.Second; time.Since(began) < longest; {
			time.Sleep(pause)
			pause = min(pause*2, 10*time.Minute)
			l := w.up()
			if l == nil {
				continue
			}
			if quiet, err := Quiet(context.Background(), l.store); err == nil && quiet && w.telling.Load() == 0 {
				break
			}
		}
		close(end)
		<-ended
		w.over.Store(true)
		final, err := Look(context.Background(), memory.Open(w.disk, nil), w.people)
		if err != nil {
			t.Fatal(err)
		}
		events = w.history.Events()
		problems = Check(events, final, terms)
	})
	return problems, events
}

// tell prints a history.
func tell(t *testing.T, events []Event) {
	t.Helper()
	var b strings.Builder
	for _, e := range events {
		fmt.Fprintf(&b, "%s %-8s %s %s %s %s %.8s %v\n", e.At.Format("15:04:05.000000"), e.What, e.Name, e.Word, e.Contact, e.Text, e.Effect, e.Good)
	}
	t.Log("\n" + b.String())
}

// eachSeed plays seeds on all processors until done says so.
func eachSeed(t *testing.T, from, to uint64, play func(seed uint64) (more bool)) {
	t.Helper()
	var next atomic.Uint64
	next.Store(from)
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for seed := next.Add(1) - 1; seed <= to && play(seed); seed = next.Add(1) - 1 {
			}
		})
	}
	workers.Wait()
}

// TestPromises plays seeds: no promise is broken in any.
func TestPromises(t *testing.T) {
	c := prepare(t)
	first, last := uint64(1), *seeds
	if *oneSeed != 0 {
		first, last = *oneSeed, *oneSeed
	}
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	var mu sync.Mutex
	began, failed, count := time.Now(), 0, map[string]int{}
	eachSeed(t, first, last, func(seed uint64) bool {
		problems, events := play(t, c, seed, nil)
		mu.Lock()
		defer mu.Unlock()
		for _, e := range events {
			count[e.What]++
		}
		if *oneSeed != 0 {
			tell(t, events)
		}
		if len(problems) > 0 {
			failed++
			t.Errorf("seed %d (again with: go test ./host/simulation -run TestPromises -seed %d):\n  %s", seed, seed, strings.Join(problems, "\n  "))
		}
		return failed < 5
	})
	t.Logf("%d seeds, %.0f a second: %v", last-first+1, float64(last-first+1)/time.Since(began).Seconds(), count)
}

// TestSameSeedSameHistory: a seed that fails can be played again.
func TestSameSeedSameHistory(t *testing.T) {
	c := prepare(t)
	for seed := range uint64(20) {
		_, first := play(t, c, seed, nil)
		_, again := play(t, c, seed, nil)
		if !slices.Equal(first, again) {
			for i := range min(len(first), len(again)) {
				if first[i] != again[i] {
					t.Fatalf("seed %d, event %d:\n  %+v\n  %+v", seed, i, first[i], again[i])
				}
			}
			t.Fatalf("seed %d: %d and %d events", seed, len(first), len(again))
		}
	}
}

// TestMutants: the checker catches each store that breaks a promise, by the rule
// that is of the promise.
func TestMutants(t *testing.T) {
	c := prepare(t)
	for _, m := range append(Mutants(), operated()...) {
		t.Run(m.Name, func(t *testing.T) {
			for seed := uint64(1); seed <= 500; seed++ {
				problems, _ := play(t, c, seed, &m)
				if i := slices.IndexFunc(problems, func(p string) bool { return strings.HasPrefix(p, m.Rule+":") }); i >= 0 {
					t.Logf("caught with seed %d: %.300s", seed, problems[i])
					return
				}
			}
			t.Errorf("not caught by the rule %q with 500 seeds", m.Rule)
		})
	}
}
