package run

import (
	"context"

	"github.com/trama-run/trama/host/blob"
	"github.com/trama-run/trama/host/egress"
	"github.com/trama-run/trama/host/store"
)

// blobs are the blobs of a key, a contact's or a gateway run's, as egress takes
// them.
type blobs struct{ *blob.Owned }

func blobsOf(s store.Store, key string) egress.Blobs { return blobs{blob.Of(s, key)} }

func (b blobs) Create(ctx context.Context, mime string) egress.BlobWriter {
	return b.Owned.Create(ctx, mime)
}
