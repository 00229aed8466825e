package calllog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/trama-run/trama/host/egress/redact"
	"github.com/trama-run/trama/host/store"
)

// Bounds of the writer.
const (
	queueCalls = 2048     // calls that wait
	queueBytes = 32 << 20 // the same in bytes of bodies and headers
	// pace is the least time between two commits, and roundCalls what goes into
	// one: what is served comes first.
	pace       = 200 * time.Millisecond
	roundCalls = 128
	roundBytes = 8 << 20 // what goes into one commit, far below the store's limit
	// roundRefused is how many of them may be of callers that were turned away:
	// a flood of these must not push everything else out.
	roundRefused = 32
	// shareRefused is the part of all bytes that they fill in Config.Days at
	// most, so that those who are turned away can't wipe the log; as much may
	// come at once.
	shareRefused = 8
	secretsEvery = 10 * time.Second // how often the secrets of the host are read
	tellEvery    = time.Minute      // how often the log says how many were dropped
	maxRead      = 4000             // pages that one search reads
)

// Defaults of a Config.
const (
	DefaultDays  = 14
	DefaultBytes = 512 << 20
)

// Config says what is kept, and where.
type Config struct {
	Store store.Store
	// Secrets gives the values that must not be kept.
	Secrets func() []string
	// Changes grows when one was given to the host: they are read anew at once.
	// nil: only from time to time, as files are.
	Changes func() int64
	Days    int   // 0: DefaultDays
	Bytes   int64 // of all pages together; 0: DefaultBytes
	// NoBodies leaves out what requests and answers say.
	NoBodies bool
	Now      func() time.Time // nil: time.Now
	Log      *slog.Logger
}

// Log keeps calls. A nil Log keeps none. It is safe for concurrent use.
type Log struct {
	config  Config
	ttl     time.Duration
	queue   chan *Seen
	flush   chan func()  // what the writer does once all that waits is written
	waiting atomic.Int64 // bytes in queue
	dropped atomic.Int64
	stop    chan struct{}
	once    sync.Once
	done    sync.WaitGroup

	// Of the writer alone.
	open    *page
	kept    []stored // all pages but the open one, the oldest first
	bytes   int64    // of kept and of what is stored of open
	last    string   // name of the newest page
	refused int      // in this round
	spare   float64  // bytes that refused calls may take, as of spared
	spared  time.Time
	cleaner cleaner
	renewed time.Time
	changes int64 // Config.Changes as of then
	told    time.Time
	counted int64
}

// stored is a page on disk.
type stored struct {
	name  string
	bytes int64
}

// New returns a log. Close ends it.
func New(config Config) *Log {
	if config.Days <= 0 {
		config.Days = DefaultDays
	}
	if config.Bytes <= 0 {
		config.Bytes = DefaultBytes
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	l := &Log{
		config: config, ttl: time.Duration(config.Days) * 24 * time.Hour,
		queue: make(chan *Seen, queueCalls), flush: make(chan func()), stop: make(chan struct{}),
	}
	l.done.Go(l.work)
	return l
}

// Takes says whether there is room for a call; if not, it counts as dropped.
// Whoever saw a call asks first, so that one that is dropped costs nothing
// more. The last half of the room is for calls that failed.
func (l *Log) Takes(failed bool) bool {
	if l == nil {
		return false
	}
	calls, bytes := len(l.queue), l.waiting.Load()
	if failed && calls < queueCalls && bytes < queueBytes || calls < queueCalls/2 && bytes < queueBytes/2 {
		return true
	}
	l.dropped.Add(1)
	return false
}

// Add takes a call. It never waits.
func (l *Log) Add(s *Seen) {
	if l == nil {
		return
	}
	size := s.size()
	l.waiting.Add(size)
	select {
	case l.queue <- s:
	default:
		l.waiting.Add(-size)
		l.dropped.Add(1)
	}
}

func (s *Seen) size() int64 {
	return int64(len(s.Asked.Headers) + len(s.Asked.Body) + len(s.Answered.Headers) + len(s.Answered.Body) + len(s.Endpoint))
}

// Dropped counts the calls that were left out since the start.
func (l *Log) Dropped() int64 {
	if l == nil {
		return 0
	}
	return l.dropped.Load()
}

// Close writes what waits.
func (l *Log) Close() {
	if l == nil {
		return
	}
	l.once.Do(func() { close(l.stop) })
	l.done.Wait()
}

// work is the writer.
func (l *Log) work() {
	if err := l.begin(); err != nil {
		l.config.Log.Error("call log: the pages of earlier starts are not counted, and stay until their days are over", "error", err)
	}
	for {
		select {
		case first := <-l.queue:
			l.round(first)
		case asked := <-l.flush:
			l.all()
			asked()
			continue
		case <-l.stop:
			l.all()
			return
		}
		select { // what comes meanwhile goes into the next round
		case asked := <-l.flush:
			l.all()
			asked()
		case <-l.stop:
			l.all()
			return
		case <-time.After(pace):
		}
	}
}

// begin counts what is there.
func (l *Log) begin() error {
	return l.indexes(context.Background(), "", false, func(name string, x *index) (bool, error) {
		l.kept, l.last = append(l.kept, stored{name, x.bytes}), name
		l.bytes += x.bytes
		return true, nil
	})
}

// all writes what waits now.
func (l *Log) all() {
	for n := len(l.queue); n > 0; {
		select {
		case first := <-l.queue:
			n -= l.round(first)
		default: // the rounds before took more
			return
		}
	}
}

// round writes a call and those that wait behind it, as far as one commit goes,
// and says how many.
func (l *Log) round(first *Seen) int {
	now := l.config.Now()
	if now.Sub(l.renewed) >= secretsEvery || l.cleaner.known == nil || l.config.Changes != nil && l.config.Changes() != l.changes {
		l.renew(now)
	}
	l.refused = 0
	var batch store.Batch
	calls, kept, bytes := 0, 0, 0
	for s := first; s != nil; calls++ {
		n, err := l.put(&batch, s, now)
		if err != nil {
			l.config.Log.Error("call not logged", "error", err)
			l.dropped.Add(1)
		}
		if bytes += n; n > 0 {
			kept++
		}
		s = nil
		if calls < queueCalls && kept < roundCalls && bytes < roundBytes {
			select {
			case s = <-l.queue:
			default:
			}
		}
	}
	if l.open != nil {
		l.store(&batch)
	}
	batch.Intake = true // the last room on a disk is not for this
	if _, err := l.config.Store.Commit(context.Background(), &batch); err != nil {
		l.dropped.Add(int64(kept))
		l.config.Log.Error("calls not logged", "calls", kept, "error", err)
		if l.open != nil { // what is stored of it stays; the next call begins another
			l.kept = append(l.kept, stored{l.open.name, l.open.bytes})
			l.open = nil
		}
	}
	l.shrink(now)
	l.tell(now)
	return calls
}

// put adds a call to the open page, and a page that is full to the batch. It
// gives the bytes of the call.
func (l *Log) put(batch *store.Batch, s *Seen, now time.Time) (int, error) {
	l.waiting.Add(-s.size())
	refused := s.refused()
	if refused && !l.spares(now) {
		l.dropped.Add(1)
		return 0, nil
	}
	if l.open == nil || l.open.full(now) {
		if l.open != nil {
			l.store(batch)
			l.kept = append(l.kept, stored{l.open.name, l.open.bytes})
		}
		name := pageName(now)
		if before, ok := written(l.last); ok && name <= l.last { // the clock went back, or stands
			name = pageName(before.Add(1))
		}
		l.open, l.last = &page{name: name}, name
	}
	n, err := l.open.add(l.cleaner.call(s))
	if refused {
		l.spare -= float64(n)
	}
	return n, err
}

// spares says whether there is room for a call that was turned away.
func (l *Log) spares(now time.Time) bool {
	share := float64(l.config.Bytes / shareRefused)
	if l.spared.IsZero() {
		l.spare = share
	} else if since := now.Sub(l.spared); since > 0 {
		l.spare = min(share, l.spare+share*float64(since)/float64(l.ttl))
	}
	l.spared = now
	l.refused++
	return l.refused <= roundRefused && l.spare > 0
}

// store adds the open page to a batch, if there is something new in it.
func (l *Log) store(batch *store.Batch) {
	if l.open.bytes == l.open.index.bytes {
		return
	}
	batch.Put = append(batch.Put, l.open.puts(l.ttl)...)
	l.bytes += l.open.index.bytes - l.open.bytes
	l.open.bytes = l.open.index.bytes
}

// renew reads the secrets of the host anew.
func (l *Log) renew(now time.Time) {
	known := &redact.Set{}
	if l.config.Changes != nil {
		l.changes = l.config.Changes()
	}
	if l.config.Secrets != nil {
		for _, value := range l.config.Secrets() {
			known.Hide(value)
		}
	}
	l.cleaner, l.renewed = cleaner{known: known, bodies: !l.config.NoBodies}, now
}

// shrink removes the oldest pages while there are too many bytes, and forgets
// those whose days are over: the store removes them.
func (l *Log) shrink(now time.Time) {
	var batch store.Batch
	gone := 0
	for _, p := range l.kept {
		at, _ := written(p.name)
		over := l.bytes > l.config.Bytes
		if !over && now.Sub(at) < l.ttl {
			break
		}
		if over {
			batch.Delete = append(batch.Delete, store.ID{Kind: KindPage, Key: p.name}, store.ID{Kind: KindIndex, Key: p.name})
		}
		l.bytes -= p.bytes
		if gone++; len(batch.Delete) >= 200 {
			break
		}
	}
	l.kept = slices.Delete(l.kept, 0, gone)
	if len(batch.Delete) == 0 {
		return
	}
	if _, err := l.config.Store.Commit(context.Background(), &batch); err != nil {
		l.config.Log.Error("call log: old pages not removed; they go when their days are over", "pages", gone, "error", err)
	}
}

// tell says now and then how many calls were left out.
func (l *Log) tell(now time.Time) {
	if n := l.dropped.Load(); n > l.counted && now.Sub(l.told) >= tellEvery {
		l.config.Log.Warn("calls were left out of the call log, under load", "calls", n-l.counted)
		l.told, l.counted = now, n
	}
}

// sync waits until what was added before is written.
func (l *Log) sync(ctx context.Context) error {
	err := l.then(ctx, func() {})
	if errors.Is(err, errEnded) {
		return nil // its end writes all
	}
	return err
}

// errEnded: the log was closed.
var errEnded = errors.New("the call log has ended")

// then lets the writer do something when what was added before is written.
func (l *Log) then(ctx context.Context, do func()) error {
	done := make(chan struct{})
	select {
	case l.flush <- func() { do(); close(done) }:
	case <-l.stop:
		return errEnded
	case <-ctx.Done():
		return ctx.Err()
	}
	<-done
	return nil
}

// ErrNotFound: there is no such call, or none any more.
var ErrNotFound = errors.New("no such call")

// ErrOff: the call log is off.
var ErrOff = errors.New("the call log is off: set call_log in trama.yaml")

// Load returns a call.
func (l *Log) Load(ctx context.Context, id string) (Call, error) {
	name, n, ok := parseID(id)
	if l == nil {
		return Call{}, ErrOff
	}
	if !ok {
		return Call{}, ErrNotFound
	}
	if err := l.sync(ctx); err != nil {
		return Call{}, err
	}
	r, err := l.config.Store.Load(ctx, store.ID{Kind: KindPage, Key: name})
	if errors.Is(err, store.ErrNotFound) {
		return Call{}, ErrNotFound
	}
	if err != nil {
		return Call{}, err
	}
	calls, err := readPage(r)
	if err != nil {
		return Call{}, err
	}
	if n >= len(calls) {
		return Call{}, ErrNotFound
	}
	return calls[n], nil
}

// Search returns up to most calls that a filter chooses, the last that ended
// first. It reads a bounded number of pages; if more says so there may be others
// before the last of them, which Filter.Before continues at.
func (l *Log) Search(ctx context.Context, f Filter, most int) (found []Call, more string, err error) {
	if l == nil {
		return nil, "", ErrOff
	}
	if err := f.Check(); err != nil {
		return nil, "", err
	}
	before, place, _ := parseID(f.Before)
	from := ""
	if f.Before != "" {
		from = before + "\x01" // that page itself has those before it
	}
	if err := l.sync(ctx); err != nil {
		return nil, "", err
	}
	terms, read := f.terms(), 0
	next := time.Time{} // when the page after this one was begun: what is in this one ended before
	err = l.indexes(ctx, from, true, func(name string, x *index) (bool, error) {
		if !f.Since.IsZero() && !next.IsZero() && next.Before(f.Since) {
			return false, nil
		}
		next, _ = written(name)
		if !x.may(&f, terms) {
			return true, nil
		}
		if read++; read > maxRead {
			more = callID(name, pageCalls)
			return false, nil
		}
		r, err := l.config.Store.Load(ctx, store.ID{Kind: KindPage, Key: name})
		if errors.Is(err, store.ErrNotFound) { // removed meanwhile
			return true, nil
		}
		if err != nil {
			return false, err
		}
		calls, err := readPage(r)
		if err != nil {
			return false, err
		}
		if name == before {
			calls = calls[:min(place, len(calls))]
		}
		for i := range slices.Backward(calls) {
			if !f.has(&calls[i], terms) {
				continue
			}
			if len(found) == most {
				more = found[most-1].ID
				return false, nil
			}
			found = append(found, calls[i])
		}
		return true, nil
	})
	return found, more, err
}

// indexes reads what is in each page, until do has enough.
func (l *Log) indexes(ctx context.Context, after string, reverse bool, do func(name string, x *index) (more bool, err error)) error {
	for {
		records, err := l.config.Store.List(ctx, KindIndex, after, 100, reverse)
		if err != nil || len(records) == 0 {
			return err
		}
		for _, r := range records {
			var x index
			if err := x.decode(r.Value); err != nil {
				return fmt.Errorf("page %s: %w", r.ID.Key, err)
			}
			if more, err := do(r.ID.Key, &x); err != nil || !more {
				return err
			}
		}
		after = records[len(records)-1].ID.Key
	}
}
