// Package blob keeps bytes that are too long to pass through plugins: bodies
// that egress was asked to store, and that a later request may send.
//
// A blob belongs to an owner: a contact or a gateway run. Its id is random, and
// worth something together with the owner alone, so what a guest invents, or
// has from elsewhere, opens nothing. A blob is pieces of one record each, whose
// life ends with that of run records unless it is said otherwise; there is
// nothing to collect, and pieces that a crash left without a head go the same
// way. What comes again within a day, to whomever, is stored once: blobs of the
// same content share their pieces, and nothing else. Neither writing nor
// reading holds more than a piece in memory.
// The package must not know requests, plugins or flows.
package blob

import (
	"cmp"
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
	// KindContent says which blob's pieces hold a content, by its sha256.
	KindContent store.Kind = "blob-content"
)

// Life is how long a blob is kept, if nobody says otherwise: as long as the
// record of the run that it came with.
const Life = 14 * 24 * time.Hour

// sharing is how long pieces outlive the blob that they were stored for, so that
// later blobs can share them.
const sharing = 24 * time.Hour

// pieceBytes is the length of all pieces but the last.
const pieceBytes = 1 << 20

// head is the record of a whole blob.
type head struct {
	Owner string    `json:"owner"`
	Blob  abi.Blob  `json:"blob"`
	Made  time.Time `json:"made"`
	// Pieces is the blob whose pieces hold the bytes; empty: its own.
	Pieces string `json:"pieces,omitempty"`
}

// content is where the bytes of a content are, and until when.
type content struct {
	Pieces string    `json:"pieces"`
	Until  time.Time `json:"until"`
}

// Owned is the blobs of one owner. It is safe for concurrent use.
type Owned struct {
	store store.Store
	owner string
	life  time.Duration // of new ones
	same  Same          // nil: an owner is no other
}

// Same says whether two names of owners are one owner's by now: contacts become
// one.
type Same func(ctx context.Context, one, other string) (bool, error)

// Of returns the blobs of an owner.
func Of(s store.Store, owner string) *Owned { return For(s, owner, Life) }

// For is Of, with new blobs that are kept for so long.
func For(s store.Store, owner string, life time.Duration) *Owned {
	return &Owned{store: s, owner: owner, life: life}
}

// With returns the same blobs, and those of who is the same owner by now.
func (o *Owned) With(same Same) *Owned {
	with := *o
	with.same = same
	return &with
}

// has says whether a blob's owner is this one.
func (o *Owned) has(ctx context.Context, owner string) (bool, error) {
	if owner == o.owner || o.same == nil {
		return owner == o.owner, nil
	}
	return o.same(ctx, owner, o.owner)
}

var idPattern = regexp.MustCompile(`^blob_[A-Z2-7]{26}$`)

// Stat describes a blob of this owner. Errors are *abi.Error; one that is
// another's is told like one that does not exist.
func (o *Owned) Stat(ctx context.Context, id string) (abi.Blob, error) {
	h, err := o.load(ctx, id)
	if errors.Is(err, ErrNone) {
		return abi.Blob{}, &abi.Error{Code: abi.CodeDenied, Message: fmt.Sprintf("there is no blob %.40q of this contact or run: blobs are kept for a while (%d days, if nobody says otherwise), and only those of the same contact, or of the same gateway run, can be used", id, Life/(24*time.Hour))}
	}
	if err != nil {
		return abi.Blob{}, unavailable(err)
	}
	return h.Blob, nil
}

// Open reads a blob that Stat has described.
func (o *Owned) Open(ctx context.Context, id string) io.ReadCloser {
	return &reader{ctx: ctx, store: o.store, id: id, of: o}
}

// load reads the head of a blob of this owner.
func (o *Owned) load(ctx context.Context, id string) (head, error) {
	h, err := load(ctx, o.store, id)
	if err != nil {
		return h, err
	}
	mine, err := o.has(ctx, h.Owner)
	if err == nil && !mine {
		err = ErrNone
	}
	return h, err
}

// ErrNone says that there is no such blob.
var ErrNone = errors.New("there is no such blob")

// Find describes a blob whoever's it is, for callers who know by other means
// that it may be read; ErrNone if there is none.
func Find(ctx context.Context, s store.Store, id string) (abi.Blob, error) {
	h, err := load(ctx, s, id)
	return h.Blob, err
}

// Read reads a blob that Find has described, from a byte on.
func Read(ctx context.Context, s store.Store, id string, from int64) io.ReadCloser {
	return &reader{ctx: ctx, store: s, id: id, next: int(from / pieceBytes), skip: int(from % pieceBytes)}
}

// load reads the head of a blob.
func load(ctx context.Context, s store.Store, id string) (h head, err error) {
	if !idPattern.MatchString(id) {
		return h, ErrNone
	}
	record, err := s.Load(ctx, store.ID{Kind: KindHead, Key: id})
	if errors.Is(err, store.ErrNotFound) {
		return h, ErrNone
	}
	if err == nil {
		err = json.Unmarshal(record.Value, &h)
	}
	return h, err
}

// Create begins a blob. Its writer belongs to one goroutine, which ends it
// with Commit or Abort.
func (o *Owned) Create(ctx context.Context, mime string) *Writer {
	return &Writer{ctx: ctx, owned: o, blob: abi.Blob{ID: "blob_" + rand.Text(), MIME: mime}, sum: sha256.New(), began: time.Now()}
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
	began  time.Time
}

// Write stores full pieces as they come. They are new work: on a disk that is
// nearly full they are refused.
func (w *Writer) Write(p []byte) (int, error) {
	for written := 0; written < len(p); {
		n := min(pieceBytes-len(w.piece), len(p)-written)
		w.piece = append(w.piece, p[written:written+n]...)
		written += n
		if len(w.piece) == pieceBytes {
			if err := w.flush(); err != nil {
				return written, err
			}
		}
	}
	w.sum.Write(p)
	w.blob.Size += int64(len(p))
	return len(p), nil
}

// flush stores the piece, and with it other records.
func (w *Writer) flush(with ...store.Put) error {
	b := store.Batch{Intake: true, Put: with}
	if len(w.piece) > 0 {
		b.Put = append(b.Put, store.Put{ID: pieceID(w.blob.ID, w.pieces), Value: w.piece, TTL: w.owned.life + sharing})
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
	at := store.ID{Kind: KindContent, Key: w.blob.SHA256}
	if pieces, revision := w.known(at); pieces != "" {
		put, err := w.head(pieces)
		if err == nil {
			_, err = w.owned.store.Commit(w.ctx, &store.Batch{Intake: true, Expect: []store.Expect{{ID: at, Revision: revision}}, Put: []store.Put{put}})
		}
		if err == nil {
			w.Abort() // what is there already serves
			return w.blob, nil
		}
		if !errors.Is(err, store.ErrConflict) { // else what was there may be erased by now
			return abi.Blob{}, unavailable(err)
		}
	}
	data, err := json.Marshal(content{w.blob.ID, w.began.Add(w.owned.life + sharing).UTC()})
	if err != nil {
		return abi.Blob{}, unavailable(err)
	}
	put, err := w.head("")
	if err != nil {
		return abi.Blob{}, unavailable(err)
	}
	return w.blob, w.flush(store.Put{ID: at, Value: data, TTL: sharing}, put)
}

// head is the record of the blob, whose bytes are in the pieces of another if
// that is named.
func (w *Writer) head(pieces string) (store.Put, error) {
	data, err := json.Marshal(head{Owner: w.owned.owner, Blob: w.blob, Made: time.Now().UTC(), Pieces: pieces})
	return store.Put{ID: store.ID{Kind: KindHead, Key: w.blob.ID}, Value: data, TTL: w.owned.life}, err
}

// known gives the blob whose pieces hold the same bytes for as long as this one
// is to be kept, and the revision of the record that says so; empty if there is
// none.
func (w *Writer) known(at store.ID) (pieces string, revision store.Revision) {
	record, err := w.owned.store.Load(w.ctx, at)
	var c content
	if err != nil || w.blob.Size == 0 || json.Unmarshal(record.Value, &c) != nil || c.Until.Before(time.Now().Add(w.owned.life)) {
		return "", 0 // stored once more, which costs room and nothing else
	}
	return c.Pieces, record.Revision
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
	of    *Owned // must be the blob's owner; nil: whoever's it is
	from  string // the blob that has the pieces, once it is known
	next  int
	skip  int // bytes of the next piece that are not wanted
	left  []byte
	ended bool
}

func (r *reader) Read(p []byte) (int, error) {
	if r.from == "" {
		find := func() (head, error) { return load(r.ctx, r.store, r.id) }
		if r.of != nil {
			find = func() (head, error) { return r.of.load(r.ctx, r.id) }
		}
		h, err := find()
		if err != nil {
			return 0, err
		}
		r.from = cmp.Or(h.Pieces, r.id)
	}
	for len(r.left) == 0 {
		if r.ended {
			return 0, io.EOF
		}
		record, err := r.store.Load(r.ctx, pieceID(r.from, r.next))
		if errors.Is(err, store.ErrNotFound) {
			return 0, io.EOF // whoever counts knows if that is too early
		}
		if err != nil {
			return 0, err
		}
		r.left, r.next, r.ended = record.Value[min(r.skip, len(record.Value)):], r.next+1, len(record.Value) < pieceBytes
		r.skip = 0
	}
	n := copy(p, r.left)
	r.left = r.left[n:]
	return n, nil
}

func (r *reader) Close() error { return nil }
