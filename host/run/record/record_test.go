package record

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/trama-run/trama/host/engine"
	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/pdk/abi"
)

func TestRecordHidesCredentials(t *testing.T) {
	headers := map[string]any{"authorization": "Bearer caller", "cookie": "caller", "x-api-key": "caller", "client_id": "caller", "proxy-authorization": "caller", "x-auth-token": "caller", "x-hub-signature-256": "caller", "x-session": "caller", "accept": "kept"}
	event := map[string]any{"headers": headers, "body": "body"}
	var r Record
	r.KeepEvent(event)
	r.KeepStep(Step{Step: engine.Step{Node: "a", Input: event, Output: map[string]any{"list": []any{map[string]any{"was": event}}}}})
	r.KeepEnd(&engine.Run{Ended: true, Result: map[string]any{"input": event}}, time.Now())
	data, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	if text := string(data); strings.Contains(text, "caller") || strings.Count(text, `"accept":"kept"`) != 4 || strings.Count(text, `"cookie":"[redacted]"`) != 4 {
		t.Errorf("the record is %s", text)
	}
	if headers["cookie"] != "caller" {
		t.Error("the flow's own value was changed")
	}
}

// TestRecordBounds: whatever a run does, its record can be stored, over any
// number of drives.
func TestRecordBounds(t *testing.T) {
	long := strings.Repeat("é", maxValue/2+1)
	var r Record
	r.KeepEvent(map[string]any{"body": long})
	text, _ := r.Event.(string)
	if !utf8.ValidString(text) || !strings.Contains(text, "… cut: ") || len(text) > maxValue {
		t.Errorf("a long event is kept as %.100q...", text)
	}
	small := Record{}
	small.KeepStep(Step{Step: engine.Step{Input: map[string]any{"n": int64(1)}, Output: "x"}})
	if data, err := json.Marshal(small.Steps[0].Input); err != nil || string(data) != `{"n":1}` {
		t.Errorf("a small input is kept as %s, %v", data, err)
	}
	detail, err := json.Marshal(long)
	if err != nil {
		t.Fatal(err)
	}
	failure := &abi.Error{Code: "c", Message: long, Detail: detail}
	for n := range maxSteps + maxLast + 4 {
		r.KeepStep(Step{Step: engine.Step{Ordinal: n, Input: long, Output: strings.Repeat("x", maxValue-10), Error: failure}})
		r.KeepLine(Line{Text: strings.Repeat("l", 4096)})
		if n%100 != 0 {
			continue
		}
		stored, err := json.Marshal(r) // a drive ends and the next begins
		if err != nil {
			t.Fatal(err)
		}
		r = Record{}
		if err := json.Unmarshal(stored, &r); err != nil {
			t.Fatal(err)
		}
	}
	r.KeepEnd(&engine.Run{Ended: true, Result: long, Failure: &engine.Failure{Node: "n", Error: *failure}}, time.Now())
	put, err := r.Put()
	if err != nil {
		t.Fatal(err)
	}
	if len(put.Value) > store.MaxValue {
		t.Errorf("a record of %d bytes, over the store's %d", len(put.Value), store.MaxValue)
	}
	if len(r.Steps) != maxSteps || r.LeftSteps != maxLast+4 || len(r.Last) != maxLast || r.Last[0].Ordinal != maxSteps+4 || r.Last[maxLast-1].Ordinal != maxSteps+maxLast+3 || len(r.Lines) != maxLines || r.LeftLines == 0 || r.Size > maxRecord {
		t.Errorf("%d steps, %d left; %d lines, %d left; %d bytes of values", len(r.Steps), r.LeftSteps, len(r.Lines), r.LeftLines, r.Size)
	}
	if r.Error.Node != "n" || r.Error.Code != "c" || failure.Message != long {
		t.Errorf("the failure is %.200v", r.Error)
	}
}

func TestRecordOfWhatIsNoJSON(t *testing.T) {
	var r Record
	r.KeepStep(Step{Step: engine.Step{Input: func() {}, Error: &abi.Error{Code: "c", Message: "m", Detail: json.RawMessage("{no json")}}})
	if _, err := r.Put(); err != nil {
		t.Errorf("%v", errors.Unwrap(err))
	}
}
