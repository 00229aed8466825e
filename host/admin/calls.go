package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/trama-run/trama/host/calllog"
	"github.com/trama-run/trama/host/problem"
	"github.com/trama-run/trama/host/run/record"
	"github.com/trama-run/trama/host/store"
)

// listCalls lists calls in and out, the last that ended first, without what
// they said. Query: limit, before (a call's id), kind, direction, name, route,
// method, endpoint, status, run, contact, client, request, since, until.
func (a api) listCalls(c *fiber.Ctx) error {
	limit := c.QueryInt("limit", defaultLimit)
	text := func(name string) string { return strings.Clone(c.Query(name)) }
	f := calllog.Filter{
		Direction: text("direction"), Kind: text("kind"), Name: text("name"), Method: text("method"), Endpoint: text("endpoint"),
		Status: text("status"), Run: text("run"), Contact: text("contact"), Client: text("client"), RequestID: text("request"), EffectID: text("effect"),
		Before: text("before"),
	}
	if route := text("route"); route != "" {
		f.Kind, f.Name = calllog.KindGateway, route
	}
	var err error
	if f.Since, err = instant(c, "since"); err != nil {
		return err
	}
	if f.Until, err = instant(c, "until"); err != nil {
		return err
	}
	if err := f.Check(); err != nil {
		return problem.New(400, "invalid", err.Error())
	}
	calls, _, err := a.Calls.Search(c.UserContext(), f, limit)
	if err != nil {
		return callProblem(err)
	}
	if calls, err = a.started(c.UserContext(), calls, f, limit); err != nil {
		return err
	}
	for i := range calls {
		for _, p := range []*calllog.Part{&calls[i].Request, &calls[i].Response} {
			*p = calllog.Part{Bytes: p.Bytes}
		}
	}
	if calls == nil {
		calls = []calllog.Call{}
	}
	return c.JSON(calls)
}

// showCall shows a call with what it said.
func (a api) showCall(c *fiber.Ctx) error {
	call, err := a.Calls.Load(c.UserContext(), strings.Clone(c.Params("id")))
	if err != nil {
		return callProblem(err)
	}
	if err := a.runOf(c.UserContext(), &call); err != nil {
		return err
	}
	return c.JSON(call)
}

// runOf gives a webhook the run that it has started: it began after the answer.
// One that started several shows the first.
func (a api) runOf(ctx context.Context, call *calllog.Call) error {
	if call.Kind != calllog.KindWebhook || call.EffectID == "" || call.Run != "" {
		return nil
	}
	runs, err := a.Channels.Runs(ctx, call.EffectID)
	if len(runs) > 0 {
		call.Run = runs[0]
	}
	return err
}

// started gives the webhooks in a list the runs that they have started and,
// where the calls of one run were asked for, adds the webhook that started it.
func (a api) started(ctx context.Context, calls []calllog.Call, f calllog.Filter, limit int) ([]calllog.Call, error) {
	for i := range calls {
		if err := a.runOf(ctx, &calls[i]); err != nil {
			return nil, err
		}
	}
	if f.Run == "" || f.EffectID != "" {
		return calls, nil
	}
	of := f.Run
	stored, err := a.Store.Load(ctx, record.ID(of))
	if errors.Is(err, store.ErrNotFound) {
		return calls, nil
	}
	var full record.Record
	if err == nil {
		err = json.Unmarshal(stored.Value, &full)
	}
	if err != nil {
		return nil, fmt.Errorf("record of run %s: %w", of, err)
	}
	if full.From == nil || full.From.Delivery == "" {
		return calls, nil
	}
	f.Run, f.EffectID = "", full.From.Delivery
	hooks, _, err := a.Calls.Search(ctx, f, limit)
	if err != nil {
		return nil, err
	}
	for i := range hooks {
		hooks[i].Run = of
	}
	calls = append(calls, hooks...)
	slices.SortFunc(calls, func(x, y calllog.Call) int { return strings.Compare(y.ID, x.ID) })
	return calls[:min(len(calls), limit)], nil
}

func callProblem(err error) error {
	switch {
	case errors.Is(err, calllog.ErrOff):
		return problem.New(409, "off", "the call log is off: take call_log: {off: true} out of trama.yaml and restart")
	case errors.Is(err, calllog.ErrNotFound):
		return problem.New(404, "no_call", "there is no such call: calls are kept for the days and bytes that call_log in trama.yaml says, and under load some are left out")
	}
	return err
}
