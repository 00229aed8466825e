package channel

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/trama-run/trama/pdk/abi"
)

// TestRest: a channel rests where its adapter says that a refusal is the
// channel's, and the refusal may pass.
func TestRest(t *testing.T) {
	const all = `{"scope":"channel","class":"rate"}`
	for _, test := range []struct {
		detail    string
		retryable bool
		millis    int64
		want      time.Duration
	}{
		{all, true, 7000, 7 * time.Second},
		{all, true, 0, restDefault},
		{all, true, 1 << 62, 24 * time.Hour},
		{all, false, 7000, 0},
		{`{"scope":"contact"}`, true, 7000, 0},
		{`{"scope":7}`, true, 7000, 0},
		{``, true, 7000, 0},
	} {
		failure := &abi.Error{Code: "busy", Retryable: test.retryable, RetryAfterMillis: test.millis, Detail: json.RawMessage(test.detail)}
		if got := rest(failure); got != test.want {
			t.Errorf("%+v: %s", test, got)
		}
	}
	if got := rest(nil); got != 0 {
		t.Errorf("without a failure: %s", got)
	}
}
