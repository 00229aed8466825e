package admin

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/deadletter"
	"github.com/trama-run/trama/host/problem"
	"github.com/trama-run/trama/host/webhook"
)

// subscriptions are the endpoints that subscriptions have beside those of all
// objects.
func (a api) subscriptions() []endpoint {
	const operator = catalog.RoleOperator
	return []endpoint{
		{do: "GET /subscriptions/:id/state", title: "Show how a subscription does", gives: webhook.Status{}, handle: a.subscriptionState},
		{do: "POST /subscriptions/:id/test", title: "Send a test event to a subscription, and tell what came of it", gives: webhook.Attempt{}, role: operator, handle: a.testSubscription},
		{do: "POST /subscriptions/:id/enable", title: "Enable a subscription that was disabled for its failures", gives: Done{}, role: operator, handle: a.enableSubscription},
		{do: "POST /subscriptions/:id/replay", title: "Send dead deliveries of a subscription again, under their ids", takes: ReplayRequest{}, gives: Replayed{}, role: operator, handle: a.replaySubscription},
	}
}

// noSubscription turns webhook.ErrNone into the problem that it is.
func noSubscription(c *fiber.Ctx, err error) error {
	if errors.Is(err, webhook.ErrNone) {
		return problem.New(404, "not_found", fmt.Sprintf("there is no subscription %q", c.Params("id")))
	}
	return err
}

func (a api) subscriptionState(c *fiber.Ctx) error {
	status, err := a.Webhooks.Status(c.UserContext(), strings.Clone(c.Params("id")))
	if err != nil {
		return noSubscription(c, err)
	}
	if off := status.Disabled; off != nil { // viewers see it
		status.Disabled = &webhook.Disabled{At: off.At, Reason: off.Reason, URL: withoutCredentials(off.URL)}
	}
	return c.JSON(status)
}

func (a api) testSubscription(c *fiber.Ctx) error {
	attempt, err := a.Webhooks.Test(c.UserContext(), strings.Clone(c.Params("id")))
	if err != nil {
		return noSubscription(c, err)
	}
	return c.JSON(attempt)
}

func (a api) enableSubscription(c *fiber.Ctx) error {
	id := strings.Clone(c.Params("id"))
	if s, ok := a.Catalog.Snapshot().Subscriptions[id]; ok && !s.On() {
		return problem.New(409, "disabled", fmt.Sprintf("the document of subscription %q says enabled: false: change that", id))
	}
	if err := a.Webhooks.Enable(c.UserContext(), id); err != nil {
		return noSubscription(c, err)
	}
	return c.JSON(Done{"enabled": true})
}

// ReplayRequest chooses dead deliveries of a subscription; all of them, if it
// is empty.
type ReplayRequest struct {
	Event string `json:"event,omitempty"` // its id, which is the webhook-id
	// Type of the events; a subscription that is ordered has no such choice.
	Type  string `json:"type,omitempty"`
	Code  string `json:"code,omitempty"`  // of the reason
	Since string `json:"since,omitempty"` // they died at this time or later (RFC 3339)
	Until string `json:"until,omitempty"`
}

func (a api) replaySubscription(c *fiber.Ctx) error {
	id := strings.Clone(c.Params("id"))
	s, ok := a.Catalog.Snapshot().Subscriptions[id]
	if !ok {
		return noSubscription(c, webhook.ErrNone)
	}
	var body ReplayRequest
	if len(c.Request().Body()) > 0 {
		if err := strict(c, &body); err != nil {
			return err
		}
	}
	if s.Ordered && body.Type != "" {
		return problem.New(422, "invalid", fmt.Sprintf("the deliveries of subscription %q are in order: replay them by event or by time", id))
	}
	fields := map[string]string{"queue": webhook.QueuesOf(id, body.Type), "code": body.Code, "since": body.Since, "until": body.Until}
	filter, err := deadFilter(func(name string, _ ...string) string { return fields[name] })
	if err != nil {
		return err
	}
	if body.Event != "" {
		filter.EffectID = webhook.EffectID(body.Event, id)
	}
	n, more, err := deadletter.ReplayAll(c.UserContext(), a.Store, filter, nil, time.Now())
	if n > 0 {
		a.Poke()
	}
	if err != nil {
		return err
	}
	if n == 0 && body.Event != "" {
		return problem.New(404, "no_dead_letter", fmt.Sprintf("no dead delivery of subscription %q has the event %q", id, body.Event))
	}
	return c.JSON(Replayed{n, more})
}
