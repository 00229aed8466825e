package run

import (
	"context"
	"strings"

	"github.com/trama-run/trama/host/blob"
	"github.com/trama-run/trama/host/contact"
	"github.com/trama-run/trama/host/egress"
	"github.com/trama-run/trama/host/run/mail"
	"github.com/trama-run/trama/host/store"
)

// blobs are the blobs of a key, a contact's or a gateway run's, as egress takes
// them.
type blobs struct{ *blob.Owned }

func blobsOf(s store.Store, key string) egress.Blobs {
	return blobs{blob.Of(s, key).With(SameOwner(s))}
}

// SameOwner says of two keys under which contacts are worked on whether they are
// one contact's: what was given to a contact before it was merged is the other's
// too.
func SameOwner(s store.Store) blob.Same {
	return func(ctx context.Context, one, other string) (bool, error) {
		var whose [2]contact.Key
		for i, key := range []string{one, other} {
			at, is := strings.CutPrefix(key, mail.Prefix+":")
			if !is {
				return false, nil
			}
			var err error
			if whose[i], err = Whose(ctx, s, contact.Key(at)); err != nil {
				return false, err
			}
		}
		return whose[0] == whose[1], nil
	}
}

func (b blobs) Create(ctx context.Context, mime string) egress.BlobWriter {
	return b.Owned.Create(ctx, mime)
}
