package channel

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/pdk/abi"
)

// HookPath is where a channel's webhooks are taken, before its id.
const HookPath = "/hooks/"

// Connection is how a channel's service and this host know of each other.
type Connection struct {
	// URL is where the service is to send webhooks; empty: the host doesn't know
	// its public address.
	URL string `json:"url,omitempty"`
	// Told is what the service answered, once it was told.
	Told *abi.Connected `json:"told,omitempty"`
	// ByHand is what an operator enters at a service that can't be told.
	ByHand []Entry `json:"by_hand,omitempty"`
}

// Entry is one thing to enter at a service.
type Entry struct {
	What  string `json:"what"`
	Value string `json:"value"`
}

// hookURL gives the address of a channel's webhooks.
func (c *Channels) hookURL(id string) string {
	if c.config.PublicURL == "" {
		return ""
	}
	return c.config.PublicURL + HookPath + id
}

// Connect tells a channel's service where to send webhooks, or says what to
// enter there by hand. Errors are *abi.Error.
func (c *Channels) Connect(ctx context.Context, id string) (Connection, *abi.Error) {
	ch, manifest, held := c.find(id)
	if held != nil {
		return Connection{}, held
	}
	url := c.hookURL(id)
	if url == "" {
		return Connection{}, &abi.Error{Code: abi.CodeUnavailable, Message: fmt.Sprintf("channel %q: the host does not know how services reach it: write public_url: https://... into trama.yaml and start it again", id)}
	}
	if ch.Adapter == catalog.AdapterWebhook {
		p, err := c.prepare(ch)
		if err != nil {
			return Connection{}, err
		}
		return Connection{URL: url, ByHand: append([]Entry{{"the webhook's URL", url}}, enteredOf(ch, p)...)}, nil
	}
	if ch.Adapter == catalog.AdapterAPIChat {
		return Connection{URL: url, ByHand: chatEntered(ch, url)}, nil
	}
	if !c.config.Plugins.Has(ch.Adapter, abi.FuncConnect) {
		if manifest.Webhook == nil {
			return Connection{}, &abi.Error{Code: abi.CodeUnsupported, Message: fmt.Sprintf("channel %q takes no webhooks: its adapter only sends", id)}
		}
		return Connection{URL: url, ByHand: append([]Entry{{"the webhook's URL", url}}, entered(ch, manifest.Webhook)...)}, nil
	}
	if held := c.Held(id); held != nil {
		return Connection{}, held
	}
	told, failure := c.ask(ctx, ch, abi.FuncConnect)
	if failure != nil {
		return Connection{}, failure
	}
	return Connection{URL: url, Told: &told}, nil
}

// ask calls an adapter's "connect" or "check".
func (c *Channels) ask(ctx context.Context, ch catalog.Channel, export string) (abi.Connected, *abi.Error) {
	var told abi.Connected
	config, err := configOf(ch)
	if err != nil {
		return told, &abi.Error{Code: abi.CodeInvalid, Message: err.Error()}
	}
	output, failure := c.call(ctx, ch, adapterCall{export: export}, abi.Connect{Channel: ch.ID, Config: config, URL: c.hookURL(ch.ID)})
	if failure != nil {
		return told, failure
	}
	if err := json.Unmarshal(output, &told); err != nil {
		return told, &abi.Error{Code: abi.CodeBadOutput, Message: fmt.Sprintf("channel %s: %s returned %v", ch.ID, export, err)}
	}
	return told, nil
}

// valueOf names what an operator enters without telling it.
func valueOf(ch catalog.Channel, use string) string {
	names := ch.Secrets[use]
	if len(names) == 0 {
		return fmt.Sprintf("a secret of your choice, which channels.yaml names under secrets: {%s: NAME}", use)
	}
	return "the value of the secret " + names[0] + " of this host"
}

// entered is what a service is to be told of an adapter's webhooks.
func entered(ch catalog.Channel, w *abi.Webhook) (list []Entry) {
	if w.Handshake != nil {
		list = append(list, Entry{"the verify token", valueOf(ch, w.Handshake.Secret)})
	}
	if w.Token != nil {
		list = append(list, Entry{"the header " + w.Token.Header + " of each request", valueOf(ch, w.Token.Secret)})
	}
	if w.Signature != nil {
		list = append(list, Entry{"the key that signs requests, in the header " + w.Signature.Header, valueOf(ch, w.Signature.Secret)})
	}
	return list
}

// enteredOf is the same of a channel of adapter webhook.
func enteredOf(ch catalog.Channel, p *prepared) (list []Entry) {
	if p.challenge.Token != "" {
		list = append(list, Entry{"the verify token", valueOf(ch, catalog.SecretVerifyToken)})
	}
	if p.Token != "" {
		where, name := p.TokenOf()
		if where == "query" {
			where = "query parameter"
		}
		list = append(list, Entry{"the " + where + " " + name + " of each request", valueOf(ch, p.TokenSecret())})
	}
	if p.Basic != "" {
		list = append(list, Entry{"the user", p.Basic}, Entry{"the password", valueOf(ch, catalog.SecretPassword)})
	}
	if p.method != nil {
		list = append(list, Entry{"the key that signs requests, in the header " + p.method.Header(), valueOf(ch, catalog.SecretWebhook)})
	}
	if len(p.IPs) > 0 {
		var texts []string
		for _, n := range p.IPs {
			texts = append(texts, n.Prefix.String())
		}
		list = append(list, Entry{"requests come from", strings.Join(texts, ", ")})
	}
	return list
}
