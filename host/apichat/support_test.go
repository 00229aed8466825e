package apichat_test

import (
	"net/http"
	"strconv"
	"testing"
	"time"
)

var at = time.Date(2026, 1, 2, 10, 0, 0, 0, time.UTC)

// nowOf is when a request says that it was signed.
func nowOf(t *testing.T, h http.Header) time.Time {
	t.Helper()
	seconds, err := strconv.ParseInt(h.Get("Webhook-Timestamp"), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return time.Unix(seconds, 0)
}
