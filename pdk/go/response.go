package pdk

import (
	"encoding/base64"
	"strconv"
	"strings"
	"time"

	"github.com/trama-run/trama/pdk/abi"
)

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

// RetryAfterMillis gives how long the response asks to wait, in either form
// of Retry-After (RFC 9110, 10.2.3); 0 if it doesn't say, or a time that has
// passed.
func RetryAfterMillis(response abi.HTTPResponse, now time.Time) int64 {
	value := strings.TrimSpace(response.Headers["retry-after"])
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return int64(seconds) * 1000
	}
	const httpDate = "Mon, 02 Jan 2006 15:04:05 GMT"
	if at, err := time.Parse(httpDate, value); err == nil {
		return max(0, at.Sub(now).Milliseconds())
	}
	return 0
}
