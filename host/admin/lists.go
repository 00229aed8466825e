package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/trama-run/trama/host/outbox"
	"github.com/trama-run/trama/host/problem"
	"github.com/trama-run/trama/host/run"
	"github.com/trama-run/trama/host/store"
)

// pages reads a listing that goes on after a key: page gives the entries after
// one, and the key to go on after; keep says whether the filter takes one. It
// looks at a bounded number of entries.
func pages[T any](a api, c *fiber.Ctx, page func(after string, max int) ([]T, error), key func(T) string, keep func(T) bool) error {
	limit := c.QueryInt("limit", defaultLimit)
	list, after := []T{}, strings.Clone(c.Query("after"))
	for scanned := 0; len(list) < limit && scanned < maxScanned; {
		found, err := page(after, limit)
		if err != nil {
			return err
		}
		if len(found) == 0 {
			break
		}
		for _, one := range found {
			if keep(one) && len(list) < limit {
				list = append(list, one)
			}
			after = key(one)
		}
		scanned += len(found)
	}
	return a.veiled(c, list)
}

// listSessions lists what waits, sleeps or is to go on, in the order of their
// keys. Query: limit, after (a key), flow.
func (a api) listSessions(c *fiber.Ctx) error {
	flow := c.Query("flow")
	return pages(a, c, func(after string, max int) ([]run.SessionInfo, error) {
		return a.Runs.Sessions(c.UserContext(), after, max)
	}, func(s run.SessionInfo) string { return s.Key }, func(s run.SessionInfo) bool { return flow == "" || s.Flow == flow })
}

// DeliveryInfo is what became of a message or alert.
type DeliveryInfo struct {
	EffectID string `json:"effect_id"`
	outbox.Delivery
}

// listDeliveries lists what became of messages and alerts, in the order of
// their effect ids, which is not one of time. Query: limit, after (an effect
// id), run, status, since, until.
func (a api) listDeliveries(c *fiber.Ctx) error {
	id, state := c.Query("run"), c.Query("status")
	since, err := instant(c, "since")
	if err != nil {
		return err
	}
	until, err := instant(c, "until")
	if err != nil {
		return err
	}
	return pages(a, c, func(after string, max int) ([]DeliveryInfo, error) {
		records, err := a.Store.List(c.UserContext(), outbox.KindDelivery, after, max, false)
		list := make([]DeliveryInfo, len(records))
		for i, r := range records {
			list[i].EffectID = r.ID.Key
			if err := json.Unmarshal(r.Value, &list[i].Delivery); err != nil {
				return nil, fmt.Errorf("delivery %s: %w", r.ID.Key, err)
			}
		}
		return list, err
	}, func(d DeliveryInfo) string { return d.EffectID }, func(d DeliveryInfo) bool {
		return (id == "" || d.RunID == id) && (state == "" || d.State == state) && !d.At.Before(since) && (until.IsZero() || d.At.Before(until))
	})
}

// showDelivery shows what became of one.
func (a api) showDelivery(c *fiber.Ctx) error {
	id := strings.Clone(c.Params("id"))
	record, err := a.Store.Load(c.UserContext(), store.ID{Kind: outbox.KindDelivery, Key: id})
	if errors.Is(err, store.ErrNotFound) {
		return problem.New(404, "no_delivery", fmt.Sprintf("nothing is known of a message %q: it was not sent yet, was never meant to be, or it is longer ago than is kept", id))
	}
	if err != nil {
		return err
	}
	info := DeliveryInfo{EffectID: id}
	if err := json.Unmarshal(record.Value, &info.Delivery); err != nil {
		return fmt.Errorf("delivery %s: %w", id, err)
	}
	return a.veiled(c, info)
}
