package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/trama-run/trama/host/contact"
	"github.com/trama-run/trama/host/kv"
	"github.com/trama-run/trama/host/run/mail"
	"github.com/trama-run/trama/host/run/record"
	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/host/store/document"
)

// A contact has one key for ever, made of the address by which it was first
// known. Each further address has an alias record, which says whose it is. Where
// that one is merged too, its alias leads on: a shorter way would let new
// letters pass those that are still on the longer one.
//
// Letters go to the mailbox of the address that they are from or for, and from
// there, in their order, to the contact's: so nobody who writes a letter has to
// know of aliases, and what was on its way while two contacts became one is not
// lost.

// KindAlias is the kind of the records that say whose an address is, by the
// address's key. The contact's first address has none.
const KindAlias store.Kind = "alias"

// alias is such a record.
type alias struct {
	Key contact.Key `json:"key"`
	// Left says that the memory of a merged contact is still to be removed.
	Left bool `json:"left,omitempty"`
}

func aliasID(at contact.Key) store.ID { return store.ID{Kind: KindAlias, Key: string(at)} }

func contactID(k contact.Key) store.ID { return store.ID{Kind: KindContact, Key: string(k)} }

// Whose gives the key of the contact that an address belongs to: itself, if
// nothing else is known of it.
func Whose(ctx context.Context, s store.Store, at contact.Key) (contact.Key, error) {
	for {
		var a alias
		if _, found, err := document.Load(ctx, s, aliasID(at), &a); err != nil || !found {
			return at, err
		}
		at = a.Key // which may have been merged later
	}
}

// Person gives what is known of the contact that an address belongs to; found
// is false if that is nothing.
func Person(ctx context.Context, s store.Store, at contact.Key) (c contact.Contact, found bool, err error) {
	key, err := Whose(ctx, s, at)
	if err != nil {
		return c, false, err
	}
	_, found, err = document.Load(ctx, s, contactID(key), &c)
	return c, found, err
}

// forwardBytes is about how much of a mailbox one commit moves.
const forwardBytes = 8 << 20

// forward moves the letters of an address to its contact's mailbox, in their
// order, and says when to look again. What had waited for a run of the merged
// contact to end goes first.
func (r *Runner) forward(ctx context.Context, from contact.Key, a alias, revision store.Revision) (time.Time, error) {
	s := r.config.Store
	for _, queue := range []string{mail.Later(from), mail.Key(from)} {
		items, err := s.Read(ctx, queue, 0, letterPage)
		if err != nil {
			return time.Time{}, err
		}
		if len(items) == 0 {
			continue
		}
		b := store.Batch{Expect: []store.Expect{{ID: aliasID(from), Revision: revision}}, Wake: []store.Wake{{Key: mail.Key(a.Key), At: r.now()}}}
		for size, i := 0, 0; i < len(items) && (i == 0 || size+len(items[i].Value) <= forwardBytes); i++ {
			value := items[i].Value
			if l := readLetter(items[i]); l.broken == nil && l.At == "" {
				l.At = from
				if value, err = json.Marshal(l.Letter); err != nil {
					return time.Time{}, fmt.Errorf("mailbox of %s: %w", from, err)
				}
			}
			size += len(value)
			b.Append = append(b.Append, store.Append{Queue: mail.Key(a.Key), Value: value})
			b.Remove = append(b.Remove, store.ItemRef{Queue: queue, Position: items[i].Position})
		}
		if _, err := s.Commit(ctx, &b); err != nil {
			return time.Time{}, err
		}
		r.config.Poke()
		return r.now(), nil
	}
	if !a.Left {
		return time.Time{}, nil
	}
	if _, err := kv.Erase(ctx, s, string(from), false); err != nil {
		return time.Time{}, err
	}
	a.Left = false
	data, err := json.Marshal(a)
	if err != nil {
		return time.Time{}, err
	}
	_, err = s.Commit(ctx, &store.Batch{Expect: []store.Expect{{ID: aliasID(from), Revision: revision}}, Put: []store.Put{{ID: aliasID(from), Value: data}}})
	return time.Time{}, err
}

// joinPause is how soon a letter is looked at again whose contact's other
// address is being worked on.
const joinPause = 200 * time.Millisecond

// join makes the other addresses that a unit names the contact's, as the
// adapter is sure that they are. Where both have been known, the one that was
// first is the contact. wait: not now.
func (c *conversation) join(ctx context.Context, l letter) (joined, wait bool, err error) {
	channel, _, err := c.at(l).Split()
	if err != nil {
		return false, false, err
	}
	r := c.runner
	for _, address := range l.Unit.Also {
		at := contact.KeyOf(channel, address)
		if c.contact.Has(at) || len(c.contact.Also) >= contact.MaxAlso {
			continue
		}
		other, err := Whose(ctx, r.config.Store, at)
		if err != nil {
			return false, false, err
		}
		if other == c.who {
			continue // its alias is older than the contact's record, which was erased
		}
		leave, free := r.people.Try(string(other))
		if !free {
			return false, true, nil
		}
		into, from := c.who, other
		known, found, err := Person(ctx, r.config.Store, other)
		if err == nil {
			if found && known.FirstSeen.Before(c.contact.FirstSeen) {
				into, from = from, into
			}
			_, err = r.merge(ctx, into, from, true, contact.ByChannel)
		}
		leave()
		if errors.Is(err, ErrTooMany) {
			r.config.Log.Warn("addresses of a contact are not joined", "contact", c.who, "other", other, "error", err)
			continue
		}
		return err == nil, false, err
	}
	return false, false, nil
}

// channelOf is the channel of that address.
func (c *conversation) channelOf(l letter) string {
	channel, _, _ := c.at(l).Split() // it was made of a channel and an address
	return channel
}

// at is the address that a letter came on, or that a start names.
func (c *conversation) at(l letter) contact.Key {
	if l.At != "" {
		return l.At
	}
	return c.who
}

// talks makes an address the one that the conversation is with: what is sent
// goes there.
func (c *conversation) talks(j *journey, at contact.Key) {
	c.place = at
	c.channel, _, _ = at.Split()
	j.user = c.contact.ScopeAt(at)
}

// news takes over what a unit says of the contact beside its message.
func (c *conversation) news(l letter) {
	if l.Unit.Name != "" {
		c.contact.Name = l.Unit.Name
	}
	if l.Unit.Language != "" {
		c.contact.SetLanguage(l.Unit.Language, contact.ByChannel)
	}
	if l.Unit.Opt != "" {
		c.contact.SetOpt(c.at(l), l.Unit.Opt, contact.ByChannel, l.Received)
	}
	if l.Asks != nil {
		c.contact.Choices = l.Asks
	}
}

// shut drops what a contact writes, or a flow that is to start for it, while it
// is blocked.
func (c *conversation) shut(ctx context.Context, j *journey, l letter) (time.Time, error) {
	c.consume(j, l)
	block := *c.contact.Blocked
	block.Left++
	c.contact.Blocked = &block
	if l.Start != nil {
		if cancelled, err := c.claim(ctx, l.Start.ID); err != nil || cancelled {
			return c.dropped(ctx, j, err)
		}
		of := record.Record{ID: l.Start.ID, Flow: l.Start.Flow, Key: c.key, Trigger: l.Start.Trigger, Started: c.runner.now(), From: l.Start.From}
		of.Cancel("the contact is blocked", c.runner.now())
		put, err := of.Put()
		if err != nil {
			return time.Time{}, err
		}
		c.puts, c.ended = append(c.puts, put), &of
	}
	return c.runner.now(), j.saveOnly(ctx)
}
