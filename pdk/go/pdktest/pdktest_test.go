package pdktest

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/trama-run/trama/pdk/abi"
)

// recorder is a test that keeps its failures.
type recorder struct {
	testing.TB
	failures []string
	cleanups []func()
}

func (r *recorder) Helper()          {}
func (r *recorder) Cleanup(f func()) { r.cleanups = append(r.cleanups, f) }
func (r *recorder) Failed() bool     { return len(r.failures) > 0 }
func (r *recorder) Errorf(format string, args ...any) {
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}

func TestHostExpectsExchanges(t *testing.T) {
	post := abi.HTTPRequest{Method: "POST", URL: "/x", Headers: map[string]string{"Content-Type": "application/json"}, Body: `{"a":1,"b":2}`}
	tests := []struct {
		name string
		want abi.HTTPRequest
		send []abi.HTTPRequest
		fail string
	}{
		{"as expected", post, []abi.HTTPRequest{{Method: "POST", URL: "/x", Headers: map[string]string{"content-type": "application/json"}, Body: `{"b":2, "a":1}`}}, ""},
		{"empty fields are not compared", abi.HTTPRequest{}, []abi.HTTPRequest{post}, ""},
		{"its own type", abi.HTTPRequest{Headers: map[string]string{"Content-Type": "text/x"}}, []abi.HTTPRequest{{Headers: map[string]string{"content-type": "text/x", "Content-Type": "application/json"}}}, ""},
		{"base64 is the same body", post, []abi.HTTPRequest{{Method: "POST", URL: "/x", Headers: post.Headers, BodyBase64: "eyJhIjoxLCJiIjoyfQ=="}}, ""},
		{"GET by default", abi.HTTPRequest{Method: "GET"}, []abi.HTTPRequest{{}}, ""},
		{"another method", post, []abi.HTTPRequest{{Method: "PUT", URL: "/x", Headers: post.Headers, Body: post.Body}}, "method PUT"},
		{"another url", post, []abi.HTTPRequest{{Method: "POST", URL: "/y", Headers: post.Headers, Body: post.Body}}, `url "/y"`},
		{"no header", post, []abi.HTTPRequest{{Method: "POST", URL: "/x", Body: post.Body}}, "header Content-Type"},
		{"another body", post, []abi.HTTPRequest{{Method: "POST", URL: "/x", Headers: post.Headers, Body: `{"a":1,"b":2.0}`}}, "body"},
		{"another timeout", abi.HTTPRequest{TimeoutMillis: 5}, []abi.HTTPRequest{{}}, "timeout"},
		{"one too many", abi.HTTPRequest{}, []abi.HTTPRequest{{}, {}}, "request 2 is not expected"},
		{"none", abi.HTTPRequest{}, nil, "1 of 1 expected HTTP requests were not sent"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := &recorder{TB: t}
			host := NewHost(r, abi.HTTPExchange{Request: test.want, Response: abi.HTTPResponse{Status: 299}})
			for i, request := range test.send {
				response, err := host.HTTPSend(request)
				if i == 0 && (err != nil || response.Status != 299) {
					t.Errorf("got %+v, %v", response, err)
				}
			}
			for _, cleanup := range r.cleanups {
				cleanup()
			}
			switch {
			case test.fail == "" && r.Failed():
				t.Errorf("failed with %q", r.failures)
			case test.fail != "" && (len(r.failures) != 1 || !strings.Contains(r.failures[0], test.fail)):
				t.Errorf("failed with %q, want %q", r.failures, test.fail)
			}
		})
	}
}

func TestRandRepeats(t *testing.T) {
	first, second := NewHost(t), NewHost(t)
	a, b := first.Rand().Uint64(), first.Rand().Uint64()
	if c, d := second.Rand().Uint64(), second.Rand().Uint64(); a == b || a != c || b != d {
		t.Errorf("one host gives %d and %d, another %d and %d", a, b, c, d)
	}
}

func TestCompareEnd(t *testing.T) {
	output := func(text string) abi.Example { return abi.Example{Output: json.RawMessage(text)} }
	failing := abi.Example{Error: &abi.Error{Code: "c", Message: "part"}}
	detailed := abi.Example{Error: &abi.Error{Code: "c", Detail: json.RawMessage(`{ "status": 404 }`)}}
	repeated := abi.Example{Error: &abi.Error{Code: "c", Retryable: true, RetryAfterMillis: 5}}
	for _, test := range []struct {
		name    string
		example abi.Example
		output  string
		failure *abi.Error
		equal   bool
	}{
		{"same output", output(`{"a":1,"b":[2]}`), `{"b":[2],"a":1}`, nil, true},
		{"lost digits", output(`9007199254740993`), `9007199254740992`, nil, false},
		{"another order in an array", output(`[1,2]`), `[2,1]`, nil, false},
		{"failed", output(`1`), ``, &abi.Error{Code: "c"}, false},
		{"same error", failing, ``, &abi.Error{Code: "c", Message: "a part of it"}, true},
		{"another code", failing, ``, &abi.Error{Code: "d", Message: "part"}, false},
		{"another message", failing, ``, &abi.Error{Code: "c", Message: "whole"}, false},
		{"no error", failing, `1`, nil, false},
		{"same detail", detailed, ``, &abi.Error{Code: "c", Detail: json.RawMessage(`{"status":404}`)}, true},
		{"repeated as it says", repeated, ``, &abi.Error{Code: "c", Retryable: true, RetryAfterMillis: 5}, true},
		{"not to be repeated", repeated, ``, &abi.Error{Code: "c", RetryAfterMillis: 5}, false},
		{"repeated sooner", repeated, ``, &abi.Error{Code: "c", Retryable: true, RetryAfterMillis: 4}, false},
		{"another detail", detailed, ``, &abi.Error{Code: "c", Detail: json.RawMessage(`{"status":400}`)}, false},
		{"no detail", detailed, ``, &abi.Error{Code: "c"}, false},
	} {
		if difference := compareEnd(test.example, []byte(test.output), test.failure); (difference == "") != test.equal {
			t.Errorf("%s: %q", test.name, difference)
		}
	}
}
