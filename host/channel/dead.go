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
	if err := deadletter.Bury(&batch, item.Position, deadletter.Letter{
		Queue: item.Queue, Channel: ch.ID, Reason: reason, At: now(), Value: item.Value,
	}); err != nil {
		return err
	}
	_, err := c.config.Store.Commit(ctx, &batch)
	return err
}
