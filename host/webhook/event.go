package webhook

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/trama-run/trama/host/expr"
	"github.com/trama-run/trama/host/run"
	"github.com/trama-run/trama/host/store"
)

// Bounds of events.
const (
	// maxEvent is the longest body, about; receivers are told to expect less
	// than 20 kB.
	maxEvent = 64 << 10
	// few subscriptions are asked for their filters before an event is written
	// down, so that what none of them wants costs nothing more.
	few = 16
	// maxWithin is how many members of one member are left out, where the
	// others stay.
	maxWithin = 16
)

// Event is what subscribers get, as JSON: the body of a delivery.
type Event struct {
	// ID is the same for all subscribers, tries and replays; it is sent as
	// webhook-id, too.
	ID   string    `json:"id"`
	Type string    `json:"type"`
	Time time.Time `json:"time"` // when it happened, not when it is sent
	// Data depends on the type. Members that made the event too large are left
	// out, and named in the member left_out: "result", or "data.photo" for one
	// of the object data.
	Data map[string]any `json:"data"`
}

// told is an event that waits to be dealt out.
type told struct {
	Event json.RawMessage `json:"event"`
	// Short says that members were left out of it. Filters see it whole: they
	// were asked before, and Takers has the subscriptions whose filter took it,
	// in the order of ids.
	Short  bool     `json:"short,omitempty"`
	Takers []string `json:"takers,omitempty"`
}

// Heard says whether anybody gets events of a type.
func (w *Webhooks) Heard(typ string) bool { return len(w.index.Load().wants(typ)) > 0 }

// Want says whether anybody subscribes to a type of event. One that was disabled
// for its failures has what it misses counted.
func (w *Webhooks) Want(typ string) bool {
	x := w.index.Load()
	return len(x.wants(typ))+len(x.misses(typ)) > 0
}

// Tell adds an event to the batch of what caused it, if anybody subscribes to
// it, and says so. Data has values that become JSON. If mark is not empty, an
// event with the same mark is told once within run.DedupWindow.
func (w *Webhooks) Tell(b *store.Batch, typ, mark string, data map[string]any) (bool, error) {
	x := w.index.Load()
	subscribers, misses := x.wants(typ), x.misses(typ)
	if len(subscribers)+len(misses) == 0 {
		return false, nil
	}
	e, body, err := w.encode(typ, data)
	if err == nil {
		err = w.miss(b, misses, typ, body)
	}
	if err != nil || len(subscribers) == 0 {
		return false, err
	}
	event := told{Event: body, Short: len(body) > maxEvent}
	if event.Short || len(subscribers) <= few {
		scope, err := scopeOf(body)
		if err != nil {
			return false, err
		}
		wanted := false
		for _, s := range subscribers {
			if !w.takes(s, typ, scope) {
				continue
			}
			if wanted = true; !event.Short {
				break
			}
			if s.filter != nil {
				event.Takers = append(event.Takers, s.ID)
			}
		}
		if !wanted {
			return false, nil
		}
	}
	if event.Short {
		if e.Data, err = smaller(data, len(body)-maxEvent); err == nil {
			event.Event, err = json.Marshal(e)
		}
	}
	var value []byte
	if err == nil {
		value, err = json.Marshal(event)
	}
	if err != nil {
		return false, fmt.Errorf("event %s: %w", typ, err)
	}
	item := store.Append{Queue: keyEvents, Value: value}
	if mark != "" {
		item.Mark, item.MarkTTL = "told/"+mark, run.DedupWindow
	}
	b.Append = append(b.Append, item)
	if !slices.ContainsFunc(b.Wake, func(wake store.Wake) bool { return wake.Key == keyEvents }) {
		b.Wake = append(b.Wake, store.Wake{Key: keyEvents, At: w.now()})
	}
	return true, nil
}

// encode makes an event, and gives its whole body, too.
func (w *Webhooks) encode(typ string, data map[string]any) (Event, []byte, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return Event{}, nil, fmt.Errorf("event id: %w", err)
	}
	e := Event{ID: "evt_" + strings.ReplaceAll(id.String(), "-", ""), Type: typ, Time: w.now().UTC(), Data: data}
	body, err := json.Marshal(e)
	if err != nil {
		return Event{}, nil, fmt.Errorf("event %s: %w", typ, err)
	}
	return e, body, nil
}

// smaller leaves the longest members of an event's data out, until it has lost
// a number of bytes. Of one that is an object it leaves out the members that
// are too long, if that is enough.
func smaller(data map[string]any, excess int) (map[string]any, error) {
	kept, left := maps.Clone(data), []string{}
	members, err := longest(data)
	if err != nil {
		return nil, err
	}
	for _, m := range members {
		if excess <= 0 {
			break
		}
		inner, is := data[m.name].(map[string]any)
		if !is || m.size < excess {
			delete(kept, m.name)
			left, excess = append(left, m.name), excess-m.size
			continue
		}
		within, err := longest(inner)
		if err != nil {
			return nil, err
		}
		fewer, names, lost := maps.Clone(inner), []string{}, 0
		for _, m := range within[:min(len(within), maxWithin)] {
			if lost >= excess {
				break
			}
			delete(fewer, m.name)
			names, lost = append(names, m.name), lost+m.size
		}
		if lost < excess {
			delete(kept, m.name)
			left, excess = append(left, m.name), excess-m.size
			continue
		}
		kept[m.name], excess = fewer, 0
		for _, name := range names {
			left = append(left, m.name+"."+name)
		}
	}
	kept["left_out"] = left
	return kept, nil
}

// member is one of an object's, and how long its value is as JSON.
type member struct {
	name string
	size int
}

// longest lists an object's members, the longest first.
func longest(object map[string]any) (list []member, err error) {
	for name, value := range object {
		text, err := json.Marshal(value)
		if err != nil {
			return nil, err
		}
		list = append(list, member{name, len(text)})
	}
	slices.SortFunc(list, func(a, b member) int {
		return cmp.Or(cmp.Compare(b.size, a.size), strings.Compare(a.name, b.name))
	})
	return list, nil
}

// scopeOf gives an event's body as filters see it.
func scopeOf(value []byte) (map[string]any, error) {
	var event any
	if err := expr.UnmarshalJSON(value, &event); err != nil {
		return nil, fmt.Errorf("event: %w", err)
	}
	return map[string]any{"input": expr.Numbers(event)}, nil
}
