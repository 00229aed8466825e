package host_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/trama-run/trama/host/admin"
)

const shopFiles = `
- {id: shop, adapter: webhook, config: {event: order.paid, signature: {header: X-Shop-Signature, prefix: "sha256="}, id: "json:/id"}, secrets: {secret: shop_hook}}
- {id: form, adapter: webhook, config: {event: order.paid, token: "query:token", id: "header:X-Id"}, secrets: {secret: form_token}}
- {id: talk, adapter: webhook, config: {event: order.talk, token: "header:X-Token", contact: "json:/customer/wa"}, secrets: {secret: form_token}}
- {id: lost, adapter: webhook, config: {event: order.lost, token: "header:X-Token", id: body}, secrets: {secret: form_token}}
- {id: bare, adapter: webhook, config: {event: order.paid, token: "header:X-Token"}, secrets: {secret: none_such}}
`

const shopFlow = `schema: 1
id: paid
triggers: [{id: paid, type: event, event: order.paid}]
nodes: [{id: stop, type: end, with: {result: "{{ input.data.body.id ?? input.data.body }}"}}]
edges: [{from: paid, to: stop}]
`

// TestGenericWebhook: any service's webhook is checked, stored before its
// answer, known again, and starts flows as an event.
func TestGenericWebhook(t *testing.T) {
	i := install(t, nil, map[string]string{"channels.yaml": shopFiles, "flows/paid.yaml": shopFlow})
	i.secrets = map[string]string{"shop_hook": "the shop's key", "form_token": "t0k3n"}
	i.start()
	body := `{"id": 9007199254740993, "customer": {"name": "Ana"}}`
	signature := func(body string) string {
		mac := hmac.New(sha256.New, []byte("the shop's key"))
		mac.Write([]byte(body))
		return "sha256=" + hex.EncodeToString(mac.Sum(nil))
	}
	signed := func(body string) answer {
		return i.call("POST", "/hooks/shop?from=x", body, "X-Shop-Signature", signature(body), "Authorization", "Bearer shop", "X-Other", "kept")
	}
	for range 2 { // the second is known
		if err := signed(body).want(200); err != nil {
			t.Fatal(err)
		}
	}
	run := i.ended(i.ran(1)[0].ID)
	if fmt.Sprint(run.Result) != "9.007199254740992e+15" || run.Status != "done" {
		t.Errorf("the run gave %v, %s", run.Result, run.Status)
	}
	event := fmt.Sprint(run.Event)
	for _, want := range []string{"event:order.paid", "channel:shop", "method:POST", "x-other:kept", "query:map[from:x]", "name:Ana"} {
		if !strings.Contains(event, want) {
			t.Errorf("the event is %s: no %s", event, want)
		}
	}
	for _, secret := range []string{"Bearer", signature(body)} {
		if strings.Contains(event, secret) {
			t.Errorf("the event holds %q: %s", secret, event)
		}
	}
	i.problem(i.call("POST", "/hooks/shop", body, "X-Shop-Signature", signature("other")), 401, "signature", "X-Shop-Signature")
	i.problem(i.call("POST", "/hooks/shop", body), 401, "signature")
	i.problem(i.call("GET", "/hooks/shop", ""), 405, "method")

	// A token instead of a signature; the body need not be JSON.
	for range 2 {
		if err := i.call("POST", "/hooks/form?token=t0k3n", "a=1&b=2", "X-Id", "7").want(200); err != nil {
			t.Fatal(err)
		}
	}
	run = i.ended(i.ran(2)[0].ID)
	if run.Result != "a=1&b=2" || strings.Contains(fmt.Sprint(run.Event), "t0k3n") {
		t.Errorf("the run gave %v of %v", run.Result, run.Event)
	}
	i.problem(i.call("POST", "/hooks/form?token=guess", "x"), 401, "token", "query token")
	i.problem(i.call("POST", "/hooks/form", "x"), 401, "token")
	i.problem(i.call("POST", "/hooks/bare", "x", "X-Token", "x"), 503, "channel_held")
	i.finding("channel bare", "none_such")

	// What starts nothing is a dead letter, which can be replayed.
	if err := i.call("POST", "/hooks/lost", "{}", "X-Token", "t0k3n").want(200); err != nil {
		t.Fatal(err)
	}
	lost := i.dead(1)[0]
	if !strings.Contains(lost.Reason.Message, `event "order.lost": no flow has a trigger for it`) {
		t.Errorf("the dead letter says %v", lost.Reason)
	}
	i.write("flows/lost.yaml", strings.NewReplacer("paid", "lost").Replace(shopFlow))
	i.eventually("the flow to be there", func() error { return i.admin("GET", "/v1/flows/lost", "").want(200) })
	if err := i.admin("POST", "/v1/dead-letters/"+lost.ID+"/replay", "").want(200); err != nil {
		t.Fatal(err)
	}
	i.ran(3)
	for _, c := range []struct{ body, says string }{
		{`{"customer": {}}`, "the body names no contact at json:/customer/wa"},
		{`{"customer": {"wa": "sms/p:1"}}`, `the channel "sms", which is not configured`},
		{`{"customer": {"wa": "shop/p:1"}}`, "which takes webhooks and has no contacts"},
	} {
		if err := i.call("POST", "/hooks/talk", c.body, "X-Token", "t0k3n").want(200); err != nil {
			t.Fatal(err)
		}
		i.eventually("a dead letter that says "+c.says, func() error {
			if a := i.admin("GET", "/v1/dead-letters", ""); !strings.Contains(strings.ReplaceAll(a.body, `\"`, `"`), c.says) {
				return fmt.Errorf("%s", a.body)
			}
			return nil
		})
	}
}

const lineFiles = `
- adapter: webhook
  id: erp
  config: {event: order.changed, token: "header:X-Token", id: "json:/event", order: "json:/order", time: "json:/at"}
  secrets: {secret: [old_token, new_token]}
- {id: walled, adapter: webhook, config: {event: order.changed, ips: [198.51.100.0/24]}}
- {id: proxy, adapter: webhook, config: {event: order.changed, ips: [127.0.0.0/8]}}
`

const lineFlow = `schema: 1
id: changed
triggers: [{id: changed, type: event, event: order.changed}]
nodes:
  - {id: pause, type: wait, with: {for: "{{ trigger.data.body.pause }}"}}
  - {id: stop, type: end, with: {result: "{{ trigger.data.body.event }} {{ trigger.data.stale }}"}}
edges: [{from: changed, to: pause}, {from: pause, to: stop}]
`

// TestWebhookOrder: events about one thing run one after the other, also over a
// restart and the end of a run by an operator; those about others don't wait.
func TestWebhookOrder(t *testing.T) {
	t.Parallel()
	i := install(t, nil, map[string]string{"channels.yaml": lineFiles, "flows/changed.yaml": lineFlow, "trama.yaml": "trusted_proxies: [127.0.0.0/8]\n"})
	i.secrets = map[string]string{"old_token": "old", "new_token": "new"}
	i.start()
	send := func(event, order, at, pause, token string) {
		t.Helper()
		body := fmt.Sprintf(`{"event": %q, "order": %s, "at": %q, "pause": %q}`, event, order, at, pause)
		if err := i.call("POST", "/hooks/erp", body, "X-Token", token).want(200); err != nil {
			t.Fatal(err)
		}
	}
	send("a1", "1", "2026-11-22T10:00:10Z", "2s", "old")
	send("a2", "1", "2026-11-22T10:00:05Z", "1s", "new")
	send("a2", "1", "2026-11-22T10:00:05Z", "1s", "old") // again
	send("b1", "2", "2026-11-22T10:00:00Z", "1s", "old")
	send("a3", "1", "2026-11-22T10:00:11Z", "1s", "old")
	i.eventually("a1 to have begun, and b1", func() error {
		if n := len(i.runs()); n != 2 {
			return fmt.Errorf("%d runs", n)
		}
		return nil
	})
	i.restart()
	ended := map[string]admin.RunDetail{}
	for _, run := range i.ran(4) {
		detail := i.ended(run.ID)
		ended[fmt.Sprint(detail.Result)] = detail
	}
	for _, pair := range [][2]string{{"a1 false", "a2 true"}, {"a2 true", "a3 false"}} {
		before, after := ended[pair[0]], ended[pair[1]]
		if before.Ended == nil || after.Ended == nil || after.Started.Before(*before.Ended) {
			t.Errorf("%s ended at %v, and %s began at %v: %v", pair[0], before.Ended, pair[1], after.Started, ended)
		}
	}
	if a, b := ended["a1 false"], ended["b1 false"]; b.Ended == nil || a.Ended == nil || b.Started.After(*a.Ended) {
		t.Errorf("b1 waited for a1: %v", ended)
	}

	send("a4", "1", "2026-11-22T10:00:10.9Z", "1s", "old") // older than a3, which came before the restart
	if run := i.ended(i.ran(5)[0].ID); run.Result != "a4 true" {
		t.Errorf("a4 gave %v", run.Result)
	}
	send("c1", "3", "2026-11-22T10:00:00Z", "1h", "old")
	c1 := i.ran(6)[0].ID
	send("c2", "3", "2026-11-22T10:00:01Z", "1s", "old")
	if err := i.admin("POST", "/v1/runs/"+c1+"/cancel", "").want(200); err != nil {
		t.Fatal(err)
	}
	if run := i.ended(i.ran(7)[0].ID); run.Result != "c2 false" {
		t.Errorf("c2 gave %v", run.Result)
	}

	// The address is the one that the trusted proxy names.
	for from, status := range map[string]int{"198.51.100.7": 200, "203.0.113.1, 198.51.100.7": 200, "198.51.100.7, 203.0.113.1": 403, "nobody": 403} {
		if err := i.call("POST", "/hooks/walled", "{}", "X-Forwarded-For", from).want(status); err != nil {
			t.Errorf("from %s: %v", from, err)
		}
	}
	// Where the proxies make no sense it is nobody's, and not the proxy's own.
	for _, headers := range [][]string{{"X-Forwarded-For", "203.0.113.1", "Forwarded", "for=198.51.100.7"}, {"Forwarded", "for=127.0.0.1;for=127.0.0.1"}, {"X-Forwarded-For", "nobody"}} {
		if err := i.call("POST", "/hooks/proxy", "{}", headers...).want(403); err != nil {
			t.Errorf("%q: %v", headers, err)
		}
	}
	if err := i.call("POST", "/hooks/proxy", "{}").want(200); err != nil {
		t.Errorf("from the proxy itself: %v", err)
	}
}

// ran waits until there are n records of runs, and gives them, newest first.
func (i *installation) ran(n int) (list []admin.RunInfo) {
	i.t.Helper()
	i.eventually(fmt.Sprintf("%d runs", n), func() error {
		if list = read[[]admin.RunInfo](i, "/v1/runs"); len(list) != n {
			return fmt.Errorf("there are %d", len(list))
		}
		return nil
	})
	return list
}

// TestWebhookConfig: mistakes are found when the file is applied.
func TestWebhookConfig(t *testing.T) {
	t.Parallel()
	i := serve(t, nil, nil)
	for _, c := range []struct{ entry, says string }{
		{`{id: a, adapter: webhook}`, "needs a config"},
		{`{id: a, adapter: webhook, config: {event: x, signatur: {}}, secrets: {secret: s}}`, `has no field \"signatur\"`},
		{`{id: a, adapter: webhook, config: {event: x}, secrets: {secret: s}}`, "one of signature, token, basic and ips"},
		{`{id: a, adapter: webhook, config: {event: x, token: "header:X", signature: {header: X}}, secrets: {secret: s}}`, `needs the secret \"token\"`},
		{`{id: a, adapter: webhook, config: {event: x, signature: githup}, secrets: {secret: s}}`, `preset \"githup\" is not known`},
		{`{id: a, adapter: webhook, config: {event: x, signature: {preset: github, signed: "{timestamp}{body}"}}, secrets: {secret: s}}`, "{timestamp} and the field timestamp go together"},
		{`{id: a, adapter: webhook, config: {event: x, signature: github, time: "json:/at"}, secrets: {secret: s}}`, "order is not there"},
		{`{id: a, adapter: webhook, config: {event: x, signature: github, order: body}, secrets: {secret: s}}`, "write header:NAME or json:/pointer"},
		{`{id: a, adapter: webhook, config: {event: x, signature: github, challenge: metta}, secrets: {secret: s}}`, "use one of meta, nicochat, slack, twitch"},
		{`{id: a, adapter: webhook, config: {event: x, signature: github, challenge: meta}, secrets: {secret: s}}`, `needs the secret \"verify_token\"`},
		{`{id: a, adapter: webhook, config: {event: x, signature: github, challenge: {method: GET, challenge: c}}, secrets: {secret: s}}`, "one that comes by GET needs a token"},
		{`{id: a, adapter: webhook, config: {event: x, signature: github, challenge: {method: POST, token: t, challenge: c}}, secrets: {secret: s, verify_token: s}}`, "one that comes by POST needs mode and mode_value"},
		{`{id: a, adapter: webhook, config: {event: x, basic: "u:p"}, secrets: {password: s}}`, "leave the colon and the password out"},
		{`{id: a, adapter: webhook, config: {event: x, ips: [10.0.0.1/8]}}`, "has bits beyond its length"},
		{`{id: a, adapter: webhook, config: {event: x, token: "header:X"}, secrets: {secret: [a, b, c, d, e, f]}}`, "a list of at most 5"},
		{`{id: a, adapter: webhook, config: {event: x, token: "header:X"}, secrets: {secret: "the value"}}`, "is not the name of a secret"},
		{`{id: a, adapter: webhook, config: {event: x, token: "header:X"}, secrets: {secret: s, verify_token: t}}`, `has no secret \"verify_token\"`},
		{`{id: a, adapter: webhook, config: {event: x, token: "body:X"}, secrets: {secret: s}}`, "write header:NAME or query:NAME"},
		{`{id: a, adapter: webhook, config: {event: x, signature: {header: X, algorithm: md5, encoding: base32}}, secrets: {secret: s}}`, `algorithm \"md5\"`},
		{`{id: a, adapter: webhook, config: {event: "x y", token: "header:X", id: "form:x", contact: "header:X"}, secrets: {secret: s}}`, `contact \"header:X\"`},
		{`{id: a, adapter: webhook, config: {event: x, token: "header:X"}}`, `needs the secret \"secret\"`},
		{`{id: a, adapter: webhook, config: {event: x, token: "header:X"}, secrets: {secret: s, other: t}, connection: c}`, "uses no connection"},
	} {
		a := i.admin("POST", "/v1/apply", fmt.Sprintf(`{"channels.yaml": %q}`, "- "+c.entry+"\n"))
		if a.status != 422 || !strings.Contains(a.body, c.says) {
			t.Errorf("%s: %d %s, want %q", c.entry, a.status, a.body, c.says)
		}
	}
}
