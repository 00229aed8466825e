package simulation

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/trama-run/trama/host/channel"
	"github.com/trama-run/trama/host/dispatch"
	"github.com/trama-run/trama/host/outbox"
	"github.com/trama-run/trama/host/run"
	"github.com/trama-run/trama/host/run/mail"
	"github.com/trama-run/trama/host/secret"
	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/host/store/memory"
)

// life is one process: the real parts over the disk, from a start to a crash
// or a stop.
type life struct {
	world    *world
	store    *memory.Store
	runs     *run.Runner
	channels *channel.Channels
	dispatch *dispatch.Dispatcher
	outbox   *outbox.Outbox

	news   chan struct{} // other flows are published
	down   chan struct{} // closed when it ends
	ending sync.Once
	dead   atomic.Bool // it crashed: nothing that it does counts
	broken atomic.Bool // the outcome of a commit is unknown
}

// grace is how long a stop waits, as in host.
const grace = 20 * time.Second

// begin starts a process.
func (w *world) begin() *life {
	l := &life{world: w, news: make(chan struct{}, 1), down: make(chan struct{})}
	l.changed()
	l.store = memory.Open(w.disk, nil)
	var s store.Store = &sick{l.store, l}
	if w.mutant != nil {
		s = w.mutant.Wrap(s)
	}
	log := slog.New(slog.DiscardHandler)
	find := w.catalog
	plugins := &plugins{l}
	poke := func() { l.dispatch.Poke() }
	l.runs = run.New(run.Config{Store: s, Catalog: find, Plugins: plugins, Secret: func(string) error { return nil }, Poke: poke, ID: w.id, Log: log})
	l.channels = channel.New(channel.Config{Readers: 1, Store: s, Catalog: find, Plugins: plugins, Secrets: secret.New([]string{"TRAMA_SECRET_SIM_TOKEN=token"}, ""), Poke: poke, Log: log,
		Sending: func(endpoint string) bool { return l.outbox.Sending(endpoint) }, Event: l.runs.AddEvent,
	})
	l.outbox = outbox.New(outbox.Config{Store: s, Poke: poke, Log: log, Lanes: map[string]outbox.Lane{
		outbox.PrefixContact: {Sender: l.channels.Sender(), Policy: channel.SendPolicy()},
	}})
	l.dispatch = dispatch.New(s, log, map[string]dispatch.Handler{
		channel.PrefixIntake: l.channels.Intake,
		mail.Prefix:          l.runs.Contact,
		run.PrefixRun:        l.runs.Alone,
		run.PrefixSchedule:   l.runs.Schedule,
		outbox.PrefixContact: l.outbox.Work,
	})
	return l
}

// live works until the process ends, and until nothing of it is left.
func (l *life) live() {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		if err := l.dispatch.Run(ctx, l.patience()); err != nil {
			l.stop("stopped: " + err.Error())
		}
		close(ended)
	}()
	woken := make(chan struct{})
	go func() {
		l.outbox.Run(ctx) //nolint:errcheck // it has none
		close(woken)
	}()
	scheduled := make(chan struct{})
	go func() {
		l.schedules(ctx)
		close(scheduled)
	}()
	<-l.down
	cancel()
	<-ended
	<-woken
	<-scheduled
	waiting, done := context.WithTimeout(context.Background(), l.patience())
	l.runs.Close(waiting)
	done()
	l.store.Close() //nolint:errcheck // it has nothing to lose
}

// changed says that other flows are published.
func (l *life) changed() {
	select {
	case l.news <- struct{}{}:
	default: // said already
	}
}

// schedules keeps the schedules those of the published flows, as host does.
func (l *life) schedules(ctx context.Context) {
	var again <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-again:
		case <-l.news:
		}
		again = nil
		if err := l.runs.SetSchedules(ctx); err != nil && ctx.Err() == nil {
			again = time.After(10 * time.Second)
		}
	}
}

// patience is how long work in progress may go on. The dispatcher is told at
// its start, so a crash cuts the work short in the store and at the plugins.
func (l *life) patience() time.Duration {
	if l.dead.Load() {
		return 0
	}
	return grace
}

// crash ends the process now, even while it stops.
func (l *life) crash(why string) {
	if !l.dead.Swap(true) {
		l.world.fault(why)
	}
	l.ending.Do(func() { close(l.down) })
}

// stop ends it in order.
func (l *life) stop(why string) {
	l.ending.Do(func() {
		l.world.fault(why)
		close(l.down)
	})
}

// sicken makes a store that takes no more commits; the process learns of it
// and stops in order, as host does.
func (l *life) sicken(why string) {
	if l.broken.Swap(true) {
		return
	}
	l.world.fault(why)
	go func() {
		l.world.sleep("sick", why, 20*time.Millisecond)
		l.stop("the store is broken")
	}()
}

func (l *life) over() bool { return l.dead.Load() }

// err is why no commit is taken.
func (l *life) err() error {
	switch {
	case l.over():
		return store.ErrClosed
	case l.broken.Load():
		return store.ErrUnknown
	}
	return nil
}

// open says whether the process takes new events.
func (l *life) open() bool {
	select {
	case <-l.down:
		return false
	default:
		return true
	}
}
