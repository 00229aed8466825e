package server

import (
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/trama-run/trama/host/etag"
	"github.com/trama-run/trama/host/openapi"
	"github.com/trama-run/trama/host/problem"
)

// docs serves the description of the routes, which its readers may keep as
// long as it is the same.
func docs(c *fiber.Ctx, find func(path string) (openapi.File, bool, error)) error {
	path := strings.Clone(c.Path())
	if path == "/docs/" { // what the page names stands beside "/docs"
		return c.Redirect("../docs", fiber.StatusPermanentRedirect)
	}
	f, ok, err := find(path)
	if err != nil {
		return err
	}
	if !ok {
		return problem.New(404, "no_path", "there is nothing at this path")
	}
	if c.Method() != fiber.MethodGet && c.Method() != fiber.MethodHead {
		refused := problem.New(405, "method", "this is only read")
		refused.Allow = []string{fiber.MethodGet, fiber.MethodHead}
		return refused
	}
	c.Set(fiber.HeaderETag, f.ETag)
	c.Set(fiber.HeaderCacheControl, "no-cache") // kept, but asked for again
	c.Set(fiber.HeaderContentSecurityPolicy, openapi.Policy)
	c.Set(fiber.HeaderXContentTypeOptions, "nosniff")
	c.Set(fiber.HeaderReferrerPolicy, "no-referrer")
	if etag.Match(c.Get(fiber.HeaderIfNoneMatch), f.ETag) {
		return c.SendStatus(fiber.StatusNotModified)
	}
	c.Set(fiber.HeaderContentType, f.Type)
	return c.Send(f.Body)
}
