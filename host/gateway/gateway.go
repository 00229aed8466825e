// Package gateway is the way in for API consumers: it matches a request under
// /api to a route, makes an event of it, lets the route's flow run, and
// answers with what the flow says.
//
// Everything that comes from the HTTP server is copied before it is used,
// since the server uses its memory again. The package must not know how flows
// run, or what is behind them.
package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/flow"
	"github.com/trama-run/trama/host/problem"
	"github.com/trama-run/trama/host/run"
	"github.com/trama-run/trama/pdk/abi"
)

// defaultTimeout is how long a caller waits where its route sets nothing.
const defaultTimeout = 30 * time.Second

// HeaderRun names the run in every answer that has one.
const HeaderRun = "Trama-Run"

// Runs starts runs; host/run's Runner does.
type Runs interface {
	Gateway(ctx context.Context, f catalog.Flow, trigger string, event map[string]any) (run.Answer, error)
	Held(f catalog.Flow) *abi.Error
}

// Gateway serves the routes of a catalog.
type Gateway struct {
	runs  Runs
	log   *slog.Logger
	state atomic.Pointer[state]
}

// state is a snapshot with its table.
type state struct {
	snapshot *catalog.Snapshot
	table    *table
}

// New returns a gateway without routes.
func New(runs Runs, log *slog.Logger) *Gateway {
	g := &Gateway{runs: runs, log: log}
	g.Update(&catalog.Snapshot{})
	return g
}

// Update makes the gateway serve a snapshot's routes.
func (g *Gateway) Update(s *catalog.Snapshot) {
	g.state.Store(&state{s, newTable(s.Routes)})
}

// Handle serves one request under prefix. Errors are *problem.Details.
func (g *Gateway) Handle(prefix string) fiber.Handler {
	return func(c *fiber.Ctx) error {
		path := strings.TrimPrefix(strings.Clone(c.Path()), prefix)
		method := strings.Clone(c.Method())
		parts, err := segments(path)
		if err != nil {
			return problem.New(400, "bad_path", fmt.Sprintf("the path %s: %v", path, err))
		}
		s := g.state.Load()
		r, params, allow, ok := s.table.find(method, parts)
		if !ok && len(allow) > 0 {
			refused := problem.New(405, "method", fmt.Sprintf("%s has no route for %s", prefix+path, method))
			refused.Allow = allow
			return refused
		}
		if !ok {
			return problem.New(404, "no_route", fmt.Sprintf("there is no route %s %s", method, path))
		}
		f, trigger, refused := g.flow(s.snapshot, r)
		if refused != nil {
			return refused
		}
		event, refused := event(c, method, path, params)
		if refused != nil {
			return refused
		}
		return g.run(c, r, f, trigger, event)
	}
}

// flow finds what answers a route, or why nothing can.
func (g *Gateway) flow(s *catalog.Snapshot, r route) (catalog.Flow, string, *problem.Details) {
	held := func(reason string) *problem.Details {
		g.log.Warn("route held", "route", r.Name(), "reason", reason)
		return problem.Busy("route_held", "the route is not ready; its operator sees why with: trama doctor", 10*time.Second)
	}
	f, ok := s.Flows[r.Flow]
	if !ok {
		return f, "", held(fmt.Sprintf("flow %q is not published", r.Flow))
	}
	if reason := g.runs.Held(f); reason != nil {
		return f, "", held(reason.Message)
	}
	for _, t := range f.Flow.Triggers {
		if t.Type == flow.TriggerGateway {
			return f, t.ID, nil
		}
	}
	return f, "", held(fmt.Sprintf("flow %q has no gateway trigger", r.Flow))
}

// event copies a request out of the server's memory.
func event(c *fiber.Ctx, method, path string, params map[string]any) (map[string]any, *problem.Details) {
	headers := map[string]any{}
	c.Request().Header.VisitAll(func(name, value []byte) {
		key := strings.ToLower(string(name))
		if before, twice := headers[key]; twice {
			headers[key] = before.(string) + ", " + string(value)
			return
		}
		headers[key] = string(value)
	})
	query := map[string]any{}
	c.Request().URI().QueryArgs().VisitAll(func(name, value []byte) {
		key := string(name)
		switch before := query[key].(type) {
		case nil:
			query[key] = string(value)
		case string:
			query[key] = []any{before, string(value)}
		case []any:
			query[key] = append(before, string(value))
		}
	})
	e := map[string]any{
		"method": method, "path": path, "params": params, "query": query, "headers": headers,
		"client": map[string]any{"ip": c.Context().RemoteIP().String()},
	}
	contentType, _ := headers["content-type"].(string)
	if encoding, _ := headers["content-encoding"].(string); encoding != "" && encoding != "identity" {
		return nil, problem.New(415, "content_encoding", "the body is compressed, which is not taken: send it without Content-Encoding")
	}
	// The raw body: c.Body() would decompress it, without a bound.
	return e, body(e, contentType, append([]byte(nil), c.Request().Body()...))
}

// run lets the flow answer.
func (g *Gateway) run(c *fiber.Ctx, r route, f catalog.Flow, trigger string, event map[string]any) error {
	timeout := time.Duration(r.Timeout)
	if timeout == 0 {
		timeout = defaultTimeout
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	a, err := g.runs.Gateway(ctx, f, trigger, event)
	if a.RunID != "" {
		c.Set(HeaderRun, a.RunID)
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		late := problem.New(504, "timeout", fmt.Sprintf("the flow did not answer within %s; it goes on", timeout))
		late.RunID = a.RunID
		return late
	case errors.Is(err, run.ErrBusy):
		return problem.Busy("busy", "the host runs as many flows as it may; nothing was started", time.Second)
	case err != nil:
		return err
	case a.Failure != nil:
		return failed(a)
	case a.Response == nil:
		return c.SendStatus(204)
	}
	data, contentType, err := answer(a.Response.Body)
	if err != nil {
		return fmt.Errorf("run %s: response: %w", a.RunID, err)
	}
	if contentType != "" {
		c.Set(fiber.HeaderContentType, contentType)
	}
	for name, value := range a.Response.Headers {
		c.Set(name, value)
	}
	return c.Status(a.Response.Status).Send(data)
}

// failed is the problem of a run that ended without an answer. The message of
// the flow's error is its author's and may hold anything, so a stranger gets
// the run's id instead.
func failed(a run.Answer) *problem.Details {
	d := problem.New(500, "run_failed", "the flow failed before it answered; its operator sees why with: trama runs show "+a.RunID)
	if a.Failure.Code == abi.CodeTimeout {
		d = problem.New(504, "timeout", "a step of the flow took too long")
	}
	d.RunID, d.Retry = a.RunID, false
	return d
}
