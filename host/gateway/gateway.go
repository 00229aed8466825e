// Package gateway is the way in for API consumers: it matches a request under
// /api to a route, asks whether it may be made, makes an event of it, lets the
// route's flow run, and answers with what the flow says.
//
// A request goes through the steps that [New] lists, in their order; one that
// the route asks nothing of costs next to nothing. Where the answer comes later,
// or has to be found again by the caller's key, the run is on disk before it
// begins and its answer is kept (see run.Keep); cached answers are in memory
// alone.
//
// Everything that comes from the HTTP server is copied before it is used,
// since the server uses its memory again. The package must not know how flows
// run, or what is behind them.
package gateway

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/trama-run/trama/host/access"
	"github.com/trama-run/trama/host/calllog"
	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/engine"
	"github.com/trama-run/trama/host/flow"
	"github.com/trama-run/trama/host/problem"
	"github.com/trama-run/trama/host/run"
	"github.com/trama-run/trama/host/seldom"
	"github.com/trama-run/trama/pdk/abi"
)

// defaultTimeout is how long a caller waits where its route sets nothing.
const defaultTimeout = 30 * time.Second

// Headers of the gateway's own.
const (
	HeaderRun      = "Trama-Run"            // names the run in every answer that has one
	HeaderKey      = "Idempotency-Key"      // of a caller who may call again
	HeaderReplayed = "Idempotency-Replayed" // says that the answer is of an earlier call
)

// Runs starts runs, and keeps the answers of some; host/run's Runner does.
type Runs interface {
	Gateway(ctx context.Context, route string, f catalog.Flow, trigger string, event map[string]any, over func()) (run.Answer, error)
	Kept(ctx context.Context, f catalog.Flow, trigger string, event map[string]any, keep run.Keep, once *run.Once, over func()) (run.Answer, error)
	Later(ctx context.Context, f catalog.Flow, trigger string, event map[string]any, keep run.Keep, once *run.Once, over func()) (string, error)
	Once(ctx context.Context, key string) (run.Once, error)
	Call(ctx context.Context, id string) (run.Call, error)
	Held(f catalog.Flow) *abi.Error
}

// Guard says who may call; host/access's does.
type Guard interface {
	Check(ctx context.Context, r access.Request) (access.Caller, *problem.Details)
}

// Config joins a gateway to its surroundings.
type Config struct {
	Runs  Runs
	Guard Guard
	Now   func() time.Time // nil: the system's clock
	Log   *slog.Logger
}

// Gateway serves the routes of a catalog.
type Gateway struct {
	Config
	steps  []step
	cache  *cache
	seldom *seldom.Log // of what strikes with each call
	room   room
	state  atomic.Pointer[state]
}

// step does one thing for a call. done says that the call is answered; an error
// is its answer, a *problem.Details unless the host is to blame.
type step func(*call) (done bool, err error)

// state is a snapshot with its table.
type state struct {
	snapshot *catalog.Snapshot
	table    *table
}

// call is a request on its way through the steps.
type call struct {
	*fiber.Ctx
	state  *state
	prefix string // of the gateway's paths
	path   string // after the prefix, as it was sent
	method string // of the route: GET for HEAD

	route   *route
	params  map[string]any
	flow    catalog.Flow
	trigger string
	caller  access.Caller
	event   map[string]any
	prefer  preference
	once    *run.Once // the caller's key, if there is one
	found   bool      // an earlier call with the key has the answer
	entry   string    // of the cache, under which the answer goes; empty: none
	answer  run.Answer
	leave   func() // is called when the call, or the run that it began, is over; nil: nothing
}

// New returns a gateway without routes.
func New(config Config) *Gateway {
	g := &Gateway{Config: config, cache: newCache()}
	if g.Now == nil {
		g.Now = time.Now
	}
	g.seldom = seldom.New(g.Log, g.Now)
	g.steps = []step{
		g.find,   // the route of the method and path; HEAD, OPTIONS, 404 and 405
		g.share,  // what a browser lets pages of other origins do with the answer
		g.admit,  // who may call
		g.enter,  // how many at once
		g.ready,  // the flow, and all that it needs
		g.recall, // an answer that still stands
		g.read,   // the event, with the body
		g.check,  // the body against its schema
		g.choose, // whether the answer comes now or later
		g.repeat, // an earlier call with the same key
		g.run,    // the flow
		g.write,  // the answer
	}
	g.Update(&catalog.Snapshot{})
	return g
}

// Update makes the gateway serve a snapshot's routes.
func (g *Gateway) Update(s *catalog.Snapshot) {
	var before *table
	if old := g.state.Load(); old != nil {
		before = old.table
	}
	g.state.Store(&state{s, newTable(s, before)})
}

// Handle serves one request under prefix. Errors are *problem.Details.
func (g *Gateway) Handle(prefix string) fiber.Handler {
	return func(c *fiber.Ctx) error {
		q := &call{Ctx: c, state: g.state.Load(), prefix: prefix}
		defer func() {
			if q.leave != nil {
				q.leave()
			}
		}()
		for _, step := range g.steps {
			if done, err := step(q); done || err != nil {
				return err
			}
		}
		return nil
	}
}

// find finds the route. What needs none it answers itself: OPTIONS, and the
// addresses of later answers.
func (g *Gateway) find(q *call) (done bool, err error) {
	q.path = strings.TrimPrefix(strings.Clone(q.Path()), q.prefix)
	q.method = strings.Clone(q.Method())
	parts, err := segments(q.path)
	if err != nil {
		return false, problem.New(400, "bad_path", fmt.Sprintf("the path: %v", err))
	}
	if len(parts) == 2 && parts[0] == catalog.StatusSegment {
		return true, g.status(q, parts[1])
	}
	if q.method == fiber.MethodHead {
		q.method = fiber.MethodGet
	}
	r, params, allow, ok := q.state.table.find(q.method, parts)
	switch {
	case ok:
		q.route, q.params = r, params
		calllog.Of(q.UserContext()).Name = r.name
		return false, nil
	case len(allow) == 0:
		return false, problem.New(404, "no_route", fmt.Sprintf("there is no route %s %s", q.method, q.path))
	case q.method == fiber.MethodOptions:
		return true, g.options(q, parts, allow)
	}
	allow = withOwn(allow)
	refused := problem.New(405, "method", fmt.Sprintf("%s takes %s", q.prefix+q.path, strings.Join(allow, ", ")))
	refused.Allow = allow
	return false, refused
}

// withOwn adds to the methods of a path's routes those that the gateway answers
// for them.
func withOwn(methods []string) (all []string) {
	for _, m := range methods {
		if all = append(all, m); m == fiber.MethodGet {
			all = append(all, fiber.MethodHead)
		}
	}
	return append(all, fiber.MethodOptions)
}

// enter counts the call in, unless the route has as many as it takes.
func (g *Gateway) enter(q *call) (bool, error) {
	most := q.route.Concurrency
	if most == 0 {
		return false, nil
	}
	if !q.route.places.take(most) {
		return false, problem.Busy("concurrency", fmt.Sprintf("the route has %d runs at once, and takes no more; nothing was started", most), time.Second)
	}
	q.leave = g.leave(q.route)
	return false, nil
}

// handOver leaves it to who drives the call's run to count the call out: the run
// may go on when the caller has left.
func (q *call) handOver() (over func()) {
	if over, q.leave = q.leave, nil; over == nil {
		return func() {}
	}
	return over
}

// ready finds what answers the route, or why nothing can.
func (g *Gateway) ready(q *call) (bool, error) {
	held := func(reason string) (bool, error) {
		g.seldom.Say(q.UserContext(), slog.LevelWarn, "held "+q.route.name+" "+reason, "route held", "route", q.route.name, "reason", reason)
		return false, problem.Busy("route_held", "the route is not ready; its operator sees why with: trama doctor", 10*time.Second)
	}
	if q.route.unfit != "" {
		return held("its schema: " + q.route.unfit)
	}
	f, ok := q.state.snapshot.Flows[q.route.Flow]
	if !ok {
		return held(fmt.Sprintf("flow %q is not published", q.route.Flow))
	}
	if reason := g.Runs.Held(f); reason != nil {
		return held(reason.Message)
	}
	for _, t := range f.Flow.Triggers {
		if t.Type == flow.TriggerGateway {
			q.flow, q.trigger = f, t.ID
			return false, nil
		}
	}
	return held(fmt.Sprintf("flow %q has no gateway trigger", q.route.Flow))
}

// Broken says why a response is not what its route promises; nil: it is.
func (g *Gateway) Broken(name string, r *engine.Respond) error {
	route := g.state.Load().table.named[name]
	if route == nil || route.response == nil || r.Status < 200 || r.Status > 299 {
		return nil
	}
	found := route.response.Check(r.Body)
	if len(found) == 0 {
		return nil
	}
	// The message of a violation may quote the body, and logs don't.
	places := make([]string, len(found))
	for i, v := range found {
		if v.Keyword == "" {
			return fmt.Errorf("the body and the route's response schema: %s", v.Message)
		}
		places[i] = fmt.Sprintf("%s (%s)", v.Pointer, v.Keyword)
	}
	return fmt.Errorf("the body breaks the route's response schema at %s", strings.Join(places, ", "))
}
