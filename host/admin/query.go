package admin

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/trama-run/trama/host/problem"
)

// checked is an endpoint's handler for requests with a query that it knows: a
// filter with a mistake in its name would else list everything.
func (e endpoint) checked() fiber.Handler {
	handle := e.handle
	return func(c *fiber.Ctx) error {
		if err := e.checkQuery(c); err != nil {
			return err
		}
		return handle(c)
	}
}

func (e endpoint) checkQuery(c *fiber.Ctx) error {
	known := strings.Fields(e.query)
	var refused error
	refuse := func(format string, args ...any) {
		if refused == nil {
			refused = problem.New(400, "invalid", fmt.Sprintf(format, args...))
		}
	}
	c.Context().QueryArgs().VisitAll(func(name, value []byte) {
		switch name, text := string(name), string(value); {
		case len(known) == 0:
			refuse("query: %s takes no parameters, and %q is one: leave it out", e.do, name)
		case !slices.Contains(known, name):
			refuse("query: %s does not know %q: it takes %s", e.do, name, strings.Join(known, ", "))
		case name == "limit":
			if n, err := strconv.Atoi(text); err != nil || n < 1 || n > maxLimit {
				refuse("limit: %q: want 1 to %d", text, maxLimit)
			}
		case slices.Contains([]string{"with_human", "blocked", "dry_run", "variables"}, name) && text != "true" && text != "false":
			refuse("%s: %q: want true or false", name, text)
		}
	})
	return refused
}

// otherMethod answers for paths of the API that no endpoint takes by this
// method.
func otherMethod(table []endpoint) fiber.Handler {
	return func(c *fiber.Ctx) error {
		path, isAPI := strings.CutPrefix(strings.TrimRight(c.Path(), "/"), "/v1")
		if !isAPI {
			return c.Next()
		}
		var allow []string
		for _, e := range table {
			method, pattern := e.route()
			if !slices.Contains(allow, method) && fiber.RoutePatternMatch(path, pattern, fiber.Config{CaseSensitive: true}) {
				allow = append(allow, method)
			}
		}
		if len(allow) == 0 {
			return c.Next()
		}
		refused := problem.New(405, "method", fmt.Sprintf("%s takes %s", c.Path(), strings.Join(allow, ", ")))
		refused.Allow = allow
		return refused
	}
}
