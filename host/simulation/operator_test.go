package simulation

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/trama-run/trama/host/run"
)

// attend lets a person attend to a contact, now and then.
func (w *world) attend(who string, random *rand.Rand) {
	for n := range random.IntN(3) {
		time.Sleep(time.Duration(random.Int64N(int64(90 * time.Second))))
		for i, word := range []string{WordTaken, WordGiven} {
			name := fmt.Sprintf("%s %s %d", who, word, n)
			w.history.Add(Event{What: Offered, Name: name, Contact: who, Word: word})
			w.until(name, func(ctx context.Context, l *life) bool { return l.runs.SetWithHuman(ctx, who, i == 0) == nil })
			w.history.Add(Event{What: Acked, Name: name, Contact: who, Word: word})
			if i == 0 {
				time.Sleep(time.Duration(random.Int64N(int64(pauses[1+random.IntN(len(pauses)-1)]))))
			}
		}
	}
}

// publish lets the flows be those of another catalog.
func (w *world) publish(edition int, ticks bool) {
	w.edition.Store(int64(edition))
	w.history.Add(Event{What: Ticks, Good: ticks})
	if l := w.up(); l != nil {
		l.changed()
	}
}

// migrate publishes the next versions of the flows, and moves sessions there and
// back, now and then or, in some worlds, again and again while they go on.
func (w *world) migrate(random *rand.Rand) {
	time.Sleep(time.Duration(random.Int64N(int64(time.Minute))))
	w.publish(1, true)
	moves, pause := 1+random.IntN(4), pauses[random.IntN(len(pauses))]
	if random.IntN(4) == 0 {
		moves, pause = 12, pauses[0]
	}
	for n := range moves {
		time.Sleep(time.Duration(random.Int64N(int64(pause))))
		m := run.Migration{From: 1 + n%2, To: 2 - n%2, Map: renames(2 - n%2)}
		for _, m.Flow = range renewed {
			w.ask(func(ctx context.Context, l *life) bool {
				list, err := l.runs.Migrate(ctx, m)
				if err != nil || l.dead.Load() {
					return false
				}
				for _, one := range list {
					if one.Reason == "" {
						w.history.Add(Event{What: Moved, Name: one.Run, Word: one.Node})
					}
				}
				return true
			})
		}
	}
}
