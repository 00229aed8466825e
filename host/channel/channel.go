// Package channel is the way in and out for messages: it checks and stores
// the webhooks of channels, lets their adapters read them, and sends what the
// outbox has for contacts.
//
// A webhook is answered with 200 once its raw request is on disk; no guest
// code runs before. The adapter reads it afterwards: every unit in it goes to
// its contact's mailbox, once. A request that the adapter can't read is put
// among the dead letters after three tries, and holds no other; one whose error
// says that it may succeed later holds those behind it for ten minutes at most,
// so that their order stays. The package must not know HTTP servers or what
// flows do with messages.
package channel

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/grant"
	"github.com/trama-run/trama/host/plugin"
	"github.com/trama-run/trama/host/run"
	"github.com/trama-run/trama/host/secret"
	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/pdk/abi"
)

// PrefixIntake begins the keys of stored webhook requests that wait for their
// adapter: "intake:<channel>", which is also their queue.
const PrefixIntake = "intake"

func intakeKey(channel string) string { return PrefixIntake + ":" + channel }

// Plugins performs calls; host/plugin's Registry does.
type Plugins interface {
	Call(ctx context.Context, c plugin.Call) (json.RawMessage, plugin.Usage, *abi.Error)
	Manifest(name string) (abi.Manifest, bool)
	Grant(name string) grant.Grant
	Ready(name string) *abi.Error
}

// Config joins the channels to their surroundings.
type Config struct {
	Store   store.Store
	Catalog func() *catalog.Catalog
	Plugins Plugins
	Secrets *secret.Source
	// Sending says whether the outbox has something on its way to an endpoint.
	Sending func(endpoint string) bool
	// Event adds to a batch the runs that an event starts, and gives their ids
	// by flow.
	Event func(b *store.Batch, e run.Event) (map[string]string, error)
	// Poke wakes the dispatcher.
	Poke func()
	// Readers is how many stored requests of a channel are read at once; 0 is
	// the default. 1 makes the order of calls known.
	Readers int
	Log     *slog.Logger
}

// Channels are the configured channels.
type Channels struct {
	config Config
	early  early
	holds  holds
}

// New returns the channels of a catalog.
func New(config Config) *Channels {
	if config.Readers == 0 {
		config.Readers = readers
	}
	return &Channels{config: config}
}

// find returns a channel with its adapter's manifest, or why it can't work.
func (c *Channels) find(id string) (catalog.Channel, abi.Manifest, *abi.Error) {
	ch, ok := c.config.Catalog().Snapshot().Channels[id]
	if !ok {
		return ch, abi.Manifest{}, &abi.Error{Code: abi.CodeUnavailable, Message: fmt.Sprintf("channel %q is not configured: add it to channels.yaml", id)}
	}
	if ch.Adapter == catalog.AdapterWebhook {
		return ch, abi.Manifest{}, unusable(ch)
	}
	if err := c.config.Plugins.Ready(ch.Adapter); err != nil {
		return ch, abi.Manifest{}, err
	}
	manifest, ok := c.config.Plugins.Manifest(ch.Adapter)
	if !ok || manifest.Kind != abi.KindChannel {
		return ch, manifest, &abi.Error{Code: abi.CodeUnavailable, Message: fmt.Sprintf("channel %q: plugin %q is not a channel adapter", id, ch.Adapter)}
	}
	return ch, manifest, nil
}

// Held returns why a channel can't work now, and nil if it can.
func (c *Channels) Held(id string) *abi.Error {
	ch, manifest, err := c.find(id)
	if err != nil {
		return err
	}
	if ch.Connection != "" {
		connection, ok := c.config.Catalog().Snapshot().Connections[ch.Connection]
		if !ok {
			return &abi.Error{Code: abi.CodeUnavailable, Message: fmt.Sprintf("channel %q: connection %q is not configured: add it to connections.yaml", id, ch.Connection)}
		}
		for _, name := range connection.Auth.Secrets() {
			if _, err := c.config.Secrets.Open(name); err != nil {
				return noSecret(ch, fmt.Errorf("connection %q: %w", ch.Connection, err))
			}
		}
	}
	if ch.Adapter == catalog.AdapterWebhook {
		if _, err := c.config.Secrets.Open(ch.Secret()); err != nil {
			return noSecret(ch, err)
		}
	}
	for _, name := range webhookSecrets(manifest.Webhook) {
		own, err := c.secretName(ch, name)
		if err != nil {
			return err
		}
		if _, err := c.config.Secrets.Open(own); err != nil {
			return noSecret(ch, err)
		}
	}
	return nil
}

// webhookSecrets lists the secrets that a webhook is checked with.
func webhookSecrets(w *abi.Webhook) []string {
	var names []string
	if w != nil && w.Signature != nil {
		names = append(names, w.Signature.Secret)
	}
	if w != nil && w.Handshake != nil {
		names = append(names, w.Handshake.Secret)
	}
	return names
}

// secretName returns the name on this host of a secret that the manifest
// names, if the channel gives it one that the adapter's grant holds too.
func (c *Channels) secretName(ch catalog.Channel, name string) (string, *abi.Error) {
	own, ok := ch.Secrets[name]
	if !ok {
		return "", &abi.Error{Code: abi.CodeNoSecret, Message: fmt.Sprintf("channel %q: its adapter needs the secret %q: name one under secrets in channels.yaml", ch.ID, name)}
	}
	if !slices.Contains(c.config.Plugins.Grant(ch.Adapter).Secrets, own) {
		return "", &abi.Error{Code: abi.CodeDenied, Message: fmt.Sprintf("channel %q: the grant of plugin %s does not name the secret %q: add it under secrets in grants.yaml", ch.ID, ch.Adapter, own)}
	}
	return own, nil
}

func noSecret(ch catalog.Channel, err error) *abi.Error {
	return &abi.Error{Code: abi.CodeNoSecret, Message: fmt.Sprintf("channel %q: %v", ch.ID, err)}
}

// call calls a function of a channel's adapter.
func (c *Channels) call(ctx context.Context, ch catalog.Channel, export, effectID string, input any) (json.RawMessage, *abi.Error) {
	data, err := json.Marshal(input)
	if err != nil {
		return nil, &abi.Error{Code: abi.CodeInvalid, Message: fmt.Sprintf("channel %q: %v", ch.ID, err)}
	}
	call := plugin.Call{
		Plugin: ch.Adapter, Export: export, Input: data, EffectID: effectID,
		Log: func(level, text string) {
			c.config.Log.Info("channel adapter", "channel", ch.ID, "level", level, "text", text)
		},
	}
	if ch.Connection != "" {
		connection, ok := c.config.Catalog().Snapshot().Connections[ch.Connection]
		if !ok {
			return nil, &abi.Error{Code: abi.CodeUnavailable, Message: fmt.Sprintf("channel %q: connection %q is not configured: add it to connections.yaml", ch.ID, ch.Connection), Retryable: true}
		}
		call.Connection = &connection.Connection
	}
	output, _, failure := c.config.Plugins.Call(ctx, call)
	return output, failure
}

// configOf gives a channel's config as the adapter gets it.
func configOf(ch catalog.Channel) (json.RawMessage, error) {
	if ch.Config == nil {
		return json.RawMessage("{}"), nil
	}
	return json.Marshal(ch.Config)
}

func now() time.Time { return time.Now().Truncate(time.Millisecond) }
