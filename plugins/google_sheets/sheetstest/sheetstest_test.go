package sheetstest

import (
	"testing"

	"github.com/trama-run/trama/plugins/strict"
)

// TestContract breaks each part of each rule once.
func TestContract(t *testing.T) {
	n := strict.CheckMutations(t, New().contract(), func() strict.Checked {
		s := New("not-a-token")
		s.Put(exampleID, "Clients", []any{"name", "phone"})
		return s
	})
	if n < 100 {
		t.Errorf("%d requests were broken, want one for each part of nine rules", n)
	}
}
