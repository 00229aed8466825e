package run

import (
	"strings"
	"testing"

	"github.com/trama-run/trama/host/store/badger"
)

// TestOnDisk: contacts are merged and erased over the store of a real host too.
func TestOnDisk(t *testing.T) {
	for name, test := range map[string]func(*testing.T){
		"merge": TestMerge, "runs": TestMergeRuns, "memory": TestMergeMemory, "files": TestMergeFiles, "also": TestAlso,
		"erase": TestErase, "edit": TestEdit, "edit also": TestEditAlso, "blocked": TestBlocked,
	} {
		t.Run("badger/"+name, test)
	}
}

// onDisk says whether a test runs within TestOnDisk.
func onDisk(t *testing.T) bool { return strings.HasPrefix(t.Name(), "TestOnDisk/") }

// openBadger opens the rig's store on disk.
func (r *rig) openBadger() {
	r.Helper()
	s, err := badger.Open(badger.Config{Dir: r.TempDir(), LowSpace: 1, CriticalSpace: 1, MemTable: 4 << 20})
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() {
		if err := s.Close(); err != nil {
			r.Error(err)
		}
	})
	r.store = s
}
