package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/trama-run/trama/host/admin"
	"github.com/trama-run/trama/host/engine"
	"github.com/trama-run/trama/host/outbox"
	"github.com/trama-run/trama/host/plugin"
	record "github.com/trama-run/trama/host/run"
	"github.com/trama-run/trama/pdk/abi"
)

func TestPrintable(t *testing.T) {
	for text, want := range map[string]string{
		"plain, ção, 日本":   "plain, ção, 日本",
		"two\nlines\tmore": "two\nlines\tmore",
		"\x1b[2Jgone":      `\u001b[2Jgone`,
		"a\rb\x00":         `a\u000db\u0000`,
		"right\u202eleft":  `right\u202eleft`,
	} {
		if got := printable(text); got != want {
			t.Errorf("printable(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestCompact(t *testing.T) {
	for _, test := range []struct {
		value any
		width int
		want  string
	}{
		{map[string]any{"id": json.Number("9007199254740993"), "a": "<b>"}, 0, `{"a":"<b>","id":9007199254740993}`},
		{"ação", 4, `"açã… (6 characters)`},
		{"ação", 6, `"ação"`},
		{nil, 10, "null"},
	} {
		if got := compact(test.value, test.width); got != test.want {
			t.Errorf("compact(%v, %d) = %s, want %s", test.value, test.width, got, test.want)
		}
	}
}

func TestReachable(t *testing.T) {
	for addr, want := range map[string]string{
		"127.0.0.1:8081": "127.0.0.1:8081",
		":8081":          "127.0.0.1:8081",
		"0.0.0.0:8081":   "127.0.0.1:8081",
		"[::]:8081":      "[::1]:8081",
		"host.lan:80":    "host.lan:80",
	} {
		if got := reachable(addr); got != want {
			t.Errorf("reachable(%q) = %q, want %q", addr, got, want)
		}
	}
}

func TestWriteRun(t *testing.T) {
	start := time.Date(2026, 5, 4, 10, 0, 0, 0, time.Local)
	end := start.Add(1500 * time.Millisecond)
	detail := admin.RunDetail{
		Record: record.Record{
			ID: "r1", Flow: "orders", Version: 3, Key: "r1", Trigger: "start", Status: engine.Failed,
			Error:   &engine.Failure{Node: "call", Error: abi.Error{Code: "timeout", Message: "too slow"}},
			Started: start, Ended: &end, Event: map[string]any{"body": "x"},
			Steps: []record.Step{
				{Step: engine.Step{Ordinal: 1, Node: "parse", Type: "xml.to_json", Port: "next", Input: map[string]any{"xml": strings.Repeat("y", 400)}, Output: 7, Duration: 1234 * time.Microsecond}},
				{
					Step: engine.Step{Ordinal: 2, Node: "call", Type: "soap.call", Attempt: 2, EffectID: "e1", Error: &abi.Error{Code: "timeout", Message: "too slow\x1b[0m"}, Duration: time.Second},
					Cost: &record.Cost{Fuel: 41958, GuestTime: 250 * time.Microsecond, MemoryBytes: 3 << 20},
				},
			},
			Lines:     []record.Line{{Node: "parse", At: start, Level: "info", Text: "hello\nthere\x07"}},
			LeftSteps: 4, LeftLines: 2,
		},
		Deliveries: map[string]outbox.Delivery{"e1": {State: "sent", MessageID: "wamid.1", At: end}},
	}
	var out bytes.Buffer
	if err := writeRun(&out, detail, 20); err != nil {
		t.Fatal(err)
	}
	want := `run      r1
flow     orders v3
status   failed
key      r1
trigger  start
started  2026-05-04 10:00:00
took     1.5s
error    node call: timeout: too slow

event  {"body":"x"}

  1  parse  xml.to_json  -> next  1.2ms
     input   {"xml":"yyyyyyyyyyyy… (410 characters)
     output  7

  2  call  soap.call  1s  attempt 2
     error   timeout: too slow\u001b[0m
     effect  e1
     cost    41958 units of fuel, 250µs of guest time, 3MiB of memory

4 more steps were not kept

log
  10:00:00.000  parse  info  hello there\u0007
  2 more lines were not kept

messages
  e1  sent  2026-05-04 10:00:01  wamid.1
`
	if out.String() != want {
		t.Errorf("got:\n%s\nwant:\n%s", &out, want)
	}
}

func TestStateOf(t *testing.T) {
	for _, c := range []struct {
		status plugin.Status
		want   string
	}{
		{plugin.Status{State: plugin.StateReady}, "ready"},
		{plugin.Status{State: plugin.StatePending}, "pending"},
		{plugin.Status{State: plugin.StatePending, Serving: strings.Repeat("9f", 32)}, "pending; sha256:9f9f9f9f9f9f serves"},
	} {
		if got := stateOf(c.status); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}
