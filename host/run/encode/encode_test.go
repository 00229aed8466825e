package encode

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestAppend: a value is written byte for byte as encoding/json would without
// escapes for pages, with and without what is not to be seen.
func TestAppend(t *testing.T) {
	same := func(t interface{ Errorf(string, ...any) }, value any) {
		for hide, of := range map[bool]any{false: value, true: Redacted(value)} {
			var text strings.Builder
			encoder := json.NewEncoder(&text)
			encoder.SetEscapeHTML(false)
			wantErr := encoder.Encode(of)
			want := strings.TrimSuffix(text.String(), "\n")
			got, err := Append([]byte("before "), value, hide)
			if (err != nil) != (wantErr != nil) || err == nil && string(got) != "before "+want {
				t.Errorf("hide %v: %s, %v; want %s, %v", hide, got, err, want, wantErr)
			}
		}
	}
	for _, value := range []any{
		nil, true, int64(math.MinInt64), 0.1, 1e21, 1e-7, json.Number("12.50"), "", "a<b>&\u2028 é\x00\xff\"\\\x7f", []any(nil), map[string]any(nil), []any{}, map[string]any{},
		7, time.Unix(0, 0).UTC(), json.RawMessage(`{"a": 1}`), map[string]string{"a": "b"}, math.NaN(), func() {}, []any{func() {}}, map[string]any{"a": func() {}},
		map[string]any{"headers": map[string]any{"cookie": "c", "accept": "a", "headers": map[string]any{"x-key": map[string]any{"a": "b"}}}, "list": []any{map[string]any{"headers": map[string]any{"authorization": int64(1)}}}},
		map[string]any{"query": map[string]any{"Code": "c", "page": "2"}, "body": []any{map[string]any{"password": "p", "token": int64(7), "pin": "", "deep": map[string]any{"apiKey": "k"}}}},
		map[string]any{"headers": "text", "other": map[string]any{"headers": map[string]any(nil), "cookie": "seen"}},
	} {
		same(t, value)
	}
	name := rapid.OneOf(rapid.SampledFrom([]string{"headers", "query", "cookie", "accept", "x-token", "code"}), rapid.String())
	leaf := rapid.OneOf(rapid.Just[any](nil), rapid.Bool().AsAny(), rapid.Int64().AsAny(), rapid.Float64().AsAny(), rapid.String().AsAny())
	value := leaf
	for range 4 {
		value = rapid.OneOf(leaf, rapid.SliceOfN(value, 0, 4).AsAny(), rapid.MapOfN(name, value, 0, 4).AsAny())
	}
	rapid.Check(t, func(t *rapid.T) { same(t, value.Draw(t, "value")) })
}

// TestRedacted: what names say is a credential is not seen, wherever it stands;
// the rest is.
func TestRedacted(t *testing.T) {
	got, err := Append(nil, map[string]any{
		"headers": map[string]any{"cookie": "TOP1", "X-Authkey": "TOP6", "accept": "seen"},
		"query":   map[string]any{"code": "TOP2", "access_token": "TOP3", "page": "seen"},
		"body":    map[string]any{"password": "TOP4", "list": []any{map[string]any{"api_key": "TOP5", "code": "seen", "monkey": "seen"}}, "pin": int64(7)},
	}, true)
	if err != nil {
		t.Fatal(err)
	}
	if text := string(got); strings.Contains(text, "TOP") || strings.Count(text, "seen") != 4 || !strings.Contains(text, `"pin":7`) {
		t.Errorf("kept %s", text)
	}
}

// TestRows: the key of a row is a name, which says whether its value is a
// credential; what has no brackets, or no value, may open something itself.
func TestRows(t *testing.T) {
	for text, want := range map[string]string{
		`{"key":"deal[name]","value":"Site"}`:       `{"key":"deal[name]","value":"Site"}`,
		`{"key":"list[][a_b]","value":7}`:           `{"key":"list[][a_b]","value":7}`,
		`{"key":"deal[password]","value":"x"}`:      `{"key":"deal[password]","value":"[redacted]"}`,
		`{"key":"api_key","value":"x"}`:             `{"key":"[redacted]","value":"[redacted]"}`,
		`{"key":"sk-live-1","value":"x"}`:           `{"key":"[redacted]","value":"x"}`,
		`{"key":"deal[name]"}`:                      `{"key":"[redacted]"}`,
		`{"key":"a[b] and more","value":"x","n":1}`: `{"key":"[redacted]","n":1,"value":"x"}`,
	} {
		var value any
		if err := json.Unmarshal([]byte(text), &value); err != nil {
			t.Fatal(err)
		}
		clean, err := json.Marshal(Redacted(value))
		if err != nil || string(clean) != want {
			t.Errorf("%s gives %s, %v, want %s", text, clean, err, want)
		}
		if out, err := Append(nil, value, true); err != nil || string(out) != want {
			t.Errorf("%s is written %s, %v, want %s", text, out, err, want)
		}
	}
}
