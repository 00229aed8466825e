// Package problem is the shape of every error on a public path: RFC 9457
// problem details, with the id of the request and of the run that it began,
// and whether trying again is safe.
//
// It must not know HTTP servers, and what it carries is shown to strangers:
// no path, stack or secret goes in.
package problem

import (
	"encoding/json"
	"net/http"
	"time"
)

// ContentType is the media type of a problem (RFC 9457, section 3).
const ContentType = "application/problem+json"

// Details is one problem. It is an error, so that a room can return it and the
// server can write it.
type Details struct {
	Status int    `json:"status"`
	Title  string `json:"title"`
	// Detail says what is wrong with this request and what to do about it.
	Detail string `json:"detail,omitempty"`
	// Code is a stable word for programs.
	Code      string `json:"code"`
	RequestID string `json:"request_id,omitempty"`
	RunID     string `json:"run_id,omitempty"`
	// Retry says whether the same request may be sent again.
	Retry bool `json:"retry"`
	// Errors are the places at which the body is not as it must be (422, and 400
	// of JSON that can't be kept as it is).
	Errors []Wrong `json:"errors,omitempty"`
	// RetryAfter is how long to wait first; whole seconds in the header.
	RetryAfter time.Duration `json:"-"`
	// Allow lists the methods of a path (405 only).
	Allow []string `json:"-"`
	// Header are headers of the answer beside those.
	Header map[string]string `json:"-"`
}

// Wrong is a place in a body, and what is wrong there.
type Wrong struct {
	Pointer string `json:"pointer"` // a JSON pointer as a URI fragment, such as "#/items/0"
	Detail  string `json:"detail"`
}

// Error gives "title: detail".
func (d *Details) Error() string {
	if d.Detail == "" {
		return d.Title
	}
	return d.Title + ": " + d.Detail
}

// New returns a problem with the title that belongs to the status.
func New(status int, code, detail string) *Details {
	return &Details{Status: status, Title: http.StatusText(status), Code: code, Detail: detail}
}

// Busy returns a 503 that may be tried again after a while.
func Busy(code, detail string, after time.Duration) *Details {
	d := New(http.StatusServiceUnavailable, code, detail)
	d.Retry, d.RetryAfter = true, after
	return d
}

// JSON is the body: the members of RFC 9457 and the extensions above. The type
// is "about:blank", since the code tells what a program needs.
func (d *Details) JSON() []byte {
	type plain Details // without methods, so that Marshal takes the fields
	body, err := json.Marshal(struct {
		Type string `json:"type"`
		*plain
		RetryAfter int64 `json:"retry_after,omitempty"`
	}{"about:blank", (*plain)(d), int64(d.RetryAfter.Round(time.Second) / time.Second)})
	if err != nil { // strings, numbers and booleans always marshal
		panic(err)
	}
	return body
}
