package channel

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/contact"
	"github.com/trama-run/trama/host/deadletter"
	"github.com/trama-run/trama/host/outbox"
	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/pdk/abi"
)

// A message of which nobody knows whether it was sent is a dead letter with the
// code unknown. Where the service gives back the effect id in its news (Ref), that
// is how it is known after all: the letter is gone then, and the message is one
// that the service has taken. As other news, it may come before the commit.

// unsure says whether nobody knows what became of a message that failed so.
func unsure(failure *abi.Error) bool { return failure != nil && failure.Code == abi.CodeUnknown }

func deliveryID(effectID string) store.ID {
	return store.ID{Kind: outbox.KindDelivery, Key: effectID}
}

// refID names the record of early news by the effect id that it names: its value
// is the service's id of the message.
func refID(channel, effectID string) store.ID {
	return store.ID{Kind: kindEarly, Key: nameMark("ref", channel, effectID)}
}

// found ends that nobody knows of a message whether it was sent, if news is of
// such a one. It is a commit of its own: then the news is of a message that is
// known, as any.
func (c *Channels) found(ctx context.Context, ch catalog.Channel, s abi.Status) error {
	d, _, err := c.delivered(ctx, s.Ref)
	if err != nil || d.Letter == "" || outbox.Channel(d.Queue) != ch.ID || d.State != outbox.StateDead || !unsure(d.Error) {
		return err
	}
	letter, revision, err := deadletter.Load(ctx, c.config.Store, d.Letter)
	if errors.Is(err, store.ErrNotFound) {
		return nil // it goes again, or was given up
	}
	if err != nil {
		return err
	}
	item := outbox.Item{Queue: letter.Queue, Value: letter.Value}
	if item.Position, err = letter.Position(); err != nil {
		return err
	}
	if err := json.Unmarshal(letter.Value, &item.Head); err != nil {
		return fmt.Errorf("dead letter %s: %w", letter.ID, err)
	}
	at := contact.Key(strings.TrimPrefix(item.Queue, outbox.PrefixContact+":"))
	var batch store.Batch
	now := outbox.Delivery{RunID: d.RunID, Queue: d.Queue, MessageID: s.MessageID, State: outbox.StateSent, At: now()}
	if err := c.outcome(at, item, s.MessageID, nil).Settle(ctx, &batch, &now); err != nil {
		return err
	}
	if err := c.Ended(&batch, item, now); err != nil {
		return err
	}
	if err := setPut(&batch, deliveryID(s.Ref), now, outbox.DeliveryTTL); err != nil {
		return err
	}
	if err := deadletter.Remove(ctx, c.config.Store, letter.ID, revision, batch); err != nil {
		if errors.Is(err, store.ErrNotFound) { // an operator was quicker
			return nil
		}
		return err
	}
	c.config.Log.Info("a dead letter is gone: the service has the message", "letter", letter.ID, "queue", d.Queue, "run", d.RunID, "effect", s.Ref)
	return nil
}

// delivered reads what became of a message, and the revision of that; 0: nothing
// did yet.
func (c *Channels) delivered(ctx context.Context, effectID string) (d outbox.Delivery, at store.Revision, err error) {
	record, err := c.config.Store.Load(ctx, deliveryID(effectID))
	if errors.Is(err, store.ErrNotFound) {
		return d, 0, nil
	}
	if err == nil {
		err = json.Unmarshal(record.Value, &d)
	}
	if err != nil {
		return d, 0, fmt.Errorf("delivery %s: %w", effectID, err)
	}
	return d, record.Revision, nil
}

// keepRef adds to a batch that keeps early news the effect id that it names.
func (c *Channels) keepRef(ctx context.Context, batch *store.Batch, ch catalog.Channel, s abi.Status) error {
	if s.Ref == "" {
		return nil
	}
	_, revision, err := c.delivered(ctx, s.Ref)
	if err != nil {
		return err
	}
	expect(batch, store.Expect{ID: deliveryID(s.Ref), Revision: revision})
	return setPut(batch, refID(ch.ID, s.Ref), s.MessageID, earlyTTL)
}

// toldEarly is the end of a send of which nobody knows what became: unless the
// service has told of the message by then.
func (c *Channels) toldEarly(at contact.Key, item outbox.Item) func(context.Context, *store.Batch, *outbox.Delivery) error {
	channel := outbox.Channel(item.Queue)
	return func(ctx context.Context, batch *store.Batch, d *outbox.Delivery) error {
		id := refID(channel, item.EffectID)
		record, err := c.config.Store.Load(ctx, id)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		expect(batch, store.Expect{ID: id, Revision: record.Revision})
		if err != nil {
			return nil
		}
		var message string
		if err := json.Unmarshal(record.Value, &message); err != nil {
			return fmt.Errorf("early news of %s: %w", item.EffectID, err)
		}
		d.State, d.MessageID, d.Error, d.Letter = outbox.StateSent, message, nil, ""
		batch.Delete = append(batch.Delete, id)
		return c.outcome(at, item, message, nil).Settle(ctx, batch, d)
	}
}
