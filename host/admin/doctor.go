package admin

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/deadletter"
	"github.com/trama-run/trama/host/flow"
	"github.com/trama-run/trama/host/outbox"
	"github.com/trama-run/trama/host/plugin"
)

// Finding is one thing that keeps something from working.
type Finding struct {
	State  string `json:"state"`  // held, refused, broken, pending, missing, pinned, dead, failing, degraded, disabled
	Object string `json:"object"` // such as "flow order-intake"
	Reason string `json:"reason"`
	Remedy string `json:"remedy,omitempty"`
}

// doctor lists everything that is held, refused, broken, pending or missing.
func (a api) doctor(c *fiber.Ctx) error {
	findings := []Finding{}
	add := func(state, object, reason, remedy string) {
		findings = append(findings, Finding{state, object, reason, remedy})
	}
	if !a.Ready() {
		add("held", "plugins", "the plugin directories are still being read", "wait, and ask again")
	}
	if err := a.Store.Space(); err != nil {
		add("held", "store", err.Error(), "free space on the volume of the data directory")
	}
	problems, waiting := a.Pending()
	for _, p := range problems {
		add("refused", p.Place.String(), p.Message, p.Hint)
	}
	for _, w := range waiting {
		add("pending", fmt.Sprintf("%s (%s)", w.Object, w.Origin), w.Held, "")
	}
	s := a.Catalog.Snapshot()
	for _, p := range a.Plugins.List() {
		// What came with the build and nobody has granted is no trouble: a flow or
		// a channel that wants it is held, and says so below.
		spare := p.Bundled && p.State == plugin.StatePending && !slices.ContainsFunc(s.Grants, func(g catalog.Grant) bool { return g.Plugin == p.Name })
		if p.State != plugin.StateReady && p.State != plugin.StateRetired && !spare {
			add(string(p.State), "plugin "+p.Name+" ("+p.File+")", p.Reason, p.Remedy)
		}
	}
	for _, p := range a.Plugins.List() {
		if p.Grant == nil {
			continue
		}
		for _, name := range slices.Concat(p.Grant.Keys, p.Grant.Secrets) {
			if err := a.Secret(name); err != nil {
				add("missing", fmt.Sprintf("secret %s (granted to plugin %s)", name, p.Name), err.Error(), "")
			}
		}
	}
	for _, g := range s.Grants {
		if signer, signed := g.Signer(); signed && !a.Plugins.Trusts(signer) {
			add("missing", fmt.Sprintf("key %s (grant of plugin %s, %s)", signer, g.Plugin, s.Origins["grant/"+g.Name()]), "no key of this name is trusted, so the grant gives nothing",
				fmt.Sprintf("name it in trama.yaml, trusted_keys: {%s: \"ed25519:...\"}, and start the server again; or take the grant out", signer))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(a.SettingSecrets)) {
		if err := a.Secret(name); err != nil {
			add("missing", fmt.Sprintf("secret %s (%s)", name, strings.Join(a.SettingSecrets[name], ", ")), err.Error(), "")
		}
	}
	for _, check := range a.Health(c.UserContext()).Checks {
		// The others are told of one by one.
		if check.State != CheckOK && !slices.Contains([]string{"disk", "plugins", "flows", "connections"}, check.Name) {
			add(check.State, strings.ReplaceAll(check.Name, "_", " "), check.Detail, "")
		}
	}
	if locked := append(a.Guard.Locked(), a.guesses.Locked()...); len(locked) > 0 {
		add("held", fmt.Sprintf("%d addresses", len(locked)), fmt.Sprintf("too many wrong credentials came from each; %s is locked out until %s", locked[0].Address, locked[0].Until.UTC().Format(time.RFC3339)), "see who it is with: trama calls list --status 401, or at the admin API: trama audit list; the log has all of them")
	}
	for _, f := range a.Failing() {
		add("held", "work of "+f.Key, fmt.Sprintf("it failed %d times in a row since %s: %s", f.InARow, f.Since.Format(time.RFC3339), f.Error), "it is tried again each minute; the log has more")
	}
	for _, id := range slices.Sorted(maps.Keys(s.Flows)) {
		f := s.Flows[id]
		if held := a.Held(f); held != nil {
			add("held", "flow "+id, held.Message, "")
		}
		if r := f.Rolled; r != nil {
			remedy := fmt.Sprintf("publish a mended document, or go forward with: trama flow rollback %s --to %d", id, r.From)
			if f.Origin.Kind == "file" {
				remedy = fmt.Sprintf("mend %s, which ends the rollback, or go forward with: trama flow rollback %s --to %d", f.Origin.File, id, r.From)
			}
			add("pinned", fmt.Sprintf("flow %s (%s)", id, f.Origin), fmt.Sprintf("rolled back to version %d from version %d at %s", f.Version, r.From, r.At.Format(time.RFC3339)), remedy)
		}
		problems, _ := f.Flow.Check(a.Operations)
		for _, p := range problems {
			add("refused", fmt.Sprintf("flow %s (%s)", id, f.Origin), p.Message, p.Hint)
		}
		for _, t := range f.Flow.Triggers {
			if _, ok := s.Channels[t.Channel]; t.Channel != "" && !ok {
				add("missing", fmt.Sprintf("flow %s (%s)", id, f.Origin), fmt.Sprintf("its trigger %q listens to channel %q, which is not configured", t.ID, t.Channel), "add it to channels.yaml, or name another")
			}
		}
		for _, to := range f.Flow.Alerts() {
			if _, err := s.Alert(to); err != nil {
				add("missing", fmt.Sprintf("flow %s (%s)", id, f.Origin), "a send_alert node speaks to nobody: "+err.Error(), "")
			}
		}
	}
	for _, p := range flow.CheckCalls(s.Documents(), nil) {
		add("refused", "flows", p.Message, p.Hint)
	}
	for _, id := range slices.Sorted(maps.Keys(s.Flows)) {
		for _, to := range s.Flows[id].Flow.Jumps() {
			if _, ok := s.Flows[to]; !ok {
				add("missing", fmt.Sprintf("flow %s (%s)", id, s.Flows[id].Origin), fmt.Sprintf("it jumps to flow %q, which is not published", to), fmt.Sprintf("add flows/%s.yaml, or jump elsewhere", to))
			}
		}
	}
	for _, id := range slices.Sorted(maps.Keys(s.Broken)) {
		add("broken", fmt.Sprintf("flow %s (%s)", id, s.Origins["flow/"+id]), s.Broken[id].Error(), "publish its document again, or roll back with: trama flow rollback "+id)
	}
	idle, err := a.idle(c)
	if err != nil {
		return err
	}
	for _, i := range idle {
		add("held", fmt.Sprintf("schedule %s of flow %s", i.Trigger, i.Flow), fmt.Sprintf("%s: all of its instants had passed at %s, when it was set", i.When, i.Since.Format(time.RFC3339)), "give it an instant to come, or remove it")
	}
	for _, r := range s.Routes {
		f, ok := s.Flows[r.Flow]
		if !ok {
			add("missing", "route "+r.Name(), fmt.Sprintf("flow %q is not published", r.Flow), fmt.Sprintf("add flows/%s.yaml, or name another flow in %s", r.Flow, s.Origins["route/"+r.Name()]))
			continue
		}
		if !slices.ContainsFunc(f.Flow.Triggers, func(t flow.Trigger) bool { return t.Type == flow.TriggerGateway }) {
			add("held", "route "+r.Name(), fmt.Sprintf("flow %q has no trigger of type gateway", r.Flow), "add one to the flow")
		}
	}
	findings = append(findings, a.unmet(s)...)
	for _, id := range slices.Sorted(maps.Keys(s.Connections)) {
		if refused := a.Refused(s.Connections[id]); refused != nil {
			add("failing", fmt.Sprintf("connection %s (%s)", id, s.Origins["connection/"+id]), refused.Message, "")
		}
	}
	for _, id := range slices.Sorted(maps.Keys(s.Channels)) {
		if held := a.Channels.Held(id); held != nil {
			add("held", "channel "+id, held.Message, "")
		}
	}
	abandoned, err := a.Channels.Abandoned(c.UserContext())
	if err != nil {
		return err
	}
	for _, w := range abandoned {
		add("held", "webhooks of channel "+w.Channel, fmt.Sprintf("the channel is not configured; since %s, events that were answered with 200 wait for it", w.Since.UTC().Format(time.RFC3339)),
			"add the channel to channels.yaml again: they go on by themselves")
	}
	for _, id := range slices.Sorted(maps.Keys(s.Alerts)) {
		if held := a.Alerts.Held(id); held != nil {
			add("held", fmt.Sprintf("alert %s (%s)", id, s.Origins["alert/"+id]), held.Message, "")
		}
	}
	for _, f := range a.Webhooks.Findings() {
		add(f.State, fmt.Sprintf("subscription %s (%s)", f.ID, s.Origins["subscription/"+f.ID]), f.Reason, f.Remedy)
	}
	for _, e := range a.Outbox.Endpoints() {
		if e.Breaker != outbox.BreakerClosed {
			add("held", e.Name, fmt.Sprintf("too many sends failed, the last with: %s", e.LastFailure),
				fmt.Sprintf("what is to go there waits; it is tried again at %s", e.Until.Format(time.RFC3339)))
		}
	}
	dead, err := a.dead(c.UserContext())
	if err != nil {
		return err
	}
	return a.veiled(c, append(findings, dead...))
}

// dead is the finding that there are dead letters.
func (a api) dead(ctx context.Context) ([]Finding, error) {
	total, codes, latest := 0, map[string]int{}, ""
	err := deadletter.Each(ctx, a.Store, deadletter.Filter{}, "", maxLimit, maxLimit, func(l deadletter.Letter) {
		if total == 0 {
			latest = fmt.Sprintf("the latest, of %s: %s", l.Queue, l.Reason.Message)
		}
		total++
		codes[l.Reason.Code]++
	})
	if err != nil || total == 0 {
		return nil, err
	}
	number := strconv.Itoa(total)
	if total == maxLimit {
		number += " or more"
	}
	var reasons []string
	for _, code := range slices.Sorted(maps.Keys(codes)) {
		reasons = append(reasons, fmt.Sprintf("%d %s", codes[code], code))
	}
	return []Finding{{"dead", number + " dead letters",
		fmt.Sprintf("they could not be worked on: %s; %s", strings.Join(reasons, ", "), latest),
		"look at them with: trama dead list; put one back with: trama dead replay ID, or give it up with: trama dead cancel ID"}}, nil
}
