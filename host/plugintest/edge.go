package plugintest

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/trama-run/trama/host/egress"
	"github.com/trama-run/trama/pdk/abi"
)

// recorder stands at the edge of the process: it writes down the requests of a
// call and, as a transport, answers them. Requests come there as egress made
// them, with secrets in them.
type recorder struct {
	base    string
	secrets []abi.SecretRequest

	mu        sync.Mutex
	exchanges []Exchange         // guarded by mu, as all below
	sent      []abi.HTTPExchange // what went out
	failures  []string           // of each: why nobody answered it; empty: somebody did
	wrong     []Difference
	cut       bool
}

// begin forgets the call before.
func (r *recorder) begin(exchanges []Exchange) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.exchanges, r.sent, r.failures, r.wrong, r.cut = exchanges, nil, nil, nil, false
}

// end writes down the requests of the call, what was wrong with them, and whether
// not all of them is there.
func (r *recorder) end(out *Outcome) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := len(r.sent); i < len(r.exchanges); i++ {
		want := r.exchanges[i].Request
		r.wrong = append(r.wrong, Difference{
			At: fmt.Sprintf("http[%d]", i), Want: cmp.Or(want.Method, "a request") + " " + want.URL, Got: nothing,
		})
	}
	out.Requests, out.Failures, out.Unexpected, out.Cut = r.sent, r.failures, r.wrong, r.cut
}

// timedOut is the network's error where no answer came in time.
type timedOut struct{ error }

func (timedOut) Timeout() bool   { return true }
func (timedOut) Temporary() bool { return true }

// RoundTrip answers a request with the next exchange.
func (r *recorder) RoundTrip(request *http.Request) (*http.Response, error) {
	var body []byte
	if request.Body != nil {
		defer request.Body.Close()
		var err error
		if body, err = io.ReadAll(request.Body); err != nil {
			return nil, err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	i := len(r.sent)
	got := r.show(request.Method, request.URL.String(), request.Header, body)
	r.sent = append(r.sent, abi.HTTPExchange{Request: got})
	at := fmt.Sprintf("http[%d]", i)
	if i >= len(r.exchanges) {
		r.failures = append(r.failures, FailureRefused)
		r.wrong = append(r.wrong, Difference{At: at, Want: "no more requests", Got: brief(got)})
		return nil, errors.New("no answer to this request is given: list one under http in the case, or in the file of --http")
	}
	want := r.exchanges[i]
	r.failures = append(r.failures, want.Failure)
	r.wrong = append(r.wrong, compareRequest(at+".request", want.Request, got)...)
	switch want.Failure {
	case FailureTimeout:
		return nil, timedOut{errors.New("no answer in time")}
	case FailureRefused:
		return nil, errors.New("connection refused")
	}
	response, err := r.give(request, *want.Response)
	if err != nil {
		return nil, err
	}
	r.sent[i].Response = abi.HTTPResponse{Status: response.StatusCode, Headers: want.Response.Headers}
	if answer, err := want.Response.body(); err == nil {
		r.sent[i].Response.Body, r.sent[i].Response.BodyBase64 = textOrBase64(answer)
	}
	return response, nil
}

// give makes an answer of what a case says.
func (r *recorder) give(request *http.Request, a Response) (*http.Response, error) {
	body, err := a.body()
	if err != nil {
		return nil, err
	}
	header := http.Header{}
	if _, isText := a.Body.Any().(string); !a.Body.IsZero() && !isText {
		header.Set("Content-Type", "application/json")
	}
	for name, value := range a.Headers {
		header.Set(name, r.unmark(value))
	}
	if utf8.Valid(body) {
		body = []byte(r.unmark(string(body)))
	}
	return &http.Response{
		StatusCode: cmp.Or(a.Status, 200), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: header,
		Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)), Request: request,
	}, nil
}

// seen writes an exchange with the real network down.
func (r *recorder) seen(_ context.Context, x *egress.Exchange) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := abi.HTTPExchange{Request: r.show(x.Method, x.URL, x.Asked, x.AskedBody)}
	e.Response.Status = x.Status
	e.Response.Headers = r.headers(x.Answered)
	delete(e.Response.Headers, "content-length")
	delete(e.Response.Headers, "date")
	e.Response.Body, e.Response.BodyBase64 = textOrBase64([]byte(r.mark(string(x.AnsweredBody))))
	failure := ""
	if x.Status == 0 {
		if failure = FailureRefused; x.Failure != nil && x.Failure.Code == abi.CodeTimeout {
			failure = FailureTimeout
		}
	}
	r.sent, r.failures = append(r.sent, e), append(r.failures, failure)
	r.cut = r.cut || x.AskedBytes > int64(len(x.AskedBody)) || x.AnsweredBytes > int64(len(x.AnsweredBody))
}

// show gives a request as its plugin made it.
func (r *recorder) show(method, url string, header http.Header, body []byte) abi.HTTPRequest {
	url = r.mark(url)
	if rest, ok := strings.CutPrefix(url, strings.TrimRight(r.base, "/")); ok && (rest == "" || strings.ContainsRune("/?", rune(rest[0]))) {
		url = rest
	}
	q := abi.HTTPRequest{Method: method, URL: url, Headers: r.headers(header)}
	if parts, isForm := egress.Parts(header.Get("Content-Type"), body); isForm {
		delete(q.Headers, "content-type") // with a boundary that is another one each time
		for _, part := range parts {
			part.Text = r.mark(part.Text)
			q.Parts = append(q.Parts, part)
		}
		return q
	}
	q.Body, q.BodyBase64 = textOrBase64([]byte(r.mark(string(body))))
	return q
}

// ofHost are headers that egress sets; a user agent may be the plugin's.
var ofHost = []string{"Accept-Encoding", "Traceparent"}

func (r *recorder) headers(header http.Header) map[string]string {
	all := map[string]string{}
	for name, values := range header {
		value := strings.Join(values, ", ")
		if slices.Contains(ofHost, name) || name == "User-Agent" && value == "Trama" {
			continue
		}
		all[strings.ToLower(name)] = r.mark(value)
	}
	return all
}

// mark puts <secret:name> in the place of secrets; unmark does the opposite.
func (r *recorder) mark(text string) string {
	for _, s := range r.secrets {
		text = strings.ReplaceAll(text, secretValue(s.Name), "<secret:"+s.Name+">")
	}
	return text
}

func (r *recorder) unmark(text string) string {
	for _, s := range r.secrets {
		text = strings.ReplaceAll(text, "<secret:"+s.Name+">", secretValue(s.Name))
	}
	return text
}

func textOrBase64(data []byte) (text, encoded string) {
	if utf8.Valid(data) {
		return string(data), ""
	}
	return "", base64.StdEncoding.EncodeToString(data)
}

// brief shows a request in one line, and its body below.
func brief(q abi.HTTPRequest) string {
	text := q.Method + " " + cmp.Or(q.URL, "(the connection's base URL)")
	if body := q.Body + q.BodyBase64; body != "" {
		text += "\n" + body
	}
	for _, part := range q.Parts {
		text += "\n" + shown(part)
	}
	return text
}
