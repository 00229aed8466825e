package pdk

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/trama-run/trama/pdk/abi"
)

// full fills every field that a struct has, so that one that is added is not
// forgotten.
func full(into reflect.Value) {
	for i := range into.NumField() {
		switch field := into.Field(i); field.Kind() {
		case reflect.String:
			field.SetString("<\"\u00e9\\" + into.Type().Field(i).Name)
		case reflect.Int, reflect.Int64:
			field.SetInt(204)
		case reflect.Bool:
			field.SetBool(true)
		case reflect.Map:
			field.Set(reflect.ValueOf(map[string]string{"a": "b", "etag": `W/"1"`}))
		}
	}
}

// TestWriteRequest: what is written is what encoding/json writes, or nothing.
func TestWriteRequest(t *testing.T) {
	var all abi.HTTPRequest
	full(reflect.ValueOf(&all).Elem())
	all.WSSecurity = &abi.WSSecurity{}
	full(reflect.ValueOf(all.WSSecurity).Elem())
	for name, test := range map[string]struct {
		request abi.HTTPRequest
		plain   bool
	}{
		"all fields": {all, true},
		"URL":        {abi.HTTPRequest{URL: "/a?b=c&d"}, true},
		"nothing":    {abi.HTTPRequest{}, true},
		"no headers": {abi.HTTPRequest{URL: "/", Headers: map[string]string{}}, true},
		"not UTF-8":  {abi.HTTPRequest{URL: "/", Body: "a\xff"}, true},
		"parts":      {abi.HTTPRequest{Parts: []abi.HTTPPart{{Name: "a"}}}, false},
		"no place":   {abi.HTTPRequest{WSSecurity: &abi.WSSecurity{At: 1}}, true},
	} {
		data, plain := writeRequest(test.request)
		if plain != test.plain {
			t.Errorf("%s: %s, %v", name, data, plain)
		}
		if !plain {
			continue
		}
		slow, err := json.Marshal(test.request)
		if err != nil {
			t.Fatal(err)
		}
		var got, want abi.HTTPRequest
		if err := json.Unmarshal(data, &got); err != nil {
			t.Errorf("%s: %s: %v", name, data, err)
		}
		if err := json.Unmarshal(slow, &want); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %s, want %s", name, data, slow)
		}
	}
}

// TestReadResponse: what is read is what encoding/json reads, or nothing.
func TestReadResponse(t *testing.T) {
	var all abi.HTTPResponse
	full(reflect.ValueOf(&all).Elem())
	whole, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	for reply, plain := range map[string]bool{
		`{"ok":` + string(whole) + `}`:                                   true,
		`{"ok":{"status":200,"headers":{"a":"b"},"body":"{\"a\":1}\n"}}`: true,
		`{"ok":{"status":204,"headers":{}}}`:                             true,
		`{"ok":{}}`:                                                      true,
		`{"ok":{"status":200,"blob":{"id":"x"}}}`:                        false,
		`{"ok":{"status":200,"body":"\ud83d\ude00"}}`:                    false,
		`{"ok":{"status":200,"newer":1}}`:                                false,
		`{"ok": {"status":200}}`:                                         false,
		`{"ok":{"status":200}`:                                           false,
		`{"ok":{"status":200}}}`:                                         false,
		`{"error":{"code":"denied","message":"no"}}`:                     false,
		`{"ok":{"status":200},"error":{"code":"a"}}`:                     false,
		`{"ok":{"status":200,"headers":{"a":1}},"more":1}`:               false,
		``: false,
	} {
		got, ok := readResponse([]byte(reply))
		if ok != plain {
			t.Errorf("%s: %+v, %v", reply, got, ok)
		}
		if !ok {
			continue
		}
		var want struct{ OK abi.HTTPResponse }
		if err := json.Unmarshal([]byte(reply), &want); err != nil {
			t.Fatal(err)
		}
		if want.OK.Headers == nil {
			want.OK.Headers = got.Headers
		}
		if !reflect.DeepEqual(got, want.OK) {
			t.Errorf("%s: %+v, want %+v", reply, got, want.OK)
		}
	}
}

// TestAnswerOf: a reply that is plain and one that is not say the same.
func TestAnswerOf(t *testing.T) {
	for reply, want := range map[string]string{
		`{"ok":{"id":"a"}}`:                          "a",
		` {"error":null, "ok":{"id":"a"}} `:          "a",
		`{"error":{"code":"denied","message":"no"}}`: "denied: no",
		`{"ok":{"id":1}}`:                            "error: reply of the host: json: cannot unmarshal number into Go struct field EffectID.id of type string",
		`{"ok":`:                                     "error: reply of the host: unexpected end of JSON input",
		`{"ok":}`:                                    "error: reply of the host: unexpected end of JSON input",
		``:                                           "error: reply of the host: unexpected end of JSON input",
	} {
		got, err := answerOf[abi.EffectID]([]byte(reply))
		text := got.ID
		if err != nil {
			text = err.Error()
		}
		if text != want {
			t.Errorf("%s: %q, want %q", reply, text, want)
		}
	}
}
