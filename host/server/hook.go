package server

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/trama-run/trama/host/calllog"
	"github.com/trama-run/trama/host/channel"
	"github.com/trama-run/trama/host/problem"
)

// hook hands a webhook request over, copied out of the server's memory.
func hook(c *fiber.Ctx, p Public) error {
	q := channel.Request{
		Channel: strings.Clone(c.Params("channel")), Path: strings.Clone(c.Params("*")), Method: strings.Clone(c.Method()),
		Headers: map[string]string{}, Query: map[string]string{},
		Body: append([]byte(nil), c.Request().Body()...), // raw: c.Body() would decompress it, unbounded and before its signature is checked
	}
	c.Request().Header.VisitAll(func(name, value []byte) {
		if lower := strings.ToLower(string(name)); join(q.Headers, lower, string(value)) && !slices.Contains(q.Repeated, lower) {
			q.Repeated = append(q.Repeated, lower)
		}
	})
	c.Request().URI().QueryArgs().VisitAll(func(name, value []byte) { join(q.Query, string(name), string(value)) })
	if p.URL != nil {
		q.URL = p.URL([]string{string(c.Request().Header.Host())}, string(c.Request().RequestURI()))
	}
	peer, _ := netip.AddrFromSlice(c.Context().RemoteIP())
	q.IP = peer.Unmap()
	if p.ClientIP != nil {
		q.IP = p.ClientIP(peer.Unmap(), func(name string) (values []string) {
			for _, value := range c.Request().Header.PeekAll(name) {
				values = append(values, string(value))
			}
			return values
		})
	}
	ctx, cancel := context.WithTimeout(c.UserContext(), bodyTime)
	defer cancel()
	about := calllog.Of(ctx)
	if q.IP.IsValid() { // else the proxies make no sense, and it is in no list
		about.Peer = q.IP.String()
	}
	reply, err := p.Hook(ctx, q)
	if d, refused := errors.AsType[*problem.Details](err); !refused || d.Code != "no_channel" {
		about.Name = q.Channel
	}
	about.Outcome, about.Delivery = reply.Outcome, reply.Delivery
	if err != nil {
		about.Outcome = "failed"
		if d, refused := errors.AsType[*problem.Details](err); refused {
			about.Outcome = d.Code
		}
		return err
	}
	c.Set(fiber.HeaderContentType, reply.Type)
	c.Set(fiber.HeaderXContentTypeOptions, "nosniff") // a challenge is whatever the caller sent
	return c.Status(reply.Status).SendString(reply.Body)
}

// join adds a value to those of a name, so that a second signature or token
// never takes the place of the first: together they match nothing. It says
// whether there was one before.
func join(values map[string]string, name, value string) bool {
	before, twice := values[name]
	if twice {
		value = before + ", " + value
	}
	values[name] = value
	return twice
}
