package plugintest_test

import (
	"strings"
	"testing"
	"time"

	"github.com/trama-run/trama/host/plugintest"
	"github.com/trama-run/trama/host/sandbox"
	"github.com/trama-run/trama/host/source"
)

// TestLimits: a call has the limits that a grant of all that the manifest asks
// for gives it, also those that no sandbox holds.
func TestLimits(t *testing.T) {
	for _, test := range []struct {
		limits string
		change func(*sandbox.Limits)
		want   string // in the reply to a blob of 20 bytes
	}{
		{"", func(*sandbox.Limits) {}, `"ok":`},
		{"limits: {fuel: 5000000000, time_millis: 7000, requests: 40, output_bytes: 4000, blob_bytes: 10}\n", func(l *sandbox.Limits) {
			l.Fuel, l.Time, l.Requests, l.Output = 5e9, 7*time.Second, 40, 4000
		}, "the blobs of this call would have more than 10 bytes"},
	} {
		p := withManifest(t, "system", head+test.limits+"capabilities: {egress: [connection], secrets: [{name: a}], sign: [HS256], kv_bytes: 5}\noperations: [{name: call, effect: pure}]\n")
		want := sandbox.DefaultLimits()
		test.change(&want)
		if p.Limits != want {
			t.Errorf("%q: %+v", test.limits, p.Limits)
		}
		out, err := p.Call(t.Context(), plugintest.Call{
			Export: "call", Input: []byte(`h{"url":"/","response":"blob"}`),
			HTTP: []plugintest.Exchange{{Response: &plugintest.Response{Body: source.ValueOf(strings.Repeat("x", 20))}}},
		})
		if err != nil || !strings.Contains(string(out.Output), test.want) {
			t.Errorf("%q: %s, %v, %v; want %s", test.limits, out.Output, out.Error, err, test.want)
		}
	}
}
