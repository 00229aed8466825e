package channel

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/contact"
	"github.com/trama-run/trama/host/deadletter"
	"github.com/trama-run/trama/host/fallback"
	"github.com/trama-run/trama/host/outbox"
	"github.com/trama-run/trama/host/run/mail"
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

// Anew says a message that is a dead letter as its channel can be sent it now,
// which may not be what it was when the run said it: it is a [deadletter.Anew].
// What can be answered goes to the contact as a letter.
func (c *Channels) Anew(batch *store.Batch, l deadletter.Letter) (bool, error) {
	who, isMessage := strings.CutPrefix(l.Queue, outbox.PrefixContact+":")
	var out outbox.Message
	if !isMessage || json.Unmarshal(l.Value, &out) != nil {
		return false, nil // the outbox says what is wrong with it
	}
	plan, failure := fallback.For(out.Message, c.Able(l.Channel))
	if failure != nil || plan.Dropped || len(plan.Messages) == 1 && reflect.DeepEqual(plan.Messages[0], out.Message) {
		return false, nil
	}
	id := out.EffectID
	for i, m := range plan.Messages {
		if out.Message = m; i > 0 { // no name that a part of the run's own plan may have
			out.EffectID = fmt.Sprintf("%s-%d", id, i+1)
		}
		value, err := json.Marshal(out)
		if err != nil {
			return false, err
		}
		batch.Append = append(batch.Append, store.Append{Queue: l.Queue, Value: value})
	}
	if plan.Choices == nil {
		return true, nil
	}
	plan.Choices.Run = out.RunID
	return true, mail.Post(batch, contact.Key(who), mail.Letter{Asks: plan.Choices}, now())
}
