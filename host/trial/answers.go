package trial

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/trama-run/trama/host/egress"
	"github.com/trama-run/trama/host/expr"
	"github.com/trama-run/trama/host/plugin"
	"github.com/trama-run/trama/host/run"
	"github.com/trama-run/trama/host/source"
	"github.com/trama-run/trama/pdk/abi"
)

// answers are what a trial has for its plugins, in the place of the network
// and of the plugins themselves.
type answers struct {
	exchanges []*prepared[Exchange]
	calls     []*prepared[Call]
	// wrong is what was asked for and is not among them.
	wrong []string
}

// prepared is an answer that may be given some more times.
type prepared[T any] struct {
	of   T
	left int
}

func newAnswers(exchanges []Exchange, calls []Call) *answers {
	a := &answers{}
	for _, e := range exchanges {
		a.exchanges = append(a.exchanges, &prepared[Exchange]{e, max(e.Times, 1)})
	}
	for _, c := range calls {
		a.calls = append(a.calls, &prepared[Call]{c, max(c.Times, 1)})
	}
	return a
}

// unused lists the answers that nobody asked for.
func (a *answers) unused() (lines []string) {
	for _, e := range a.exchanges {
		if e.left > 0 {
			lines = append(lines, fmt.Sprintf("%s: %s %s: asked for %d times less than expected", e.of.At, cmp.Or(e.of.Request.Method, "any method"), e.of.Request.URL, e.left))
		}
	}
	for _, c := range a.calls {
		if c.left > 0 {
			lines = append(lines, fmt.Sprintf("%s: node %s: called %d times less than expected", c.of.At, c.of.Node, c.left))
		}
	}
	return lines
}

// timedOut is the network's error where no answer came in time.
type timedOut struct{ error }

func (timedOut) Timeout() bool   { return true }
func (timedOut) Temporary() bool { return true }

// http answers a request of a plugin.
func (a *answers) http(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		defer r.Body.Close()
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
	}
	for _, e := range a.exchanges {
		if e.left == 0 || !e.of.Request.suits(r, body) {
			continue
		}
		e.left--
		switch e.of.Error {
		case errorTimeout:
			return nil, timedOut{errors.New("no answer in time, says the trial")}
		case errorRefused:
			return nil, errors.New("connection refused, says the trial")
		}
		return e.of.Response.give(r)
	}
	shown := string(body)
	if len(shown) > 2000 {
		shown = strings.ToValidUTF8(shown[:2000], "") + "…"
	}
	text := fmt.Sprintf("a request that was not expected: %s %s", r.Method, r.URL)
	if len(body) > 0 {
		text += "\n  " + strings.ReplaceAll(shown, "\n", "\n  ")
	}
	a.wrong = append(a.wrong, text)
	return nil, errors.New("the trial has no answer to this request")
}

func (q Request) suits(r *http.Request, body []byte) bool {
	if q.Method != "" && !strings.EqualFold(q.Method, r.Method) || !glob(q.URL).MatchString(r.URL.String()) {
		return false
	}
	for name, want := range q.Headers {
		var got any
		if values := r.Header.Values(name); len(values) > 0 {
			got = strings.Join(values, ", ")
		}
		if len(match(name, want.Any(), got)) > 0 {
			return false
		}
	}
	if q.Body.IsZero() {
		return true
	}
	if parts, isForm := egress.Parts(r.Header.Get("Content-Type"), body); isForm {
		return suitsParts(q.Body.Any(), parts)
	}
	if text, ok := q.Body.Any().(string); ok {
		return strings.Contains(string(body), text)
	}
	got, err := expr.ParseJSON(body)
	return err == nil && len(match("body", q.Body.Any(), got)) == 0
}

// suitsParts says whether a form with files is the expected one: a list of its
// parts, or a text that one of them has.
func suitsParts(want any, parts []abi.HTTPPart) bool {
	if text, ok := want.(string); ok {
		return slices.ContainsFunc(parts, func(p abi.HTTPPart) bool { return strings.Contains(p.Text, text) })
	}
	data, err := json.Marshal(parts)
	if err != nil {
		return false
	}
	got, err := expr.ParseJSON(data)
	return err == nil && len(match("body", want, got)) == 0
}

// glob is an expression for a text in which * stands for anything.
func glob(text string) *regexp.Regexp {
	parts := strings.Split(text, "*")
	for i := range parts {
		parts[i] = regexp.QuoteMeta(parts[i])
	}
	return regexp.MustCompile("^" + strings.Join(parts, ".*") + "$")
}

func (a *Response) give(r *http.Request) (*http.Response, error) {
	header, body := http.Header{}, []byte(nil)
	switch value := a.Body.Any().(type) {
	case nil:
	case string:
		body = []byte(value)
		header.Set("Content-Type", "text/plain; charset=utf-8")
	default:
		var err error
		if body, err = json.Marshal(value); err != nil {
			return nil, err
		}
		header.Set("Content-Type", "application/json")
	}
	for name, value := range a.Headers {
		header.Set(name, value)
	}
	return &http.Response{
		StatusCode: cmp.Or(a.Status, 200), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: header,
		Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)), Request: r,
	}, nil
}

// call answers a call of a node, if the trial has answers for that node.
func (a *answers) call(c plugin.Call) (output json.RawMessage, failure *abi.Error, ok bool) {
	input, err := expr.ParseJSON(c.Input)
	if err != nil {
		return nil, &abi.Error{Code: abi.CodeInvalid, Message: err.Error()}, true
	}
	if fields, isScript := input.(map[string]any); isScript && c.Code != "" {
		input = fields["input"]
	}
	known := false
	for _, one := range a.calls {
		if one.of.Node != c.Node {
			continue
		}
		known = true
		if one.left == 0 || !one.of.Input.IsZero() && len(match("input", one.of.Input.Any(), input)) > 0 {
			continue
		}
		one.left--
		output, failure = one.of.answer()
		return output, failure, true
	}
	if !known {
		return nil, nil, false
	}
	a.wrong = append(a.wrong, fmt.Sprintf("a call of node %s that was not expected, with the input %s", c.Node, shown(input)))
	return nil, &abi.Error{Code: abi.CodeUnavailable, Message: "the trial has no answer to this call"}, true
}

func (c Call) answer() (json.RawMessage, *abi.Error) {
	if c.Error != nil {
		return nil, c.Error.abi()
	}
	data, err := json.Marshal(c.Output)
	if err != nil {
		return nil, &abi.Error{Code: abi.CodeBadOutput, Message: err.Error()}
	}
	return data, nil
}

func (e *CallError) abi() *abi.Error {
	failure := &abi.Error{Code: e.Code, Message: e.Message, Retryable: e.Retryable}
	if e.Detail != nil {
		if data, err := json.Marshal(e.Detail); err == nil {
			failure.Detail = data
		}
	}
	return failure
}

// plugins are the bench's, with what the trial answers in their place.
type plugins struct {
	run.Plugins
	answers *answers
}

func (p plugins) Call(ctx context.Context, c plugin.Call) (json.RawMessage, plugin.Usage, *abi.Error) {
	if output, failure, ok := p.answers.call(c); ok {
		return output, plugin.Usage{}, failure
	}
	return p.Plugins.Call(ctx, c)
}

// ParseExchanges reads a file with a list of requests and their answers.
func ParseExchanges(file string, data []byte) ([]Exchange, source.Problems) {
	var list []Exchange
	problems := source.Decode(file, data, &list)
	c := Case{Flow: "any", HTTP: list}
	c.check(&problems)
	return list, problems
}
