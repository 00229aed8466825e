package host

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/trama-run/trama/host/admin"
	"github.com/trama-run/trama/host/plugin"
	"github.com/trama-run/trama/host/server"
	"github.com/trama-run/trama/host/store"
)

// Bounds of the store's check.
const (
	pulseAge  = 5 * time.Second // a commit that was synced since then says enough
	pulseWait = 2 * time.Second // who asks waits so long for one
)

// certificateSoon is how long before its end a certificate is spoken of.
const certificateSoon = 7 * 24 * time.Hour

// pulse knows when the store last took a commit. Where nobody made one, asking
// makes one: that a disk hangs shows in nothing else.
type pulse struct {
	last   atomic.Int64 // in nanoseconds since 1970
	broken atomic.Bool  // the store must be opened again

	mu    sync.Mutex
	asked *question // under way, or nil; guarded by mu
}

// question is a commit that was made to see whether it is taken.
type question struct {
	since time.Time
	done  chan struct{}
	err   error // once done is closed
}

// check returns nil if the store took a commit lately, or takes one now.
func (p *pulse) check(ctx context.Context, s store.Store) error {
	if p.broken.Load() {
		return errors.New("it is not known what is on disk: the host must be started again")
	}
	if time.Since(time.Unix(0, p.last.Load())) < pulseAge {
		return nil
	}
	q := p.ask(s)
	wait := time.NewTimer(pulseWait)
	defer wait.Stop()
	select {
	case <-q.done:
		return q.err
	case <-wait.C:
	case <-ctx.Done():
	}
	return fmt.Errorf("a commit has not been synced for %s", time.Since(q.since).Round(time.Second/10))
}

// ask makes a commit, unless one that was asked for is still under way.
func (p *pulse) ask(s store.Store) *question {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.asked != nil {
		return p.asked
	}
	q := &question{since: time.Now(), done: make(chan struct{})}
	p.asked = q
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute) // of waiting in line
		defer cancel()
		_, q.err = s.Commit(ctx, &store.Batch{Put: []store.Put{{ID: store.ID{Kind: "health", Key: "pulse"}, Value: []byte("{}")}}})
		p.mu.Lock()
		p.asked = nil
		p.mu.Unlock()
		close(q.done)
	}()
	return q
}

// alive returns why only a new process can help, or nil.
func (h *Host) alive() error {
	if h.pulse.broken.Load() {
		return errors.New("the store must be opened again: the host stops, to be started anew")
	}
	return nil
}

// Health says whether the host takes new work, and what is the matter if not.
func (h *Host) Health(ctx context.Context) admin.Health {
	health := admin.Health{Status: "ready", Checks: []admin.Check{}}
	add := func(name, state, detail string) {
		health.Checks = append(health.Checks, admin.Check{Name: name, State: state, Detail: detail})
		if state == admin.CheckFailing {
			health.Status = "failing"
		}
	}
	failing := func(name string, err error) {
		if err != nil {
			add(name, admin.CheckFailing, err.Error())
			return
		}
		add(name, admin.CheckOK, "")
	}
	failing("store", h.pulse.check(ctx, h.store))
	failing("disk", h.store.Space())
	h.listening(add)
	if !h.plugins.Scanned() {
		add("plugins", admin.CheckFailing, "the plugin directories are being read")
		health.Status = "starting"
	} else {
		h.working(add)
	}
	if h.leaving.Load() {
		health.Status = "stopping"
	}
	return health
}

// working says which plugins are broken, which flows are held and which
// connections are refused.
func (h *Host) working(add func(name, state, detail string)) {
	var broken, held, refused []string
	for _, p := range h.plugins.List() {
		if p.State == plugin.StateBroken {
			broken = append(broken, p.Name)
		}
	}
	objects := h.catalog.Snapshot()
	for id, f := range objects.Flows {
		if h.runs.Held(f) != nil {
			held = append(held, id)
		}
	}
	for id, c := range objects.Connections {
		if h.egress.Refused(c.Connection) != nil {
			refused = append(refused, id)
		}
	}
	for _, c := range []struct {
		name, what string
		of         []string
	}{{"plugins", "broken", broken}, {"flows", "held", held}, {"connections", "no token is given to", refused}} {
		if len(c.of) == 0 {
			add(c.name, admin.CheckOK, "")
			continue
		}
		slices.Sort(c.of)
		more := ""
		if n := len(c.of); n > 5 {
			c.of, more = c.of[:5], fmt.Sprintf(" and %d more", n-5)
		}
		add(c.name, admin.CheckDegraded, fmt.Sprintf("%s: %s%s; see: trama doctor", c.what, strings.Join(c.of, ", "), more))
	}
}

// listening says how the listeners are.
func (h *Host) listening(add func(name, state, detail string)) {
	for _, l := range []struct {
		name   string
		server *server.Server
		tls    server.TLS
	}{
		{"public_listener", h.servers.public.Load(), server.TLS(h.config.Settings.TLS)},
		{"admin_listener", h.servers.admin.Load(), server.TLS(h.config.Settings.AdminTLS)},
	} {
		state, detail := admin.CheckOK, ""
		if l.server == nil {
			add(l.name, admin.CheckFailing, "it does not serve yet")
			continue
		}
		if open, most := l.server.Connections(); open >= most*9/10 {
			state, detail = admin.CheckDegraded, fmt.Sprintf("%d of %d connections are open", open, most)
		}
		if l.tls != (server.TLS{}) {
			switch ends, err := l.tls.Expires(); {
			case err != nil:
				state, detail = admin.CheckDegraded, "the files of the certificate can't be used; the one read before is"
			case time.Until(ends) < certificateSoon:
				state, detail = admin.CheckDegraded, "the certificate ends at "+ends.UTC().Format(time.RFC3339)
			}
		}
		add(l.name, state, detail)
	}
}
