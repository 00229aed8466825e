// Package rest is what connectors to REST services share: a request to the
// node's connection, its answer as JSON, a service's refusals as errors that
// flows can tell apart, and pages.
//
// It knows no service: what differs between them (the shape of an error, what
// its words mean, how pages go on) each connector says in a [Service]. It must
// not know who authenticates, which is the connection's business, and it
// repeats nothing: whether and when is the flow's to say, with what an error
// tells of that.
package rest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/trama-run/trama/pdk/abi"
	pdk "github.com/trama-run/trama/pdk/go"
)

// Service is one system that is called, and what a call needs of the host.
type Service struct {
	// Name stands in messages: "HubSpot".
	Name string
	// Base is where the service lives if the connection's base URL is as the
	// connector wants it; it stands in messages.
	Base string
	Send func(abi.HTTPRequest) (abi.HTTPResponse, error)
	Now  func() time.Time
	// Read takes a refusal's body apart, which is null if it was no JSON. It
	// must take whatever comes: all fields of an error may be missing.
	Read func(status int, body json.RawMessage) Refusal
	// Errors are looked up in their order, before those that all services
	// share.
	Errors []Meaning
}

// Call is one request. Its Path is made by [Path].
type Call struct {
	Method string // GET if empty
	Path   string
	Query  url.Values
	Body   any // nil: none; otherwise JSON
	// Headers are those that the service wants beside Content-Type, such as
	// one with the effect id.
	Headers map[string]string
	// Once says that the service would do it twice if asked twice. What came
	// out of a failure behind the service's door is then not to be repeated.
	Once bool
	// Reads says of a POST that it changes nothing, as a search.
	Reads bool
	// Good are statuses that are answers, beside 200 to 299.
	Good []int
}

// Answer is what the service said.
type Answer struct {
	Status  int
	Headers map[string]string // with lower-case names
	Body    json.RawMessage   // null if there was none
}

// Path joins segments to a path that begins with "/", escaping each, so that
// an id can't lead elsewhere. One that is empty or consists of dots is refused,
// since servers take those for other paths.
func Path(segments ...string) (string, error) {
	var path strings.Builder
	for _, segment := range segments {
		if strings.Trim(segment, ".") == "" {
			return "", pdk.Errorf(abi.CodeInvalid, "%q can't be part of an address; is an id empty?", segment)
		}
		path.WriteString("/" + url.PathEscape(segment))
	}
	return path.String(), nil
}

// Do sends a request and gives the answer, or the error that a flow sees.
func (s Service) Do(call Call) (Answer, error) {
	request, err := s.request(call)
	if err != nil {
		return Answer{}, err
	}
	response, err := s.Send(request)
	if err != nil {
		return Answer{}, err
	}
	answer := Answer{Status: response.Status, Headers: response.Headers, Body: json.RawMessage("null")}
	body, problem := read(response)
	if problem == "" {
		answer.Body = body
	}
	if !call.good(answer.Status) {
		return answer, s.refused(call, answer, response)
	}
	if problem != "" {
		return answer, s.Unreadable(call, answer.Status, problem)
	}
	return answer, nil
}

// Complete is an answer that knows what must be in it. Lacks names what isn't,
// as "id"; "" if all is there that the output needs.
type Complete interface{ Lacks() string }

// Into is [Service.Do] that decodes the body. Fields that a service adds are
// passed over, and numbers should be json.Number or json.RawMessage in out. An
// out that is [Complete] must be: a success without what was asked for, as a
// proxy may give, is none.
func (s Service) Into(call Call, out any) error {
	answer, err := s.Do(call)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(answer.Body, out); err != nil {
		return s.Unreadable(call, answer.Status, "a body of another shape than its reference says: "+err.Error())
	}
	if complete, is := out.(Complete); is && complete.Lacks() != "" {
		return s.Unreadable(call, answer.Status, "a body without "+complete.Lacks())
	}
	return nil
}

func (c Call) good(status int) bool {
	for _, good := range c.Good {
		if status == good {
			return true
		}
	}
	return status >= 200 && status <= 299
}

// place is how messages name a call: nothing of the query, which may hold a
// customer's data.
func (c Call) place() string { return c.method() + " " + c.Path }

func (c Call) method() string {
	if c.Method == "" {
		return "GET"
	}
	return c.Method
}

func (s Service) request(call Call) (abi.HTTPRequest, error) {
	request := abi.HTTPRequest{Method: call.method(), URL: call.Path, Headers: map[string]string{"Accept": "application/json"}}
	if len(call.Query) > 0 {
		request.URL += "?" + call.Query.Encode()
	}
	for name, value := range call.Headers {
		request.Headers[name] = value
	}
	if call.Body != nil {
		body, err := Encode(call.Body)
		if err != nil {
			return request, pdk.Errorf(abi.CodeInvalid, "body of %s: %v", call.place(), err)
		}
		request.Headers["Content-Type"] = "application/json"
		request.Body = string(body)
	}
	return request, nil
}

// Encode is json.Marshal that leaves <, > and & as they are: some services show
// what they were sent.
func Encode(value any) (json.RawMessage, error) {
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(value)
	return bytes.TrimSuffix(buffer.Bytes(), []byte{'\n'}), err
}

// read gives the body as JSON, or says what is wrong with it.
func read(response abi.HTTPResponse) (body json.RawMessage, problem string) {
	text := strings.TrimSpace(strings.TrimPrefix(response.Body, "\ufeff"))
	switch {
	case response.BodyBase64 != "":
		return nil, "bytes that are not text"
	case text == "":
		return json.RawMessage("null"), ""
	case json.Valid([]byte(text)):
		return json.RawMessage(text), ""
	case text[0] == '<':
		return nil, "a page instead of JSON"
	case text[0] == '{' || text[0] == '[':
		return nil, fmt.Sprintf("JSON that breaks off or is malformed, of %d bytes", len(text))
	}
	return nil, "a text that is not JSON"
}

// CodeAnswer is the code for an answer that says success and can't be read.
const CodeAnswer = "bad_answer"

// Unreadable is the error for such an answer; problem follows "answered with 200
// and".
func (s Service) Unreadable(call Call, status int, problem string) *abi.Error {
	failure := &abi.Error{Code: CodeAnswer, Detail: detail(Detail{Status: status})}
	failure.Message = fmt.Sprintf("%s answered %s with %d and %s", s.Name, call.place(), status, problem)
	switch {
	case call.method() == "GET" || call.Reads:
		failure.Retryable = true
		failure.Message += fmt.Sprintf("; look whether base_url of the connection is %s, without a proxy that changes answers", s.Base)
	case call.Once:
		failure.Message += "; it has taken the request, so look there before you send it again"
	default:
		failure.Message += "; it has taken the request"
	}
	return failure
}
