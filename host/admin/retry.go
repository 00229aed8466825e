package admin

import (
	"errors"
	"fmt"
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/trama-run/trama/host/problem"
	"github.com/trama-run/trama/host/run"
	"github.com/trama-run/trama/host/run/record"
	"github.com/trama-run/trama/host/store"
)

// RetryRequest is the body of POST /v1/runs/:id/retry; it may be absent.
type RetryRequest struct {
	// Latest moves the run to the version that is published now.
	Latest bool `json:"latest,omitempty"`
}

// retryRun brings a failed run back. A second call finds that it is not failed
// any more: 409.
func (a api) retryRun(c *fiber.Ctx) error {
	var q RetryRequest
	if len(c.Body()) > 0 {
		if err := c.BodyParser(&q); err != nil {
			return problem.New(400, "invalid", `the body: want JSON such as {"latest": true}`)
		}
	}
	id := strings.Clone(c.Params("id"))
	record, err := a.Runs.Retry(c.UserContext(), id, q.Latest)
	stuck, isStuck := errors.AsType[*run.StuckError](err)
	switch {
	case errors.Is(err, run.ErrNotFailed):
		return problem.New(409, "not_failed", err.Error())
	case errors.Is(err, run.ErrKeyTaken):
		return problem.New(409, "key_taken", err.Error())
	case errors.Is(err, run.ErrMoved):
		return problem.New(409, "moved", err.Error())
	case isStuck:
		return problem.New(409, "stuck", fmt.Sprintf("run %s can't go on in the latest version: %s", id, stuck.Reason))
	case err != nil:
		return err
	}
	return a.veiled(c, info(record))
}

// info is a record as a line of a list.
func info(r record.Record) RunInfo {
	return RunInfo{
		ID: r.ID, Flow: r.Flow, Version: r.Version, Key: r.Key, Status: r.Status,
		Result: r.Result, Refused: r.Refused, Error: r.Error, Started: r.Started, Ended: r.Ended, Steps: len(r.Steps) + r.LeftSteps,
	}
}

// migrateFlow moves the sessions of a flow that wait to another version.
func (a api) migrateFlow(c *fiber.Ctx) error {
	var m run.Migration
	if err := c.BodyParser(&m); err != nil || m.From < 1 || m.To < 1 || m.From == m.To {
		return problem.New(400, "invalid", `the body: want JSON such as {"from": 1, "to": 2, "map": {"old": "new"}, "dry_run": true}`)
	}
	m.Flow = strings.Clone(c.Params("id"))
	for _, version := range []int{m.From, m.To} {
		if _, _, err := a.Catalog.Document(c.UserContext(), m.Flow, version); errors.Is(err, store.ErrNotFound) {
			return noVersion(m.Flow, version)
		} else if err != nil {
			return err
		}
	}
	list, err := a.Runs.Migrate(c.UserContext(), m)
	if err != nil {
		return err
	}
	return c.JSON(list)
}
