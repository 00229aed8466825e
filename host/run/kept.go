package run

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/engine"
	"github.com/trama-run/trama/host/expr"
	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/host/store/document"
	"github.com/trama-run/trama/pdk/abi"
)

// kindCall is the kind of what is kept of calls, by run id.
const kindCall store.Kind = "call"

// Keep says for whom the answer of a run is kept, and how long from when it is
// there.
type Keep struct {
	Route  string        `json:"route"`            // its name
	Caller string        `json:"caller,omitempty"` // empty: nobody in particular
	For    time.Duration `json:"for"`
	// Terms are those of the route, as the gateway writes them: they hold for who
	// asks for the answer when the route is gone.
	Terms json.RawMessage `json:"terms,omitempty"`
}

// Call is what is kept of a gateway run whose answer may be asked for later.
type Call struct {
	Run    string          `json:"run"`
	Route  string          `json:"route"`
	Caller string          `json:"caller,omitempty"`
	Terms  json.RawMessage `json:"terms,omitempty"` // see Keep; none: of an earlier version
	Made   time.Time       `json:"made"`
	// Answered is when the answer was there; nil: it is not yet.
	Answered *time.Time `json:"answered,omitempty"`
	// Response and Failure are as in Answer.
	Response *engine.Respond `json:"response,omitempty"`
	Failure  *abi.Error      `json:"failure,omitempty"`
}

// Answer is the answer that the call got.
func (c Call) Answer() Answer { return Answer{c.Run, c.Response, c.Failure} }

// put makes the record of a call; a life of 0 has no end.
func (c Call) put(life time.Duration) (store.Put, error) {
	data, err := json.Marshal(c)
	if err != nil {
		return store.Put{}, fmt.Errorf("run %s: %w", c.Run, err)
	}
	return store.Put{ID: store.ID{Kind: kindCall, Key: c.Run}, Value: data, TTL: life}, nil
}

// Kept is Gateway for a run that a crash does not end, and whose answer is
// kept: the run is on disk before it begins, with the caller's key if there is
// one. Who leaves with the context's error finds the answer later, by
// [Runner.Call]. Other errors: ErrBusy, and the store's, ErrConflict among them
// if the key was used meanwhile; then nothing was started.
func (r *Runner) Kept(ctx context.Context, f catalog.Flow, trigger string, event map[string]any, keep Keep, once *Once, over func()) (Answer, error) {
	g, err := r.called(f, trigger, event)
	if err != nil {
		over()
		return Answer{}, err
	}
	if err := g.save(ctx, trigger, keep, r.now().Add(lease), once); err != nil {
		r.leave(g.key)
		over()
		return Answer{}, err
	}
	return g.waited(ctx, trigger, over)
}

// Later is Kept for who does not wait: the run begins when its turn comes.
func (r *Runner) Later(ctx context.Context, f catalog.Flow, trigger string, event map[string]any, keep Keep, once *Once, over func()) (id string, err error) {
	if id, err = r.config.ID(); err != nil {
		over()
		return "", err
	}
	g := r.lone(PrefixRun + ":" + id)
	g.journey.event = event
	g.record.ID = id
	g.session, g.programs = r.newSession(id, f)
	g.session.Caller = true
	r.mu.Lock()
	r.later[g.key] = over
	r.mu.Unlock()
	if err := g.save(ctx, trigger, keep, r.now(), once); err != nil {
		r.over(g.key)
		return "", err
	}
	r.config.Poke()
	return id, nil
}

// save stores a run that has not begun.
func (g *gatewayRun) save(ctx context.Context, trigger string, keep Keep, wake time.Time, once *Once) error {
	g.session.Begin = &engine.Start{Trigger: trigger, Value: g.journey.event}
	g.session.Keep = &keep
	if once != nil {
		g.session.Once = &onceHeld{Key: once.Key, Sum: once.Sum, For: once.For}
	}
	data, err := json.Marshal(g.session)
	if err != nil {
		return fmt.Errorf("run %s: %w", g.record.ID, err)
	}
	call, err := Call{Run: g.record.ID, Route: keep.Route, Caller: keep.Caller, Terms: keep.Terms, Made: g.session.Made}.put(0) // until its answer is there
	if err != nil {
		return err
	}
	id := sessionID(g.key)
	b := store.Batch{
		Intake: true,
		Expect: []store.Expect{{ID: id}},
		Put:    []store.Put{{ID: id, Value: data}, call},
		Wake:   []store.Wake{{Key: g.key, At: wake}},
	}
	if once != nil {
		if err := once.remember(&b, g.record.ID); err != nil {
			return err
		}
	}
	result, err := g.runner.config.Store.Commit(ctx, &b)
	if err != nil {
		return err
	}
	g.revision, g.session.Begin = result.Revision, nil
	return nil
}

// tell adds to a commit what the caller is to find: the response that goes with
// it, or how the run ended without one.
func (g *gatewayRun) tell(b *store.Batch) error {
	keep, now := g.session.Keep, g.runner.now()
	if keep == nil || g.reply == nil && (g.session.Told || !g.session.Over()) {
		return nil
	}
	c := Call{Run: g.session.ID, Route: keep.Route, Caller: keep.Caller, Terms: keep.Terms, Made: g.session.Made, Answered: &now}
	if failure := g.session.Run.Failure; g.reply != nil {
		c.Response, c.Failure = g.reply.Response, g.reply.Failure
	} else if failure != nil {
		c.Failure = &failure.Error
	}
	return g.session.say(b, c)
}

// say adds to a commit an answer, and how long it and the caller's key last
// from now on.
func (s *session) say(b *store.Batch, c Call) error {
	put, err := c.put(s.Keep.For)
	if err != nil {
		return err
	}
	b.Put = append(b.Put, put)
	if s.Once == nil {
		return nil
	}
	put, err = Once{Key: s.Once.Key, Sum: s.Once.Sum, Run: s.ID}.put(s.Once.For)
	b.Put = append(b.Put, put)
	return err
}

// unsay takes back a response that could not be stored.
func (g *gatewayRun) unsay() {
	if g.reply != nil {
		g.reply, g.session.Told = nil, false
	}
}

// Call gives what is kept of a run. Errors: ErrNoRun, the store's.
func (r *Runner) Call(ctx context.Context, id string) (Call, error) {
	var c Call
	_, found, err := document.Load(ctx, r.config.Store, store.ID{Kind: kindCall, Key: id}, &c)
	if err == nil && !found {
		err = fmt.Errorf("run %q: %w", id, ErrNoRun)
	}
	if err != nil {
		return c, err
	}
	if c.Response != nil {
		c.Response.Body = expr.Numbers(c.Response.Body)
	}
	return c, nil
}

// Once is a key that a caller gave to a call: with one key a run is started
// once.
type Once struct {
	Key string        `json:"-"` // with all that it is scoped by
	For time.Duration `json:"-"` // how long the key is to be known, from the answer on
	Sum string        `json:"sum"`
	// Run is the run that a call with the key started; empty: there is none.
	Run string `json:"run"`

	known store.Revision
}

// kindOnce is the kind of what is kept of callers' keys.
const kindOnce store.Kind = "once"

// Once gives what is known of a caller's key.
func (r *Runner) Once(ctx context.Context, key string) (o Once, err error) {
	o.Key = key
	o.known, _, err = document.Load(ctx, r.config.Store, store.ID{Kind: kindOnce, Key: key}, &o)
	return o, err
}

// remember adds the key to the commit that starts its run. The commit is a
// conflict if another call with the key came first.
func (o Once) remember(b *store.Batch, run string) error {
	o.Run = run
	put, err := o.put(0) // until its answer is there
	b.Expect = append(b.Expect, store.Expect{ID: put.ID, Revision: o.known})
	b.Put = append(b.Put, put)
	return err
}

// put makes the record of a key; a life of 0 has no end.
func (o Once) put(life time.Duration) (store.Put, error) {
	data, err := json.Marshal(o)
	if err != nil {
		return store.Put{}, fmt.Errorf("run %s: %w", o.Run, err)
	}
	return store.Put{ID: store.ID{Kind: kindOnce, Key: o.Key}, Value: data, TTL: life}, nil
}

// onceHeld is a caller's key in the session that it started.
type onceHeld struct {
	Key string        `json:"key"`
	Sum string        `json:"sum"`
	For time.Duration `json:"for"`
}

// cancelled adds to the commit that cancels a run what its caller is to find.
func (s *session) cancelled(b *store.Batch, now time.Time) error {
	if s.Keep == nil || s.Told {
		return nil
	}
	return s.say(b, Call{
		Run: s.ID, Route: s.Keep.Route, Caller: s.Keep.Caller, Made: s.Made, Answered: &now,
		Failure: &abi.Error{Code: CodeCancelled, Message: "the run was cancelled"},
	})
}

// Codes of failures that are the host's.
const (
	CodeCancelled   = "cancelled"   // by an operator
	CodeInterrupted = "interrupted" // the host stopped
	CodeBadAnswer   = "bad_answer"  // the flow's answer is not what its route promises
)
