package host_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/trama-run/trama/host/admin"
	"github.com/trama-run/trama/host/run"
)

// says is a flow that says a text, by a trigger.
func says(id, trigger, text string) string {
	return fmt.Sprintf(`schema: 1
id: %s
triggers: [{id: start, %s}]
nodes: [{id: say, type: send_message, with: {text: "%s"}}]
edges: [{from: start, to: say}]
`, id, trigger, text)
}

const asks = `schema: 1
id: talk
triggers: [{id: start, type: message}]
nodes:
  - {id: ask, type: send_message, with: {text: "name?"}}
  - {id: wait, type: wait_reply}
  - {id: say, type: send_message, with: {text: "hello {{ input.text }}"}}
edges: [{from: start, to: ask}, {from: ask, to: wait}, {from: wait, to: say}]
`

// TestTriggers: all ways to start a flow for a contact, through a host that
// sends what comes of them.
func TestTriggers(t *testing.T) {
	t.Parallel()
	i, p := startPost(t, nil, asks, map[string]string{
		"flows/menu.yaml":  says("menu", `type: message, keywords: [menu, "opções"]`, "the menu"),
		"flows/stop.yaml":  says("stop", "type: message, keywords: stop, interrupt: true", "stopped"),
		"flows/promo.yaml": says("promo", "type: activate", "hi {{ input.name }}"),
		"flows/paid.yaml":  says("paid", "type: event, event: order.paid", "paid {{ input.data.order }}"),
		"flows/tick.yaml": `schema: 1
id: tick
triggers: [{id: tick, type: schedule, every: 1s}]
nodes: [{id: tell, type: emit_event, with: {event: order.paid, data: {order: tick}, contact: "post/post:eve"}}]
edges: [{from: tick, to: tell}]
`,
	})
	units, want := 0, []string{}
	write := func(text string, answers ...string) {
		t.Helper()
		units++
		id := fmt.Sprint("t", units)
		i.accepted(id, unit{ID: id, From: "ana", Text: text})
		want = append(want, answers...)
		i.eventually(fmt.Sprintf("%q", want), func() error {
			if got := p.texts("ana"); !slices.Equal(got, want) {
				return fmt.Errorf("ana got %q", got)
			}
			return nil
		})
	}
	write("OPCOES!", "the menu")
	write("oi", "name?")
	write("menu", "hello menu")
	write("oi", "name?")
	write("Stop", "stopped")
	address := i.contacts()[0].Key
	if !strings.HasPrefix(string(address), "post/") {
		t.Fatalf("ana is %q", address)
	}
	activate := func(id string) run.Started {
		t.Helper()
		var s run.Started
		a := i.admin("POST", "/v1/activations", fmt.Sprintf(`{"flow": "promo", "contacts": [%q], "variables": {"name": "Ana"}, "id": %q}`, address, id))
		if err := errors.Join(a.want(202), json.Unmarshal([]byte(a.body), &s)); err != nil {
			t.Fatal(err)
		}
		return s
	}
	write("oi", "name?")
	first := activate("a1") // waits for the end of the run
	if again := activate("a1"); !again.Repeated || again.Runs[string(address)] != first.Runs[string(address)] {
		t.Errorf("again: %+v, first %+v", again, first)
	}
	write("Ana", "hello Ana", "hi Ana")
	if err := i.admin("POST", "/v1/events/order.paid", fmt.Sprintf(`{"data": {"order": 7}, "contact": %q}`, address)).want(202); err != nil {
		t.Fatal(err)
	}
	want = append(want, "paid 7")

	// A person takes over, and gives back.
	path := "/v1/contacts/" + url.PathEscape(string(address))
	human := func(on bool) {
		t.Helper()
		if err := i.admin("PUT", path, fmt.Sprintf(`{"with_human": %v}`, on)).want(202); err != nil {
			t.Fatal(err)
		}
		i.eventually("the contact to be with a person, or not", func() error {
			if c := read[admin.ContactDetail](i, path); c.WithHuman != on {
				return fmt.Errorf("it is %v", c.WithHuman)
			}
			return nil
		})
	}
	human(true)
	before := read[admin.ContactDetail](i, path).LastSeen
	i.accepted("h1", unit{ID: "h1", From: "ana", Text: "menu"})
	i.eventually("the message to be the person's", func() error {
		if c := read[admin.ContactDetail](i, path); !c.LastSeen.After(before) {
			return fmt.Errorf("ana was seen at %s", c.LastSeen)
		}
		return nil
	})
	human(false)
	write("oi", "name?")
	standing := read[admin.ContactDetail](i, path).Session
	if standing == nil || standing.Flow != "talk" || standing.Node != "wait" || !standing.Listens {
		t.Fatalf("ana stands at %+v", standing)
	}
	if err := i.admin("POST", "/v1/runs/"+standing.Run+"/cancel", "").want(200); err != nil {
		t.Fatal(err)
	}
	i.problem(i.admin("POST", "/v1/runs/"+standing.Run+"/cancel", ""), 409, "not_stored")
	i.problem(i.admin("POST", "/v1/runs/none/cancel", ""), 404, "no_run")
	write("oi", "name?")

	// Contacts of a schedule that need not have written.
	i.eventually("the schedule to tell eve", func() error {
		if got := p.texts("eve"); len(got) < 2 || got[0] != "paid tick" {
			return fmt.Errorf("eve got %q", got)
		}
		return nil
	})
	schedules := read[[]admin.ScheduleInfo](i, "/v1/schedules")
	if len(schedules) != 1 || schedules[0].When != "every 1s" || schedules[0].Last.IsZero() || !schedules[0].Next.After(schedules[0].Last) {
		t.Errorf("schedules %+v", schedules)
	}
	for _, c := range []struct {
		path, body string
		status     int
		code, says string
	}{
		{"/v1/activations", `{"flow": "none", "contacts": ["post/post:ana"]}`, 404, "no_flow", `flow "none" is not published`},
		{"/v1/activations", `{"flow": "talk", "contacts": ["post/post:ana"]}`, 404, "no_flow", "of type activate"},
		{"/v1/activations", `{"flow": "promo", "contacts": []}`, 422, "no_contact", "name 1 to 300"},
		{"/v1/activations", `{"flow": "promo", "contacts": ["ana"]}`, 422, "no_contact", `"ana"`},
		{"/v1/activations", `{"flow": "promo", "contact": "ana"}`, 400, "bad_json", "contact"},
		{"/v1/activations", fmt.Sprintf(`{"flow": "promo", "contacts": [%q], "id": "a1"}`, address), 409, "id_used", "another request"},
		{"/v1/events/nothing", `{}`, 404, "no_flow", `event "nothing"`},
		{"/v1/events/order.paid", `{"event": "other"}`, 422, "invalid", "the path's"},
		{"/v1/events/order.paid", `{"contact": "sms/a:b"}`, 422, "no_contact", "not configured"},
	} {
		i.problem(i.admin("POST", c.path, c.body), c.status, c.code, c.says)
	}
	i.problem(i.admin("PUT", path, `{}`), 400, "bad_json")
	i.problem(i.admin("PUT", "/v1/contacts/ana", `{"with_human": true}`), 400, "invalid")
	i.problem(i.admin("GET", "/v1/contacts/post/post:nobody", ""), 404, "no_contact")
}

// contacts lists the contacts.
func (i *installation) contacts() []admin.ContactInfo {
	i.t.Helper()
	return read[[]admin.ContactInfo](i, "/v1/contacts")
}
