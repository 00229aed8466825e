package host_test

import (
	"context"
	"path/filepath"

	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/host/store/badger"
)

// inStore stops the host, lets look see its store, and starts it again.
func (i *installation) inStore(look func(s store.Store)) {
	i.t.Helper()
	i.stop()
	s, err := badger.Open(badger.Config{Dir: filepath.Join(i.data, "store")})
	if err != nil {
		i.t.Fatal(err)
	}
	look(s)
	if err := s.Close(); err != nil {
		i.t.Fatal(err)
	}
	i.start()
}

// stored counts the items in queues.
func (i *installation) stored(queues ...string) (n int) {
	i.t.Helper()
	i.inStore(func(s store.Store) {
		for _, q := range queues {
			items, err := s.Read(context.Background(), q, 0, 1000)
			if err != nil {
				i.t.Fatal(err)
			}
			n += len(items)
		}
	})
	return n
}
