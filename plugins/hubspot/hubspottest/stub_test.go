package hubspottest

import (
	"testing"

	"github.com/trama-run/trama/plugins/strict"
)

func fresh(t *testing.T) *Stub {
	s, err := New()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestStrict shows by one broken request for each part of each rule that the
// stub keeps to the contract.
func TestStrict(t *testing.T) {
	n := strict.CheckMutations(t, (&Stub{}).contract(), func() strict.Checked { return fresh(t) })
	t.Logf("%d broken requests were refused", n)
	if n < 150 {
		t.Errorf("%d broken requests, want at least 150", n)
	}
}
