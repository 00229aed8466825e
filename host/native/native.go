// Package native is what the host itself does for flows, as the operations of a
// plugin that is always there: "trama". Its calls are calls like all others:
// they have effect ids, retries, error ports and steps in the record; they need
// no grant, since nothing of them leaves the host.
//
// It must not know HTTP, the sandbox, or how runs are stored.
package native

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/trama-run/trama/host/contact"
	"github.com/trama-run/trama/host/flow"
	"github.com/trama-run/trama/host/plugin"
	"github.com/trama-run/trama/host/run"
	"github.com/trama-run/trama/host/run/mail"
	"github.com/trama-run/trama/pdk/abi"
)

// Name is the plugin's.
const Name = plugin.Own

// digest stands for the content of a plugin: sessions that are pinned to it go
// on with another build of the host.
const digest = "own"

//go:embed manifest.json
var described []byte

// Manifest says what the operations are.
func Manifest() (abi.Manifest, error) {
	var m abi.Manifest
	err := json.Unmarshal(described, &m)
	return m, err
}

// Runs are those of the host; host/run's Runner has them.
type Runs interface {
	Activate(ctx context.Context, a run.Activation) (run.Started, error)
	Look(ctx context.Context, id string) (run.Look, error)
}

// Plugins adds the host's own operations to those of plugins.
type Plugins struct {
	run.Plugins
	runs     func() Runs
	manifest abi.Manifest
}

// Add returns plugins with the host's own. runs is asked with each call.
func Add(plugins run.Plugins, runs func() Runs) (*Plugins, error) {
	m, err := Manifest()
	return &Plugins{plugins, runs, m}, err
}

// Operations adds the host's own to those that flows are checked against.
func Operations(others flow.Operations) (flow.Operations, error) {
	m, err := Manifest()
	return func(name string) ([]abi.Operation, bool) {
		if name == Name {
			return m.Operations, true
		}
		return others(name)
	}, err
}

// Serving implements run.Plugins.
func (p *Plugins) Serving(name string) string {
	if name == Name {
		return digest
	}
	return p.Plugins.Serving(name)
}

// ManifestOf implements run.Plugins.
func (p *Plugins) ManifestOf(name, digest string) (abi.Manifest, bool) {
	if name == Name {
		return p.manifest, true
	}
	return p.Plugins.ManifestOf(name, digest)
}

// ReadyOf implements run.Plugins.
func (p *Plugins) ReadyOf(name, digest string) *abi.Error {
	if name == Name {
		return nil
	}
	return p.Plugins.ReadyOf(name, digest)
}

// Call implements run.Plugins.
func (p *Plugins) Call(ctx context.Context, c plugin.Call) (json.RawMessage, plugin.Usage, *abi.Error) {
	if c.Plugin != Name {
		return p.Plugins.Call(ctx, c)
	}
	if c.Timeout <= 0 {
		c.Timeout = plugin.DefaultTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	output, err := p.perform(ctx, c)
	if err != nil {
		return nil, plugin.Usage{}, asABI(err)
	}
	data, err := json.Marshal(output)
	if err != nil {
		return nil, plugin.Usage{}, &abi.Error{Code: abi.CodeBadOutput, Message: fmt.Sprintf("%s.%s: %v", Name, c.Export, err)}
	}
	return data, plugin.Usage{}, nil
}

func (p *Plugins) perform(ctx context.Context, c plugin.Call) (any, error) {
	switch c.Export {
	case "start_flow":
		return p.startFlow(ctx, c)
	case "run":
		return p.run(ctx, c)
	}
	return nil, &abi.Error{Code: abi.CodeInvalid, Message: fmt.Sprintf("the host has no operation %q", c.Export)}
}

// startFlow starts a flow in a contact's conversation, once for each effect id.
func (p *Plugins) startFlow(ctx context.Context, c plugin.Call) (any, error) {
	var in struct {
		Flow      string         `json:"flow"`
		Contact   string         `json:"contact"`
		Trigger   string         `json:"trigger"`
		Variables map[string]any `json:"variables"`
	}
	if err := decode(c.Input, &in); err != nil {
		return nil, err
	}
	started, err := p.runs().Activate(ctx, run.Activation{
		Flow: in.Flow, Trigger: in.Trigger, Contacts: []string{in.Contact}, Variables: in.Variables, ID: c.EffectID, Starts: c.Caller.Starts + 1,
	})
	if err != nil {
		return nil, err
	}
	return map[string]string{"run": started.Runs[in.Contact], "flow": in.Flow, "contact": in.Contact}, nil
}

// run tells how a run stands.
func (p *Plugins) run(ctx context.Context, c plugin.Call) (any, error) {
	var in struct {
		Run string `json:"run"`
	}
	if err := decode(c.Input, &in); err != nil {
		return nil, err
	}
	look, err := p.runs().Look(ctx, in.Run)
	if err != nil {
		return nil, err
	}
	// What a contact says must not show it another's conversation.
	if who := c.Caller.Contact; who != "" && look.Key != mail.Key(contact.Key(who)) {
		return nil, fmt.Errorf("run %q of this contact: %w", in.Run, run.ErrNoRun)
	}
	out := map[string]any{
		"run": look.ID, "flow": look.Flow, "version": look.Version, "status": look.Status, "ended": look.Ended != nil,
		"started_at": look.Started.UTC().Format(time.RFC3339), "variables": look.Variables, "result": look.Result,
	}
	if look.Label != "" {
		out["label"] = look.Label
	}
	if look.Ended != nil {
		out["ended_at"] = look.Ended.UTC().Format(time.RFC3339)
	}
	if look.Error != nil {
		out["error"] = map[string]any{"code": look.Error.Code, "message": look.Error.Message, "node": look.Error.Node}
	}
	return out, nil
}

// decode reads an input, whose integers keep their digits.
func decode(input []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(input))
	d.UseNumber()
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return &abi.Error{Code: abi.CodeInvalid, Message: fmt.Sprintf("input: %v", err)}
	}
	return nil
}

// asABI gives the error for the flow's error port.
func asABI(err error) *abi.Error {
	if known, ok := errors.AsType[*abi.Error](err); ok {
		return known
	}
	for code, is := range map[string]error{"no_flow": run.ErrNoFlow, "no_contact": mail.ErrNoContact, "no_run": run.ErrNoRun, abi.CodeInvalid: run.ErrIDUsed, abi.CodeLimit: run.ErrChain} {
		if errors.Is(err, is) {
			return &abi.Error{Code: code, Message: err.Error()}
		}
	}
	return &abi.Error{Code: abi.CodeUnavailable, Message: err.Error(), Retryable: true}
}
