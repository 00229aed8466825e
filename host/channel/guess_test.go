package channel

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/trama-run/trama/host/access"
	"github.com/trama-run/trama/host/secret"
)

// TestGuesses: an address that sends wrong credentials is locked out for a
// while, of all channels; senders that have proved themselves from there, and
// other addresses, are not.
func TestGuesses(t *testing.T) {
	h := newHooks(t, `
- {id: shop, adapter: webhook, config: {event: x, token: "header:X-Token", id: "json:/id"}, secrets: {secret: a}}
- {id: signed, adapter: webhook, config: {event: x, signature: github}, secrets: {secret: a}}
- {id: basic, adapter: webhook, config: {event: x, basic: shop}, secrets: {password: a}}
- {id: meta, adapter: webhook, config: {event: x, signature: github, challenge: meta}, secrets: {secret: a, verify_token: b}}
- {id: open, adapter: webhook, config: {event: x, ips: [198.51.100.0/24]}}
`)
	guard, err := access.New(t.Context(), access.Config{
		Secrets: secret.New(nil, ""), Store: h.store, Now: func() time.Time { return h.now }, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	h.config.Guard = guard
	challenge := asks("meta", "")
	challenge.Method, challenge.Query = "GET", map[string]string{"hub.mode": "subscribe", "hub.verify_token": "guess", "hub.challenge": "1"}
	const body = `{"id": "1"}`
	right := func() Request { return asks("shop", body, "X-Token", "key a") }
	h.answers("a sender", asks("signed", body, h.sign("github", "", at, body, "key a")...), 200, "")

	wrong := []struct {
		q      Request
		status int
		code   string
	}{{asks("shop", body, "X-Token", "guess"), 401, "token"}, {asks("basic", body), 401, "basic"}, {challenge, 403, "handshake"}, {asks("signed", body), 401, "signature"}}
	for n := range 20 {
		w := wrong[n%len(wrong)]
		h.answers(fmt.Sprint("wrong ", n), w.q, w.status, w.code)
	}
	h.answers("no credential is wrong", asks("open", body), 200, "")
	h.answers("the right one still", right(), 200, "")
	h.answers("the last that locks", asks("meta", body), 401, "signature")

	elsewhere := right()
	elsewhere.IP = netip.MustParseAddr("198.51.100.8")
	h.answers("another address", elsewhere, 200, "")
	h.answers("guesses of one that was let in", asks("shop", body, "X-Token", "guess"), 401, "token")
	h.answers("one that was let in", right(), 200, "")
	h.answers("another that was", asks("signed", body, h.sign("github", "", at, body, "key a")...), 200, "")
	for _, q := range []Request{asks("basic", body), challenge, asks("meta", body)} {
		_, err := h.Hook(t.Context(), q)
		h.answers("locked out of "+q.Channel, q, 429, "locked_out")
		if err == nil || !strings.Contains(err.Error(), "wrong credentials") {
			t.Errorf("%v", err)
		}
	}
	h.answers("a signature, which nobody guesses", asks("meta", body, h.sign("github", "", at, body, "key a")...), 200, "")
	h.answers("a password, though it is right", asks("basic", body, "Authorization", "Basic c2hvcDprZXkgYQ=="), 429, "locked_out")
	h.now = h.now.Add(2 * time.Minute)
	h.answers("a password after a while", asks("basic", body, "Authorization", "Basic c2hvcDprZXkgYQ=="), 200, "")
	h.answers("after a while", asks("meta", body, h.sign("github", "", at, body, "key a")...), 200, "")
}

// TestRefusalsAreNotAFlood: a channel that can't work says so once in a while,
// however many ask.
func TestRefusalsAreNotAFlood(t *testing.T) {
	h := newHooks(t, `
- {id: none, adapter: webhook, config: {event: x, signature: github}, secrets: {secret: gone}}
- {id: token, adapter: webhook, config: {event: x, token: "header:X"}, secrets: {secret: gone}}
`)
	var log bytes.Buffer
	config := h.config
	config.Log = slog.New(slog.NewTextHandler(&log, nil))
	h.Channels = New(config)
	ask := func() {
		for range 3 {
			h.answers("no secret", asks("none", "{}"), 503, "channel_held")
			h.answers("no token", asks("token", "{}"), 503, "channel_held")
		}
	}
	ask()
	if n := strings.Count(log.String(), "webhook refused"); n != 2 {
		t.Errorf("%d lines:\n%s", n, log.String())
	}
	log.Reset()
	h.now = h.now.Add(2 * time.Minute)
	ask()
	if n := strings.Count(log.String(), "unsaid=2"); n != 2 {
		t.Errorf("a while later:\n%s", log.String())
	}
}
