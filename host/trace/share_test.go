package trace

import (
	"log/slog"
	"net/http"
	"testing"
)

// TestShareOfOthers: whoever sends a request does not decide that it is traced,
// neither by the flag nor by the trace's id.
func TestShareOfOthers(t *testing.T) {
	for share, want := range map[float64]int{1e-9: 0, 1: 1000} {
		tracer, err := Open(t.Context(), Config{Endpoint: "http://127.0.0.1:9", Share: share, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		kept := 0
		for range 1000 {
			ctx := Receive(With(t.Context(), tracer), http.Header{"Traceparent": {"00-00000000000000010000000000000000-b7ad6b7169203331-01"}})
			ctx, span := Begin(ctx, Served, "x")
			if span.On() {
				kept++
			}
			if id := ID(ctx); (id != "") != span.On() || id != "" && id != "00000000000000010000000000000000" {
				t.Fatalf("the trace is %q", id)
			}
		}
		if kept != want {
			t.Errorf("at a share of %g, %d of 1000 are kept", share, kept)
		}
	}
}
