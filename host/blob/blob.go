// Package blob keeps bytes that are too long to pass through plugins: bodies
// that egress was asked to store, and that a later request may send.
//
// A blob belongs to an owner: a contact or a gateway run. Its id is random, and
// worth something together with the owner alone, so what a guest invents, or
// has from elsewhere, opens nothing. A blob is pieces of one record each, whose
// life ends with that of run records; there is nothing to collect, and pieces
// that a crash left without a head go the same way. Neither writing nor reading
// holds more than a piece in memory.
// The package must not know requests, plugins or flows.
package blob

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"regexp"
	"time"

	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/pdk/abi"
)

// Kinds of the records of a blob.
const (
	KindHead  store.Kind = "blob"       // by id
	KindPiece store.Kind = "blob-piece" // by "<id>/<number of eight digits>"
)

// life is how long a blob is kept: as long as the record of the run that it
// came with.
const life = 14 * 24 * time.Hour

// pieceBytes is the length of all pieces but the last.
const pieceBytes = 1 << 20

// head is the record of a whole blob.
type head struct {
	Owner string    `json:"owner"`
	Blob  abi.Blob  `json:"blob"`
	Made  time.Time `json:"made"`
}

// Owned is the blobs of one owner. It is safe for concurrent use.
type Owned struct {
	store store.Store
	owner string
}

// Of returns the blobs of an owner.
func Of(s store.Store, owner string) *Owned { return &Owned{store: s, owner: owner} }

var idPattern = regexp.MustCompile(`^blob_[A-Z2-7]{26}$`)

// Stat describes a blob of this owner. Errors are *abi.Error; one that is
// another's is told like one that does not exist.
func (o *Owned) Stat(ctx context.Context, id string) (abi.Blob, error) {
	unknown := &abi.Error{Code: abi.CodeDenied, Message: fmt.Sprintf("there is no blob %.40q of this contact or run: blobs are kept for %d days, and only those of the same contact, or of the same gateway run, can be used", id, life/(24*time.Hour))}
	if !idPattern.MatchString(id) {
		return abi.Blob{}, unknown
	}
	record, err := o.store.Load(ctx, store.ID{Kind: KindHead, Key: id})
	if errors.Is(err, store.ErrNotFound) {
		return abi.Blob{}, unknown
	}
	var h head
	if err == nil {
		err = json.Unmarshal(record.Value, &h)
	}
	if err != nil {
		return abi.Blob{}, unavailable(err)
	}
	if h.Owner != o.owner {
		return abi.Blob{}, unknown
	}
	return h.Blob, nil
}

// Open reads a blob that Stat has described.
func (o *Owned) Open(ctx context.Context, id string) io.ReadCloser {
	return &reader{ctx: ctx, store: o.store, id: id}
}

// Create begins a blob. Its writer belongs to one goroutine, which ends it
// with Commit or Abort.
func (o *Owned) Create(ctx context.Context, mime string) *Writer {
	return &Writer{ctx: ctx, owned: o, blob: abi.Blob{ID: "blob_" + rand.Text(), MIME: mime}, sum: sha256.New()}
}

func pieceID(id string, n int) store.ID {
	return store.ID{Kind: KindPiece, Key: fmt.Sprintf("%s/%08d", id, n)}
}

// unavailable is a failure of the host's own store.
func unavailable(err error) error {
	return &abi.Error{Code: abi.CodeUnavailable, Message: fmt.Sprintf("blob: %v", err), Retryable: true}
}

// Writer takes the bytes of a new blob.
type Writer struct {
	ctx    context.Context //nolint:containedctx // io.Writer has none, and a writer lives as long as one request
	owned  *Owned
	blob   abi.Blob
	sum    hash.Hash
	piece  []byte
	pieces int
}

// Write stores full pieces as they come. They are new work: on a disk that is
// nearly full they are refused.
func (w *Writer) Write(p []byte) (int, error) {
	for written := 0; written < len(p); {
		n := min(pieceBytes-len(w.piece), len(p)-written)
		w.piece = append(w.piece, p[written:written+n]...)
		written += n
		if len(w.piece) == pieceBytes {
			if err := w.flush(nil); err != nil {
				return written, err
			}
		}
	}
	w.sum.Write(p)
	w.blob.Size += int64(len(p))
	return len(p), nil
}

// flush stores the piece, and with it the head if there is one.
func (w *Writer) flush(end *head) error {
	b := store.Batch{Intake: true}
	if len(w.piece) > 0 {
		b.Put = append(b.Put, store.Put{ID: pieceID(w.blob.ID, w.pieces), Value: w.piece, TTL: life})
	}
	if end != nil {
		data, err := json.Marshal(end)
		if err != nil {
			return unavailable(err)
		}
		b.Put = append(b.Put, store.Put{ID: store.ID{Kind: KindHead, Key: w.blob.ID}, Value: data, TTL: life})
	}
	if _, err := w.owned.store.Commit(w.ctx, &b); err != nil {
		return unavailable(err)
	}
	w.piece, w.pieces = w.piece[:0], w.pieces+1
	return nil
}

// Commit makes the blob one that can be referred to, and is on disk then.
func (w *Writer) Commit() (abi.Blob, error) {
	w.blob.SHA256 = hex.EncodeToString(w.sum.Sum(nil))
	return w.blob, w.flush(&head{Owner: w.owned.owner, Blob: w.blob, Made: time.Now().UTC()})
}

// Abort removes what was written. What can't be removed now goes with its
// time: there is no head that leads to it.
func (w *Writer) Abort() {
	ctx := context.WithoutCancel(w.ctx)
	for n := range w.pieces {
		if _, err := w.owned.store.Commit(ctx, &store.Batch{Delete: []store.ID{pieceID(w.blob.ID, n)}}); err != nil {
			return
		}
	}
}

// reader reads the pieces of a blob in turn.
type reader struct {
	ctx   context.Context //nolint:containedctx // io.Reader has none
	store store.Store
	id    string
	next  int
	left  []byte
	ended bool
}

func (r *reader) Read(p []byte) (int, error) {
	for len(r.left) == 0 {
		if r.ended {
			return 0, io.EOF
		}
		record, err := r.store.Load(r.ctx, pieceID(r.id, r.next))
		if errors.Is(err, store.ErrNotFound) {
			return 0, io.EOF // whoever counts knows if that is too early
		}
		if err != nil {
			return 0, err
		}
		r.left, r.next, r.ended = record.Value, r.next+1, len(record.Value) < pieceBytes
	}
	n := copy(p, r.left)
	r.left = r.left[n:]
	return n, nil
}

func (r *reader) Close() error { return nil }
