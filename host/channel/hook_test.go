package channel

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/trama-run/trama/pdk/abi"
)

func TestSignature(t *testing.T) {
	meta := &abi.WebhookSignature{Header: "X-Hub-Signature-256", Algorithm: "hmac-sha256", Encoding: "hex", Prefix: "sha256=", Signed: "body"}
	plain := &abi.WebhookSignature{Header: "X-Signature", Algorithm: "hmac-sha256", Encoding: "base64", Signed: "body"}
	for _, c := range []struct {
		name    string
		s       *abi.WebhookSignature
		headers map[string]string
		want    string // hex
	}{
		{"hex with its prefix", meta, map[string]string{"x-hub-signature-256": "sha256=00ff"}, "00ff"},
		{"upper-case hex", meta, map[string]string{"x-hub-signature-256": "sha256=00FF"}, "00ff"},
		{"without the prefix", meta, map[string]string{"x-hub-signature-256": "00ff"}, ""},
		{"another prefix", meta, map[string]string{"x-hub-signature-256": "sha1=00ff"}, ""},
		{"not hex", meta, map[string]string{"x-hub-signature-256": "sha256=xyz"}, ""},
		{"no header", meta, map[string]string{"x-hub-signature": "sha256=00ff"}, ""},
		{"base64", plain, map[string]string{"x-signature": "AP8="}, "00ff"},
		{"not base64", plain, map[string]string{"x-signature": "AP8"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			want, err := hex.DecodeString(c.want)
			if err != nil {
				t.Fatal(err)
			}
			if got := signature(c.s, Request{Headers: c.headers}); !bytes.Equal(got, want) {
				t.Errorf("got %x, want %s", got, c.want)
			}
		})
	}
}

func TestMark(t *testing.T) {
	q := Request{Headers: map[string]string{"x-id": "42", "x-long": strings.Repeat("a", 5000)}, Body: []byte("body")}
	for _, c := range []struct{ where, want string }{
		{"header:X-Id", "delivery/wa/42"},
		{"header:X-Absent", ""}, // no id, no dedup
		{"", ""},
		{"body_sha256", "delivery/wa/230d8358dc8e8890b4c58deeb62912ee2f20357ae92a5cc861b98e68fe31acb5"},
	} {
		if got := mark("wa", c.where, q); got != c.want {
			t.Errorf("%q gives %q, want %q", c.where, got, c.want)
		}
	}
	long := mark("wa", "header:X-Long", q)
	other := mark("wa", "header:X-Long", Request{Headers: map[string]string{"x-long": strings.Repeat("b", 5000)}})
	if len(long) > 128 || long == other {
		t.Errorf("long ids give %q and %q, want two short marks", long, other)
	}
}

func TestMessageIDs(t *testing.T) {
	for _, id := range []string{"wamid.1", "a\x00b", strings.Repeat("x", 5000)} {
		key := messageID("wa", id).Key
		if strings.ContainsRune(key, 0) || len(key) > 200 || key == messageID("wa", id+"!").Key {
			t.Errorf("the id %.20q gives the key %q", id, key)
		}
	}
}
