package pdk

import (
	"encoding/base64"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/trama-run/trama/pdk/abi"
)

// JSONRequest makes a request with body as JSON and its Content-Type; Headers
// takes more, and another Content-Type in any spelling.
func JSONRequest(method, url string, body any) (abi.HTTPRequest, error) {
	data, err := encode(body)
	if err != nil {
		return abi.HTTPRequest{}, Errorf(CodeError, "body of the request to %s: %v", url, err)
	}
	headers := map[string]string{contentType: typeJSON}
	return abi.HTTPRequest{Method: method, URL: url, Headers: headers, Body: string(data)}, nil
}

const contentType, typeJSON = "Content-Type", "application/json"

// ownType gives the headers without the Content-Type of [JSONRequest], if
// another spelling of it says the caller's.
func ownType(headers map[string]string) map[string]string {
	if headers[contentType] != typeJSON {
		return headers
	}
	for name := range headers {
		if name != contentType && strings.EqualFold(name, contentType) {
			headers = maps.Clone(headers)
			delete(headers, contentType)
			return headers
		}
	}
	return headers
}

// Body gives the bytes of a response's body.
func Body(response abi.HTTPResponse) ([]byte, error) {
	if response.BodyBase64 == "" {
		return []byte(response.Body), nil
	}
	data, err := base64.StdEncoding.DecodeString(response.BodyBase64)
	if err != nil {
		return nil, Errorf(CodeError, "response of the host: body_base64: %v", err)
	}
	return data, nil
}

// MayRetry says whether a status means that the same request may succeed
// later: 429, 502, 503 and 504 (RFC 6585, RFC 9110).
func MayRetry(status int) bool {
	return status == 429 || status >= 502 && status <= 504
}

// RetryAfterMillis gives how long the response asks to wait, if Retry-After
// gives seconds (RFC 9110, 10.2.3); 0 if it doesn't, or gives a date.
func RetryAfterMillis(response abi.HTTPResponse) int64 {
	seconds, err := strconv.ParseUint(strings.TrimSpace(response.Headers["retry-after"]), 10, 31)
	if err != nil {
		return 0
	}
	return int64(seconds) * 1000
}

// RetryAfterMillisAt is [RetryAfterMillis] that also takes a date, as seen from
// now; 0 for one that has passed.
func RetryAfterMillisAt(response abi.HTTPResponse, now time.Time) int64 {
	const httpDate = "Mon, 02 Jan 2006 15:04:05 GMT"
	if at, err := time.Parse(httpDate, strings.TrimSpace(response.Headers["retry-after"])); err == nil {
		return max(0, at.Sub(now).Milliseconds())
	}
	return RetryAfterMillis(response)
}

// StatusError is the error that most plugins make of a status that they didn't
// want: code "http_status", retryable where the status says so, after the time
// that the response names.
func StatusError(response abi.HTTPResponse) *abi.Error {
	failure := Errorf("http_status", "the service answered %d", response.Status)
	if failure.Retryable = MayRetry(response.Status); failure.Retryable {
		failure.RetryAfterMillis = RetryAfterMillis(response)
	}
	return failure
}
