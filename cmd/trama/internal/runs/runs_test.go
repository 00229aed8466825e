package runs

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/trama-run/trama/host/admin"
	"github.com/trama-run/trama/host/engine"
	"github.com/trama-run/trama/host/outbox"
	"github.com/trama-run/trama/host/run/record"
	"github.com/trama-run/trama/pdk/abi"
)

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
