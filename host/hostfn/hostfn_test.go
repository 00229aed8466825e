package hostfn

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/trama-run/trama/host/egress"
	"github.com/trama-run/trama/host/grant"
	"github.com/trama-run/trama/host/sandbox"
	"github.com/trama-run/trama/host/secret"
	"github.com/trama-run/trama/pdk/abi"
)

const canary = "canary-0123456789-0123456789-0123456789"

// fixture is a host with everything granted, beside what it may not reach.
type fixture struct {
	*Host
	url   string
	seen  []string // requests as "METHOD path key"
	lines []string // log lines as "level text"
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.seen = append(f.seen, r.Method+" "+r.URL.Path+" "+r.Header.Get("X-Key"))
		io.WriteString(w, "key "+r.Header.Get("X-Key"))
	}))
	t.Cleanup(server.Close)
	f.url = server.URL
	secrets := secret.New([]string{"TRAMA_SECRET_KEY=" + canary, "TRAMA_SECRET_OTHER=" + canary, "TRAMA_SECRET_SHORT_KEY=canary"}, "")
	client := egress.New(egress.Config{Secrets: secrets})
	t.Cleanup(client.Close)
	f.Host = New(Call{
		Scope: client.Open(egress.Policy{Origins: []string{server.URL}, Secrets: []abi.SecretRequest{
			{Name: "key", Places: []string{"header:X-Key"}}, {Name: "nowhere", Places: []string{"body"}},
		}}),
		Secrets: secrets, Keys: []string{"key", "short_key", "nowhere"}, EffectID: "effect-1", Deadline: time.UnixMilli(1_700_000_000_123),
		Config: map[string]string{"a": "b"}, LogBytes: 64 << 10,
		Log: func(level, text string) { f.lines = append(f.lines, level+" "+text) },
	})
	return f
}

// call calls a function and wants a reply; result is where its OK goes.
func (f *fixture) call(t *testing.T, name string, request, result any) *abi.Error {
	t.Helper()
	data, isRaw := request.([]byte)
	if !isRaw {
		var err error
		if data, err = json.Marshal(request); err != nil {
			t.Fatal(err)
		}
	}
	text, err := f.Function(t.Context(), name, data)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	var reply abi.Reply
	if err := json.Unmarshal(text, &reply); err != nil || (reply.OK == nil) == (reply.Error == nil) {
		t.Fatalf("%s: reply %s, %v", name, text, err)
	}
	if strings.Contains(string(text), "canary") {
		t.Errorf("%s: the reply shows a secret: %s", name, text)
	}
	if reply.Error == nil && result != nil {
		if err := json.Unmarshal(reply.OK, result); err != nil {
			t.Fatalf("%s: %s, %v", name, text, err)
		}
	}
	return reply.Error
}

func TestTableIsTheContract(t *testing.T) {
	if got, want := slices.Sorted(maps.Keys(functions)), slices.Sorted(slices.Values(abi.HostFunctions())); !slices.Equal(got, want) {
		t.Errorf("functions are %q, want %q", got, want)
	}
	if _, err := newFixture(t).Function(t.Context(), "sql_query", nil); err == nil {
		t.Error("an unknown function was called")
	}
}

// Grants and the sandbox must agree on limits: one says what is given, the
// other enforces it.
func TestLimitsAgree(t *testing.T) {
	for name, pair := range map[string]struct {
		grant   grant.Limits
		sandbox sandbox.Limits
	}{"default": {grant.Default(), sandbox.DefaultLimits()}, "ceiling": {grant.Ceiling(), sandbox.CeilingLimits()}} {
		g := pair.grant
		got := sandbox.Limits{
			Memory: int64(g.Memory), Time: time.Duration(g.Time), Input: int64(g.Input), Output: int64(g.Output),
			HTTPBody: int64(g.HTTP), Fuel: int64(g.Fuel), Requests: g.Requests, Log: int64(g.Log),
		}
		if got != pair.sandbox {
			t.Errorf("%s: the grant's are %+v, the sandbox's %+v", name, got, pair.sandbox)
		}
	}
}

func TestFunctions(t *testing.T) {
	f := newFixture(t)
	var handle abi.SecretHandle
	if err := f.call(t, abi.HostSecretRef, abi.SecretRef{Name: "key"}, &handle); err != nil || handle.Handle == "" {
		t.Fatal(handle, err)
	}
	var response abi.HTTPResponse
	request := abi.HTTPRequest{URL: f.url + "/p", Headers: map[string]string{"X-Key": handle.Handle}}
	if err := f.call(t, abi.HostHTTPSend, request, &response); err != nil || response.Body != "key [redacted]" {
		t.Errorf("%+v, %v", response, err)
	}
	if response, err := f.HTTP(t.Context(), request); err != nil || response.Body != "key [redacted]" {
		t.Errorf("extism: %+v, %v", response, err)
	}
	if want := []string{"GET /p " + canary, "GET /p " + canary}; !slices.Equal(f.seen, want) {
		t.Errorf("sent %q", f.seen)
	}
	var signature abi.Signature
	data := []byte("data")
	if err := f.call(t, abi.HostSign, abi.Sign{Key: "key", Algorithm: abi.AlgHS256, Data: data}, &signature); err != nil || len(signature.Signature) != 32 {
		t.Fatal(signature, err)
	}
	for _, bad := range []bool{false, true} {
		v := abi.Verify{Key: "key", Algorithm: abi.AlgHS256, Data: data, Signature: bytes.Clone(signature.Signature)}
		if bad {
			v.Signature[0] ^= 1
		}
		var verified abi.Verified
		if err := f.call(t, abi.HostVerify, v, &verified); err != nil || verified.Valid == bad {
			t.Errorf("%+v, %v", verified, err)
		}
	}
	for _, nothing := range [][]byte{nil, []byte("{}"), []byte(" {} ")} {
		var id abi.EffectID
		var deadline abi.Deadline
		if err := f.call(t, abi.HostEffectID, nothing, &id); err != nil || id.ID != "effect-1" {
			t.Errorf("%+v, %v", id, err)
		}
		if err := f.call(t, abi.HostDeadline, nothing, &deadline); err != nil || deadline.UnixMillis != 1_700_000_000_123 {
			t.Errorf("%+v, %v", deadline, err)
		}
	}
	var a, b abi.RandomBytes
	f.call(t, abi.HostRandom, abi.Random{N: 4096}, &a)
	f.call(t, abi.HostRandom, abi.Random{N: 4096}, &b)
	if len(a.Bytes) != 4096 || bytes.Equal(a.Bytes, b.Bytes) || bytes.Count(a.Bytes, []byte{0}) > 100 {
		t.Errorf("%d bytes of chance", len(a.Bytes))
	}
	if value, ok := f.Config("a"); value != "b" || !ok {
		t.Error(value, ok)
	}
	if value, ok := f.Config("PATH"); ok {
		t.Error(value)
	}
}

func TestFunctionsRefuse(t *testing.T) {
	f := newFixture(t)
	for _, c := range []struct {
		name, request, code, text string
	}{
		{abi.HostSign, `{"key":"other","algorithm":"HS256","data":""}`, abi.CodeDenied, "keys of the plugin's line"},
		{abi.HostVerify, `{"key":"other","algorithm":"HS256","data":"","signature":""}`, abi.CodeDenied, "not granted"},
		{abi.HostSign, `{"key":"key","algorithm":"none","data":""}`, abi.CodeInvalid, "it serves HS256"},
		{abi.HostSign, `{"key":"key","algorithm":"RS256","data":""}`, abi.CodeInvalid, "it serves HS256"},
		{abi.HostSign, `{"key":"short_key","algorithm":"HS256","data":""}`, abi.CodeInvalid, "at least 32 bytes"},
		{abi.HostSign, `{"key":"nowhere","algorithm":"HS256","data":""}`, abi.CodeNoSecret, "TRAMA_SECRET_NOWHERE"},
		{abi.HostSign, `{"key":"key","algorithm":"HS256","data":"!"}`, abi.CodeInvalid, "base64"},
		{abi.HostSecretRef, `{"name":"other"}`, abi.CodeDenied, "not granted"},
		{abi.HostSecretRef, `{"name":"nowhere"}`, abi.CodeNoSecret, "TRAMA_SECRET_NOWHERE"},
		{abi.HostHTTPSend, `{"url":"http://127.0.0.1:1/"}`, abi.CodeDenied, "http_send: "},
		{abi.HostHTTPSend, `{"url":"http://127.0.0.1:1/","headers":{"Host":["x"]}}`, abi.CodeInvalid, "JSON"},
		{abi.HostHTTPSend, `{"url":"/","bodyy":"x"}`, abi.CodeInvalid, `unknown field "bodyy"`},
		{abi.HostHTTPSend, `{"url":"/"}{"url":"/"}`, abi.CodeInvalid, "after the value"},
		{abi.HostHTTPSend, ``, abi.CodeInvalid, "JSON"},
		{abi.HostHTTPSend, `[`, abi.CodeInvalid, "JSON"},
		{abi.HostRandom, `{"n":0}`, abi.CodeInvalid, "1 to 4096"},
		{abi.HostRandom, `{"n":-1}`, abi.CodeInvalid, "1 to 4096"},
		{abi.HostRandom, `{"n":4097}`, abi.CodeInvalid, "1 to 4096"},
		{abi.HostLog, `{"level":"fatal","text":"x"}`, abi.CodeInvalid, "level"},
		{abi.HostEffectID, `{"x":1}`, abi.CodeInvalid, "unknown field"},
		{abi.HostEffectID, `{`, abi.CodeInvalid, "JSON"},
	} {
		err := f.call(t, c.name, []byte(c.request), nil)
		if err == nil || err.Code != c.code || !strings.Contains(err.Message, c.text) {
			t.Errorf("%s %s: %v", c.name, c.request, err)
		}
	}
	if len(f.seen)+len(f.lines) > 0 {
		t.Errorf("%q was sent, %q logged", f.seen, f.lines)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := f.Function(ctx, abi.HostRandom, []byte(`{"n":1}`)); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	// A host of nothing refuses, and does not crash.
	f.Host = New(Call{})
	for name, request := range map[string]any{
		abi.HostHTTPSend: abi.HTTPRequest{URL: f.url}, abi.HostSecretRef: abi.SecretRef{Name: "key"}, abi.HostSign: abi.Sign{Key: "key", Algorithm: "HS256"}, abi.HostVerify: abi.Verify{Key: "key"},
	} {
		if err := f.call(t, name, request, nil); err == nil || err.Code != abi.CodeDenied {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := f.call(t, abi.HostLog, abi.Log{Level: "info", Text: "x"}, nil); err != nil {
		t.Error(err)
	}
}

func TestLog(t *testing.T) {
	f := newFixture(t)
	if err := f.call(t, abi.HostSecretRef, abi.SecretRef{Name: "key"}, nil); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ text, want string }{
		{"plain ü 👋", "plain ü 👋"},
		{"a\nb\r\tc\x00\x1b[31m\x7f\u0085", `a\nb\r\tc\x00\x1b[31m\x7f\u0085`},
		{"\u202eevil\u2066", `\u202eevil\u2066`},
		{"\xff", `\ufffd`}, // JSON has no such byte
		{"token " + canary, "token [redacted]"},
		{strings.Repeat("x", maxLine), strings.Repeat("x", maxLine)},
		{strings.Repeat("x", maxLine+1), strings.Repeat("x", maxLine-3) + "..."},
		{strings.Repeat("x", maxLine-10) + canary, strings.Repeat("x", maxLine-10) + "[redacted]"},
		{strings.Repeat("\n", maxLine), strings.Repeat(`\n`, maxLine/2-2) + `\...`},
	} {
		f.lines = nil
		if err := f.call(t, abi.HostLog, abi.Log{Level: "info", Text: c.text}, nil); err != nil {
			t.Fatal(err)
		}
		if len(f.lines) != 1 || f.lines[0] != "info "+c.want {
			t.Errorf("%.60q was logged as %.100q", c.text, f.lines)
		}
	}
	f.lines = nil
	f.Log("warn", "\xff of extism\n")
	if want := []string{`warn \xff of extism\n`}; !slices.Equal(f.lines, want) {
		t.Errorf("logged %q", f.lines)
	}
}

func TestLogLimit(t *testing.T) {
	for _, text := range []string{"", strings.Repeat("é", maxLine), "0123456789"} {
		f := newFixture(t)
		for range 70_000 {
			f.Log("info", text)
		}
		total := 0
		for _, line := range f.lines[:len(f.lines)-1] {
			total += len(strings.TrimPrefix(line, "info "))
			if len(line) > maxLine+5 || !utf8.ValidString(line) {
				t.Fatalf("a line of %d bytes", len(line))
			}
		}
		last := f.lines[len(f.lines)-1]
		if total > 64<<10 || len(f.lines) > 64<<10+1 || !strings.Contains(last, "dropped") {
			t.Errorf("%.10q: %d bytes in %d lines, the last %q", text, total, len(f.lines), last)
		}
	}
}

func FuzzFunction(f *testing.F) {
	for _, name := range abi.HostFunctions() {
		f.Add(name, []byte(`{"n":1,"key":"key"}`))
	}
	f.Fuzz(func(t *testing.T, name string, request []byte) {
		host := New(Call{})
		reply, err := host.Function(t.Context(), name, request)
		if err == nil && !json.Valid(reply) {
			t.Fatalf("%s %q: reply %q", name, request, reply)
		}
	})
}

// An error that quotes what the guest sent does not give a secret back.
func TestErrorsAreRedacted(t *testing.T) {
	f := newFixture(t)
	if err := f.call(t, abi.HostSecretRef, abi.SecretRef{Name: "key"}, nil); err != nil {
		t.Fatal(err)
	}
	if err := f.call(t, abi.HostSign, abi.Sign{Key: canary, Algorithm: abi.AlgHS256}, nil); err == nil || !strings.Contains(err.Message, `key "[redacted]" is not granted`) {
		t.Error(err)
	}
}
