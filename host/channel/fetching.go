package channel

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/trama-run/trama/host/contact"
	"github.com/trama-run/trama/host/run"
	"github.com/trama-run/trama/host/run/mail"
	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/pdk/abi"
)

// A medium is fetched beside the conversations, as work of a key of its own: a
// service that is slow holds the contacts whose media it has, and nobody else.

// PrefixFetch is the prefix of the keys whose work is Fetching:
// "fetch:<contact key>".
const PrefixFetch = "fetch"

// Bounds of what is fetched at once.
const (
	// maxFetching is how many media of one channel are fetched at once: fewer
	// than work of one prefix may go at once, so that other channels have room.
	maxFetching = 16
	// takenWithin is how long a medium waits in memory for its conversation. One
	// that is not taken, since the contact was blocked or erased, is let go, and
	// is fetched again if it is asked for after all.
	takenWithin = 10 * time.Minute
)

// fetching are the media that conversations wait for, by contact: a conversation
// waits for one at a time. It is in memory alone: the message is in the mailbox
// until a conversation takes it, which asks again after a crash.
type fetching struct {
	mu   sync.Mutex
	of   map[contact.Key]*wanted // guarded by mu
	busy map[string]int          // by channel; guarded by mu
}

// wanted is a medium that a conversation waits for.
type wanted struct {
	channel string
	name    string // of what was asked for
	message abi.Message
	asked   time.Time
	waits   bool      // for room
	done    time.Time // when it was there; zero: it is not
}

// Fetch gives a message as flows are to see it: with its medium as a blob of the
// contact, or with the reason why there is none. Until that is known it answers
// [run.ErrLater], and the contact is woken when it is. After a crash, or if the
// conversation could not go on, the same is fetched again.
func (c *Channels) Fetch(ctx context.Context, channel string, who contact.Key, m abi.Message) (abi.Message, error) {
	if _, loads := c.loads(channel, m); !loads {
		return m, nil
	}
	asked, err := json.Marshal(m)
	if err != nil {
		return m, err
	}
	name := channel + " " + string(asked)
	if fetched, begun := c.fetching.take(who, name, c.config.Now()); fetched != nil {
		return *fetched, nil
	} else if begun {
		return m, run.ErrLater
	}
	c.fetching.want(who, &wanted{channel: channel, name: name, message: m, asked: c.config.Now()})
	if err := c.wake(ctx, PrefixFetch+":"+string(who)); err != nil {
		c.fetching.want(who, nil)
		return m, err
	}
	return m, run.ErrLater
}

func (c *Channels) wake(ctx context.Context, key string) error {
	if _, err := c.config.Store.Commit(ctx, &store.Batch{Wake: []store.Wake{{Key: key, At: c.config.Now()}}}); err != nil {
		return err
	}
	c.config.Poke()
	return nil
}

// take gives what was fetched, once. begun says that it was asked for before.
func (f *fetching) take(who contact.Key, name string, now time.Time) (fetched *abi.Message, begun bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for other, w := range f.of {
		if !w.done.IsZero() && now.Sub(w.done) > takenWithin {
			delete(f.of, other)
		}
	}
	w := f.of[who]
	if w == nil || w.name != name {
		return nil, false
	}
	if w.done.IsZero() { // one that has room now, and was not told, is begun again
		return nil, !w.waits || f.busy[w.channel] >= maxFetching
	}
	delete(f.of, who)
	return &w.message, true
}

func (f *fetching) want(who contact.Key, w *wanted) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.of == nil {
		f.of, f.busy = map[contact.Key]*wanted{}, map[string]int{}
	}
	if f.of[who] = w; w == nil {
		delete(f.of, who)
	}
}

// begin gives what is to be fetched for a contact now: nil if there is nothing,
// or while its channel fetches as many as it may.
func (f *fetching) begin(who contact.Key) *wanted {
	f.mu.Lock()
	defer f.mu.Unlock()
	w := f.of[who]
	if w == nil || !w.done.IsZero() {
		return nil
	}
	if w.waits = f.busy[w.channel] >= maxFetching; w.waits {
		return nil
	}
	f.busy[w.channel]++
	return w
}

// end notes what became of it, and gives whose turn it is then: who has waited
// longest for room on the channel.
func (f *fetching) end(w *wanted, m abi.Message, at time.Time) (next contact.Key) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.busy[w.channel]--; !at.IsZero() {
		w.message, w.done = m, at
	}
	for who, other := range f.of {
		if other.waits && other.channel == w.channel && (next == "" || other.asked.Before(f.of[next].asked)) {
			next = who
		}
	}
	return next
}

// Fetching gets the medium that a conversation waits for: it is the dispatcher's
// handler of PrefixFetch.
func (c *Channels) Fetching(ctx context.Context, key string) (again time.Time, err error) {
	who := contact.Key(strings.TrimPrefix(key, PrefixFetch+":"))
	w := c.fetching.begin(who)
	if w == nil {
		return time.Time{}, nil // nothing since a restart: the conversation asks again
	}
	m, done := w.message, time.Time{}
	defer func() { // if it panics too
		wakes := []string{mail.Key(who)}
		if next := c.fetching.end(w, m, done); next != "" {
			wakes = append(wakes, PrefixFetch+":"+string(next))
		}
		for _, key := range wakes {
			err = errors.Join(err, c.wake(ctx, key))
		}
	}()
	if ch, loads := c.loads(w.channel, m); loads { // it may have been taken away meanwhile
		if m, err = c.load(ctx, ch, who, m); err != nil {
			return time.Time{}, err
		}
	}
	done = c.config.Now()
	return time.Time{}, nil
}
