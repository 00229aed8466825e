package server

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"github.com/trama-run/trama/host/calllog"
	"github.com/trama-run/trama/host/channel"
	"github.com/trama-run/trama/host/problem"
	"github.com/trama-run/trama/host/store/memory"
)

// watched is a public server with one route and one channel.
func watched(w Watch) *Server {
	return NewPublic(slog.New(slog.DiscardHandler), Public{
		Gateway: func(string) fiber.Handler {
			return func(c *fiber.Ctx) error {
				if c.Path() == "/api/none" {
					return problem.New(404, "no_route", "there is none")
				}
				about := calllog.Of(c.UserContext())
				about.Name, about.Client = "POST /x", "erp"
				c.Set(headerRun, "r1")
				return c.SendString(`{"ok":true}`)
			}
		},
		Hook: func(_ context.Context, q channel.Request) (channel.Reply, error) {
			if q.Channel != "shop" {
				return channel.Reply{}, problem.New(404, "no_channel", "there is none")
			}
			return channel.Reply{Status: 200, Body: "ok", Outcome: channel.OutcomeTaken, Delivery: "d1"}, nil
		},
		Watch: w,
	})
}

// ask sends one request.
func ask(t *testing.T, addr, method, uri, body string) {
	t.Helper()
	raw(t, addr, fmt.Sprintf("%s %s HTTP/1.1\r\nHost: localhost\r\nClient_id: of-the-caller\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", method, uri, len(body), body))
}

// TestWatch: each request to a route or a webhook is counted and kept, whatever
// became of it; others are not.
func TestWatch(t *testing.T) {
	var mu sync.Mutex
	var counted []string // guarded by mu
	l := calllog.New(calllog.Config{Store: memory.Open(memory.NewDisk(), time.Now), Log: slog.New(slog.DiscardHandler)})
	t.Cleanup(l.Close)
	s := watched(Watch{Calls: l, Count: func(kind, name, outcome string, status int, took time.Duration) {
		if took < 0 {
			t.Errorf("took %s", took)
		}
		mu.Lock()
		defer mu.Unlock()
		counted = append(counted, strings.Join([]string{kind, name, outcome, string(rune('0' + status/100))}, "|"))
	}})
	addr := serving(t, s, TLS{})
	ask(t, addr, "POST", "/api/x?a=b", `{"a":1}`)
	ask(t, addr, "POST", "/api/none", "")
	ask(t, addr, "POST", "/hooks/shop", "event")
	ask(t, addr, "POST", "/hooks/unknown", "event")
	ask(t, addr, "GET", "/elsewhere", "")
	mu.Lock()
	defer mu.Unlock()
	if got, want := strings.Join(counted, " "), "gateway|POST /x||2 gateway|||4 webhook|shop|taken|2 webhook||no_channel|4"; got != want {
		t.Errorf("counted %s\nwant %s", got, want)
	}
	calls, _, err := l.Search(t.Context(), calllog.Filter{}, 10)
	if err != nil || len(calls) != 4 {
		t.Fatalf("%d calls, %v", len(calls), err)
	}
	c := calls[3]
	if c.Direction != calllog.In || c.Kind != calllog.KindGateway || c.Name != "POST /x" || c.Client != "erp" || c.Run != "r1" || c.Endpoint != "/api/x?a=b" ||
		c.Status != 200 || c.RequestID == "" || c.Request.Body != `{"a":1}` || c.Response.Body != `{"ok":true}` || c.Response.Headers["trama-run"] != "r1" {
		t.Errorf("kept %+v", c)
	}
	if got := calls[1]; got.Name != "shop" || got.Request.Body != "event" || got.Response.Body != "ok" || got.EffectID != "d1" {
		t.Errorf("kept %+v", got)
	}
}

// BenchmarkWatch is what it costs a request to be watched: nothing kept, a log
// with room, and one that is behind.
func BenchmarkWatch(b *testing.B) {
	l := calllog.New(calllog.Config{Store: memory.Open(memory.NewDisk(), time.Now), Log: slog.New(slog.DiscardHandler)})
	b.Cleanup(l.Close)
	count := func(string, string, string, int, time.Duration) {}
	for name, w := range map[string]*Watch{"nobody": nil, "counted": {Count: count}, "logged": {Count: count, Calls: l}} {
		b.Run(name, func(b *testing.B) {
			s := watched(Watch{})
			s.watch = w
			b.ReportAllocs()
			for b.Loop() {
				ctx := &fasthttp.RequestCtx{}
				ctx.Request.Header.SetMethod("POST")
				ctx.Request.SetRequestURI("/api/x")
				ctx.Request.SetBodyString(`{"order":{"id":"A-1","items":[{"sku":"x","price":10},{"sku":"y","price":20}]}}`)
				var q *seen
				if s.watch != nil {
					q = s.see(ctx)
				}
				s.route(ctx)
				q.end(s.watch)
			}
		})
	}
}
