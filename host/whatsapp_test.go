package host_test

import (
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/trama-run/trama/plugins/whatsapp/graphtest"
)

// TestWhatsAppPage: what the adapter's page says to write makes a channel that
// works, whose secrets are those that WhatsApp signs and asks with.
func TestWhatsAppPage(t *testing.T) {
	t.Parallel()
	const token = "wa-token-EAAB-4a43"
	graph, err := graphtest.New("106540352242922", token)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(graph)
	t.Cleanup(server.Close)
	page, err := os.ReadFile("../plugins/whatsapp/README.md")
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{"flows/talk.yaml": "schema: 1\nid: talk\ntriggers: [{id: start, type: message, channel: wa}]\nnodes: [{id: say, type: send_message, with: {text: Hello}}]\nedges: [{from: start, to: say}]\n"}
	for _, block := range strings.Split(string(page), "```yaml\n# ")[1:] {
		block, _, _ = strings.Cut(block, "```")
		name, text, _ := strings.Cut(block, "\n")
		files[name] = strings.ReplaceAll(text, "https://graph.facebook.com/v23.0", server.URL)
	}
	if len(files) != 4 {
		t.Fatalf("the adapter's page has %d files, want 3", len(files)-1)
	}
	i := install(t, []string{"whatsapp"}, files)
	i.secrets = map[string]string{"wa_app": "wa-app-secret-8e21", "wa_verify": "wa-verify-1", "wa_token": token}
	for name := range i.secrets {
		if !strings.Contains(string(page), "TRAMA_SECRET_"+strings.ToUpper(name)+"=") {
			t.Errorf("the page doesn't name the secret %s", name)
		}
	}
	i.start()
	if a := i.admin("POST", "/v1/channels/wa/check", ""); strings.Contains(a.body, "failed") || !strings.Contains(a.body, "of flow talk would take it") || strings.Contains(a.body, "can't reach") {
		t.Errorf("the check says %d %s", a.status, a.body)
	}
}
