package redact

import (
	"encoding/json"
	"testing"
)

// TestJSON: a secret is taken out of texts, also where it is escaped; JSON of
// the same shape is left, whatever the secret reads like.
func TestJSON(t *testing.T) {
	var s Set
	for _, text := range []string{"true", "name", "1234", `a"b\c`, "olá-olá"} {
		s.Hide(text)
	}
	for text, want := range map[string]string{
		`{"name": true, "n": 1234, "ok": "yes"}`:                       `{"name": true, "n": 1234, "ok": "yes"}`,
		`{"name" : "name", "list": ["true", "it is true", 1234]}`:      `{"name" : "[redacted]", "list": ["[redacted]", "it is [redacted]", 1234]}`,
		`{"a":"<a\"b\\c>","b":"ol\u00e1-olá","c":"\\\"","d":"\"1234"}`: `{"a":"\u003c[redacted]\u003e","b":"[redacted]","c":"\\\"","d":"\"[redacted]"}`,
		`"true"`: `"[redacted]"`,
		`true`:   `true`,
	} {
		got := string(s.JSON([]byte(text)))
		if got != want || !json.Valid([]byte(got)) {
			t.Errorf("%s gives %s, want %s", text, got, want)
		}
	}
	// A text is read as deep as it is without the JSON around it.
	value := any(`a"b\c`)
	for range 2 {
		text, err := json.Marshal(map[string]any{"in": value})
		if err != nil {
			t.Fatal(err)
		}
		value = string(text)
	}
	whole, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	if s.Absent(value.(string)) || string(s.JSON(whole)) == string(whole) {
		t.Errorf("left: %s", whole)
	}
	var none Set
	if got := string(none.JSON([]byte(`{"a":"true"}`))); got != `{"a":"true"}` {
		t.Error(got)
	}
}
