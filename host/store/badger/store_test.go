package badger

import (
	"context"
	"io"
	"testing"

	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/host/store/storetest"
)

// openTest opens a store with a small write buffer, so that tests meet full
// ones. Its marks are low: the disks of build machines are often nearly full.
func openTest(t testing.TB, dir string) *Store {
	t.Helper()
	s, err := Open(testConfig(dir))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func testConfig(dir string) Config {
	return Config{Dir: dir, MemTable: minMemTable, LowSpace: 64 << 20, CriticalSpace: 48 << 20}
}

func TestConformance(t *testing.T) {
	storetest.Run(t, storetest.Engine{
		Open:    func(t *testing.T, dir string) store.Store { return openTest(t, dir) },
		Restore: func(dir string, r io.Reader) error { return Restore(context.Background(), testConfig(dir), r) },
	})
}
