package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/trama-run/trama/host/problem"
	"github.com/trama-run/trama/host/store"
)

// listOutbox lists what was not sent yet. Query: limit, queue (how its name
// begins).
func (a api) listOutbox(c *fiber.Ctx) error {
	limit := c.QueryInt("limit", defaultLimit)
	list, err := a.Outbox.Waiting(c.UserContext(), strings.Clone(c.Query("queue")), limit)
	if err != nil {
		return err
	}
	return a.veiled(c, list)
}

// listEndpoints lists how the places are that messages and alerts go to.
func (a api) listEndpoints(c *fiber.Ctx) error { return a.veiled(c, a.Outbox.Endpoints()) }

// Cancelled says how many items were cancelled, and of which queue.
type Cancelled struct {
	Cancelled int    `json:"cancelled"`
	Queue     string `json:"queue"`
}

// CancelRequest names either one item or a whole queue.
type CancelRequest struct {
	EffectID string `json:"effect_id,omitempty"`
	Queue    string `json:"queue,omitempty"`
}

// cancel cancels what was not sent yet: the item with the body's effect_id, or
// all of its queue.
func (a api) cancel(c *fiber.Ctx) error {
	var body CancelRequest
	if err := json.Unmarshal(c.Body(), &body); err != nil {
		return problem.New(400, "invalid", fmt.Sprintf("the body is not JSON: %v", err))
	}
	if (body.EffectID == "") == (body.Queue == "") {
		return problem.New(422, "invalid", "name either effect_id or queue")
	}
	if body.EffectID != "" {
		item, err := a.Outbox.Cancel(c.UserContext(), body.EffectID)
		if errors.Is(err, store.ErrNotFound) {
			return problem.New(404, "not_waiting", fmt.Sprintf("nothing waits under the effect id %q: it was sent, is a dead letter, or never was", body.EffectID))
		}
		if err != nil {
			return err
		}
		return c.JSON(Cancelled{1, item.Queue})
	}
	n, err := a.Outbox.CancelQueue(c.UserContext(), body.Queue)
	if errors.Is(err, store.ErrNotFound) {
		return problem.New(404, "no_outbox", fmt.Sprintf("%q is not an outbox: they are named outbox:<contact> and alert:<id>", body.Queue))
	}
	if err != nil {
		return err
	}
	return c.JSON(Cancelled{n, body.Queue})
}
