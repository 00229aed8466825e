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
	"runtime"
	"slices"
	"time"

	"github.com/trama-run/trama/host/apichat"
	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/egress"
	"github.com/trama-run/trama/host/grant"
	"github.com/trama-run/trama/host/media"
	"github.com/trama-run/trama/host/plugin"
	"github.com/trama-run/trama/host/run"
	"github.com/trama-run/trama/host/run/told"
	"github.com/trama-run/trama/host/secret"
	"github.com/trama-run/trama/host/seldom"
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
	Has(name, export string) bool
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
	// Subscribers are told of messages and of what becomes of them; nil: there
	// are none.
	Subscribers told.Subscribers
	// PublicURL is how others reach the public listener; empty: it is not known.
	PublicURL string
	// Deliver sends a sample to a channel, Taker gives the flow and the trigger
	// that a message on a channel would start and says whether any flow listens
	// there, and Listeners the flows that an event would start.
	Deliver   Delivery
	Taker     func(channel string, m abi.Message) (flow, trigger string, listens bool)
	Listeners func(event string) []string
	// Media keeps the media of messages; nil: they stay where their services
	// have them.
	Media *media.Media
	// Chats are the systems behind channels of the adapter apichat.
	Chats *apichat.Chats
	// Poke wakes the dispatcher.
	Poke func()
	// Readers is how many stored requests of a channel are read at once, beside
	// those that wait for something outside; 0 is the default. 1 makes the order of
	// calls known: then no other is read meanwhile, whatever one waits for.
	Readers int
	// Guard counts wrong credentials; nil: nobody does.
	Guard Guard
	// Now is the clock that signatures are held against; nil is the real one.
	Now func() time.Time
	Log *slog.Logger
}

// Channels are the configured channels.
type Channels struct {
	config   Config
	seldom   *seldom.Log // of what strikes with each request
	early    early
	holds    holds
	prepared preparations
	samples  samples
	fetching fetching
	pace     pace
	room     room
}

// New returns the channels of a catalog.
func New(config Config) *Channels {
	if config.Readers == 0 {
		config.Readers = max(2, min(maxReaders, runtime.GOMAXPROCS(0)))
	}
	if config.Now == nil {
		config.Now = now
	}
	if config.Subscribers == nil {
		config.Subscribers = told.Nobody{}
	}
	return &Channels{config: config, seldom: seldom.New(config.Log, config.Now)}
}

// find returns a channel with its adapter's manifest, or why it can't work.
func (c *Channels) find(id string) (catalog.Channel, abi.Manifest, *abi.Error) {
	ch, ok := c.config.Catalog().Snapshot().Channels[id]
	if !ok {
		return ch, abi.Manifest{}, &abi.Error{Code: abi.CodeUnavailable, Message: fmt.Sprintf("channel %q is not configured: add it to channels.yaml", id)}
	}
	if ch.Adapter == catalog.AdapterWebhook {
		_, err := c.prepare(ch)
		return ch, abi.Manifest{}, err
	}
	if ch.Adapter == catalog.AdapterAPIChat {
		return ch, abi.Manifest{}, chatReady(ch)
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
		return c.unkeyed(ch)
	}
	if ch.Adapter == catalog.AdapterAPIChat {
		return c.chatHeld(ch)
	}
	for _, name := range secretsOf(ch, manifest) {
		list, err := c.secretNames(ch, name)
		if err != nil {
			return err
		}
		for _, own := range list {
			if _, err := c.config.Secrets.Open(own); err != nil {
				return noSecret(ch, err)
			}
		}
	}
	return nil
}

// secretsOf lists the secrets of a channel: those that its webhooks are checked
// with, and those that its adapter refers to.
func secretsOf(ch catalog.Channel, m abi.Manifest) []string {
	var names []string
	if w := m.Webhook; w != nil {
		if w.Signature != nil {
			names = append(names, w.Signature.Secret)
		}
		if w.Token != nil {
			names = append(names, w.Token.Secret)
		}
		if w.Handshake != nil {
			names = append(names, w.Handshake.Secret)
		}
	}
	for _, s := range m.Capabilities.Secrets {
		if !s.Optional || len(ch.Secrets[s.Name]) > 0 {
			names = append(names, s.Name)
		}
	}
	return names
}

// secretNames returns the names on this host of what serves as a secret that
// the manifest names, if the channel gives it some that the adapter's grant
// holds too.
func (c *Channels) secretNames(ch catalog.Channel, name string) (catalog.SecretList, *abi.Error) {
	list := ch.Secrets[name]
	if len(list) == 0 {
		return nil, &abi.Error{Code: abi.CodeNoSecret, Message: fmt.Sprintf("channel %q: its adapter needs the secret %q: name one under secrets in channels.yaml", ch.ID, name)}
	}
	for _, own := range list {
		if !slices.Contains(c.config.Plugins.Grant(ch.Adapter).Secrets, own) {
			return nil, &abi.Error{Code: abi.CodeDenied, Message: fmt.Sprintf("channel %q: the grant of plugin %s does not name the secret %q: add it under secrets in grants.yaml", ch.ID, ch.Adapter, own)}
		}
	}
	return list, nil
}

func noSecret(ch catalog.Channel, err error) *abi.Error {
	return &abi.Error{Code: abi.CodeNoSecret, Message: fmt.Sprintf("channel %q: %v", ch.ID, err)}
}

// adapterCall is how a function of an adapter is called.
type adapterCall struct {
	export, effectID string
	blobs            egress.Blobs  // that the call can refer to; nil: none
	timeout          time.Duration // 0: that of any call
}

// call calls a function of a channel's adapter.
func (c *Channels) call(ctx context.Context, ch catalog.Channel, how adapterCall, input any) (json.RawMessage, *abi.Error) {
	data, err := json.Marshal(input)
	if err != nil {
		return nil, &abi.Error{Code: abi.CodeInvalid, Message: fmt.Sprintf("channel %q: %v", ch.ID, err)}
	}
	call := plugin.Call{
		Plugin: ch.Adapter, Export: how.export, Input: data, EffectID: how.effectID, Secrets: map[string]string{},
		Blobs: how.blobs, Timeout: how.timeout,
		Log: func(level, text string) {
			c.config.Log.Log(ctx, levelOf(level), "channel adapter", "channel", ch.ID, "text", text)
		},
	}
	for name, list := range ch.Secrets {
		if len(list) > 0 { // the first is the one that holds; others may still come in
			call.Secrets[name] = list[0]
		}
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

// levelOf is the host's level of an adapter's.
func levelOf(level string) (l slog.Level) {
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return slog.LevelInfo // Extism's "trace", and what others may think of
	}
	return l
}

// configOf gives a channel's config as the adapter gets it.
func configOf(ch catalog.Channel) (json.RawMessage, error) {
	if ch.Config == nil {
		return json.RawMessage("{}"), nil
	}
	return json.Marshal(ch.Config)
}

func now() time.Time { return time.Now().Truncate(time.Millisecond) }
