package channel

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/contact"
	"github.com/trama-run/trama/host/outbox"
	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/pdk/abi"
)

// Outside systems may subscribe to what contacts write, to what was sent to
// them, and to what became of that. Each is told in the commit that makes it
// so.

// tellMessage adds to the batch that stores a contact's message that it came.
func (c *Channels) tellMessage(batch *store.Batch, ch catalog.Channel, u abi.Unit, received time.Time) error {
	_, err := c.config.Subscribers.Tell(batch, catalog.EventMessage, nameMark("unit", ch.ID, u.ID), map[string]any{
		"channel": ch.ID, "contact": contact.KeyOf(ch.ID, u.From), "id": u.ID, "name": u.Name, "message": u.Message, "received": received,
	})
	return err
}

// tellStatus adds to the batch that notes what became of a message what that
// is.
func (c *Channels) tellStatus(batch *store.Batch, queue, effectID string, d outbox.Delivery) error {
	if !c.config.Subscribers.Want(catalog.EventStatus) {
		return nil
	}
	data := ofDelivery(queue, effectID, d)
	data["state"] = d.State
	if d.Error != nil {
		data["error"] = map[string]any{"code": d.Error.Code, "message": d.Error.Message}
	}
	_, err := c.config.Subscribers.Tell(batch, catalog.EventStatus, "", data)
	return err
}

// Ended adds to the commit that ends a message to a contact what became of it,
// to whom it matters:
// it is the end of the outbox's items of outbox.PrefixContact.
func (c *Channels) Ended(batch *store.Batch, item outbox.Item, d outbox.Delivery) error {
	if err := gone(batch, item, d); err != nil {
		return err
	}
	if !c.config.Subscribers.Want(catalog.EventSent) && !c.config.Subscribers.Want(catalog.EventStatus) {
		return nil
	}
	if d.State != outbox.StateDead && d.State != outbox.StateCancelled {
		var out outbox.Message
		if err := json.Unmarshal(item.Value, &out); err != nil { // it was read when it was sent
			return fmt.Errorf("outbox %s: %w", item.Queue, err)
		}
		data := ofDelivery(item.Queue, item.EffectID, d)
		data["message"] = out.Message
		if _, err := c.config.Subscribers.Tell(batch, catalog.EventSent, "", data); err != nil {
			return err
		}
	}
	if d.State == outbox.StateSent { // which message.sent says
		return nil
	}
	return c.tellStatus(batch, item.Queue, item.EffectID, d)
}

// ofDelivery is what all events of a sent message have. The contact is the one
// that it was sent to: a service may call it otherwise in its news.
func ofDelivery(queue, effectID string, d outbox.Delivery) map[string]any {
	data := map[string]any{"channel": outbox.Channel(queue), "contact": strings.TrimPrefix(queue, outbox.PrefixContact+":"), "effect_id": effectID, "at": d.At}
	if d.RunID != "" {
		data["run_id"] = d.RunID
	}
	if d.MessageID != "" {
		data["message_id"] = d.MessageID
	}
	return data
}
