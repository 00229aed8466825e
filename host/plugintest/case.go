package plugintest

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/trama-run/trama/host/plugin"
	"github.com/trama-run/trama/host/source"
	"github.com/trama-run/trama/pdk/abi"
)

// Case is one call of a plugin and its end: an item of a file of cases, which
// is a list of them. README.md describes the format to authors.
type Case struct {
	At source.Place `json:"-"`
	// Name is unique in its file.
	Name string `json:"name" source:"required"`
	// Operation is an operation's name; Export is a function that is none, such
	// as "receive". One of them is given.
	Operation string `json:"operation,omitempty"`
	Export    string `json:"export,omitempty"`
	// The input: a JSON value, or bytes in one of the other forms. None of them
	// is no input.
	Input       source.Value `json:"input,omitzero"`
	InputText   *string      `json:"input_text,omitempty"`
	InputBase64 *string      `json:"input_base64,omitempty"`
	InputRepeat *Repeat      `json:"input_repeat,omitempty"`
	// Config is what Extism's config_get finds.
	Config map[string]string `json:"config,omitempty"`
	// HTTP answers the requests, in their order. Each must be made, and no other.
	HTTP []Exchange `json:"http,omitempty"`
	// KV is the contact's memory before the call.
	KV map[string]string `json:"kv,omitempty"`
	// The end: a JSON value that the output equals, or bytes that it is, or an
	// error.
	Output       source.Value `json:"output,omitzero"`
	OutputText   *string      `json:"output_text,omitempty"`
	OutputBase64 *string      `json:"output_base64,omitempty"`
	OutputRepeat *Repeat      `json:"output_repeat,omitempty"`
	Error        *Failure     `json:"error,omitempty"`
	// KVAfter is the whole memory after the call, and Log are all lines, as
	// "info: text". They are compared if they are given.
	KVAfter map[string]string `json:"kv_after,omitempty"`
	Log     []string          `json:"log,omitempty"`
}

// Repeat stands for a long text: Before, then Text so many times, then After.
type Repeat struct {
	Before string `json:"before,omitempty"`
	Text   string `json:"text" source:"required"`
	Times  int    `json:"times" source:"required"`
	After  string `json:"after,omitempty"`
}

// maxRepeat is the longest text that a Repeat may stand for: the most that a
// call may be granted as its input.
const maxRepeat = 32 << 20

// Exchange is one request and its answer: a Response or a Failure.
type Exchange struct {
	At       source.Place `json:"-"`
	Request  Request      `json:"request,omitzero"`
	Response *Response    `json:"response,omitempty"`
	// Failure is "timeout" or "refused": there is no answer.
	Failure string `json:"failure,omitempty"`
}

// Failures of an [Exchange].
const (
	FailureTimeout = "timeout"
	FailureRefused = "refused"
)

// Request is what a request must be. What is empty is not compared. In URL,
// Headers and Body, <secret:NAME> stands for a secret that the host puts there.
type Request struct {
	Method string `json:"method,omitempty"`
	// URL is absolute, or relative to the connection as the plugin gave it.
	URL     string            `json:"url,omitempty"`
	Headers map[string]string `json:"headers,omitempty"`
	// Body is a text, or a JSON value; two bodies of JSON are compared as values.
	Body       source.Value `json:"body,omitzero"`
	BodyBase64 *string      `json:"body_base64,omitempty"`
	BodyRepeat *Repeat      `json:"body_repeat,omitempty"`
	// BodyBlob is a blob's id. A blob that a request is to send has its id as its
	// content.
	BodyBlob string `json:"body_blob,omitempty"`
	// Parts are those of a form with files. A Type that is left out is not
	// compared.
	Parts []abi.HTTPPart `json:"parts,omitempty"`
}

// Response is an answer: status 200, if it is left out. A Body that is no text
// is JSON.
type Response struct {
	Status     int               `json:"status,omitempty"`
	Headers    map[string]string `json:"headers,omitempty"`
	Body       source.Value      `json:"body,omitzero"`
	BodyBase64 *string           `json:"body_base64,omitempty"`
	BodyRepeat *Repeat           `json:"body_repeat,omitempty"`
}

// Failure is how a call must fail. What is left out is not compared; the
// message must contain Message.
type Failure struct {
	Code             string       `json:"code,omitempty"`
	Message          string       `json:"message,omitempty"`
	Retryable        *bool        `json:"retryable,omitempty"`
	RetryAfterMillis *int64       `json:"retry_after_millis,omitempty"`
	Detail           source.Value `json:"detail,omitzero"`
}

// Parse reads a file of cases for the plugin with this manifest.
func Parse(file string, data []byte, m abi.Manifest) ([]Case, source.Problems) {
	var cases []Case
	problems := source.Decode(file, data, &cases)
	if len(problems) > 0 {
		return nil, problems
	}
	if len(cases) == 0 {
		problems.Add(source.Place{File: file, Line: 1}, "add one: - {name: ..., operation: ..., input: {...}, output: {...}}", "there is no case")
	}
	seen := map[string]bool{}
	for _, c := range cases {
		if seen[c.Name] {
			problems.Add(c.At, "give each case its own name", "a second case is named %q", c.Name)
		}
		seen[c.Name] = true
		c.check(&problems, m)
	}
	problems.Sort()
	return cases, problems
}

// ParseExchanges reads a file with a list of requests and their answers.
func ParseExchanges(file string, data []byte) ([]Exchange, source.Problems) {
	var list []Exchange
	problems := source.Decode(file, data, &list)
	for _, e := range list {
		e.check(&problems)
	}
	return list, problems
}

func (c Case) check(problems *source.Problems, m abi.Manifest) {
	var operations []string
	for _, op := range m.Operations {
		operations = append(operations, op.Name)
	}
	switch {
	case (c.Operation == "") == (c.Export == ""):
		problems.Add(c.At, "operation: the name of one in the manifest; or export: receive, send or run", "a case calls an operation or an export")
	case c.Operation != "" && !slices.Contains(operations, c.Operation):
		problems.Add(c.At, cmp.Or(source.Suggest(c.Operation, operations), "add it to the manifest"), "plugin %s has no operation %q", m.Name, c.Operation)
	}
	if given(!c.Input.IsZero(), c.InputText != nil, c.InputBase64 != nil, c.InputRepeat != nil) > 1 {
		problems.Add(c.At, "keep one", "a case has one of input, input_text, input_base64 and input_repeat")
	}
	if n := given(!c.Output.IsZero(), c.OutputText != nil, c.OutputBase64 != nil, c.OutputRepeat != nil, c.Error != nil); n != 1 {
		problems.Add(c.At, "output: null is one", "a case has one of output, output_text, output_base64, output_repeat and error, and this one has %d of them", n)
	}
	if _, err := c.InputBytes(); err != nil {
		problems.Add(c.At, "", "%v", err)
	}
	if _, err := c.outputBytes(); err != nil {
		problems.Add(c.At, "", "%v", err)
	}
	if (c.KV != nil || c.KVAfter != nil) && m.Capabilities.KVBytes == 0 {
		problems.Add(c.At, "add kv_bytes to the manifest's capabilities", "plugin %s asks for no memory of contacts, so it has no kv", m.Name)
	}
	for _, e := range c.HTTP {
		e.check(problems)
	}
}

func given(forms ...bool) (n int) {
	for _, is := range forms {
		if is {
			n++
		}
	}
	return n
}

func (e Exchange) check(problems *source.Problems) {
	known := []string{FailureTimeout, FailureRefused}
	switch {
	case (e.Response == nil) == (e.Failure == ""):
		problems.Add(e.At, "give one of them", "an exchange has a response or a failure")
	case e.Failure != "" && !slices.Contains(known, e.Failure):
		problems.Add(e.At, cmp.Or(source.Suggest(e.Failure, known), "write timeout or refused"), "the failure %q is not known", e.Failure)
	}
	if _, err := e.Request.body(); err != nil {
		problems.Add(e.At, "", "request: %v", err)
	}
	if e.Response != nil {
		if _, err := e.Response.body(); err != nil {
			problems.Add(e.At, "", "response: %v", err)
		}
		if s := e.Response.Status; s != 0 && (s < 200 || s > 599) {
			problems.Add(e.At, "give 200 to 599", "response: status %d", s)
		}
	}
}

// InputBytes gives the input as the plugin gets it.
func (c Case) InputBytes() ([]byte, error) {
	if !c.Input.IsZero() {
		return marshal(c.Input.Exact())
	}
	return written(c.InputText, c.InputBase64, c.InputRepeat)
}

// outputBytes gives the output that is compared byte for byte; nil if it is not.
func (c Case) outputBytes() ([]byte, error) {
	return written(c.OutputText, c.OutputBase64, c.OutputRepeat)
}

func (r Request) body() ([]byte, error) {
	if r.BodyBlob != "" {
		return []byte(r.BodyBlob), nil
	}
	return bodyOf(r.Body, r.BodyBase64, r.BodyRepeat)
}

func (r Response) body() ([]byte, error) { return bodyOf(r.Body, r.BodyBase64, r.BodyRepeat) }

// bodyOf gives a body that is written as a text, a JSON value, or in another form.
func bodyOf(value source.Value, encoded *string, repeat *Repeat) ([]byte, error) {
	if value.IsZero() {
		return written(nil, encoded, repeat)
	}
	if text, ok := value.Any().(string); ok {
		return []byte(text), nil
	}
	return marshal(value.Exact())
}

// written gives the bytes that one of the forms stands for, nil if none is given.
func written(text, encoded *string, repeat *Repeat) ([]byte, error) {
	switch {
	case text != nil:
		return []byte(*text), nil
	case encoded != nil:
		data, err := base64.StdEncoding.DecodeString(*encoded)
		if err != nil {
			return nil, fmt.Errorf("it is not base64: %w", err)
		}
		return data, nil
	case repeat == nil:
		return nil, nil
	case repeat.Times < 0 || len(repeat.Text) > 0 && repeat.Times > maxRepeat/len(repeat.Text):
		return nil, fmt.Errorf("%d times %d bytes: give at most %d bytes", repeat.Times, len(repeat.Text), maxRepeat)
	}
	return []byte(repeat.Before + strings.Repeat(repeat.Text, repeat.Times) + repeat.After), nil
}

// marshal gives a value as compact JSON, in which <, > and & stay as they are.
func marshal(value any) ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(out.Bytes(), []byte{'\n'}), nil
}

// Examples gives the examples of a manifest as cases, in their order.
func Examples(m abi.Manifest) []Case {
	var cases []Case
	for _, op := range m.Operations {
		for i, e := range op.Examples {
			title := e.Title
			if title == "" {
				title = fmt.Sprint("example ", i+1)
			}
			text := string(e.Input)
			c := Case{Name: op.Name + ": " + title, Operation: op.Name, InputText: &text, Config: e.Config}
			if e.Output != nil {
				c.Output = valueOf(e.Output)
			}
			if e.Error != nil {
				c.Error = &Failure{Code: e.Error.Code, Message: e.Error.Message}
				if e.Error.Retryable {
					c.Error.Retryable = &e.Error.Retryable
				}
				if e.Error.RetryAfterMillis != 0 {
					c.Error.RetryAfterMillis = &e.Error.RetryAfterMillis
				}
				if e.Error.Detail != nil {
					c.Error.Detail = valueOf(e.Error.Detail)
				}
			}
			for _, x := range e.HTTP {
				c.HTTP = append(c.HTTP, exchangeOf(x))
			}
			cases = append(cases, c)
		}
	}
	return cases
}

// exchangeOf gives an example's exchange as one of a case.
func exchangeOf(x abi.HTTPExchange) Exchange {
	e := Exchange{
		Request:  Request{Method: x.Request.Method, URL: x.Request.URL, Headers: x.Request.Headers, BodyBlob: x.Request.BodyBlob, Parts: x.Request.Parts},
		Response: &Response{Status: x.Response.Status, Headers: x.Response.Headers},
	}
	if x.Request.BodyBase64 != "" {
		e.Request.BodyBase64 = &x.Request.BodyBase64
	}
	if x.Response.BodyBase64 != "" {
		e.Response.BodyBase64 = &x.Response.BodyBase64
	}
	if x.Request.Body != "" {
		e.Request.Body = source.ValueOf(x.Request.Body)
	}
	if x.Response.Body != "" {
		e.Response.Body = source.ValueOf(x.Response.Body)
	}
	return e
}

// valueOf gives JSON as a part of a document.
func valueOf(data json.RawMessage) (v source.Value) {
	if v.UnmarshalJSON(data) != nil {
		return source.ValueOf(string(data))
	}
	return v
}

// export is the function that a case calls.
func (c Case) export(m abi.Manifest) (string, error) {
	if c.Export != "" {
		return c.Export, nil
	}
	for _, op := range m.Operations {
		if op.Name == c.Operation {
			return plugin.ExportOf(op), nil
		}
	}
	return "", errors.New("plugin " + m.Name + " has no operation " + c.Operation)
}
