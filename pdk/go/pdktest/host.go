// Package pdktest tests plugins natively, without WebAssembly: a [Host] plays
// the host's side of the boundary, and [Examples] runs the examples of a
// manifest through a plugin's logic.
package pdktest

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/trama-run/trama/pdk/abi"
)

// Host is the host's side of one call. Its methods have the signatures of
// pdk's functions, so that logic which takes those takes these.
type Host struct {
	t         testing.TB
	exchanges []abi.HTTPExchange
	sent      []abi.HTTPRequest
	keys      map[string]key
	rand      *rand.Rand
	blobs     int // that were made
	state
}

// NewHost gives a host that expects the exchanges, in order. The test fails
// if the call sends something else, or ends before the last of them.
func NewHost(t testing.TB, exchanges ...abi.HTTPExchange) *Host {
	host := &Host{t: t, exchanges: exchanges, keys: map[string]key{}, rand: rand.New(rand.NewPCG(1, 2)),
		state: state{config: map[string]string{}, secrets: map[string]bool{}, memory: map[string][]byte{}}}
	t.Cleanup(func() {
		if missing := len(exchanges) - len(host.sent); missing > 0 && !t.Failed() {
			t.Errorf("%d of %d expected HTTP requests were not sent", missing, len(exchanges))
		}
	})
	return host
}

// Rand gives the host's one generator, whose numbers are the same in every run
// of a test.
func (h *Host) Rand() *rand.Rand { return h.rand }

// Sent lists the requests so far.
func (h *Host) Sent() []abi.HTTPRequest { return slices.Clone(h.sent) }

// HTTPSend compares the request with the next expected exchange and gives its
// response.
func (h *Host) HTTPSend(request abi.HTTPRequest) (abi.HTTPResponse, error) {
	h.t.Helper()
	h.sent = append(h.sent, request)
	if len(h.sent) > len(h.exchanges) {
		h.t.Errorf("request %d is not expected: %s %s", len(h.sent), request.Method, request.URL)
		return abi.HTTPResponse{}, &abi.Error{Code: abi.CodeUnreachable, Message: "no exchange was given for this request"}
	}
	exchange := h.exchanges[len(h.sent)-1]
	if difference := compareRequest(exchange.Request, request); difference != "" {
		h.t.Errorf("request %d: %s", len(h.sent), difference)
	}
	if request.Response == abi.ResponseBlob && exchange.Response.Blob == nil {
		return h.blobOf(exchange.Response), nil
	}
	return exchange.Response, nil
}

// blobOf keeps an answer's body as a blob, which is called "blob-1" and so on,
// in the order in which they come.
func (h *Host) blobOf(answer abi.HTTPResponse) abi.HTTPResponse {
	content := []byte(answer.Body)
	if answer.BodyBase64 != "" {
		var err error
		if content, err = base64.StdEncoding.DecodeString(answer.BodyBase64); err != nil {
			h.t.Fatalf("the body of an answer: %v", err)
		}
	}
	h.blobs++
	sum := sha256.Sum256(content)
	mime, _ := header(answer.Headers, "content-type")
	answer.Body, answer.BodyBase64 = "", ""
	answer.Blob = &abi.Blob{ID: fmt.Sprint("blob-", h.blobs), Size: int64(len(content)), SHA256: hex.EncodeToString(sum[:]), MIME: mime}
	return answer
}

// compareRequest says how got differs from want, whose empty fields are not
// compared. Bodies that are both JSON are compared as values.
func compareRequest(want, got abi.HTTPRequest) string {
	if got.Method == "" {
		got.Method = "GET"
	}
	if want.Method != "" && want.Method != got.Method {
		return fmt.Sprintf("method %s, want %s", got.Method, want.Method)
	}
	if want.URL != "" && want.URL != got.URL {
		return fmt.Sprintf("url %q, want %q", got.URL, want.URL)
	}
	for _, name := range slices.Sorted(maps.Keys(want.Headers)) {
		if value, ok := header(got.Headers, name); !ok || value != want.Headers[name] {
			return fmt.Sprintf("header %s %q, want %q", name, value, want.Headers[name])
		}
	}
	if want.BodyBlob != "" && want.BodyBlob != got.BodyBlob {
		return fmt.Sprintf("body_blob %q, want %q", got.BodyBlob, want.BodyBlob)
	}
	if want.Parts != nil && !slices.EqualFunc(want.Parts, got.Parts, samePart) {
		return fmt.Sprintf("parts\n%+v\nwant\n%+v", got.Parts, want.Parts)
	}
	wantBody, err := body(want)
	if err != nil {
		return "the expected body: " + err.Error()
	}
	gotBody, err := body(got)
	if err != nil {
		return "body: " + err.Error()
	}
	if wantBody != "" && wantBody != gotBody && !equalJSON([]byte(wantBody), []byte(gotBody)) {
		return fmt.Sprintf("body\n%s\nwant\n%s", gotBody, wantBody)
	}
	if want.TimeoutMillis != 0 && want.TimeoutMillis != got.TimeoutMillis {
		return fmt.Sprintf("timeout %d ms, want %d ms", got.TimeoutMillis, want.TimeoutMillis)
	}
	return ""
}

// samePart compares parts; a type that is not expected is not compared.
func samePart(want, got abi.HTTPPart) bool {
	if want.Type == "" {
		got.Type = ""
	}
	return want == got
}

// header gives a header in any spelling. That of pdk.JSONRequest gives way to
// another one, as it does in a plugin.
func header(headers map[string]string, name string) (value string, found bool) {
	for key, v := range headers {
		if strings.EqualFold(key, name) && (!found || key != "Content-Type") {
			value, found = v, true
		}
	}
	return value, found
}

func body(request abi.HTTPRequest) (string, error) {
	if request.BodyBase64 == "" {
		return request.Body, nil
	}
	if request.Body != "" {
		return "", fmt.Errorf("both body and body_base64 are set")
	}
	data, err := base64.StdEncoding.DecodeString(request.BodyBase64)
	return string(data), err
}

// equalJSON compares two JSON texts as values; numbers must be written alike,
// so that an integer that lost digits is noticed.
func equalJSON(a, b []byte) bool {
	left, err := parseJSON(a)
	if err != nil {
		return false
	}
	right, err := parseJSON(b)
	return err == nil && reflect.DeepEqual(left, right)
}

func parseJSON(data []byte) (value any, err error) {
	decoder := json.NewDecoder(strings.NewReader(string(data)))
	decoder.UseNumber()
	err = decoder.Decode(&value)
	return value, err
}
