// Package document keeps values in records as JSON documents. It must not know
// what any of them mean.
package document

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/trama-run/trama/host/expr"
	"github.com/trama-run/trama/host/store"
)

// Load reads a record; found is false, and the revision 0, if there is none.
// Numbers under an any are json.Number.
func Load[T any](ctx context.Context, s store.Store, id store.ID, into *T) (revision store.Revision, found bool, err error) {
	record, err := s.Load(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	if err := expr.UnmarshalJSON(record.Value, into); err != nil {
		return 0, false, fmt.Errorf("record %s %s: %w", id.Kind, id.Key, err)
	}
	return record.Revision, true, nil
}

// Put adds a record to a batch.
func Put(b *store.Batch, id store.ID, value any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("record %s %s: %w", id.Kind, id.Key, err)
	}
	b.Put = append(b.Put, store.Put{ID: id, Value: data})
	return nil
}
