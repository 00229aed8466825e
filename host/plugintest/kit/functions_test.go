package kit

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/trama-run/trama/pdk/abi"
)

// TestMessages: there is a message of each kind that can be sent, and it lacks
// nothing.
func TestMessages(t *testing.T) {
	all := messages()
	for _, kind := range abi.MessageKinds() {
		if m, ok := all[kind]; !ok {
			t.Errorf("there is none of the kind %s", kind)
		} else if err := m.Check(); err != nil || m.Kind() != kind {
			t.Errorf("%s: %v, of the kind %s", kind, err, m.Kind())
		}
	}
	if len(all) != len(abi.MessageKinds()) {
		t.Errorf("%d messages, %d kinds", len(all), len(abi.MessageKinds()))
	}
}

// TestSample: settings are what their schema says of them.
func TestSample(t *testing.T) {
	got := sample(json.RawMessage(`{"type": "object", "required": ["id"], "properties": {
		"id": {"type": "string"}, "mode": {"enum": ["b", "a"]}, "n": {"type": "integer", "minimum": 5}, "is": {"type": "boolean"},
		"list": {"type": "array"}, "in": {"properties": {"x": {"type": "number"}}}, "kept": {"type": "string", "default": "d"}}}`))
	want := map[string]any{
		"id": "123", "mode": "b", "n": json.Number("5"), "is": true, "list": []any{},
		"in": map[string]any{"x": json.Number("1")}, "kept": "d",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%v", got)
	}
	if got := sample(nil); got != nil {
		t.Errorf("of no schema: %v", got)
	}
}
