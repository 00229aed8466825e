package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/etag"
	"github.com/trama-run/trama/host/problem"
	"github.com/trama-run/trama/host/run"
	"github.com/trama-run/trama/host/run/encode"
	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/pdk/abi"
)

// reply is an answer as it goes over the wire.
type reply struct {
	run     string
	status  int
	headers map[string]string
	body    []byte
	tag     string // its ETag, of answers that are cached
}

// timeout is how long the caller waits.
func (r *route) timeout() time.Duration {
	if r.Timeout == 0 {
		return defaultTimeout
	}
	return time.Duration(r.Timeout)
}

// run lets the flow answer.
func (g *Gateway) run(q *call) (bool, error) {
	if q.found {
		return false, nil
	}
	if q.prefer.async {
		return true, g.later(q)
	}
	ctx, cancel := context.WithTimeout(q.UserContext(), q.route.timeout())
	defer cancel()
	var err error
	if q.once == nil {
		q.answer, err = g.Runs.Gateway(ctx, q.route.name, q.flow, q.trigger, q.event, q.handOver())
	} else {
		q.answer, err = g.Runs.Kept(ctx, q.flow, q.trigger, q.event, q.keep(), q.once, q.handOver())
	}
	if errors.Is(err, store.ErrConflict) {
		return false, inUse() // another call with the key came first, by a moment
	}
	if err != nil {
		return false, g.refused(q, q.answer.RunID, err)
	}
	return false, nil
}

// refused is the problem of a run that could not be started, or that did not
// answer in time.
func (g *Gateway) refused(q *call, id string, err error) error {
	switch {
	case errors.Is(err, context.DeadlineExceeded) && id == "":
		return problem.Busy("busy", "the store did not take the call in time; nothing was started", time.Second)
	case errors.Is(err, context.DeadlineExceeded):
		late := problem.New(504, "timeout", fmt.Sprintf("the flow did not answer within %s; it goes on", q.route.timeout()))
		late.RunID, late.Header = id, map[string]string{HeaderRun: id}
		if late.Retry = q.again(); late.Retry {
			late.RetryAfter = time.Second
		}
		return late
	case errors.Is(err, context.Canceled) && id == "":
		return problem.Busy("stopping", "the host stops; nothing was started", 5*time.Second)
	case errors.Is(err, context.Canceled): // the host stops before the flow has answered
		d := failed(id, &abi.Error{Code: run.CodeInterrupted}, q.again())
		d.Header = map[string]string{HeaderRun: id}
		return d
	case errors.Is(err, run.ErrBusy):
		return problem.Busy("busy", "the host runs as many flows as it may; nothing was started", time.Second)
	case errors.Is(err, store.ErrUnknown):
		g.seldom.Say(q.UserContext(), slog.LevelError, "unknown "+q.route.name, "call not known to be stored", "route", q.route.name, "error", err)
		unknown := problem.Busy("outcome_unknown", "the host failed while it stored the call, and it is not known whether that was done", 10*time.Second)
		if unknown.Retry = q.again(); !unknown.Retry {
			unknown.RetryAfter = 0
		}
		return unknown
	case errors.Is(err, store.ErrNoSpace), errors.Is(err, store.ErrClosed):
		g.seldom.Say(q.UserContext(), slog.LevelError, "not stored "+q.route.name, "call not stored", "route", q.route.name, "error", err)
		return problem.Busy("storage", "the host can't store new work now; nothing was started", 10*time.Second)
	case errors.Is(err, store.ErrTooBig):
		return problem.New(413, "too_big", "the request is larger than what can be stored with its run")
	}
	return err
}

// again says that the same call may be sent again, whatever came of it: that
// changes nothing, or leads to the same run.
func (q *call) again() bool { return q.once != nil || q.method == fiber.MethodGet }

// failed is the problem of a run that ended without an answer. The message of
// the flow's error is its author's and may hold anything, so a stranger gets
// the run's id instead. known says that the caller gave a key.
func failed(id string, failure *abi.Error, known bool) *problem.Details {
	var d *problem.Details
	switch see := "its operator sees why with: trama runs show " + id; failure.Code {
	case abi.CodeTimeout:
		d = problem.New(504, "timeout", "a step of the flow took too long")
	case run.CodeInterrupted:
		d = problem.New(503, "interrupted", "the host stopped before the flow had answered")
		// What is stored goes on, and a call with its key finds it; what is not
		// has changed nothing.
		d.Retry, d.RetryAfter = known || failure.Retryable, 5*time.Second
		if !d.Retry {
			d.RetryAfter = 0
		}
	case run.CodeCancelled:
		d = problem.New(503, "cancelled", "an operator cancelled the run before it had answered")
	case run.CodeBadAnswer:
		d = problem.New(500, "bad_answer", "the flow's answer is not what the route promises; "+see)
	default:
		d = problem.New(500, "run_failed", "the flow failed before it answered; "+see)
	}
	d.RunID = id
	return d
}

// replyOf makes the reply of an answer; an error is what is wrong with it, or
// the *problem.Details of a run that failed.
func replyOf(a run.Answer, known bool) (reply, error) {
	r := reply{run: a.RunID, status: 204}
	switch {
	case a.Failure != nil:
		refused := failed(a.RunID, a.Failure, known)
		refused.Header = map[string]string{HeaderRun: a.RunID}
		return r, refused
	case a.Response == nil:
		return r, nil
	}
	r.status, r.headers = a.Response.Status, a.Response.Headers
	if a.Response.Body == nil {
		return r, nil
	}
	var err error
	if r.body, err = encode.Append(make([]byte, 0, 256), a.Response.Body, false); err != nil {
		return r, fmt.Errorf("run %s: response: %w", a.RunID, err)
	}
	return r, nil
}

// header gives a header that the flow set.
func (r reply) header(name string) (value string) {
	for n, v := range r.headers {
		if strings.EqualFold(n, name) {
			return v
		}
	}
	return ""
}

// write answers with what the flow said.
func (g *Gateway) write(q *call) (bool, error) {
	r, err := replyOf(q.answer, q.once != nil)
	if err != nil {
		return false, err
	}
	if q.entry != "" {
		g.remember(q, &r)
	}
	return true, q.send(r)
}

// send writes a reply.
func (q *call) send(r reply) error {
	if r.run != "" {
		q.Set(HeaderRun, r.run)
	}
	if len(r.body) > 0 {
		q.Set(fiber.HeaderContentType, mediaJSON)
	}
	for name, value := range r.headers {
		if strings.EqualFold(name, fiber.HeaderVary) {
			q.Vary(value) // beside what the gateway says there
			continue
		}
		q.Set(name, value)
	}
	if r.tag != "" && etag.Match(q.Get(fiber.HeaderIfNoneMatch), r.tag) {
		q.Response().Header.Del(fiber.HeaderContentType)
		return q.SendStatus(fiber.StatusNotModified)
	}
	q.Status(r.status)
	return q.Send(r.body)
}

// keep says for whom the call's answer is kept, and how long.
func (q *call) keep() run.Keep {
	life := catalog.DefaultKeyTTL
	if q.once != nil {
		life = max(life, q.once.For)
	}
	return run.Keep{Route: q.route.name, Caller: q.identity(), For: life, Terms: q.route.terms}
}
