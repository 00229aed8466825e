package admin

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/channel"
	"github.com/trama-run/trama/host/problem"
	"github.com/trama-run/trama/pdk/abi"
)

// channels are the endpoints that channels have beside those of all objects.
func (a api) channels() []endpoint {
	const operator = catalog.RoleOperator
	return []endpoint{
		{do: "POST /channels/:id/connect", title: "Tell a channel's service where to send webhooks, or say what to enter there", gives: channel.Connection{}, role: operator, handle: a.connectChannel},
		{do: "POST /channels/:id/check", title: "Try a channel out with a sample, stage by stage: it starts nothing", takes: CheckRequest{}, gives: []channel.Stage{}, role: operator, handle: a.checkChannel},
	}
}

// CheckRequest may bring the sample.
type CheckRequest struct {
	// Body is a webhook request's, in the place of the sample that the adapter
	// has.
	Body string `json:"body,omitempty"`
}

// knownChannel gives the id of a channel that there is.
func (a api) knownChannel(c *fiber.Ctx) (string, error) {
	id := strings.Clone(c.Params("id"))
	if _, ok := a.Catalog.Snapshot().Channels[id]; !ok {
		return "", problem.New(404, "not_found", fmt.Sprintf("there is no channel %q", id))
	}
	return id, nil
}

func (a api) connectChannel(c *fiber.Ctx) error {
	id, err := a.knownChannel(c)
	if err != nil {
		return err
	}
	connection, failure := a.Channels.Connect(c.UserContext(), id)
	switch own := []string{abi.CodeUnavailable, abi.CodeNoSecret, abi.CodeDenied, abi.CodeInvalid, abi.CodeUnsupported}; {
	case failure == nil:
		return c.JSON(connection)
	case slices.Contains(own, failure.Code):
		return problem.New(409, "channel_"+failure.Code, failure.Message)
	default: // what the service said
		return problem.New(502, failure.Code, failure.Message)
	}
}

func (a api) checkChannel(c *fiber.Ctx) error {
	id, err := a.knownChannel(c)
	if err != nil {
		return err
	}
	var q CheckRequest
	if len(c.Request().Body()) > 0 {
		if err := strict(c, &q); err != nil {
			return err
		}
	}
	var body []byte
	if q.Body != "" {
		body = []byte(q.Body)
	}
	return c.JSON(a.Channels.Check(c.UserContext(), id, body))
}
