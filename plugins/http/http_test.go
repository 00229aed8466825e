package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/trama-run/trama/pdk/abi"
	pdk "github.com/trama-run/trama/pdk/go"
	"github.com/trama-run/trama/pdk/go/pdktest"
)

func over(host *pdktest.Host) exchange {
	return exchange{send: host.HTTPSend, now: func() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }}
}

func TestExamples(t *testing.T) {
	pdktest.Examples(t, manifest, func(host *pdktest.Host) map[string]pdktest.Handler {
		return map[string]pdktest.Handler{
			"get":     pdktest.Handle(over(host).get),
			"request": pdktest.Handle(over(host).request),
			"preview": pdktest.Handle(shown),
			"test":    pdktest.Handle(over(host).test),
		}
	})
}

func TestRefusedBeforeSending(t *testing.T) {
	tests := []struct{ name, input, message string }{
		{"no method", `{"url":"/"}`, `method: "" is not an HTTP method`},
		{"lower-case method", `{"url":"/","method":"post"}`, "upper case"},
		{"method with a space", `{"url":"/","method":"GET /x"}`, "not an HTTP method"},
		{"another scheme", `{"url":"ftp://x/","method":"GET"}`, "neither absolute"},
		{"scheme-relative", `{"url":"//evil.example/","method":"GET"}`, "neither absolute"},
		{"no host", `{"url":"https:///x","method":"GET"}`, "neither absolute"},
		{"credentials", `{"url":"https://u:p@x/","method":"GET"}`, "authentication is the connection's"},
		{"fragment", `{"url":"/x#y","method":"GET"}`, "fragment"},
		{"broken escape", `{"url":"/%zz","method":"GET"}`, "url:"},
		{"header name", `{"url":"/","method":"GET","headers":{"a b":"c"}}`, `"a b" can't be a header's name`},
		{"header splitting", `{"url":"/","method":"GET","headers":{"X":"a\r\nB: c"}}`, "headers.X"},
		{"query object", `{"url":"/","method":"GET","query":{"a":{}}}`, "query.a: an object"},
		{"query array in array", `{"url":"/","method":"GET","query":{"a":[[1]]}}`, "query.a: an array inside"},
		{"negative timeout", `{"url":"/","method":"GET","timeout_millis":-1}`, "negative"},
		{"misspelt field", `{"url":"/","method":"GET","jsn":{}}`, `unknown field "jsn"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			output, failure := pdk.Call(over(pdktest.NewHost(t)).request, []byte(test.input))
			if failure == nil || failure.Code != abi.CodeInvalid || !strings.Contains(failure.Message, test.message) {
				t.Errorf("got %s, %v, want %q", output, failure, test.message)
			}
		})
	}
}

func TestAddress(t *testing.T) {
	tests := []struct{ url, query, want string }{
		{"", ``, ""},
		{"", `{"a":1}`, "?a=1"},
		{"?x=1", `{"a":true}`, "?x=1&a=true"},
		{"/a b/ç", ``, "/a%20b/%C3%A7"},
		{"/a%2Fb", ``, "/a%2Fb"},
		{"/x", `{"n":12345678901234567890,"s":"","e":[],"m":[1,"b",null,false]}`, "/x?m=1&m=b&m=false&n=12345678901234567890&s="},
		{"http://127.0.0.1:8080", `{"a":"b"}`, "http://127.0.0.1:8080?a=b"},
	}
	for _, test := range tests {
		var query map[string]json.RawMessage
		if test.query != "" {
			if err := json.Unmarshal([]byte(test.query), &query); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := address(test.url, query); err != nil || got != test.want {
			t.Errorf("%q with %s gives %q, %v, want %q", test.url, test.query, got, err, test.want)
		}
	}
}

func TestResponses(t *testing.T) {
	tests := []struct {
		name, contentType, body, base64 string
		status                          int
		want, wantBase64                string
	}{
		{name: "JSON", contentType: "application/json; charset=utf-8", body: " {\"a\": 1}\n", want: `{"a": 1}`},
		{name: "JSON by suffix", contentType: "application/problem+json", body: `{"a":1}`, status: 400, want: `{"a":1}`},
		{name: "JSON with a byte order mark", contentType: "application/json", body: "\ufeff[1]", want: `[1]`},
		{name: "no type, JSON", body: `[1]`, want: `[1]`},
		{name: "no type, text", body: `hello`, want: `"hello"`},
		{name: "text that looks like JSON", contentType: "text/plain", body: `[1]`, want: `"[1]"`},
		{name: "an error page called JSON", contentType: "application/json", body: `<html>`, status: 502, want: `"<html>"`},
		{name: "nothing", contentType: "application/json", want: `null`},
		{name: "bytes", contentType: "image/png", base64: "iVBORw==", want: `null`, wantBase64: "iVBORw=="},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			answer := abi.HTTPResponse{Status: max(test.status, 200), Body: test.body, BodyBase64: test.base64}
			if test.contentType != "" {
				answer.Headers = map[string]string{"content-type": test.contentType}
			}
			host := pdktest.NewHost(t, abi.HTTPExchange{Response: answer})
			out, err := over(host).get(Get{Common: Common{URL: "/"}})
			if err != nil {
				t.Fatal(err)
			}
			var got Response
			if err := json.Unmarshal(out.(json.RawMessage), &got); err != nil {
				t.Fatal(err)
			}
			if string(got.Body) != test.want || got.BodyBase64 != test.wantBase64 || got.Status != answer.Status {
				t.Errorf("got %+v with body %s", got, got.Body)
			}
		})
	}
}

func TestErrorOnStatus(t *testing.T) {
	for status, retryable := range map[int]bool{304: false, 400: false, 404: false, 429: true, 500: true, 502: true, 503: true, 504: true} {
		host := pdktest.NewHost(t, abi.HTTPExchange{Response: abi.HTTPResponse{
			Status: status, Headers: map[string]string{"retry-after": "Sun, 01 Mar 2026 12:00:30 GMT"}, Body: `{"why":"x"}`,
		}})
		_, failure := pdk.Call(over(host).get, []byte(`{"url":"/x?token=hush","error_on_status":true}`))
		if failure == nil || failure.Code != "http_status" || failure.Retryable != retryable || failure.RetryAfterMillis != 30_000 {
			t.Errorf("status %d gives %+v", status, failure)
			continue
		}
		if strings.Contains(failure.Message, "hush") {
			t.Errorf("the message repeats the query: %s", failure.Message)
		}
		var detail struct {
			Status int
			Body   struct{ Why string }
		}
		if err := json.Unmarshal(failure.Detail, &detail); err != nil || detail.Status != status || detail.Body.Why != "x" {
			t.Errorf("detail %s, %v", failure.Detail, err)
		}
	}
}

func TestHostErrorsPassThrough(t *testing.T) {
	e := exchange{send: func(abi.HTTPRequest) (abi.HTTPResponse, error) {
		return abi.HTTPResponse{}, &abi.Error{Code: abi.CodeDenied, Message: "origin is not granted"}
	}}
	if _, failure := pdk.Call(e.get, []byte(`{"url":"https://x/"}`)); failure == nil || failure.Code != abi.CodeDenied {
		t.Errorf("got %v", failure)
	}
}
