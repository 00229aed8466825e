package run

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/trama-run/trama/host/contact"
	"github.com/trama-run/trama/host/deadletter"
	"github.com/trama-run/trama/host/run/mail"
	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/pdk/abi"
)

// Bounds of what is read and kept of a mailbox.
const (
	// maxNear letters are looked at for one that interrupts, or hands over to a
	// person; maxFar while the session listens to none, since the mailbox
	// grows then. One that is further behind waits until those before it go.
	// More could not be consumed in one commit, beside what a run adds to it.
	maxNear = 100
	maxFar  = 500
	// maxMail is about how many bytes of them are in memory.
	maxMail    = 16 << 20
	letterPage = 20 // letters that are read at once
	maxLater   = 20 // flows that wait for the present one to end
)

// letter is an item of the mailbox.
type letter struct {
	mail.Letter
	position store.Position
	value    []byte // as it is stored
	broken   error  // why it can't be read
	answers  bool   // what the contact was last asked
	pressed  string // mark of the message whose button or row it presses; see pressMark
}

// readLetter takes an item apart.
func readLetter(item store.Item) letter {
	l := letter{position: item.Position, value: item.Value}
	l.Letter, l.broken = mail.Read(item)
	l.pressed = pressMark(l.Letter)
	return l
}

// tells says whether a letter is news of the contact and nothing else.
func (l letter) tells() bool { return l.Unit.Message == nil && l.Start == nil && l.WithHuman == nil }

// mailbox is the beginning of a contact's letters, as far as it was read and is
// not consumed. It is good until a commit fails.
type mailbox struct {
	store   store.Store
	queue   string
	letters []letter
	size    int            // bytes of the letters
	last    store.Position // that was read
}

// read gives up to most letters, the first ones.
func (m *mailbox) read(ctx context.Context, most int) ([]letter, error) {
	for len(m.letters) < most && (len(m.letters) == 0 || m.size < maxMail) {
		items, err := m.store.Read(ctx, m.queue, m.last, letterPage)
		if err != nil {
			return nil, err
		}
		for _, item := range items {
			m.letters = append(m.letters, readLetter(item))
			m.size += len(item.Value)
			m.last = item.Position
		}
		if len(items) < letterPage {
			break
		}
	}
	return m.letters[:min(len(m.letters), most)], nil
}

// drop forgets letters that are consumed.
func (m *mailbox) drop(gone []letter) {
	left := make([]letter, 0, len(m.letters))
	for _, l := range m.letters {
		if slices.ContainsFunc(gone, func(g letter) bool { return g.position == l.position }) {
			m.size -= len(l.value)
		} else {
			left = append(left, l)
		}
	}
	m.letters = left
}

// consume takes letters out of the mailbox with the next commit.
func (c *conversation) consume(j *journey, letters ...letter) {
	c.mail.drop(letters)
	for _, l := range letters {
		j.changes.Remove = append(j.changes.Remove, store.ItemRef{Queue: c.key, Position: l.position})
		if l.answers {
			c.contact.Choices = nil
		}
		if c.wrote = l.Unit.Message != nil; c.wrote {
			c.hear(l)
		}
		if c.wrote || l.Start != nil {
			c.talks(j, c.at(l))
		}
		c.news(l)
	}
	c.talks(j, c.place)
}

// hear takes in that the contact wrote: from the address, and from those that
// its adapter says are surely the same.
func (c *conversation) hear(l letter) {
	written := l.Received
	if l.Unit.TimeMillis > 0 {
		written = time.UnixMilli(l.Unit.TimeMillis).UTC()
	}
	c.contact.Hear(c.at(l), written, l.Received)
	channel := c.channelOf(l)
	for _, also := range l.Unit.Also {
		c.contact.Hear(contact.KeyOf(channel, also), written, l.Received)
	}
}

// postpone keeps a start until the present run has ended.
func (c *conversation) postpone(ctx context.Context, j *journey, l letter) (time.Time, error) {
	c.consume(j, l)
	if len(c.contact.Later) >= maxLater {
		if cancelled, err := c.claim(ctx, l.Start.ID); err != nil || cancelled {
			return c.dropped(ctx, j, err)
		}
		return c.refuse(ctx, j, l, fmt.Sprintf("%d flows wait for the present one to end already, the limit", maxLater))
	}
	start := *l.Start
	start.Value, start.Position = nil, uint64(l.position)
	c.contact.Later = append(slices.Clip(c.contact.Later), start)
	j.changes.Append = append(j.changes.Append, store.Append{Queue: mail.Later(c.who), Value: l.value})
	return c.runner.now(), j.saveOnly(ctx)
}

// later takes the letter of the start at an index out of those that wait. The
// few before it are passed by: they are held.
func (c *conversation) later(ctx context.Context, j *journey, index int) (letter, error) {
	start, queue := c.contact.Later[index], mail.Later(c.who)
	l := letter{Letter: mail.Letter{Start: &start}}
	for n, after := 0, store.Position(0); n <= index; n++ {
		items, err := c.runner.config.Store.Read(ctx, queue, after, 1)
		if err != nil {
			return l, err
		}
		if len(items) == 0 {
			return l, fmt.Errorf("contact %s: the start of run %s is not in the queue %s", c.who, start.ID, queue)
		}
		l, after = readLetter(items[0]), items[0].Position
	}
	j.changes.Remove = append(j.changes.Remove, store.ItemRef{Queue: queue, Position: l.position})
	c.contact.Later = slices.Delete(slices.Clone(c.contact.Later), index, index+1)
	l.position = store.Position(start.Position) // that it had in the mailbox
	return l, nil
}

// refuse makes a dead letter of a start that can't be: it must not hold the
// contact's messages behind it.
func (c *conversation) refuse(ctx context.Context, j *journey, l letter, why string) (time.Time, error) {
	return c.bury(ctx, j, l, deadletter.Letter{
		RunID:  l.Start.ID,
		Reason: abi.Error{Code: abi.CodeUnavailable, Message: fmt.Sprintf("flow %s was not started: %s", l.Start.Flow, why)},
	})
}

// bury makes a dead letter of a letter that is consumed.
func (c *conversation) bury(ctx context.Context, j *journey, l letter, dead deadletter.Letter) (time.Time, error) {
	c.runner.config.Log.Warn("letter of a contact is a dead letter", "contact", c.who, "run", dead.RunID, "reason", dead.Reason.Message)
	dead.Queue, dead.Channel, dead.At, dead.Value = c.key, c.channel, c.runner.now(), l.value
	if err := deadletter.Bury(&j.changes, l.position, dead); err != nil {
		return time.Time{}, err
	}
	return c.runner.now(), j.saveOnly(ctx)
}

// hand takes over that a person attends to the contact, or does no more.
func (c *conversation) hand(ctx context.Context, j *journey, l letter) (time.Time, error) {
	c.contact.WithHuman = *l.WithHuman
	c.consume(j, l)
	return c.runner.now(), j.saveOnly(ctx)
}

// attended takes letters while a person attends to the contact: messages are
// the person's, and flows begin later.
func (c *conversation) attended(ctx context.Context, j *journey, letters []letter) (time.Time, error) {
	if len(letters) == 0 {
		return time.Time{}, nil // timers too wait until the person is done
	}
	if letters[0].Start != nil {
		return c.postpone(ctx, j, letters[0])
	}
	c.consume(j, letters[0])
	return c.runner.now(), j.saveOnly(ctx)
}
