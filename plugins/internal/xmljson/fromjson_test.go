package xmljson

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/trama-run/trama/pdk/abi"
)

func TestFromJSON(t *testing.T) {
	tests := []struct{ name, value, want string }{
		{"text", `"x"`, `<a>x</a>`},
		{"escaped", `"<a href=\"x\">&]]></a>\r\n"`, "<a>&lt;a href=\"x\"&gt;&amp;]]&gt;&lt;/a&gt;&#13;\n</a>"},
		{"number as written", `[12345678901234567890, 1.50, 1e3]`, `<a>12345678901234567890</a><a>1.50</a><a>1e3</a>`},
		{"boolean", `true`, `<a>true</a>`},
		{"null is absent", `null`, ``},
		{"empty string is an empty element", `""`, `<a/>`},
		{"empty object", `{}`, `<a/>`},
		{"order is kept", `{"z":1,"b":2,"c":{"y":1,"x":2}}`, `<a><z>1</z><b>2</b><c><y>1</y><x>2</x></c></a>`},
		{"attributes anywhere", `{"b":1,"@k":"\"<\n\t","@n":null,"@t":true}`, `<a k="&quot;&lt;&#10;&#9;" t="true"><b>1</b></a>`},
		{"text beside attributes", `{"@k":1,"#text":"x"}`, `<a k="1">x</a>`},
		{"arrays repeat", `{"i":[1,{"@k":2},null,"x"],"j":[]}`, `<a><i>1</i><i k="2"/><i>x</i></a>`},
		{"an order", `{"#order":["z","m","a"],"a":1,"m":2,"z":3}`, `<a><z>3</z><m>2</m><a>1</a></a>`},
		{"an order of some, the others as they come", `{"d":1,"c":2,"b":3,"#order":["b"]}`, `<a><b>3</b><d>1</d><c>2</c></a>`},
		{"an order with names that are not there", `{"a":1,"b":null,"c":3,"#order":["x","c","b","a"]}`, `<a><c>3</c><a>1</a></a>`},
		{"an order that names one twice", `{"a":1,"b":2,"#order":["b","a","b"]}`, `<a><b>2</b><a>1</a></a>`},
		{"an order at every level", `{"#order":["y"],"x":[{"#order":["p:q","o"],"@xmlns:p":"urn:p","o":1,"p:q":2},{"o":3,"p":4}],"y":{"#order":["t"],"s":5,"t":[6,7]}}`,
			`<a><y><t>6</t><t>7</t><s>5</s></y><x xmlns:p="urn:p"><p:q>2</p:q><o>1</o></x><x><o>3</o><p>4</p></x></a>`},
		{"an order beside attributes and text", `{"#order":["@k","#text"],"@j":1,"@k":2,"#text":"x"}`, `<a j="1" k="2">x</a>`},
		{"an empty order", `{"#order":[],"b":1,"a":2}`, `<a><b>1</b><a>2</a></a>`},
		{"namespaces", `{"@xmlns":"urn:a","@xmlns:p":"urn:p","p:b":1}`, `<a xmlns="urn:a" xmlns:p="urn:p"><p:b>1</p:b></a>`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := write(test.value)
			if err != nil {
				t.Fatal(err)
			}
			if got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

func write(value string) (string, error) {
	elements, err := FromJSON("body", "a", json.RawMessage(value))
	if err != nil {
		return "", err
	}
	var out []byte
	for _, element := range elements {
		if out, err = element.AppendXML(out); err != nil {
			return "", err
		}
	}
	return string(out), nil
}

func TestFromJSONRefuses(t *testing.T) {
	tests := []struct{ name, value, code, message string }{
		{"name with a space", `{"b c":1}`, abi.CodeInvalid, `body.b c: "b c" can't be the name`},
		{"markup as name", `{"b><c":1}`, abi.CodeInvalid, "can't be the name"},
		{"markup as attribute", `{"@b=\"1\" c":1}`, abi.CodeInvalid, "can't be the name"},
		{"empty name", `{"":1}`, abi.CodeInvalid, "can't be the name"},
		{"digit first", `{"1b":1}`, abi.CodeInvalid, "can't be the name"},
		{"two colons", `{"a:b:c":1}`, abi.CodeInvalid, "can't be the name"},
		{"control character", `{"b":["x","a\u0000"]}`, abi.CodeInvalid, "body.b[1]: character U+0000 at byte 1"},
		{"noncharacter in attribute", `{"@b":"\uffff"}`, abi.CodeInvalid, "U+FFFF"},
		{"object as attribute", `{"@b":{}}`, abi.CodeInvalid, "body.@b: an object or array"},
		{"array as text", `{"#text":[1]}`, abi.CodeInvalid, "body.#text: an object or array"},
		{"array in array", `{"b":[[1,2]]}`, abi.CodeInvalid, "body.b[0]: an array directly inside an array"},
		{"unbound prefix", `{"p:b":1}`, abi.CodeInvalid, `prefix "p"`},
		{"attribute twice", `{"@k":1,"@k":2}`, abi.CodeInvalid, `"k" stands twice`},
		{"order that is text", `{"b":{"#order":"c"}}`, abi.CodeInvalid, "body.b.#order: want a list of the names of child elements"},
		{"order that is null", `{"#order":null}`, abi.CodeInvalid, "body.#order: want a list"},
		{"order of a number", `{"#order":["b",1]}`, abi.CodeInvalid, "body.#order: want a list"},
		{"order of null", `{"#order":["b",null]}`, abi.CodeInvalid, "body.#order: want a list"},
		{"order in an array", `{"b":[{},{"#order":{}}]}`, abi.CodeInvalid, "body.b[1].#order: want a list"},
		{"order as an attribute", `{"@#order":"x"}`, abi.CodeInvalid, "can't be the name"},
		{"too deep", strings.Repeat(`{"b":`, MaxDepth+2) + "1" + strings.Repeat("}", MaxDepth+2), abi.CodeLimit, "deeper than"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := write(test.value)
			if err == nil {
				t.Fatalf("gave %s", got)
			}
			checkError(t, err, test.code, test.message)
		})
	}
}

// TestRoundTrip: what is written as XML parses back to the same JSON.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tree := drawElement(t, "root", 0)
		written, err := tree.AppendXML(nil)
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := Parse(string(written))
		if err != nil {
			t.Fatalf("%s: %v", written, err)
		}
		style := DefaultStyle()
		style.KeepSpace = true
		want, _ := tree.AppendJSON(nil, style)
		got, err := parsed.AppendJSON(nil, style)
		if err != nil || string(got) != string(want) {
			t.Fatalf("%s\ngave %s\nwant %s\n%v", written, got, want, err)
		}
		elements, err := FromJSON("root", "root", jsonContent(t, got))
		if err != nil || len(elements) != 1 {
			t.Fatalf("%v, %d elements", err, len(elements))
		}
		back, _ := elements[0].AppendJSON(nil, style)
		if string(back) != string(want) {
			t.Fatalf("from JSON %s\nwant %s", back, want)
		}
	})
}

// TestDocument: in each form, what is written is read back as it was.
func TestDocument(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tree := drawElement(t, "root", 0)
		form := Form{
			Encoding: rapid.SampledFrom([]string{"", "ISO-8859-1"}).Draw(t, "encoding"), Declaration: true,
			Indent: rapid.IntRange(0, 2).Draw(t, "indent"), CDATA: []string{"b", "x.y-1"},
		}
		written, err := tree.Document(form)
		if err != nil {
			t.Fatal(err)
		}
		text, err := Decode(written, "")
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := Parse(text)
		if err != nil {
			t.Fatalf("%s: %v", written, err)
		}
		style := DefaultStyle()
		style.KeepSpace = true
		want, _ := tree.AppendJSON(nil, style)
		got, err := parsed.AppendJSON(nil, style)
		if err != nil || string(got) != string(want) {
			t.Fatalf("%s\ngave %s\nwant %s\n%v", written, got, want, err)
		}
	})
	if got, err := (&Element{Name: "a", Text: "x]]>y"}).Document(Form{CDATA: []string{"a"}}); err != nil || string(got) != "<a><![CDATA[x]]]]>&gt;<![CDATA[y]]></a>" {
		t.Errorf("%s, %v", got, err)
	}
	if _, err := (&Element{Name: "a€"}).Document(Form{Encoding: "ISO-8859-1"}); err == nil {
		t.Error("a name that ISO-8859-1 lacks was written")
	}
	if _, err := (&Element{Name: "a"}).Document(Form{Encoding: "UTF-16"}); err == nil {
		t.Error("UTF-16 was written")
	}
}

// TestOrder: an object whose members were sorted makes the same XML as the
// object itself, if "#order" tells how they stood. It needs not tell of those
// at the end that sorting puts there too.
func TestOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		written, sorted := drawObject(t, 0)
		want, err := write(written)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := write(sorted); err != nil || got != want {
			t.Fatalf("%s\ngives %s, %v\nwant  %s\nas    %s", sorted, got, err, want, written)
		}
	})
}

// drawObject draws the JSON of one object twice: as it is, and with sorted
// members and "#order".
func drawObject(t *rapid.T, depth int) (written, sorted string) {
	names := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "c", "ção", "x.y-1", "Z"}), 0, 5, rapid.ID[string]).Draw(t, "names")
	asWritten, asSorted := make([]string, len(names)), make([]string, len(names))
	for i, name := range names {
		var plain, inner []string
		for range rapid.IntRange(1, 3).Draw(t, "times") {
			p, s := "1", "1"
			if depth < 2 && rapid.Bool().Draw(t, "object") {
				p, s = drawObject(t, depth+1)
			}
			plain, inner = append(plain, p), append(inner, s)
		}
		key := string(AppendString(nil, name)) + ":"
		asWritten[i] = key + "[" + strings.Join(plain, ",") + "]"
		asSorted[i] = key + "[" + strings.Join(inner, ",") + "]"
	}
	order := slices.Clone(names)
	for len(order) > 0 && order[len(order)-1] == slices.Max(order) {
		order = order[:len(order)-1] // sorted, it comes last anyway
	}
	if rapid.Bool().Draw(t, "one that is not there") {
		at := rapid.IntRange(0, len(order)).Draw(t, "at")
		order = slices.Insert(order, at, "absent")
	}
	listed, err := json.Marshal(order)
	if err != nil {
		t.Fatal(err)
	}
	asSorted = append(asSorted, `"#order":`+string(listed))
	slices.Sort(asSorted)
	return "{" + strings.Join(asWritten, ",") + "}", "{" + strings.Join(asSorted, ",") + "}"
}

func drawElement(t *rapid.T, name string, depth int) *Element {
	text := rapid.StringMatching("[ -~\n\t\rçã€😀]{0,6}")
	e := &Element{Name: name, Text: text.Draw(t, "text")}
	for _, key := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"k", "id", "xml:lang"}), 0, 2, rapid.ID[string]).Draw(t, "attributes") {
		e.Attributes = append(e.Attributes, Attribute{Name: key, Value: text.Draw(t, "value")})
	}
	if depth < 3 {
		for range rapid.IntRange(0, 3).Draw(t, "children") {
			child := rapid.SampledFrom([]string{"b", "ção", "x.y-1"}).Draw(t, "name")
			e.Children = append(e.Children, drawElement(t, child, depth+1))
		}
	}
	if len(e.Children) > 0 && isSpace(e.Text) {
		e.Text = "" // Parse leaves it out
	}
	return e
}

func jsonContent(t *rapid.T, object []byte) json.RawMessage {
	var content map[string]json.RawMessage
	if err := json.Unmarshal(object, &content); err != nil {
		t.Fatal(err)
	}
	return content["root"]
}

func TestAppendString(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String().Draw(t, "text")
		var back string
		if err := json.Unmarshal(AppendString(nil, text), &back); err != nil || back != text {
			t.Fatalf("%q became %q, %v", text, back, err)
		}
	})
	if got := string(AppendString(nil, "a\xffb\x01")); got != `"a`+"\ufffd"+`b\u0001"` {
		t.Errorf("got %s", got)
	}
}
