package run

import (
	"context"
	"fmt"
	"time"

	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/contact"
	"github.com/trama-run/trama/host/engine"
	"github.com/trama-run/trama/host/run/record"
	"github.com/trama-run/trama/host/run/trigger"
	"github.com/trama-run/trama/pdk/abi"
)

// idle does what is next in a conversation without a run: a start that waited
// for the one before to end, or a letter. Starts whose flow is held are passed
// by. A message whose flow is held is passed by what interrupts only: messages
// have an order.
func (c *conversation) idle(ctx context.Context, j *journey, letters []letter) (again time.Time, err error) {
	for i, s := range c.contact.Later {
		by, held, never := c.startOf(s, c.channel)
		if held != nil {
			again = earlier(again, c.hold(held, c.contact.LastSeen))
			continue
		}
		l, err := c.later(ctx, j, i)
		if err != nil {
			return time.Time{}, err
		}
		if l.broken != nil {
			l.Start, never = &s, l.broken.Error()
		}
		return c.begin(ctx, j, by, l, never)
	}
	var before []letter // messages that wait
	for _, l := range letters {
		if l.Start != nil {
			by, held, never := c.startOf(*l.Start, c.channelOf(l))
			if held != nil {
				again = earlier(again, c.hold(held, l.Received))
				continue
			}
			if len(before) > 0 && !by.Trigger.Interrupt {
				continue
			}
			return c.open(ctx, j, by, before, l, never)
		}
		by, ok := c.taker(l, len(before) > 0)
		held := c.unheard(c.channelOf(l))
		if ok {
			held = c.held(by.Flow, c.channelOf(l))
		}
		switch {
		case ok && held == nil:
			return c.open(ctx, j, by, before, l, "")
		case held == nil && len(before) == 0:
			c.runner.config.Log.Info("no flow takes the message", "contact", c.who, "unit", l.Unit.ID)
			c.consume(j, l)
			return c.runner.now(), j.saveOnly(ctx)
		case len(before) == 0:
			again = earlier(again, c.hold(held, l.Received))
		}
		before = append(before, l)
	}
	return again, nil
}

// unheard says why a message that no flow takes waits. If a flow listens to the
// channel, and this message only is not for it, it does not wait: nil.
func (c *conversation) unheard(channel string) *abi.Error {
	if c.runner.published.Now().Listens(channel) {
		return nil
	}
	return &abi.Error{Code: abi.CodeUnavailable, Message: fmt.Sprintf("no flow has a message trigger for channel %q: publish one", channel)}
}

// held says why a flow can't run on a channel now; nil: it can.
func (c *conversation) held(f catalog.Flow, channel string) *abi.Error {
	if held := c.runner.Held(f); held != nil {
		return held
	}
	return c.away(channel)
}

// away says why it is not known what a channel can be sent; nil: it is. A
// conversation waits for that: a message could be of no form that there is, and
// what answers it would not be known.
func (c *conversation) away(channel string) *abi.Error {
	if c.runner.config.Able == nil {
		return nil
	}
	return c.runner.config.Able(channel).Away
}

// startOf gives the flow that an activation or an event starts on a channel; or
// why it waits, or never can be.
func (c *conversation) startOf(s contact.Start, channel string) (by trigger.Candidate, held *abi.Error, never string) {
	snapshot := c.runner.config.Catalog().Snapshot()
	if broken := snapshot.Broken[s.Flow]; broken != nil {
		return by, &abi.Error{Code: abi.CodeUnavailable, Message: broken.Error()}, ""
	}
	f, ok := snapshot.Flows[s.Flow]
	if !ok {
		return by, nil, "it is not published any more"
	}
	t, ok := f.Flow.Trigger(s.Trigger)
	if !ok {
		return by, nil, fmt.Sprintf("it has no trigger %q any more", s.Trigger)
	}
	return trigger.Candidate{Flow: f, Trigger: t}, c.held(f, channel), ""
}

// open takes a letter out of the mailbox, with the messages before it that it
// interrupts, and begins its flow.
func (c *conversation) open(ctx context.Context, j *journey, by trigger.Candidate, before []letter, l letter, never string) (time.Time, error) {
	c.consume(j, append(before, l)...)
	c.left = len(before)
	return c.begin(ctx, j, by, l, never)
}

// begin begins the flow of a letter that is consumed, unless it can never be.
func (c *conversation) begin(ctx context.Context, j *journey, by trigger.Candidate, l letter, never string) (time.Time, error) {
	if l.Start != nil {
		if cancelled, err := c.claim(ctx, l.Start.ID); err != nil || cancelled {
			return c.dropped(ctx, j, err)
		}
	}
	if never != "" {
		return c.refuse(ctx, j, l, never)
	}
	id, value, err := c.event(ctx, l)
	if err != nil && l.Start != nil {
		return c.refuse(ctx, j, l, err.Error())
	}
	if err != nil {
		return time.Time{}, err
	}
	if l.Start != nil {
		c.from = l.Start.From
	}
	c.talks(j, c.at(l))
	return c.start(ctx, j, by, id, value)
}

// dropped ends the work on the letter of a run that was cancelled before.
func (c *conversation) dropped(ctx context.Context, j *journey, err error) (time.Time, error) {
	if err != nil {
		return time.Time{}, err
	}
	return c.runner.now(), j.saveOnly(ctx)
}

// start begins a run in the conversation.
func (c *conversation) start(ctx context.Context, j *journey, by trigger.Candidate, id string, value any) (time.Time, error) {
	j.session, j.programs = c.runner.newSession(id, by.Flow)
	j.session.Contact, j.session.At, j.session.Heard = string(c.who), c.place, c.wrote
	j.record = record.Record{ID: id, Flow: by.Flow.Flow.ID, Version: by.Flow.Version, Key: c.key, Trigger: by.Trigger.ID, Started: c.runner.now(), From: c.from}
	c.from = nil
	defer c.runner.first.add(id, queued{Flow: j.record.Flow, Trigger: j.record.Trigger, Key: c.key, At: j.record.Started})()
	if c.left > 0 {
		j.record.KeepLine(record.Line{At: c.runner.now(), Level: "warn", Text: fmt.Sprintf("%d messages that came before waited for what their flow needs, and were left when this run interrupted", c.left)})
	}
	j.event, _ = value.(map[string]any)
	j.found = nil
	if err := j.advance(engine.Event{Start: &engine.Start{Trigger: by.Trigger.ID, Value: value}}); err != nil {
		return time.Time{}, err
	}
	return c.drive(ctx, j)
}
