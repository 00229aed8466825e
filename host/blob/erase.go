package blob

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/trama-run/trama/host/store"
)

// Erase removes the blobs of some owners, and says how many they are; with dry
// it only counts. It reads the heads of all blobs. The pieces go too, but for
// those that a blob of another owner shares.
func Erase(ctx context.Context, s store.Store, mine func(owner string) bool, dry bool) (int, error) {
	own := map[string]bool{} // blobs whose pieces they use
	count := 0
	err := heads(ctx, s, func(_, owner, pieces string) {
		if mine(owner) {
			own[pieces] = true
			count++
		}
	})
	if err != nil || dry {
		return count, err
	}
	// Contents first: from then on nobody begins to share these pieces, so that
	// who shares them is known only now. At worst something is stored twice.
	err = each(ctx, s, KindContent, "", listed, func(r store.Record) (bool, error) {
		var c content
		if err := json.Unmarshal(r.Value, &c); err != nil {
			return false, fmt.Errorf("content %s: %w", r.ID.Key, err)
		}
		if !own[c.Pieces] {
			return true, nil
		}
		_, err := s.Commit(ctx, &store.Batch{Delete: []store.ID{r.ID}})
		return true, err
	})
	if err != nil {
		return count, err
	}
	var gone []string
	shared := map[string]bool{}
	err = heads(ctx, s, func(id, owner, pieces string) {
		switch {
		case !own[pieces]: // also what they were given meanwhile
		case mine(owner):
			gone = append(gone, id)
		default:
			shared[pieces] = true
		}
	})
	count = len(gone)
	for pieces := range own {
		if err != nil {
			return count, err
		}
		if shared[pieces] {
			continue
		}
		err = each(ctx, s, KindPiece, pieces+"/", erasePage, func(r store.Record) (bool, error) {
			if !strings.HasPrefix(r.ID.Key, pieces+"/") {
				return false, nil
			}
			_, err := s.Commit(ctx, &store.Batch{Delete: []store.ID{r.ID}})
			return true, err
		})
	}
	for _, id := range gone { // last, so that a second try finds what is left
		if err != nil {
			break
		}
		_, err = s.Commit(ctx, &store.Batch{Delete: []store.ID{{Kind: KindHead, Key: id}}})
	}
	return count, err
}

// heads visits all blobs: the id, the owner, and the blob that has the pieces.
func heads(ctx context.Context, s store.Store, visit func(id, owner, pieces string)) error {
	return each(ctx, s, KindHead, "", listed, func(r store.Record) (bool, error) {
		var h head
		if err := json.Unmarshal(r.Value, &h); err != nil {
			return false, fmt.Errorf("blob %s: %w", r.ID.Key, err)
		}
		visit(r.ID.Key, h.Owner, cmp.Or(h.Pieces, r.ID.Key))
		return true, nil
	})
}

// How many records are read at once.
const (
	listed    = 200
	erasePage = 10 // a piece is a megabyte
)

// each visits the records of a kind after a key until do has enough.
func each(ctx context.Context, s store.Store, kind store.Kind, after string, page int, do func(store.Record) (more bool, err error)) error {
	for {
		records, err := s.List(ctx, kind, after, page, false)
		if err != nil || len(records) == 0 {
			return err
		}
		for _, r := range records {
			if more, err := do(r); err != nil || !more {
				return err
			}
			after = r.ID.Key
		}
	}
}
