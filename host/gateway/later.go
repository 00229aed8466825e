package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/problem"
	"github.com/trama-run/trama/host/run"
	"github.com/trama-run/trama/host/store"
)

// preference is what a caller would rather have (RFC 7240).
type preference struct {
	async bool           // the answer later
	wait  *time.Duration // how long the caller waits for it before that
}

// waits says whether the caller waits for the answer before it comes later.
func (p preference) waits() bool { return p.wait != nil && *p.wait > 0 }

// preferenceOf reads a Prefer header. What it can't read it leaves out, as the
// RFC asks; of two of a name the first counts.
func preferenceOf(header string) (p preference) {
	for one := range strings.SplitSeq(header, ",") {
		one, _, _ = strings.Cut(one, ";")
		name, value, _ := strings.Cut(one, "=")
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "respond-async":
			p.async = true
		case "wait":
			seconds, err := strconv.ParseUint(strings.Trim(strings.TrimSpace(value), `"`), 10, 16)
			if err == nil && p.wait == nil {
				wait := time.Duration(seconds) * time.Second
				p.wait = &wait
			}
		}
	}
	return p
}

// choose decides when the caller gets the answer: by what the route says, never
// by chance.
func (g *Gateway) choose(q *call) (bool, error) {
	switch q.route.Async {
	case catalog.AsyncAllowed:
		q.Vary("Prefer")
		q.prefer = preferenceOf(q.Get("Prefer"))
	case catalog.AsyncAlways:
		q.prefer = preferenceOf(q.Get("Prefer"))
		q.prefer.async = true
	}
	return false, nil
}

// pollPause is when to ask for an answer that is not there.
const pollPause = time.Second

// later starts a run whose answer comes later. It is on disk when the caller
// learns of it.
func (g *Gateway) later(q *call) error {
	var id string
	var err error
	if wait := q.prefer.wait; q.prefer.waits() {
		ctx, cancel := context.WithTimeout(q.UserContext(), min(*wait, q.route.timeout()))
		defer cancel()
		q.answer, err = g.Runs.Kept(ctx, q.flow, q.trigger, q.event, q.keep(), q.once, q.handOver())
		if err == nil {
			q.Set("Preference-Applied", fmt.Sprintf("wait=%d", *wait/time.Second))
			_, err := g.write(q)
			return err
		}
		if id = q.answer.RunID; errors.Is(err, context.DeadlineExceeded) && id != "" {
			err = nil
		}
	} else {
		ctx, cancel := context.WithTimeout(q.UserContext(), q.route.timeout())
		defer cancel()
		id, err = g.Runs.Later(ctx, q.flow, q.trigger, q.event, q.keep(), q.once, q.handOver())
	}
	switch {
	case errors.Is(err, store.ErrConflict):
		return inUse()
	case err != nil:
		return g.refused(q, id, err)
	}
	return q.accepted(id, StatusRunning)
}

// accepted answers a call whose answer is, or will be, at another address.
func (q *call) accepted(id, status string) error {
	if q.route.Async == catalog.AsyncAllowed {
		q.Set("Preference-Applied", "respond-async")
	}
	q.Set(HeaderRun, id)
	q.Set(fiber.HeaderLocation, q.prefix+"/"+catalog.StatusSegment+"/"+id)
	q.Set(fiber.HeaderRetryAfter, strconv.Itoa(int(pollPause/time.Second)))
	return q.Status(fiber.StatusAccepted).JSON(Status{Run: id, Status: status})
}

// Status is what a caller finds where a later answer will be.
type Status struct {
	Run    string `json:"run"`
	Status string `json:"status"` // StatusRunning, StatusDone or StatusFailed
	// Answer is that of a call that is done, and Problem (RFC 9457) that of one
	// that failed.
	Answer  *StatusAnswer   `json:"answer,omitempty"`
	Problem json.RawMessage `json:"problem,omitempty"`
}

// Values of Status.Status.
const (
	StatusRunning = "running"
	StatusDone    = "done"
	StatusFailed  = "failed"
)

// StatusAnswer is the answer that the caller would have got.
type StatusAnswer struct {
	Status  int               `json:"status"`
	Headers map[string]string `json:"headers,omitempty"`
	Body    any               `json:"body,omitempty"`
}

// maxRunID bounds the name of a run in a path.
const maxRunID = 64

// status answers for the address of a later answer: to who made the call or,
// if the route doesn't know callers, to who knows the run's id, which can't be
// guessed.
func (g *Gateway) status(q *call, id string) error {
	none := problem.New(404, "no_call", "there is no call of this id, or it is too long ago, or it was another caller's")
	if len(id) > maxRunID {
		return none
	}
	c, err := g.Runs.Call(q.UserContext(), id)
	if errors.Is(err, run.ErrNoRun) {
		return none
	}
	if err != nil {
		return err
	}
	if q.route = q.state.table.named[c.Route]; q.route == nil {
		q.route = gone(q.state.snapshot, c)
	}
	if q.route == nil {
		return none
	}
	allow := []string{fiber.MethodGet, fiber.MethodHead, fiber.MethodOptions}
	switch q.method {
	case fiber.MethodGet, fiber.MethodHead:
	case fiber.MethodOptions:
		q.Set(fiber.HeaderAllow, strings.Join(allow, ", "))
		if q.route.cors != nil && q.Get(fiber.HeaderAccessControlRequestMethod) != "" {
			own := *q.route.cors
			own.Methods = nil // those are of the route's path
			preflight(q.Ctx, &own, allow)
		}
		return q.SendStatus(fiber.StatusNoContent)
	default:
		refused := problem.New(405, "method", "an answer that comes later is read with GET")
		refused.Allow = allow
		return refused
	}
	for _, step := range []step{g.share, g.admitLater} {
		if done, err := step(q); done || err != nil {
			return err
		}
	}
	if q.identity() != c.Caller {
		return none
	}
	s := Status{Run: id, Status: StatusRunning}
	q.Set(HeaderRun, id)
	q.Set(fiber.HeaderCacheControl, "no-store")
	if c.Answered == nil {
		q.Set(fiber.HeaderRetryAfter, strconv.Itoa(int(pollPause/time.Second)))
		return q.JSON(s)
	}
	if c.Failure != nil {
		s.Status, s.Problem = StatusFailed, failed(id, c.Failure, false).JSON()
		return q.JSON(s)
	}
	s.Status, s.Answer = StatusDone, &StatusAnswer{Status: fiber.StatusNoContent}
	if r := c.Response; r != nil {
		*s.Answer = StatusAnswer{r.Status, r.Headers, r.Body}
	}
	return q.JSON(s)
}
