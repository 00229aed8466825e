package main

import (
	"bytes"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"
)

// request makes the n-th request of a load.
type request func(n int64, r *fasthttp.Request)

// closedLoop sends requests over a number of connections, the next when the
// last is answered, and returns the answers per second. Any other status than
// want is an error.
func closedLoop(addr string, connections int, d time.Duration, want int, make request) (float64, error) {
	client := &fasthttp.HostClient{Addr: addr, MaxConns: connections}
	defer client.CloseIdleConnections()
	var sent atomic.Int64
	return rate(connections, d, func() func() error {
		q, a := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
		return func() error { return one(client, q, a, sent.Add(1), want, make) }
	})
}

// openLoop sends requests at a fixed rate, whatever the answers do, and
// returns the 99th percentile of the time from when a request was due.
func openLoop(addr string, connections int, perSecond float64, d time.Duration, want int, make request) (time.Duration, error) {
	client := &fasthttp.HostClient{Addr: addr, MaxConns: connections, MaxConnWaitTimeout: 10 * time.Second}
	defer client.CloseIdleConnections()
	count := int(perSecond * d.Seconds())
	times := slices.Repeat([]time.Duration{0}, count)
	var next atomic.Int64
	var failed atomic.Pointer[error]
	var all sync.WaitGroup
	begin := time.Now()
	for range connections {
		all.Go(func() {
			q, a := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
			for failed.Load() == nil {
				i := next.Add(1) - 1
				if i >= int64(count) {
					return
				}
				due := begin.Add(time.Duration(float64(i) / perSecond * float64(time.Second)))
				time.Sleep(time.Until(due))
				if err := one(client, q, a, -i-1, want, make); err != nil {
					failed.Store(&err)
					return
				}
				times[i] = time.Since(due)
			}
		})
	}
	all.Wait()
	if err := failed.Load(); err != nil {
		return 0, *err
	}
	slices.Sort(times)
	return times[count*99/100], nil
}

func one(client *fasthttp.HostClient, q *fasthttp.Request, a *fasthttp.Response, n int64, want int, make request) error {
	q.Reset()
	a.Reset()
	make(n, q)
	if err := client.Do(q, a); err != nil {
		return err
	}
	if a.StatusCode() != want {
		return fmt.Errorf("%s %s: status %d, want %d: %s", q.Header.Method(), q.URI().Path(), a.StatusCode(), want, bytes.TrimSpace(a.Body()))
	}
	return nil
}

// serveFiber is the peer "bare Fiber": a handler that parses the same JSON and
// answers JSON of the same size, at every path.
func serveFiber(addr string) error {
	app := fiber.New(fiber.Config{DisableStartupMessage: true})
	app.All("/*", func(c *fiber.Ctx) error {
		var body map[string]any
		if err := c.BodyParser(&body); err != nil {
			return err
		}
		return c.JSON(fiber.Map{"total": 1490, "items": len(body)})
	})
	return app.Listen(addr)
}
