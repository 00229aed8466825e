package calllog

import (
	"context"
	"errors"
	"time"

	"github.com/trama-run/trama/host/store"
)

// erased stands where the endpoint of an erased call was.
const erased = "erased"

// Erase removes what is known of those calls that concern a contact or a run,
// and says how many they are; with dry it only counts. That there was a call,
// when, of what kind and with which status, stays. It reads all pages, and calls
// wait for their records meanwhile. A nil Log has none.
func (l *Log) Erase(ctx context.Context, of func(contact, run string) bool, dry bool) (n int, err error) {
	if l == nil {
		return 0, nil
	}
	ended := l.then(ctx, func() { n, err = l.erase(ctx, of, dry) })
	return n, errors.Join(ended, err)
}

// erase is Erase for the writer.
func (l *Log) erase(ctx context.Context, of func(contact, run string) bool, dry bool) (total int, err error) {
	if l.open != nil { // it is stored; the next call begins another
		l.kept = append(l.kept, stored{l.open.name, l.open.bytes})
		l.open = nil
	}
	err = l.indexes(ctx, "", false, func(name string, x *index) (bool, error) {
		r, err := l.config.Store.Load(ctx, store.ID{Kind: KindPage, Key: name})
		if errors.Is(err, store.ErrNotFound) { // its days are over
			return true, nil
		}
		if err != nil {
			return false, err
		}
		calls, err := readPage(r)
		if err != nil {
			return false, err
		}
		anew, n := page{name: name}, 0
		for _, c := range calls {
			if of(c.Contact, c.Run) {
				c = Call{At: c.At, Duration: c.Duration, Direction: c.Direction, Kind: c.Kind, Name: c.Name, Method: c.Method, Endpoint: erased, Status: c.Status}
				n++
			}
			if _, err := anew.add(c); err != nil {
				return false, err
			}
		}
		total += n
		if n == 0 || dry {
			return true, nil
		}
		begun, _ := written(name)
		left := max(begun.Add(l.ttl).Sub(l.config.Now()), time.Minute) // it doesn't live longer for that
		if _, err := l.config.Store.Commit(ctx, &store.Batch{Put: anew.puts(left)}); err != nil {
			return false, err
		}
		for i := range l.kept {
			if l.kept[i].name == name {
				l.bytes += anew.index.bytes - l.kept[i].bytes
				l.kept[i].bytes = anew.index.bytes
			}
		}
		return true, nil
	})
	return total, err
}
