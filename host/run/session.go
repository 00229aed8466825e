package run

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/contact"
	"github.com/trama-run/trama/host/engine"
	"github.com/trama-run/trama/host/store"
)

// session is what is stored of a key's work between commits.
type session struct {
	engine.Session
	// Intents are the effect ids of calls that were begun and are not known to
	// have ended.
	Intents []string `json:"intents,omitempty"`
	// Flows are the versions of the flows that the session may reach, by id,
	// and Pins the contents of their plugins, by name: it ends on them.
	Flows map[string]int    `json:"flows"`
	Pins  map[string]string `json:"pins,omitempty"`
	// Made is when the session was.
	Made time.Time `json:"made,omitzero"`
	// Begin is set while the session is stored and has not begun.
	Begin *engine.Start `json:"begin,omitempty"`
	// From is where the event of one that has not begun came in.
	From *contact.Origin `json:"from,omitempty"`
	// At is the contact's address that the conversation is with; empty: its
	// key's. Heard says that the contact has written in it: what is sent is an
	// answer then.
	At    contact.Key `json:"at,omitempty"`
	Heard bool        `json:"heard,omitempty"`
	// Done is a key that waits for the end of the session.
	Done string `json:"done,omitempty"`
	// Retry is set while a failed session is stored that is to go on.
	Retry bool `json:"retry,omitempty"`
	// Route is that whose call began the session, unless Keep has it.
	Route string `json:"route,omitempty"`
	// Keep is set if the answer is kept, and Told once it is.
	Keep *Keep `json:"keep,omitempty"`
	Told bool  `json:"told,omitempty"`
	// Once is the caller's key, which is kept without end until then.
	Once *onceHeld `json:"once,omitempty"`
}

// Kinds of the records of sessions.
const (
	// kindSession is the kind of session records, by key.
	kindSession store.Kind = "session"
	// kindFailed keeps failed sessions for a retry, by run id, as long as
	// their records.
	kindFailed store.Kind = "failed"
)

// maxFailed bounds a failed session that is kept; a larger one can't be
// retried.
const maxFailed = 1 << 20

func sessionID(key string) store.ID { return store.ID{Kind: kindSession, Key: key} }

// newSession makes a session of a published flow, which has not begun: it is
// pinned to what is published now, and to the contents of plugins that serve
// now. A plugin that serves nothing now is taken at its first call.
func (r *Runner) newSession(id string, f catalog.Flow) (session, engine.Programs) {
	programs, versions := r.reach(f)
	s := session{
		Session: engine.Session{ID: id, Run: &engine.Run{ID: id, Flow: f.Flow.ID, Version: f.Version}},
		Flows:   versions,
		Made:    r.now(),
	}
	for _, p := range programs {
		for _, plugin := range r.needs(p).plugins {
			s.pin(plugin, r.config.Plugins)
		}
	}
	return s, programs
}

// route gives the name of the route whose call began the session; empty: none
// did.
func (s *session) route() string {
	if s.Keep != nil {
		return s.Keep.Route
	}
	return s.Route
}

// since gives when the session came to where it stands.
func (s *session) since() time.Time {
	if at := s.Position().Since; !at.IsZero() {
		return at
	}
	return s.Made
}

// reach gives a flow and all that it may jump to, as they were published
// together, and their versions. Nobody changes these maps.
func (r *Runner) reach(f catalog.Flow) (engine.Programs, map[string]int) {
	if need := r.needs(f.Program); len(need.jumps) == 0 { // as nearly all
		return need.alone, need.version
	}
	programs := engine.Programs{f.Flow.ID: f.Program}
	var follow func(p *engine.Program)
	follow = func(p *engine.Program) {
		for _, id := range r.needs(p).jumps {
			if next, ok := f.Beside[id]; ok && programs[id] == nil {
				programs[id] = next.Program
				follow(next.Program)
			}
		}
	}
	follow(f.Program)
	versions := make(map[string]int, len(programs))
	for id, p := range programs {
		versions[id] = p.Version()
	}
	return programs, versions
}

// programs gives the flows that a stored session is pinned to.
func (r *Runner) programs(ctx context.Context, s session) (engine.Programs, error) {
	programs := make(engine.Programs, len(s.Flows))
	for id, version := range s.Flows {
		p, err := r.config.Catalog().Program(ctx, id, version)
		if err != nil {
			return nil, err
		}
		programs[id] = p
	}
	return programs, nil
}

// pin takes the content of a plugin that the session has none of yet.
func (s *session) pin(name string, plugins Plugins) {
	if s.Pins[name] != "" {
		return
	}
	if digest := plugins.Serving(name); digest != "" {
		if s.Pins == nil {
			s.Pins = map[string]string{}
		}
		s.Pins[name] = digest
	}
}

// sessionPage is how many sessions are read at once: one may be large.
const sessionPage = 100

// Counts are numbers of stored sessions. Plugins counts failed ones too, which
// a retry brings back.
type Counts struct {
	Plugins map[string]int         // by the digest of a plugin's content
	Flows   map[string]map[int]int // by flow and version
}

// Pinned counts the stored sessions by what they are pinned to. It reads all
// of them, so it is not for every call.
func (r *Runner) Pinned(ctx context.Context) (Counts, error) {
	counts := Counts{map[string]int{}, map[string]map[int]int{}}
	pins := func(s session) {
		for _, digest := range s.Pins {
			counts.Plugins[digest]++
		}
	}
	err := r.each(ctx, kindFailed, func(_ store.Record, s session) error { pins(s); return nil })
	if err != nil {
		return counts, err
	}
	err = r.eachSession(ctx, func(_ store.Record, s session) error {
		pins(s)
		for id, version := range s.Flows {
			if counts.Flows[id] == nil {
				counts.Flows[id] = map[int]int{}
			}
			counts.Flows[id][version]++
		}
		return nil
	})
	return counts, err
}

// eachSession visits all stored sessions that go on.
func (r *Runner) eachSession(ctx context.Context, visit func(store.Record, session) error) error {
	return r.each(ctx, kindSession, visit)
}

func (r *Runner) each(ctx context.Context, kind store.Kind, visit func(store.Record, session) error) error {
	for after := ""; ; {
		records, err := r.config.Store.List(ctx, kind, after, sessionPage, false)
		if err != nil {
			return fmt.Errorf("read the sessions: %w", err)
		}
		if len(records) == 0 {
			return nil
		}
		for _, record := range records {
			var s session
			if err := json.Unmarshal(record.Value, &s); err != nil {
				return fmt.Errorf("session %s: %w", record.ID.Key, err)
			}
			if err := visit(record, s); err != nil {
				return err
			}
			after = record.ID.Key
		}
	}
}

// needs is what a flow can't run without, and where it may jump to.
type needs struct {
	plugins, connections, jumps []string
	// What it reaches if it jumps nowhere: itself, in its version.
	alone   engine.Programs
	version map[string]int
}

// needs reads a flow's needs off its document once.
func (r *Runner) needs(p *engine.Program) needs {
	if n, ok := r.known.Load(p); ok {
		return n.(needs)
	}
	f := p.Flow()
	n := needs{f.Plugins(), f.Connections(), f.Jumps(), engine.Programs{f.ID: p}, map[string]int{f.ID: p.Version()}}
	r.known.Store(p, n)
	return n
}
