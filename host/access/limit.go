package access

import (
	"cmp"
	"context"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/trama-run/trama/host/store"
)

// maxCallers bounds for how many callers limits are held in memory. Whoever is
// let go of begins anew with its rate; its quota is in the store.
const maxCallers = 1 << 16

// limits count calls: rates in memory alone, quotas in the store too.
type limits struct {
	store store.Store
	log   *slog.Logger

	mu     sync.Mutex
	rates  *lru[callerKey, bucket]
	quotas *lru[callerKey, counter]
	// unsaved are quotas whose count the store does not have, with what is no
	// longer in quotas. A count of nil is in quotas.
	unsaved map[callerKey]*counter
}

// callerKey is a caller under the limits of one owner: a route's name, "" for
// the limits of all routes, or ownerClient for those of clients.
type callerKey struct{ owner, caller string }

const ownerClient = "client"

func newLimits(s store.Store, log *slog.Logger) *limits {
	l := &limits{store: s, log: log, rates: newLRU[callerKey, bucket](maxCallers), quotas: newLRU[callerKey, counter](maxCallers), unsaved: map[callerKey]*counter{}}
	l.quotas.onDrop = func(key callerKey, c counter) {
		if _, unsaved := l.unsaved[key]; unsaved {
			l.unsaved[key] = &c
		}
	}
	return l
}

// bucket is a token bucket that holds as many calls as its rate allows and
// fills evenly. It is the instant at which it is full again.
type bucket struct{ full time.Time }

// left gives how many calls the bucket holds, and how long until it holds one.
func (b bucket) left(r Rate, now time.Time) (calls int, wait time.Duration) {
	lacks := b.lacks(r, now)
	each := r.each()
	if calls = int((r.Per - lacks) / each); calls == 0 {
		wait = lacks + each - r.Per
	}
	return min(calls, r.Calls), wait
}

// lacks is how long the bucket takes to fill.
func (b bucket) lacks(r Rate, now time.Time) time.Duration {
	return min(max(b.full.Sub(now), 0), r.Per) // a rate that was changed is at most used up
}

func (b *bucket) take(r Rate, now time.Time) { b.full = now.Add(b.lacks(r, now) + r.each()) }

func (r Rate) each() time.Duration { return max(r.Per/time.Duration(r.Calls), 1) }

// demand is one limit that a call is under.
type demand struct {
	name  string // in headers
	key   callerKey
	rate  Rate
	quota bool // counted in whole periods, over restarts
}

// standing is how a caller stands with a limit.
type standing struct {
	demand
	left  int
	reset time.Duration // until there is more

	bucket  *bucket  // of a rate, while limits.mu is held
	counter *counter // of a quota, the same
}

// take counts a call if all limits allow it; if not, refused is the index of
// the one that doesn't, and nothing is counted.
func (l *limits) take(ctx context.Context, demands []demand, now time.Time) (stand []standing, refused int, err error) {
	for _, d := range demands {
		if d.quota {
			if err := l.load(ctx, d, now); err != nil {
				return nil, -1, err
			}
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	stand = make([]standing, len(demands))
	refused = -1
	for i, d := range demands {
		stand[i].demand = d
		if d.quota {
			stand[i].counter = l.quotas.of(d.key)
		} else {
			stand[i].bucket = l.rates.of(d.key)
		}
		stand[i].look(now)
		if stand[i].left == 0 && refused < 0 {
			refused = i
		}
	}
	if refused >= 0 {
		return stand, refused, nil
	}
	for i := range stand {
		s := &stand[i]
		if s.quota {
			s.counter.start(s.rate, now)
			s.counter.Used++
			l.unsaved[s.key] = nil
		} else {
			s.bucket.take(s.rate, now)
		}
		s.look(now)
	}
	return stand, -1, nil
}

// look says how a caller stands. The caller holds mu.
func (s *standing) look(now time.Time) {
	if s.quota {
		c := *s.counter
		c.start(s.rate, now)
		s.left, s.reset = max(s.rate.Calls-c.Used, 0), c.end().Sub(now)
		return
	}
	left, wait := s.bucket.left(s.rate, now)
	s.left, s.reset = left, cmp.Or(wait, s.bucket.lacks(s.rate, now))
}

// Headers that tell callers of limits (draft-ietf-httpapi-ratelimit-headers).
const (
	headerLimit  = "RateLimit"
	headerPolicy = "RateLimit-Policy"
)

// headers tell a caller how it stands.
func headers(stand []standing) map[string]string {
	if len(stand) == 0 {
		return nil
	}
	policy, limit := make([]byte, 0, 48*len(stand)), make([]byte, 0, 48*len(stand))
	for i, s := range stand {
		if i > 0 {
			policy, limit = append(policy, ", "...), append(limit, ", "...)
		}
		policy = append(append(append(policy, '"'), s.name...), `";q=`...)
		policy = strconv.AppendInt(policy, int64(s.rate.Calls), 10)
		policy = strconv.AppendInt(append(policy, ";w="...), int64(s.rate.Per/time.Second), 10)
		limit = append(append(append(limit, '"'), s.name...), `";r=`...)
		limit = strconv.AppendInt(limit, int64(s.left), 10)
		limit = strconv.AppendInt(append(limit, ";t="...), int64(seconds(s.reset)/time.Second), 10)
	}
	return map[string]string{headerPolicy: string(policy), headerLimit: string(limit)}
}

// seconds rounds up: who waits as long as that has waited long enough.
func seconds(d time.Duration) time.Duration {
	return (d + time.Second - 1).Truncate(time.Second)
}
