package simulation

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/trama-run/trama/host/store"
)

// odds are how likely each fault is, at each chance for it.
type odds struct {
	crash, unknown, conflict, noSpace, stuck, read float64 // of the store
	cut, busy, lost, refused                       float64 // of the peer
}

// errDisk is a failed read.
var errDisk = errors.New("read: input/output error")

// sick is a store that has faults. Each of its methods takes a time of its
// own, which its name and the seed decide, so that no two things happen at
// once and the same seed gives the same history.
type sick struct {
	store.Store
	life *life
}

func (s *sick) Commit(ctx context.Context, b *store.Batch) (store.Result, error) {
	l, w, name := s.life, s.life.world, commitName(b)
	w.sleep("commit", name, 3*time.Millisecond)
	if !w.calm() && w.roll("stuck", name) < w.odds.stuck { // in line, for longer than some wait
		w.fault("stuck at " + name)
		select {
		case <-ctx.Done():
		case <-time.After(w.span("stuck", name, 45*time.Second)):
		}
		w.fault("stuck no more at " + name)
	}
	if err := ctx.Err(); err != nil {
		return store.Result{}, err
	}
	if err := l.err(); err != nil {
		w.fault("refused at " + name)
		return store.Result{}, err
	}
	apply := func() (store.Result, error) { return s.Store.Commit(ctx, b) }
	if w.calm() {
		return apply()
	}
	half := w.roll("applied", name) < 0.5
	switch o := w.odds; w.pick("fault", name, o.crash, o.unknown, o.conflict, o.noSpace) {
	case 0:
		if half {
			apply() //nolint:errcheck // nobody learns of it: the process ends
		}
		l.crash(fmt.Sprintf("crash at %s, applied %v", Point(b), half))
		return store.Result{}, store.ErrClosed
	case 1:
		if half {
			apply() //nolint:errcheck // nobody learns of it
		}
		l.sicken(fmt.Sprintf("unknown outcome at %s, applied %v", Point(b), half))
		return store.Result{}, store.ErrUnknown
	case 2:
		if len(b.Expect) > 0 {
			w.fault("conflict at " + name)
			return store.Result{}, store.ErrConflict
		}
	case 3:
		w.fault("no space at " + name)
		return store.Result{}, store.ErrNoSpace
	}
	return apply()
}

// commitName names a batch by the first thing that it changes.
func commitName(b *store.Batch) string {
	switch {
	case len(b.Expect) > 0:
		return Point(b) + " " + b.Expect[0].ID.Key
	case len(b.Append) > 0:
		return Point(b) + " " + b.Append[0].Queue
	case len(b.Remove) > 0:
		return Point(b) + " " + b.Remove[0].Queue
	case len(b.Wake) > 0:
		return Point(b) + " " + b.Wake[0].Key
	case len(b.Put) > 0:
		return Point(b) + " " + b.Put[0].ID.Key
	}
	return Point(b)
}

// look is the beginning of every read.
func (s *sick) look(ctx context.Context, name string) error {
	w := s.life.world
	w.sleep("read", name, time.Millisecond)
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.life.over() {
		return store.ErrClosed
	}
	if !w.calm() && w.roll("bad read", name) < w.odds.read {
		w.fault("failed read of " + name)
		return errDisk
	}
	return nil
}

func (s *sick) Load(ctx context.Context, id store.ID) (store.Record, error) {
	if err := s.look(ctx, string(id.Kind)+" "+id.Key); err != nil {
		return store.Record{}, err
	}
	return s.Store.Load(ctx, id)
}

func (s *sick) List(ctx context.Context, kind store.Kind, after string, max int, reverse bool) ([]store.Record, error) {
	if err := s.look(ctx, string(kind)+" "+after); err != nil {
		return nil, err
	}
	return s.Store.List(ctx, kind, after, max, reverse)
}

func (s *sick) Read(ctx context.Context, queue string, after store.Position, max int) ([]store.Item, error) {
	if err := s.look(ctx, queue); err != nil {
		return nil, err
	}
	return s.Store.Read(ctx, queue, after, max)
}

func (s *sick) Due(ctx context.Context, after store.Wake, until time.Time, max int) ([]store.Wake, error) {
	if err := s.look(ctx, "due"); err != nil {
		return nil, err
	}
	return s.Store.Due(ctx, after, until, max)
}

// Backup is not called here.
func (s *sick) Backup(context.Context, io.Writer) error { return errDisk }
