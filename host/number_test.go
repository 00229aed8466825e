package host_test

import (
	"fmt"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/trama-run/trama/plugins/whatsapp/graphtest"
)

// TestRealNumber: a flow writes to a number that WhatsApp knows by another one;
// what comes back from that one answers the flow.
func TestRealNumber(t *testing.T) {
	t.Parallel()
	const number, secret, token = "106540352242922", "wa-app-secret-8e21", "wa-token-EAAB-4a43"
	graph, err := graphtest.New(number, token)
	if err != nil {
		t.Fatal(err)
	}
	graph.Calls("5511987654321", "551187654321")
	server := httptest.NewServer(graph)
	t.Cleanup(server.Close)
	i := install(t, []string{"whatsapp"}, map[string]string{
		"connections.yaml": fmt.Sprintf("- {id: graph, base_url: %s, auth: {type: bearer, secret: wa_token}}\n", server.URL),
		"channels.yaml":    "- {id: wa, adapter: whatsapp, connection: graph, config: {phone_number_id: \"" + number + "\"}, secrets: {app_secret: wa_app, verify_token: wa_verify, access_token: wa_token}}\n",
		"grants.yaml":      "- {plugin: whatsapp, of: bundled, egress: [connection], secrets: [wa_app, wa_verify, wa_token]}\n",
		"flows/ask.yaml": `schema: 1
id: ask
triggers: [{id: start, type: activate}]
nodes:
  - {id: ask, type: send_message, with: {template: {name: ask, language: pt_BR}}}
  - {id: wait, type: wait_reply}
  - {id: thanks, type: send_message, with: {text: "thanks for {text}"}}
edges: [{from: start, to: ask}, {from: ask, to: wait}, {from: wait, to: thanks}]
`,
	})
	i.secrets = map[string]string{"wa_app": secret, "wa_verify": "wa-verify-1", "wa_token": token}
	i.start()
	if a := i.admin("POST", "/v1/channels/wa/check", ""); !strings.Contains(a.body, "access_token is for https://lookaside.fbsbx.com, which plugin whatsapp can't reach") {
		t.Errorf("a check doesn't say why media can't be fetched: %d %s", a.status, a.body)
	}
	const who = "wa/whatsapp:5511987654321"
	if err := i.admin("POST", "/v1/activations", `{"flow": "ask", "contacts": ["`+who+`"]}`).want(202); err != nil {
		t.Fatal(err)
	}
	sent := func(n int) []graphtest.Message {
		t.Helper()
		var messages []graphtest.Message
		i.eventually("messages", func() error {
			if messages, _ = graph.Messages(); len(messages) != n {
				return fmt.Errorf("WhatsApp was sent %d messages, want %d: %+v", len(messages), n, messages)
			}
			return nil
		})
		return messages
	}
	sent(1)
	i.eventually("the number to be the contact's", func() error {
		if a := i.admin("GET", "/v1/contacts/"+url.PathEscape(who), ""); !strings.Contains(a.body, "wa/whatsapp:551187654321") {
			return fmt.Errorf("%d %s", a.status, a.body)
		}
		return nil
	})
	body, header, err := graph.Webhook(secret, "551187654321", "Ana", "wamid.ANA1", time.Now(), map[string]any{"type": "text", "text": map[string]any{"body": "asking"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := i.call("POST", "/hooks/wa", string(body), "Content-Type", "application/json", "X-Hub-Signature-256", header.Get("X-Hub-Signature-256")).want(200); err != nil {
		t.Fatal(err)
	}
	if last := sent(2)[1]; fmt.Sprint(last.Body["text"]) != "map[body:thanks for asking]" {
		t.Errorf("WhatsApp was sent %+v", last)
	}
	if v := graph.Violations(); len(v) > 0 {
		t.Errorf("refused: %v", v)
	}
}
