package expr_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/trama-run/trama/host/expr"
	"pgregory.net/rapid"
)

func scope(t testing.TB) map[string]any {
	t.Helper()
	input, err := expr.ParseJSON([]byte(`{
		"name": "Ana", "evil": "{{ env.X }}", "secret": "{{secret:wa_token}}", "brace": "{name}",
		"big": 9007199254740993, "half": 0.5, "one": 1.0, "zero": 0, "yes": true, "nothing": null,
		"items": [{"sku": "b", "price": 2}, {"sku": "a", "price": 1.5}, {"sku": "b", "price": 3}],
		"names": ["x", "y"], "o": {"b": 2, "a": 1}, "cpf": "012.345.678-90"
	}`))
	if err != nil {
		t.Fatal(err)
	}
	return map[string]any{
		"input": input,
		"env":   map[string]any{"X": "leaked"},
		"flow":  map[string]any{},
		"now":   time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC),
	}
}

func TestEval(t *testing.T) {
	tests := []struct {
		expr string
		want any
	}{
		{`1 + 2`, int64(3)},
		{`input.big + 1`, int64(9007199254740994)},
		{`-input.big`, int64(-9007199254740993)},
		{`input.big == 9007199254740992`, false},
		{`9223372036854775807 + 1`, 9223372036854775808.0},
		{`9223372036854775807 * -1`, int64(-9223372036854775807)},
		{`2 ** 62`, int64(1 << 62)},
		{`2 ** 64`, 18446744073709551616.0},
		{`7 / 2`, 3.5},
		{`6 / 2`, int64(3)},
		{`7 % 4`, int64(3)},
		{`7.5 % 2`, 1.5},
		{`input.half + input.half`, int64(1)},
		{`1 == 1.0`, true},
		{`1 < 1.5 and 2.5 > 2`, true},
		{`"a" < "b"`, true},
		{`input.one`, int64(1)},
		{`input.missing.deeper[3].x`, nil},
		{`missing ?? 1`, nil}, // an unknown name; see TestErrors
		{`input.nothing?.x ?? "none"`, "none"},
		{`input.items[7]`, nil},
		{`input.items[-1].price`, int64(3)},
		{`input.name[0]`, "A"},
		{`input.name[1:]`, "na"},
		{`input.items[0:1]`, []any{map[string]any{"sku": "b", "price": int64(2)}}},
		{`input["name"]`, "Ana"},
		{`input.zero.x`, nil},
		{`error`, nil},
		{`input.name + "!"`, "Ana!"},
		{`input.missing ? 1 : 2`, int64(2)},
		{`not input.missing`, true},
		{`input.yes && input.name == "Ana"`, true},
		{`if input.yes { "y" } else { "n" }`, "y"},
		{`let x = input.half; x * 4`, int64(2)},
		{`"x" in input.names`, true},
		{`"z" not in input.names`, true},
		{`"a" in input.o`, true},
		{`input.name contains "n"`, true},
		{`input.missing contains "n"`, false},
		{`input.name startsWith "A" and input.name endsWith "a"`, true},
		{`input.cpf matches "^\\d{3}\\.\\d{3}"`, true},
		{`input.cpf matches input.name`, false},
		{`filter(input.items, .price > 1.5) | len()`, int64(2)},
		{`map(input.items, .price) | sum()`, 6.5},
		{`sum(input.items, .price * 2)`, int64(13)},
		{`map(input.items, #index)`, []any{int64(0), int64(1), int64(2)}},
		{`sortBy(input.items, .price)[0].sku`, "a"},
		{`sortBy(input.items, .price, "desc")[0].price`, int64(3)},
		{`groupBy(input.items, .sku).b | len()`, int64(2)},
		{`reduce(input.items, #acc + .price, 0)`, 6.5},
		{`count(input.items, .sku == "b")`, int64(2)},
		{`find(input.items, .sku == "a").price`, 1.5},
		{`findIndex(input.items, .sku == "a")`, int64(1)},
		{`findLast(input.items, .sku == "b").price`, int64(3)},
		{`findLastIndex(input.items, .sku == "b") + findLastIndex(input.items, .price < 2)`, int64(3)},
		{`findLast(input.items, false)`, nil},
		{`map(input.items, findLast(input.items, false))`, []any{nil, nil, nil}},
		{`any(input.items, .price > 2)`, true},
		{`all(input.missing, false)`, true},
		{`map(1..3, # * #)`, []any{int64(1), int64(4), int64(9)}},
		{`{a: 1, "b": [2], (input.name): 3}`, map[string]any{"a": int64(1), "b": []any{int64(2)}, "Ana": int64(3)}},
		{`keys(input.o)`, []any{"a", "b"}},
		{`values(input.o)`, []any{int64(1), int64(2)}},
		{`fromPairs(toPairs(input.o)) == input.o`, true},
		{`input.o == {b: 2, a: 1.0}`, true},
		{`upper(input.name) + lower("ÉX")`, "ANAéx"},
		{`split("a,b", ",")`, []any{"a", "b"}},
		{`join([1, "b", nil], "-")`, "1-b-"},
		{`replace("aXbX", "X", "--")`, "a--b--"},
		{`repeat("ab", 3)`, "ababab"},
		{`repeat("", 1000000000000)`, ""},
		{`trim("  x ") + trim("--y-", "-")`, "xy"},
		{`indexOf("éa", "a")`, int64(1)},
		{`len("é") + len([1]) + len({}) + len(nil)`, int64(2)},
		{`int("42") + int(3.9) + float("0.5")`, 45.5},
		{`string(1.5) + string(1e22) + string(true) + string([1, "é<"])`, `1.510000000000000000000000true[1,"é<"]`},
		{`round(2.5) + floor(2.9) + ceil(2.1) + abs(-1)`, int64(9)},
		{`max(1, 2.5, 2) + min([3, 1])`, 3.5},
		{`mean([1, 2]) + median([3, 1, 2])`, 3.5},
		{`uniq([1, 1.0, "1", [1], [1]])`, []any{int64(1), "1", []any{int64(1)}}},
		{`flatten([1, [2, [3]]])`, []any{int64(1), int64(2), int64(3)}},
		{`sort([3, 1.5, 2])`, []any{1.5, int64(2), int64(3)}},
		{`reverse(concat([1], [2]))`, []any{int64(2), int64(1)}},
		{`first([]) ?? last([1])`, int64(1)},
		{`fromJSON("{\"a\": 9007199254740993}").a`, int64(9007199254740993)},
		{`toJSON({b: 1, a: "<"})`, `{"a":"<","b":1}`},
		{`fromBase64(toBase64("é"))`, "é"},
		{`type(1) + type(1.5) + type(nil)`, "numbernumbernull"},
		{`now`, "2026-02-03T04:05:06Z"},
		{`now.Year() + now.Month()`, int64(2028)},
		{`(now + duration("24h")).Format("2006-01-02")`, "2026-02-04"},
		{`now - date("2026-02-03")`, "4h5m6s"},
		{`now > date("31/12/2025", "02/01/2006", "America/Sao_Paulo")`, true},
		{`[now][0] == now`, true},
		{`date("2026-01-02T00:00:00Z").In(timezone("America/Sao_Paulo")).Day()`, int64(1)},
		{`bitand(6, 3)`, int64(2)},
		{`::upper("x")`, "X"},
	}
	for _, test := range tests {
		t.Run(test.expr, func(t *testing.T) {
			e, err := expr.Compile(test.expr)
			if strings.HasPrefix(test.expr, "missing") {
				if err == nil {
					t.Fatal("compiled")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			s := scope(t)
			got, err := e.Eval(s)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %#v, want %#v", got, test.want)
			}
			if !reflect.DeepEqual(s, scope(t)) {
				t.Error("the scope was changed")
			}
		})
	}
}

func TestErrors(t *testing.T) {
	tests := []struct{ expr, want string }{
		{`inptu.name`, `column 1: unknown name inptu; did you mean "input"?`},
		{`big`, `column 1: unknown name big; an expression sees input, flow, user, env, trigger, nodes, error, now; text stands in quotes`},
		{`1 +`, `column 3: unexpected token EOF`},
		{``, `the expression is empty; write a value, such as input.name`},
		{`input.name + 1`, `column 12: + can't take the text "Ana" and the number 1; convert one: ... + string(1), or int(...) + 1`},
		{`1 + input.name`, `column 3: + can't take the number 1 and the text "Ana"; both must be numbers or both text; convert with int(...), float(...) or string(...)`},
		{`input.missing > 1`, `column 15: > can't take null and the number 1; give a default for what is missing: (x ?? 0)`},
		{`input.name ? 1 : 2`, `a condition must be true or false, found the text "Ana"; compare it, as in input.total > 0 or input.name != ""`},
		{`filter(input.items, .price)`, `a condition must be true or false, found the number 2`},
		{`upper(input.missing)`, `column 1: upper wants text as argument 1, found null; give a default for what is missing: (x ?? "")`},
		{`upper()`, `upper takes 1 argument, found 0`},
		{`split("a", "b", 1, 2)`, `split takes 2 to 3 arguments, found 4`},
		{`map(input.name, #)`, `want a list, found the text "Ana"`},
		{`1 / input.zero`, `division by zero; test the divisor first`},
		{`input.name matches repeat("a", 2000)`, `the pattern has 2000 bytes, over the limit of 1000`},
		{`input.cpf matches "("`, `column 19: bad pattern: missing closing )`},
		{`$env`, `column 1: $env is not available`},
		{`toJSON($env)`, `column 8: $env is not available`},
		{`upper`, `column 1: upper is a function; call it, as in upper(input.name)`},
		{`let f = upper; f("x")`, `upper is a function`},
		{`now()`, `column 1: now is a value, not a function; write it without the brackets`},
		{`now.Local()`, `a time has no method Local; it has Year`},
		{`now.Format(1)`, `Format takes other arguments`},
		{`input.name.Foo()`, `the text "Ana" has no method Foo`},
		{`input.items[0]()`, `column 15: unexpected token`},
		{`b"x"`, `bytes are not available`},
		{`timezone("../../etc/passwd")`, `unknown time zone`},
		{`10 ** 400`, `a number is out of range`},
		{"1 +\n  input.name", `line 1, column 3`},
	}
	for _, test := range tests {
		t.Run(test.expr, func(t *testing.T) {
			e, err := expr.Compile(test.expr)
			if err == nil {
				_, err = e.Eval(scope(t))
			}
			var ours *expr.Error
			if !errors.As(err, &ours) {
				t.Fatalf("got %v (%T), want an *expr.Error", err, err)
			}
			if !strings.Contains(err.Error(), strings.TrimPrefix(test.want, "line 1, ")) {
				t.Errorf("got  %v\nwant %s", err, test.want)
			}
			if ours.Limit {
				t.Error("not a limit")
			}
		})
	}
}

func TestLimitsOfTheText(t *testing.T) {
	for _, text := range []string{
		strings.Repeat("1+", 5000) + "1",
		strings.Repeat("1+", 1500) + "1",
		strings.Repeat("(", 4000) + "1" + strings.Repeat(")", 4000),
	} {
		e, err := expr.Compile(text)
		if err != nil {
			continue
		}
		if _, err := e.Eval(nil); err != nil {
			t.Errorf("%.20s: %v", text, err)
		}
	}
	if _, err := expr.Compile(strings.Repeat("1+", 5000) + "1"); err == nil || !strings.Contains(err.Error(), "limit of 8192") {
		t.Errorf("a long text: %v", err)
	}
	if _, err := expr.Compile(strings.Repeat("1+", 1500) + "1"); err == nil || !strings.Contains(err.Error(), "node") {
		t.Errorf("many nodes: %v", err)
	}
}

func TestNumbersSurviveJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := rapid.OneOf(rapid.Int64().AsAny(), rapid.Float64().AsAny()).Draw(t, "a")
		data, _ := json.Marshal(a)
		v, err := expr.ParseJSON(data)
		if err != nil {
			t.Fatal(err)
		}
		again, _ := json.Marshal(v)
		w, err := expr.ParseJSON(again)
		if err != nil || !reflect.DeepEqual(v, w) {
			t.Fatalf("%s: %#v became %#v (%v)", data, v, w, err)
		}
		if i, ok := a.(int64); ok && v != i {
			t.Fatalf("%d became %v", i, v)
		}
	})
	if _, err := expr.ParseJSON([]byte(`1 2`)); err == nil {
		t.Error("two values were read as one")
	}
}

func BenchmarkEval(b *testing.B) {
	e, err := expr.Compile(`input.total > 1000`)
	if err != nil {
		b.Fatal(err)
	}
	s := map[string]any{"input": map[string]any{"total": int64(1500)}}
	for b.Loop() {
		if _, err := e.Eval(s); err != nil {
			b.Fatal(err)
		}
	}
}

// TestPointer: those of RFC 6901, section 5, and what leads nowhere.
// TestTextAt: an id is as it is written, however large.
func TestTextAt(t *testing.T) {
	body := []byte(`{"a": "x", "n": 12345678901234567891, "f": 1.50, "i": -7, "none": null, "list": [{"id": 1e400}], "o": {}}`)
	for pointer, want := range map[string]string{
		"/a": "x", "/n": "12345678901234567891", "/f": "1.50", "/i": "-7", "/none": "", "/missing": "", "/list/0/id": "1e400", "x": "",
	} {
		if got, err := expr.TextAt(body, pointer); got != want || err != nil {
			t.Errorf("%q leads to %q, %v; want %q", pointer, got, err, want)
		}
	}
	if got, err := expr.TextAt([]byte("{"), "/a"); got != "" || err != nil {
		t.Errorf("no JSON: %q, %v", got, err)
	}
	for _, pointer := range []string{"/o", "/list", ""} {
		if got, err := expr.TextAt(body, pointer); err == nil {
			t.Errorf("%q leads to the text %q", pointer, got)
		}
	}
}

func TestPointer(t *testing.T) {
	value, err := expr.ParseJSON([]byte(`{"foo": ["bar", "baz", null], "": 0, "a/b": 1, "m~n": 8, "~1": 9, "in": {"x": [{"y": true}]}}`))
	if err != nil {
		t.Fatal(err)
	}
	for pointer, want := range map[string]any{
		"/foo/0": "bar", "/foo/2": nil, "/": int64(0), "/a~1b": int64(1), "/m~0n": int64(8), "/~01": int64(9), "/in/x/0/y": true,
	} {
		if got, ok := expr.Pointer(value, pointer); !ok || got != want {
			t.Errorf("%q leads to %v, %t; want %v", pointer, got, ok, want)
		}
	}
	if got, ok := expr.Pointer(value, ""); !ok || len(got.(map[string]any)) != 6 {
		t.Errorf("nothing leads to %v", got)
	}
	for _, pointer := range []string{"foo", "foo/0", "/none", "/foo/3", "/foo/-1", "/foo/01", "/foo/+1", "/foo/-", "/foo/", "/foo/0/x", "/in/x/y", "/a/b"} {
		if got, ok := expr.Pointer(value, pointer); ok {
			t.Errorf("%q leads to %v", pointer, got)
		}
	}
}
