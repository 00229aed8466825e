package pdk

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/trama-run/trama/pdk/abi"
)

type in struct {
	N    int64           `json:"n"`
	Text string          `json:"text"`
	Raw  json.RawMessage `json:"raw"`
}

// TestLongMessage: an error may quote what was given, however long that is.
func TestLongMessage(t *testing.T) {
	long := strings.Repeat("é", 1<<20)
	_, failure := Call(func(in string) (any, error) { return nil, Errorf("odd", "%s is odd", in) }, []byte(`"`+long+`"`))
	if failure == nil || failure.Code != "odd" || len(failure.Message) > maxMessage+3 || !utf8.ValidString(failure.Message) || !strings.HasPrefix(failure.Message, "éé") {
		t.Errorf("got %.20q... of %d bytes", failure.Message, len(failure.Message))
	}
}

// TestNoUTF8: what is no text is refused, with its place.
func TestNoUTF8(t *testing.T) {
	echo := func(in json.RawMessage) (json.RawMessage, error) { return in, nil }
	for input, want := range map[string]string{"\"a\xff\"": "2", "\"é\xe2\x82\"": "3", "\"\xed\xa0\xbd\"": "1"} {
		_, failure := Call(echo, []byte(input))
		_, open := CallOpen(echo, []byte(input))
		if want := "input: byte " + want + " is not UTF-8"; failure == nil || failure.Code != abi.CodeInvalid || failure.Message != want || !reflect.DeepEqual(failure, open) {
			t.Errorf("%q: %v and %v, want %s", input, failure, open, want)
		}
	}
	if out, failure := Call(echo, []byte("\"\ufffdé😀\"")); failure != nil || string(out) != "\"\ufffdé😀\"" {
		t.Errorf("%q, %v", out, failure)
	}
}

func TestCall(t *testing.T) {
	echo := func(v in) (any, error) { return map[string]any{"n": v.N, "text": v.Text}, nil }
	tests := []struct {
		name, input, output, code, message string
		f                                  func(in) (any, error)
	}{
		{name: "output", input: `{"n":9007199254740993,"text":"<&>"}`, f: echo, output: `{"n":9007199254740993,"text":"<&>"}`},
		{name: "raw output", input: `{"raw":{"b":1,"a":2}}`, f: func(v in) (any, error) { return v.Raw, nil }, output: `{"b":1,"a":2}`},
		{name: "empty raw output", input: `{}`, f: func(v in) (any, error) { return v.Raw, nil }, output: `null`},
		{name: "unknown field", input: `{"m":1}`, f: echo, code: abi.CodeInvalid, message: `input: unknown field "m"`},
		{name: "wrong type", input: `{"n":"1"}`, f: echo, code: abi.CodeInvalid, message: "input: cannot unmarshal string into Go struct field in.n of type int64"},
		{name: "no input", input: ``, f: echo, code: abi.CodeInvalid, message: "input: empty, want a JSON value"},
		{name: "two values", input: `{} {}`, f: echo, code: abi.CodeInvalid, message: "input: more than one JSON value"},
		{name: "plain error", input: `{}`, f: func(in) (any, error) { return nil, errors.New("no luck") }, code: CodeError, message: "no luck"},
		{name: "coded error, wrapped", input: `{}`, f: func(in) (any, error) { return nil, fmt.Errorf("a: %w", Errorf("odd", "it is %d", 3)) }, code: "odd", message: "it is 3"},
		{name: "output that is no JSON", input: `{}`, f: func(in) (any, error) { return func() {}, nil }, code: abi.CodeBadOutput, message: "output: json: unsupported type: func()"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			output, failure := Call(test.f, []byte(test.input))
			if test.code == "" {
				if failure != nil || string(output) != test.output {
					t.Errorf("got %s, %v, want %s", output, failure, test.output)
				}
				return
			}
			if failure == nil || failure.Code != test.code || failure.Message != test.message {
				t.Errorf("got %s, %v, want %s: %s", output, failure, test.code, test.message)
			}
			if output != nil {
				t.Errorf("output %s came with the error", output)
			}
		})
	}
}

func TestCallOpen(t *testing.T) {
	f := func(v in) (int64, error) { return v.N + 1, nil }
	if output, failure := CallOpen(f, []byte(`{"n":1,"newer":true}`)); failure != nil || string(output) != "2" {
		t.Errorf("got %s, %v", output, failure)
	}
	if _, failure := CallOpen(f, []byte(`{`)); failure == nil || failure.Code != abi.CodeInvalid {
		t.Errorf("got %v", failure)
	}
}

func TestRetryAfterMillis(t *testing.T) {
	for value, want := range map[string]int64{
		"":                              0,
		"7":                             7000,
		" 0 ":                           0,
		"-1":                            0,
		"soon":                          0,
		"99999999999999999999":          0,
		"Sun, 01 Mar 2099 12:00:30 GMT": 0,
	} {
		response := abi.HTTPResponse{Headers: map[string]string{"retry-after": value}}
		if got := RetryAfterMillis(response); got != want {
			t.Errorf("%q gives %d, want %d", value, got, want)
		}
	}
}

func TestRetryAfterMillisAt(t *testing.T) {
	now := time.Date(2099, 3, 1, 12, 0, 0, 0, time.UTC)
	for value, want := range map[string]int64{
		"":                              0,
		"7":                             7000,
		"soon":                          0,
		"Sun, 01 Mar 2099 12:00:30 GMT": 30_000,
		"Sun, 01 Mar 2099 11:59:30 GMT": 0,
	} {
		response := abi.HTTPResponse{Headers: map[string]string{"retry-after": value}}
		if got := RetryAfterMillisAt(response, now); got != want {
			t.Errorf("%q gives %d, want %d", value, got, want)
		}
	}
}

func TestStatusError(t *testing.T) {
	for status, want := range map[int]abi.Error{
		503: {Code: "http_status", Message: "the service answered 503", Retryable: true, RetryAfterMillis: 7000},
		422: {Code: "http_status", Message: "the service answered 422"},
	} {
		got := StatusError(abi.HTTPResponse{Status: status, Headers: map[string]string{"retry-after": "7"}})
		if !reflect.DeepEqual(*got, want) {
			t.Errorf("%+v, want %+v", *got, want)
		}
	}
}

func TestBody(t *testing.T) {
	for _, test := range []struct {
		response abi.HTTPResponse
		want     string
		fails    bool
	}{
		{abi.HTTPResponse{Body: "á"}, "á", false},
		{abi.HTTPResponse{BodyBase64: "4Q=="}, "\xe1", false},
		{abi.HTTPResponse{BodyBase64: "!"}, "", true},
	} {
		got, err := Body(test.response)
		if string(got) != test.want || (err != nil) != test.fails {
			t.Errorf("%+v gives %q, %v", test.response, got, err)
		}
	}
}
