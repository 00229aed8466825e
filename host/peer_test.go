package host_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
)

// peer is the other system behind the connection "peer": it takes what the
// guests acme and post send, and answers as it is told.
type peer struct {
	*httptest.Server
	mu       sync.Mutex
	requests []sent                  // guarded by mu
	answer   func(s sent, n int) int // status for the n-th request; nil: 200; guarded by mu
	hold     chan struct{}           // closed to let requests be answered; guarded by mu
}

// sent is one request that arrived.
type sent struct {
	Path     string
	Key      string // Idempotency-Key
	Auth     string
	To       string `json:"to"`
	Text     string `json:"text"`
	EffectID string `json:"effect_id"`
	Body     string
}

func newPeer(t testing.TB) *peer {
	p := &peer{}
	p.Server = httptest.NewServer(p)
	t.Cleanup(func() {
		p.release()
		p.CloseClientConnections()
		p.Close()
	})
	return p
}

func (p *peer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the host was killed
	}
	s := sent{Path: r.URL.Path, Key: r.Header.Get("Idempotency-Key"), Auth: r.Header.Get("Authorization"), Body: string(body)}
	json.Unmarshal(body, &s) //nolint:errcheck // what is no message has no text
	p.mu.Lock()
	p.requests = append(p.requests, s)
	n, status := len(p.requests), 200
	if p.answer != nil {
		status = p.answer(s, n)
	}
	hold := p.hold
	p.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-r.Context().Done():
			return
		}
	}
	w.WriteHeader(status)
	fmt.Fprintf(w, "m%d", n)
}

func (p *peer) answers(f func(s sent, n int) int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answer = f
}

// holdAll leaves the next requests without an answer until release.
func (p *peer) holdAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hold = make(chan struct{})
}

func (p *peer) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.hold != nil {
		close(p.hold)
		p.hold = nil
	}
}

// got returns what has arrived.
func (p *peer) got() []sent {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]sent(nil), p.requests...)
}

// texts returns the texts that arrived for a person, in order.
func (p *peer) texts(to string) []string {
	texts := []string{}
	for _, s := range p.got() {
		if s.To == to {
			texts = append(texts, s.Text)
		}
	}
	return texts
}

// wait waits until n requests have arrived.
func (p *peer) wait(i *installation, n int) []sent {
	i.t.Helper()
	i.eventually(fmt.Sprintf("%d requests at the peer", n), func() error {
		if got := p.got(); len(got) < n {
			return fmt.Errorf("%d came: %v", len(got), got)
		}
		return nil
	})
	return p.got()
}

// postKey signs the webhooks of the channel "post".
const postKey = "the key of the post office"

// withPost is a workspace's channel "post" over a peer, with one flow.
func withPost(t testing.TB, p *peer, flow string) map[string]string {
	wasm := guest(t, "post", "1.0.0")
	return map[string]string{
		"plugins/post.wasm": wasm,
		"channels.yaml":     `[{id: post, adapter: post, connection: peer, secrets: {key: post_key}}]`,
		"connections.yaml":  `[{id: peer, base_url: "` + p.URL + `", auth: {type: bearer, secret: peer_token}}]`,
		"grants.yaml": `- {plugin: post, of: "sha256:` + sha(wasm) + `", egress: [connection], secrets: [post_key]}
- {plugin: post, of: "sha256:` + sha(guest(t, "post", "1.1.0")) + `", egress: [connection], secrets: [post_key]}
- {plugin: acme, of: "sha256:` + sha(guest(t, "acme", "1.0.0")) + `", egress: [connection]}
- {plugin: javascript, of: bundled, egress: [connection], limits: {memory: 64MiB, time: 60s}}
`,
		"flows/talk.yaml": flow,
	}
}

// unit is one message in a webhook of the channel "post".
type unit struct {
	ID    string `json:"id"`
	From  string `json:"from"`
	Text  string `json:"text,omitempty"`
	Sent  string `json:"sent,omitempty"`
	State string `json:"state,omitempty"`
}

// webhook is the body of a webhook with these units.
func webhook(units ...unit) string {
	body, err := json.Marshal(map[string]any{"units": units})
	if err != nil {
		panic(err) // texts marshal
	}
	return string(body)
}

// deliver sends a signed webhook to the channel "post".
func (i *installation) deliver(id, body string) answer {
	return i.call("POST", "/hooks/post", body, "X-Post-Delivery", id, "X-Post-Signature", postSignature(body))
}

func postSignature(body string) string {
	mac := hmac.New(sha256.New, []byte(postKey))
	mac.Write([]byte(body))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// accepted is deliver with the 200 that must come.
func (i *installation) accepted(id string, units ...unit) {
	i.t.Helper()
	if err := i.deliver(id, webhook(units...)).want(200); err != nil {
		i.t.Fatal(err)
	}
}
