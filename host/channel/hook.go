package channel

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/problem"
	"github.com/trama-run/trama/host/run"
	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/pdk/abi"
)

// envelope is room for what an adapter gets beside the body.
const envelope = 64 << 10

// Request is one webhook request. Its fields belong to the callee.
type Request struct {
	Channel string
	Method  string
	Headers map[string]string // lower-case names
	Query   map[string]string
	Body    []byte
}

// Reply is what a webhook request is answered with, where it is not a problem.
type Reply struct {
	Status int
	Type   string // Content-Type
	Body   string
}

// raw is a stored webhook request.
type raw struct {
	Method   string            `json:"method"`
	Headers  map[string]string `json:"headers,omitempty"`
	Query    map[string]string `json:"query,omitempty"`
	Body     []byte            `json:"body"`
	Received time.Time         `json:"received"`
}

// Hook takes one webhook request: a handshake is answered, a delivery is
// checked and stored. The error is a *problem.Details.
func (c *Channels) Hook(ctx context.Context, q Request) (Reply, error) {
	known, ok := c.config.Catalog().Snapshot().Channels[q.Channel]
	switch {
	case !ok:
		return Reply{}, problem.New(404, "no_channel", fmt.Sprintf("there is no channel %q", q.Channel))
	case known.Adapter == catalog.AdapterWebhook:
		return c.generic(ctx, known, q)
	}
	ch, manifest, held := c.find(q.Channel)
	if held != nil {
		c.config.Log.Warn("webhook refused", "channel", q.Channel, "reason", held.Message)
		return Reply{}, problem.Busy("channel_held", "the channel is not ready; its operator sees why with: trama doctor", 30*time.Second)
	}
	w := manifest.Webhook
	if w == nil {
		return Reply{}, problem.New(404, "no_webhook", fmt.Sprintf("channel %q takes no webhooks", q.Channel))
	}
	switch q.Method {
	case "GET":
		return c.handshake(ch, w.Handshake, q)
	case "POST":
		return c.take(ctx, ch, w, q)
	}
	refused := problem.New(405, "method", "a webhook is sent by POST")
	refused.Allow = []string{"GET", "POST"}
	return Reply{}, refused
}

// handshake answers a challenge if its token is right.
func (c *Channels) handshake(ch catalog.Channel, h *abi.WebhookHandshake, q Request) (Reply, error) {
	if h == nil {
		refused := problem.New(405, "method", "a webhook is sent by POST")
		refused.Allow = []string{"POST"}
		return Reply{}, refused
	}
	name, missing := c.secretName(ch, h.Secret)
	if missing != nil {
		return Reply{}, c.unprepared(ch, missing)
	}
	right, err := c.config.Secrets.Equal(name, q.Query[h.Token])
	if err != nil {
		return Reply{}, c.unprepared(ch, noSecret(ch, err))
	}
	if !right || (h.Mode != "" && q.Query[h.Mode] != h.ModeValue) {
		return Reply{}, problem.New(403, "handshake", "the verify token or the mode is not the expected one")
	}
	return Reply{Status: 200, Type: "text/plain; charset=utf-8", Body: q.Query[h.Challenge]}, nil
}

func (c *Channels) unprepared(ch catalog.Channel, missing *abi.Error) error {
	c.config.Log.Error("webhook refused", "channel", ch.ID, "reason", missing.Message)
	return problem.Busy("channel_held", "the channel is not ready; its operator sees why with: trama doctor", 30*time.Second)
}

// take checks a delivery and stores it. When it returns, the delivery is on
// disk, or the service must send it again.
func (c *Channels) take(ctx context.Context, ch catalog.Channel, w *abi.Webhook, q Request) (Reply, error) {
	if w.Signature != nil {
		name, missing := c.secretName(ch, w.Signature.Secret)
		if missing != nil {
			return Reply{}, c.unprepared(ch, missing)
		}
		if err := c.signed(ch, w.Signature, name, q); err != nil {
			return Reply{}, err
		}
	}
	// The adapter gets the body as base64, in one input.
	if limit := int64(c.config.Plugins.Grant(ch.Adapter).Limits.Input); int64(base64.StdEncoding.EncodedLen(len(q.Body)))+envelope > limit {
		return Reply{}, problem.New(413, "too_big", fmt.Sprintf("the body is %d bytes, more than the channel's adapter may be given", len(q.Body)))
	}
	return c.keep(ctx, ch, q, mark(ch.ID, w.DeliveryID, q))
}

// signed says why a request is not signed with a secret, and takes the
// signature out of it.
func (c *Channels) signed(ch catalog.Channel, s *abi.WebhookSignature, secret string, q Request) error {
	right, err := c.config.Secrets.VerifyMAC(secret, q.Body, signature(s, q))
	if err != nil {
		return c.unprepared(ch, noSecret(ch, err))
	}
	if !right {
		return problem.New(401, "signature", fmt.Sprintf("the header %s does not hold the signature of this body", s.Header))
	}
	delete(q.Headers, strings.ToLower(s.Header))
	return nil
}

// keep stores a request that was checked, once for each mark. Credentials in
// its headers are not kept.
func (c *Channels) keep(ctx context.Context, ch catalog.Channel, q Request, mark string) (Reply, error) {
	for _, credential := range []string{"authorization", "cookie"} {
		delete(q.Headers, credential)
	}
	value, err := json.Marshal(raw{Method: q.Method, Headers: q.Headers, Query: q.Query, Body: q.Body, Received: now()})
	if err != nil {
		return Reply{}, err
	}
	_, err = c.config.Store.Commit(ctx, &store.Batch{
		Intake: true,
		Append: []store.Append{{Queue: intakeKey(ch.ID), Value: value, Mark: mark, MarkTTL: run.DedupWindow}},
		Wake:   []store.Wake{{Key: intakeKey(ch.ID), At: now()}},
	})
	switch {
	case err == nil:
		c.config.Poke()
		return Reply{Status: 200, Type: "text/plain; charset=utf-8", Body: "ok"}, nil
	case errors.Is(err, store.ErrTooBig):
		return Reply{}, problem.New(413, "too_big", "the request is larger than the host stores")
	default: // not known to be on disk: never 200
		c.config.Log.Error("webhook not stored", "channel", ch.ID, "error", err)
		return Reply{}, problem.Busy("not_stored", "the event could not be stored; send it again", 10*time.Second)
	}
}

// signature returns the signature that a request carries; nil, which no body
// has, if there is none or it is malformed.
func signature(s *abi.WebhookSignature, q Request) []byte {
	text, ok := strings.CutPrefix(q.Headers[strings.ToLower(s.Header)], s.Prefix)
	if !ok {
		return nil
	}
	decode := hex.DecodeString
	if s.Encoding == "base64" {
		decode = base64.StdEncoding.DecodeString
	}
	given, err := decode(text)
	if err != nil {
		return nil
	}
	return given
}

// mark names a delivery, so that it is stored once; empty if it has no name.
func mark(channel, where string, q Request) string {
	switch name, isHeader := strings.CutPrefix(where, "header:"); {
	case isHeader && q.Headers[strings.ToLower(name)] != "":
		return nameMark("delivery", channel, q.Headers[strings.ToLower(name)])
	case strings.HasPrefix(where, "json:"):
		if id := idOf(q.Body, strings.TrimPrefix(where, "json:")); id != "" {
			return nameMark("delivery", channel, id)
		}
	case where == "body_sha256":
		sum := sha256.Sum256(q.Body)
		return nameMark("delivery", channel, hex.EncodeToString(sum[:]))
	}
	return ""
}

// nameMark is the mark of a thing with a service's id, which may be long.
func nameMark(kind, channel, id string) string {
	if len(id) > 128 || strings.ContainsRune(id, 0) {
		sum := sha256.Sum256([]byte(id))
		id = "sha256:" + hex.EncodeToString(sum[:])
	}
	return kind + "/" + channel + "/" + id
}
