package sandbox

import (
	"context"
	"testing"
)

// TestTotals: the guests that benchmarks compare, in C, Rust and Go, do the
// same work.
func TestTotals(t *testing.T) {
	golang, err := openCached(t).Compile(context.Background(), buildGuest(t, "../..", "./host/sandbox/testdata/gojson"), Options{Memory: DefaultLimits().Memory})
	if err != nil {
		t.Fatal(err)
	}
	for name, m := range map[string]*Module{"C": load(t, "json"), "Rust": load(t, "rust/total"), "Go": golang} {
		for input, want := range map[string]string{
			`{"customer":"Ana","items":[{"sku":"a-1","price":250,"quantity":2},{"sku":"b-2","price":99,"quantity":10}]}`: `{"total":1490,"items":2}`,
			`{"customer": "Bia", "items": [ {"price": 7, "quantity": 3} ]}`:                                              `{"total":21,"items":1}`,
			`{"items":[]}`: `{"total":0,"items":0}`,
			`{}`:           `{"total":0,"items":0}`,
		} {
			if got, err := call(m, "total", input); err != nil || string(got.Output) != want {
				t.Errorf("%s: %s gives %s, %v; want %s", name, input, got.Output, err, want)
			}
		}
		if _, err := call(m, "total", `[1]`); err == nil || kindOf(t, err).Kind != KindGuest {
			t.Errorf("%s: an array gives %v, want an error of the guest", name, err)
		}
	}
}
