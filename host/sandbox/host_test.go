package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/trama-run/trama/pdk/abi"
)

// recorder is a Host that answers as told and remembers what it was asked.
type recorder struct {
	config   map[string]string
	http     func(ctx context.Context, r abi.HTTPRequest) (abi.HTTPResponse, error)
	function func(ctx context.Context, name string, request []byte) ([]byte, error)

	mu   sync.Mutex
	logs []string // guarded by mu; "level text"
	sent []abi.HTTPRequest
}

var _ Host = (*recorder)(nil)

func (r *recorder) Config(key string) (string, bool) {
	value, ok := r.config[key]
	return value, ok
}

func (r *recorder) HTTP(ctx context.Context, request abi.HTTPRequest) (abi.HTTPResponse, error) {
	r.sent = append(r.sent, request)
	if r.http == nil {
		return abi.HTTPResponse{}, &abi.Error{Code: abi.CodeDenied, Message: "no egress in this test"}
	}
	return r.http(ctx, request)
}

func (r *recorder) Log(level, text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.logs = append(r.logs, level+" "+text)
}

func (r *recorder) Function(ctx context.Context, name string, request []byte) ([]byte, error) {
	if r.function == nil {
		return json.Marshal(abi.Reply{OK: json.RawMessage(fmt.Sprintf(`{"name":%q,"request":%q}`, name, request))})
	}
	return r.function(ctx, name, request)
}

// with calls an export with a host.
func with(m *Module, host Host, export, input string) (Result, error) {
	return m.Call(context.Background(), Call{Export: export, Input: []byte(input), Limits: DefaultLimits(), Host: host})
}

func TestHTTP(t *testing.T) {
	m := load(t, "portable")
	answer := abi.HTTPResponse{Status: 201, Headers: map[string]string{"x-a": "1, 2"}, Body: "created"}
	binary := abi.HTTPResponse{Status: 200, BodyBase64: "AP8B"}
	for _, test := range []struct {
		name, input string
		answer      abi.HTTPResponse
		want        abi.HTTPRequest
		output      string
	}{
		{"get by default", `{"url":"https://a.test/x"}`, answer,
			abi.HTTPRequest{Method: "GET", URL: "https://a.test/x"}, "201 {\"x-a\":\"1, 2\"} created"},
		{"method in capitals, headers, body", "{\"url\":\"/x\",\"method\":\"post\",\"headers\":{\"A\":\"b\"}}\nbody:\nhi", answer,
			abi.HTTPRequest{Method: "POST", URL: "/x", Headers: map[string]string{"A": "b"}, Body: "hi"}, "201 {\"x-a\":\"1, 2\"} created"},
		{"bytes either way", "{\"url\":\"/x\",\"method\":\"PUT\"}\nbody:\n\xff\xfe", binary,
			abi.HTTPRequest{Method: "PUT", URL: "/x", BodyBase64: "//4="}, "200 {} \x00\xff\x01"},
		{"no body", `{"url":"/"}`, abi.HTTPResponse{Status: 204}, abi.HTTPRequest{Method: "GET", URL: "/"}, "204 {} "},
	} {
		host := &recorder{http: func(context.Context, abi.HTTPRequest) (abi.HTTPResponse, error) { return test.answer, nil }}
		got, err := with(m, host, "http", test.input)
		if err != nil || string(got.Output) != test.output {
			t.Errorf("%s: %q, %v; want %q", test.name, got.Output, err, test.output)
		}
		if len(host.sent) != 1 || fmt.Sprint(host.sent[0]) != fmt.Sprint(test.want) {
			t.Errorf("%s: sent %v, want %v", test.name, host.sent, test.want)
		}
	}
	if got, err := with(m, &recorder{}, "http_before", ""); string(got.Output) != "0 " {
		t.Errorf("the status of an earlier call is seen: %q, %v", got.Output, err)
	}
}

func TestHTTPFailures(t *testing.T) {
	m := load(t, "portable")
	plain := errors.New("no route to host")
	big := strings.Repeat("x", 1000)
	limits := DefaultLimits()
	limits.HTTPBody = 999
	answers := func(body string, err error) *recorder {
		return &recorder{http: func(context.Context, abi.HTTPRequest) (abi.HTTPResponse, error) {
			return abi.HTTPResponse{Status: 200, Body: body}, err
		}}
	}
	for _, test := range []struct {
		name, input string
		host        Host
		kind        Kind
		code, text  string
	}{
		{"refused by the host", `{"url":"/"}`, &recorder{}, KindTrap, abi.CodeDenied, "no egress in this test"},
		{"failed", `{"url":"/"}`, answers("", plain), KindTrap, abi.CodeTrap, "no route to host"},
		{"no host", `{"url":"/"}`, nil, KindTrap, abi.CodeTrap, "nothing outside"},
		{"no JSON", "nonsense", &recorder{}, KindTrap, abi.CodeTrap, "invalid request"},
		{"response too big", `{"url":"/"}`, answers(big, nil), KindLimit, abi.CodeLimit, "response's body has 1000B, over the limit of 999B"},
		{"request too big", "{\"url\":\"/\"}\nbody:\n" + big, answers("", nil), KindLimit, abi.CodeLimit, "limits: {http: 1KiB}"},
	} {
		_, err := m.Call(context.Background(), Call{Export: "http", Input: []byte(test.input), Limits: limits, Host: test.host})
		e := kindOf(t, err)
		if e.Kind != test.kind || e.Err.Code != test.code || !strings.Contains(e.Error(), test.text) {
			t.Errorf("%s: %s, %s, %v", test.name, e.Kind, e.Err.Code, e)
		}
	}
	if _, err := with(m, answers("", plain), "http", `{"url":"/"}`); !errors.Is(err, plain) {
		t.Errorf("%v does not wrap the host's error", err)
	}
	if got, err := call(m, "copy", "next"); string(got.Output) != "next" {
		t.Errorf("the next call gives %q, %v", got.Output, err)
	}
}

func TestRequestLimit(t *testing.T) {
	ok := func(context.Context, abi.HTTPRequest) (abi.HTTPResponse, error) {
		return abi.HTTPResponse{Status: 200}, nil
	}
	host := &recorder{http: ok}
	_, err := with(load(t, "portable"), host, "http_many", "")
	e := kindOf(t, err)
	if e.Kind != KindLimit || e.Limit != LimitRequests || len(host.sent) != 32 ||
		!strings.Contains(e.Error(), "the 32 outbound requests") || !strings.Contains(e.Error(), "limits: {requests: 64}") {
		t.Errorf("%d sent, %v", len(host.sent), e)
	}
	// http_send can answer, so the guest is told instead of stopped.
	count := 0
	host = &recorder{function: func(context.Context, string, []byte) ([]byte, error) { count++; return []byte(`{"ok":{}}`), nil }}
	got, err := with(load(t, "system"), host, "send_many", "")
	if err != nil || count != 32 || !strings.Contains(string(got.Output), `"code":"limit"`) {
		t.Errorf("%d sent, %q, %v", count, got.Output, err)
	}
}

func TestTramaFunctions(t *testing.T) {
	m := load(t, "system")
	letters := map[byte]string{'h': abi.HostHTTPSend, 's': abi.HostSecretRef, 'g': abi.HostSign, 'v': abi.HostVerify,
		'l': abi.HostLog, 'e': abi.HostEffectID, 'd': abi.HostDeadline, 'r': abi.HostRandom,
		'G': abi.HostKVGet, 'S': abi.HostKVSet, 'D': abi.HostKVDelete, 'L': abi.HostKVList}
	if len(letters) != len(abi.HostFunctions()) {
		t.Fatalf("%d functions tested, there are %d", len(letters), len(abi.HostFunctions()))
	}
	for letter, name := range letters {
		got, err := with(m, &recorder{}, "call", string(letter)+`{"a":1}`)
		want := fmt.Sprintf(`{"ok":{"name":%q,"request":"{\"a\":1}"}}`, name)
		if err != nil || string(got.Output) != want {
			t.Errorf("%s: %s, %v; want %s", name, got.Output, err, want)
		}
		got, err = with(m, nil, "call", string(letter))
		if err != nil || !strings.Contains(string(got.Output), `"code":"denied"`) {
			t.Errorf("%s without a host: %s, %v", name, got.Output, err)
		}
	}
	broken := &recorder{function: func(context.Context, string, []byte) ([]byte, error) {
		return nil, &abi.Error{Code: abi.CodeUnknown, Message: "store is closed"}
	}}
	_, err := with(m, broken, "call", "e")
	if e := kindOf(t, err); e.Kind != KindTrap || e.Err.Code != abi.CodeUnknown || e.Err.Message != "effect_id: store is closed" {
		t.Errorf("failed function: %v", e)
	}
	panics := &recorder{function: func(context.Context, string, []byte) ([]byte, error) { panic("bug in the host") }}
	_, err = with(m, panics, "call", "e")
	if e := kindOf(t, err); e.Kind != KindTrap || !strings.Contains(e.Error(), "bug in the host") {
		t.Errorf("panicking function: %v", e)
	}
	if got, err := with(m, &recorder{}, "call", "e"); err != nil {
		t.Errorf("the call after a panic: %s, %v", got.Output, err)
	}
}

func TestLogs(t *testing.T) {
	host := &recorder{}
	got, err := with(load(t, "portable"), host, "logs", "")
	want := []string{"debug debug", "info info", "warn warn", `error error \x1b[31m` + "\uFFFD"}
	if err != nil || string(got.Output) != "0 " || fmt.Sprintf("%q", host.logs) != fmt.Sprintf("%q", want) {
		t.Errorf("%q, output %q, %v; want %q", host.logs, got.Output, err, want)
	}
	host = &recorder{}
	if _, err := with(load(t, "system"), host, "print_lines", ""); err != nil {
		t.Error(err)
	}
	want = []string{"info to stdout", "warn to stderr", "info partial line"}
	if fmt.Sprint(host.logs) != fmt.Sprint(want) {
		t.Errorf("%q, want %q", host.logs, want)
	}
}

func TestLogLimit(t *testing.T) {
	for _, test := range []struct{ guest, export string }{
		{"portable", "log_flood"}, {"portable", "log_huge"}, {"system", "print_flood"}, {"system", "print_endless_line"},
	} {
		host := &recorder{}
		limits := DefaultLimits()
		limits.Log = 10_000
		if test.export == "log_huge" || test.export == "print_endless_line" {
			limits.Log = 4000 // less than one line
		}
		_, err := load(t, test.guest).Call(context.Background(), Call{Export: test.export, Limits: limits, Host: host})
		if err != nil {
			t.Errorf("%s: %v", test.export, err)
			continue
		}
		total := 0
		for _, line := range host.logs {
			total += len(line)
		}
		last := host.logs[len(host.logs)-1]
		if total > int(limits.Log)+5000 || !strings.Contains(last, "the log limit of") || !strings.Contains(last, "limits: {log: ") {
			t.Errorf("%s: %d bytes in %d lines, the last: %q", test.export, total, len(host.logs), last)
		}
		if text, _, _ := strings.Cut(last, "\n"); len(text) > 300 {
			t.Errorf("%s: last line has %d bytes", test.export, len(text))
		}
	}
}

// TestWaitingIsFree: the guest's clock stands still while the host works.
func TestWaitingIsFree(t *testing.T) {
	var busy time.Duration
	wait := func(ctx context.Context) error {
		select {
		case <-time.After(busy):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	host := &recorder{
		http: func(ctx context.Context, _ abi.HTTPRequest) (abi.HTTPResponse, error) {
			return abi.HTTPResponse{Status: 200}, wait(ctx)
		},
		function: func(ctx context.Context, _ string, _ []byte) ([]byte, error) { return []byte(`{"ok":{}}`), wait(ctx) },
	}
	limits := short()
	limits.Time = 500 * time.Millisecond // the guest's own work, on a slow machine
	for _, test := range []struct{ guest, export, input string }{{"portable", "http", `{"url":"/"}`}, {"system", "call", "h"}} {
		m := load(t, test.guest)
		busy = limits.Time * 3 / 2
		got, err := m.Call(context.Background(), Call{Export: test.export, Input: []byte(test.input), Limits: limits, Host: host})
		if err != nil || got.GuestTime > limits.Time {
			t.Errorf("%s: %v of guest time, %v", test.guest, got.GuestTime, err)
		}
		// The caller's patience still counts.
		busy = time.Minute
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		begun := time.Now()
		_, err = m.Call(ctx, Call{Export: test.export, Input: []byte(test.input), Limits: short(), Host: host})
		if e := kindOf(t, err); e.Kind != KindTimeout || e.Limit != "" || !errors.Is(err, context.DeadlineExceeded) ||
			time.Since(begun) > busy/2 {
			t.Errorf("%s: %v after %v", test.guest, err, time.Since(begun))
		}
		cancel()
	}
}
