package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/trama-run/trama/host/flow"
	"github.com/trama-run/trama/host/run/trigger"
	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/host/store/document"
)

// PrefixSchedule begins the keys of schedules: "schedule:<flow>/<trigger>".
const PrefixSchedule = "schedule"

// kindSchedule is the kind of schedules' records, by "<flow>/<trigger>".
const kindSchedule store.Kind = "schedule"

// Bounds of schedules.
const (
	// onTime is how late an instant may be worked on and still not be missed.
	onTime = time.Minute
	// maxBack is how far a clock may be set back without that an instant is
	// worked on twice; one that was ahead by more was wrong in all that it said.
	maxBack = time.Hour
	// maxMissed is how many instants run_all makes up for.
	maxMissed = 100
	// schedulePage is how many records are read at once.
	schedulePage = 500
)

// Schedule is where a trigger of type schedule stands.
type Schedule struct {
	Flow    string `json:"flow"`
	Trigger string `json:"trigger"`
	// When is what was published, in words: another one begins anew.
	When string `json:"when"`
	// Next is the first instant that has not been worked on; zero: there is
	// none any more. Last is the one that started the flow last.
	Next time.Time `json:"next,omitzero"`
	Last time.Time `json:"last,omitzero"`
	// Skipped counts the instants after Last that started nothing.
	Skipped int `json:"skipped,omitempty"`
	// Since is when it began.
	Since time.Time `json:"since"`
}

func (s Schedule) id() store.ID { return scheduleID(s.Flow + "/" + s.Trigger) }

func scheduleID(name string) store.ID { return store.ID{Kind: kindSchedule, Key: name} }

// Schedules lists where the schedules stand, by flow and trigger.
func (r *Runner) Schedules(ctx context.Context) ([]Schedule, error) {
	list := []Schedule{}
	for after := ""; ; {
		records, err := r.config.Store.List(ctx, kindSchedule, after, schedulePage, false)
		if err != nil {
			return nil, fmt.Errorf("read the schedules: %w", err)
		}
		if len(records) == 0 {
			return list, nil
		}
		for _, record := range records {
			var s Schedule
			if err := json.Unmarshal(record.Value, &s); err != nil {
				return nil, fmt.Errorf("schedule %s: %w", record.ID.Key, err)
			}
			list = append(list, s)
			after = record.ID.Key
		}
	}
}

// SetSchedules makes the stored schedules those of the published flows: new
// and changed ones begin now, those that are gone are removed. It is called
// at the start and whenever flows have changed; once more does nothing.
func (r *Runner) SetSchedules(ctx context.Context) error {
	stored, err := r.Schedules(ctx)
	if err != nil {
		return err
	}
	names := r.published.Now().Schedules()
	for _, s := range stored {
		names = append(names, s.id().Key)
	}
	slices.Sort(names)
	var errs []error
	for _, name := range slices.Compact(names) {
		for {
			_, err := r.setSchedule(ctx, name, false)
			if !errors.Is(err, store.ErrConflict) { // a firing at the same time
				errs = append(errs, err)
				break
			}
		}
	}
	return errors.Join(errs...)
}

// Schedule starts the flow of a schedule that is due: it is the dispatcher's
// handler of PrefixSchedule.
func (r *Runner) Schedule(ctx context.Context, key string) (time.Time, error) {
	next, err := r.setSchedule(ctx, strings.TrimPrefix(key, PrefixSchedule+":"), true)
	if errors.Is(err, store.ErrConflict) {
		return r.now(), nil // it was changed at the same time: look again
	}
	return next, err
}

// setSchedule brings one schedule up to date: it begins, fires, or goes. It
// gives the instant at which it is due next.
func (r *Runner) setSchedule(ctx context.Context, name string, fire bool) (time.Time, error) {
	var s Schedule
	revision, found, err := document.Load(ctx, r.config.Store, scheduleID(name), &s)
	if err != nil {
		return time.Time{}, err
	}
	published, now := r.published.Now(), r.now()
	c, wanted := published.Schedule(name)
	b := store.Batch{Expect: []store.Expect{{ID: scheduleID(name), Revision: revision}}}
	switch {
	case !wanted && !found:
		return time.Time{}, nil
	case !wanted && published.Snapshot().Broken[s.Flow] != nil: // it may be mended
		return now.Add(maxHeldPause), nil
	case !wanted:
		b.Delete = []store.ID{s.id()}
		b.Wake = []store.Wake{{Key: PrefixSchedule + ":" + name}}
		_, err := r.config.Store.Commit(ctx, &b)
		return time.Time{}, err
	}
	instants, problems := c.Trigger.Schedule()
	if problems != nil {
		return time.Time{}, fmt.Errorf("schedule %s: %w", name, problems)
	}
	// What repeats is never due later than at its first instant from now on: if
	// it is, the clock was ahead when it fired. What is listed has happened.
	ahead := len(c.Trigger.Times) == 0 && s.Next.After(instants.Next(now.Add(onTime)))
	if found && ahead {
		r.config.Log.Warn("the clock was set back; the schedule begins anew", "schedule", name, "was_due", s.Next)
	}
	switch {
	case !found || ahead || s.When != c.Trigger.When():
		fired := time.Time{} // instants that a run was made for have happened, if it is again a little before them
		if ahead && s.When == c.Trigger.When() && s.Last.After(now) && s.Last.Sub(now) <= maxBack {
			fired = s.Last
		}
		s = Schedule{Flow: c.Flow.Flow.ID, Trigger: c.Trigger.ID, When: c.Trigger.When(), Since: now, Last: fired, Next: instants.Next(latest(now, fired))}
	case !fire || s.Next.IsZero() || s.Next.After(now):
		return s.Next, nil
	default:
		if held := r.Held(c.Flow); held != nil { // what is due meanwhile is missed
			r.config.Log.Debug("schedule held", "schedule", name, "reason", held.Message)
			return now.Add(HeldPause(now.Sub(s.Next))), nil
		}
		if err := r.fire(&b, c, &s, instants, now); err != nil {
			return time.Time{}, err
		}
	}
	value, err := json.Marshal(s)
	if err != nil {
		return time.Time{}, fmt.Errorf("schedule %s: %w", name, err)
	}
	b.Put = append(b.Put, store.Put{ID: s.id(), Value: value})
	b.Wake = append(b.Wake, store.Wake{Key: PrefixSchedule + ":" + name, At: s.Next})
	if _, err := r.config.Store.Commit(ctx, &b); err != nil {
		return time.Time{}, err
	}
	r.config.Poke()
	return s.Next, nil
}

// fire adds the runs that are due to a batch, and moves the schedule on.
func (r *Runner) fire(b *store.Batch, c trigger.Candidate, s *Schedule, instants *flow.Schedule, now time.Time) error {
	due, count := instants.Due(s.Next, now, maxMissed)
	last := due[len(due)-1]
	s.Next = instants.Next(last)
	missed := s.Skipped + count - 1
	switch {
	case c.Trigger.Missed == flow.MissedAll:
		if missed = s.Skipped + count - len(due); count > len(due) {
			r.config.Log.Warn("more instants were missed than runs are made up for", "schedule", s.id().Key, "left_out", count-len(due), "limit", maxMissed)
		}
	case c.Trigger.Missed == flow.MissedSkip && now.Sub(last) > onTime:
		r.config.Log.Info("instants were missed and are skipped", "schedule", s.id().Key, "instants", count)
		s.Skipped += count
		return nil
	default:
		due = due[len(due)-1:]
	}
	for _, at := range due {
		id, err := r.config.ID()
		if err != nil {
			return err
		}
		if err := r.store(b, c, id, map[string]any{
			"scheduled_at": at.Format(time.RFC3339), "fired_at": now.In(at.Location()).Format(time.RFC3339Nano),
			"trigger": c.Trigger.ID, "missed": int64(missed),
		}, Event{}); err != nil {
			return err
		}
		missed, s.Last, s.Skipped = 0, at, 0
	}
	return nil
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
