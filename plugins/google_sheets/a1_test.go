package main

import "testing"

func TestRanges(t *testing.T) {
	for _, test := range []struct{ in, want string }{
		{"Sheet1!A1:B2", "'Sheet1'!A1:B2"},
		{"My list!A:A", "'My list'!A:A"},
		{"'My list'!A:A", "'My list'!A:A"},
		{"Ana's!A1", "'Ana''s'!A1"},
		{"'Ana''s'!A1", "'Ana''s'!A1"},
		{"'a'b'!A1", "'''a''b'''!A1"}, // quotes of the name itself
		{"Hey!you!A1", "'Hey!you'!A1"},
		{"a/b?c#d:append!A1", "'a/b?c#d:append'!A1"},
		{"Totals", "Totals"},
		{" A1:B2 ", "A1:B2"},
	} {
		if got, err := plainRange(test.in); err != nil || got != test.want {
			t.Errorf("%q is %q, %v; want %q", test.in, got, err, test.want)
		}
	}
	for _, in := range []string{"", "!A1", "Sheet1!"} {
		if got, err := plainRange(in); err == nil {
			t.Errorf("%q is %q, want an error", in, got)
		}
	}
}

func TestTables(t *testing.T) {
	for _, test := range []struct{ sheet, in, rows, stretch string }{
		{"S", "", "'S'!5:9", "'S'!C7:C9"},
		{"S's", "B3:F", "'S''s'!B5:F9", "'S''s'!C7:C9"},
		{"S", "$b$3:$f$8", "'S'!B5:F8", "'S'!C7:C9"},
		{"S", "A:AB", "'S'!A5:AB9", "'S'!C7:C9"},
	} {
		a, err := table(test.sheet, test.in)
		if err != nil || a.rows(5, 9) != test.rows || a.stretch(3, 7, 9) != test.stretch {
			t.Errorf("%q is %q and %q, %v", test.in, a.rows(5, 9), a.stretch(3, 7, 9), err)
		}
	}
	for _, in := range []string{"A1", "F:B", "A9:F3", "S!A1:B2", "A0:B", "AAAA:B", "1:5", "x"} {
		if a, err := table("S", in); err == nil {
			t.Errorf("%q is %+v, want an error", in, a)
		}
	}
	if _, err := table(" ", ""); err == nil {
		t.Error("a sheet without a name is taken")
	}
}

func TestColumns(t *testing.T) {
	for n, name := range map[int]string{1: "A", 26: "Z", 27: "AA", 52: "AZ", 53: "BA", 702: "ZZ", 703: "AAA", 18278: "ZZZ"} {
		if columnName(n) != name || columnNumber(name) != n {
			t.Errorf("%d is %s, %s is %d", n, columnName(n), name, columnNumber(name))
		}
	}
}

func TestCorners(t *testing.T) {
	for _, test := range []struct {
		in   string
		want [4]int
	}{
		{"Sheet1!A1:Z1000", [4]int{1, 1, 26, 1000}},
		{"'B2!:C'!B2:C3", [4]int{2, 2, 3, 3}},
		{"Sheet1!C5", [4]int{3, 5, 3, 5}},
		{"Sheet1!A2:C", [4]int{1, 2, 3, 0}},
	} {
		var got [4]int
		if got[0], got[1], got[2], got[3] = corners(test.in); got != test.want {
			t.Errorf("%q has %v, want %v", test.in, got, test.want)
		}
	}
}

func TestSpreadsheetID(t *testing.T) {
	for in, want := range map[string]string{
		"1aBc_-9": "1aBc_-9",
		"https://docs.google.com/spreadsheets/d/1aBc/edit#gid=0":    "1aBc",
		"https://docs.google.com/spreadsheets/u/1/d/1aBc/view?x=/d": "1aBc",
		" https://docs.google.com/spreadsheets/d/1aBc ":             "1aBc",
		"https://evil.example/spreadsheets/d/1aBc/edit":             "",
		"../x":  "",
		"a/b":   "",
		"":      "",
		"a?b=c": "",
	} {
		if got, err := spreadsheetID(in); got != want || (err == nil) != (want != "") {
			t.Errorf("%q is %q, %v; want %q", in, got, err, want)
		}
	}
}

func TestCells(t *testing.T) {
	for _, test := range []struct{ in, out string }{
		{`"a"`, `"a"`}, {` 1.50 `, `1.50`}, {`true`, `true`}, {`null`, `null`}, {``, `null`},
		{`9007199254740992`, `9007199254740992`}, {`9007199254740993`, `"9007199254740993"`}, {`-9007199254740993`, `"-9007199254740993"`},
	} {
		if got, err := outgoing("x", Cell(test.in), null); err != nil || string(got) != test.out {
			t.Errorf("%s goes out as %s, %v; want %s", test.in, got, err, test.out)
		}
	}
	for _, in := range []string{`{}`, `[1]`} {
		if got, err := outgoing("x", Cell(in), null); err == nil {
			t.Errorf("%s goes out as %s", in, got)
		}
	}
	for _, test := range []struct{ in, cell, text string }{
		{`""`, `null`, ""}, {`" a "`, `" a "`, "a"}, {`5.51199999E12`, `5511999990000`, "5511999990000"}, {`1.50`, `1.50`, "1.5"},
		{`1E-300`, `1E-300`, "1E-300"}, {`true`, `true`, "TRUE"}, {`"É"`, `"É"`, "É"}, {`"\u00c9"`, `"\u00c9"`, "É"},
	} {
		read, err := text(Cell(test.in))
		if got := incoming(Cell(test.in)); string(got) != test.cell || read != test.text || err != nil {
			t.Errorf("%s is the cell %s, want %s; and the text %q, want %q (%v)", test.in, got, test.cell, read, test.text, err)
		}
	}
}
