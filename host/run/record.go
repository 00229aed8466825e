package run

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/trama-run/trama/host/engine"
	"github.com/trama-run/trama/host/store"
)

// KindRecord is the kind of the records that runs leave, by run id. Ids grow
// with time, so a listing downwards has the newest first.
const KindRecord store.Kind = "run"

// Bounds of a record.
const (
	recordTTL  = 14 * 24 * time.Hour
	maxValue   = 16 << 10  // one input or output; longer ones are cut
	maxSteps   = 500       // steps that are kept; later ones are counted
	maxLines   = 200       // log lines that are kept; later ones are counted
	maxRecord  = 512 << 10 // inputs and outputs in all
	cutMessage = "… cut: %d bytes"
)

// Record is what a run leaves for people: how it came to its end. It is a
// trace, kept for two weeks; the state that a run needs is elsewhere.
type Record struct {
	ID      string        `json:"id"`
	Flow    string        `json:"flow"`
	Version int           `json:"version"`
	Key     string        `json:"key"` // the unit of order: a contact, or the run itself
	Trigger string        `json:"trigger"`
	Status  engine.Status `json:"status"`
	// Node is where the run is, or ended.
	Node    string          `json:"node,omitempty"`
	Result  any             `json:"result,omitempty"`
	Error   *engine.Failure `json:"error,omitempty"`
	Started time.Time       `json:"started"`
	Ended   *time.Time      `json:"ended,omitempty"`
	Event   any             `json:"event,omitempty"`
	Steps   []engine.Step   `json:"steps"`
	Lines   []Line          `json:"log,omitempty"`
	// Left counts what was over the bounds and left out.
	LeftSteps int `json:"left_steps,omitempty"`
	LeftLines int `json:"left_lines,omitempty"`

	size int // bytes of inputs and outputs so far
}

// Line is one line that a plugin logged.
type Line struct {
	Node  string    `json:"node"`
	At    time.Time `json:"at"`
	Level string    `json:"level"`
	Text  string    `json:"text"`
}

// secretHeaders are never kept: a caller's credentials.
var secretHeaders = []string{"authorization", "proxy-authorization", "cookie", "client_id", "x-api-key"}

// event prepares an event for the record.
func (r *Record) event(value map[string]any) {
	if headers, ok := value["headers"].(map[string]any); ok {
		value = cloneWith(value, "headers", withoutSecrets(headers))
	}
	r.Event = r.bounded(value)
}

func cloneWith(m map[string]any, key string, value any) map[string]any {
	clone := make(map[string]any, len(m))
	for k, v := range m {
		clone[k] = v
	}
	clone[key] = value
	return clone
}

func withoutSecrets(headers map[string]any) map[string]any {
	clean := make(map[string]any, len(headers))
	for name, value := range headers {
		if slices.Contains(secretHeaders, strings.ToLower(name)) {
			value = "[redacted]"
		}
		clean[name] = value
	}
	return clean
}

// step adds what the engine says of a node.
func (r *Record) step(s engine.Step) {
	if len(r.Steps) >= maxSteps {
		r.LeftSteps++
		return
	}
	s.Input, s.Output = r.bounded(s.Input), r.bounded(s.Output)
	r.Steps = append(r.Steps, s)
}

// line adds a line that a plugin logged.
func (r *Record) line(l Line) {
	if len(r.Lines) >= maxLines {
		r.LeftLines++
		return
	}
	r.Lines = append(r.Lines, l)
}

// bounded returns a value as JSON that can be kept: whole, or its beginning
// as text. Encoding it now also makes it independent of later changes.
func (r *Record) bounded(value any) any {
	if value == nil {
		return nil
	}
	data, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprintf("can't be shown: %v", err)
	}
	if len(data) > maxValue || r.size+len(data) > maxRecord {
		keep := min(max(maxRecord-r.size, 0), maxValue/4, len(data))
		r.size += keep
		return strings.ToValidUTF8(string(data[:keep]), "") + fmt.Sprintf(cutMessage, len(data)-keep)
	}
	r.size += len(data)
	return json.RawMessage(data)
}

// put returns the change that stores the record.
func (r *Record) put() (store.Put, error) {
	data, err := json.Marshal(r)
	if err != nil {
		return store.Put{}, fmt.Errorf("record of run %s: %w", r.ID, err)
	}
	return store.Put{ID: store.ID{Kind: KindRecord, Key: r.ID}, Value: data, TTL: recordTTL}, nil
}
