package catalog

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"github.com/trama-run/trama/host/store"
)

// Plan tells what an Apply that allows wider grants would do, object by object
// with what differs, and does nothing. Errors: those of Apply.
func (c *Catalog) Plan(ctx context.Context, set Set) ([]Change, error) {
	want, err := set.objects()
	if err != nil {
		return nil, err
	}
	c.change.Lock()
	defer c.change.Unlock()
	e, err := c.prepare(ctx, set, want, true)
	if err != nil {
		return nil, err
	}
	for i := range e.changes {
		change := &e.changes[i]
		before, err := c.value(ctx, change.Object)
		if err != nil {
			return nil, err
		}
		if change.Differences, err = differences(change.Object, before, want[change.Object].value); err != nil {
			return nil, err
		}
	}
	return e.changes, nil
}

// value gives what is stored of an object now, of a flow its current document;
// nil if there is none.
func (c *Catalog) value(ctx context.Context, key string) (json.RawMessage, error) {
	o, exists := c.objects[key]
	id, isFlow := nameIn(typeFlow, key)
	if !exists || !isFlow {
		return o.Value, nil
	}
	number, err := o.version()
	if err != nil {
		return nil, err
	}
	record, err := c.store.Load(ctx, store.ID{Kind: kindVersion, Key: versionKey(id, number)})
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	return record.Value, err
}

// differences tells what differs between two values of an object; nil is one
// that is not there.
func differences(key string, before, after json.RawMessage) ([]Difference, error) {
	kind, name, _ := strings.Cut(key, "/")
	if kind == typeFlow && before != nil && after != nil {
		return Diff(before, after)
	}
	var values [2]any
	for i, data := range []json.RawMessage{before, after} {
		if data != nil {
			m, err := fields(data)
			if err != nil {
				return nil, err
			}
			values[i] = m
		}
	}
	if d, differs := compare(kind, name, values[0], values[1]); differs {
		return []Difference{d}, nil
	}
	return nil, nil
}
