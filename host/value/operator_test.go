package value_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/trama-run/trama/host/value"
)

type list = []any

type object = map[string]any

func TestOperators(t *testing.T) {
	saoPaulo, err := value.Zone("America/Sao_Paulo")
	if err != nil {
		t.Fatal(err)
	}
	exact, local := value.Reading{Exact: true}, value.Reading{Zone: saoPaulo}
	type test struct {
		op      string
		v, to   any
		how     value.Reading
		want    bool
		comment string
	}
	tests := []test{
		{op: "equals", v: "NÃO", to: "nao", want: true},
		{op: "equals", v: "NÃO", to: "nao", how: exact},
		{op: "equals", v: "nao", to: "nao", how: exact, want: true},
		{op: "equals", v: int64(5), to: "5", want: true},
		{op: "equals", v: "5,0", to: int64(5)},
		{op: "equals", v: true, to: "true", want: true},
		{op: "equals", v: nil, to: nil, want: true},
		{op: "equals", v: nil, to: ""},
		{op: "equals", v: "", to: nil},
		{op: "equals", v: list{"A", object{"x": int64(1)}}, to: list{"a", object{"x": int64(1)}}, want: true},
		{op: "equals", v: list{"A"}, to: list{"a", "b"}},
		{op: "equals", v: object{"x": nil}, to: object{"y": nil}},
		{op: "equals", v: list{"A"}, to: "A"},
		{op: "equals", v: "A", to: list{"A"}},
		{op: "not_equals", v: "a", to: "b", want: true},
		{op: "not_equals", v: "Á", to: "a"},
		{op: "not_equals", v: nil, to: "a", want: true},
		{op: "one_of", v: "AZUL", to: list{"verde", "azul"}, want: true},
		{op: "one_of", v: "rosa", to: list{"verde", "azul"}},
		{op: "exists", v: "", want: true},
		{op: "exists", v: false, want: true},
		{op: "exists", v: nil},
		{op: "not_exists", v: nil, want: true},
		{op: "not_exists", v: int64(0)},
		{op: "empty", v: " \n", want: true},
		{op: "empty", v: nil, want: true},
		{op: "empty", v: list{}, want: true},
		{op: "empty", v: object{}, want: true},
		{op: "empty", v: int64(0)},
		{op: "empty", v: false},
		{op: "not_empty", v: int64(0), want: true},
		{op: "not_empty", v: ""},
		{op: "is_type", v: int64(1), to: "integer", want: true},
		{op: "is_type", v: int64(1), to: "number", want: true},
		{op: "is_type", v: 1.5, to: "number", want: true},
		{op: "is_type", v: 1.5, to: "integer"},
		{op: "is_type", v: "1", to: "number"},
		{op: "is_type", v: "1", to: "text", want: true},
		{op: "is_type", v: nil, to: "null", want: true},
		{op: "is_type", v: false, to: "boolean", want: true},
		{op: "is_type", v: list{}, to: "list", want: true},
		{op: "is_type", v: object{}, to: "object", want: true},
		{op: "is_valid", v: "ana@example.com", to: "email", want: true},
		{op: "is_valid", v: "11 98765-4321", to: "phone", how: value.Reading{Country: "BR"}, want: true},
		{op: "is_valid", v: "11 98765-4321", to: "phone"},
		{op: "is_valid", v: list{}, to: "cpf"},

		{op: "contains", v: "Quero um CAFÉ já", to: "cafe", want: true},
		{op: "contains", v: "Quero um CAFÉ já", to: "cafe", how: exact},
		{op: "contains", v: int64(1234), to: int64(23), want: true},
		{op: "contains", v: "x", to: "", comment: "an empty text is in none"},
		{op: "contains", v: "x", to: nil},
		{op: "contains", v: nil, to: "x"},
		{op: "contains", v: list{"VIP", "b"}, to: "vip", want: true},
		{op: "contains", v: list{list{"a"}}, to: list{"a"}, want: true},
		{op: "contains", v: "a", to: list{"a"}},
		{op: "contains", v: object{"a": "a"}, to: "a"},
		{op: "starts_with", v: "São Paulo", to: "SAO", want: true},
		{op: "starts_with", v: "a", to: ""},
		{op: "ends_with", v: "a.PDF", to: ".pdf", want: true},
		{op: "ends_with", v: "a.PDF", to: ".pdf", how: exact},
		{op: "has_any_word", v: "Quero um café, já!", to: list{"chá", "CAFE"}, want: true},
		{op: "has_any_word", v: "cafeteria", to: list{"café"}},
		{op: "has_any_word", v: "bom dia a todos", to: list{"bom dia"}, want: true},
		{op: "has_any_word", v: "bom, mas dia", to: list{"bom dia"}},
		{op: "has_any_word", v: "oi tudo bem", to: "olá oi", want: true},
		{op: "has_any_word", v: nil, to: "olá oi"},
		{op: "has_any_word", v: list{"oi"}, to: "olá oi"},
		{op: "has_all_words", v: "cancelar o meu pedido", to: "pedido cancelar", want: true},
		{op: "has_all_words", v: "cancelar o meu plano", to: "pedido cancelar"},
		{op: "has_all_words", v: "Não", to: "nao", how: exact},
		{op: "matches", v: "pedido 123", to: `\b[0-9]{3}\b`, want: true},
		{op: "matches", v: "Pedido", to: `^pedido$`},
		{op: "matches", v: "Pedido", to: `(?i)^pedido$`, want: true},
		{op: "matches", v: int64(123), to: `^1`, want: true},
		{op: "matches", v: nil, to: `.*`},
		{op: "matches", v: list{}, to: `.*`},

		{op: "=", v: "1.234,50", to: 1234.5, want: true},
		{op: "=", v: int64(9007199254740993), to: int64(9007199254740992)},
		{op: "=", v: int64(1), to: "1", want: true},
		{op: "=", v: "x", to: int64(1)},
		{op: "=", v: nil, to: int64(0)},
		{op: "!=", v: int64(2), to: int64(1), want: true},
		{op: "!=", v: "x", to: int64(1), comment: "what is no number does not fit"},
		{op: "<", v: "0.5", to: int64(1), want: true},
		{op: "<", v: int64(1), to: int64(1)},
		{op: "<=", v: int64(1), to: int64(1), want: true},
		{op: "<=", v: int64(2), to: int64(1)},
		{op: ">", v: "R$ 10,01", to: "10", want: true},
		{op: ">", v: int64(10), to: int64(10)},
		{op: ">=", v: int64(10), to: 10.0, want: true},
		{op: ">=", v: int64(9), to: int64(10)},
		{op: "between", v: int64(1), to: list{int64(1), int64(3)}, want: true},
		{op: "between", v: int64(3), to: list{int64(1), "3"}, want: true},
		{op: "between", v: 3.5, to: list{int64(1), int64(3)}},
		{op: "between", v: int64(2), to: list{int64(3), int64(1)}},
		{op: "between", v: "25/12/2026", to: list{"2026-12-24", "2026-12-25"}, want: true},
		{op: "between", v: "2026-12-25T23:59:59Z", to: list{"2026-12-24", "2026-12-25"}, want: true},
		{op: "between", v: "2026-12-26T00:00:00Z", to: list{"2026-12-24", "2026-12-25"}},
		{op: "between", v: "x", to: list{"2026-12-24", "2026-12-25"}},

		{op: "before", v: "24/12/2026", to: "2026-12-25", want: true},
		{op: "before", v: "2026-12-25", to: "2026-12-25"},
		{op: "before", v: "2026-12-25T02:59:59Z", to: "2026-12-25", how: local, want: true},
		{op: "before", v: "2026-12-25T03:00:00Z", to: "2026-12-25", how: local},
		{op: "before", v: "2026-12-25", to: "2026-12-25T10:00:00Z", comment: "the day is not over"},
		{op: "before", v: "x", to: "2026-12-25"},
		{op: "after", v: "26/12/2026", to: "25/12/2026", want: true},
		{op: "after", v: "2026-12-25T10:00:00Z", to: "2026-12-25"},
		{op: "after", v: "2026-12-26T03:00:00Z", to: "2026-12-25", how: local, want: true},
		{op: "after", v: nil, to: "2026-12-25"},
		{op: "on", v: "2026-12-25T10:00:00Z", to: "25/12/2026", want: true},
		{op: "on", v: "2026-12-25T01:00:00Z", to: "24/12/2026", how: local, want: true},
		{op: "on", v: "2026-12-25T01:00:00Z", to: "25/12/2026", how: local},

		{op: "length", v: "ação", to: int64(4), want: true},
		{op: "length", v: list{nil}, to: int64(1), want: true},
		{op: "length", v: object{"a": nil}, to: int64(1), want: true},
		{op: "length", v: int64(1), to: int64(1)},
		{op: "shorter_than", v: list{}, to: int64(1), want: true},
		{op: "shorter_than", v: "a", to: int64(1)},
		{op: "longer_than", v: "ab", to: int64(1), want: true},
		{op: "longer_than", v: nil, to: int64(0)},
	}
	for _, test := range tests {
		o, ok := value.Find(test.op)
		if !ok {
			t.Errorf("there is no operator %s", test.op)
			continue
		}
		holds, err := o.Test(test.to, test.how)
		if err != nil {
			t.Errorf("%#v %s %#v: %v", test.v, test.op, test.to, err)
			continue
		}
		if got, err := holds(test.v); err != nil || got != test.want {
			t.Errorf("%#v %s %#v: got %t, %v; want %t %s", test.v, test.op, test.to, got, err, test.want, test.comment)
		}
	}
	for _, o := range value.Operators() {
		for _, want := range []bool{true, false} {
			if !slices.ContainsFunc(tests, func(test test) bool { return test.op == o.Name && test.want == want }) {
				t.Errorf("no case where %s is %t", o.Name, want)
			}
		}
		if o.Doc == "" || o.Of == "" {
			t.Errorf("%s has no doc", o.Name)
		}
	}
}

func TestToMustFit(t *testing.T) {
	tests := []struct {
		op   string
		to   any
		want string
	}{
		{"exists", "x", "leave it out"},
		{"one_of", "a", "must be a list"},
		{"is_type", "string", "one of text, number"},
		{"is_valid", "fone", "one of number, integer"},
		{"starts_with", list{}, "must be a text"},
		{"has_any_word", list{}, "list of words"},
		{"has_any_word", "!", "list of words"},
		{"has_all_words", list{list{}}, "list of words"},
		{"has_all_words", nil, "list of words"},
		{"matches", "(", "bad pattern: missing closing )"},
		{"matches", int64(1), "regular expression"},
		{"matches", strings.Repeat("a", 2000), "over the limit of 1000"},
		{"=", "ten", "must be a number"},
		{"<", nil, "must be a number"},
		{"between", list{int64(1)}, "list of two"},
		{"between", list{int64(1), "2026-01-01"}, "two numbers or two dates"},
		{"before", "soon", "must be a date"},
		{"on", int64(1), "must be a date"},
		{"length", 1.5, "whole number"},
	}
	for _, test := range tests {
		o, _ := value.Find(test.op)
		if _, err := o.Test(test.to, value.Reading{}); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s %v: got %v, want %s", test.op, test.to, err, test.want)
		}
	}
	if _, ok := value.Find("equal"); ok {
		t.Error("found an operator that is not there")
	}
}

// TestTooBig: what would take long is an error, in whatever operator.
func TestTooBig(t *testing.T) {
	long := strings.Repeat("á", 600_000)
	for _, o := range value.Operators() {
		var to any = "a"
		switch {
		case o.To == "":
			continue
		case o.Name == "matches":
			to = "(a|aa|aaa)*b(a|aa){300}"
		case o.Of == "Number" || o.Of == "List" || o.Of == "Date" || strings.HasPrefix(o.Name, "is_"):
			continue // a text that long is none
		case o.Name == "one_of":
			to = list{"a"}
		}
		holds, err := o.Test(to, value.Reading{})
		if err != nil {
			t.Fatal(err)
		}
		if held, err := holds(list{"a", long}); o.Name == "contains" && err == nil {
			t.Errorf("contains looks through a long list: %t", held)
		}
		if _, err := holds(long); err == nil || !strings.Contains(err.Error(), "over the limit") {
			t.Errorf("%s: got %v, want a limit", o.Name, err)
		}
	}
	for _, op := range []string{"equals", "contains", "has_any_word"} {
		o, _ := value.Find(op)
		if _, err := o.Test(long, value.Reading{}); err == nil {
			t.Errorf("%s takes a text of %d bytes to compare with", op, len(long))
		}
		if _, err := o.Test(long, value.Reading{Exact: true}); err != nil {
			t.Errorf("%s takes no text of %d bytes if it need not fold it: %v", op, len(long), err)
		}
	}
}

// FuzzOperators: no value and no "to" stops an operator, and each that has an
// opposite is true where that is false.
func FuzzOperators(f *testing.F) {
	f.Add("Não", "nao", int64(1), false)
	f.Add("1.234,5", "1,234.5", int64(2), true)
	f.Add("2026-12-25", "25/12/2026", int64(0), false)
	f.Add("a@b.co", "email", int64(-1), true)
	f.Add("oi tudo", `(?i)^OI\b`, int64(7), false)
	opposites := map[string]string{"equals": "not_equals", "exists": "not_exists", "empty": "not_empty"}
	f.Fuzz(func(t *testing.T, a, b string, n int64, exact bool) {
		values := list{a, b, n, nil, exact, list{a, n}, list{b, a}, object{"x": a}}
		for _, o := range value.Operators() {
			for _, to := range values {
				how := value.Reading{Exact: exact}
				if o.To == "" {
					to = nil
				}
				holds, err := o.Test(to, how)
				if err != nil {
					continue
				}
				other := func(v any) (bool, error) { return false, nil }
				if name, ok := opposites[o.Name]; ok {
					opposite, _ := value.Find(name)
					if other, err = opposite.Test(to, how); err != nil {
						t.Fatalf("%s takes %#v, and %s does not: %v", o.Name, to, name, err)
					}
				}
				for _, v := range values {
					is, err := holds(v)
					isNot, err2 := other(v)
					if _, ok := opposites[o.Name]; ok && err == nil && err2 == nil && is == isNot {
						t.Errorf("%#v %s %#v: %t, and so is the opposite", v, o.Name, to, is)
					}
					if o.Name == "equals" && err == nil && v == nil && to == nil && !is {
						t.Error("null is not null")
					}
				}
			}
		}
	})
}
