package gateway_test

import (
	"testing"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"
)

// BenchmarkHandle measures what the steps cost, with the run of a flow of one
// node: a route without settings, and one for each setting.
func BenchmarkHandle(b *testing.B) {
	r := serve(b, `
- {method: POST, path: "/plain/:id", flow: told}
- {method: POST, path: "/client/:id", flow: told, security: {clients: any}}
- {method: POST, path: "/schema/:id", flow: told, request: {schema: {type: object, required: [n], properties: {n: {type: integer}}}}, response: {schema: {type: object}}}
- {method: POST, path: "/shared/:id", flow: told, cors: {origins: ["https://shop.example"]}, concurrency: 100}
- {method: GET, path: "/cached/:id", flow: told, cache: {ttl: 1h}}
- {method: POST, path: "/once/:id", flow: told, idempotency: {}}
`, map[string]string{"flows/told.yaml": `
schema: 1
id: told
triggers: [{id: start, type: gateway}]
nodes: [{id: reply, type: response.json, with: {body: {ok: true}}}]
edges: [{from: start, to: reply}]
`})
	app := fiber.New()
	app.All("/api/*", r.gateway.Handle("/api"))
	handle := app.Handler()
	for _, c := range []struct{ name, method, path string }{
		{"plain", "POST", "/api/plain/7?a=1"},
		{"client", "POST", "/api/client/7?a=1"},
		{"schema", "POST", "/api/schema/7?a=1"},
		{"shared", "POST", "/api/shared/7?a=1"},
		{"cached", "GET", "/api/cached/7?a=1"},
		{"once", "POST", "/api/once/7?a=1"},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				var ctx fasthttp.RequestCtx
				q := &ctx.Request
				q.Header.SetMethod(c.method)
				q.SetRequestURI(c.path)
				q.Header.SetHost("x")
				q.Header.SetContentType("application/json")
				q.Header.Set("client_id", r.clients["erp"])
				q.Header.Set("Origin", "https://shop.example")
				q.Header.Set("Idempotency-Key", "k")
				if c.method == "POST" {
					q.SetBodyString(`{"n": 7}`)
				}
				handle(&ctx)
				if s := ctx.Response.StatusCode(); s != 200 {
					b.Fatalf("%d %s", s, ctx.Response.Body())
				}
			}
		})
	}
}
