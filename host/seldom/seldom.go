// Package seldom keeps a log readable while one cause strikes with every
// request: it is said once a minute, with how often it struck meanwhile.
//
// It must not know what the causes are.
package seldom

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// Every is the least time between two lines of one cause.
const Every = time.Minute

// maxCauses bounds the causes that are told apart; others count as one.
const maxCauses = 1000

// Log says what happens again and again. It is safe for concurrent use.
type Log struct {
	log *slog.Logger
	now func() time.Time

	mu   sync.Mutex
	said map[string]*cause // by name; guarded by mu
}

type cause struct {
	at   time.Time // of its last line
	more int       // times that it struck since
}

// New returns a Log that writes to another. nil as now is the system's clock.
func New(log *slog.Logger, now func() time.Time) *Log {
	if now == nil {
		now = time.Now
	}
	return &Log{log: log, now: now, said: map[string]*cause{}}
}

// Say logs a message, unless one of the same cause was logged within the last
// minute. "unsaid" counts those that were left out before it.
func (l *Log) Say(ctx context.Context, level slog.Level, of, message string, args ...any) {
	unsaid, now := l.count(of)
	if !now {
		return
	}
	if unsaid > 0 {
		args = append(args, "unsaid", unsaid)
	}
	l.log.Log(ctx, level, message, args...)
}

// count counts a cause, and says whether it is time for a line.
func (l *Log) count(of string) (unsaid int, say bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := l.now()
	c := l.said[of]
	if c == nil {
		if len(l.said) >= maxCauses {
			l.forget(at)
		}
		if len(l.said) >= maxCauses {
			of = ""
		}
		if c = l.said[of]; c == nil {
			c = &cause{}
			l.said[of] = c
		}
	}
	if !c.at.IsZero() && at.Sub(c.at) < Every {
		c.more++
		return 0, false
	}
	unsaid, c.at, c.more = c.more, at, 0
	return unsaid, true
}

// forget leaves out the causes that have rested, and what of them was not said.
func (l *Log) forget(now time.Time) {
	for name, c := range l.said {
		if now.Sub(c.at) >= Every {
			delete(l.said, name)
		}
	}
}
