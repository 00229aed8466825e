package contacts

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/trama-run/trama/host/admin"
	"github.com/trama-run/trama/host/contact"
)

// TestReadRows: what spreadsheets write is read, and mistakes are named.
func TestReadRows(t *testing.T) {
	for _, c := range []struct{ file, name, says string }{
		{"contact,name\nwa/p:1,Ana\n", "Ana", ""},
		{"\xef\xbb\xbfcontact;name\r\nwa/p:1;\"Silva; Ana\"\r\n", "Silva; Ana", ""},
		{"contact,name\nwa/p:1,'=SUM(1)\n", "=SUM(1)", ""},
		{"contact,name\nwa/p:1,'quoted'\n", "'quoted'", ""},
		{"contact,name\nwa/p:1,Jo\xe3o\n", "", "not UTF-8"},
		{"name\nAna\n", "", `no column "contact"`},
		{"contact,name,name\n", "", "two columns"},
		{"contact,age\n", "", `column "age"`},
		{"contact,name\nwa/p:1,Ana\nwa/p:2\n\nwa/p:3,x,y\n", "Ana", "3: 1 fields, 5: 3 fields"},
		{"contact,name,tags\nwa/p:1,Ana,\nwa/p:2,Bia,\"a\"\"b\"\n", "Ana", "3: no list"},
		{"contact,name\nwa/p:1,\"a;'=1+1;b\"\n", "a;=1+1;b", ""},
		{"", "", "first line"},
		{"contact,name,json.a,var.a\nwa/p:1,Ana,7,\nwa/p:2,B,x,\nwa/p:3,C,1 2,\nwa/p:4,D,1,1\n", "Ana", "3: no JSON, 4: no JSON, 5: both have"},
	} {
		rows, wrong, err := readRows([]byte(c.file), nil)
		if len(wrong) > 0 {
			var all []string
			for _, one := range wrong {
				says := one.Error
				for _, part := range []string{"1 fields", "3 fields", "no list", "no JSON", "both have"} {
					if strings.Contains(one.Error, part) {
						says = part
					}
				}
				all = append(all, fmt.Sprintf("%d: %s", one.Line, says))
			}
			if got := strings.Join(all, ", "); got != c.says {
				t.Errorf("%q: wrong rows %s, want %s", c.file, got, c.says)
			}
			c.says = ""
		}
		if c.says != "" {
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%q: %v, want %q", c.file, err, c.says)
			}
			continue
		}
		if err != nil || len(rows) != 1 || rows[0].Contact != "wa/p:1" || *rows[0].Name != c.name || rows[0].Line != 2 {
			t.Errorf("%q: %+v, %v", c.file, rows, err)
		}
	}
}

// TestEscaped: what is exported is imported as it was, and computes nothing.
func TestEscaped(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`['=+@a;\t\n-]{0,7}`).Draw(t, "text")
		shown := escaped(text)
		if unescaped(shown) != text {
			t.Fatalf("%q became %q and %q", text, shown, unescaped(shown))
		}
		for _, cell := range strings.FieldsFunc(shown, func(r rune) bool { return strings.ContainsRune(cells, r) }) {
			if strings.ContainsRune(formula, rune(cell[0])) {
				t.Fatalf("%q has a formula", shown)
			}
		}
	})
}

// TestLists: tags and addresses are imported as they were exported, whatever is
// in them.
func TestLists(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tags := rapid.SliceOfN(rapid.StringMatching(`[a ,;"=\n']{1,6}`), 1, 4).Draw(t, "tags")
		var file strings.Builder
		w := csv.NewWriter(&file)
		for _, row := range [][]string{{"contact", "also", "tags"}, {"wa/p:1", listOf([]string{"tg/p:9,x", "tg/p:8"}), escaped(listOf(tags))}} {
			if err := w.Write(row); err != nil {
				t.Fatal(err)
			}
		}
		w.Flush()
		rows, _, err := readRows([]byte(file.String()), nil)
		if err != nil || !slices.Equal(rows[0].AddTags, tags) || !slices.Equal(rows[0].Also, []contact.Key{"tg/p:9,x", "tg/p:8"}) {
			t.Fatalf("%q became %+v, %v", tags, rows, err)
		}
	})
	rows, _, err := readRows([]byte("contact,tags\nwa/p:1,\"vip, big spender\"\n"), nil)
	if err != nil || !slices.Equal(rows[0].AddTags, []string{"vip", "big spender"}) {
		t.Errorf("%+v, %v", rows, err)
	}
}

// TestVariables: variables are imported as they were exported, with their types.
func TestVariables(t *testing.T) {
	text := rapid.StringMatching(`[a0-9 ,;"=+@'\n\r\[\]{}:.-]{0,9}`)
	scalar := rapid.OneOf(
		rapid.Map(text, func(s string) any { return s }), rapid.Map(rapid.Bool(), func(b bool) any { return b }),
		rapid.Map(rapid.Int64(), func(n int64) any { return json.Number(strconv.FormatInt(n, 10)) }),
		rapid.SampledFrom([]any{nil, "007", "7", "true", "null", `"quoted"`, "[1]", json.Number("1.50"), json.Number("1e3")}),
	)
	value := rapid.OneOf(scalar, rapid.Map(rapid.SliceOfN(scalar, 0, 3), func(l []any) any { return l }),
		rapid.Map(rapid.MapOfN(text, scalar, 0, 3), func(m map[string]any) any { return m }))
	rapid.Check(t, func(t *rapid.T) {
		var people []admin.ContactInfo
		for n := range rapid.IntRange(1, 3).Draw(t, "people") {
			people = append(people, admin.ContactInfo{Key: contact.Key(fmt.Sprint("wa/p:", n)), Variables: rapid.MapOfN(rapid.SampledFrom([]string{"a", "b", "json.a", "var.a"}), value, 0, 4).Draw(t, "variables")})
		}
		spool, err := os.CreateTemp("", "variables-*")
		if err != nil {
			t.Fatal(err)
		}
		defer os.Remove(spool.Name())
		defer spool.Close()
		e := exported{file: spool, rows: bufio.NewWriter(spool), variables: map[string]bool{}}
		for _, one := range people {
			if err := e.take(one); err != nil {
				t.Fatal(err)
			}
		}
		var file bytes.Buffer
		if err := errors.Join(e.rows.Flush(), e.writeCSV(&file)); err != nil {
			t.Fatal(err)
		}
		rows, wrong, err := readRows(file.Bytes(), nil)
		if err != nil || len(wrong) > 0 || len(rows) != len(people) {
			t.Fatalf("%s: %+v, %+v, %v", &file, rows, wrong, err)
		}
		for i, row := range rows {
			got, want := fmt.Sprintf("%#v", row.Vars), fmt.Sprintf("%#v", people[i].Variables)
			if got != want && len(row.Vars)+len(people[i].Variables) > 0 {
				t.Fatalf("%s: %s became %s", &file, want, got)
			}
		}
	})
}
