package host_test

import (
	"fmt"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/trama-run/trama/plugins/whatsapp/graphtest"
)

// TestPressedAgainOnWhatsApp: through the real adapter, a second press of a
// question that was answered begins no conversation, and the press of a
// template's button, which no run has asked, does.
func TestPressedAgainOnWhatsApp(t *testing.T) {
	t.Parallel()
	const number, secret, token, ana = "106540352242923", "wa-app-secret-8e22", "wa-token-EAAB-4a44", "5511987654321"
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
		"flows/talk.yaml": `schema: 1
id: talk
triggers: [{id: start, type: message}]
nodes:
  - {id: ask, type: send_message, with: {text: "{text}?", buttons: [{id: "yes", title: Sim}, {id: "no", title: "Não"}]}}
  - {id: wait, type: wait_reply}
  - {id: chosen, type: send_message, with: {text: "You chose {payload}"}}
edges:
  - {from: start, to: ask}
  - {from: ask, to: wait}
  - {from: wait, to: chosen}
`,
	})
	i.secrets = map[string]string{"wa_app": secret, "wa_verify": "wa-verify-2", "wa_token": token}
	i.start()
	comes := func(id string, message map[string]any) {
		t.Helper()
		body, header, err := graph.Webhook(secret, ana, "Ana", id, time.Now(), message)
		if err != nil {
			t.Fatal(err)
		}
		if err := i.call("POST", "/hooks/wa", string(body), "Content-Type", "application/json", "X-Hub-Signature-256", header.Get("X-Hub-Signature-256")).want(200); err != nil {
			t.Fatal(err)
		}
	}
	// sent waits for the nth message, and gives its id and its text.
	sent := func(n int) (id, text string) {
		t.Helper()
		i.eventually("a message", func() error {
			messages, _ := graph.Messages()
			if len(messages) < n {
				return fmt.Errorf("WhatsApp was sent %d, want %d", len(messages), n)
			}
			for _, kind := range []string{"text", "interactive"} {
				if content, ok := messages[n-1].Body[kind].(map[string]any); ok {
					text, ok = content["body"].(string)
					if body, inner := content["body"].(map[string]any); !ok && inner {
						text, _ = body["text"].(string)
					}
				}
			}
			id = messages[n-1].ID
			return nil
		})
		return id, text
	}
	press := func(question string) map[string]any {
		return map[string]any{"type": "interactive", "context": map[string]any{"from": "551140000000", "id": question},
			"interactive": map[string]any{"type": "button_reply", "button_reply": map[string]any{"id": "yes", "title": "Sim"}}}
	}
	comes("wamid.A", map[string]any{"type": "text", "text": map[string]any{"body": "oi"}})
	question, _ := sent(1)
	comes("wamid.B", press(question))
	if _, text := sent(2); text != "You chose yes" {
		t.Fatalf("the press was answered by %q", text)
	}
	comes("wamid.C", press(question))
	comes("wamid.D", map[string]any{"type": "button", "context": map[string]any{"from": "551140000000", "id": "wamid.TEMPLATE"},
		"button": map[string]any{"text": "Quero", "payload": "yes"}})
	if _, text := sent(3); text != "Quero?" {
		t.Errorf("behind the second press, and the press of a template's button, comes %q", text)
	}
}
