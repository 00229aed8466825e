package run

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/trama-run/trama/host/contact"
	"github.com/trama-run/trama/host/expr"
	"github.com/trama-run/trama/host/kv"
	"github.com/trama-run/trama/host/run/mail"
	"github.com/trama-run/trama/host/run/record"
	"github.com/trama-run/trama/host/run/told"
	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/host/store/document"
)

// Errors of what operators do to contacts.
var (
	// ErrSame: both addresses are one contact's already.
	ErrSame = errors.New("both are the same contact")
	// ErrBothRun: both contacts have a run that is not over.
	ErrBothRun = errors.New("both contacts have a run that is not over")
	// ErrTooMany: the contact would have more addresses than one may.
	ErrTooMany = fmt.Errorf("a contact has %d addresses at most", contact.MaxAlso+1)
	// ErrWorking: the contact's run is making a call right now.
	ErrWorking = errors.New("the contact is being worked on; try again in a moment")
)

// workWait is how long an operator's change of a contact waits for the work on
// it to pause.
const workWait = 10 * time.Second

// Merged is what became of two contacts that are one now.
type Merged struct {
	Key  contact.Key `json:"key"`    // that both have now
	From contact.Key `json:"merged"` // that is an address of it now
	// Conflicts are what both had and not alike: Key's was kept.
	Conflicts []contact.Conflict `json:"conflicts,omitempty"`
	// Memory are the plugins that remembered something of both: what they had
	// of From is removed.
	Memory []string `json:"memory,omitempty"`
	// Ended is the run of From that was cancelled, Moved the one that goes on.
	Ended string `json:"ended_run,omitempty"`
	Moved string `json:"moved_run,omitempty"`
}

// Merge makes one contact of two, durably; it can't be undone. into keeps its
// key and what it has, and gets what only the other has: variables, tags,
// addresses, plugins' memories, waiting flows and, if it has no run itself, the
// other's. Messages that wait follow in their order; messages that were to be
// sent to the other are. If both have a run, force cancels the other's. Errors:
// mail.ErrNoContact, also if nothing is known of one of them, ErrAway, ErrSame,
// ErrBothRun, ErrTooMany, ErrWorking.
func (r *Runner) Merge(ctx context.Context, into, from contact.Key, force bool) (Merged, error) {
	for _, key := range []*contact.Key{&into, &from} {
		var err error
		if *key, err = r.Known(ctx, *key); err != nil {
			return Merged{}, err
		}
		if err := mail.Check(r.config.Catalog().Snapshot(), string(*key)); err != nil {
			return Merged{}, err
		}
	}
	for {
		one, err := Whose(ctx, r.config.Store, into)
		if err != nil {
			return Merged{}, err
		}
		two, err := Whose(ctx, r.config.Store, from)
		if err != nil {
			return Merged{}, err
		}
		if one == two {
			return Merged{}, fmt.Errorf("%s and %s: %w", into, from, ErrSame)
		}
		leave, err := r.pause(ctx, one, two)
		if err != nil {
			return Merged{}, err
		}
		m, err := r.merge(ctx, one, two, force, "operator")
		leave()
		if !errors.Is(err, store.ErrConflict) { // else one has moved on, by another merge or a cancelled run
			return m, err
		}
	}
}

// pause waits for the work on contacts to pause, and keeps it from going on
// until leave is called.
func (r *Runner) pause(ctx context.Context, keys ...contact.Key) (leave func(), err error) {
	names := make([]string, len(keys))
	for i, key := range keys {
		names[i] = string(key)
	}
	wait, stop := context.WithTimeout(ctx, workWait)
	defer stop()
	if leave, err = r.people.TakeAll(wait, names...); err != nil && ctx.Err() == nil {
		return nil, ErrWorking
	}
	return leave, err
}

// merge is Merge for who has the turns of both keys. It is one commit, but for
// the values that plugins remember: those are copied before it, unseen until it
// is made, and what is left of the other's is removed behind it by the work on
// the other's key.
func (r *Runner) merge(ctx context.Context, into, from contact.Key, force bool, by string) (m Merged, err error) {
	s, now := r.config.Store, r.now()
	m = Merged{Key: into, From: from}
	b := store.Batch{Wake: []store.Wake{{Key: mail.Key(into), At: now}, {Key: mail.Key(from), At: now}}}
	for _, key := range []contact.Key{into, from} {
		b.Expect = append(b.Expect, store.Expect{ID: aliasID(key)}) // both are contacts
	}
	var one, two contact.Contact
	var sessions [2]session
	var has [2]bool
	for i, of := range []struct {
		key  contact.Key
		into *contact.Contact
	}{{into, &one}, {from, &two}} {
		revision, found, err := document.Load(ctx, s, contactID(of.key), of.into)
		if err != nil {
			return m, err
		}
		if !found && by != contact.ByChannel { // which may name an address before anybody writes from it
			if whose, err := Whose(ctx, s, of.key); err != nil || whose != of.key { // it was merged meanwhile
				return m, cmp.Or(err, store.ErrConflict)
			}
			return m, fmt.Errorf("%w: nothing is known of %s: look for it with trama contact list; a further address is given to a contact with also (trama contact import)", mail.ErrNoContact, of.key)
		}
		if !found {
			channel, address, err := of.key.Split()
			if err != nil {
				return m, err
			}
			*of.into = contact.Contact{Channel: channel, Address: address, FirstSeen: now}
		}
		expr.Numbers(of.into.Vars)
		b.Expect = append(b.Expect, store.Expect{ID: contactID(of.key), Revision: revision})
		id := sessionID(mail.Key(of.key))
		if revision, has[i], err = document.Load(ctx, s, id, &sessions[i]); err != nil {
			return m, err
		}
		b.Expect = append(b.Expect, store.Expect{ID: id, Revision: revision})
	}
	if has[0] && has[1] && !force {
		return m, fmt.Errorf("%s and %s: %w: let one end, cancel it, or merge by force", into, from, ErrBothRun)
	}
	if len(one.Also)+len(two.Also)+1 > contact.MaxAlso {
		return m, fmt.Errorf("%s and %s: %w", into, from, ErrTooMany)
	}
	m.Conflicts = one.Merge(two)
	one.Merged = now
	if m.Memory, err = kv.Adopt(ctx, s, string(into), string(from), &b); err != nil {
		return m, err
	}
	if has[1] {
		if has[0] {
			m.Ended = sessions[1].ID
			err = r.endMerged(ctx, &b, sessions[1], into, from)
		} else {
			m.Moved = sessions[1].ID
			one.Choices = two.Choices
			err = r.moveMerged(ctx, &b, sessions[1], into, from)
		}
		if err != nil {
			return m, err
		}
	}
	if err := document.Put(&b, contactID(into), one); err != nil {
		return m, err
	}
	if err := document.Put(&b, aliasID(from), alias{Key: into, Left: true}); err != nil {
		return m, err
	}
	b.Delete = append(b.Delete, contactID(from))
	if _, err := s.Commit(ctx, &b); err != nil {
		return m, fmt.Errorf("merge %s into %s: %w", from, into, err)
	}
	r.config.Log.Info("contacts are one now", "contact", into, "merged", from, "by", by)
	r.config.Poke()
	return m, nil
}

// moveMerged adds to a batch that the session of a merged contact goes on as
// the other's.
func (r *Runner) moveMerged(ctx context.Context, b *store.Batch, s session, into, from contact.Key) error {
	s.Contact = string(into)
	if s.At == "" {
		s.At = from
	}
	if err := document.Put(b, sessionID(mail.Key(into)), s); err != nil {
		return err
	}
	b.Delete = append(b.Delete, sessionID(mail.Key(from)))
	id := record.ID(s.ID)
	var moved record.Record
	if _, found, err := document.Load(ctx, r.config.Store, id, &moved); err != nil || !found {
		return err
	}
	moved.Key = mail.Key(into)
	put, err := moved.Put()
	b.Put = append(b.Put, put)
	return err
}

// endMerged adds to a batch that the session of a merged contact is cancelled.
func (r *Runner) endMerged(ctx context.Context, b *store.Batch, s session, into, from contact.Key) error {
	ended := record.Record{ID: s.ID, Flow: s.Run.Flow, Version: s.Run.Version, Key: mail.Key(from), Trigger: s.Run.TriggerID, Started: r.now()}
	if _, _, err := document.Load(ctx, r.config.Store, record.ID(s.ID), &ended); err != nil {
		return err
	}
	ended.Cancel(fmt.Sprintf("its contact was merged into %s, which has a run of its own", into), r.now())
	put, err := ended.Put()
	if err != nil {
		return err
	}
	b.Put = append(b.Put, put)
	b.Delete = append(b.Delete, sessionID(mail.Key(from)))
	if s.Done != "" {
		b.Wake = append(b.Wake, store.Wake{Key: s.Done, At: r.now()})
	}
	return told.End(r.config.Subscribers, b, ended, string(into))
}
