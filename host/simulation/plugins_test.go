package simulation

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/trama-run/trama/host/contact"
	"github.com/trama-run/trama/host/grant"
	"github.com/trama-run/trama/host/plugin"
	"github.com/trama-run/trama/pdk/abi"
)

// plugins are the adapter post and the connector acme, as in host/testdata,
// and the peer behind them. What a crashed process asks for does not happen.
type plugins struct{ life *life }

// manifests are what post and acme say of themselves.
var manifests = map[string]abi.Manifest{
	"post": {
		Name: "post", Version: "1.0.0", ABI: 1, Kind: abi.KindChannel,
		Webhook: &abi.Webhook{DeliveryID: "header:X-Post-Delivery"},
	},
	"acme": {
		Name: "acme", Version: "1.0.0", ABI: 1, Kind: abi.KindConnector,
		Operations: []abi.Operation{
			{Name: "look", Effect: abi.EffectPure}, {Name: "register", Effect: abi.EffectIdempotent}, {Name: "charge", Effect: abi.EffectUnsafe},
		},
	},
}

func (p *plugins) Manifest(name string) (abi.Manifest, bool)      { m, ok := manifests[name]; return m, ok }
func (p *plugins) ManifestOf(name, _ string) (abi.Manifest, bool) { return p.Manifest(name) }
func (p *plugins) Serving(name string) string                     { return "digest of " + name }
func (p *plugins) Ready(string) *abi.Error                        { return nil }
func (p *plugins) Has(string, string) bool                        { return false }
func (p *plugins) ReadyOf(string, string) *abi.Error              { return nil }
func (p *plugins) Grant(name string) grant.Grant {
	return grant.Grant{Plugin: name, Limits: grant.Limits{Input: 1 << 20}}
}

// Call performs a call.
func (p *plugins) Call(ctx context.Context, c plugin.Call) (json.RawMessage, plugin.Usage, *abi.Error) {
	output, failure := p.call(ctx, c)
	if failure != nil {
		return nil, plugin.Usage{}, failure
	}
	data, err := json.Marshal(output)
	if err != nil {
		failure = &abi.Error{Code: abi.CodeBadOutput, Message: err.Error()}
	}
	return data, plugin.Usage{}, failure
}

func (p *plugins) call(ctx context.Context, c plugin.Call) (any, *abi.Error) {
	w := p.life.world
	switch c.Export {
	case abi.FuncReceive:
		return p.receive(c)
	case abi.FuncSend:
		var in abi.Send
		if err := json.Unmarshal(c.Input, &in); err != nil {
			return nil, &abi.Error{Code: abi.CodeInvalid, Message: err.Error()}
		}
		who := contact.KeyOf(in.Channel, in.To)
		e, err := Send(string(who), in.Message.Text, in.EffectID)
		if err != nil {
			return nil, &abi.Error{Code: abi.CodeInvalid, Message: err.Error()}
		}
		if failure := p.outside(ctx, e, abi.EffectIdempotent); failure != nil {
			return nil, failure
		}
		message := fmt.Sprintf("m%d", w.messages.Add(1))
		w.tell(in.Channel, in.To.Path, message)
		return abi.Sent{MessageID: message}, nil
	}
	e, err := Call(c.Input, c.EffectID)
	if err != nil {
		return nil, &abi.Error{Code: abi.CodeInvalid, Message: err.Error()}
	}
	effect := map[string]abi.Effect{"look": abi.EffectPure, "register": abi.EffectIdempotent, "charge": abi.EffectUnsafe}[c.Export]
	return map[string]any{"ok": true}, p.outside(ctx, e, effect)
}

// receive reads a webhook, as post does.
func (p *plugins) receive(c plugin.Call) (any, *abi.Error) {
	var in abi.Receive
	var body struct {
		Units []struct{ ID, From, Text, Sent, State string }
	}
	if err := json.Unmarshal(c.Input, &in); err != nil {
		return nil, &abi.Error{Code: abi.CodeInvalid, Message: err.Error()}
	}
	if err := json.Unmarshal(in.Body, &body); err != nil {
		return nil, &abi.Error{Code: abi.CodeInvalid, Message: err.Error()}
	}
	out := abi.Received{}
	for _, u := range body.Units {
		unit := abi.Unit{ID: u.ID, From: abi.Address{Scheme: "post", Path: u.From}}
		if u.Sent != "" {
			unit.Status = &abi.Status{MessageID: u.Sent, State: u.State}
		} else {
			unit.Message = &abi.Message{Type: abi.MessageText, Text: u.Text}
		}
		out.Units = append(out.Units, unit)
	}
	return out, nil
}

// outside is a request that goes to the peer and comes back, if the process
// lives on.
func (p *plugins) outside(ctx context.Context, e Event, effect abi.Effect) *abi.Error {
	l, w := p.life, p.life.world
	gone := &abi.Error{Code: abi.CodeTimeout, Message: "the process is gone"}
	if !l.pause(ctx, "request", e.Name) {
		return gone
	}
	if !w.calm() && w.roll("cut before", e.Name) < w.odds.cut {
		l.crash("crash before " + e.Name)
		return gone
	}
	w.history.Add(e)
	refused := e.Contact != "" && w.share("refused", e.Name) < w.odds.refused
	if !w.calm() && w.roll("cut in", e.Name) < w.odds.cut {
		l.crash("crash in " + e.Name)
		return gone
	}
	if !l.pause(ctx, "answer", e.Name) {
		return gone
	}
	answer := Event{What: Answered, Name: e.Name, Effect: e.Effect}
	defer func() { w.history.Add(answer) }()
	if refused {
		return &abi.Error{Code: Refused, Message: "the peer refuses it for good"}
	}
	most, busy := uint64(3), w.odds.busy
	if Stubborn(e.Name) {
		most, busy = 12, max(busy, 0.8)
	}
	if !w.calm() && w.tries(e.Name) <= most {
		switch w.pick("answer", e.Name, busy, w.odds.lost) {
		case 0:
			return &abi.Error{Code: "busy", Message: "the peer is busy", Retryable: true}
		case 1:
			return &abi.Error{Code: abi.CodeTimeout, Message: "no answer came in time", Retryable: true}
		}
	}
	answer.Good = true
	return nil
}

// pause lets a request travel; it says whether the process still lives.
func (l *life) pause(ctx context.Context, kind, name string) bool {
	timer := time.NewTimer(l.world.span(kind, name, 100*time.Millisecond))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return false
	}
	return !l.dead.Load()
}
