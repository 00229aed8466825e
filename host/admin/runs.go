package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/trama-run/trama/host/engine"
	"github.com/trama-run/trama/host/expr"
	"github.com/trama-run/trama/host/outbox"
	"github.com/trama-run/trama/host/problem"
	"github.com/trama-run/trama/host/run"
	"github.com/trama-run/trama/host/run/record"
	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/pdk/abi"
)

// RunInfo is a line of the list of runs.
type RunInfo struct {
	ID      string          `json:"id"`
	Flow    string          `json:"flow"`
	Version int             `json:"version"`
	Key     string          `json:"key"`
	Status  engine.Status   `json:"status"`
	Result  any             `json:"result,omitempty"`
	Error   *engine.Failure `json:"error,omitempty"`
	// Refused is why the caller got an error in place of the run's answer.
	Refused *abi.Error `json:"refused,omitempty"`
	Started time.Time  `json:"started"`
	Ended   *time.Time `json:"ended,omitempty"`
	Steps   int        `json:"steps"`
}

// Bounds of listings.
const (
	defaultLimit = 50
	maxLimit     = 500
	maxScanned   = 20_000 // records that one filtered listing looks at
)

// listRuns lists runs, newest first. Query: limit, before (a run id), flow,
// status.
func (a api) listRuns(c *fiber.Ctx) error {
	limit := c.QueryInt("limit", defaultLimit)
	flow, status := c.Query("flow"), c.Query("status")
	known := []engine.Status{run.Queued, engine.Running, engine.Waiting, engine.Done, engine.Failed, engine.Cancelled}
	if status != "" && !slices.Contains(known, engine.Status(status)) {
		return problem.New(400, "invalid", fmt.Sprintf("status %q: want one of %v", status, known))
	}
	list := []RunInfo{}
	before := strings.Clone(c.Query("before"))
	if status == "" || status == string(run.Queued) {
		queue, err := a.Runs.Queue(c.UserContext(), flow, before, limit)
		if err != nil {
			return err
		}
		for _, r := range queue {
			list = append(list, info(r))
		}
	}
	if status == string(run.Queued) {
		return a.veiled(c, list)
	}
	queued := len(list)
	limit += queued // the newest of both are chosen below
	for scanned := 0; len(list) < limit && scanned < maxScanned; {
		records, err := a.Store.List(c.UserContext(), record.Kind, before, limit, true)
		if err != nil {
			return err
		}
		if len(records) == 0 {
			break
		}
		for _, r := range records {
			scanned++
			before = r.ID.Key
			var full record.Record
			if err := expr.UnmarshalJSON(r.Value, &full); err != nil {
				return fmt.Errorf("record of run %s: %w", r.ID.Key, err)
			}
			if (flow == "" || full.Flow == flow) && (status == "" || string(full.Status) == status || status == string(engine.Failed) && full.Refused != nil) && len(list) < limit {
				list = append(list, info(full))
			}
		}
	}
	slices.SortFunc(list, func(a, b RunInfo) int { return strings.Compare(b.ID, a.ID) })
	return a.veiled(c, list[:min(len(list), limit-queued)])
}

// RunDetail is a run's record and what became of its messages, by effect id.
type RunDetail struct {
	record.Record
	Deliveries map[string]outbox.Delivery `json:"deliveries,omitempty"`
}

func (a api) showRun(c *fiber.Ctx) error {
	id := strings.Clone(c.Params("id"))
	stored, err := a.Store.Load(c.UserContext(), record.ID(id))
	if errors.Is(err, store.ErrNotFound) {
		if l, err := a.Runs.Look(c.UserContext(), id); err == nil { // it has not begun
			return a.veiled(c, RunDetail{Record: l.Record})
		}
		return problem.New(404, "no_run", fmt.Sprintf("there is no record of run %q: records are kept for two weeks, and under load those of successful runs without effects are left out", id))
	}
	if err != nil {
		return err
	}
	detail := RunDetail{Deliveries: map[string]outbox.Delivery{}}
	if err := expr.UnmarshalJSON(stored.Value, &detail.Record); err != nil {
		return fmt.Errorf("record of run %s: %w", id, err)
	}
	for _, step := range detail.Steps {
		if step.EffectID == "" {
			continue
		}
		record, err := a.Store.Load(c.UserContext(), store.ID{Kind: outbox.KindDelivery, Key: step.EffectID})
		if errors.Is(err, store.ErrNotFound) {
			continue // not a message, or not sent yet
		}
		if err != nil {
			return err
		}
		var d outbox.Delivery
		if err := json.Unmarshal(record.Value, &d); err != nil {
			return fmt.Errorf("delivery %s: %w", step.EffectID, err)
		}
		detail.Deliveries[step.EffectID] = d
	}
	return a.veiled(c, detail)
}
