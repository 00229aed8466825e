package run

import (
	"errors"
	"fmt"
	"log/slog"
	"testing"

	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/flow"
)

// TestBusy: a run over the bound is refused before anything of it starts.
func TestBusy(t *testing.T) {
	r := New(Config{Log: slog.New(slog.DiscardHandler)})
	defer r.Close(t.Context())
	for i := range maxGatewayRuns {
		if !r.enter(fmt.Sprint("run:", i)) {
			t.Fatalf("run %d of %d was refused", i+1, maxGatewayRuns)
		}
	}
	a, err := r.Gateway(t.Context(), catalog.Flow{Flow: &flow.Flow{ID: "f"}}, "start", nil)
	if !errors.Is(err, ErrBusy) || a.RunID != "" {
		t.Fatalf("one more: %+v, %v; want ErrBusy", a, err)
	}
	r.leave("run:0")
	if !r.enter("run:next") {
		t.Error("refused after one had ended")
	}
}
