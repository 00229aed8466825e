package access

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/trama-run/trama/host/store"
)

// kindQuota are the counts of quotas, each gone when its period is over.
const kindQuota store.Kind = "quota"

// saveEvery is how often counts go to the store: what a crash may lose of
// them. A caller is then given those calls again; none is counted twice.
const saveEvery = time.Second

// counter counts the calls of one period.
type counter struct {
	// Start and Per say which period it is, in seconds.
	Start int64 `json:"start"`
	Per   int64 `json:"per"`
	Used  int   `json:"used"`
}

// start begins a new period if the one that is counted is over, or the quota
// has another one now.
func (c *counter) start(r Rate, now time.Time) {
	per := int64(r.Per / time.Second)
	if begins := now.Unix() - now.Unix()%per; c.Start != begins || c.Per != per {
		*c = counter{Start: begins, Per: per}
	}
}

func (c counter) end() time.Time { return time.Unix(c.Start+c.Per, 0) }

func (k callerKey) record() store.ID {
	hash := sha256.Sum256([]byte(k.owner + "\x00" + k.caller))
	return store.ID{Kind: kindQuota, Key: hex.EncodeToString(hash[:16])}
}

// load has the count of a quota in memory.
func (l *limits) load(ctx context.Context, d demand, now time.Time) error {
	l.mu.Lock()
	known := l.quotas.get(d.key) != nil
	if c := l.unsaved[d.key]; !known && c != nil { // let go of, and not saved yet
		l.quotas.add(d.key, *c)
		l.unsaved[d.key] = nil
		known = true
	}
	l.mu.Unlock()
	if known {
		return nil
	}
	c, err := l.stored(ctx, d.key)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.quotas.get(d.key) == nil && l.unsaved[d.key] == nil {
		l.quotas.add(d.key, c)
	}
	return nil
}

func (l *limits) stored(ctx context.Context, key callerKey) (c counter, err error) {
	record, err := l.store.Load(ctx, key.record())
	if errors.Is(err, store.ErrNotFound) {
		return c, nil
	}
	if err == nil {
		err = json.Unmarshal(record.Value, &c)
	}
	if err != nil {
		return c, fmt.Errorf("quota: %w", err)
	}
	return c, nil
}

// used gives how much of a quota a caller has used.
func (l *limits) used(ctx context.Context, key callerKey, r Rate, now time.Time) (int, error) {
	if err := l.load(ctx, demand{key: key}, now); err != nil {
		return 0, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	c := *l.quotas.of(key)
	c.start(r, now)
	return c.Used, nil
}

// save stores the counts that the store doesn't have. What is counted
// meanwhile is for the next time.
func (l *limits) save(ctx context.Context, now time.Time) error {
	l.mu.Lock()
	keys := slices.Collect(maps.Keys(l.unsaved))
	l.mu.Unlock()
	for some := range slices.Chunk(keys, store.MaxChanges) {
		counts := l.takeUnsaved(some)
		var batch store.Batch
		for key, c := range counts {
			value, err := json.Marshal(c)
			if err != nil {
				return fmt.Errorf("quota: %w", err)
			}
			if left := c.end().Sub(now); left > 0 {
				batch.Put = append(batch.Put, store.Put{ID: key.record(), Value: value, TTL: left})
			}
		}
		if len(batch.Put) == 0 {
			continue
		}
		if _, err := l.store.Commit(ctx, &batch); err != nil {
			l.restore(counts)
			return fmt.Errorf("quotas are not saved, and tried again: %w", err)
		}
	}
	return nil
}

// takeUnsaved gives the counts of some keys, and no longer holds them for
// unsaved.
func (l *limits) takeUnsaved(keys []callerKey) map[callerKey]counter {
	l.mu.Lock()
	defer l.mu.Unlock()
	counts := map[callerKey]counter{}
	for _, key := range keys {
		c, unsaved := l.unsaved[key]
		if !unsaved { // saved by another, who was quicker
			continue
		}
		if c == nil {
			c = l.quotas.of(key)
		}
		counts[key] = *c
		delete(l.unsaved, key)
	}
	return counts
}

// restore marks counts as unsaved again.
func (l *limits) restore(saved map[callerKey]counter) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for key, c := range saved {
		if _, newer := l.unsaved[key]; newer {
			continue
		}
		if l.unsaved[key] = nil; l.quotas.get(key) == nil {
			l.unsaved[key] = &c
		}
	}
}
