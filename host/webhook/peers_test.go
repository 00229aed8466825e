//go:build peers

package webhook

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/trama-run/trama/plugins/peer"
)

// TestPeerDelivery: a receiver with the library of Standard Webhooks takes what
// a subscription sends, also while its secret is rotated.
func TestPeerDelivery(t *testing.T) {
	r := newReceiver(t, nil)
	w := newWorld(t, near, sub("crm", r.URL, "secrets: [old]"))
	data := map[string]any{"event": "order.paid", "data": map[string]any{"ref": 9007199254740993, "text": "<ação>"}}
	w.tell("event:order.paid", data)
	w.work(time.Minute)
	w.apply(sub("crm", r.URL, "secrets: [new, old]"))
	w.tell("event:order.paid", data)
	w.work(time.Minute)
	w.apply(sub("crm", r.URL, "secrets: [new]"))
	w.tell("event:order.paid", data)
	w.work(time.Minute)

	var requests []map[string]any
	secrets := []string{oldSecret, oldSecret, newSecret, oldSecret}
	all := r.all()
	for i, g := range append(all, all[len(all)-1]) {
		headers := map[string]string{}
		for name := range g.header {
			headers[name] = g.header.Get(name)
		}
		requests = append(requests, map[string]any{"do": "standard", "secret": secrets[i], "headers": headers, "body": g.body, "at": begin.Unix()})
	}
	text, err := json.Marshal(requests)
	if err != nil {
		t.Fatal(err)
	}
	const want = "right\nright\nright\nWebhookVerificationError: No matching signature found\n"
	if got := string(peer.Run(t, "../signature/testdata/peers.mjs", string(text))); got != want {
		t.Errorf("it finds\n%swant\n%s", got, want)
	}
}
