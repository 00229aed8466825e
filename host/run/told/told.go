// Package told tells subscribers outside what became of runs. It must not know
// who they are.
package told

import (
	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/contact"
	"github.com/trama-run/trama/host/run/record"
	"github.com/trama-run/trama/host/store"
)

// Subscribers take the events that outside systems may subscribe to;
// host/webhook's Webhooks do.
type Subscribers interface {
	// Want says whether events of a type are to be told; Heard, whether they get
	// to anybody then, and are not only counted as missed.
	Want(typ string) bool
	Heard(typ string) bool
	// Tell adds an event to the batch of what caused it, if anybody subscribes
	// to it, and says so. One with the same mark, if that is not empty, is told
	// once in DedupWindow.
	Tell(b *store.Batch, typ, mark string, data map[string]any) (bool, error)
}

// Nobody subscribes to anything.
type Nobody struct{}

// Want implements Subscribers.
func (Nobody) Want(string) bool { return false }

// Heard implements Subscribers.
func (Nobody) Heard(string) bool { return false }

// Tell implements Subscribers.
func (Nobody) Tell(*store.Batch, string, string, map[string]any) (bool, error) { return false, nil }

// End adds to the batch that ends a run that it is over. who is the key of
// its contact, if it has one. Runs that make secrets are nobody's business: they
// serve the deliveries of what is told.
func End(to Subscribers, b *store.Batch, of record.Record, who string) error {
	if of.Secret || !to.Want(catalog.EventRun) {
		return nil
	}
	data := map[string]any{
		"run_id": of.ID, "flow": of.Flow, "version": of.Version, "trigger": of.Trigger,
		"status": of.Status, "started": of.Started, "ended": of.Ended,
	}
	add := func(name, text string) {
		if text != "" {
			data[name] = text
		}
	}
	add("label", of.Label)
	add("reason", of.Reason)
	add("contact", who)
	if channel, _, err := contact.Key(who).Split(); err == nil {
		add("channel", channel)
	}
	if of.Result != nil {
		data["result"] = of.Result
	}
	if of.Error != nil {
		data["error"] = map[string]any{"node": of.Error.Node, "code": of.Error.Code, "message": of.Error.Message}
	}
	_, err := to.Tell(b, catalog.EventRun, "", data)
	return err
}
