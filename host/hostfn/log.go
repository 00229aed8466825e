package hostfn

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/trama-run/trama/pdk/abi"
)

// maxLine is the length of one log line in bytes; the rest of it is cut.
const maxLine = 4 << 10

// levels of a log line.
var levels = []string{"debug", "info", "warn", "error"}

func (h *Host) log(_ context.Context, r abi.Log) (none, error) {
	if !slices.Contains(levels, r.Level) {
		return none{}, &abi.Error{Code: abi.CodeInvalid, Message: fmt.Sprintf("level %.20q is not one of %s", r.Level, strings.Join(levels, ", "))}
	}
	h.Log(r.Level, r.Text)
	return none{}, nil
}

// Log takes one line of the guest. What exceeds the call's limit is dropped,
// not an error, and said once.
func (h *Host) Log(level, text string) {
	h.mu.Lock()
	defer h.mu.Unlock() // while a line is written too: lines stay whole and in order
	if h.call.Log == nil || h.logLeft < 0 {
		return
	}
	line := cut(escape(h.redact(text)), maxLine) // redacted before it is cut: half a secret is not recognised
	h.logLeft -= int64(len(line)) + 1            // a byte for the line, so that empty ones end too
	if h.logLeft < 0 {
		h.call.Log("warn", fmt.Sprintf("the plugin logged more than %d bytes; the rest is dropped: raise it in grants.yaml with limits: {log: ...}", h.call.LogBytes))
		return
	}
	h.call.Log(level, line)
}

// escape writes control characters, and those that reorder text on a terminal,
// as \n, \x1b or \u202e.
func escape(text string) string {
	harmful := func(r rune) bool {
		return r == utf8.RuneError || unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029'
	}
	if !strings.ContainsFunc(text, harmful) {
		return text
	}
	var b strings.Builder
	for i, r := range text {
		if !harmful(r) {
			b.WriteRune(r)
			continue
		}
		_, size := utf8.DecodeRuneInString(text[i:])
		quoted := fmt.Sprintf("%+q", text[i:i+size])
		b.WriteString(quoted[1 : len(quoted)-1])
	}
	return b.String()
}

// cut shortens a text to at most n bytes, at a rune's edge.
func cut(text string, n int) string {
	if len(text) <= n {
		return text
	}
	const mark = "..."
	n -= len(mark)
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n] + mark
}
