package xmljson

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/trama-run/trama/pdk/abi"
)

func TestParseToJSON(t *testing.T) {
	tests := []struct {
		name, xml, want string
		style           func(*Style)
	}{
		{name: "text", xml: `<a>x</a>`, want: `{"a":"x"}`},
		{name: "empty", xml: `<a/>`, want: `{"a":""}`},
		{name: "order is kept", xml: `<a><z>1</z><b>2</b><z>3</z></a>`, want: `{"a":{"z":["1","3"],"b":"2"}}`},
		{name: "attributes and text", xml: `<a k='1' j="&lt;&#10;">x</a>`, want: `{"a":{"@k":"1","@j":"<\n","#text":"x"}}`},
		{name: "attributes alone", xml: `<a k="1"/>`, want: `{"a":{"@k":"1"}}`},
		{name: "mixed text is joined", xml: `<a>one<b/>two</a>`, want: `{"a":{"#text":"onetwo","b":""}}`},
		{name: "cdata", xml: `<a><![CDATA[<b>&amp;]]]]><![CDATA[>]]></a>`, want: `{"a":"<b>&amp;]]>"}`},
		{name: "empty cdata", xml: `<a><![CDATA[]]></a>`, want: `{"a":""}`},
		{name: "comments and instructions", xml: `<!--c--><?p x?><a>x<!--c-->y<?p?></a><!--c-->`, want: `{"a":"xy"}`},
		{name: "references", xml: `<a>&#x41;&#66;&amp;&apos;&quot;&gt;</a>`, want: `{"a":"AB&'\">"}`},
		{name: "surrogates are no reference in cdata", xml: `<a><![CDATA[&#xD800;]]></a>`, want: `{"a":"&#xD800;"}`},
		{name: "byte order mark", xml: "\ufeff<?xml version='1.0'?><a/>", want: `{"a":""}`},
		{name: "declared encoding is ignored", xml: `<?xml version="1.0" encoding="KOI8-R"?><a>ç</a>`, want: `{"a":"ç"}`},
		{name: "numbers stay text", xml: `<a>007</a>`, want: `{"a":"007"}`},
		{name: "line ends", xml: "<a>x\r\ny\rz</a>", want: `{"a":"x\ny\nz"}`},
		{name: "trim", xml: "<a>\n x \t</a>", want: `{"a":"x"}`},
		{name: "keep space", xml: "<a>\n x <b> </b>\n</a>", want: `{"a":{"#text":"\n x \n","b":" "}}`, style: func(s *Style) { s.KeepSpace = true }},
		{name: "space between elements goes anyway", xml: "<a>\n<b/>\n</a>", want: `{"a":{"b":""}}`, style: func(s *Style) { s.KeepSpace = true }},
		{name: "prefixes kept", xml: `<p:a xmlns:p="urn:p" p:k="1"><p:b/></p:a>`, want: `{"p:a":{"@xmlns:p":"urn:p","@p:k":"1","p:b":""}}`},
		{name: "prefixes stripped", xml: `<p:a xmlns:p="urn:p" xmlns="urn:d" p:k="1"><p:b/><b>2</b></p:a>`, want: `{"a":{"@k":"1","b":["","2"]}}`, style: func(s *Style) { s.StripPrefixes = true }},
		{name: "xml: needs no declaration", xml: `<a xml:lang="pt">x</a>`, want: `{"a":{"@xml:lang":"pt","#text":"x"}}`},
		{name: "a prefix is free again after its element", xml: `<a><b xmlns:p="urn:1"/><p:c xmlns:p="urn:2"/></a>`, want: `{"a":{"b":{"@xmlns:p":"urn:1"},"p:c":{"@xmlns:p":"urn:2"}}}`},
		{name: "array of one", xml: `<a><b>1</b></a>`, want: `{"a":{"b":["1"]}}`, style: arraysOf("a.b")},
		{name: "array of none in an element", xml: `<a/>`, want: `{"a":{"b":[]}}`, style: arraysOf("a.b")},
		{name: "array of none beside attributes", xml: `<a k="1"/>`, want: `{"a":{"@k":"1","b":[]}}`, style: arraysOf("a.b")},
		{name: "array inside an array", xml: `<a><b><c>1</c></b><b/></a>`, want: `{"a":{"b":[{"c":["1"]},{"c":[]}]}}`, style: arraysOf("a.b", "a.b.c")},
		{name: "array below an absent element", xml: `<a><x/></a>`, want: `{"a":{"x":""}}`, style: arraysOf("a.b.c")},
		{name: "array of the root", xml: `<a>1</a>`, want: `{"a":["1"]}`, style: arraysOf("a")},
		{name: "array by its stripped name", xml: `<p:a xmlns:p="u"><p:b>1</p:b></p:a>`, want: `{"a":{"b":["1"]}}`, style: func(s *Style) { s.StripPrefixes = true; s.Arrays = []string{"a.b"} }},
		{name: "other names", xml: `<a k="1">x<b/></a>`, want: `{"a":{"$k":"1","_text":"x","b":""}}`, style: func(s *Style) { s.AttributePrefix, s.TextKey = "$", "_text" }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			style := DefaultStyle()
			if test.style != nil {
				test.style(&style)
			}
			root, err := Parse(test.xml)
			if err != nil {
				t.Fatal(err)
			}
			got, err := root.AppendJSON(nil, style)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

func arraysOf(paths ...string) func(*Style) {
	return func(s *Style) { s.Arrays = paths }
}

func TestParseRefuses(t *testing.T) {
	tests := []struct {
		name, xml, code, message string
	}{
		{"nothing", ``, CodeMalformed, "no root element"},
		{"no root", `<!--c-->`, CodeMalformed, "no root element"},
		{"text before", `x<a/>`, CodeMalformed, "line 1, column 1: text outside"},
		{"text after", "<a/>\nç x", CodeMalformed, "line 1, column 5: text outside"},
		{"reference outside", `<a/>&#32;`, CodeMalformed, "text outside"},
		{"cdata outside", `<a/><![CDATA[]]>`, CodeMalformed, "text outside"},
		{"two roots", "<a/>\n <b/>", CodeMalformed, "line 2, column 2: a second root element <b>"},
		{"never closed", "<a>\n<b>\n", CodeMalformed, "line 2, column 1: <b> is never closed"},
		{"wrong end", "<á>\n<b></á>", CodeMalformed, "line 2, column 4: </á> where </b>"},
		{"end of nothing", `</a>`, CodeMalformed, "</a> without its start tag"},
		{"end after the root", `<a></a></a>`, CodeMalformed, "</a> without its start tag"},
		{"cut off", `<a><b att`, CodeMalformed, "unexpected EOF"},
		{"same attribute twice", `<a k="1" k="2"/>`, CodeMalformed, `attribute "k" stands twice`},
		{"same attribute by two prefixes", `<a xmlns:p="u" xmlns:q="u" p:k="1" q:k="2"/>`, CodeMalformed, `attribute "q:k" stands twice`},
		{"attributes touching", `<a b="1"c="2"/>`, CodeMalformed, "no whitespace"},
		{"attribute without quotes", `<a k=1/>`, CodeMalformed, "unquoted"},
		{"attribute without value", `<a k/>`, CodeMalformed, "attribute name without ="},
		{"angle bracket in attribute", `<a k="<"/>`, CodeMalformed, "<"},
		{"unbound element prefix", `<p:a/>`, CodeMalformed, `prefix "p" of "p:a" is not declared`},
		{"unbound attribute prefix", `<a p:k="1"/>`, CodeMalformed, `prefix "p" of "p:k" is not declared`},
		{"prefix out of its scope", `<a><b xmlns:p="u"/><p:c/></a>`, CodeMalformed, `prefix "p"`},
		{"prefix bound to nothing", `<a xmlns:p=""/>`, CodeMalformed, "bound to no namespace"},
		{"prefix xml bound anew", `<a xmlns:xml="u"/>`, CodeMalformed, "reserved"},
		{"prefix xmlns bound", `<a xmlns:xmlns="u"/>`, CodeMalformed, "reserved"},
		{"two colons", `<a:b:c xmlns:a="u"/>`, CodeMalformed, "element name"},
		{"colon first", `<:a/>`, CodeMalformed, `":a" is no name`},
		{"colon last in attribute", `<a b:="1"/>`, CodeMalformed, `"b:" is no name`},
		{"late declaration", ` <?xml version="1.0"?><a/>`, CodeMalformed, "very start"},
		{"inner declaration", `<a><?XML version="1.0"?></a>`, CodeMalformed, "very start"},
		{"xml 1.1", `<?xml version="1.1"?><a/>`, CodeMalformed, `unsupported version "1.1"`},
		{"open cdata end", `<a>]]></a>`, CodeMalformed, "]]>"},
		{"double hyphen in comment", `<!-- a -- b --><a/>`, CodeMalformed, "--"},
		{"control character", "<a>\x01</a>", CodeMalformed, "U+0001"},
		{"null reference", `<a>&#0;</a>`, CodeMalformed, "U+0000"},
		{"surrogate reference", `<a>x&#xD800;</a>`, CodeMalformed, "&#xD800; is no character"},
		{"surrogate in attribute", `<a k="&#55357;"/>`, CodeMalformed, "&#55357; is no character"},
		{"not UTF-8", "<a>\xff</a>", CodeMalformed, "UTF-8"},
		{"doctype", `<!DOCTYPE a><a/>`, CodeDTD, "line 1, column 1"},
		{"doctype after the prolog", "<?xml version='1.0'?>\n<!DOCTYPE a SYSTEM 'http://x/'><a/>", CodeDTD, "line 2, column 1"},
		{"open doctype", `<!DOCTYPE a [`, CodeDTD, ""},
		{"entity declaration", `<!ENTITY x "y"><a/>`, CodeDTD, ""},
		{"billion laughs", `<!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><l>&b;</l>`, CodeDTD, ""},
		{"undefined entity", `<a>&nbsp;</a>`, CodeEntity, "&nbsp;"},
		{"undefined entity in attribute", `<a k="&eacute;"/>`, CodeEntity, "&eacute;"},
		{"too deep", strings.Repeat("<a>", MaxDepth+1) + strings.Repeat("</a>", MaxDepth+1), abi.CodeLimit, "deeper than 200"},
		{"too many", "<a>" + strings.Repeat("<b/>", MaxNodes) + "</a>", abi.CodeLimit, "more than 100000"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			root, err := Parse(test.xml)
			checkError(t, err, test.code, test.message)
			if root != nil {
				t.Error("a tree came with the error")
			}
		})
	}
}

func checkError(t *testing.T, err error, code, message string) {
	t.Helper()
	failure, ok := errors.AsType[*abi.Error](err)
	if !ok {
		t.Fatalf("got %v, want an error with code %s", err, code)
	}
	if failure.Code != code || !strings.Contains(failure.Message, message) {
		t.Errorf("got %v, want code %s and %q", failure, code, message)
	}
}

func TestParseBounds(t *testing.T) {
	deep := strings.Repeat("<a>", MaxDepth) + strings.Repeat("</a>", MaxDepth)
	many := "<a>" + strings.Repeat("<b/>", MaxNodes-1) + "</a>"
	for _, document := range []string{deep, many} {
		root, err := Parse(document)
		if err != nil {
			t.Fatal(err)
		}
		got, err := root.AppendJSON(nil, DefaultStyle())
		if err != nil || !json.Valid(got) {
			t.Errorf("%v; valid: %v", err, json.Valid(got))
		}
	}
}

func TestErrorDetail(t *testing.T) {
	_, err := Parse("<a>\n  <b x=1/></a>")
	failure, _ := errors.AsType[*abi.Error](err)
	if failure == nil {
		t.Fatal(err)
	}
	var place struct{ Line, Column int }
	if err := json.Unmarshal(failure.Detail, &place); err != nil || place.Line != 2 || place.Column < 8 {
		t.Errorf("detail %s, %v", failure.Detail, err)
	}
}

func TestCollisions(t *testing.T) {
	tests := []struct {
		xml   string
		style Style
	}{
		{`<a k="1"><k/></a>`, Style{AttributePrefix: "", TextKey: "#text"}},
		{`<a k="1">x<_/></a>`, Style{AttributePrefix: "@", TextKey: "_"}},
		{`<a xmlns:p="u" p:k="1" k="2"/>`, Style{AttributePrefix: "@", TextKey: "#text", StripPrefixes: true}},
		{`<a k="1">x</a>`, Style{AttributePrefix: "", TextKey: "k"}},
		{`<a k="1"/>`, Style{AttributePrefix: "", TextKey: "t", Arrays: []string{"a.k"}}},
	}
	for i, test := range tests {
		root, err := Parse(test.xml)
		if err != nil {
			t.Fatal(err)
		}
		if out, err := root.AppendJSON(nil, test.style); err == nil {
			t.Errorf("case %d gave %s", i, out)
		} else {
			checkError(t, err, CodeCollision, "JSON key")
		}
	}
}

func TestDecode(t *testing.T) {
	declared := func(encoding, text string) []byte {
		return []byte(fmt.Sprintf("<?xml version='1.0' encoding='%s'?><a>%s</a>", encoding, text))
	}
	tests := []struct {
		name    string
		data    []byte
		charset string
		want    string // the text of <a>
		code    string
	}{
		{name: "utf-8", data: []byte("<a>ção</a>"), want: "ção"},
		{name: "declared utf-8", data: declared("UTF-8", "ção"), want: "ção"},
		{name: "byte order mark wins", data: append([]byte("\xef\xbb\xbf"), declared("ISO-8859-1", "ção")...), want: "ção"},
		{name: "iso-8859-1", data: declared("ISO-8859-1", "\xe7\xe3o\x80"), want: "ção\u0080"},
		{name: "windows-1252", data: declared("Windows-1252", "\x80 \x93x\x94 \xe7"), want: "€ “x” ç"},
		{name: "ascii", data: declared("US-ASCII", "x"), want: "x"},
		{name: "content type wins over the prolog", data: declared("UTF-8", "\xe7"), charset: "ISO-8859-1", want: "ç"},
		{name: "not ascii", data: declared("US-ASCII", "\xe7"), code: CodeMalformed},
		{name: "not utf-8", data: []byte("<a>\n\xe7</a>"), code: CodeMalformed},
		{name: "utf-16", data: []byte("\xff\xfe<\x00a\x00"), code: CodeEncoding},
		{name: "unknown", data: declared("EBCDIC", "x"), code: CodeEncoding},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			text, err := Decode(test.data, test.charset)
			if test.code != "" {
				checkError(t, err, test.code, "")
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			root, err := Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			if root.Text != test.want {
				t.Errorf("got %q, want %q", root.Text, test.want)
			}
		})
	}
	if n := len([]rune(windows1252)); n != 32 {
		t.Errorf("the windows-1252 table has %d characters, want 32", n)
	}
}

// FuzzParse holds that a parsed document gives valid JSON, that writing its
// tree as XML gives a document that parses to the same JSON, and that a
// refused one comes back as an error with a code, never as a panic.
func FuzzParse(f *testing.F) {
	f.Add(`<?xml version="1.0" encoding="x"?><a k="1">t<b/><b><![CDATA[<]]></b></a>`)
	f.Add(`<p:a xmlns:p="u" p:k="&#xA;"><p:b>&amp;</p:b></p:a>`)
	f.Add(`<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>`)
	f.Add("<a>\r\n]]></a>")
	f.Fuzz(func(t *testing.T, document string) {
		root, err := Parse(document)
		if err != nil {
			if failure, ok := errors.AsType[*abi.Error](err); !ok || failure.Code == "" || !json.Valid(failure.Detail) {
				t.Fatalf("error without code or place: %#v", err)
			}
			return
		}
		style := DefaultStyle()
		style.KeepSpace = true
		first, err := root.AppendJSON(nil, style)
		if err != nil {
			t.Fatal(err)
		}
		if !json.Valid(first) {
			t.Fatalf("not JSON: %s", first)
		}
		written, err := root.AppendXML(nil)
		if err != nil {
			t.Fatalf("%q can't be written: %v", document, err)
		}
		again, err := Parse(string(written))
		if err != nil {
			t.Fatalf("%q was written as %q: %v", document, written, err)
		}
		second, err := again.AppendJSON(nil, style)
		if err != nil || string(first) != string(second) {
			t.Fatalf("%s\nbecame\n%s\n%v", first, second, err)
		}
	})
}
