package expr

import (
	"encoding/base64"
	"fmt"
	"maps"
	"math"
	"math/bits"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// function is one function that authors may call. takes has one letter an
// argument: t text, i whole number, f number, l list, o object, a anything;
// arguments after ? may be left out; the last one may be repeated if + ends
// it.
type function struct {
	name  string
	takes string
	do    func(g *guard, a []any) any
}

// functions lists the functions besides those that take closures: all, any,
// count, filter, find, findIndex, findLast, findLastIndex, groupBy, map,
// none, one, reduce, sortBy and sum.
func functions() []function {
	return []function{
		{"len", "a", func(g *guard, a []any) any { return length(g, a[0]) }},
		{"type", "a", func(g *guard, a []any) any { return typeName(a[0]) }},
		{"string", "a", func(g *guard, a []any) any { return text(g, a[0]) }},
		{"int", "a", func(g *guard, a []any) any { return toInt(a[0]) }},
		{"float", "a", func(g *guard, a []any) any { return toFloat(a[0]) }},

		{"abs", "f", func(g *guard, a []any) any {
			if x, _ := float(a[0]); x < 0 {
				return arithmetic("-", int64(0), a[0])
			}
			return a[0]
		}},
		{"ceil", "f", round(math.Ceil)},
		{"floor", "f", round(math.Floor)},
		{"round", "f", round(math.Round)},
		{"max", "a+", func(g *guard, a []any) any { return extreme(g, "max", 1, a) }},
		{"min", "a+", func(g *guard, a []any) any { return extreme(g, "min", -1, a) }},
		{"mean", "l", func(g *guard, a []any) any {
			if l := a[0].([]any); len(l) > 0 {
				return arithmetic("/", sum(g, l), int64(len(l)))
			}
			return nil
		}},
		{"median", "l", func(g *guard, a []any) any {
			l := sorted(g, a[0].([]any), 1)
			if len(l) == 0 {
				return nil
			}
			low, high := l[(len(l)-1)/2], l[len(l)/2]
			return arithmetic("/", arithmetic("+", low, high), int64(2))
		}},
		{"bitand", "ii", func(g *guard, a []any) any { return a[0].(int64) & a[1].(int64) }},
		{"bitor", "ii", func(g *guard, a []any) any { return a[0].(int64) | a[1].(int64) }},
		{"bitxor", "ii", func(g *guard, a []any) any { return a[0].(int64) ^ a[1].(int64) }},

		{"trim", "t?t", trim(strings.TrimSpace, strings.Trim)},
		{"trimPrefix", "tt", trim(nil, strings.TrimPrefix)},
		{"trimSuffix", "tt", trim(nil, strings.TrimSuffix)},
		{"upper", "t", convert(strings.ToUpper)},
		{"lower", "t", convert(strings.ToLower)},
		{"split", "tt?i", func(g *guard, a []any) any { return split(g, a) }},
		{"join", "l?t", func(g *guard, a []any) any { return join(g, a) }},
		{"replace", "ttt", func(g *guard, a []any) any { return replace(g, a[0].(string), a[1].(string), a[2].(string)) }},
		{"repeat", "ti", func(g *guard, a []any) any {
			s, n := a[0].(string), a[1].(int64)
			hi, size := bits.Mul64(uint64(len(s)), uint64(max(n, 0)))
			if hi != 0 || size > maxBytes {
				size = maxBytes + 1
			}
			g.grow(int(size))
			return strings.Repeat(s, int(max(n, 0)*min(int64(len(s)), 1)))
		}},
		{"indexOf", "tt", func(g *guard, a []any) any {
			g.read(a[0].(string))
			return runeIndex(a[0].(string), strings.Index(a[0].(string), a[1].(string)))
		}},
		{"lastIndexOf", "tt", func(g *guard, a []any) any {
			g.read(a[0].(string))
			return runeIndex(a[0].(string), strings.LastIndex(a[0].(string), a[1].(string)))
		}},
		{"hasPrefix", "tt", func(g *guard, a []any) any { return strings.HasPrefix(a[0].(string), a[1].(string)) }},
		{"hasSuffix", "tt", func(g *guard, a []any) any { return strings.HasSuffix(a[0].(string), a[1].(string)) }},
		{"toJSON", "a", func(g *guard, a []any) any { return toJSON(g, a[0]) }},
		{"fromJSON", "t", func(g *guard, a []any) any { return fromJSON(g, a[0].(string)) }},
		{"toBase64", "t", convert(func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) })},
		{"fromBase64", "t", convert(func(s string) string {
			b, err := base64.StdEncoding.DecodeString(s)
			if err != nil || !utf8.Valid(b) {
				panic(fault{message: "the text is not base64 of UTF-8 text"})
			}
			return string(b)
		})},

		{"first", "l", func(g *guard, a []any) any { return get(g, a[0], int64(0)) }},
		{"last", "l", func(g *guard, a []any) any { return get(g, a[0], int64(-1)) }},
		{"get", "aa", func(g *guard, a []any) any { return get(g, a[0], a[1]) }},
		{"take", "li", func(g *guard, a []any) any {
			l := a[0].([]any)
			n := min(max(a[1].(int64), 0), int64(len(l)))
			return l[:n:n]
		}},
		{"reverse", "l", func(g *guard, a []any) any {
			l := grown(g, a[0].([]any))
			slices.Reverse(l)
			return l
		}},
		{"concat", "l+", func(g *guard, a []any) any {
			var out []any
			for _, l := range a {
				g.grow(16 * len(l.([]any)))
				out = append(out, l.([]any)...)
			}
			return out
		}},
		{"flatten", "l", func(g *guard, a []any) any { return flatten(g, []any{}, a[0].([]any), 0) }},
		{"sort", "l?t", func(g *guard, a []any) any { return sorted(g, a[0].([]any), order(a[1:])) }},
		{"uniq", "l", func(g *guard, a []any) any { return uniq(g, a[0].([]any)) }},
		{"keys", "o", func(g *guard, a []any) any {
			return object(g, a[0], func(k string, v any) any { return k })
		}},
		{"values", "o", func(g *guard, a []any) any {
			return object(g, a[0], func(k string, v any) any { return v })
		}},
		{"toPairs", "o", func(g *guard, a []any) any {
			return object(g, a[0], func(k string, v any) any { g.grow(32); return []any{k, v} })
		}},
		{"fromPairs", "l", func(g *guard, a []any) any { return fromPairs(g, a[0].([]any)) }},

		{"date", "a?tt", func(g *guard, a []any) any { return date(g, a) }},
		{"duration", "t", func(g *guard, a []any) any {
			d, err := time.ParseDuration(a[0].(string))
			if err != nil {
				panic(fault{message: "not a duration: " + describe(a[0]), hint: `write it as "90s", "15m" or "24h"`})
			}
			return d
		}},
		{"timezone", "t", func(g *guard, a []any) any { return zone(g, a[0].(string)) }},
	}
}

// call checks the arguments; the first one is the guard.
func (f function) call(args ...any) (any, error) {
	g := args[0].(*guard)
	g.step(1)
	given := slices.Clone(args[1:]) // the library uses its slice again
	need, optional, _ := strings.Cut(strings.TrimSuffix(f.takes, "+"), "?")
	kinds := need + optional
	repeated := strings.HasSuffix(f.takes, "+")
	if len(given) < len(need) || len(given) > len(kinds) && !repeated {
		panic(fault{message: fmt.Sprintf("%s takes %s, found %d", f.name, counted(len(need), len(kinds), repeated), len(given))})
	}
	for i, v := range given {
		given[i] = f.argument(kinds[min(i, len(kinds)-1)], i, v)
	}
	return f.do(g, given), nil
}

func counted(least, most int, more bool) string {
	switch {
	case more:
		return fmt.Sprintf("%d or more arguments", least)
	case least != most:
		return fmt.Sprintf("%d to %d arguments", least, most)
	case least == 1:
		return "1 argument"
	}
	return fmt.Sprintf("%d arguments", least)
}

func (f function) argument(kind byte, i int, v any) any {
	want, hint := "", ""
	switch kind {
	case 't':
		if s, ok := v.(string); ok {
			return s
		}
		want, hint = "text", "convert it with string(...)"
	case 'i':
		if n, ok := whole(v); ok {
			return n
		}
		want, hint = "a whole number", "convert it with int(...)"
	case 'f':
		if _, ok := float(v); ok {
			return v
		}
		want, hint = "a number", "convert it with float(...)"
	case 'l':
		if l, ok := v.([]any); ok {
			return l
		} else if v == nil {
			return []any{}
		}
		want = "a list"
	case 'o':
		if o, ok := v.(map[string]any); ok {
			return o
		} else if v == nil {
			return map[string]any{}
		}
		want = "an object"
	default:
		return v
	}
	if v == nil {
		hint = `give a default for what is missing: (x ?? "")`
	}
	panic(fault{message: fmt.Sprintf("%s wants %s as argument %d, found %s", f.name, want, i+1, describe(v)), hint: hint})
}

func length(g *guard, v any) any {
	switch v := v.(type) {
	case nil:
		return int64(0)
	case string:
		g.read(v)
		return int64(utf8.RuneCountInString(v))
	case []any:
		return int64(len(v))
	case map[string]any:
		return int64(len(v))
	}
	panic(fault{message: "len wants text, a list or an object, found " + describe(v)})
}

func typeName(v any) any {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "bool"
	case int, int64, float64:
		return "number"
	case string:
		return "string"
	case []any:
		return "list"
	case map[string]any:
		return "object"
	case time.Time:
		return "time"
	case time.Duration:
		return "duration"
	}
	return "other"
}

func toInt(v any) any {
	switch x := v.(type) {
	case string:
		s := strings.TrimSpace(x)
		if i, err := strconv.ParseInt(s, 10, 64); err == nil {
			return i
		}
		if f, err := strconv.ParseFloat(s, 64); err == nil && f == math.Trunc(f) {
			return number(f)
		}
	case float64:
		return number(math.Trunc(x))
	case int, int64:
		return v
	}
	panic(fault{message: "int can't take " + describe(v), hint: `give a default for what may be missing: int(x ?? "0")`})
}

func toFloat(v any) any {
	if s, ok := v.(string); ok {
		if f, err := strconv.ParseFloat(strings.TrimSpace(s), 64); err == nil {
			return number(f)
		}
	} else if _, ok := float(v); ok {
		return v
	}
	panic(fault{message: "float can't take " + describe(v), hint: `give a default for what may be missing: float(x ?? "0")`})
}

func round(f func(float64) float64) func(*guard, []any) any {
	return func(g *guard, a []any) any {
		if x, ok := a[0].(float64); ok {
			return number(f(x))
		}
		return a[0]
	}
}

// extreme takes numbers, texts or times, or one list of them.
func extreme(g *guard, name string, sign int, a []any) any {
	if l, ok := a[0].([]any); ok && len(a) == 1 {
		a = l
	}
	var best any
	for i, v := range a {
		if i == 0 || sign*compare(g, name, v, best) > 0 {
			best = v
		}
	}
	return best
}

func sorted(g *guard, l []any, sign int) []any {
	l = grown(g, l)
	slices.SortStableFunc(l, func(x, y any) int { return sign * compare(g, "sort", x, y) })
	return l
}

// grown gives a copy that may be changed.
func grown(g *guard, l []any) []any {
	g.grow(16 * len(l))
	return slices.Clone(l)
}

func convert(f func(string) string) func(*guard, []any) any {
	return func(g *guard, a []any) any {
		s := a[0].(string)
		g.read(s)
		g.grow(2 * len(s))
		return f(s)
	}
}

func trim(space func(string) string, of func(s, cut string) string) func(*guard, []any) any {
	return func(g *guard, a []any) any {
		s := a[0].(string)
		g.read(s)
		if len(a) == 1 {
			return space(s)
		}
		cut := a[1].(string)
		if g.read(cut); len(cut) > 256 {
			panic(limitFault("the text to trim has more than %d bytes", 256))
		}
		return of(s, cut)
	}
}

func split(g *guard, a []any) any {
	s, sep, n := a[0].(string), a[1].(string), int64(-1)
	if len(a) == 3 {
		n = a[2].(int64)
	}
	g.read(s)
	g.grow(40 * (strings.Count(s, sep) + 1))
	parts := strings.SplitN(s, sep, int(min(n, maxBytes)))
	out := make([]any, len(parts))
	for i, p := range parts {
		out[i] = p
	}
	return out
}

func join(g *guard, a []any) any {
	glue := ""
	if len(a) == 2 {
		glue = a[1].(string)
	}
	var b strings.Builder
	for i, v := range a[0].([]any) {
		part := text(g, v)
		g.grow(len(part) + len(glue))
		if i > 0 {
			b.WriteString(glue)
		}
		b.WriteString(part)
	}
	return b.String()
}

func replace(g *guard, s, old, by string) any {
	g.read(s)
	g.read(by)
	g.grow(len(s) + strings.Count(s, old)*len(by)) // at most 2^46
	return strings.ReplaceAll(s, old, by)
}

// runeIndex turns an index in bytes into one in characters.
func runeIndex(s string, i int) any {
	if i < 0 {
		return int64(-1)
	}
	return int64(utf8.RuneCountInString(s[:i]))
}

func flatten(g *guard, out, l []any, depth int) []any {
	g.deeper(depth)
	for _, v := range l {
		g.step(1)
		if inner, ok := v.([]any); ok {
			out = flatten(g, out, inner, depth+1)
		} else {
			g.grow(16)
			out = append(out, v)
		}
	}
	return out
}

func uniq(g *guard, l []any) any {
	seen := map[string]bool{}
	out := []any{}
	for _, v := range l {
		key := toJSON(g, v)
		g.grow(48 + len(key))
		if !seen[key] {
			seen[key] = true
			out = append(out, v)
		}
	}
	return out
}

// object makes a list of an object's members in the order of their keys.
func object(g *guard, v any, f func(k string, v any) any) any {
	o := v.(map[string]any)
	g.grow(32 * len(o))
	out := make([]any, 0, len(o))
	for _, k := range slices.Sorted(maps.Keys(o)) {
		g.step(4)
		out = append(out, f(k, o[k]))
	}
	return out
}

func fromPairs(g *guard, l []any) any {
	out := map[string]any{}
	for _, v := range l {
		pair, ok := v.([]any)
		if !ok || len(pair) != 2 {
			panic(fault{message: "fromPairs wants pairs [key, value], found " + describe(v)})
		}
		g.grow(100)
		out[text(g, pair[0])] = pair[1]
	}
	return out
}

// date reads a date: date(text), date(text, layout), date(text, layout, zone).
func date(g *guard, a []any) any {
	g.step(30)
	if t, ok := a[0].(time.Time); ok && len(a) == 1 {
		return t
	}
	s, ok := a[0].(string)
	if !ok {
		panic(fault{message: "date wants text, found " + describe(a[0]), hint: `write it as "2006-01-02" or in RFC 3339`})
	}
	layouts := []string{time.RFC3339, time.DateOnly, time.DateTime, "2006-01-02T15:04:05", time.RFC1123Z, time.RFC1123}
	in := time.UTC
	if len(a) > 1 {
		layouts = []string{a[1].(string)}
	}
	if len(a) > 2 {
		in = zone(g, a[2].(string))
	}
	for _, layout := range layouts {
		if t, err := time.ParseInLocation(layout, s, in); err == nil {
			return t
		}
	}
	panic(fault{message: "not a date: " + describe(a[0]), hint: `write it as "2006-01-02" or in RFC 3339, or give its layout, as in date("31/12/2024", "02/01/2006")`})
}

func zone(g *guard, name string) *time.Location {
	g.step(2000) // it reads a file
	z, err := time.LoadLocation(name)
	if err != nil || name == "Local" {
		panic(fault{message: fmt.Sprintf("unknown time zone %q", name), hint: `write it as "America/Sao_Paulo"`})
	}
	return z
}

// method calls one of the methods that times and durations have.
func method(of any, name string, args []any) any {
	allowed := map[string]bool{}
	names := ""
	switch of.(type) {
	case time.Time:
		names = "Year Month Day Hour Minute Second Weekday YearDay Unix UnixMilli Format Add Sub AddDate Before After Equal UTC In"
	case time.Duration:
		names = "Hours Minutes Seconds Milliseconds String"
	}
	for _, n := range strings.Fields(names) {
		allowed[n] = true
	}
	if !allowed[name] {
		hint := "call functions by their names, as in upper(input.name)"
		if names != "" {
			hint = "it has " + strings.ReplaceAll(names, " ", ", ")
		}
		panic(fault{message: fmt.Sprintf("%s has no method %s", describe(of), name), hint: hint})
	}
	m := reflect.ValueOf(of).MethodByName(name)
	t := m.Type()
	wrong := fault{message: fmt.Sprintf("%s takes other arguments", name), hint: "it is Go's time package: " + t.String()}
	if t.NumIn() != len(args) {
		panic(wrong)
	}
	in := make([]reflect.Value, len(args))
	for i, v := range args {
		in[i] = reflect.ValueOf(v)
		want := t.In(i)
		switch {
		case v == nil:
			panic(wrong)
		case in[i].Type().AssignableTo(want):
		case in[i].CanInt() && want.Kind() == reflect.Int:
			in[i] = in[i].Convert(want)
		default:
			panic(wrong)
		}
	}
	out := m.Call(in)[0]
	switch v := out.Interface().(type) {
	case time.Time, time.Duration:
		return v
	case float64:
		return number(v)
	case string:
		return v
	case bool:
		return v
	}
	return out.Int()
}

// iterate goes over the library's map[any][]any.
func iterate(v any, f func(key string, items []any)) {
	m := reflect.ValueOf(v)
	for _, k := range m.MapKeys() {
		items, _ := m.MapIndex(k).Interface().([]any)
		key, _ := k.Interface().(string)
		f(key, items)
	}
}
