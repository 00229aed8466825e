package host_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/trama-run/trama/host/contact"
	"github.com/trama-run/trama/host/run"
	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/pdk/abi"
	"github.com/trama-run/trama/plugins/whatsapp/graphtest"
)

// TestWindow: to a contact of WhatsApp that wrote more than 24 hours ago, a
// template goes, and a text is a dead letter that says why. That it wrote from
// another number meanwhile changes nothing. A flow can see it before it sends.
func TestWindow(t *testing.T) {
	t.Parallel()
	const number, secret, token = "106540352242922", "wa-app-secret-8e21", "wa-token-EAAB-4a43"
	graph, err := graphtest.New(number, token)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(graph)
	t.Cleanup(server.Close)
	i := install(t, []string{"whatsapp"}, map[string]string{
		"connections.yaml": fmt.Sprintf("- {id: graph, base_url: %s, auth: {type: bearer, secret: wa_token}}\n", server.URL),
		"channels.yaml":    "- {id: wa, adapter: whatsapp, connection: graph, config: {phone_number_id: \"" + number + "\"}, secrets: {app_secret: wa_app, verify_token: wa_verify, access_token: wa_token}}\n",
		"grants.yaml":      "- {plugin: whatsapp, of: bundled, egress: [connection], secrets: [wa_app, wa_verify, wa_token]}\n",
		"flows/echo.yaml":  says("echo", "type: message", "you wrote {text}"),
		"flows/news.yaml": `schema: 1
id: news
triggers: [{id: start, type: activate}]
nodes:
  - {id: text, type: send_message, with: {text: news}}
  - {id: template, type: send_message, with: {template: {name: news, language: pt_BR}}}
edges: [{from: start, to: text}, {from: text, to: template}]
`,
		"flows/careful.yaml": `schema: 1
id: careful
triggers: [{id: start, type: activate}]
nodes:
  - {id: window, type: conditional, with: {branches: [{port: open, when: 'user.heard_at != nil and now - date(user.heard_at) < duration("24h")'}]}}
  - {id: text, type: send_message, with: {text: careful}}
  - {id: template, type: send_message, with: {template: {name: news, language: pt_BR}}}
edges: [{from: start, to: window}, {from: window, port: open, to: text}, {from: window, port: else, to: template}]
`,
	})
	i.secrets = map[string]string{"wa_app": secret, "wa_verify": "wa-verify-1", "wa_token": token}
	i.start()
	body, header, err := graph.Webhook(secret, "5511987654321", "Ana", "wamid.ANA1", time.Now(), map[string]any{"type": "text", "text": map[string]any{"body": "oi"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := i.call("POST", "/hooks/wa", string(body), "Content-Type", "application/json", "X-Hub-Signature-256", header.Get("X-Hub-Signature-256")).want(200); err != nil {
		t.Fatal(err)
	}
	sent := func(want ...string) {
		t.Helper()
		i.eventually("messages", func() error {
			var kinds []string
			messages, _ := graph.Messages()
			for _, m := range messages {
				kinds = append(kinds, fmt.Sprint(m.Body["type"]))
			}
			if !slices.Equal(kinds, want) {
				return fmt.Errorf("WhatsApp was sent %q, want %q", kinds, want)
			}
			return nil
		})
	}
	const who = "wa/whatsapp:5511987654321"
	news := func(flow string) {
		t.Helper()
		if err := i.admin("POST", "/v1/activations", `{"flow": "`+flow+`", "contacts": ["`+who+`"]}`).want(202); err != nil {
			t.Fatal(err)
		}
	}
	sent("text")
	news("news")
	sent("text", "text", "template")
	news("careful")
	sent("text", "text", "template", "text")
	i.inStore(func(s store.Store) {
		id := store.ID{Kind: run.KindContact, Key: who}
		record, err := s.Load(context.Background(), id)
		if err != nil {
			t.Fatal(err)
		}
		var c contact.Contact
		if err := json.Unmarshal(record.Value, &c); err != nil {
			t.Fatal(err)
		}
		if at := c.Heard[who]; at.IsZero() || at.After(c.LastSeen) {
			t.Errorf("wrote last %v, came last %v", at, c.LastSeen)
		}
		c.Heard = map[contact.Key]time.Time{who: c.Heard[who].Add(-25 * time.Hour), "wa/whatsapp:5511987654322": c.LastSeen}
		data, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Commit(context.Background(), &store.Batch{Put: []store.Put{{ID: id, Value: data}}}); err != nil {
			t.Fatal(err)
		}
	})
	news("news")
	sent("text", "text", "template", "text", "template")
	news("careful")
	sent("text", "text", "template", "text", "template", "template")
	letter := i.dead(1)[0]
	if letter.Reason.Code != abi.CodeWindowClosed || !strings.Contains(letter.Reason.Message, "25 hours ago") || letter.Channel != "wa" {
		t.Errorf("the dead letter is %+v", letter)
	}
	// An opt-out is imported as people write the number, and holds for who writes from it.
	imported := i.admin("POST", "/v1/contacts/import", `{"rows": [{"line": 2, "contact": "wa/whatsapp:+55 (11) 98765-4321", "opt_in": "out"}, {"line": 3, "contact": "wa/whatsapp:011 98765-4321"}]}`)
	if err := imported.want(200); err != nil || !strings.Contains(imported.body, `{"line":2,"contact":"wa/whatsapp:+55 (11) 98765-4321"}`) || !strings.Contains(imported.body, "want one such as whatsapp:5511987654321") {
		t.Errorf("%v: %s", err, imported.body)
	}
	if shown := i.admin("GET", "/v1/contacts/"+url.PathEscape(who), ""); !strings.Contains(shown.body, `"out"`) {
		t.Errorf("the contact is %s", shown.body)
	}
	// So it is asked for, handed to a person, merged and erased.
	typed := "/v1/contacts/" + url.PathEscape("wa/whatsapp:+55 (11) 98765-4321")
	if shown := i.admin("GET", typed, ""); !strings.Contains(shown.body, `"key":"`+who+`"`) {
		t.Errorf("as it is typed, the contact is %s", shown.body)
	}
	if err := i.admin("PUT", typed, `{"with_human": true}`).want(202); err != nil {
		t.Error(err)
	}
	i.eventually("the contact to be with a person", func() error {
		if shown := i.admin("GET", typed, ""); !strings.Contains(shown.body, `"with_human":true`) {
			return fmt.Errorf("it is %s", shown.body)
		}
		return nil
	})
	i.problem(i.admin("POST", "/v1/contacts/merge", `{"into": "wa/whatsapp:+55 11 98765 4321", "from": "wa/whatsapp:5511987654321"}`), 409, "same_contact")
	i.problem(i.admin("GET", "/v1/contacts/wa/whatsapp:011", ""), 404, "no_contact", "want one such as whatsapp:5511987654321")
	if erased := i.admin("DELETE", typed+"?dry_run=true", ""); erased.want(200) != nil {
		t.Errorf("to be erased: %s", erased.body)
	}
	if v := graph.Violations(); len(v) > 0 {
		t.Errorf("refused: %v", v)
	}
}
