package host_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/trama-run/trama/host/admin"
	"github.com/trama-run/trama/host/outbox"
)

// TestEarlyNews: a service tells that a message was read before our send has
// ended, and it counts.
func TestEarlyNews(t *testing.T) {
	t.Parallel()
	i, p := startPost(t, nil, counting)
	p.holdAll()
	i.accepted("d1", unit{ID: "u1", From: "ana", Text: "hi"})
	p.wait(i, 1)
	i.accepted("d2", unit{ID: "s1", From: "ana", Sent: "m1", State: "read"}, unit{ID: "u2", From: "bob", Text: "hi"})
	p.wait(i, 2) // bob's answer shows that the news was read before it
	p.release()
	var run string
	i.eventually("the run of ana", func() error {
		for _, r := range i.runs() {
			if strings.HasSuffix(r.Key, ":ana") {
				run = r.ID
				return nil
			}
		}
		return fmt.Errorf("runs %+v", i.runs())
	})
	i.eventually("the message to be read", func() error { return i.delivery(run, "read") })
	i.accepted("d3", unit{ID: "s2", From: "ana", Sent: "m1", State: "delivered"}, unit{ID: "u3", From: "bob", Text: "again"})
	p.wait(i, 3)
	if err := i.delivery(run, "read"); err != nil {
		t.Errorf("old news counted: %v", err)
	}
}

// TestCancelledMessage: an operator takes back what could not be sent yet.
func TestCancelledMessage(t *testing.T) {
	t.Parallel()
	i, p := startPost(t, nil, counting)
	p.answers(func(sent, int) int { return 503 })
	i.accepted("d1", unit{ID: "u1", From: "ana", Text: "hi"})
	var waiting []outbox.Waiting
	i.eventually("a message that was tried", func() error {
		if waiting = read[[]outbox.Waiting](i, "/v1/outbox?queue=outbox:post/"); len(waiting) != 1 || waiting[0].Failed < 2 {
			return fmt.Errorf("waiting: %+v", waiting)
		}
		return nil
	})
	if e := read[[]outbox.Endpoint](i, "/v1/outbox/endpoints"); len(e) != 1 || e[0].Name != "channel post" || e[0].Breaker != outbox.BreakerClosed || e[0].Failed < 2 {
		t.Errorf("endpoints %+v", e)
	}
	body := `{"effect_id": "` + waiting[0].EffectID + `"}`
	if a := i.admin("POST", "/v1/outbox/cancel", body); a.want(200) != nil || !strings.Contains(a.body, `"cancelled":1`) {
		t.Fatalf("cancel: %+v", a)
	}
	i.problem(i.admin("POST", "/v1/outbox/cancel", body), 404, "not_waiting", waiting[0].EffectID)
	i.problem(i.admin("POST", "/v1/outbox/cancel", `{}`), 422, "invalid", "effect_id")
	i.problem(i.admin("POST", "/v1/outbox/cancel", `{"queue": "intake:post"}`), 404, "no_outbox", "intake:post")
	run := read[[]admin.RunInfo](i, "/v1/runs?limit=1")[0]
	if err := i.delivery(run.ID, outbox.StateCancelled); err != nil {
		t.Error(err)
	}
	p.answers(nil)
	i.accepted("d2", unit{ID: "u2", From: "ana", Text: "again"})
	i.eventually("the next message", func() error {
		if texts := p.texts("ana"); texts[len(texts)-1] != "2: again" {
			return fmt.Errorf("ana got %q", texts)
		}
		return nil
	})
	i.dead(0)
}

// TestAlerts: what a flow alerts arrives at the operator's server, at a
// contact, or is a dead letter that the doctor shows.
func TestAlerts(t *testing.T) {
	t.Parallel()
	p := newPeer(t)
	flow := `schema: 1
id: talk
triggers: [{id: start, type: gateway}]
nodes:
  - {id: tell, type: send_alert, with: {level: critical, text: "no stock of {{ input.body.sku }}", data: "{{ input.body }}"}}
  - {id: chat, type: send_alert, with: {to: chat, text: "look here"}}
  - {id: lost, type: send_alert, with: {to: "nobody", text: "is there anybody"}}
edges:
  - {from: start, to: tell}
  - {from: tell, to: chat}
  - {from: chat, to: lost}
`
	i := install(t, nil, join(withPost(t, p, flow), map[string]string{
		"routes.yaml": "- {method: POST, path: /stock, flow: talk}\n",
		"alerts.yaml": `- {id: operator, webhook: {url: "` + p.URL + `/alerts", secret: alert_key}}
- {id: chat, channel: post, to: "post:olga"}
`,
	}))
	i.secrets = map[string]string{"post_key": postKey, "peer_token": "x"}
	i.start()
	i.finding("alert operator (alerts.yaml:1)", "TRAMA_SECRET_ALERT_KEY")
	if a := i.call("POST", "/api/stock", `{"sku": 7}`, "Content-Type", "application/json"); a.status/100 != 2 {
		t.Fatalf("%+v", a)
	}
	letter := i.dead(1)[0]
	if letter.Reason.Code != "no_alert" || letter.Queue != "alert:nobody" {
		t.Errorf("dead letter %+v", letter)
	}
	i.finding("1 dead letters", "1 no_alert", `alert "nobody" is not configured: add it to alerts.yaml`)
	i.eventually("the message to olga", func() error {
		if texts := p.texts("olga"); len(texts) != 1 || !strings.HasPrefix(texts[0], "WARNING: look here\n(flow talk, node chat, run ") {
			return fmt.Errorf("olga got %q", texts)
		}
		return nil
	})
	i.secrets["alert_key"] = "the key of the alarm"
	i.restart()
	var got sent
	i.eventually("the alert", func() error {
		for _, s := range p.got() {
			if s.Path == "/alerts" {
				got = s
				return nil
			}
		}
		return fmt.Errorf("the peer got %+v", p.got())
	})
	if !containsAll(got.Body, []string{`"text":"no stock of 7"`, `"level":"critical"`, `"data":{"sku":7}`, `"node":"tell"`, `"flow":"talk"`}) {
		t.Errorf("the alert is %s", got.Body)
	}
	if a := i.admin(http.MethodDelete, "/v1/dead-letters/"+letter.ID, ""); a.want(200) != nil {
		t.Errorf("give up: %+v", a)
	}
	i.dead(0)
}
