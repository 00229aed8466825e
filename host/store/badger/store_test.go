package badger

import (
	"testing"

	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/host/store/storetest"
)

// openTest opens a store with a small write buffer, so that tests meet full
// ones. Its marks are low: the disks of build machines are often nearly full.
func openTest(t testing.TB, dir string) *Store {
	t.Helper()
	s, err := Open(Config{Dir: dir, MemTable: minMemTable, LowSpace: 64 << 20, CriticalSpace: 48 << 20})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestConformance(t *testing.T) {
	storetest.Run(t, func(t *testing.T, dir string) store.Store { return openTest(t, dir) })
}
