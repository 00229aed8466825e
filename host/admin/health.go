package admin

import (
	"github.com/gofiber/fiber/v2"
)

// States of a check.
const (
	CheckOK       = "ok"
	CheckDegraded = "degraded" // some of what the host does, it can't do now
	CheckFailing  = "failing"  // it can take no new work
)

// Check is one thing that a host's health is made of. /readyz is open to
// whoever reaches the admin listener: a detail holds nothing private.
type Check struct {
	Name   string `json:"name"` // store, disk, plugins, flows, connections, public_listener, admin_listener
	State  string `json:"state"`
	Detail string `json:"detail,omitempty"`
}

// Health says whether a host takes new work, and why not.
type Health struct {
	Status string  `json:"status"` // ready, starting, stopping or failing
	Checks []Check `json:"checks"`
}

// Ready says whether new work is taken. What is degraded only does not make a
// host unready: a balancer that left it for one broken plugin would turn a
// small failure into a large one.
func (h Health) Ready() bool { return h.Status == "ready" }

// ready answers 200, or 503 while no new work shall be sent to the host.
func (a api) ready(c *fiber.Ctx) error {
	h := a.Health(c.Context())
	c.Set(fiber.HeaderCacheControl, "no-store")
	if !h.Ready() {
		c.Status(fiber.StatusServiceUnavailable).Set(fiber.HeaderRetryAfter, "1")
	}
	return c.JSON(h)
}

// alive answers 200 while the process can go on, and 503 once only a new one
// can help. It waits for nothing.
func (a api) alive(c *fiber.Ctx) error {
	c.Set(fiber.HeaderCacheControl, "no-store")
	if err := a.Alive(); err != nil {
		return c.Status(fiber.StatusServiceUnavailable).JSON(fiber.Map{"status": "failing", "detail": err.Error()})
	}
	return c.JSON(fiber.Map{"status": "alive"})
}
