package cli

import (
	"encoding/json"
	"testing"
)

func TestPrintable(t *testing.T) {
	for text, want := range map[string]string{
		"plain, ção, 日本":   "plain, ção, 日本",
		"two\nlines\tmore": "two\nlines\tmore",
		"\x1b[2Jgone":      `\u001b[2Jgone`,
		"a\rb\x00":         `a\u000db\u0000`,
		"right\u202eleft":  `right\u202eleft`,
		"\u009b31m":        `\u009b31m`,
		"\x9b31m":          "\ufffd31m",
	} {
		if got := Printable(text); got != want {
			t.Errorf("Printable(%q) = %q, want %q", text, got, want)
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
		if got := Compact(test.value, test.width); got != test.want {
			t.Errorf("Compact(%v, %d) = %s, want %s", test.value, test.width, got, test.want)
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
		if got := Reachable(addr); got != want {
			t.Errorf("Reachable(%q) = %q, want %q", addr, got, want)
		}
	}
}
