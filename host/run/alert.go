package run

import (
	"encoding/json"
	"fmt"

	"github.com/trama-run/trama/host/engine"
	"github.com/trama-run/trama/host/outbox"
	"github.com/trama-run/trama/host/store"
)

// alert puts news for the operator into an alert's outbox, with the next
// commit.
func (j *journey) alert(e engine.Effect) error {
	item := outbox.Alert{
		Head: outbox.Head{EffectID: e.ID, At: j.runner.now(), RunID: j.session.ID},
		Flow: e.Flow, Node: e.Node, Level: e.Alert.Level, Text: e.Alert.Text,
	}
	if item.Flow == "" {
		item.Flow = j.record.Flow
	}
	var err error
	if e.Alert.Data != nil {
		if item.Data, err = json.Marshal(e.Alert.Data); err != nil {
			return fmt.Errorf("run %s: alert of node %s: %w", j.session.ID, e.Node, err)
		}
	}
	data, err := json.Marshal(item)
	if err != nil {
		return fmt.Errorf("run %s: alert of node %s: %w", j.session.ID, e.Node, err)
	}
	key := outbox.AlertKey(e.Alert.To)
	j.changes.Append = append(j.changes.Append, store.Append{Queue: key, Value: data})
	j.wake(key)
	return nil
}
