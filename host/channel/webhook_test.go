package channel

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/deadletter"
	"github.com/trama-run/trama/host/problem"
	"github.com/trama-run/trama/host/run"
	"github.com/trama-run/trama/host/secret"
	"github.com/trama-run/trama/host/signature"
	"github.com/trama-run/trama/host/source"
	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/host/store/memory"
	"github.com/trama-run/trama/pdk/abi"
)

// at is the time of these tests.
var at = time.Unix(1700000000, 0)

// hooks is a host of channels of adapter webhook.
type hooks struct {
	*testing.T
	*Channels
	store  store.Store
	now    time.Time
	events []run.Event // that started flows
	lasts  bool        // the runs of events go on until over is called
}

// newHooks makes the channels of a document of channels.yaml, with the secrets
// a, b and c, whose values are "key a" and so on.
func newHooks(t *testing.T, document string) *hooks {
	t.Helper()
	h := &hooks{T: t, store: memory.Open(memory.NewDisk(), nil), now: at}
	h.open(document)
	return h
}

// open makes the channels anew, as after a restart.
func (h *hooks) open(document string) {
	h.Helper()
	objects, err := catalog.Open(h.Context(), h.store, func(*catalog.Snapshot) {})
	if err != nil {
		h.Fatal(err)
	}
	if document != "" {
		var list []catalog.Channel
		if problems := source.Decode("channels.yaml", []byte(document), &list); len(problems) > 0 {
			h.Fatal(problems)
		}
		for _, ch := range list {
			if problems := ch.Check(); len(problems) > 0 {
				h.Fatal(problems)
			}
		}
		if _, err := objects.Apply(h.Context(), catalog.Set{Channels: list}, true); err != nil {
			h.Fatal(err)
		}
	}
	h.Channels = New(Config{
		Store: h.store, Catalog: func() *catalog.Catalog { return objects },
		Secrets: secret.New([]string{"TRAMA_SECRET_A=key a", "TRAMA_SECRET_B=key b", "TRAMA_SECRET_C=key c"}, ""),
		Poke:    func() {}, Now: func() time.Time { return h.now }, Log: slog.New(slog.DiscardHandler),
		Event: func(b *store.Batch, e run.Event) (map[string]string, error) {
			h.events = append(h.events, e)
			id := fmt.Sprint(len(h.events))
			if h.lasts {
				b.Put = append(b.Put, store.Put{ID: sessionOf(id), Value: []byte("{}")})
			}
			return map[string]string{"flow": id}, nil
		},
	})
}

// sessionOf is where host/run keeps a run that is not over.
func sessionOf(id string) store.ID { return store.ID{Kind: "session", Key: run.PrefixRun + ":" + id} }

// over ends the run of the nth event, as host/run does.
func (h *hooks) over(n int) {
	h.Helper()
	_, err := h.store.Commit(h.Context(), &store.Batch{
		Delete: []store.ID{sessionOf(fmt.Sprint(n))},
		Wake:   []store.Wake{{Key: h.events[n-1].Done, At: time.Now()}},
	})
	if err != nil {
		h.Fatal(err)
	}
}

// asks is a request with headers, given as name, value, and so on; those
// that are given twice are joined as the server does.
func asks(channel, body string, headers ...string) Request {
	q := Request{Channel: channel, Method: "POST", Headers: map[string]string{}, Query: map[string]string{}, Body: []byte(body), IP: netip.MustParseAddr("198.51.100.7")}
	for pair := range slices.Chunk(headers, 2) {
		name := strings.ToLower(pair[0])
		if before, twice := q.Headers[name]; twice {
			q.Repeated = append(q.Repeated, name)
			pair[1] = before + ", " + pair[1]
		}
		q.Headers[name] = pair[1]
	}
	return q
}

// sign gives the headers that sign a body with a secret's text.
func (h *hooks) sign(preset, id string, when time.Time, body, text string) []string {
	h.Helper()
	m, err := signature.New(signature.Scheme{Preset: preset})
	if err != nil {
		h.Fatal(err)
	}
	k, err := m.Key(text)
	if err != nil {
		h.Fatal(err)
	}
	signed, err := m.Sign(id, when, []byte(body), k)
	if err != nil {
		h.Fatal(err)
	}
	var headers []string
	for name, value := range signed {
		headers = append(headers, name, value)
	}
	return headers
}

// answers sends a request and wants a status, and of a problem its code.
func (h *hooks) answers(name string, q Request, status int, code string) Reply {
	h.Helper()
	reply, err := h.Hook(h.Context(), q)
	if err == nil {
		if reply.Status != status {
			h.Errorf("%s: %d %s, want %d %s", name, reply.Status, reply.Body, status, code)
		}
		return reply
	}
	refused, ok := errors.AsType[*problem.Details](err)
	if !ok || refused.Status != status || refused.Code != code {
		h.Errorf("%s: %#v, want %d %s", name, err, status, code)
	}
	if ok && strings.Contains(refused.Detail, "key ") {
		h.Errorf("%s: the problem tells a secret: %s", name, refused.Detail)
	}
	return reply
}

// stored gives the requests that a channel has stored.
func (h *hooks) stored(queue string) []raw {
	h.Helper()
	items, err := h.store.Read(h.Context(), queue, 0, 100)
	if err != nil {
		h.Fatal(err)
	}
	var list []raw
	for _, item := range items {
		var r raw
		if err := json.Unmarshal(item.Value, &r); err != nil {
			h.Fatal(err)
		}
		list = append(list, r)
	}
	return list
}

func (h *hooks) wantStored(channel string, n int) []raw {
	h.Helper()
	list := h.stored(intakeKey(channel))
	if len(list) != n {
		h.Errorf("%s has stored %d requests, want %d", channel, len(list), n)
	}
	return list
}

// work does what is due, as the dispatcher does.
func (h *hooks) work(ctx context.Context) {
	h.Helper()
	for {
		wakes, err := h.store.Due(ctx, store.Wake{}, time.Now().Add(time.Second), 10)
		if err != nil {
			h.Fatal(err)
		}
		if len(wakes) == 0 {
			return
		}
		for _, wake := range wakes {
			handler := h.Intake
			if strings.HasPrefix(wake.Key, PrefixOrder+":") {
				handler = h.Order
			}
			if wake.At, err = handler(ctx, wake.Key); err != nil {
				h.Fatal(err)
			}
			if _, err := h.store.Commit(ctx, &store.Batch{Wake: []store.Wake{wake}}); err != nil {
				h.Fatal(err)
			}
		}
	}
}

// TestGenuine: what proves a request, what is asked together, what a refusal
// says, and that what proved it is not kept.
func TestGenuine(t *testing.T) {
	h := newHooks(t, `
- {id: signed, adapter: webhook, config: {event: x, signature: github}, secrets: {secret: [a, b]}}
- {id: bearer, adapter: webhook, config: {event: x, token: "header:Authorization"}, secrets: {secret: a}}
- {id: query, adapter: webhook, config: {event: x, token: "query:token"}, secrets: {secret: [c, a]}}
- {id: basic, adapter: webhook, config: {event: x, basic: shop}, secrets: {password: a}}
- {id: ips, adapter: webhook, config: {event: x, ips: [198.51.100.0/24, "2001:db8::/32"]}}
- {id: all, adapter: webhook, config: {event: x, signature: github, token: "header:X-Token", basic: shop, ips: [198.51.100.7]}, secrets: {secret: a, token: b, password: c}}
- {id: half, adapter: webhook, config: {event: x, signature: github}, secrets: {secret: [a, gone]}}
- {id: none, adapter: webhook, config: {event: x, signature: github}, secrets: {secret: gone}}
- {id: odd, adapter: webhook, config: {event: x, signature: standard}, secrets: {secret: a}}
`)
	const body = `{"a":1}`
	basic := func(text string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(text)) }
	with := func(lists ...[]string) []string { return slices.Concat(lists...) }
	github := func(text string) []string { return h.sign("github", "", at, body, text) }
	from := func(q Request, ip string) Request { q.IP, _ = netip.ParseAddr(ip); return q }
	query := func(value string) Request {
		q := asks("query", body)
		q.Query["token"] = value
		return q
	}
	allOf := with(github("key a"), []string{"X-Token", "key b", "Authorization", basic("shop:key c")})
	for _, c := range []struct {
		name   string
		q      Request
		status int
		code   string
	}{
		{"signed", asks("signed", body, github("key a")...), 200, ""},
		{"signed with the other secret", asks("signed", body, github("key b")...), 200, ""},
		{"signed with neither", asks("signed", body, github("key c")...), 401, "signature"},
		{"signed, another body", asks("signed", body+" ", github("key a")...), 401, "signature"},
		{"not signed", asks("signed", body), 401, "signature"},
		{"signed twice", asks("signed", body, with(github("key a"), github("key a"))...), 400, "duplicate_header"},
		{"signed, a wrong one first", asks("signed", body, with(github("key c"), github("key a"))...), 400, "duplicate_header"},

		{"bearer", asks("bearer", body, "Authorization", "Bearer key a"), 200, ""},
		{"bearer, another case", asks("bearer", body, "Authorization", "bearer key a"), 200, ""},
		{"bare in Authorization", asks("bearer", body, "Authorization", "key a"), 200, ""},
		{"bearer, another", asks("bearer", body, "Authorization", "Bearer key b"), 401, "token"},
		{"bearer, none", asks("bearer", body), 401, "token"},
		{"bearer, twice", asks("bearer", body, "Authorization", "Bearer key a", "Authorization", "Bearer key a"), 400, "duplicate_header"},

		{"query", query("key a"), 200, ""},
		{"query, new secret", query("key c"), 200, ""},
		{"query, another", query("key b"), 401, "token"},
		{"query, empty", query(""), 401, "token"},
		{"query, as a header", asks("query", body, "token", "key a"), 401, "token"},

		{"basic", asks("basic", body, "Authorization", basic("shop:key a")), 200, ""},
		{"basic, another user", asks("basic", body, "Authorization", basic("shops:key a")), 401, "basic"},
		{"basic, another password", asks("basic", body, "Authorization", basic("shop:key b")), 401, "basic"},
		{"basic, not base64", asks("basic", body, "Authorization", "Basic shop:key a"), 401, "basic"},
		{"basic, as bearer", asks("basic", body, "Authorization", "Bearer key a"), 401, "basic"},

		{"ip", asks("ips", body), 200, ""},
		{"ip, mapped", from(asks("ips", body), "::ffff:198.51.100.9"), 200, ""},
		{"ip, of version 6", from(asks("ips", body), "2001:db8::9"), 200, ""},
		{"ip, another", from(asks("ips", body), "203.0.113.1"), 403, "ip"},
		{"ip, not known", from(asks("ips", body), ""), 403, "ip"},

		{"all", asks("all", body, allOf...), 200, ""},
		{"all, from elsewhere", from(asks("all", body, allOf...), "198.51.100.8"), 403, "ip"},
		{"all but the signature", asks("all", body, allOf[2:]...), 401, "signature"},
		{"all but the token", asks("all", body, with(allOf[:2], allOf[4:])...), 401, "token"},
		{"all but the password", asks("all", body, allOf[:4]...), 401, "basic"},

		{"one of two secrets is there", asks("half", body, github("key a")...), 200, ""},
		{"no secret is there", asks("none", body, github("key a")...), 503, "channel_held"},
		{"another method", Request{Channel: "signed", Method: "PUT"}, 405, "method"},
		{"GET where there is no challenge", Request{Channel: "signed", Method: "GET"}, 405, "method"},
		{"malformed", asks("odd", body, "Webhook-Signature", "v1,AA==", "Webhook-Timestamp", "soon", "Webhook-Id", "1"), 400, "signature_header"},
	} {
		h.answers(c.name, c.q, c.status, c.code)
	}
	for _, channel := range []string{"signed", "bearer", "query", "basic", "all"} {
		for _, r := range h.stored(intakeKey(channel)) {
			if text := fmt.Sprint(r.Headers, r.Query); strings.Contains(text, "key ") || strings.Contains(text, "sha256=") || strings.Contains(strings.ToLower(text), "basic") {
				t.Errorf("%s keeps what proved a request: %s", channel, text)
			}
		}
	}
	h.wantStored("all", 1)
	for channel, says := range map[string]string{"half": `no secret "gone"`, "none": `no secret "gone"`, "signed": ""} {
		held := h.Held(channel)
		if (held == nil) != (says == "") || held != nil && !strings.Contains(held.Message, says) {
			t.Errorf("%s: held by %v, want %q", channel, held, says)
		}
	}
}

// TestReplay: a signature is taken once while it lasts, and never afterwards;
// the same delivery again is known.
func TestReplay(t *testing.T) {
	h := newHooks(t, `
- {id: std, adapter: webhook, config: {event: x, signature: standard}, secrets: {secret: [a, b]}}
- {id: bare, adapter: webhook, config: {event: x, signature: slack}, secrets: {secret: a}}
- {id: named, adapter: webhook, config: {event: x, signature: {preset: slack, tolerance: 1h}, id: "header:X-Id"}, secrets: {secret: a}}
- {id: timeless, adapter: webhook, config: {event: x, signature: github, id: "header:X-Id"}, secrets: {secret: a}}
- {id: bodied, adapter: webhook, config: {event: x, signature: github, id: body}, secrets: {secret: a}}
`)
	std := func(id string, when time.Time, text string) Request {
		return asks("std", "{}", h.sign("standard", id, when, "{}", text)...)
	}
	for _, c := range []struct {
		name   string
		q      Request
		status int
		code   string
		stored int
	}{
		{"new", std("m1", at, "key a"), 200, "", 1},
		{"the same bytes again", std("m1", at, "key a"), 200, "", 1},
		{"the same, signed with the other secret", std("m1", at, "key b"), 200, "", 1},
		{"a new try of it", std("m1", at.Add(5*time.Second), "key a"), 200, "", 1},
		{"another", std("m2", at, "key a"), 200, "", 2},
		{"5 minutes old", std("m3", at.Add(-5*time.Minute), "key a"), 200, "", 3},
		{"older", std("m4", at.Add(-5*time.Minute-time.Second), "key a"), 401, "signature_time", 3},
		{"of the future", std("m4", at.Add(5*time.Minute+time.Second), "key a"), 401, "signature_time", 3},
	} {
		h.answers(c.name, c.q, c.status, c.code)
		h.wantStored("std", c.stored)
	}

	slack := func(channel, id string) Request {
		return asks(channel, "{}", append(h.sign("slack", "", at, "{}", "key a"), "X-Id", id)...)
	}
	h.answers("no id", slack("bare", ""), 200, "")
	if again := h.answers("no id, again", slack("bare", ""), 200, ""); again.Outcome != OutcomeDuplicate { // its sender did not see the answer
		t.Errorf("again: %+v", again)
	}
	h.wantStored("bare", 1)
	h.answers("an id that is not signed", slack("named", "1"), 200, "")
	h.answers("it again", slack("named", "1"), 200, "")
	h.answers("the signature with another id", slack("named", "2"), 409, "replayed")
	h.wantStored("named", 1)
	timeless := func(id string) Request {
		return asks("timeless", "{}", append(h.sign("github", "", at, "{}", "key a"), "X-Id", id)...)
	}
	h.answers("without a time", timeless("1"), 200, "")
	h.answers("the same id", timeless("1"), 200, "")
	h.answers("the same body with another id", timeless("2"), 200, "") // services send equal bodies
	h.answers("two ids", asks("timeless", "{}", append(h.sign("github", "", at, "{}", "key a"), "X-Id", "1", "X-Id", "3")...), 400, "duplicate_header")
	h.wantStored("timeless", 2)
	bodied := func(id string) Request {
		return asks("bodied", "{}", append(h.sign("github", "", at, "{}", "key a"), "X-GitHub-Delivery", id)...)
	}
	h.answers("known by its body", bodied("1"), 200, "")
	if again := h.answers("it again under another name", bodied("2"), 200, ""); again.Outcome != OutcomeDuplicate {
		t.Errorf("again: %+v", again)
	}
	h.wantStored("bodied", 1)

	// A restart forgets none of it; the tolerance passes.
	h.open("")
	h.answers("no id, after a restart", slack("bare", ""), 200, "")
	h.wantStored("bare", 1)
	h.now = at.Add(6 * time.Minute)
	h.answers("no id, late", slack("bare", ""), 401, "signature_time")
	h.answers("within its own tolerance", slack("named", "1"), 200, "")
	h.wantStored("named", 1)
}

// TestChallenge: the handshakes of services, by all the ways in which they may
// come.
func TestChallenge(t *testing.T) {
	h := newHooks(t, `
- {id: meta, adapter: webhook, config: {event: x, signature: meta, challenge: meta}, secrets: {secret: a, verify_token: [b, c]}}
- {id: nico, adapter: webhook, config: {event: x, signature: {header: X-Signature}, challenge: nicochat}, secrets: {secret: a, verify_token: b}}
- {id: slack, adapter: webhook, config: {event: x, signature: slack, challenge: slack}, secrets: {secret: a}}
- {id: twitch, adapter: webhook, config: {event: x, signature: twitch, challenge: twitch}, secrets: {secret: a}}
- {id: walled, adapter: webhook, config: {event: x, ips: [192.0.2.1], challenge: meta}, secrets: {verify_token: b}}
- {id: keyless, adapter: webhook, config: {event: x, ips: [198.51.100.7], challenge: meta}, secrets: {verify_token: gone}}
`)
	get := func(channel string, pairs ...string) Request {
		q := asks(channel, "")
		q.Method = "GET"
		for pair := range slices.Chunk(pairs, 2) {
			q.Query[pair[0]] = pair[1]
		}
		return q
	}
	post := func(body string, pairs ...string) Request {
		q := get("nico", pairs...)
		q.Method, q.Body = "POST", []byte(body)
		return q
	}
	slack := func(body, text string) Request {
		return asks("slack", body, h.sign("slack", "", at, body, text)...)
	}
	const ask = `{"token":"Jhj5dZrVaK7ZwHHjRyZWjbDl","challenge":"3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P","type":"url_verification"}`
	const twitch = `{"challenge": "pogchamp-kappa-360noscope-vohiyo", "subscription": {}}`
	for _, c := range []struct {
		name   string
		q      Request
		status int
		code   string
		body   string
	}{
		{"Meta's", get("meta", "hub.mode", "subscribe", "hub.verify_token", "key b", "hub.challenge", "1158201444"), 200, "", "1158201444"},
		{"with the new token", get("meta", "hub.mode", "subscribe", "hub.verify_token", "key c", "hub.challenge", "<b>"), 200, "", "<b>"},
		{"with the signing secret", get("meta", "hub.mode", "subscribe", "hub.verify_token", "key a", "hub.challenge", "1"), 403, "handshake", ""},
		{"another mode", get("meta", "hub.mode", "unsubscribe", "hub.verify_token", "key b", "hub.challenge", "1"), 403, "handshake", ""},
		{"nothing", get("meta"), 403, "handshake", ""},
		{"no challenge", get("meta", "hub.mode", "subscribe", "hub.verify_token", "key b"), 400, "challenge", ""},
		{"an endless one", get("meta", "hub.mode", "subscribe", "hub.verify_token", "key b", "hub.challenge", strings.Repeat("x", 5000)), 400, "challenge", ""},
		{"Meta's by POST is a delivery", asks("meta", `{"hub.mode":"subscribe","hub.verify_token":"key b","hub.challenge":"1"}`), 401, "signature", ""},

		{"NicoChat's, a form", post("hub_mode=subscribe&hub_verify_token=key+b&hub_challenge=205c40409f9bcdeb9e00614b442c5fdd"), 200, "", "205c40409f9bcdeb9e00614b442c5fdd"},
		{"JSON", post(`{"hub_mode":"subscribe","hub_verify_token":"key b","hub_challenge":"205c"}`), 200, "", "205c"},
		{"JSON with a number", post(`{"hub_mode":"subscribe","hub_verify_token":"key b","hub_challenge":9007199254740993}`), 200, "", "9007199254740993"},
		{"the query", post("", "hub_mode", "subscribe", "hub_verify_token", "key b", "hub_challenge", "205c"), 200, "", "205c"},
		{"a form with another token", post("hub_mode=subscribe&hub_verify_token=no&hub_challenge=1"), 403, "handshake", ""},
		{"a form with two tokens", post("hub_mode=subscribe&hub_verify_token=key+b&hub_verify_token=x&hub_challenge=1"), 403, "handshake", ""},
		{"JSON with a token that is no text", post(`{"hub_mode":"subscribe","hub_verify_token":["key b"],"hub_challenge":"1"}`), 403, "handshake", ""},
		{"another mode is a delivery", post(`{"hub_mode":"unsubscribe","hub_verify_token":"key b","hub_challenge":"1"}`), 401, "signature", ""},
		{"a delivery", post(`{"text":"oi"}`), 401, "signature", ""},
		{"too large for a challenge", post(`{"hub_mode":"subscribe","hub_verify_token":"key b","hub_challenge":"1","x":"` + strings.Repeat("x", maxChallengeBody) + `"}`), 401, "signature", ""},
		{"by GET", get("nico", "hub_mode", "subscribe", "hub_verify_token", "key b", "hub_challenge", "1"), 405, "method", ""},

		{"Slack's", slack(ask, "key a"), 200, "", "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P"},
		{"Slack's, signed by another", slack(ask, "key b"), 401, "signature", ""},
		{"Slack's delivery", slack(`{"type":"event_callback"}`, "key a"), 200, "", "ok"},
		{"Twitch's", asks("twitch", twitch, append(h.sign("twitch", "1", at, twitch, "key a"), "Twitch-Eventsub-Message-Type", "webhook_callback_verification")...), 200, "", "pogchamp-kappa-360noscope-vohiyo"},
		{"Twitch's delivery", asks("twitch", twitch, append(h.sign("twitch", "2", at, twitch, "key a"), "Twitch-Eventsub-Message-Type", "notification")...), 200, "", "ok"},
		{"from elsewhere", get("walled", "hub.mode", "subscribe", "hub.verify_token", "key b", "hub.challenge", "1"), 403, "ip", ""},
		{"no secret", get("keyless", "hub.mode", "subscribe", "hub.verify_token", "key b", "hub.challenge", "1"), 503, "channel_held", ""},
	} {
		if reply := h.answers(c.name, c.q, c.status, c.code); reply.Body != c.body || reply.Body != "" && reply.Type != "text/plain; charset=utf-8" {
			t.Errorf("%s: %q as %s, want %q", c.name, reply.Body, reply.Type, c.body)
		}
	}
	h.wantStored("slack", 1)
	h.wantStored("twitch", 1)
	h.wantStored("meta", 0)
	h.wantStored("nico", 0)
}

// TestStale: an event that is older than one before it, about the same, says
// so; also after a restart.
func TestStale(t *testing.T) {
	h := newHooks(t, `
- {id: gupy, adapter: webhook, config: {event: moved, token: "header:X-Token", id: "json:/id", order: "json:/data/application/id", time: "json:/date"}, secrets: {secret: a}}
`)
	n := 0
	send := func(about, date string) {
		t.Helper()
		n++
		// Gupy leaves the Content-Type out once it is given headers of one's own.
		h.answers(date, asks("gupy", fmt.Sprintf(`{"id":"e%d","date":%s,"data":{"application":{"id":%s}}}`, n, date, about), "X-Token", "key a"), 200, "")
		h.work(t.Context())
	}
	for i, c := range []struct {
		about, date string
		stale       any
		order       any
	}{
		{"7", `"2026-11-22T10:00:00Z"`, false, "7"},
		{"7", `"2026-11-22T09:59:59Z"`, true, "7"},
		{"7", `"2026-11-22T10:00:00.000Z"`, false, "7"},      // as new as the newest
		{"7", `"2026-11-22T07:00:00.001-03:00"`, false, "7"}, // a millisecond newer, in São Paulo
		{"7", `1795341600000`, true, "7"},                    // 2026-11-22T10:00:00Z in milliseconds
		{"8", `1795341600`, false, "8"},                      // another thing, in seconds
		{`"8"`, `1795341599`, true, "8"},                     // its id as a text
		{`"São Paulo"`, `1`, false, "São Paulo"},
		{"7", `"yesterday"`, nil, "7"}, // no time: nothing is said
		{"null", `1`, nil, nil},        // about nothing: nothing is said
		{`"` + strings.Repeat("x", 3000) + `"`, `1`, false, strings.Repeat("x", 3000)},
	} {
		if i == 4 {
			h.open("")
		}
		send(c.about, c.date)
		if len(h.events) != i+1 {
			t.Fatalf("%s at %s: %d events, want %d", c.about, c.date, len(h.events), i+1)
		}
		data, _ := h.events[i].Data.(map[string]any)
		if data["stale"] != c.stale || data["order"] != c.order {
			t.Errorf("%s at %s: stale %v, order %v, want %v, %v", c.about, c.date, data["stale"], data["order"], c.stale, c.order)
		}
		if _, ok := data["body"].(map[string]any); !ok {
			t.Errorf("the body is %T, want it read as JSON", data["body"])
		}
	}
	if data, _ := h.events[4].Data.(map[string]any); data["time"] != "2026-11-22T10:00:00Z" {
		t.Errorf("the time is %v", data["time"])
	}
	left, err := h.store.Wakes(t.Context(), "", "", 10)
	if err != nil || len(left) > 0 {
		t.Errorf("keys that wake for nothing: %v, %v", left, err)
	}
}

// TestOrder: events about one thing have their turn when the runs of the one
// before are over, also after a restart; a dead one holds none.
func TestOrder(t *testing.T) {
	h := newHooks(t, `
- {id: erp, adapter: webhook, config: {event: x, token: "header:X-Token", order: "header:X-Order"}, secrets: {secret: a}}
`)
	h.lasts = true
	send := func(order string, bodies ...string) {
		t.Helper()
		for _, body := range bodies {
			h.answers(body, asks("erp", `{"n":"`+body+`"}`, "X-Token", "key a", "X-Order", order), 200, "")
		}
		h.work(t.Context())
	}
	begun := func(want ...string) {
		t.Helper()
		h.work(t.Context())
		var got []string
		for _, e := range h.events {
			data, _ := e.Data.(map[string]any)
			body, _ := data["body"].(map[string]any)
			got = append(got, fmt.Sprint(body["n"]))
		}
		if !slices.Equal(got, want) {
			t.Fatalf("begun: %q, want %q", got, want)
		}
	}
	send("1", "a1", "a2", "a3")
	begun("a1")
	send("2", "b1")
	send("", "c1")
	send("", "c2") // about nothing: they don't wait
	begun("a1", "b1", "c1", "c2")
	h.open("")
	begun("a1", "b1", "c1", "c2")
	h.over(1)
	begun("a1", "b1", "c1", "c2", "a2")
	h.over(2)
	h.over(5)
	begun("a1", "b1", "c1", "c2", "a2", "a3")
	h.over(6)
	begun("a1", "b1", "c1", "c2", "a2", "a3")
	for _, key := range []string{PrefixOrder + ":erp/1", PrefixOrder + ":erp/2"} {
		if _, err := h.store.Load(t.Context(), store.ID{Kind: kindRunning, Key: key}); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s is left: %v", key, err)
		}
	}

	// What no flow takes is dead, and the next has its turn.
	event := h.config.Event
	h.config.Event = func(b *store.Batch, e run.Event) (map[string]string, error) {
		if data, _ := e.Data.(map[string]any); fmt.Sprint(data["body"]) == "map[n:bad]" {
			return nil, nil
		}
		return event(b, e)
	}
	send("1", "bad", "a4")
	begun("a1", "b1", "c1", "c2", "a2", "a3", "a4")
	n := 0
	if err := deadletter.Each(t.Context(), h.store, deadletter.Filter{Queue: PrefixOrder + ":erp/1"}, "", 10, 10, func(deadletter.Letter) { n++ }); err != nil || n != 1 {
		t.Errorf("%d dead letters, %v", n, err)
	}
}

// TestDedupPlaces: ids by header, by pointer and of the whole body.
func TestDedupPlaces(t *testing.T) {
	h := newHooks(t, `
- {id: deep, adapter: webhook, config: {event: x, token: "header:X-Token", id: "json:/entry/0/a~1b"}, secrets: {secret: a}}
- {id: body, adapter: webhook, config: {event: x, token: "header:X-Token", id: body}, secrets: {secret: a}}
- {id: none, adapter: webhook, config: {event: x, token: "header:X-Token"}, secrets: {secret: a}}
`)
	send := func(channel string, bodies ...string) {
		t.Helper()
		for _, body := range bodies {
			h.answers(body, asks(channel, body, "X-Token", "key a"), 200, "")
		}
	}
	send("deep", `{"entry":[{"a/b":"1"}]}`, `{"entry":[{"a/b":"1"}],"try":2}`, `{"entry":[{"a/b":2}]}`, `{"entry":[{"a/b":2.0}]}`, `{"entry":[]}`, `{"entry":[]}`, `not JSON`, `not JSON`)
	h.wantStored("deep", 7) // "1", 2, 2.0, as they are written, and four without an id that can be read
	send("body", `a`, `a`, `b`)
	h.wantStored("body", 2)
	send("none", `a`, `a`)
	h.wantStored("none", 2)
}

// TestManifestSignature: the schemes of manifests are those of this package.
func TestManifestSignature(t *testing.T) {
	h := newHooks(t, "[]")
	body := []byte("Hello, World!")
	right := "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
	m, err := signature.New(scheme(&abi.WebhookSignature{Header: "X-Hub-Signature-256", Algorithm: "hmac-sha256", Encoding: "hex", Prefix: "sha256=", Signed: "body"}))
	if err != nil {
		t.Fatal(err)
	}
	k, err := m.Key("It's a Secret to Everybody")
	if err != nil {
		t.Fatal(err)
	}
	for value, want := range map[string]bool{"sha256=" + right: true, "sha256=" + strings.ToUpper(right): true, right: false, "sha1=" + right: false, "sha256=": false} {
		_, err := m.Verify(signature.Request{Headers: map[string]string{"x-hub-signature-256": value}, Body: body}, h.now, k)
		if (err == nil) != want {
			t.Errorf("%q: %v", value, err)
		}
	}
}

// FuzzChallenge: whatever comes, only the token opens the door, and what is sent
// back is what was asked.
func FuzzChallenge(f *testing.F) {
	f.Add("hub_mode=subscribe&hub_verify_token=x&hub_challenge=1", "")
	f.Add(`{"hub_mode":"subscribe","hub_verify_token":"x","hub_challenge":1}`, "subscribe")
	f.Add(`{"hub_mode":"subscribe","hub_verify_token":null}`, "%")
	with := catalog.Challenge{Preset: "nicochat"}.Full()
	c := New(Config{Secrets: secret.New([]string{"TRAMA_SECRET_A=the token that the fuzzer does not know"}, ""), Log: slog.New(slog.DiscardHandler)})
	f.Fuzz(func(t *testing.T, body, mode string) {
		q := Request{Method: "POST", Headers: map[string]string{}, Query: map[string]string{"hub_mode": mode}, Body: []byte(body)}
		if reply, is, err := c.challenged(catalog.Channel{ID: "x"}, with, catalog.SecretList{"a"}, q); err == nil && (is || reply.Status != 0) {
			t.Fatalf("%+v for %q", reply, body)
		}
	})
}

// FuzzPlaced: a pointer leads to something or nowhere.
func FuzzPlaced(f *testing.F) {
	f.Add("/a/0/~0~1", []byte(`{"a":[{"~/":1}]}`))
	f.Add("//", []byte(`{"":{"":"x"}}`))
	f.Add("/18446744073709551616", []byte(`[1]`))
	f.Fuzz(func(t *testing.T, path string, body []byte) {
		text := placed("json:/"+path, Request{Body: body})
		if text != "" && !json.Valid(body) && !bytes.Contains(body, []byte{'\\'}) && !bytes.Contains(body, []byte(text)) {
			t.Fatalf("%q of %q", text, body)
		}
	})
}
