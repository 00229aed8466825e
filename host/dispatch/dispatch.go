// Package dispatch runs the work of keys: whenever a key's wake is due, the
// handler for the key's prefix runs, one at a time for each key, with a bound
// on how many run at once. Those that wait for something outside stand aside
// meanwhile, so that a slow system holds nobody who has no business with it.
//
// Wakes live in the store, so work survives the process: what was due while
// it was down is due when it starts. Memory holds only the keys that run and
// the window of wakes that was read last. The package must not know what the
// work is.
package dispatch

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/trama-run/trama/host/store"
)

// Handler does the work of one key until there is none to do now, and returns
// the instant at which there is more (zero: none until someone sets a wake).
// It commits what it does itself. It is never run twice at once for one key.
//
// After an error the key is run again after a pause that grows with each
// failure in a row.
type Handler func(ctx context.Context, key string) (next time.Time, err error)

// Limits of a dispatcher.
const (
	maxRunning = 64               // keys of one prefix that run at once: slow work of one kind stops no other
	maxHeld    = 2000             // the same, with those that stand aside: memory is bounded by it
	window     = 4 * maxRunning   // wakes read at once, beside those of keys that run
	deepWindow = 32 * window      // wakes read at once where those of a full prefix may hide others
	deepPause  = time.Second / 5  // least time between two such reads
	deepShare  = 20               // of the time, that such reads of all wakes may take: one part in so many
	lateness   = 5 * time.Second  // how much later than for its instant a wake may be committed
	idlePoll   = time.Second      // longest sleep, for wakes that were set without Poke
	minPause   = time.Second      // pause after a key's first failure
	maxPause   = 1 * time.Minute  // longest pause between failures
	commitTime = 30 * time.Second // how long to wait in line to move a wake
)

// Failure is a key whose handler fails.
type Failure struct {
	Key    string
	InARow int       // tries
	Since  time.Time // the first of them
	Error  string    // of the last
	again  time.Time // when it is tried next
}

// Dispatcher owns the loop. Make one with New.
type Dispatcher struct {
	store    store.Store
	log      *slog.Logger
	now      func() time.Time
	handlers map[string]Handler
	poke     chan struct{}

	mu       sync.Mutex
	running  map[string]bool    // guarded by mu
	counts   map[string]count   // of running, by prefix; guarded by mu
	failures map[string]Failure // guarded by mu
	deep     deep               // of the loop alone
}

// count says how many keys of a prefix run, and how many of them stand aside.
type count struct{ running, aside int }

// deep is how far the wakes were read that stand behind those of a full prefix.
type deep struct {
	read  time.Time  // when it was done last
	anew  time.Time  // when it begins at the first wake again
	until store.Wake // the last one that was read
}

// New returns a dispatcher of the wakes in s. handlers are by prefix: the part
// of a key before its first colon.
func New(s store.Store, log *slog.Logger, handlers map[string]Handler) *Dispatcher {
	return &Dispatcher{
		store: s, log: log, now: time.Now, handlers: handlers,
		poke:    make(chan struct{}, 1),
		running: map[string]bool{}, counts: map[string]count{}, failures: map[string]Failure{},
	}
}

// Prefixes lists the prefixes of the keys that there are handlers for.
func (d *Dispatcher) Prefixes() []string { return slices.Sorted(maps.Keys(d.handlers)) }

// Poke tells the dispatcher that a wake was set for now or earlier. It is a
// hint that saves waiting; without it the wake is found within a second.
func (d *Dispatcher) Poke() {
	select {
	case d.poke <- struct{}{}:
	default: // one is waiting already
	}
}

// Run works until ctx ends. Then it waits for the handlers that run, no longer
// than grace, after which their context ends too.
func (d *Dispatcher) Run(ctx context.Context, grace time.Duration) error {
	var workers sync.WaitGroup
	work, end := context.WithCancel(context.WithoutCancel(ctx))
	defer func() {
		late := time.AfterFunc(grace, end)
		workers.Wait()
		late.Stop()
		end()
	}()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		sleep, err := d.start(work, &workers)
		if err != nil && ctx.Err() == nil {
			return fmt.Errorf("dispatch: read due wakes: %w", err)
		}
		timer.Reset(sleep)
		select {
		case <-ctx.Done():
			return nil
		case <-d.poke:
		case <-timer.C:
		}
	}
}

// start starts the handlers of due keys and returns how long nothing else can
// become due.
func (d *Dispatcher) start(ctx context.Context, workers *sync.WaitGroup) (time.Duration, error) {
	now := d.now()
	sleep, last, more, err := d.read(ctx, workers, store.Wake{}, now, window)
	if !more || err != nil {
		return sleep, err
	}
	// All that was read is due, and may be of prefixes that are full. Others are
	// looked for behind it, and next time behind that, since what comes later is
	// due later, by and large. What was passed over is looked at anew as often as
	// that is cheap.
	if wait := deepPause - now.Sub(d.deep.read); wait > 0 {
		return wait, nil
	}
	d.deep.read = now
	all := !now.Before(d.deep.anew)
	if all {
		d.deep.until = last
	}
	if near := now.Add(-lateness); d.deep.until.At.After(near) {
		d.deep.until = store.Wake{At: near}
	}
	began := time.Now()
	for more && err == nil {
		sleep, last, more, err = d.read(ctx, workers, d.deep.until, now, deepWindow)
		if last != (store.Wake{}) {
			d.deep.until = last
		}
	}
	if all {
		d.deep.anew = now.Add(deepShare * time.Since(began))
	}
	return min(sleep, deepPause), err
}

// read starts the handlers of the first keys that are due after a wake, and
// gives the last one that is. more says that there may be others behind it.
func (d *Dispatcher) read(ctx context.Context, workers *sync.WaitGroup, after store.Wake, now time.Time, most int) (sleep time.Duration, last store.Wake, more bool, err error) {
	busy := d.busy()
	most += len(busy) // their wakes stay until they are done
	wakes, err := d.store.Due(ctx, after, now.Add(idlePoll), most)
	if err != nil {
		return idlePoll, last, false, err
	}
	for _, wake := range wakes {
		if wake.At.After(now) {
			return wake.At.Sub(now), last, false, nil // in due order: the next one decides
		}
		last = wake
		// A key that ran while the wakes were read may be done with this one;
		// its end pokes, and what is left of it is found then.
		if busy[wake.Key] || !d.claim(wake.Key) {
			continue
		}
		workers.Go(func() { d.work(ctx, wake) })
	}
	return idlePoll, last, len(wakes) == most, nil
}

// prefixOf is the part of a key before its first colon.
func prefixOf(key string) string {
	prefix, _, _ := strings.Cut(key, ":")
	return prefix
}

// busy returns the keys that run.
func (d *Dispatcher) busy() map[string]bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return maps.Clone(d.running)
}

// claim marks a key as running, unless it runs or too many of its prefix do.
func (d *Dispatcher) claim(key string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	prefix := prefixOf(key)
	c := d.counts[prefix]
	if d.running[key] || c.running-c.aside >= maxRunning || c.running >= maxHeld {
		return false
	}
	d.running[key] = true
	d.count(prefix, 1, 0)
	return true
}

// count counts keys in or out. The caller holds mu.
func (d *Dispatcher) count(prefix string, running, aside int) {
	c := d.counts[prefix]
	d.counts[prefix] = count{c.running + running, c.aside + aside}
}

// work runs one key's handler and moves its wake.
func (d *Dispatcher) work(ctx context.Context, wake store.Wake) {
	defer func() {
		d.mu.Lock()
		delete(d.running, wake.Key)
		d.count(prefixOf(wake.Key), -1, 0)
		d.mu.Unlock()
		d.Poke() // a key that could not start, or a wake set meanwhile
	}()
	next, err := d.handle(context.WithValue(ctx, placeKey{}, &place{dispatcher: d, prefix: prefixOf(wake.Key)}), wake.Key)
	if ctx.Err() != nil {
		return // the wake stays: the work goes on at the next start
	}
	if err != nil {
		next = d.now().Add(d.failed(wake.Key, err))
		d.log.Error("work failed", "key", wake.Key, "error", err, "again_at", next)
	} else {
		d.mu.Lock()
		delete(d.failures, wake.Key)
		d.mu.Unlock()
	}
	wake.At = next
	commit, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitTime)
	defer cancel()
	if _, err := d.store.Commit(commit, &store.Batch{Wake: []store.Wake{wake}}); err != nil {
		d.log.Error("wake not moved", "key", wake.Key, "error", err)
		time.Sleep(minPause) // it is still due: do not spin on a sick store
	}
}

// handle calls the handler of a key and turns a panic into an error, since
// one key's bad data must not end the others' work.
func (d *Dispatcher) handle(ctx context.Context, key string) (next time.Time, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	handler, ok := d.handlers[prefixOf(key)]
	if !ok {
		return time.Time{}, fmt.Errorf("no handler for keys %q: written by a newer version?", prefixOf(key))
	}
	return handler(ctx, key)
}

// failed counts a failure and returns the pause before the next try.
func (d *Dispatcher) failed(key string, err error) time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.failures[key]
	if f.InARow == 0 {
		f = Failure{Key: key, Since: d.now()}
	}
	f.InARow++
	pause := min(maxPause, minPause<<min(f.InARow-1, 6))
	f.Error, f.again = err.Error(), d.now().Add(pause)
	d.failures[key] = f
	return pause
}

// Failing lists the keys whose last try failed, by key. One that was not tried
// again though it was long due has no wake any more: what it worked on is gone.
func (d *Dispatcher) Failing() []Failure {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.now()
	maps.DeleteFunc(d.failures, func(key string, f Failure) bool { return !d.running[key] && now.Sub(f.again) > maxPause })
	return slices.SortedFunc(maps.Values(d.failures), func(a, b Failure) int { return strings.Compare(a.Key, b.Key) })
}
