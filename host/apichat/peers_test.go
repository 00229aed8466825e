//go:build peers

package apichat_test

import (
	"encoding/json"
	"testing"

	"github.com/trama-run/trama/host/apichat"
	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/plugins/peer"
)

// TestPeerSend: a system with the library of Standard Webhooks takes the
// messages of a chat by API that has no signature of its own set.
func TestPeerSend(t *testing.T) {
	s, c, ch := newSystem(t), newChats(t), channel(nil)
	manage(t, c, ch, order(apichat.ActionSet, s.URL))
	for _, names := range []catalog.SecretList{{"sign"}, {"old", "sign"}, {"old"}} {
		ch.Secrets[catalog.SecretWebhook] = names
		if _, failure := c.Send(t.Context(), ch, ana, message("Olá <ação>")); failure != nil {
			t.Fatal(failure)
		}
	}
	var requests []map[string]any
	for i, header := range s.got {
		headers := map[string]string{}
		for name := range header {
			headers[name] = header.Get(name)
		}
		requests = append(requests, map[string]any{"do": "standard", "secret": signing, "headers": headers, "body": s.messages[i], "at": nowOf(t, header).Unix()})
	}
	text, err := json.Marshal(requests)
	if err != nil {
		t.Fatal(err)
	}
	const want = "right\nright\nWebhookVerificationError: No matching signature found\n"
	if got := string(peer.Run(t, "../signature/testdata/peers.mjs", string(text))); got != want {
		t.Errorf("it finds\n%swant\n%s", got, want)
	}
}
