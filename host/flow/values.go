package flow

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/trama-run/trama/host/expr"
	"github.com/trama-run/trama/host/source"
)

// Expression is a condition in a document: an expression without {{ }}.
type Expression struct{ *expr.Expression }

// UnmarshalSource compiles the expression.
func (e *Expression) UnmarshalSource(v source.Value) (problems source.Problems) {
	text, ok := v.Any().(string)
	if b, isBool := v.Any().(bool); isBool {
		text, ok = fmt.Sprint(b), true
	}
	if !ok {
		problems.Add(v.Place(), `write it as text, such as "input.total > 1000"`, "an expression must be text")
		return problems
	}
	if strings.HasPrefix(strings.TrimSpace(text), "{{") {
		problems.Add(v.Place(), "leave the braces out", "an expression stands without {{ }} here")
		return problems
	}
	compiled, err := expr.Compile(text)
	if err != nil {
		problems.Add(v.Place(), "", "%v", err)
		return problems
	}
	e.Expression = compiled
	return nil
}

// Template is any JSON value in a document, with {{ expression }} in texts.
// Its inner Template is nil if it is absent.
type Template struct{ *expr.Template }

// IsZero reports whether the template is absent from its document.
func (t Template) IsZero() bool { return t.Template == nil }

// UnmarshalSource compiles the expressions in the value.
func (t *Template) UnmarshalSource(v source.Value) (problems source.Problems) {
	compiled, errs := expr.CompileTree(v.Any())
	for _, e := range errs {
		problems.Add(v.Place(e.Path...), "", "%v", e.Err)
	}
	t.Template = compiled
	return problems
}

// Text is a text of a message: a template where {name} stands for a value of
// the input too. Its inner Template is nil if it is absent.
type Text struct{ *expr.Template }

// IsZero reports whether the text is absent from its document.
func (t Text) IsZero() bool { return t.Template == nil }

// UnmarshalSource compiles the expressions in the text.
func (t *Text) UnmarshalSource(v source.Value) (problems source.Problems) {
	text, ok := v.Any().(string)
	if !ok {
		problems.Add(v.Place(), "write it in quotes", "a text of a message must be text")
		return problems
	}
	compiled, err := expr.CompileMessage(text)
	if err != nil {
		problems.Add(v.Place(), "", "%v", err)
	}
	t.Template = compiled
	return problems
}

// Span is how long something takes, as [ParseSpan] reads it, or a template
// that gives such a text or a number of seconds.
type Span struct{ Template }

// UnmarshalSource compiles the template, and checks a span without one.
func (s *Span) UnmarshalSource(v source.Value) source.Problems {
	problems := s.Template.UnmarshalSource(v)
	if literal, ok := s.Literal(); ok && len(problems) == 0 {
		if _, err := ParseSpan(literal); err != nil {
			problems.Add(v.Place(), "write it as 30s, 10m, 2h, 3d or 1w", "%v", err)
		}
	}
	return problems
}

// Bounds of a [Span].
const (
	minSpan = time.Second
	maxSpan = 366 * 24 * time.Hour
)

// ParseSpan reads a time span: a text of numbers with units, each of s, m, h,
// d (24 hours) and w (7 days), such as "90s" or "1d12h"; or a number of
// seconds. It is one second at least and 366 days at most.
func ParseSpan(value any) (time.Duration, error) {
	var span time.Duration
	switch v := value.(type) {
	case int64:
		if v > int64(maxSpan/time.Second) {
			return 0, fmt.Errorf("%d seconds are over the limit of 366 days", v)
		}
		span = time.Duration(v) * time.Second
	case float64:
		if !(v <= maxSpan.Seconds()) {
			return 0, fmt.Errorf("%v seconds are over the limit of 366 days", v)
		}
		span = time.Duration(v * float64(time.Second))
	case string:
		var err error
		if span, err = parseUnits(v); err != nil {
			return 0, err
		}
	default:
		return 0, fmt.Errorf("%v is not a time span", value)
	}
	if span < minSpan || span > maxSpan {
		return 0, fmt.Errorf("%v is not between 1s and 366d", value)
	}
	return span, nil
}

var units = map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour, 'w': 7 * 24 * time.Hour}

func parseUnits(text string) (time.Duration, error) {
	var span time.Duration
	rest := strings.TrimSpace(text)
	for rest != "" {
		end := strings.IndexFunc(rest, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
		if end <= 0 {
			return 0, fmt.Errorf("%q is not a time span", text)
		}
		n, err := strconv.ParseFloat(rest[:end], 64)
		if err != nil {
			return 0, fmt.Errorf("%q is not a time span", text)
		}
		unit, ok := units[rest[end]]
		if !ok || n*unit.Seconds() > maxSpan.Seconds() {
			return 0, fmt.Errorf("%q is not a time span up to 366d", text)
		}
		span += time.Duration(n * float64(unit))
		rest = strings.TrimSpace(rest[end+1:])
	}
	return span, nil
}

// plainName reports whether a name can follow a dot in an expression.
func plainName(s string) bool { return isName(s, "_") }

func portName(s string) bool { return isName(s, "_-") }

// flowName reports whether a name is one of a flow.
func flowName(s string) bool { return isName(s, "_-") && strings.ToLower(s) == s }

func isName(s, extra string) bool {
	for i, c := range s {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || (c < '0' || c > '9') && !strings.ContainsRune(extra, c)) {
			return false
		}
	}
	return s != "" && len(s) <= 64
}
