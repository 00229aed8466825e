package rest

import (
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/trama-run/trama/pdk/abi"
	"github.com/trama-run/trama/pdk/go/pdktest"
)

func service(host *pdktest.Host) Service {
	return Service{
		Name: "Acme", Base: "https://api.acme.example",
		Send: host.HTTPSend,
		Now:  func() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) },
		Read: func(_ int, body json.RawMessage) Refusal {
			var said struct{ Kind, Message string }
			json.Unmarshal(body, &said)
			return Refusal{Kind: said.Kind, Message: said.Message}
		},
		Errors: []Meaning{{Status: 409, Kind: "BUSY", Code: "busy", Retry: true}},
	}
}

func TestPath(t *testing.T) {
	if got, err := Path("crm", "a/b", "ç ?#%"); err != nil || got != "/crm/a%2Fb/%C3%A7%20%3F%23%25" {
		t.Errorf("got %q, %v", got, err)
	}
	for _, segment := range []string{"", ".", ".."} {
		if got, err := Path("crm", segment); err == nil {
			t.Errorf("%q gives %q", segment, got)
		}
	}
}

func TestRequest(t *testing.T) {
	host := pdktest.NewHost(t, abi.HTTPExchange{
		Request:  abi.HTTPRequest{Method: "POST", URL: "/x?a=1+2", Headers: map[string]string{"Content-Type": "application/json", "X-Key": "k"}},
		Response: abi.HTTPResponse{Status: 200, Body: "\ufeff{\"id\": 9007199254740993}\n"},
	})
	answer, err := service(host).Do(Call{
		Method: "POST", Path: "/x", Query: url.Values{"a": {"1 2"}}, Headers: map[string]string{"X-Key": "k"},
		Body: map[string]any{"n": json.Number("9007199254740993"), "t": "<a&b>"},
	})
	if err != nil || string(answer.Body) != `{"id": 9007199254740993}` {
		t.Errorf("got %s, %v", answer.Body, err)
	}
	if body := host.Sent()[0].Body; body != `{"n":9007199254740993,"t":"<a&b>"}` {
		t.Errorf("sent %s", body)
	}
}

func TestAnswers(t *testing.T) {
	tests := []struct {
		name       string
		call       Call
		response   abi.HTTPResponse
		code       string // empty: no error
		retry      bool
		retryAfter int64
		message    string
	}{
		{name: "nothing", response: abi.HTTPResponse{Status: 204}},
		{name: "a status that is an answer here", call: Call{Good: []int{404}}, response: abi.HTTPResponse{Status: 404, Body: `{}`}},
		{name: "truncated read", response: abi.HTTPResponse{Status: 200, Body: `{"a":`}, code: CodeAnswer, retry: true, message: "of 5 bytes; look whether base_url"},
		{name: "truncated write", call: Call{Method: "PUT"}, response: abi.HTTPResponse{Status: 200, Body: `{"a":`}, code: CodeAnswer, message: "it has taken the request"},
		{name: "truncated search", call: Call{Method: "POST", Reads: true}, response: abi.HTTPResponse{Status: 200, Body: `{"a":`}, code: CodeAnswer, retry: true, message: "look whether base_url"},
		{name: "truncated create", call: Call{Method: "POST", Once: true}, response: abi.HTTPResponse{Status: 201, Body: `[`}, code: CodeAnswer, message: "look there before"},
		{name: "a page", response: abi.HTTPResponse{Status: 200, Body: `<html>`}, code: CodeAnswer, retry: true, message: "a page instead"},
		{name: "text", response: abi.HTTPResponse{Status: 200, Body: `OK`}, code: CodeAnswer, retry: true, message: "not JSON"},
		{name: "bytes", response: abi.HTTPResponse{Status: 200, BodyBase64: `/w==`}, code: CodeAnswer, retry: true, message: "not text"},
		{name: "redirect", response: abi.HTTPResponse{Status: 302}, code: CodeRejected, message: "base_url"},
		{name: "400", response: abi.HTTPResponse{Status: 400, Body: `{"message":"no such field"}`}, code: CodeRejected, message: "with 400: no such field"},
		{name: "401", response: abi.HTTPResponse{Status: 401}, code: CodeUnauthorized, message: "expired or revoked"},
		{name: "403", response: abi.HTTPResponse{Status: 403}, code: CodeForbidden},
		{name: "404", response: abi.HTTPResponse{Status: 404, Body: "<p>"}, code: CodeNotFound},
		{name: "409", response: abi.HTTPResponse{Status: 409}, code: CodeConflict},
		{name: "409 of its own", response: abi.HTTPResponse{Status: 409, Body: `{"kind":"BUSY"}`}, code: "busy", retry: true},
		{name: "422", response: abi.HTTPResponse{Status: 422}, code: CodeRejected},
		{name: "429", response: abi.HTTPResponse{Status: 429}, code: CodeRateLimited, retry: true},
		{name: "429 in seconds", response: abi.HTTPResponse{Status: 429, Headers: map[string]string{"retry-after": "7"}}, code: CodeRateLimited, retry: true, retryAfter: 7000},
		{name: "429 until", response: abi.HTTPResponse{Status: 429, Headers: map[string]string{"retry-after": "Sun, 01 Mar 2026 12:00:30 GMT"}}, code: CodeRateLimited, retry: true, retryAfter: 30_000},
		{name: "500", response: abi.HTTPResponse{Status: 500}, code: CodeUnavailable, retry: true},
		{name: "500 of what is done once", call: Call{Method: "POST", Once: true}, response: abi.HTTPResponse{Status: 500}, code: CodeUnavailable, message: "may have been done"},
		{name: "502 of what is done once", call: Call{Method: "POST", Once: true}, response: abi.HTTPResponse{Status: 502, Body: "<html>"}, code: CodeUnavailable, message: "may have been done"},
		{name: "503 of what is done once", call: Call{Method: "POST", Once: true}, response: abi.HTTPResponse{Status: 503}, code: CodeUnavailable, retry: true},
		{name: "501", response: abi.HTTPResponse{Status: 501}, code: CodeUnavailable},
		{name: "a long sentence", response: abi.HTTPResponse{Status: 400, Body: `{"message":"` + strings.Repeat("é", 5000) + `"}`}, code: CodeRejected, message: "é …"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.call.Path, test.call.Query = "/x", url.Values{"email": {"ana@acme.example"}}
			_, err := service(pdktest.NewHost(t, abi.HTTPExchange{Response: test.response})).Do(test.call)
			var failure *abi.Error
			if test.code == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if !errors.As(err, &failure) {
				t.Fatalf("no error")
			}
			if failure.Code != test.code || failure.Retryable != test.retry || failure.RetryAfterMillis != test.retryAfter || !strings.Contains(failure.Message, test.message) {
				t.Errorf("got %+v", failure)
			}
			var detail Detail
			if err := json.Unmarshal(failure.Detail, &detail); err != nil || detail.Status != test.response.Status {
				t.Errorf("detail %s, %v", failure.Detail, err)
			}
			if strings.Contains(failure.Message, "ana") || len(failure.Message) > 1500 {
				t.Errorf("the message tells the query, or too much: %s", failure.Message)
			}
		})
	}
}

func TestInto(t *testing.T) {
	var out struct{ ID json.Number }
	host := pdktest.NewHost(t, abi.HTTPExchange{Response: abi.HTTPResponse{Status: 200, Body: `{"id":9007199254740993,"new":{}}`}},
		abi.HTTPExchange{Response: abi.HTTPResponse{Status: 200, Body: `[]`}})
	if err := service(host).Into(Call{Path: "/x"}, &out); err != nil || out.ID != "9007199254740993" {
		t.Errorf("got %v, %v", out, err)
	}
	var failure *abi.Error
	if err := service(host).Into(Call{Path: "/x"}, &out); !errors.As(err, &failure) || failure.Code != CodeAnswer {
		t.Errorf("got %v", err)
	}
}

func TestList(t *testing.T) {
	const total = 25
	tests := []struct {
		name  string
		in    Bounds
		whole bool
		first int
		count int
		next  string
		sizes []int
	}{
		{"one page", Bounds{}, false, 0, 10, "10", []int{10}},
		{"fewer than a page", Bounds{MaxItems: 3}, false, 0, 3, "3", []int{3}},
		{"all", Bounds{MaxItems: 100}, false, 0, 25, "", []int{10, 10, 10}},
		{"to the bound", Bounds{MaxItems: 12}, false, 0, 12, "12", []int{10, 2}},
		{"whole pages", Bounds{MaxItems: 12}, true, 0, 20, "20", []int{10, 10}},
		{"goes on", Bounds{MaxItems: 5, Cursor: "12"}, false, 12, 5, "17", []int{5}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var sizes []int
			l := Lister[int]{Size: 10, Whole: test.whole, Next: func(cursor string, size int) (items []int, next string, err error) {
				sizes = append(sizes, size)
				from, _ := strconv.Atoi(cursor)
				for i := from; i < min(from+size, total); i++ {
					items = append(items, i)
				}
				if from+size < total {
					next = strconv.Itoa(from + size)
				}
				return items, next, nil
			}}
			got, err := l.List(test.in)
			if err != nil || len(got.Items) != test.count || got.Items[0] != test.first || got.Cursor != test.next || !slices.Equal(sizes, test.sizes) {
				t.Errorf("got %+v, %v, by pages of %v", got, err, sizes)
			}
		})
	}
	loop := Lister[int]{Size: 1, Next: func(string, int) ([]int, string, error) { return []int{1}, "a", nil }}
	if _, err := loop.List(Bounds{MaxItems: 9}); err == nil || !strings.Contains(err.Error(), "lead back") {
		t.Errorf("a loop gives %v", err)
	}
	limited := Lister[int]{Size: 1, Next: func(cursor string, _ int) ([]int, string, error) {
		if cursor == "end" {
			return nil, "", &abi.Error{Code: abi.CodeLimit, Message: "no further"}
		}
		return []int{1}, "end", nil
	}}
	if got, err := limited.List(Bounds{MaxItems: 9}); err != nil || len(got.Items) != 1 || got.Cursor != "end" {
		t.Errorf("a service that ends its listing gives %+v, %v", got, err)
	}
	if got, err := limited.List(Bounds{Cursor: "end"}); err == nil {
		t.Errorf("its end gives %+v", got)
	}
	pages := 0
	endless := Lister[int]{Size: 1, Next: func(string, int) ([]int, string, error) { pages++; return nil, strconv.Itoa(pages), nil }}
	if got, err := endless.List(Bounds{MaxItems: 9}); err != nil || pages != MaxPages || got.Cursor != strconv.Itoa(MaxPages) {
		t.Errorf("empty pages give %+v, %v after %d", got, err, pages)
	}
	if _, err := endless.List(Bounds{MaxItems: MaxItems + 1}); err == nil {
		t.Error("any number of items")
	}
}
