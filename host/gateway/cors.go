package gateway

import (
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/trama-run/trama/host/catalog"
)

// What a page may send and read where a route's CORS names nothing.
const (
	corsSend = "Accept, Authorization, Client-Id, client_id, Content-Type, Idempotency-Key, If-None-Match, Prefer, Trama-Signature, X-Request-Id"
	corsRead = "ETag, Idempotency-Replayed, Location, Preference-Applied, RateLimit, RateLimit-Policy, Retry-After, Trama-Run, X-Request-Id"
	corsAge  = 10 * time.Minute
)

// share tells browsers that a page may read the answer, be that a problem.
func (g *Gateway) share(q *call) (bool, error) {
	cors := q.route.cors
	if cors == nil {
		return false, nil
	}
	if shareWith(q.Ctx, cors) {
		read := corsRead
		if len(cors.Expose) > 0 {
			read += ", " + strings.Join(cors.Expose, ", ")
		}
		q.Set(fiber.HeaderAccessControlExposeHeaders, read)
	}
	return false, nil
}

// shareWith names in the answer the origin that may read it, if it may.
func shareWith(c *fiber.Ctx, cors *catalog.CORS) bool {
	all := !cors.Credentials && len(cors.Origins) == 1 && cors.Origins[0] == "*"
	if !all {
		c.Vary(fiber.HeaderOrigin) // without an origin too: a cache may meet one later
	}
	origin := strings.Clone(c.Get(fiber.HeaderOrigin))
	switch {
	case origin == "" || !cors.Allows(origin):
		return false
	case all:
		origin = "*"
	}
	c.Set(fiber.HeaderAccessControlAllowOrigin, origin)
	if cors.Credentials {
		c.Set(fiber.HeaderAccessControlAllowCredentials, "true")
	}
	return true
}

// options answers OPTIONS for a path that has routes: with their methods, and
// what a browser asks before it lets a page call one of them (Fetch, section
// 3.2). It needs no credentials, as browsers send none.
func (g *Gateway) options(q *call, path, allow []string) error {
	q.Set(fiber.HeaderAllow, strings.Join(withOwn(allow), ", "))
	asked := strings.Clone(q.Get(fiber.HeaderAccessControlRequestMethod))
	if asked == "" || q.Get(fiber.HeaderOrigin) == "" {
		return q.SendStatus(fiber.StatusNoContent)
	}
	if asked == fiber.MethodHead {
		asked = fiber.MethodGet
	}
	if r, _, _, ok := q.state.table.find(asked, path); ok && r.cors != nil {
		preflight(q.Ctx, r.cors, withOwn(allow))
	}
	return q.SendStatus(fiber.StatusNoContent)
}

// preflight tells a browser what pages may do; allow is the methods of the path.
func preflight(c *fiber.Ctx, cors *catalog.CORS, allow []string) {
	c.Vary(fiber.HeaderAccessControlRequestMethod, fiber.HeaderAccessControlRequestHeaders)
	if !shareWith(c, cors) {
		return
	}
	if len(cors.Methods) > 0 {
		allow = cors.Methods
	}
	send, age := corsSend, corsAge
	if len(cors.Headers) > 0 {
		send += ", " + strings.Join(cors.Headers, ", ")
	}
	if cors.MaxAge > 0 {
		age = time.Duration(cors.MaxAge)
	}
	c.Set(fiber.HeaderAccessControlAllowMethods, strings.Join(allow, ", "))
	c.Set(fiber.HeaderAccessControlAllowHeaders, send)
	c.Set(fiber.HeaderAccessControlMaxAge, strconv.Itoa(int(age/time.Second)))
}
