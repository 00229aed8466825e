package plugintest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"

	"github.com/trama-run/trama/host/egress"
	"github.com/trama-run/trama/pdk/abi"
)

// blobs are those of one call: the ones that its requests are to send, each with
// its id as its content, and what it makes.
type blobs struct {
	all  map[string][]byte
	mime map[string]string
	made int
}

var _ egress.Blobs = (*blobs)(nil)

func newBlobs(exchanges []Exchange) *blobs {
	b := &blobs{all: map[string][]byte{}, mime: map[string]string{}}
	for _, e := range exchanges {
		ids := []string{e.Request.BodyBlob}
		for _, part := range e.Request.Parts {
			ids = append(ids, part.Blob)
		}
		for _, id := range ids {
			b.all[id] = []byte(id)
		}
	}
	delete(b.all, "")
	return b
}

func (b *blobs) Stat(_ context.Context, id string) (abi.Blob, error) {
	content, ok := b.all[id]
	if !ok {
		return abi.Blob{}, &abi.Error{Code: abi.CodeDenied, Message: fmt.Sprintf("there is no blob %q for this call: it has those alone that its requests are to send, and those that it made", id)}
	}
	sum := sha256.Sum256(content)
	return abi.Blob{ID: id, Size: int64(len(content)), SHA256: hex.EncodeToString(sum[:]), MIME: b.mime[id]}, nil
}

func (b *blobs) Open(_ context.Context, id string) io.ReadCloser {
	return io.NopCloser(bytes.NewReader(b.all[id]))
}

func (b *blobs) Create(_ context.Context, mime string) egress.BlobWriter {
	return &newBlob{blobs: b, mime: mime}
}

// newBlob is a blob while it is written.
type newBlob struct {
	bytes.Buffer
	blobs *blobs
	mime  string
}

func (w *newBlob) Commit() (abi.Blob, error) {
	w.blobs.made++
	id := fmt.Sprint("blob-", w.blobs.made)
	w.blobs.all[id], w.blobs.mime[id] = w.Bytes(), w.mime
	return w.blobs.Stat(context.Background(), id)
}

// Abort drops the blob, of which nobody knows yet.
func (w *newBlob) Abort() { w.Reset() }
