// Package store states what the product needs from its storage: records with
// revisions, queues, wakes and one atomic, durable commit.
//
// A record is one value under an [ID], with the revision at which it was last
// put. A queue is an ordered list of items under a name. A wake is the instant
// at which a key next has work; each key has one at most. Everything is
// changed by [Store.Commit]: a [Batch] is applied whole or not at all, and is
// on disk when Commit returns.
//
// The package does no I/O: the engines are in packages below it, and each
// passes the suite of store/storetest. No type of an engine appears here, and
// nothing on a hot path needs an iterator over live state, so that a
// replicated log can stand behind the same interface. It must not know what
// the values mean.
package store

import (
	"context"
	"errors"
	"io"
	"math"
	"time"
)

// Errors that Commit and the other methods return, by what the caller does.
var (
	// ErrConflict: a record was not at the revision that the batch expected;
	// nothing was applied. Load again and decide again.
	ErrConflict = errors.New("store: conflict")
	// ErrTooBig: the batch or one of its values is over the engine's limit;
	// nothing was applied. Do not repeat it unchanged.
	ErrTooBig = errors.New("store: batch too big")
	// ErrNoSpace: the volume is nearly full; nothing was applied. Refuse new
	// work and let work in progress end.
	ErrNoSpace = errors.New("store: disk nearly full")
	// ErrUnknown: it is not known whether the batch was applied. The store
	// takes no more commits; open it again and look (see Store.Resolve).
	ErrUnknown = errors.New("store: outcome unknown")
	// ErrClosed: the store was closed; nothing was applied.
	ErrClosed = errors.New("store: closed")
	// ErrNotFound: there is no such record.
	ErrNotFound = errors.New("store: not found")
	// ErrInvalid: the batch breaks a rule stated at its types, such as an
	// empty name or a record named twice; nothing was applied. A bug of the
	// caller.
	ErrInvalid = errors.New("store: invalid batch")
)

// Limits of every engine. What is over them is refused with ErrTooBig.
const (
	// MaxValue is the longest value of a record or an item, in bytes.
	MaxValue = 8 << 20
	// MaxName is the longest kind, key, queue, mark, transaction id or wake
	// key, in bytes. Hash what may be longer.
	MaxName = 2048
	// MaxBatch is how many bytes the values of one batch may have together.
	MaxBatch = 32 << 20
	// MaxChanges is how many changes and preconditions one batch may have.
	MaxChanges = 1000
)

// Kind groups the records of one type. It is not empty and has no zero byte.
type Kind string

// ID names a record. Key is not empty and has no zero byte.
type ID struct {
	Kind Kind
	Key  string
}

// Revision is the sequence number of the commit that put a record. It grows
// with every commit of the store; 0 means that the record does not exist.
type Revision uint64

// Position orders the items of a queue. It grows with every append of the
// store; 0 is before all of them.
type Position uint64

// Record is a stored value.
type Record struct {
	ID       ID
	Revision Revision
	Value    []byte
}

// Item is an element of a queue.
type Item struct {
	Queue    string
	Position Position
	Value    []byte
}

// Wake says that Key has work at At, see Instant.
type Wake struct {
	Key string
	At  time.Time
	// Revision is the commit that set it, as Due gives it. In a batch, a
	// wake with a Revision is applied only if the key's wake is still the one
	// that this commit set, and is left out otherwise: who clears the wake
	// that it has seen never clears a newer one.
	Revision Revision
}

// Instant returns the time that a wake set to t has: what nanoseconds since
// 1970 in 64 bits hold (the years 1678 to 2262), or the nearest that they can.
func Instant(t time.Time) time.Time {
	earliest, latest := time.Unix(0, math.MinInt64), time.Unix(0, math.MaxInt64)
	switch {
	case t.Before(earliest):
		t = earliest
	case t.After(latest):
		t = latest
	}
	return time.Unix(0, t.UnixNano()).UTC()
}

// Batch is a set of changes that are applied together. Its slices are read
// until Commit returns and not kept. It puts or deletes a record at most once,
// and sets the wake of a key at most once.
type Batch struct {
	// Tx identifies the batch for Resolve, if it is not empty.
	Tx string
	// Intake marks a batch that brings in new work: it is refused with
	// ErrNoSpace earlier than a batch that lets work in progress end.
	Intake bool

	Expect []Expect
	Put    []Put
	Delete []ID
	Append []Append
	Remove []ItemRef
	// Wake sets the wake of a key; a zero At clears it. See Wake.Revision.
	Wake []Wake
}

// Expect is a precondition: the record is at this revision (0: absent).
type Expect struct {
	ID       ID
	Revision Revision
}

// Put writes a record. A positive TTL lets it disappear after that time; only
// what may be lost (marks, traces) has one.
type Put struct {
	ID    ID
	Value []byte
	TTL   time.Duration
}

// Append adds an item at the end of a queue. If Mark is not empty and an
// append with the same mark was applied within its MarkTTL, the item is left
// out and its position is 0; the rest of the batch is applied. Marks are one
// space for the whole store; a mark has a positive MarkTTL.
type Append struct {
	Queue   string
	Value   []byte
	Mark    string
	MarkTTL time.Duration
}

// ItemRef names an item to remove. Removing an item that is gone does nothing.
type ItemRef struct {
	Queue    string
	Position Position
}

// Result is what a commit gave: the revision of all records put, and the
// position of each append in the batch's order, 0 for a duplicate.
type Result struct {
	Revision  Revision
	Positions []Position
}

// Store is the one place where state lives. Its methods may be called from
// many goroutines. The values that it returns belong to the caller.
type Store interface {
	// Commit applies a batch, atomically and durably: when it returns nil,
	// the batch survives the loss of power. Two commits that expect the same
	// revision of a record never both succeed. The context bounds waiting in
	// line only: once applied, a batch stays applied.
	//
	// Errors: ErrConflict, ErrTooBig, ErrNoSpace, ErrUnknown, ErrClosed, or
	// the context's error, after which nothing was applied.
	Commit(ctx context.Context, b *Batch) (Result, error)

	// Load returns a record, or ErrNotFound.
	Load(ctx context.Context, id ID) (Record, error)

	// List returns up to max records of a kind in the order of their keys,
	// after the key after, or downwards before it if reverse is set ("" is
	// the respective end). For operators' listings, not for hot paths.
	List(ctx context.Context, kind Kind, after string, max int, reverse bool) ([]Record, error)

	// Read returns up to max items of a queue after a position, in order.
	Read(ctx context.Context, queue string, after Position, max int) ([]Item, error)

	// Due returns up to max wakes at or before until, earliest first and then by
	// key. They stand behind after in this order; the zero Wake: all do.
	Due(ctx context.Context, after Wake, until time.Time, max int) ([]Wake, error)

	// Wakes returns up to max wakes of the keys that begin with prefix, in the
	// order of the keys, after the key after. For operators' listings: Due is
	// what says who has work.
	Wakes(ctx context.Context, prefix, after string, max int) ([]Wake, error)

	// Resolve says whether a batch with this Tx was applied. It knows the
	// batches of the last hour at least, over restarts.
	Resolve(ctx context.Context, tx string) (bool, error)

	// Backup writes the store as it is at one moment, in the form of package
	// snapshot, while commits go on. It fails if anything can't be read; what
	// was written until then is refused by whoever restores it.
	Backup(ctx context.Context, w io.Writer) error

	// Space returns nil, or ErrNoSpace wrapped with the numbers while new
	// work is refused.
	Space() error

	// Close waits for commits in line and closes the engine.
	Close() error
}
