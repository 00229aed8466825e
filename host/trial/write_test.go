package trial

import (
	"testing"

	"pgregory.net/rapid"
)

// TestWriteIsRead: what is written as a document is read as the same.
func TestWriteIsRead(t *testing.T) {
	text := rapid.OneOf(
		rapid.SampledFrom([]string{"", "yes", "No", "null", "~", "1", "0x1f", "1e5", "2026-01-05", "a: b", "- a", "# a", "a #b", "{a", "[", "*a", "&a", "!a", "%a", "|", ">", "'", `"`, "\\", "a\nb", "\t", " a", "a ", "é", "\u2028", "\u0085", "\ufeff", "\x7f", "$match", "<<", "=", "a-b c.d/e[0]"}),
		rapid.String(),
	)
	var value func(depth int) *rapid.Generator[any]
	value = func(depth int) *rapid.Generator[any] {
		kinds := []*rapid.Generator[any]{
			rapid.Map(text, func(s string) any { return s }), rapid.Map(rapid.Int64(), func(n int64) any { return n }),
			rapid.Map(rapid.Bool(), func(b bool) any { return b }), rapid.Just[any](nil),
		}
		if depth > 0 {
			inner := value(depth - 1)
			kinds = append(kinds,
				rapid.Map(rapid.SliceOfN(inner, 0, 3), func(l []any) any { return l }),
				rapid.Map(rapid.MapOfN(text, inner, 0, 3), func(m map[string]any) any { return m }))
		}
		return rapid.OneOf(kinds...)
	}
	rapid.Check(t, func(t *rapid.T) {
		event := map[string]any{"it": value(4).Draw(t, "value")}
		data, err := Write(Case{Name: "it", Flow: "f", Event: event}, []string{"a note\nof two lines"})
		if err != nil {
			t.Fatal(err)
		}
		cases, problems := Parse("it.test.yaml", data, "")
		if len(problems) > 0 {
			t.Fatalf("%v\n%s", problems, data)
		}
		if got, want := shownWhole(cases[0].Event), shownWhole(event); got != want {
			t.Fatalf("read %s\nwant %s\nfrom\n%s", got, want, data)
		}
	})
}

func shownWhole(v any) string {
	data, err := Write(Case{Event: map[string]any{"v": v}}, nil)
	if err != nil {
		return err.Error()
	}
	return string(data)
}
