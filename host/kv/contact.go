package kv

import (
	"context"
	"errors"
	"strings"

	"github.com/trama-run/trama/host/store"
)

// page is how many values are read at once: one may be large.
const page = 20

// Adopt copies for one contact what plugins remember of another, unseen, adds to
// a batch what shows it, and gives the plugins that remember something of both:
// they keep what they have of the first. What is there is the other's too until
// [Erase]. It may be repeated after a crash. Nobody else may write the memory of
// either until the batch is committed.
func Adopt(ctx context.Context, s store.Store, contact, other string, show *store.Batch) (both []string, err error) {
	err = each(ctx, s, KindIndex, other, 1, func(records []store.Record, names []string) error {
		for i, record := range records {
			id := store.ID{Kind: KindIndex, Key: contact + "/" + names[i]}
			own, err := exists(ctx, s, id)
			if err != nil {
				return err
			}
			if own {
				both = append(both, names[i])
				continue
			}
			if err := each(ctx, s, KindValue, other+"/"+names[i], 1, func(values []store.Record, sums []string) error {
				var b store.Batch
				for n, value := range values {
					b.Put = append(b.Put, store.Put{ID: store.ID{Kind: KindValue, Key: id.Key + "/" + sums[n]}, Value: value.Value})
				}
				return commitPage(ctx, s, b)
			}); err != nil {
				return err
			}
			// Until the index is there, nobody sees the values.
			show.Expect = append(show.Expect, store.Expect{ID: id})
			show.Put = append(show.Put, store.Put{ID: id, Value: record.Value})
		}
		return nil
	})
	return both, err
}

// Erase removes all that plugins remember of a contact, and says how many
// values that is; with dry it only counts.
func Erase(ctx context.Context, s store.Store, contact string, dry bool) (values int, err error) {
	remove := func(records []store.Record, _ []string) error {
		var b store.Batch
		for _, r := range records {
			b.Delete = append(b.Delete, r.ID)
		}
		if dry {
			return nil
		}
		return commitPage(ctx, s, b)
	}
	err = each(ctx, s, KindValue, contact, 2, func(records []store.Record, names []string) error {
		values += len(records)
		return remove(records, names)
	})
	if err != nil {
		return values, err
	}
	return values, each(ctx, s, KindIndex, contact, 1, remove)
}

// each visits the records of a kind below a key, with what their keys have
// behind it: so many parts. The path of another contact may begin with this
// one's and a slash: its records have more parts.
func each(ctx context.Context, s store.Store, kind store.Kind, key string, parts int, do func(records []store.Record, names []string) error) error {
	prefix := key + "/"
	for after := prefix; ; {
		records, err := s.List(ctx, kind, after, page, false)
		if err != nil {
			return err
		}
		var mine []store.Record
		var names []string
		for _, r := range records {
			name, below := strings.CutPrefix(r.ID.Key, prefix)
			if !below {
				records = nil // the last page
				break
			}
			after = r.ID.Key
			if strings.Count(name, "/") == parts-1 {
				mine, names = append(mine, r), append(names, name)
			}
		}
		if len(mine) > 0 {
			if err := do(mine, names); err != nil {
				return err
			}
		}
		if len(records) == 0 {
			return nil
		}
	}
}

// commitPage commits a page as it is or, where that is over what a batch may
// have, change by change.
func commitPage(ctx context.Context, s store.Store, b store.Batch) error {
	size := 0
	for _, p := range b.Put {
		size += len(p.Value)
	}
	if size <= store.MaxBatch/2 {
		_, err := s.Commit(ctx, &b)
		return err
	}
	for _, p := range b.Put {
		if _, err := s.Commit(ctx, &store.Batch{Put: []store.Put{p}}); err != nil {
			return err
		}
	}
	return nil
}

func exists(ctx context.Context, s store.Store, id store.ID) (bool, error) {
	_, err := s.Load(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}
