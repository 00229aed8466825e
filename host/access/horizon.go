package access

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/trama-run/trama/host/store"
)

// kindAccess are the times after which no signature of a client was taken, by
// the client's name.
const kindAccess store.Kind = "access"

// horizon is those times as the store has them. One is moved before a signature
// beyond it is taken, so that none is taken twice however the host ends; at a
// clean end it is moved back to the last one. Signatures of a time that is not
// ahead of the clock need it not: the next start takes none of before.
type horizon struct {
	mu sync.Mutex
	of map[string]*reached // by client; guarded by mu
}

// reached is how far the signatures of a client went that was ahead of the clock.
type reached struct {
	until time.Time // as the store has it
	last  time.Time // of a signature
}

func newHorizon() *horizon { return &horizon{of: map[string]*reached{}} }

// reach makes sure that a client's signatures of a time may be taken.
func (h *horizon) reach(ctx context.Context, s store.Store, client string, at, now time.Time) error {
	if !at.After(now) {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.of[client]
	if r == nil {
		r = &reached{}
	}
	if at.After(r.until) {
		until := at.Add(maxAhead) // so a commit each half minute is enough
		if err := keepHorizons(ctx, s, now, map[string]time.Time{client: until}); err != nil {
			return err
		}
		r.until = until
		h.of[client] = r
	}
	if at.After(r.last) {
		r.last = at
	}
	return nil
}

// end moves all of them back to the last signatures.
func (h *horizon) end(ctx context.Context, s store.Store, now time.Time) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	last := map[string]time.Time{}
	for client, r := range h.of {
		last[client] = r.last
	}
	if len(last) == 0 {
		return nil
	}
	return keepHorizons(ctx, s, now, last)
}

// keepHorizons stores such times, each for as long as it may keep out something.
func keepHorizons(ctx context.Context, s store.Store, now time.Time, until map[string]time.Time) error {
	var b store.Batch
	for client, at := range until {
		text, err := at.UTC().MarshalText()
		if err != nil {
			return fmt.Errorf("signed requests of client %s: %w", client, err)
		}
		b.Put = append(b.Put, store.Put{ID: store.ID{Kind: kindAccess, Key: client}, Value: text, TTL: max(at.Sub(now), 0) + maxAge})
	}
	if _, err := s.Commit(ctx, &b); err != nil {
		return fmt.Errorf("signed requests: %w", err)
	}
	return nil
}

// signedUntil gives, by client, up to when signatures may have been taken before
// a start, where that is after it.
func signedUntil(ctx context.Context, s store.Store, start time.Time) (map[string]time.Time, error) {
	const page = 500
	latest := start.Add(maxAhead) // further only if the clock was set back
	before := map[string]time.Time{}
	for after := ""; ; {
		records, err := s.List(ctx, kindAccess, after, page, false)
		if err != nil {
			return nil, fmt.Errorf("signed requests: %w", err)
		}
		if len(records) == 0 {
			return before, nil
		}
		for _, r := range records {
			after = r.ID.Key
			var until time.Time
			if err := until.UnmarshalText(r.Value); err != nil {
				return nil, fmt.Errorf("signed requests of client %s: %w", after, err)
			}
			if until.After(latest) {
				until = latest
			}
			if until.After(start) {
				before[after] = until
			}
		}
	}
}
