// Package deadletter keeps what could not be worked on: events that no adapter
// could read and messages that no service would take, each whole, with why and
// with the tries that were made.
//
// A dead letter comes out of a queue and stays until an operator puts it back
// there ([Replay], [ReplayAll]) or gives it up ([Remove]). The package must not
// know what the items are, or who works on the queues.
package deadletter

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/pdk/abi"
)

// Kinds of the records of a dead letter.
const (
	// Kind is the kind of dead letters, by id; ids grow with time.
	Kind store.Kind = "dead"
	// kindValue is the kind of their items, by the same id: an item may be as
	// long as the store lets a value be, so it has a record of its own.
	kindValue store.Kind = "dead_value"
)

// Bounds.
const (
	page    = 10      // letters in memory at a time: old ones have their items in them
	maxText = 4 << 10 // bytes of a reason's message, and of its detail
	// MaxReplay is how many letters one ReplayAll puts back.
	MaxReplay = 10_000
)

// Letter is an item that could not be worked on.
type Letter struct {
	ID      string `json:"id"`
	Queue   string `json:"queue"`             // where it came from and a replay puts it
	Channel string `json:"channel,omitempty"` // where it is of one
	// EffectID and RunID are a message's.
	EffectID string    `json:"effect_id,omitempty"`
	RunID    string    `json:"run_id,omitempty"`
	Reason   abi.Error `json:"reason"`
	Tries    []Try     `json:"tries,omitempty"` // that failed, the oldest first; the last is the reason
	At       time.Time `json:"at"`
	// Value is the item. It is stored beside the letter; those that were buried
	// by earlier versions have it in them.
	Value []byte `json:"value,omitempty"`
}

// Try is one attempt that failed.
type Try struct {
	At      time.Time `json:"at"`
	Code    string    `json:"code"`
	Message string    `json:"message"`
}

// ID is the id of the letter whose item had a position in its queue.
func ID(position store.Position) string { return fmt.Sprintf("%016x", position) }

// Position is the one that the letter's item had in its queue.
func (l Letter) Position() (store.Position, error) {
	n, err := strconv.ParseUint(l.ID, 16, 64)
	if err != nil {
		return 0, fmt.Errorf("dead letter %s: its id is no position: %w", l.ID, err)
	}
	return store.Position(n), nil
}

// Bury adds a dead letter to the batch that takes its item out of the queue.
// The letter's id is made of the item's position, which no other item has and
// which grows.
func Bury(batch *store.Batch, position store.Position, l Letter) error {
	l.ID = ID(position)
	item := l.Value
	l.Value = nil
	l.Reason = Cut(l.Reason)
	value, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("dead letter of %s: %w", l.Queue, err)
	}
	batch.Put = append(batch.Put,
		store.Put{ID: store.ID{Kind: Kind, Key: l.ID}, Value: value},
		store.Put{ID: store.ID{Kind: kindValue, Key: l.ID}, Value: item})
	return nil
}

// Cut bounds what others say of a failure, so that it can always be stored.
func Cut(e abi.Error) abi.Error {
	if len(e.Code) > maxText {
		e.Code = strings.ToValidUTF8(e.Code[:maxText], "")
	}
	if len(e.Message) > maxText {
		e.Message = strings.ToValidUTF8(e.Message[:maxText], "") + "…"
	}
	if len(e.Detail) > maxText {
		e.Detail = nil
	}
	return e
}

// Filter chooses letters; an empty field chooses all.
type Filter struct {
	Queue   string // how the queue's name begins
	Channel string
	Code    string // of the reason
	// EffectID is one message's, or one delivery's.
	EffectID string
	Since    time.Time // not before
	Until    time.Time // before
}

func (f Filter) has(l Letter) bool {
	return strings.HasPrefix(l.Queue, f.Queue) &&
		(f.Channel == "" || f.Channel == l.Channel) &&
		(f.Code == "" || f.Code == l.Reason.Code) &&
		(f.EffectID == "" || f.EffectID == l.EffectID) &&
		(f.Since.IsZero() || !l.At.Before(f.Since)) &&
		(f.Until.IsZero() || l.At.Before(f.Until))
}

// Load returns a letter and the revision of its record, or store.ErrNotFound.
func Load(ctx context.Context, s store.Store, id string) (Letter, store.Revision, error) {
	record, err := s.Load(ctx, store.ID{Kind: Kind, Key: id})
	if err != nil {
		return Letter{}, 0, err
	}
	l, err := decode(record)
	if err == nil && l.Value == nil {
		var item store.Record
		item, err = s.Load(ctx, store.ID{Kind: kindValue, Key: id}) // if it is not found, the letter was removed meanwhile
		l.Value = item.Value
	}
	return l, record.Revision, err
}

func decode(r store.Record) (l Letter, err error) {
	if err := json.Unmarshal(r.Value, &l); err != nil {
		return l, fmt.Errorf("dead letter %s: %w", r.ID.Key, err)
	}
	return l, nil
}

// Each reads up to most letters that the filter chooses, older than the one
// with the id before ("": all), newest first, without their items. It looks at
// maxScanned at most.
func Each(ctx context.Context, s store.Store, f Filter, before string, most, maxScanned int, do func(Letter)) error {
	return each(ctx, s, before, maxScanned, true, func(l Letter) (bool, error) {
		if f.has(l) {
			l.Value = nil
			do(l)
			most--
		}
		return most > 0, nil
	})
}

// each reads letters in the order of their ids until do has enough.
func each(ctx context.Context, s store.Store, after string, maxScanned int, reverse bool, do func(Letter) (more bool, err error)) error {
	for scanned := 0; scanned < maxScanned; {
		records, err := s.List(ctx, Kind, after, min(page, maxScanned-scanned), reverse)
		if err != nil || len(records) == 0 {
			return err
		}
		for _, r := range records {
			l, err := decode(r)
			if err != nil {
				return err
			}
			if more, err := do(l); err != nil || !more {
				return err
			}
		}
		scanned += len(records)
		after = records[len(records)-1].ID.Key
	}
	return nil
}

// Anew adds to a batch what goes into a letter's queue in the place of its item,
// where another says the same now; false: the item goes as it is.
type Anew func(batch *store.Batch, l Letter) (bool, error)

// Replay puts a letter back into its queue, whose work is due at once; anew may
// be nil. It returns store.ErrNotFound if there is none with this id.
func Replay(ctx context.Context, s store.Store, id string, anew Anew, now time.Time) error {
	l, revision, err := Load(ctx, s, id)
	if err != nil {
		return err
	}
	batch := store.Batch{Wake: []store.Wake{{Key: l.Queue, At: now}}}
	other := false
	if anew != nil {
		if other, err = anew(&batch, l); err != nil {
			return err
		}
	}
	if !other {
		batch.Append = append(batch.Append, store.Append{Queue: l.Queue, Value: l.Value})
	}
	return Remove(ctx, s, id, revision, batch)
}

// Remove removes a letter, with the changes of a batch. It returns
// store.ErrNotFound if the letter is gone by now.
func Remove(ctx context.Context, s store.Store, id string, revision store.Revision, batch store.Batch) error {
	record := store.ID{Kind: Kind, Key: id}
	batch.Expect = append(batch.Expect, store.Expect{ID: record, Revision: revision})
	batch.Delete = append(batch.Delete, record, store.ID{Kind: kindValue, Key: id})
	_, err := s.Commit(ctx, &batch)
	if errors.Is(err, store.ErrConflict) {
		return store.ErrNotFound
	}
	return err
}

// ReplayAll puts the letters that a filter chooses back, the oldest first, so
// that each queue has its order again, and says how many; MaxReplay at most,
// and more if there may be others. What dies again meanwhile is left.
func ReplayAll(ctx context.Context, s store.Store, f Filter, anew Anew, now time.Time) (replayed int, more bool, err error) {
	newest, err := s.List(ctx, Kind, "", 1, true)
	if err != nil || len(newest) == 0 {
		return 0, false, err
	}
	last := newest[0].ID.Key
	err = each(ctx, s, "", math.MaxInt, false, func(l Letter) (bool, error) {
		if l.ID > last {
			return false, nil
		}
		if !f.has(l) {
			return true, nil
		}
		if replayed == MaxReplay {
			more = true
			return false, nil
		}
		err := Replay(ctx, s, l.ID, anew, now)
		if errors.Is(err, store.ErrNotFound) { // someone else was quicker
			return true, nil
		}
		if err != nil {
			return false, fmt.Errorf("dead letter %s (%d were put back before it): %w", l.ID, replayed, err)
		}
		replayed++
		return true, nil
	})
	return replayed, more, err
}
