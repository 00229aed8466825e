package server

import (
	"context"
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/trama-run/trama/host/media"
	"github.com/trama-run/trama/host/problem"
)

// medium serves a medium of a message to whoever has its address.
func medium(c *fiber.Ctx, find func(ctx context.Context, q media.Request) (media.File, error)) error {
	if c.Method() != fiber.MethodGet && c.Method() != fiber.MethodHead {
		refused := problem.New(405, "method", "this is only read")
		refused.Allow = []string{fiber.MethodGet, fiber.MethodHead}
		return refused
	}
	// The body is read after this has returned, so its context must not end
	// with the request; its reading does with the connection.
	f, err := find(context.WithoutCancel(c.UserContext()), media.Request{
		ID: strings.Clone(c.Params("id")), Expires: strings.Clone(c.Query(media.FieldExpires)), Signature: strings.Clone(c.Query(media.FieldSignature)),
		Range: strings.Clone(c.Get(fiber.HeaderRange)),
	})
	if err != nil {
		return err
	}
	for name, value := range f.Header {
		c.Set(name, value)
	}
	return c.Status(f.Status).SendStream(f.Body, int(f.Size))
}
