package channel

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/pdk/abi"
)

func TestSigned(t *testing.T) {
	key, body := []byte("key"), []byte(`{"a": 1}`)
	mac := hmac.New(sha256.New, key)
	mac.Write(body)
	sum := mac.Sum(nil)
	inHex, in64 := hex.EncodeToString(sum), base64.StdEncoding.EncodeToString(sum)
	asHex := abi.WebhookSignature{Header: "X-Hub-Signature-256", Algorithm: "hmac-sha256", Encoding: "hex", Prefix: "sha256=", Signed: "body"}
	as64 := abi.WebhookSignature{Header: "X-Sig", Algorithm: "hmac-sha256", Encoding: "base64", Signed: "body"}
	for _, c := range []struct {
		name, value string
		as          abi.WebhookSignature
		want        bool
	}{
		{"hex", "sha256=" + inHex, asHex, true},
		{"hex in capitals", "sha256=" + strings.ToUpper(inHex), asHex, true},
		{"hex without its prefix", inHex, asHex, false},
		{"another prefix", "sha1=" + inHex, asHex, false},
		{"hex cut short", "sha256=" + inHex[:62], asHex, false},
		{"hex of half a byte", "sha256=" + inHex[:63], asHex, false},
		{"one digit changed", "sha256=" + flip(inHex), asHex, false},
		{"the prefix alone", "sha256=", asHex, false},
		{"nothing", "", asHex, false},
		{"base64", in64, as64, true},
		{"hex for base64", inHex, as64, false},
		{"base64 and more", in64 + in64, as64, false},
		{"nothing for base64", "", as64, false},
	} {
		q := Request{Headers: map[string]string{strings.ToLower(c.as.Header): c.value}, Body: body}
		if got := signed(&c.as, key, q); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
		q.Body = append([]byte(" "), body...)
		if signed(&c.as, key, q) {
			t.Errorf("%s: another body passes", c.name)
		}
		q.Body = body
		if signed(&c.as, []byte("kez"), q) {
			t.Errorf("%s: another key passes", c.name)
		}
	}
	if signed(&asHex, key, Request{Headers: map[string]string{}, Body: body}) {
		t.Error("no header passes")
	}
}

// flip changes the first hexadecimal digit.
func flip(text string) string {
	if text[0] == '0' {
		return "1" + text[1:]
	}
	return "0" + text[1:]
}

func TestMark(t *testing.T) {
	request := func(id, body string) Request {
		return Request{Headers: map[string]string{"x-id": id}, Body: []byte(body)}
	}
	const header, sum = "header:X-ID", "body_sha256"
	for _, c := range []struct {
		name                     string
		channel, where, id, body string
		channel2, id2, body2     string
		same                     bool
	}{
		{"one id, other bodies", "a", header, "1", "x", "a", "1", "y", true},
		{"two ids", "a", header, "1", "x", "a", "2", "x", false},
		{"one id on two channels", "a", header, "1", "x", "b", "1", "x", false},
		{"one body", "a", sum, "1", "x", "a", "2", "x", true},
		{"two bodies", "a", sum, "1", "x", "a", "1", "y", false},
		{"long ids that differ at the end", "a", header, strings.Repeat("i", 9000) + "1", "", "a", strings.Repeat("i", 9000) + "2", "", false},
		{"one long id", "a", header, strings.Repeat("i", 9000), "", "a", strings.Repeat("i", 9000), "", true},
	} {
		one, two := mark(c.channel, c.where, request(c.id, c.body)), mark(c.channel2, c.where, request(c.id2, c.body2))
		if one == "" || len(one) > store.MaxName || (one == two) != c.same {
			t.Errorf("%s: %.80q and %.80q", c.name, one, two)
		}
	}
	for name, m := range map[string]string{"no header": mark("a", header, request("", "x")), "no rule": mark("a", "", request("1", "x"))} {
		if m != "" {
			t.Errorf("%s: %q", name, m)
		}
	}
	if nameMark("unit", "a", "1") == nameMark("delivery", "a", "1") {
		t.Error("a unit and a delivery have one mark")
	}
}
