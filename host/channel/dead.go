package channel

import (
	"context"

	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/deadletter"
	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/pdk/abi"
)

// bury takes a stored request that can't be read out of the intake, as a dead
// letter.
func (c *Channels) bury(ctx context.Context, ch catalog.Channel, item store.Item, reason abi.Error) error {
	batch := removal(item)
	if err := c.dead(&batch, ch, item, reason); err != nil {
		return err
	}
	_, err := c.config.Store.Commit(ctx, &batch)
	return err
}

// dead adds a stored request that can't be read to the dead letters.
func (c *Channels) dead(batch *store.Batch, ch catalog.Channel, item store.Item, reason abi.Error) error {
	c.config.Log.Error("webhook is a dead letter", "channel", ch.ID, "error", reason.Message)
	return deadletter.Bury(batch, item.Position, deadletter.Letter{
		Queue: item.Queue, Channel: ch.ID, Reason: reason, At: now(), Value: item.Value,
	})
}
