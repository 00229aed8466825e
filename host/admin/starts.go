package admin

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/trama-run/trama/host/flow"
	"github.com/trama-run/trama/host/problem"
	"github.com/trama-run/trama/host/run"
	"github.com/trama-run/trama/host/run/mail"
	"github.com/trama-run/trama/host/store"
)

// activate starts a flow for contacts; the body is a run.Activation.
func (a api) activate(c *fiber.Ctx) error {
	var q run.Activation
	if err := strict(c, &q); err != nil {
		return err
	}
	started, err := a.Runs.Activate(c.UserContext(), q)
	return answerStarted(c, started, err)
}

// emit emits an event: the body has its data, a contact and an id, all of them
// optional.
func (a api) emit(c *fiber.Ctx) error {
	q := run.Event{}
	if len(c.Request().Body()) > 0 {
		if err := strict(c, &q); err != nil {
			return err
		}
	}
	name, err := url.PathUnescape(c.Params("name"))
	if err != nil {
		return problem.New(400, "invalid", fmt.Sprintf("the path's event %q is not a name: %v", c.Params("name"), err))
	}
	if q.Name != "" && q.Name != name {
		return problem.New(422, "invalid", fmt.Sprintf("the body's event is %q, the path's %q", q.Name, name))
	}
	q.Name = name
	started, err := a.Runs.Emit(c.UserContext(), q)
	return answerStarted(c, started, err)
}

// answerStarted answers 202: the runs are on disk, and begin.
func answerStarted(c *fiber.Ctx, started run.Started, err error) error {
	switch {
	case errors.Is(err, run.ErrNoFlow):
		return problem.New(404, "no_flow", err.Error())
	case errors.Is(err, mail.ErrNoContact):
		return problem.New(422, "no_contact", err.Error())
	case errors.Is(err, run.ErrAway):
		return problem.New(409, "channel_away", err.Error())
	case errors.Is(err, run.ErrIDUsed):
		return problem.New(409, "id_used", err.Error())
	case errors.Is(err, store.ErrTooBig):
		return problem.New(413, "too_big", "it is larger than the host stores at once: send less data, or fewer contacts")
	case errors.Is(err, store.ErrNoSpace):
		return problem.Busy("no_space", err.Error(), 30*time.Second)
	case err != nil:
		return err
	}
	return c.Status(fiber.StatusAccepted).JSON(started)
}

// strict decodes a JSON body; numbers stay as they are written.
func strict(c *fiber.Ctx, into any) error {
	d := json.NewDecoder(bytes.NewReader(c.Request().Body()))
	d.UseNumber()
	d.DisallowUnknownFields()
	err := d.Decode(into)
	if err == nil {
		if _, end := d.Token(); end != io.EOF {
			err = errors.New("data after the value")
		}
	}
	if err != nil {
		return problem.New(400, "bad_json", "the body: "+err.Error())
	}
	return nil
}

// ScheduleInfo is a line of the list of schedules.
type ScheduleInfo struct {
	run.Schedule
	Missed string `json:"missed"` // what becomes of missed instants
	Held   string `json:"held,omitempty"`
}

// listSchedules lists the schedules of the published flows.
func (a api) listSchedules(c *fiber.Ctx) error {
	stored, err := a.Runs.Schedules(c.UserContext())
	if err != nil {
		return err
	}
	s, list := a.Catalog.Snapshot(), []ScheduleInfo{}
	for _, one := range stored {
		f, ok := s.Flows[one.Flow]
		if !ok {
			continue
		}
		t, ok := f.Flow.Trigger(one.Trigger)
		if !ok || t.Type != flow.TriggerSchedule {
			continue
		}
		info := ScheduleInfo{Schedule: one, Missed: t.Missed}
		if info.Missed == "" {
			info.Missed = flow.MissedOnce
		}
		if held := a.Held(f); held != nil {
			info.Held = held.Message
		}
		list = append(list, info)
	}
	return c.JSON(list)
}

// idle gives the schedules that never started their flow and never will.
func (a api) idle(c *fiber.Ctx) ([]run.Schedule, error) {
	stored, err := a.Runs.Schedules(c.UserContext())
	return slices.DeleteFunc(stored, func(s run.Schedule) bool { return !s.Next.IsZero() || !s.Last.IsZero() }), err
}

// cancelRun ends a run that waits, sleeps or can't go on.
func (a api) cancelRun(c *fiber.Ctx) error {
	id := strings.Clone(c.Params("id"))
	err := a.Runs.Cancel(c.UserContext(), id)
	switch {
	case errors.Is(err, run.ErrNoRun):
		return problem.New(404, "no_run", err.Error())
	case errors.Is(err, run.ErrNotStored):
		return problem.New(409, "not_stored", fmt.Sprintf("run %q: %v", id, err))
	case err != nil:
		return err
	}
	return c.JSON(Done{"cancelled": true})
}
