package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/trama-run/trama/host/deadletter"
	"github.com/trama-run/trama/host/problem"
	"github.com/trama-run/trama/host/store"
)

// listDead lists dead letters, newest first, without their contents. Query:
// limit, before (an id), and those of deadFilter.
func (a api) listDead(c *fiber.Ctx) error {
	limit := c.QueryInt("limit", maxLimit)
	filter, err := deadFilter(c.Query)
	if err != nil {
		return err
	}
	list := []deadletter.Letter{}
	err = deadletter.Each(c.UserContext(), a.Store, filter, strings.Clone(c.Query("before")), limit, maxScanned, func(l deadletter.Letter) {
		list = append(list, l)
	})
	if err != nil {
		return err
	}
	return a.veiled(c, list)
}

// deadFilter reads a filter: queue (how its name begins), channel, code, since
// and until (RFC 3339).
func deadFilter(get func(name string, defaultValue ...string) string) (deadletter.Filter, error) {
	f := deadletter.Filter{Queue: strings.Clone(get("queue")), Channel: strings.Clone(get("channel")), Code: strings.Clone(get("code"))}
	for name, into := range map[string]*time.Time{"since": &f.Since, "until": &f.Until} {
		text := get(name)
		if text == "" {
			continue
		}
		at, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return f, problem.New(400, "invalid", fmt.Sprintf("%s: %q is not a time such as 2026-01-02T15:04:05Z", name, text))
		}
		*into = at
	}
	return f, nil
}

// DeadLetter is one dead letter with its content, if that is JSON: the item as
// it was in its queue.
type DeadLetter struct {
	deadletter.Letter
	Content json.RawMessage `json:"content,omitempty"`
}

func (a api) showDead(c *fiber.Ctx) error {
	l, _, err := deadletter.Load(c.UserContext(), a.Store, strings.Clone(c.Params("id")))
	if err != nil {
		return noLetter(c, err)
	}
	detail := DeadLetter{Letter: l}
	if json.Valid(l.Value) {
		detail.Content, detail.Value = l.Value, nil
	}
	return a.veiled(c, detail)
}

// noLetter turns store.ErrNotFound into the problem that it is.
func noLetter(c *fiber.Ctx, err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return problem.New(404, "no_dead_letter", fmt.Sprintf("there is no dead letter %q", c.Params("id")))
	}
	return err
}

func (a api) replay(c *fiber.Ctx) error {
	l, _, err := deadletter.Load(c.UserContext(), a.Store, strings.Clone(c.Params("id")))
	if err != nil {
		return noLetter(c, err)
	}
	if _, configured := a.Catalog.Snapshot().Channels[l.Channel]; l.Channel != "" && !configured {
		return problem.New(409, "no_channel", fmt.Sprintf("dead letter %q is of the channel %q, which is not configured: add it to channels.yaml first", l.ID, l.Channel))
	}
	if err := deadletter.Replay(c.UserContext(), a.Store, strings.Clone(c.Params("id")), a.Channels.Anew, time.Now()); err != nil {
		return noLetter(c, err)
	}
	a.Poke()
	return c.JSON(Done{"replayed": true})
}

// Replayed says how many dead letters went back to their queues, and whether
// there may be more.
type Replayed struct {
	Replayed int  `json:"replayed"`
	More     bool `json:"more,omitempty"`
}

// DeadFilter chooses dead letters to replay: by the fields of deadFilter, or
// all of them.
type DeadFilter struct {
	Queue   string `json:"queue,omitempty"`
	Channel string `json:"channel,omitempty"`
	Code    string `json:"code,omitempty"`
	Since   string `json:"since,omitempty"`
	Until   string `json:"until,omitempty"`
	All     bool   `json:"all,omitempty"`
}

// Done says what was done, by its name.
type Done map[string]bool

// replayAll puts the dead letters that the body chooses back.
func (a api) replayAll(c *fiber.Ctx) error {
	var body DeadFilter
	if err := json.Unmarshal(c.Body(), &body); err != nil {
		return problem.New(400, "invalid", fmt.Sprintf("the body is not a filter as JSON: %v", err))
	}
	fields := map[string]string{"queue": body.Queue, "channel": body.Channel, "code": body.Code, "since": body.Since, "until": body.Until}
	filter, err := deadFilter(func(name string, _ ...string) string { return fields[name] })
	if err != nil {
		return err
	}
	if filter == (deadletter.Filter{}) && !body.All {
		return problem.New(422, "invalid", "name queue, channel, code, since or until; or say all: true")
	}
	n, more, err := deadletter.ReplayAll(c.UserContext(), a.Store, filter, a.Channels.Anew, time.Now())
	if n > 0 {
		a.Poke()
	}
	if err != nil {
		return err
	}
	return c.JSON(Replayed{n, more})
}

// giveUp removes a dead letter for good.
func (a api) giveUp(c *fiber.Ctx) error {
	if err := a.Outbox.GiveUp(c.UserContext(), strings.Clone(c.Params("id"))); err != nil {
		return noLetter(c, err)
	}
	return c.JSON(Done{"cancelled": true})
}
