package channel

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/pdk/abi"
)

// KindDead is the kind of dead letters, by id; ids grow with time.
const KindDead store.Kind = "dead"

// DeadLetter is an item that could not be worked on, kept whole so that it
// can be replayed.
type DeadLetter struct {
	ID      string    `json:"id"`
	Queue   string    `json:"queue"` // where it came from and a replay puts it
	Channel string    `json:"channel"`
	Reason  abi.Error `json:"reason"`
	At      time.Time `json:"at"`
	Value   []byte    `json:"value,omitempty"`
}

// bury adds a dead letter to a batch. Its id is made of the item's position,
// which no other item has and which grows.
func bury(batch *store.Batch, position store.Position, d DeadLetter) error {
	d.ID, d.At = fmt.Sprintf("%016x", position), now()
	value, err := json.Marshal(d)
	if err != nil {
		return err
	}
	batch.Put = append(batch.Put, store.Put{ID: store.ID{Kind: KindDead, Key: d.ID}, Value: value})
	return nil
}

// Replay puts a dead letter back into its queue. It returns store.ErrNotFound
// if there is none with this id.
func (c *Channels) Replay(ctx context.Context, id string) error {
	record, err := c.config.Store.Load(ctx, store.ID{Kind: KindDead, Key: id})
	if err != nil {
		return err
	}
	var d DeadLetter
	if err := json.Unmarshal(record.Value, &d); err != nil {
		return fmt.Errorf("dead letter %s: %w", id, err)
	}
	_, err = c.config.Store.Commit(ctx, &store.Batch{
		Expect: []store.Expect{{ID: record.ID, Revision: record.Revision}},
		Delete: []store.ID{record.ID},
		Append: []store.Append{{Queue: d.Queue, Value: d.Value}},
		Wake:   []store.Wake{{Key: d.Queue, At: now()}},
	})
	if err == nil {
		c.config.Poke()
	}
	return err
}
