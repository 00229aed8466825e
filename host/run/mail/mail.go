// Package mail is what comes to contacts: the letters of their mailboxes, and
// who there is to write to. It must not know what becomes of a letter.
package mail

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/contact"
	"github.com/trama-run/trama/host/fallback"
	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/pdk/abi"
)

// Prefix of the keys of conversations: "contact:<contact key>".
const Prefix = "contact"

// Letter is one item of a contact's mailbox: a unit that a channel received,
// or one of Start, WithHuman and Asks.
type Letter struct {
	Unit      abi.Unit       `json:"unit,omitzero"`
	Start     *contact.Start `json:"start,omitempty"`
	WithHuman *bool          `json:"with_human,omitempty"`
	// Asks are what the contact can answer, where a message to it was planned
	// anew.
	Asks *fallback.Choices `json:"asks,omitempty"`
	// At is the address that it came on, or that is to be written to, where that
	// is not the one of the mailbox.
	At       contact.Key `json:"at,omitempty"`
	Received time.Time   `json:"received"`
}

// Key is the key under which a contact's units are worked on; its mailbox is
// the queue of the same name.
func Key(k contact.Key) string { return Prefix + ":" + string(k) }

// Later is the queue of the letters of the starts in Contact.Later, in their
// order: what they bring may be large, and the contact is stored with each step.
func Later(k contact.Key) string { return "later:" + string(k) }

// Read takes an item of a mailbox apart.
func Read(item store.Item) (Letter, error) {
	var l Letter
	err := json.Unmarshal(item.Value, &l)
	if err == nil && l.Unit.Message == nil && l.Unit.Opt == "" && len(l.Unit.Also) == 0 && l.Start == nil && l.WithHuman == nil && l.Asks == nil {
		err = errors.New("it has neither a message, nor opt, nor also, nor a start, nor with_human, nor asks")
	}
	if err != nil {
		return Letter{}, err
	}
	return l, nil
}

// Named is the letter which says what other addresses are surely the same
// contact's: id is unique for what tells it.
func Named(id string, at contact.Key, also []abi.Address, now time.Time) (Letter, error) {
	_, address, err := at.Split()
	return Letter{Unit: abi.Unit{ID: id, From: address, Also: also}, Received: now}, err
}

// Opted is the letter which says that an address can't be written to any more,
// or can again: id is unique for what tells it.
func Opted(id string, at contact.Key, opt string, now time.Time) (Letter, error) {
	_, address, err := at.Split()
	return Letter{Unit: abi.Unit{ID: id, From: address, Opt: opt}, Received: now}, err
}

// Post adds to a batch a letter for a contact, which is received now.
func Post(b *store.Batch, who contact.Key, l Letter, now time.Time) error {
	l.Received = now
	data, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("mailbox of %s: %w", who, err)
	}
	mailbox := Key(who)
	b.Append = append(b.Append, store.Append{Queue: mailbox, Value: data})
	if !slices.ContainsFunc(b.Wake, func(w store.Wake) bool { return w.Key == mailbox }) {
		b.Wake = append(b.Wake, store.Wake{Key: mailbox, At: now})
	}
	return nil
}

// Talks says whether a channel has contacts.
func Talks(s *catalog.Snapshot, channel string) bool {
	ch, ok := s.Channels[channel]
	return ok && ch.Adapter != catalog.AdapterWebhook
}

// ErrNoContact: a contact's key is malformed, or of a channel that has no
// contacts; nothing was done.
var ErrNoContact = errors.New("there is no such contact")

// Check says what is wrong with a contact's key.
func Check(s *catalog.Snapshot, who string) error {
	channel, address, err := contact.Key(who).Split()
	if err == nil {
		err = contact.CheckAddress(address)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNoContact, err)
	}
	ch, ok := s.Channels[channel]
	switch {
	case !ok:
		return fmt.Errorf("%w: %q is of the channel %q, which is not configured", ErrNoContact, who, channel)
	case ch.Adapter == catalog.AdapterWebhook:
		return fmt.Errorf("%w: %q is of the channel %q, which takes webhooks and has no contacts", ErrNoContact, who, channel)
	}
	return nil
}
