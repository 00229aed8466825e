package rdtest

import (
	"testing"

	"github.com/trama-run/trama/plugins/strict"
)

// TestStrict shows by one broken request for each part of each rule that the
// stub keeps to the contract.
func TestStrict(t *testing.T) {
	n := strict.CheckMutations(t, (&Stub{}).contract(), func() strict.Checked {
		s, err := New()
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
	t.Logf("%d broken requests were refused", n)
	if n < 300 {
		t.Errorf("%d broken requests, want at least 300", n)
	}
}
