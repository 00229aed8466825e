package expr

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// ParseJSON reads one JSON value. Numbers are int64 where integral and in
// range, float64 otherwise; one that a float64 can't hold is an error, and so
// is text that is not UTF-8 (RFC 8259, section 8.1).
func ParseJSON(data []byte) (any, error) {
	if !utf8.Valid(data) {
		return nil, errNotUTF8
	}
	if v, ok := quick(data); ok {
		return v, nil
	}
	return parseSlowly(data)
}

var errNotUTF8 = errors.New("json: bytes that are not UTF-8")

// parseSlowly is ParseJSON for all JSON that is UTF-8.
func parseSlowly(data []byte) (any, error) {
	var v any
	if err := UnmarshalJSON(data, &v); err != nil {
		return nil, err
	}
	if n, ok := tooLarge(v); ok {
		return nil, fmt.Errorf("json: the number %.40s is beyond what a 64-bit float holds", n)
	}
	return Numbers(v), nil
}

// tooLarge finds a number that is out of range.
func tooLarge(v any) (json.Number, bool) {
	switch x := v.(type) {
	case json.Number:
		_, err := x.Float64()
		return x, err != nil
	case []any:
		for i := range x {
			if n, ok := tooLarge(x[i]); ok {
				return n, true
			}
		}
	case map[string]any:
		for k := range x {
			if n, ok := tooLarge(x[k]); ok {
				return n, true
			}
		}
	}
	return "", false
}

// UnmarshalJSON is json.Unmarshal, but leaves numbers under an any as
// json.Number; [Numbers] makes int64 and float64 of them.
func UnmarshalJSON(data []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return fmt.Errorf("json: data after the value, at offset %d", d.InputOffset())
	}
	return nil
}

// Numbers replaces each json.Number in a value, in place, and gives it back.
func Numbers(v any) any {
	switch x := v.(type) {
	case json.Number:
		if i, err := x.Int64(); err == nil {
			return i
		}
		f, err := x.Float64()
		if err != nil {
			f = math.Copysign(math.MaxFloat64, f) // out of range
		}
		return number(f)
	case []any:
		for i := range x {
			x[i] = Numbers(x[i])
		}
	case map[string]any:
		for k := range x {
			x[k] = Numbers(x[k])
		}
	}
	return v
}

// text gives a value as text: null as nothing, text as it is, numbers
// plainly, lists and objects as JSON.
func text(g *guard, v any) string {
	switch x := v.(type) {
	case nil:
		return ""
	case string:
		g.read(x)
		return x
	case []any, map[string]any:
		return toJSON(g, v)
	case float64:
		return strconv.FormatFloat(x, 'f', -1, 64)
	}
	return fmt.Sprint(g.plain(v, 0))
}

func toJSON(g *guard, v any) string {
	var b strings.Builder
	writeJSON(g, &b, v, 0)
	return b.String()
}

// writeJSON counts while it writes: a value may hold one part many times.
func writeJSON(g *guard, b *strings.Builder, v any, depth int) {
	g.deeper(depth)
	g.step(2)
	g.grow(8)
	switch v := v.(type) {
	case nil:
		b.WriteString("null")
	case string:
		g.grow(len(v))
		writeText(b, v)
	case float64:
		data, _ := json.Marshal(v) // number keeps infinities out
		b.Write(data)
	case []any:
		b.WriteByte('[')
		for i, item := range v {
			if i > 0 {
				b.WriteByte(',')
			}
			writeJSON(g, b, item, depth+1)
		}
		b.WriteByte(']')
	case map[string]any:
		b.WriteByte('{')
		g.grow(16 * len(v))
		for i, k := range slices.Sorted(maps.Keys(v)) {
			if i > 0 {
				b.WriteByte(',')
			}
			g.grow(len(k))
			writeText(b, k)
			b.WriteByte(':')
			writeJSON(g, b, v[k], depth+1)
		}
		b.WriteByte('}')
	case time.Time, time.Duration, *time.Location:
		writeText(b, g.plain(v, depth).(string))
	default:
		fmt.Fprint(b, g.plain(v, depth))
	}
}

// writeText writes a JSON string; unlike json.Marshal it leaves <, > and &.
func writeText(b *strings.Builder, s string) {
	s = strings.ToValidUTF8(s, "\uFFFD")
	b.WriteByte('"')
	start := 0
	for i := range len(s) {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		b.WriteString(s[start:i])
		start = i + 1
		switch c {
		case '"', '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case '\n':
			b.WriteString(`\n`)
		default:
			fmt.Fprintf(b, `\u%04x`, c)
		}
	}
	b.WriteString(s[start:])
	b.WriteByte('"')
}

func fromJSON(g *guard, s string) any {
	g.read(s)
	g.grow(20 * len(s))
	v, err := ParseJSON([]byte(s))
	if err != nil {
		panic(fault{message: "the text is not JSON: " + err.Error()})
	}
	return v
}

// Pointer gives the value that a JSON pointer (RFC 6901) leads to, if there is
// one. "" leads to the value itself; what does not begin with a slash, nowhere.
func Pointer(value any, pointer string) (found any, ok bool) {
	before, path, has := strings.Cut(pointer, "/")
	if before != "" {
		return nil, false
	}
	if !has {
		return value, true
	}
	for token := range strings.SplitSeq(path, "/") {
		token = pointed.Replace(token)
		switch v := value.(type) {
		case map[string]any:
			if value, ok = v[token]; !ok {
				return nil, false
			}
		case []any:
			i, err := strconv.Atoi(token)
			if err != nil || i < 0 || i >= len(v) || token != strconv.Itoa(i) {
				return nil, false
			}
			value = v[i]
		default:
			return nil, false
		}
	}
	return value, true
}

// TextAt gives the text at a place of a JSON value, or the number as it is
// written there: an id may be beyond what a number holds. It is empty if there
// is none, or no JSON. The value may be a stranger's: none is made of it.
func TextAt(data []byte, pointer string) (text string, err error) {
	if !utf8.Valid(data) || !json.Valid(data) {
		return "", nil
	}
	before, path, has := strings.Cut(pointer, "/")
	if before != "" {
		return "", nil
	}
	r := reader{data: data}
	for has {
		var token string
		token, path, has = strings.Cut(path, "/")
		if !r.enter(pointed.Replace(token)) {
			return "", nil
		}
	}
	switch c := r.space(); c {
	case 'n':
		return "", nil
	case '"':
		text, _ = r.text()
		return text, nil
	case '{', '[', 't', 'f':
		return "", errors.New("it is neither text nor a number")
	}
	from := r.at
	r.pass()
	return string(data[from:r.at]), nil
}

// enter goes to a member of the value that is next, or to an item of it; of
// members that are there twice, to the last. The text is JSON.
func (r *reader) enter(token string) bool {
	found := -1
	switch first := r.space(); first {
	case '{', '[':
		end := first + 2 // in ASCII
		r.at++
		for i := 0; r.space() != end; i++ {
			name := ""
			if first == '{' {
				name, _ = r.text()
				r.next(':')
			} else {
				name = strconv.Itoa(i)
			}
			if r.space(); name == token {
				found = r.at
			}
			r.pass()
			r.next(',')
		}
	}
	if found >= 0 {
		r.at = found
	}
	return found >= 0
}

// pass passes the value that is next. The text is JSON.
func (r *reader) pass() {
	for level := 0; r.at < len(r.data); {
		switch r.space() {
		case '"':
			for r.at++; r.data[r.at] != '"'; r.at++ {
				if r.data[r.at] == '\\' {
					r.at++
				}
			}
			r.at++
		case '{', '[':
			level++
			r.at++
			continue
		case '}', ']':
			level--
			r.at++
		case ',', ':':
			r.at++
			continue
		default: // a number or a word
			for r.at < len(r.data) && strings.IndexByte(",]} \t\r\n", r.data[r.at]) < 0 {
				r.at++
			}
		}
		if level == 0 {
			return
		}
	}
}

// pointed reads a pointer's token.
var pointed = strings.NewReplacer("~1", "/", "~0", "~")
