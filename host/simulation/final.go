package simulation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/trama-run/trama/host/channel"
	"github.com/trama-run/trama/host/contact"
	"github.com/trama-run/trama/host/deadletter"
	"github.com/trama-run/trama/host/outbox"
	"github.com/trama-run/trama/host/run"
	"github.com/trama-run/trama/host/run/mail"
	"github.com/trama-run/trama/host/run/record"
	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/pdk/abi"
)

// Final is what a store holds in the end.
type Final struct {
	Seen       map[string][]string        // by contact: the units that were consumed
	Count      map[string]int             // by contact: how many, as its flows counted
	Deliveries map[string]outbox.Delivery // by effect id
	Dead       []deadletter.Letter
	Runs       []record.Record
	// Calls are what runs recorded of their calls, by the name of what the peer
	// saw, if it saw anything.
	Calls map[string]Called
	// Left is what is unfinished: sessions, wakes and items of queues.
	Left []string
}

// Called is the last attempt of a call, and its error if it failed.
type Called struct {
	Attempt int
	Error   *abi.Error
}

// Late says that a call took longer than the host gives it.
func (c Called) Late() bool { return c.Error != nil && c.Error.Code == abi.CodeTimeout }

// Kinds of host/run's records: of the sessions that are not over, of runs that
// are to begin, and of schedules.
const (
	kindSession  store.Kind = "session"
	kindQueued   store.Kind = "queued"
	kindSchedule store.Kind = "schedule"
)

// everything is more than a store of these tests holds of one kind.
const everything = 100_000

// Look reads what a store holds in the end of these contacts.
func Look(ctx context.Context, s store.Store, contacts []string) (Final, error) {
	f := Final{Seen: map[string][]string{}, Count: map[string]int{}, Deliveries: map[string]outbox.Delivery{}, Calls: map[string]Called{}}
	for _, who := range contacts {
		record, err := s.Load(ctx, store.ID{Kind: run.KindContact, Key: who})
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return f, err
		}
		var c struct {
			Vars struct {
				N    int      `json:"n"`
				Seen []string `json:"seen"`
			} `json:"vars"`
			Later     []contact.Start `json:"later"`
			WithHuman bool            `json:"with_human"`
		}
		if err := json.Unmarshal(record.Value, &c); err != nil {
			return f, fmt.Errorf("contact %s: %w", who, err)
		}
		if c.WithHuman {
			f.Left = append(f.Left, who+": a person attends to it")
		}
		f.Seen[who], f.Count[who] = c.Vars.Seen, c.Vars.N
		for _, later := range c.Later {
			f.Left = append(f.Left, fmt.Sprintf("%s: the flow %s has not begun", who, later.Flow))
		}
	}
	err := errors.Join(
		each(ctx, s, outbox.KindDelivery, func(r store.Record) error {
			var d outbox.Delivery
			err := json.Unmarshal(r.Value, &d)
			f.Deliveries[r.ID.Key] = d
			return err
		}),
		each(ctx, s, deadletter.Kind, func(r store.Record) error {
			var l deadletter.Letter
			err := json.Unmarshal(r.Value, &l)
			f.Dead = append(f.Dead, l)
			return err
		}),
		each(ctx, s, record.Kind, func(r store.Record) error {
			var record record.Record
			err := json.Unmarshal(r.Value, &record)
			f.Runs = append(f.Runs, record)
			for _, s := range slices.Concat(record.Steps, record.Last) {
				if in, ok := s.Input.(map[string]any); ok && in["step"] != nil {
					f.Calls[fmt.Sprintf("%v|%v", in["step"], in["unit"])] = Called{s.Attempt, s.Error}
				}
			}
			return err
		}),
		f.left(ctx, s, contacts),
	)
	return f, err
}

// Quiet says whether a store holds no work, now or later: whatever has work has
// a wake.
func Quiet(ctx context.Context, s store.Store) (bool, error) {
	var f Final
	err := f.left(ctx, s, nil)
	return len(f.Left) == 0, err
}

// left lists what is unfinished.
func (f *Final) left(ctx context.Context, s store.Store, contacts []string) error {
	wakes, err := s.Due(ctx, store.Wake{}, time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC), 100)
	if err != nil {
		return err
	}
	for _, w := range wakes {
		f.Left = append(f.Left, fmt.Sprintf("the wake of %s at %s", w.Key, w.At.Format(time.RFC3339Nano)))
	}
	var queues []string
	for _, id := range []string{"post", "loud", "lone", "after", "halted"} {
		queues = append(queues, channel.PrefixIntake+":"+id)
	}
	for _, who := range contacts {
		queues = append(queues, mail.Key(contact.Key(who)), mail.Later(contact.Key(who)), outbox.ContactKey(contact.Key(who)))
	}
	for _, queue := range queues {
		items, err := s.Read(ctx, queue, 0, 100)
		if err != nil {
			return err
		}
		for _, item := range items {
			f.Left = append(f.Left, fmt.Sprintf("in the queue %s: %.200s", queue, item.Value))
		}
	}
	var errs []error
	for _, kind := range []store.Kind{kindSession, kindQueued, kindSchedule} {
		errs = append(errs, each(ctx, s, kind, func(r store.Record) error {
			f.Left = append(f.Left, fmt.Sprintf("the %s %s: %.300s", kind, r.ID.Key, r.Value))
			return nil
		}))
	}
	return errors.Join(errs...)
}

// each visits the records of a kind.
func each(ctx context.Context, s store.Store, kind store.Kind, visit func(store.Record) error) error {
	records, err := s.List(ctx, kind, "", everything, false)
	if err != nil {
		return err
	}
	for _, r := range records {
		if err := visit(r); err != nil {
			return fmt.Errorf("%s %s: %w", kind, r.ID.Key, err)
		}
	}
	return nil
}
