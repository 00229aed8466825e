package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/trama-run/trama/host/blob"
	"github.com/trama-run/trama/host/contact"
	"github.com/trama-run/trama/host/deadletter"
	"github.com/trama-run/trama/host/kv"
	"github.com/trama-run/trama/host/outbox"
	"github.com/trama-run/trama/host/run/mail"
	"github.com/trama-run/trama/host/run/record"
	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/host/store/document"
)

// Erased is what the host has removed of a contact, and what it has not.
type Erased struct {
	DryRun bool `json:"dry_run,omitempty"` // nothing was removed
	// Removed counts the things by what they are; those that were none are left
	// out.
	Removed map[string]int `json:"removed"`
	// Remains says in words what may still tell of the contact, and how long.
	Remains []string `json:"remains"`
}

// Calls is the log of calls; host/calllog's Log is.
type Calls interface {
	Erase(ctx context.Context, of func(contact, run string) bool, dry bool) (int, error)
}

// Outboxes empties outboxes; host/outbox's Outbox does.
type Outboxes interface {
	Waiting(ctx context.Context, prefix string, most int) ([]outbox.Waiting, error)
	CancelQueue(ctx context.Context, queue string) (int, error)
}

const (
	eraseList  = 100    // records that are read at once
	eraseBatch = 200    // records that one commit removes
	countMost  = 100000 // messages that a dry run counts
)

// Erase removes what the host keeps of the contact with an address: what is
// known of it under all its addresses, its run and the records of those that
// ended, what plugins remember, files, what waits to be read, started or sent,
// dead letters, and what became of messages. It reads all records of runs and
// deliveries, so it is for operators. Work on the contact pauses meanwhile.
//
// What is known of the contact goes last: an Erase that was cut short is made
// whole by another. Who writes afterwards is a new contact.
// Errors: mail.ErrNoContact, ErrWorking.
func (r *Runner) Erase(ctx context.Context, at contact.Key, from Outboxes, calls Calls, dry bool) (Erased, error) {
	report := Erased{DryRun: dry, Removed: map[string]int{}, Remains: []string{
		"what plugins and flows have sent to other systems, and the messages on the contact's own device",
		"backups that were made before",
		"requests of channels' services in the log of calls, which are stored before it is known whose they are, until they are as old as its settings say",
		"the server's own log, until it is as old as your settings say",
		"events for subscribers that were told and not taken yet, until they are delivered or given up",
		"requests of channels among the dead letters that no adapter could read: their contacts are not known",
		"marks that tell repeated messages and activations apart, eight days: they hold keys of contacts, and nothing that was said",
		"freed space of the database's files, until it is compacted",
	}}
	known, key, revision, leave, err := r.pauseAll(ctx, at)
	if err != nil {
		return report, err
	}
	defer leave()
	e := eraser{Runner: r, dry: dry, report: &report, keys: map[string]bool{}, queues: map[string]bool{}, runs: map[string]bool{}}
	for _, address := range known.Addresses() {
		e.keys[mail.Key(address)] = true
		for _, queue := range []string{mail.Key(address), mail.Later(address), outbox.ContactKey(address)} {
			e.queues[queue] = true
		}
	}
	if err := e.all(ctx, from, calls, known); err != nil || dry {
		return report, err
	}
	b := store.Batch{Expect: []store.Expect{{ID: contactID(key), Revision: revision}}, Delete: []store.ID{contactID(key)}}
	for _, address := range known.Also {
		b.Delete = append(b.Delete, aliasID(address))
	}
	_, err = r.config.Store.Commit(ctx, &b)
	if errors.Is(err, store.ErrConflict) {
		err = ErrWorking
	}
	return report, err
}

// pauseAll waits for the work on all addresses of a contact to pause: what came
// on one moves to the contact's mailbox from there.
func (r *Runner) pauseAll(ctx context.Context, at contact.Key) (known contact.Contact, key contact.Key, revision store.Revision, leave func(), err error) {
	for held := []contact.Key{at}; ; held = known.Addresses() {
		if leave, err = r.pause(ctx, held...); err != nil {
			return known, key, revision, nil, err
		}
		var found bool
		if key, err = Whose(ctx, r.config.Store, at); err == nil {
			known = contact.Contact{}
			revision, found, err = document.Load(ctx, r.config.Store, contactID(key), &known)
		}
		if err == nil && !found {
			err = fmt.Errorf("%w: nothing is known of %q", mail.ErrNoContact, at)
		}
		if err == nil && !slices.ContainsFunc(known.Addresses(), func(one contact.Key) bool { return !slices.Contains(held, one) }) {
			return known, key, revision, leave, nil
		}
		leave() // it has other addresses than those, or got one meanwhile
		if err != nil {
			return known, key, revision, nil, err
		}
	}
}

// eraser is one Erase.
type eraser struct {
	*Runner
	dry    bool
	report *Erased
	keys   map[string]bool // of the contact's work
	queues map[string]bool
	runs   map[string]bool // ids
}

func (e *eraser) all(ctx context.Context, from Outboxes, calls Calls, known contact.Contact) error {
	e.report.Removed["addresses"] = len(known.Addresses())
	s := e.config.Store
	var sessions []store.ID
	for key := range e.keys {
		var one session
		_, found, err := document.Load(ctx, s, sessionID(key), &one)
		if err != nil {
			return err
		}
		if found {
			sessions, e.runs[one.ID] = append(sessions, sessionID(key)), true
		}
	}
	var records, queued []store.ID
	for kind, ids := range map[store.Kind]*[]store.ID{record.Kind: &records, kindQueued: &queued} {
		err := e.scan(ctx, kind, func(r store.Record) error {
			mine, err := e.ofKey(r)
			if mine {
				*ids = append(*ids, r.ID)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	for _, address := range known.Addresses() {
		if err := e.outbox(ctx, from, outbox.ContactKey(address)); err != nil {
			return err
		}
		for _, queue := range []string{mail.Key(address), mail.Later(address)} {
			if err := e.queue(ctx, queue); err != nil {
				return err
			}
		}
		values, err := kv.Erase(ctx, s, string(address), e.dry)
		if err != nil {
			return err
		}
		e.count("values that plugins remember", values)
	}
	for _, look := range []struct {
		what string
		kind store.Kind
		mine func(store.Record) (bool, error)
	}{
		{"failed runs", kindFailed, func(r store.Record) (bool, error) { return e.runs[r.ID.Key], nil }},
		{"deliveries", outbox.KindDelivery, e.ofRun},
		{"messages that their services have", outbox.KindTaken, e.ofQueue},
	} {
		var ids []store.ID
		err := e.scan(ctx, look.kind, func(r store.Record) error {
			mine, err := look.mine(r)
			if mine {
				ids = append(ids, r.ID)
			}
			return err
		})
		if err != nil {
			return err
		}
		if err := e.remove(ctx, look.what, ids); err != nil {
			return err
		}
	}
	if err := e.dead(ctx); err != nil {
		return err
	}
	n, err := calls.Erase(ctx, func(of, run string) bool { return of != "" && known.Has(contact.Key(of)) || run != "" && e.runs[run] }, e.dry)
	e.count("calls in the log", n)
	if err != nil {
		return err
	}
	files, err := blob.Erase(ctx, s, func(owner string) bool { return e.keys[owner] }, e.dry)
	e.count("files", files)
	if err != nil {
		return err
	}
	// What says which runs are the contact's goes after all that is known by
	// them alone: an Erase that comes after one that was cut short finds it.
	for _, last := range []struct {
		what string
		ids  []store.ID
	}{{"starts that waited", queued}, {"records of runs", records}, {"waiting runs", sessions}} {
		if err := e.remove(ctx, last.what, last.ids); err != nil {
			return err
		}
	}
	return nil
}

// ofKey says whether a record is of work on the contact.
func (e *eraser) ofKey(r store.Record) (bool, error) {
	var of struct{ Key string }
	if err := json.Unmarshal(r.Value, &of); err != nil {
		return false, fmt.Errorf("record %s %s: %w", r.ID.Kind, r.ID.Key, err)
	}
	if e.keys[of.Key] {
		e.runs[r.ID.Key] = true
	}
	return e.keys[of.Key], nil
}

// ofRun says whether a record is of something that a run of the contact sent.
func (e *eraser) ofRun(r store.Record) (bool, error) {
	var d outbox.Delivery
	if err := json.Unmarshal(r.Value, &d); err != nil {
		return false, fmt.Errorf("record %s %s: %w", r.ID.Kind, r.ID.Key, err)
	}
	return e.runs[d.RunID], nil
}

// ofQueue says whether a message was sent to the contact.
func (e *eraser) ofQueue(r store.Record) (bool, error) {
	var sent struct {
		Queue string `json:"queue"`
	}
	if err := json.Unmarshal(r.Value, &sent); err != nil {
		return false, fmt.Errorf("record %s %s: %w", r.ID.Kind, r.ID.Key, err)
	}
	return e.queues[sent.Queue], nil
}

func (e *eraser) count(what string, n int) {
	if n > 0 {
		e.report.Removed[what] += n
	}
}

// scan visits all records of a kind.
func (e *eraser) scan(ctx context.Context, kind store.Kind, visit func(store.Record) error) error {
	for after := ""; ; {
		records, err := e.config.Store.List(ctx, kind, after, eraseList, false)
		if err != nil || len(records) == 0 {
			return err
		}
		for _, r := range records {
			if err := visit(r); err != nil {
				return err
			}
			after = r.ID.Key
		}
	}
}

// remove removes records.
func (e *eraser) remove(ctx context.Context, what string, ids []store.ID) error {
	e.count(what, len(ids))
	for len(ids) > 0 && !e.dry {
		some := ids[:min(len(ids), eraseBatch)]
		if _, err := e.config.Store.Commit(ctx, &store.Batch{Delete: some}); err != nil {
			return err
		}
		ids = ids[len(some):]
	}
	return nil
}

// queue empties a mailbox.
func (e *eraser) queue(ctx context.Context, queue string) error {
	for after := store.Position(0); ; {
		items, err := e.config.Store.Read(ctx, queue, after, letterPage)
		if err != nil || len(items) == 0 {
			return err
		}
		var b store.Batch
		for _, item := range items {
			b.Remove = append(b.Remove, store.ItemRef{Queue: queue, Position: item.Position})
			after = item.Position
		}
		e.count("messages and starts that waited", len(items))
		if e.dry {
			continue
		}
		if _, err := e.config.Store.Commit(ctx, &b); err != nil {
			return err
		}
	}
}

// outbox empties an outbox; a message that is being sent is waited for.
func (e *eraser) outbox(ctx context.Context, from Outboxes, queue string) error {
	var n int
	var err error
	if e.dry {
		var list []outbox.Waiting
		list, err = from.Waiting(ctx, queue, countMost)
		for _, w := range list {
			if w.Queue == queue {
				n++
			}
		}
	} else {
		n, err = from.CancelQueue(ctx, queue)
	}
	e.count("messages that were to be sent", n)
	return err
}

// dead removes dead letters.
func (e *eraser) dead(ctx context.Context) error {
	var ids []string
	err := e.scan(ctx, deadletter.Kind, func(r store.Record) error {
		var l deadletter.Letter
		if err := json.Unmarshal(r.Value, &l); err != nil {
			return fmt.Errorf("dead letter %s: %w", r.ID.Key, err)
		}
		if e.queues[l.Queue] {
			ids = append(ids, r.ID.Key)
		}
		return nil
	})
	e.count("dead letters", len(ids))
	for _, id := range ids {
		if err != nil || e.dry {
			return err
		}
		var revision store.Revision
		if _, revision, err = deadletter.Load(ctx, e.config.Store, id); err == nil {
			err = deadletter.Remove(ctx, e.config.Store, id, revision, store.Batch{})
		}
		if errors.Is(err, store.ErrNotFound) { // someone else removed it
			err = nil
		}
	}
	return err
}
