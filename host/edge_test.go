package host_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"strings"
	"testing"
)

func gzipped(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestCompressedBodies: nothing is decompressed at the edge, so a signature is
// checked over the bytes that came and a bomb stays small.
func TestCompressedBodies(t *testing.T) {
	t.Parallel()
	i, _ := startPost(t, nil, counting, map[string]string{
		"routes.yaml":     "- {method: POST, path: /echo, flow: echo}\n",
		"flows/echo.yaml": "schema: 1\nid: echo\ntriggers: [{id: start, type: gateway}]\nnodes: [{id: reply, type: response.json, with: {body: \"{{ input.body }}\"}}]\nedges: [{from: start, to: reply}]\n",
	})
	body := gzipped(t, webhook(unit{ID: "u1", From: "ana", Text: "hi"}))
	if err := i.call("POST", "/hooks/post", body, "Content-Encoding", "gzip", "X-Post-Delivery", "d1", "X-Post-Signature", postSignature(body)).want(200); err != nil {
		t.Errorf("signed over the bytes that came: %v", err)
	}
	bomb := gzipped(t, strings.Repeat("0", 64<<20))
	i.problem(i.call("POST", "/hooks/post", bomb, "Content-Encoding", "gzip"), 401, "signature")
	i.problem(i.call("POST", "/api/echo", bomb, "Content-Encoding", "gzip", "Content-Type", "application/json"), 415, "content_encoding", "Content-Encoding")
	if err := i.call("POST", "/api/echo", `{"a":1}`, "Content-Encoding", "identity", "Content-Type", "application/json").want(200); err != nil {
		t.Error(err)
	}
}

// TestOddAddresses: a contact that can't be a record's name is a dead letter,
// and holds nobody.
func TestOddAddresses(t *testing.T) {
	t.Parallel()
	i, p := startPost(t, nil, counting)
	for n, from := range []string{"a\x00b", "line\nbreak", strings.Repeat("x", 600)} {
		i.accepted(fmt.Sprint("odd", n), unit{ID: fmt.Sprint("odd", n), From: from, Text: "hello"})
	}
	i.accepted("d1", unit{ID: "u1", From: "ana", Text: "hello"})
	p.wait(i, 1)
	for _, d := range i.dead(3) {
		if d.Reason.Code != "bad_output" || !strings.Contains(d.Reason.Message, "address") {
			t.Errorf("dead letter for %+v", d.Reason)
		}
	}
}

// TestMissingConnectionSecret: what can't be authenticated waits, and the
// doctor says for what.
func TestMissingConnectionSecret(t *testing.T) {
	t.Parallel()
	p := newPeer(t)
	i := install(t, nil, withPost(t, p, counting))
	i.start()
	i.finding("missing", "secret post_key", "TRAMA_SECRET_POST_KEY")
	i.problem(i.deliver("d0", webhook()), 503, "channel_held")
	i.secrets = map[string]string{"post_key": postKey}
	i.restart()
	i.accepted("d1", unit{ID: "u1", From: "ana", Text: "hello"})
	i.finding("channel post", "peer_token", "TRAMA_SECRET_PEER_TOKEN")
	i.secrets["peer_token"] = "the token of the peer"
	i.restart()
	if got := p.wait(i, 1); got[0].Auth != "Bearer the token of the peer" {
		t.Errorf("sent with %q", got[0].Auth)
	}
	if n := len(i.dead(0)); n != 0 {
		t.Errorf("%d dead letters", n)
	}
}

// TestBodiesBeyondTheAdapter: a body that the adapter can't be given is
// refused, not taken and lost.
func TestBodiesBeyondTheAdapter(t *testing.T) {
	t.Parallel()
	i, _ := startPost(t, nil, counting)
	body := webhook(unit{ID: "u1", From: "ana", Text: strings.Repeat("x", 3<<20)})
	i.problem(i.deliver("d1", body), 413, "too_big", "adapter")
	if n := i.dead(0); len(n) != 0 {
		t.Errorf("dead letters: %+v", n)
	}
}
