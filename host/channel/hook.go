package channel

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/cause"
	"github.com/trama-run/trama/host/expr"
	"github.com/trama-run/trama/host/problem"
	"github.com/trama-run/trama/host/run"
	"github.com/trama-run/trama/host/signature"
	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/pdk/abi"
)

// envelope is room for what an adapter gets beside the body.
const envelope = 64 << 10

// Request is one webhook request. Its fields belong to the callee.
type Request struct {
	Channel string
	Path    string // behind the channel's, without a slash; empty: none
	Method  string
	// URL is the address that was called, query and all.
	URL     string
	Headers map[string]string // lower-case names
	Query   map[string]string
	// Repeated are the names of headers that came more than once; Headers has
	// their values joined.
	Repeated []string
	Body     []byte
	IP       netip.Addr // of the caller, behind the proxies that are trusted

	json   *document // is shared by copies; nil: the body is read each time
	sample *sample   // nil: it is no sample of the host's own
}

// document is a body as JSON, once somebody has asked for it.
type document struct {
	read  bool
	value any
	err   error // it is no JSON
}

// parsed gives the body as JSON.
func (q Request) parsed() (any, error) {
	d := q.json
	if d == nil {
		d = &document{}
	}
	if !d.read {
		d.value, d.err = expr.ParseJSON(q.Body)
		d.read = true
	}
	return d.value, d.err
}

// Reply is what a webhook request is answered with, where it is not a problem.
type Reply struct {
	Status int
	Type   string // Content-Type
	Body   string
	// Outcome says what became of the request, for who counts them.
	Outcome string
	// Delivery is the id that a request has here once it is stored.
	Delivery string
}

// What became of requests that are answered with 200.
const (
	OutcomeTaken     = "taken"
	OutcomeDuplicate = "duplicate" // it was taken before
	OutcomeChallenge = "challenge"
)

// plain answers with a text.
func plain(text, outcome string) Reply {
	return Reply{Status: 200, Type: "text/plain; charset=utf-8", Body: text, Outcome: outcome}
}

// raw is a stored webhook request.
type raw struct {
	// ID is the delivery's, and Request that of the HTTP request it came by.
	ID       string            `json:"id,omitempty"`
	Request  string            `json:"request,omitempty"`
	Method   string            `json:"method"`
	Headers  map[string]string `json:"headers,omitempty"`
	Query    map[string]string `json:"query,omitempty"`
	Body     []byte            `json:"body"`
	Received time.Time         `json:"received"`
	// Stale is set once the request has its place among those about the same.
	Stale *bool `json:"stale,omitempty"`
	// Sample is the mark of a request by which the host tries the channel out.
	Sample string `json:"sample,omitempty"`
}

// request is the part of the request that is left.
func (r *raw) request() Request {
	return Request{Method: r.Method, Headers: r.Headers, Query: r.Query, Body: r.Body}
}

// Hook takes one webhook request: a challenge is answered, a delivery is
// checked and stored. The error is a *problem.Details:
//
//   - 400: the headers that prove the request can't be read, or came twice.
//   - 401: what proves the request is missing, wrong or too old.
//   - 403: the caller's address may not send, or a challenge has the wrong
//     token.
//   - 409: the signature came before, with another body or id.
//   - 429: too many wrong credentials came from the address.
//   - 503: the channel is not ready, or the request could not be stored.
func (c *Channels) Hook(ctx context.Context, q Request) (Reply, error) {
	known, ok := c.config.Catalog().Snapshot().Channels[q.Channel]
	if !ok {
		return Reply{}, problem.New(404, "no_channel", fmt.Sprintf("there is no channel %q", q.Channel))
	}
	if q.sample = c.samples.take(q); q.sample != nil { // the host's own, which proves nothing of an address
		q.json = &document{}
		return c.hook(ctx, known, q)
	}
	shut := c.shut(q)
	if shut != nil && !c.bySignature(known, q) {
		return Reply{}, shut
	}
	q.json = &document{}
	reply, err := c.hook(ctx, known, q)
	if c.count(q, err) && shut != nil {
		return Reply{}, shut
	}
	return reply, err
}

func (c *Channels) hook(ctx context.Context, known catalog.Channel, q Request) (Reply, error) {
	if known.Adapter == catalog.AdapterAPIChat {
		return c.chat(ctx, known, q)
	}
	if q.Path != "" {
		return Reply{}, noPath(q.Path)
	}
	if known.Adapter == catalog.AdapterWebhook {
		return c.generic(ctx, known, q)
	}
	ch, manifest, held := c.find(q.Channel)
	if held != nil {
		return Reply{}, c.refused(slog.LevelWarn, known, held)
	}
	w := manifest.Webhook
	if w == nil {
		return Reply{}, problem.New(404, "no_webhook", fmt.Sprintf("channel %q takes no webhooks", q.Channel))
	}
	switch {
	case q.Method == "GET" && w.Handshake != nil:
		names, missing := c.secretNames(ch, w.Handshake.Secret)
		if missing != nil {
			return Reply{}, c.unprepared(ch, missing)
		}
		reply, _, err := c.challenged(ch, handshake(w.Handshake), names, q)
		return reply, err
	case q.Method == "POST":
		return c.take(ctx, ch, w, q)
	}
	return Reply{}, wrongMethod(w.Handshake != nil)
}

// wrongMethod is the answer to other requests than deliveries, and than
// challenges by GET where there are some.
func wrongMethod(challenges bool) error {
	refused := problem.New(405, "method", "a webhook is sent by POST")
	refused.Allow = []string{"POST"}
	if challenges {
		refused.Allow = []string{"GET", "POST"}
	}
	return refused
}

// handshake is a manifest's handshake in the words of channels.
func handshake(h *abi.WebhookHandshake) catalog.Challenge {
	return catalog.Challenge{Method: "GET", Mode: h.Mode, ModeValue: h.ModeValue, Token: h.Token, Challenge: h.Challenge}
}

// scheme is a manifest's signature in the words of channels.
func scheme(s *abi.WebhookSignature) signature.Scheme {
	return signature.Scheme{Header: s.Header, Algorithm: strings.TrimPrefix(s.Algorithm, "hmac-"), Encoding: s.Encoding, Prefix: s.Prefix, Signed: "{" + s.Signed + "}"}
}

func (c *Channels) unprepared(ch catalog.Channel, missing *abi.Error) error {
	return c.refused(slog.LevelError, ch, missing)
}

// refused is the answer while a channel can't work. Each reason is logged once
// in a while: requests come as often as strangers like.
func (c *Channels) refused(level slog.Level, ch catalog.Channel, reason *abi.Error) error {
	c.seldom.Say(context.Background(), level, "refused "+ch.ID+" "+reason.Message, "webhook refused", "channel", ch.ID, "reason", reason.Message)
	return problem.Busy("channel_held", "the channel is not ready; its operator sees why with: trama doctor", 30*time.Second)
}

// take checks a delivery and stores it. When it returns, the delivery is on
// disk, or the service must send it again.
func (c *Channels) take(ctx context.Context, ch catalog.Channel, w *abi.Webhook, q Request) (Reply, error) {
	if w.Signature != nil {
		names, missing := c.secretNames(ch, w.Signature.Secret)
		if missing != nil {
			return Reply{}, c.unprepared(ch, missing)
		}
		method, err := c.prepared.ofManifest(ch, w.Signature)
		if err != nil {
			return Reply{}, c.unprepared(ch, err)
		}
		if err := once(q, w.Signature.Header, headerIn(w.DeliveryID)); err != nil {
			return Reply{}, err
		}
		if _, err := c.signed(ch, method, names, q); err != nil {
			return Reply{}, err
		}
		c.passed(q)
	}
	if w.Token != nil {
		if err := c.tokened(ch, w, q); err != nil {
			return Reply{}, err
		}
		c.passed(q)
	}
	// The adapter gets the body as base64, in one input.
	if limit := int64(c.config.Plugins.Grant(ch.Adapter).Limits.Input); int64(base64.StdEncoding.EncodedLen(len(q.Body)))+envelope > limit {
		return Reply{}, problem.New(413, "too_big", fmt.Sprintf("the body is %d bytes, more than the channel's adapter may be given", len(q.Body)))
	}
	return c.keep(ctx, ch, q, mark(ch.ID, w.DeliveryID, q), nil)
}

// replay is what keeps a signed request from being taken twice: a record that
// lasts as long as the signature does.
type replay struct {
	id  store.ID
	ttl time.Duration
}

// kindReplay is the kind of records of signed requests that came.
const kindReplay store.Kind = "signed"

// keep stores a request that was checked, once for each mark and once for what
// was signed. Credentials in its headers are not kept.
func (c *Channels) keep(ctx context.Context, ch catalog.Channel, q Request, mark string, guard *replay) (Reply, error) {
	for _, credential := range []string{"authorization", "cookie"} {
		delete(q.Headers, credential)
	}
	of := ""
	if q.sample != nil {
		of, mark, guard = q.sample.mark, "", nil
	}
	id, err := uuid.NewV7()
	if err != nil {
		return Reply{}, fmt.Errorf("delivery id: %w", err)
	}
	value, err := json.Marshal(raw{ID: id.String(), Request: cause.Of(ctx).Request, Method: q.Method, Headers: q.Headers, Query: q.Query, Body: q.Body, Received: now(), Sample: of})
	if err != nil {
		return Reply{}, err
	}
	batch := store.Batch{
		Intake: true,
		Append: []store.Append{{Queue: intakeKey(ch.ID), Value: value, Mark: mark, MarkTTL: run.DedupWindow}},
		Wake:   []store.Wake{{Key: intakeKey(ch.ID), At: now()}},
	}
	if guard != nil {
		batch.Expect = []store.Expect{{ID: guard.id}}
		batch.Put = []store.Put{{ID: guard.id, Value: sumOf(mark, q.Body), TTL: guard.ttl}}
	}
	end := c.pace.begin()
	stored, err := c.config.Store.Commit(ctx, &batch)
	end()
	if guard != nil && errors.Is(err, store.ErrConflict) {
		return c.again(ctx, ch, sumOf(mark, q.Body), guard)
	}
	switch {
	case err == nil && stored.Positions[0] == 0:
		return plain("ok", OutcomeDuplicate), nil
	case err == nil:
		if q.sample != nil {
			close(q.sample.stored)
		}
		c.config.Poke()
		reply := plain("ok", OutcomeTaken)
		reply.Delivery = id.String()
		return reply, nil
	case errors.Is(err, store.ErrTooBig):
		return Reply{}, problem.New(413, "too_big", "the request is larger than the host stores")
	default: // not known to be on disk: never 200
		return Reply{}, c.notStored(ch, err)
	}
}

func (c *Channels) notStored(ch catalog.Channel, err error) error {
	c.seldom.Say(context.Background(), slog.LevelError, "not stored "+ch.ID, "webhook not stored", "channel", ch.ID, "error", err)
	return problem.Busy("not_stored", "the event could not be stored; send it again", 10*time.Second)
}

// sumOf is short for a delivery: by what it is known, and what it says.
func sumOf(mark string, body []byte) []byte {
	digest := sha256.New()
	fmt.Fprintf(digest, "%d %s", len(mark), mark)
	digest.Write(body)
	return digest.Sum(nil)
}

// again answers a signed request that came before. If it is the same delivery,
// its sender did not see the answer: it is stored. Else its signature is used
// for something else.
func (c *Channels) again(ctx context.Context, ch catalog.Channel, sum []byte, guard *replay) (Reply, error) {
	before, err := c.config.Store.Load(ctx, guard.id)
	switch {
	case err != nil:
		return Reply{}, c.notStored(ch, err)
	case bytes.Equal(before.Value, sum):
		return plain("ok", OutcomeDuplicate), nil
	}
	return Reply{}, problem.New(409, "replayed", "a request with this signature was taken before, with another body or id")
}

// mark names a delivery, so that it is stored once; empty if it has no name.
func mark(channel, where string, q Request) string {
	switch id := placed(where, q); {
	case where == "body_sha256":
		sum := sha256.Sum256(q.Body)
		return nameMark("delivery", channel, hex.EncodeToString(sum[:]))
	case id != "":
		return nameMark("delivery", channel, id)
	}
	return ""
}

// nameMark is the mark of a thing with a service's id, which may be long.
func nameMark(kind, channel, id string) string {
	return kind + "/" + channel + "/" + short(id)
}

// short gives a service's id as a part of a name.
func short(id string) string {
	if len(id) > 128 || strings.ContainsRune(id, 0) {
		sum := sha256.Sum256([]byte(id))
		id = "sha256:" + hex.EncodeToString(sum[:])
	}
	return id
}
