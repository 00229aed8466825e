package run

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/trama-run/trama/host/engine"
	"github.com/trama-run/trama/host/expr"
	"github.com/trama-run/trama/host/flow"
	"github.com/trama-run/trama/host/run/record"
	"github.com/trama-run/trama/host/run/trigger"
	"github.com/trama-run/trama/pdk/abi"
)

// wait does what is due in a session that makes no call now: whichever was
// first, a timer or a letter. What interrupts has its turn even if the session
// is held or pauses before it repeats a call; a flow that would interrupt and
// is held itself is passed by.
func (c *conversation) wait(ctx context.Context, j *journey, letters []letter, held *abi.Error) (time.Time, error) {
	ready, again := j.ready(nil)
	due, listens := j.session.Due(), j.session.Listens()
	again = earlier(again, due)
	var mine []letter     // letters that the session may have
	var passed *abi.Error // why a flow that would interrupt does not
	var stop trigger.Candidate
	last, blocked := -1, false
	for i, l := range letters {
		by, ok := c.interrupts(l)
		if !ok {
			if !blocked {
				mine = append(mine, l)
			}
			if listens && held == nil && !blocked && l.Start == nil {
				break // it is the session's
			}
			continue
		}
		lacks := c.runner.Held(by.Flow)
		if lacks == nil {
			stop, last = by, i
			break
		}
		if passed == nil {
			passed, again = lacks, earlier(again, c.hold(lacks, l.Received))
		}
		blocked = blocked || l.Start == nil // messages after it wait, as it does
	}
	first := time.Time{} // when that came which may be before the timer
	switch {
	case last >= 0:
		first = letters[last].Received
	case listens && len(mine) > 0:
		first = mine[0].Received
	}
	overdue := !due.IsZero() && !due.After(c.runner.now())
	switch {
	case overdue && held == nil && (first.IsZero() || due.Before(first)):
		return c.tick(ctx, j, letters)
	case last >= 0:
		return c.interrupt(ctx, j, letters[:last+1], stop)
	case len(mine) > 0 && mine[0].Start != nil:
		return c.postpone(ctx, j, mine[0])
	case held != nil && (overdue || j.session.Retry || len(ready) > 0 || !first.IsZero()):
		since := j.session.since()
		for _, later := range []time.Time{c.contact.LastSeen, due, first} {
			if later.After(since) && !later.After(c.runner.now()) {
				since = later
			}
		}
		return earlier(again, c.hold(held, since)), nil
	case listens && len(mine) > 0:
		c.press(j, mine[0])
		c.consume(j, mine[0])
		j.session.At, j.session.Heard = c.place, true
		value, err := c.heard(ctx, mine[0])
		if err != nil {
			return time.Time{}, err
		}
		if err := j.advance(engine.Event{Message: &engine.Message{Value: value, At: mine[0].Received}}); err != nil {
			return time.Time{}, err
		}
		return c.drive(ctx, j)
	}
	return again, nil
}

// tick lets happen what is due. If the contact wrote after the first instant of
// it, what is due later is left: that may be put off.
func (c *conversation) tick(ctx context.Context, j *journey, letters []letter) (time.Time, error) {
	event := engine.Event{Tick: true, Heard: c.contact.LastSeen}
	due := j.session.Due()
	for _, l := range letters {
		if l.Unit.ID == "" {
			continue
		}
		if l.Received.After(due) {
			event.Until = due
			break
		}
		event.Heard = l.Received
	}
	if err := j.advance(event); err != nil {
		return time.Time{}, err
	}
	return c.drive(ctx, j)
}

// interrupts gives the flow that a letter starts even while another waits.
func (c *conversation) interrupts(l letter) (trigger.Candidate, bool) {
	s := c.runner.config.Catalog().Snapshot()
	if l.Start != nil {
		f, ok := s.Flows[l.Start.Flow]
		if !ok {
			return trigger.Candidate{}, false
		}
		t, ok := f.Flow.Trigger(l.Start.Trigger)
		return trigger.Candidate{Flow: f, Trigger: t}, ok && t.Interrupt
	}
	if l.Unit.Message == nil {
		return trigger.Candidate{}, false
	}
	return c.taker(l, true)
}

// aside says whether the contact says nothing new by a letter, as by a reaction,
// and neither a flow nor the wait for a reply asks for that.
func (c *conversation) aside(l letter, s *session, waits bool) bool {
	if l.Unit.Message == nil {
		return false
	}
	kind := flow.Aside(*l.Unit.Message)
	if kind == "" {
		return false
	}
	if at := s.Listener(); at != nil && slices.Contains(at.Wait.Also, kind) {
		return false
	}
	_, asked := c.taker(l, waits)
	return !asked
}

// interrupt cancels the session and starts another run in its place. Letters
// before the one that interrupts go with the cancelled run.
func (c *conversation) interrupt(ctx context.Context, j *journey, letters []letter, by trigger.Candidate) (time.Time, error) {
	last := letters[len(letters)-1]
	for _, l := range letters[:len(letters)-1] {
		if l.Start != nil {
			return c.postpone(ctx, j, l) // it has waited longer, and waits on
		}
	}
	if last.Start != nil {
		if cancelled, err := c.claim(ctx, last.Start.ID); err != nil || cancelled {
			c.consume(j, last)
			return c.dropped(ctx, j, err)
		}
	}
	id, value, err := c.event(ctx, last)
	if err != nil && last.Start == nil {
		return time.Time{}, err
	}
	if err != nil {
		c.consume(j, last)
		return c.refuse(ctx, j, last, err.Error())
	}
	old := &journey{runner: j.runner, session: j.session, record: j.record}
	if skipped := len(letters) - 1; skipped > 0 {
		old.record.KeepLine(record.Line{Node: j.record.Node, At: c.runner.now(), Level: "info", Text: fmt.Sprintf("%d messages came while the run did not listen, and were left when it was interrupted", skipped)})
	}
	old.record.Cancel(fmt.Sprintf("interrupted by flow %s", by.Flow.Flow.ID), c.runner.now())
	put, err := old.record.Put()
	if err != nil {
		return time.Time{}, err
	}
	c.puts, c.ended = append(c.puts, put), &old.record
	c.consume(j, letters...)
	return c.start(ctx, j, by, id, value)
}

// event gives the run that a letter starts its id, and what it sees as its
// event.
func (c *conversation) event(ctx context.Context, l letter) (id string, value any, err error) {
	if l.Start != nil {
		value, err = expr.ParseJSON(l.Start.Value)
		return l.Start.ID, value, err
	}
	if id, err = c.runner.config.ID(); err == nil {
		value, err = c.heard(ctx, l)
	}
	return id, value, err
}
