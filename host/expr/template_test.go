package expr_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/trama-run/trama/host/expr"
	"pgregory.net/rapid"
)

func TestTemplate(t *testing.T) {
	tests := []struct {
		text string
		want any
	}{
		{``, ""},
		{`plain }} } { text`, "plain }} } { text"},
		{`{{ input.big }}`, int64(9007199254740993)},
		{`{{input.items[0]}}`, map[string]any{"sku": "b", "price": int64(2)}},
		{`{{ input.missing }}`, nil},
		{` {{ input.big }}`, " 9007199254740993"},
		{`Olá {{ input.name }}, {{ input.missing }}!`, "Olá Ana, !"},
		{`{{ input.half }} {{ input.one }} {{ input.yes }} {{ input.names }}`, `0.5 1 true ["x","y"]`},
		{`{{ {a: {b: 1}} }}`, map[string]any{"a": map[string]any{"b": int64(1)}}},
		{`{{ {a: {b: 1}}}}`, map[string]any{"a": map[string]any{"b": int64(1)}}},
		{`{{ "}}" + '}}' }}`, "}}}}"},
		{`{{ "\"}}" }}`, `"}}`},
		{`{{ "{{" }} x }}`, "{{ x }}"},
		{`{name}`, "{name}"},
		{"{{ filter(input.names, {# != 'x'}) }}", []any{"y"}},
		// What a value contains is never expanded.
		{`{{ input.evil }}`, "{{ env.X }}"},
		{`a {{ input.evil }} {{ input.secret }} {{ input.brace }}`, "a {{ env.X }} {{secret:wa_token}} {name}"},
		{`{{ "{" + "{ env.X }" + "}" }}!`, "{{ env.X }}!"},
	}
	for _, test := range tests {
		t.Run(test.text, func(t *testing.T) {
			tpl, err := compileText(test.text)
			if err != nil {
				t.Fatal(err)
			}
			got, err := tpl.Expand(scope(t))
			if err != nil || !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %#v, %v; want %#v", got, err, test.want)
			}
		})
	}
}

func TestMessage(t *testing.T) {
	tests := []struct{ text, want string }{
		{`Oi {name}`, "Oi Ana"},
		{`{items[0][sku]}{items[1][price]}{missing[x][0]}.`, "b1.5."},
		{`{name}`, "Ana"},
		{`{big}`, "9007199254740993"},
		{`{o}`, `{"a":1,"b":2}`},
		{`{ name } {} {0} {a.b} {a[} {a]} {a[b] {a[b c]} {"x": 1} {name`, `{ name } {} {0} {a.b} {a[} {a]} {a[b] {a[b c]} {"x": 1} {name`},
		{`{{ input.name }} {name}`, "Ana Ana"},
		{`{{{name}`, ""}, // {{ without }}
		{`{brace} {evil} {secret}`, "{name} {{ env.X }} {{secret:wa_token}}"},
	}
	for _, test := range tests {
		t.Run(test.text, func(t *testing.T) {
			tpl, err := expr.CompileMessage(test.text)
			if test.want == "" {
				if err == nil {
					t.Fatal("compiled")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got, err := tpl.Text(scope(t))
			if err != nil || got != test.want {
				t.Errorf("got %q, %v; want %q", got, err, test.want)
			}
		})
	}
}

func TestTree(t *testing.T) {
	value := map[string]any{
		"{{ key }}": "kept",
		"list":      []any{"{{ input.big }}", int64(1), map[string]any{"x": "{{ input.name }}!"}},
		"fixed":     map[string]any{"a": []any{true}},
	}
	tpl, errs := expr.CompileTree(value)
	if errs != nil {
		t.Fatal(errs)
	}
	got, err := tpl.Expand(scope(t))
	want := map[string]any{
		"{{ key }}": "kept",
		"list":      []any{int64(9007199254740993), int64(1), map[string]any{"x": "Ana!"}},
		"fixed":     map[string]any{"a": []any{true}},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %#v, %v", got, err)
	}
	if _, ok := tpl.Literal(); ok {
		t.Error("it is not literal")
	}

	_, errs = expr.CompileTree(map[string]any{"b": []any{"x", "{{ foo }}"}, "a": "{{ 1"})
	if len(errs) != 2 || strings.Join(errs[0].Path, "/") != "a" || strings.Join(errs[1].Path, "/") != "b/1" {
		t.Fatalf("errors: %v", errs)
	}
	if want := `{{ without }}; close it with }}`; !strings.Contains(errs[0].Err.Error(), want) {
		t.Errorf("got %v, want %s", errs[0].Err, want)
	}

	// One budget for all expressions of a tree.
	slow := make([]any, 1000)
	for i := range slow {
		slow[i] = "{{ sum(map(1..100000, # * 2)) }}"
	}
	tpl, errs = expr.CompileTree(slow)
	if errs != nil {
		t.Fatal(errs)
	}
	var ours *expr.Error
	if _, err := tpl.Expand(scope(t)); !errors.As(err, &ours) || !ours.Limit {
		t.Errorf("got %v, want a limit", err)
	}
}

func TestTextWithoutBracesIsUnchanged(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := strings.NewReplacer("{", "", "}", "").Replace(rapid.String().Draw(t, "text"))
		for _, compile := range []func(string) (*expr.Template, error){compileText, expr.CompileMessage} {
			tpl, err := compile(text)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := tpl.Expand(nil); err != nil || got != text {
				t.Fatalf("got %#v, %v", got, err)
			}
		}
	})
}

// Whatever a value is, it comes out as it went in.
func TestValuesAreNeverExpanded(t *testing.T) {
	tpl, err := expr.CompileMessage(`<{{ input.v }}|{v}>`)
	if err != nil {
		t.Fatal(err)
	}
	piece := rapid.SampledFrom([]string{"{{", "}}", "{", "}", "env.X", "v", "[", "0", "]", `"`, "secret:", " ", "\\"})
	rapid.Check(t, func(t *rapid.T) {
		v := strings.Join(rapid.SliceOf(piece).Draw(t, "pieces"), "")
		got, err := tpl.Text(map[string]any{"input": map[string]any{"v": v}, "env": map[string]any{"X": "leaked"}})
		if want := "<" + v + "|" + v + ">"; err != nil || got != want {
			t.Fatalf("got %q, %v; want %q", got, err, want)
		}
	})
}

func FuzzTemplate(f *testing.F) {
	for _, seed := range []string{`{{ input.a }}`, `{a[0][b]}`, `{{ "}}" }}`, "{{ `", `{{{`, `{{ {a: 1}}}`, `{{ input.a + 1 }} {b}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if !utf8.ValidString(text) {
			return // documents are UTF-8
		}
		scope := map[string]any{"input": map[string]any{"a": int64(1), "b": "{{ env.X }}"}}
		for _, compile := range []func(string) (*expr.Template, error){compileText, expr.CompileMessage} {
			tpl, err := compile(text)
			if err != nil {
				continue
			}
			v, err := tpl.Expand(scope)
			if err != nil {
				continue
			}
			data, err := json.Marshal(v)
			if err != nil {
				t.Fatalf("%q gave %#v: %v", text, v, err)
			}
			again, err := expr.ParseJSON(data)
			if err != nil {
				t.Fatal(err)
			}
			if once, _ := json.Marshal(again); string(once) != string(data) {
				t.Fatalf("%q gave %s, then %s", text, data, once)
			}
		}
	})
}

// compileText reads one text that is not a message.
func compileText(text string) (*expr.Template, error) {
	t, errs := expr.CompileTree(text)
	if len(errs) > 0 {
		return nil, errs[0].Err
	}
	return t, nil
}
