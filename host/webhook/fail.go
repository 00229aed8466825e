package webhook

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/trama-run/trama/host/store"
)

// Bounds of what happens to a subscription that fails, by the clock.
const (
	// afterStart is how long a host that was down tries what is overdue before it
	// says anything: the days that it was down say nothing of receivers.
	afterStart = 10 * time.Minute
	// heldAgain is when to look again at one that is not tried, for want of
	// something that is not its receiver's.
	heldAgain = 10 * time.Minute
)

// sevenths of the time until a subscription is disabled are when that is said.
var sevenths = [...]time.Duration{1, 4, 6}

const notices = len(sevenths)

// silent says whether nothing was tried for so long that what failed before
// says nothing any more.
func (s State) silent(now time.Time) bool {
	return len(s.Attempts) > 0 && now.Sub(s.Attempts[0].At) > silence
}

// healthy forgets what failed.
func (s *State) healthy() {
	s.Failing, s.Where, s.Failed, s.Notices = time.Time{}, "", 0, 0
}

// due is when there is something to tell of a state, unless a delivery is taken
// before; zero: never.
func (w *Webhooks) due(s State) time.Time {
	if s.Failing.IsZero() || s.Disabled != nil {
		return time.Time{}
	}
	return w.at(s, s.Notices)
}

// at is when the n-th notice of a state is due; after the last, when it is to be
// disabled.
func (w *Webhooks) at(s State, n int) time.Time {
	wait := w.config.Rules.DisableAfter
	if n < notices {
		wait = wait / 7 * sevenths[n]
	}
	return s.Failing.Add(wait.Truncate(time.Millisecond)) // as the clock
}

// Failing tells of a subscription whose tries fail, and disables it, when it is
// time and no try happens to come: it is the dispatcher's handler of
// PrefixFailing.
func (w *Webhooks) Failing(ctx context.Context, key string) (time.Time, error) {
	s := w.index.Load().all[strings.TrimPrefix(key, PrefixFailing+":")]
	if s == nil || !s.On() {
		return time.Time{}, nil
	}
	held := w.held(s)
	k, err := w.lock(ctx, s.ID)
	if err != nil {
		return time.Time{}, err
	}
	defer k.mu.Unlock()
	now, due := w.now(), w.due(k.state)
	if due.After(now) {
		return due, nil
	}
	if is := w.index.Load().all[s.ID]; due.IsZero() || is == nil || is.URL != k.state.Where || k.state.silent(now) {
		return time.Time{}, nil
	}
	if early := w.opened.Add(afterStart); now.Before(early) {
		return early, nil
	}
	if held != nil {
		return now.Add(heldAgain), nil
	}
	before := k.state
	var batch store.Batch
	w.judge(&batch, s, &k.state, false)
	_, err = w.turn(ctx, s, k, before, batch)
	return w.due(k.state), err
}

// failures tells of those since the last delivery that was taken.
func (s State) failures() string {
	last := ""
	if len(s.Attempts) > 0 {
		last = s.Attempts[0].Error
	}
	since := s.Failing.UTC().Format(time.RFC3339)
	if s.Failed == 0 {
		return fmt.Sprintf("nothing could be sent since %s: %s", since, last)
	}
	return fmt.Sprintf("all of its %d tries since %s have failed, the last with: %s", s.Failed, since, last)
}

// judge tells of a subscription that fails, and disables it, if it is time.
func (w *Webhooks) judge(batch *store.Batch, s *subscription, state *State, gone bool) (told bool) {
	notice, critical := w.verdict(s, state, gone)
	if notice == "" {
		return false
	}
	w.config.Log.Warn("subscription", "subscription", s.ID, "notice", notice)
	w.alert(batch, s, notice, critical)
	return true
}

func (w *Webhooks) verdict(s *subscription, state *State, gone bool) (notice string, critical bool) {
	if state.Disabled != nil {
		return "", false
	}
	now, since := w.now(), state.failures()
	remedy := fmt.Sprintf("when its receiver is mended, run: trama subscription enable %s", s.ID)
	switch {
	case gone:
		state.Missed = 0
		state.Disabled = &Disabled{now, "its receiver answered 410, which says that it takes no more", s.URL}
	case !now.Before(w.at(*state, notices)):
		state.Missed = 0
		state.Disabled = &Disabled{now, since, s.URL}
	default:
		for state.Notices < notices && !now.Before(w.due(*state)) {
			state.Notices++
			notice = fmt.Sprintf("subscription %s: %s; unless one is taken, it will be disabled at %s", s.ID, since, w.at(*state, notices).UTC().Format(time.RFC3339))
		}
		return notice, false
	}
	return fmt.Sprintf("subscription %s was disabled: %s; %s", s.ID, state.Disabled.Reason, remedy), true
}
