package value

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"
)

// Operator is one way to test a value, mostly against another one, "to". A
// value that an operator is not made for does not fit, which is no error: the
// test is false. A "to" that does not fit is one.
type Operator struct {
	Name string
	Of   string // what it is made for: Anything, Text, Number, Date or List
	Doc  string // when it is true
	// To is what "to" must be; empty: there is none.
	To string

	test func(to any, r Reading) (Test, error)
}

// Test says whether it holds for a value. Its error is a limit.
type Test func(v any) (bool, error)

// Test makes the test against "to". Its error says why "to" does not fit.
func (o Operator) Test(to any, r Reading) (Test, error) { return o.test(to, r) }

// Find gives the operator with a name.
func Find(name string) (Operator, bool) {
	operators := Operators()
	i := slices.IndexFunc(operators, func(o Operator) bool { return o.Name == name })
	if i < 0 {
		return Operator{}, false
	}
	return operators[i], true
}

// What operators are made for.
const (
	ofAnything = "Anything"
	ofText     = "Text"
	ofNumber   = "Number"
	ofDate     = "Date"
	ofList     = "List"
)

// Operators lists the operators.
func Operators() []Operator {
	return []Operator{
		{"equals", ofAnything, "The value is the same. Texts are the same whatever their case and accents, unless exact: true; 5 is the same as the text 5; null is the same as null only.", "any value", equals(true)},
		{"not_equals", ofAnything, "The value is not the same.", "any value", equals(false)},
		{"one_of", ofAnything, "The value equals one of a list.", "a list", oneOf},
		{"exists", ofAnything, "The value is not null, which a path that leads nowhere is.", "", alone(func(v any) bool { return v != nil })},
		{"not_exists", ofAnything, "The value is null.", "", alone(func(v any) bool { return v == nil })},
		{"empty", ofAnything, "The value is null, a text without anything but spaces, a list without items or an object without members.", "", alone(empty)},
		{"not_empty", ofAnything, "The value is none of these.", "", alone(func(v any) bool { return !empty(v) })},
		{"is_type", ofAnything, "The value is of this type. A text that says a number is a text.", "one of " + strings.Join(types(), ", "), isType},
		{"is_valid", ofText, "The text is one of these, as wait_reply takes them.", "one of " + strings.Join(formNames(), ", "), isValid},

		{"contains", ofText, "The text has this text in it; or the list has an item that equals it.", "a text, or for lists any value", contains},
		{"starts_with", ofText, "The text begins with this text.", "a text", texts(strings.HasPrefix)},
		{"ends_with", ofText, "The text ends with this text.", "a text", texts(strings.HasSuffix)},
		{"has_any_word", ofText, "The text has one of these words or phrases, as whole words.", "a list of words or phrases, or a text of words", hasWords(1)},
		{"has_all_words", ofText, "The text has all of these words or phrases, as whole words.", "a list of words or phrases, or a text of words", hasWords(math.MaxInt)},
		{"matches", ofText, "The text matches this pattern anywhere. Case and accents count: write (?i) for any case, and ^ and $ for the whole text.", "a regular expression (RE2)", matches},

		{"=", ofNumber, "The number is this number. Texts may be numbers here, as 1234.5, 1.234,50 or 1,234.50.", "a number", numbers(func(a, b any) bool { return !less(a, b) && !less(b, a) })},
		{"!=", ofNumber, "It is a number, and another one.", "a number", numbers(func(a, b any) bool { return less(a, b) || less(b, a) })},
		{"<", ofNumber, "The number is less.", "a number", numbers(less)},
		{"<=", ofNumber, "The number is less or the same.", "a number", numbers(func(a, b any) bool { return !less(b, a) })},
		{">", ofNumber, "The number is greater.", "a number", numbers(func(a, b any) bool { return less(b, a) })},
		{">=", ofNumber, "The number is greater or the same.", "a number", numbers(func(a, b any) bool { return !less(a, b) })},
		{"between", ofNumber, "The number, or the date or instant, is not before the first and not after the second one.", "a list of two numbers, or of two dates", between},

		{"before", ofDate, "The date or instant is over when this one begins. A date is the whole day.", "a date as 2026-12-25 or 25/12/2026, or an instant as 2026-12-25T10:00:00-03:00", dates(func(v, to Span) bool { return v.Last.Before(to.First) })},
		{"after", ofDate, "The date or instant begins when this one is over.", "as for before", dates(func(v, to Span) bool { return v.First.After(to.Last) })},
		{"on", ofDate, "The date or instant is on this day, in the test's time zone.", "as for before", on},

		{"length", ofList, "The list has this many items, the text characters, the object members.", "a whole number", lengths(func(n, to int64) bool { return n == to })},
		{"shorter_than", ofList, "It has fewer.", "a whole number", lengths(func(n, to int64) bool { return n < to })},
		{"longer_than", ofList, "It has more.", "a whole number", lengths(func(n, to int64) bool { return n > to })},
	}
}

// Bounds of the texts of a value that is compared, in bytes: folding them takes
// a microsecond for four bytes, and for some scripts ten times as long.
const (
	maxFolded = 128 << 10
	maxExact  = 4 << 20
)

// tooLong gives the error for a value over the bound.
func (r Reading) tooLong(v any) error {
	most, hint := maxFolded, "test a part of it, or write exact: true"
	if r.Exact {
		most, hint = maxExact, "test a part of it"
	}
	if n := textBytes(v); n > most {
		return fmt.Errorf("the texts in the value have %d bytes, over the limit of %d; %s", n, most, hint)
	}
	return nil
}

func textBytes(v any) (n int) {
	switch v := v.(type) {
	case string:
		n = len(v)
	case []any:
		for _, item := range v {
			n += textBytes(item)
		}
	case map[string]any:
		for _, item := range v {
			n += textBytes(item)
		}
	}
	return n
}

// normal gives a text as it is compared.
func (r Reading) normal(s string) string {
	if r.Exact {
		return s
	}
	return Fold(s)
}

// alone makes an operator that compares with nothing.
func alone(is func(v any) bool) func(any, Reading) (Test, error) {
	return func(to any, _ Reading) (Test, error) {
		if to != nil {
			return nil, fmt.Errorf("it compares with nothing; leave it out")
		}
		return func(v any) (bool, error) { return is(v), nil }, nil
	}
}

func empty(v any) bool {
	switch v := v.(type) {
	case string:
		return strings.TrimSpace(v) == ""
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	}
	return v == nil
}

func equals(want bool) func(any, Reading) (Test, error) {
	return func(to any, r Reading) (Test, error) {
		if err := r.tooLong(to); err != nil {
			return nil, err
		}
		other := r.comparable(to)
		return func(v any) (bool, error) {
			if err := r.tooLong(v); err != nil {
				return false, err
			}
			return reflect.DeepEqual(r.comparable(v), other) == want, nil
		}, nil
	}
}

// comparable gives a value so that those which are the same as values are the
// same in Go: all that can be written as text is a normal text.
func (r Reading) comparable(v any) any {
	switch v := v.(type) {
	case nil:
		return nil
	case []any:
		list := make([]any, len(v))
		for i, item := range v {
			list[i] = r.comparable(item)
		}
		return list
	case map[string]any:
		object := make(map[string]any, len(v))
		for name, member := range v {
			object[name] = r.comparable(member)
		}
		return object
	}
	s, _ := Text(v)
	return r.normal(s)
}

// has says whether one of the items, which are comparable, is a value.
func (r Reading) has(items any, v any) bool {
	list, _ := items.([]any)
	wanted := r.comparable(v)
	return slices.ContainsFunc(list, func(item any) bool { return reflect.DeepEqual(item, wanted) })
}

func oneOf(to any, r Reading) (Test, error) {
	if _, ok := to.([]any); !ok {
		return nil, fmt.Errorf("it must be a list")
	}
	if err := r.tooLong(to); err != nil {
		return nil, err
	}
	items := r.comparable(to)
	return func(v any) (bool, error) {
		if err := r.tooLong(v); err != nil {
			return false, err
		}
		return r.has(items, v), nil
	}, nil
}

// types are the types of JSON, and whole numbers.
func types() []string {
	return []string{"text", "number", "integer", "boolean", "list", "object", "null"}
}

func isType(to any, _ Reading) (Test, error) {
	name, _ := to.(string)
	if !slices.Contains(types(), name) {
		return nil, fmt.Errorf("it must be one of %s", strings.Join(types(), ", "))
	}
	return func(v any) (is bool, _ error) {
		switch v.(type) {
		case nil:
			is = name == "null"
		case bool:
			is = name == "boolean"
		case int64:
			is = name == "integer" || name == "number"
		case float64:
			is = name == "number"
		case string:
			is = name == "text"
		case []any:
			is = name == "list"
		case map[string]any:
			is = name == "object"
		}
		return is, nil
	}, nil
}

func formNames() (names []string) {
	for _, f := range Forms() {
		names = append(names, f.Name)
	}
	return names
}

func isValid(to any, r Reading) (Test, error) {
	name, _ := to.(string)
	if !slices.Contains(formNames(), name) {
		return nil, fmt.Errorf("it must be one of %s", strings.Join(formNames(), ", "))
	}
	return func(v any) (bool, error) {
		_, ok := Read(name, v, r)
		return ok, nil
	}, nil
}

// texts makes an operator that compares a scalar, as text, with a text. An
// empty "to" is in no text: it is mostly a value that is missing.
func texts(holds func(v, to string) bool) func(any, Reading) (Test, error) {
	return func(to any, r Reading) (Test, error) {
		want, ok := Text(to)
		if !ok {
			return nil, fmt.Errorf("it must be a text")
		}
		if err := r.tooLong(to); err != nil {
			return nil, err
		}
		want = r.normal(want)
		return func(v any) (bool, error) {
			if err := r.tooLong(v); err != nil {
				return false, err
			}
			s, ok := Text(v)
			return ok && want != "" && holds(r.normal(s), want), nil
		}, nil
	}
}

func contains(to any, r Reading) (Test, error) {
	if err := r.tooLong(to); err != nil {
		return nil, err
	}
	inText := func(any) (bool, error) { return false, nil }
	if _, isText := Text(to); isText {
		var err error
		if inText, err = texts(strings.Contains)(to, r); err != nil {
			return nil, err
		}
	}
	return func(v any) (bool, error) {
		list, ok := v.([]any)
		if !ok {
			return inText(v)
		}
		if err := r.tooLong(v); err != nil {
			return false, err
		}
		return r.has(r.comparable(list), to), nil
	}, nil
}

// hasWords makes an operator that looks for some of the words, or as many as
// there are.
func hasWords(least int) func(any, Reading) (Test, error) {
	return func(to any, r Reading) (Test, error) {
		if err := r.tooLong(to); err != nil {
			return nil, err
		}
		list, ok := to.([]any)
		if s, isText := to.(string); isText {
			for _, word := range strings.Fields(s) {
				list, ok = append(list, word), true
			}
		}
		var wanted []string
		for _, item := range list {
			s, isText := Text(item)
			if w := words(s, r); w != "" {
				wanted = append(wanted, w)
			}
			ok = ok && isText
		}
		if !ok || len(wanted) == 0 {
			return nil, fmt.Errorf("it must be a list of words, or a text of words")
		}
		return func(v any) (bool, error) {
			if err := r.tooLong(v); err != nil {
				return false, err
			}
			s, _ := Text(v)
			said, found := words(s, r), 0
			for _, w := range wanted {
				if strings.Contains(said, w) {
					found++
				}
			}
			return found >= min(least, len(wanted)), nil
		}, nil
	}
}

func matches(to any, _ Reading) (Test, error) {
	s, ok := to.(string)
	if !ok {
		return nil, fmt.Errorf("it must be a regular expression")
	}
	pattern, err := NewPattern(s)
	if err != nil {
		return nil, err
	}
	return func(v any) (bool, error) {
		s, ok := Text(v)
		if !ok || v == nil {
			return false, nil
		}
		_, found, err := pattern.Find(s)
		return found, err
	}, nil
}

func numbers(holds func(v, to any) bool) func(any, Reading) (Test, error) {
	return func(to any, r Reading) (Test, error) {
		want, ok := Number(to, r)
		if !ok {
			return nil, fmt.Errorf("it must be a number")
		}
		return func(v any) (bool, error) {
			n, ok := Number(v, r)
			return ok && holds(n, want), nil
		}, nil
	}
}

func between(to any, r Reading) (Test, error) {
	bounds, _ := to.([]any)
	if len(bounds) != 2 {
		return nil, fmt.Errorf("it must be a list of two")
	}
	low, ok := Number(bounds[0], r)
	high, ok2 := Number(bounds[1], r)
	if ok && ok2 {
		return func(v any) (bool, error) {
			n, ok := Number(v, r)
			return ok && !less(n, low) && !less(high, n), nil
		}, nil
	}
	first, ok := Moment(bounds[0], r)
	last, ok2 := Moment(bounds[1], r)
	if !ok || !ok2 {
		return nil, fmt.Errorf("it must be two numbers or two dates")
	}
	return func(v any) (bool, error) {
		m, ok := Moment(v, r)
		return ok && !m.First.Before(first.First) && !m.Last.After(last.Last), nil
	}, nil
}

func dates(holds func(v, to Span) bool) func(any, Reading) (Test, error) {
	return func(to any, r Reading) (Test, error) {
		want, ok := Moment(to, r)
		if !ok {
			return nil, fmt.Errorf("it must be a date")
		}
		return func(v any) (bool, error) {
			m, ok := Moment(v, r)
			return ok && holds(m, want), nil
		}, nil
	}
}

func on(to any, r Reading) (Test, error) {
	day := func(s Span) string { return s.First.In(r.zone()).Format("2006-01-02") }
	return dates(func(v, to Span) bool { return day(v) == day(to) })(to, r)
}

func lengths(holds func(n, to int64) bool) func(any, Reading) (Test, error) {
	return func(to any, r Reading) (Test, error) {
		want, ok := readInteger(to, r)
		if !ok {
			return nil, fmt.Errorf("it must be a whole number")
		}
		return func(v any) (bool, error) {
			n := 0
			switch v := v.(type) {
			case string:
				n = utf8.RuneCountInString(v)
			case []any:
				n = len(v)
			case map[string]any:
				n = len(v)
			default:
				return false, nil
			}
			return holds(int64(n), want.(int64)), nil
		}, nil
	}
}
