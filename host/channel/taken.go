package channel

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/trama-run/trama/host/deadletter"
	"github.com/trama-run/trama/host/outbox"
	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/pdk/abi"
)

// What a service has taken it may give up later, and say so in a status. So a
// message is kept until it is known to be delivered, or no news is expected of
// it any more.
const takenTTL = 7 * 24 * time.Hour

// How a message goes again that its service took and gave up for a reason that
// passes. What is paced is the contact: that is whose limits such services have.
const (
	maxAgain   = 3
	againPause = 30 * time.Second // before the first time; each further one is four times as long
)

// taken is a message that its service has and that may not have come through.
type taken struct {
	Queue    string          `json:"queue"`
	Position store.Position  `json:"position"` // that it had in the queue
	Again    int             `json:"again,omitempty"`
	Value    json.RawMessage `json:"value"` // the outbox's item
}

// takenID names the record of a message that was taken.
func takenID(effectID string) store.ID { return store.ID{Kind: outbox.KindTaken, Key: effectID} }

// keepTaken adds to the commit of a send what it takes to send the message again.
func (c *Channels) keepTaken(ctx context.Context, batch *store.Batch, item outbox.Item) error {
	var before taken
	if _, err := c.known(ctx, batch, takenID(item.EffectID), &before); err != nil {
		return err
	}
	return setPut(batch, takenID(item.EffectID), taken{item.Queue, item.Position, before.Again, item.Value}, takenTTL)
}

// through forgets a message that came through.
func through(batch *store.Batch, effectID string) {
	if i := indexOf(batch, takenID(effectID)); i >= 0 { // it is put down in this commit
		batch.Put = slices.Delete(batch.Put, i, i+1)
	}
	batch.Delete = append(batch.Delete, takenID(effectID))
}

// givenUp adds to a batch what follows when a service gives up a message that it
// took: it goes again if the reason may pass, and is a dead letter otherwise.
func (c *Channels) givenUp(ctx context.Context, batch *store.Batch, effectID string, d *outbox.Delivery) error {
	var t taken
	if absent, err := c.known(ctx, batch, takenID(effectID), &t); err != nil || absent {
		return err // absent: it was sent by an earlier version, or a week ago
	}
	reason := abi.Error{Code: "failed", Message: "the service took the message and gave it up, without a reason"}
	if d.Error != nil {
		reason = *d.Error
	}
	if reason.Retryable && t.Again < maxAgain {
		pause := againPause << (2 * t.Again)
		if asked := time.Duration(reason.RetryAfterMillis) * time.Millisecond; asked > pause {
			pause = min(asked, SendPolicy().MaxRetryAfter)
		}
		t.Again++
		d.State, d.MessageID = outbox.StateQueued, ""
		batch.Append = append(batch.Append, store.Append{Queue: t.Queue, Value: t.Value})
		batch.Wake = append(batch.Wake, store.Wake{Key: t.Queue, At: d.At.Add(pause)})
		c.config.Log.Warn("the service gave a message up; it goes again", "queue", t.Queue, "run", d.RunID, "effect", effectID, "again_at", d.At.Add(pause), "error", reason)
		return setPut(batch, takenID(effectID), t, takenTTL)
	}
	through(batch, effectID)
	d.Letter = deadletter.ID(t.Position)
	c.config.Log.Error("a dead letter: the service took a message and gave it up", "queue", t.Queue, "run", d.RunID, "effect", effectID, "error", reason)
	return deadletter.Bury(batch, t.Position, deadletter.Letter{
		Queue: t.Queue, Channel: outbox.Channel(t.Queue), EffectID: effectID, RunID: d.RunID, Reason: reason, At: d.At, Value: t.Value,
	})
}
