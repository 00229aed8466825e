// Package apichat is the channel to which a system's own chat connects by API:
// the system registers a webhook of its own and gets an address for what its
// users write. Here the host is the platform, so the room has both ends of the
// protocol: the calls that manage the webhook, the proof that it is the
// system's, what comes from users, and signed messages to them. The page for who
// writes such a system is README.md.
//
// It must not know HTTP servers, how requests are authenticated, how they are
// stored, or what flows do with messages; host/channel does.
package apichat

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/egress"
	"github.com/trama-run/trama/host/fallback"
	"github.com/trama-run/trama/host/secret"
	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/pdk/abi"
)

// Config joins the chats to their surroundings.
type Config struct {
	Store   store.Store
	Egress  *egress.Client
	Secrets *secret.Source
	Vault   *secret.Vault    // seals what is kept of systems
	Now     func() time.Time // nil: time.Now
}

// Chats are the channels of the adapter. It is safe for concurrent use.
type Chats struct{ config Config }

// New returns the chats of a host.
func New(config Config) *Chats {
	if config.Now == nil {
		config.Now = time.Now
	}
	return &Chats{config}
}

// Able is what such a channel can be sent.
func Able() fallback.Adapter {
	return fallback.Adapter{
		Sends:  []string{"text", "image", "video", "audio", "document", "buttons", "cards"},
		Bounds: abi.Bounds{Edits: -1},
	}
}

// KindWebhook is the kind of records of systems' webhooks, by channel. They are
// sealed: whoever has the code, or the key, can pass for the system.
const KindWebhook store.Kind = "apichat-webhook"

// webhook is what is kept of a channel's system.
type webhook struct {
	// Code is the part of the address for users' messages that nobody guesses.
	Code string `json:"code"`
	// URL and Key are the webhook, once it was proved to be the system's.
	URL string `json:"url,omitempty"`
	Key string `json:"key,omitempty"`
	// Gone says why there is none any more.
	Gone string    `json:"gone,omitempty"`
	At   time.Time `json:"at"`

	revision store.Revision
}

// States of a webhook.
const (
	statusVerified = "verified"
	statusNone     = "none"
)

func (w webhook) status() string {
	if w.URL != "" {
		return statusVerified
	}
	return statusNone
}

// vaultName is under which name the vault seals a channel's webhook.
func vaultName(channel string) string { return "apichat/" + channel }

func recordID(channel string) store.ID { return store.ID{Kind: KindWebhook, Key: channel} }

// load reads a channel's webhook; one that was never set is empty, and so is one
// that another vault has sealed, such as before a restore: it is set anew.
func (c *Chats) load(ctx context.Context, channel string) (w webhook, err error) {
	record, err := c.config.Store.Load(ctx, recordID(channel))
	if errors.Is(err, store.ErrNotFound) {
		return w, nil
	}
	if err != nil {
		return w, err
	}
	if data, err := c.config.Vault.Unseal(vaultName(channel), record.Value); err != nil {
		w.Gone = "its webhook can't be read, for the vault is another than the one that sealed it"
	} else if err := json.Unmarshal(data, &w); err != nil {
		return w, fmt.Errorf("webhook of channel %s: %w", channel, err)
	}
	w.revision = record.Revision
	return w, nil
}

// change changes a channel's webhook, durably.
func (c *Chats) change(ctx context.Context, channel string, how func(*webhook)) (webhook, error) {
	for {
		w, err := c.load(ctx, channel)
		if err != nil {
			return w, err
		}
		if w.Code == "" {
			w.Code = unguessable()
		}
		how(&w)
		w.At = c.config.Now().UTC()
		data, err := json.Marshal(w)
		if err != nil {
			return w, err
		}
		id := recordID(channel)
		_, err = c.config.Store.Commit(ctx, &store.Batch{
			Expect: []store.Expect{{ID: id, Revision: w.revision}},
			Put:    []store.Put{{ID: id, Value: c.config.Vault.Seal(vaultName(channel), data)}},
		})
		if errors.Is(err, store.ErrConflict) && ctx.Err() == nil {
			continue
		}
		return w, err
	}
}

func unguessable() string {
	b := make([]byte, 24)
	rand.Read(b) //nolint:errcheck // never fails since Go 1.24
	return hex.EncodeToString(b)
}

// Held says why nothing can be sent to a channel's system now.
func (c *Chats) Held(ctx context.Context, channel string) *abi.Error {
	w, err := c.load(ctx, channel)
	switch {
	case err != nil:
		return unavailable("channel %q: %v", channel, err)
	case w.URL == "" && w.Gone != "":
		return unavailable("channel %q: %s; messages wait until the system sets its webhook with action=set-webhook", channel, w.Gone)
	case w.URL == "":
		return unavailable("channel %q: the system has set no webhook so far; messages wait until it does with action=set-webhook", channel)
	}
	return nil
}

func unavailable(format string, args ...any) *abi.Error {
	return &abi.Error{Code: abi.CodeUnavailable, Message: fmt.Sprintf(format, args...)}
}

// Knows says whether a code is that of the channel's address for users'
// messages, in a time that tells nothing of it.
func (c *Chats) Knows(ctx context.Context, channel, code string) (bool, error) {
	w, err := c.load(ctx, channel)
	if err != nil || w.Code == "" {
		return false, err
	}
	return subtle.ConstantTimeCompare([]byte(w.Code), []byte(code)) == 1, nil
}

// Code gives the code of the channel's address for users' messages; empty if the
// system has not asked for that so far.
func (c *Chats) Code(ctx context.Context, channel string) (string, error) {
	w, err := c.load(ctx, channel)
	return w.Code, err
}

// Check asks the channel's webhook again whether it is the system's. The error
// says what to do.
func (c *Chats) Check(ctx context.Context, ch catalog.Channel) error {
	s, failure := settings(ch)
	if failure != nil {
		return failure
	}
	if held := c.Held(ctx, ch.ID); held != nil {
		return held
	}
	w, err := c.load(ctx, ch.ID)
	if err != nil {
		return err
	}
	return c.prove(ctx, ch, s, Order{URL: w.URL, Key: w.Key})
}

// settings reads the config of a channel.
func settings(ch catalog.Channel) (catalog.APIChat, *abi.Error) {
	s, problems := ch.APIChat()
	if problems != nil {
		return s, &abi.Error{Code: abi.CodeInvalid, Message: fmt.Sprintf("channel %q: %v", ch.ID, problems)}
	}
	return s, nil
}
