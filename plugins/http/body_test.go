package main

import (
	"strings"
	"testing"

	"github.com/trama-run/trama/pdk/abi"
	pdk "github.com/trama-run/trama/pdk/go"
	"github.com/trama-run/trama/pdk/go/pdktest"
)

func TestBodiesThatAreRefused(t *testing.T) {
	tests := []struct{ name, body, message string }{
		{"three bodies", `"text":"","form":{},"blob":"x"`, `both "form" and "text"`},
		{"an object in an object's list", `"form":{"a":{"":1}}`, "form: a: an object"},
		{"a form that is a text", `"form":"a=b"`, "want an object, or a list of rows"},
		{"a row of a form with an object", `"form":[{"key":"a","value":{}}]`, `row 1, "a": an object`},
		{"no part", `"multipart":[]`, "the list is empty"},
		{"a part without a name", `"multipart":[{"value":"x"}]`, "part 1, \"\": it has no name"},
		{"a part with two contents", `"multipart":[{"name":"a","value":"","blob":"b"}]`, "more than one of value, base64 and blob"},
		{"a part without a content", `"multipart":[{"name":"a","filename":"x"}]`, `part 1, "a": it has none of value, base64 and blob`},
		{"a file that couldn't be had", `"multipart":[{"name":"a","filename":"x","blob":null}]`, `part 1, "a": it has none of`},
		{"a part without a text", `"multipart":[{"name":"a","value":null}]`, `part 1, "a": it has none of`},
		{"a part with an object", `"multipart":[{"name":"a","value":{}}]`, `part 1, "a": an object`},
		{"a part that is not base64", `"multipart":[{"name":"a","base64":"?"}]`, "not standard base64"},
		{"a form's own boundary", `"headers":{"content-type":"multipart/form-data; boundary=x"},"multipart":[{"name":"a","value":"b"}]`, "holds its boundary"},
		{"bytes that are not base64", `"body_base64":"?"`, "body_base64: it is not standard base64"},
		{"a blob without an id", `"blob":{"size":1}`, `blob: want what an answer with "as": "blob" gives`},
		{"rows that contradict each other", `"fields":[{"key":"a[0]","value":1},{"key":"a[b]","value":1}]`, `fields: row 2, "a[b]": it takes for an object what is a list (row 1, "a[0]")`},
		{"a header twice", `"headers":{"X-A":"1","x-a":"2"}`, "is given twice"},
		{"an unknown form of the answer", `"as":"xml"`, `as: "xml" is not one of`},
		{"an unknown output", `"output":"headers"`, `output: "headers" is neither`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			input := `{"url":"/","method":"DELETE",` + test.body + `}`
			output, failure := pdk.Call(over(pdktest.NewHost(t)).request, []byte(input))
			if failure == nil || failure.Code != abi.CodeInvalid || !strings.Contains(failure.Message, test.message) {
				t.Errorf("got %s, %v, want %q", output, failure, test.message)
			}
		})
	}
}

// Any method may have any body, and a type that is given stays.
func TestBodiesGoOut(t *testing.T) {
	tests := []struct {
		body string
		want abi.HTTPRequest
	}{
		{`"json":null`, abi.HTTPRequest{}},
		{`"json":[1]`, abi.HTTPRequest{Body: "[1]", Headers: map[string]string{"Content-Type": "application/json"}}},
		{`"fields":[]`, abi.HTTPRequest{Body: "{}"}},
		{`"form":{}`, abi.HTTPRequest{Headers: map[string]string{"Content-Type": "application/x-www-form-urlencoded"}}},
		{`"form":[{"key":"a[]","value":"x&y"},{"key":"a[]","value":true},{"key":"b","value":null}]`, abi.HTTPRequest{Body: "a%5B%5D=x%26y&a%5B%5D=true"}},
		{`"text":"<a/>","headers":{"content-type":"text/xml"}`, abi.HTTPRequest{Body: "<a/>", Headers: map[string]string{"content-type": "text/xml"}}},
		{`"body_base64":"AP8="`, abi.HTTPRequest{BodyBase64: "AP8=", Headers: map[string]string{"Content-Type": "application/octet-stream"}}},
		{`"multipart":[{"name":"a","base64":""},{"name":"b","value":""}]`, abi.HTTPRequest{Parts: []abi.HTTPPart{{Name: "a"}, {Name: "b"}}}},
		{`"blob":{"id":"x","size":1,"sha256":"","mime":"image/png"}`, abi.HTTPRequest{BodyBlob: "x", Headers: map[string]string{"Content-Type": "image/png"}}},
		{`"blob":{"id":"x","mime":"image/png"},"headers":{"content-type":"a/b"}`, abi.HTTPRequest{BodyBlob: "x", Headers: map[string]string{"content-type": "a/b"}}},
		{`"blob":"x"`, abi.HTTPRequest{BodyBlob: "x"}},
		{`"multipart":[{"name":"a","filename":"b","blob":{"id":"x","mime":"image/png"}},{"name":"c","filename":"d","type":"a/b","blob":{"id":"x","mime":"image/png"}},{"name":"e","filename":"f","blob":"x"}]`,
			abi.HTTPRequest{Parts: []abi.HTTPPart{{Name: "a", Filename: "b", Blob: "x", Type: "image/png"}, {Name: "c", Filename: "d", Blob: "x", Type: "a/b"}, {Name: "e", Filename: "f", Blob: "x"}}}},
	}
	for _, method := range []string{"POST", "DELETE", "GET", "PROPFIND"} {
		for _, test := range tests {
			test.want.Method = method
			host := pdktest.NewHost(t, abi.HTTPExchange{Request: test.want, Response: abi.HTTPResponse{Status: 204}})
			if _, failure := pdk.Call(over(host).request, []byte(`{"url":"/","method":"`+method+`",`+test.body+`}`)); failure != nil {
				t.Errorf("%s %s: %v", method, test.body, failure)
			}
			if sent := host.Sent()[0]; sent.Body != test.want.Body || len(test.want.Headers) == 0 && test.want.BodyBlob != "" && len(sent.Headers) > 0 {
				t.Errorf("%s %s: sent %+v", method, test.body, sent)
			}
		}
	}
}

func TestAs(t *testing.T) {
	tests := []struct{ name, as, contentType, body, base64, want, code string }{
		{name: "JSON under another type", as: "json", contentType: "text/plain", body: `{"a":1}`, want: `"body":{"a":1}`},
		{name: "no JSON", as: "json", contentType: "text/plain", body: `a`, code: codeBadJSON},
		{name: "cut JSON", as: "json", body: `{"a":`, code: codeBadJSON},
		{name: "nothing, where JSON should be", as: "json", code: codeBadJSON},
		{name: "text under JSON's type", as: "text", contentType: "application/json", body: `{"a":1}`, want: `"body":"{\"a\":1}"`},
		{name: "no text at all", as: "text", want: `"body":""`},
		{name: "bytes, where text should be", as: "text", base64: "/w==", code: codeBadText},
		{name: "text in base64", as: "base64", body: "a", want: `"body":null,"body_base64":"YQ=="`},
		{name: "bytes in base64", as: "base64", base64: "/w==", want: `"body":null,"body_base64":"/w=="`},
		{name: "Latin-1", as: "auto", contentType: `text/plain; charset="iso-8859-1"`, base64: "4w==", want: `"body":"ã"`},
		{name: "JSON in windows-1252", contentType: "application/json; charset=windows-1252", base64: "eyJhIjoigCJ9", want: `"body":{"a":"€"}`},
		{name: "a charset that lies", contentType: "text/plain; charset=utf-8", base64: "4w==", want: `"body":null,"body_base64":"4w=="`},
		{name: "an unknown charset", contentType: "text/plain; charset=klingon", base64: "4w==", want: `"body":null,"body_base64":"4w=="`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			answer := abi.HTTPResponse{Status: 200, Body: test.body, BodyBase64: test.base64, Headers: map[string]string{}}
			if test.contentType != "" {
				answer.Headers["content-type"] = test.contentType
			}
			host := pdktest.NewHost(t, abi.HTTPExchange{Response: answer})
			output, failure := pdk.Call(over(host).get, []byte(`{"url":"/","as":"`+test.as+`"}`))
			switch {
			case failure != nil && failure.Code != test.code, failure == nil && test.code != "":
				t.Errorf("got %s, %v", output, failure)
			case failure == nil && !strings.Contains(string(output), test.want):
				t.Errorf("got %s, want %s", output, test.want)
			case failure != nil && test.base64 != "" && !strings.Contains(string(failure.Detail), test.base64):
				t.Errorf("the detail is %s", failure.Detail)
			}
		})
	}
}
