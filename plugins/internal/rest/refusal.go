package rest

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/trama-run/trama/pdk/abi"
	pdk "github.com/trama-run/trama/pdk/go"
)

// Refusal is what a service said against a request.
type Refusal struct {
	// Kind is the service's own word for it, which [Meaning] may name.
	Kind string
	// Message is the service's sentence.
	Message string
	// Fields tells of single fields of the request, by their names.
	Fields map[string]string
	// More is what else a flow may want to know; encoded as JSON.
	More map[string]any
}

// Meaning is what a refusal means to a flow. An empty Status or Kind fits all.
type Meaning struct {
	Status int
	Kind   string
	Code   string
	// Retry says that the same request may succeed later.
	Retry  bool
	Remedy string
}

// Codes that all services share.
const (
	CodeUnauthorized = "unauthorized" // 401: the connection's credentials
	CodeForbidden    = "forbidden"    // 403: the credentials don't reach that far
	CodeNotFound     = "not_found"    // 404, 410
	CodeConflict     = "conflict"     // 409, 412: it is there already, or has changed
	CodeRejected     = "rejected"     // 400, 422 and other 4xx: the service's rules
	CodeRateLimited  = "rate_limited" // 429
	CodeUnavailable  = "server_error" // 5xx
)

var shared = []Meaning{
	{Status: 401, Code: CodeUnauthorized, Remedy: "look at the connection's auth: its token may be wrong, expired or revoked"},
	{Status: 403, Code: CodeForbidden, Remedy: "the connection's token lacks a permission for this"},
	{Status: 404, Code: CodeNotFound},
	{Status: 408, Code: CodeUnavailable, Retry: true},
	{Status: 409, Code: CodeConflict},
	{Status: 410, Code: CodeNotFound},
	{Status: 412, Code: CodeConflict},
	{Status: 423, Code: CodeRateLimited, Retry: true},
	{Status: 429, Code: CodeRateLimited, Retry: true, Remedy: "call less often"},
}

// Detail is the detail of an error of this package.
type Detail struct {
	Status  int               `json:"status"`
	Kind    string            `json:"kind,omitempty"`
	Message string            `json:"message,omitempty"`
	Fields  map[string]string `json:"fields,omitempty"`
	More    map[string]any    `json:"more,omitempty"`
}

// maxMessage is how much of a service's sentence is repeated, in bytes.
const maxMessage = 1000

// refused makes an error of a status that is none of the good ones.
func (s Service) refused(call Call, answer Answer, response abi.HTTPResponse) *abi.Error {
	said := s.Read(answer.Status, answer.Body)
	said.Message = shorten(said.Message)
	meaning := s.meaning(call, answer.Status, said.Kind)
	failure := &abi.Error{
		Code: meaning.Code, Retryable: meaning.Retry,
		Message: fmt.Sprintf("%s answered %s with %d", s.Name, call.place(), answer.Status),
		Detail:  detail(Detail{answer.Status, said.Kind, said.Message, said.Fields, said.More}),
	}
	for _, more := range []string{strings.TrimSuffix(said.Message, "."), meaning.Remedy} {
		if more != "" {
			failure.Message += ": " + more
		}
	}
	if meaning.Retry {
		failure.RetryAfterMillis = pdk.RetryAfterMillisAt(response, s.Now())
	}
	return failure
}

func (s Service) meaning(call Call, status int, kind string) Meaning {
	for _, table := range [][]Meaning{s.Errors, shared} {
		for _, m := range table {
			if (m.Status == 0 || m.Status == status) && (m.Kind == "" || m.Kind == kind) {
				return m
			}
		}
	}
	switch {
	case status >= 500 && status != 501 && status != 505:
		if call.Once && status != 503 {
			return Meaning{Code: CodeUnavailable, Remedy: "it may have been done all the same, so look there before you send it again"}
		}
		return Meaning{Code: CodeUnavailable, Retry: true}
	case status >= 500:
		return Meaning{Code: CodeUnavailable}
	case status >= 300 && status <= 399:
		return Meaning{Code: CodeRejected, Remedy: "it leads elsewhere: look whether base_url of the connection is " + s.Base}
	}
	return Meaning{Code: CodeRejected}
}

func shorten(text string) string {
	if len(text) <= maxMessage {
		return text
	}
	return strings.ToValidUTF8(text[:maxMessage], "") + " …"
}

// detail encodes a detail, which always can be: what a service said came from
// JSON.
func detail(d Detail) json.RawMessage {
	data, err := Encode(d)
	if err != nil {
		data, _ = Encode(Detail{Status: d.Status, Message: "detail: " + err.Error()})
	}
	return data
}
