package channel

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/contact"
	"github.com/trama-run/trama/host/egress"
	"github.com/trama-run/trama/host/fallback"
	"github.com/trama-run/trama/host/outbox"
	"github.com/trama-run/trama/host/run"
	"github.com/trama-run/trama/host/run/mail"
	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/pdk/abi"
)

// SendPolicy is how messages to contacts are tried. A message that could not
// be sent for three hours would be read as a mistake.
func SendPolicy() outbox.Policy {
	return outbox.Policy{
		Pauses:        []time.Duration{time.Second, 5 * time.Second, 30 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour},
		Jitter:        0.2,
		MaxRetryAfter: 24 * time.Hour,
		AtOnce:        16,
		Breaker: outbox.Breaker{
			Window: time.Minute, MinTries: 20, Share: 0.5,
			Pause: 15 * time.Second, MaxPause: 10 * time.Minute,
		},
	}
}

// endpointOf names a channel among the endpoints of the outbox: its contacts
// are reached over one connection.
func endpointOf(channel string) string { return "channel " + channel }

// sender is the outbox's sender of messages to contacts.
type sender struct{ channels *Channels }

var _ outbox.Sender = sender{}

// Sender sends the items of outbox.PrefixContact, which are outbox.Message.
func (c *Channels) Sender() outbox.Sender { return sender{c} }

// Endpoint implements outbox.Sender.
func (s sender) Endpoint(item outbox.Item) (string, *abi.Error) {
	channel := outbox.Channel(item.Queue)
	return endpointOf(channel), s.channels.Held(channel)
}

// Send implements outbox.Sender.
func (s sender) Send(ctx context.Context, item outbox.Item) (outbox.Outcome, *abi.Error) {
	c := s.channels
	channel, to, err := contact.Key(strings.TrimPrefix(item.Queue, outbox.PrefixContact+":")).Split()
	if err != nil {
		return outbox.Outcome{}, &abi.Error{Code: abi.CodeInvalid, Message: err.Error()}
	}
	var out outbox.Message
	if err := json.Unmarshal(item.Value, &out); err != nil {
		return outbox.Outcome{}, &abi.Error{Code: abi.CodeInvalid, Message: fmt.Sprintf("the message can't be read: %v", err)}
	}
	at := contact.KeyOf(channel, to)
	who, _, err := run.Person(ctx, c.config.Store, at)
	if err != nil {
		return outbox.Outcome{}, &abi.Error{Code: abi.CodeUnavailable, Message: fmt.Sprintf("the contact can't be read: %v", err)}
	}
	if reason := unwanted(who, at, out); reason != nil {
		return cancelled(reason), nil
	}
	sent, failure := c.deliver(ctx, c.config.Catalog().Snapshot().Channels[channel], to, out, who.Heard[at])
	if failure != nil || sent.MessageID == "" {
		out := outbox.Outcome{Rest: rest(failure)}
		if unsure(failure) {
			out.Settle = c.toldEarly(at, item)
		}
		return out, failure
	}
	return c.outcome(at, item, sent.MessageID, c.others(who, at, sent.Also)), nil
}

// restDefault is how long a channel rests whose service doesn't say how long.
const restDefault = time.Second

// rest is how long a service takes nothing from a channel, by what its adapter
// says of a failure.
func rest(failure *abi.Error) time.Duration {
	var detail struct {
		Scope string `json:"scope"`
	}
	if failure == nil || !failure.Retryable || json.Unmarshal(failure.Detail, &detail) != nil || detail.Scope != abi.ScopeChannel {
		return 0
	}
	if failure.RetryAfterMillis <= 0 {
		return restDefault
	}
	return time.Duration(min(failure.RetryAfterMillis, SendPolicy().MaxRetryAfter.Milliseconds())) * time.Millisecond
}

// outcome is that of a message which the service has taken under an id, by
// which it will tell more. also are addresses that it says the contact has too.
func (c *Channels) outcome(at contact.Key, item outbox.Item, message string, also []abi.Address) outbox.Outcome {
	channel, _, _ := at.Split() // it was made of a channel and an address
	return outbox.Outcome{
		MessageID: message,
		Settle: func(ctx context.Context, batch *store.Batch, d *outbox.Delivery) error {
			batch.Put = append(batch.Put, store.Put{ID: messageID(channel, message), Value: []byte(item.EffectID), TTL: outbox.DeliveryTTL})
			if len(also) > 0 {
				l, err := mail.Named("sent/"+item.EffectID, at, also, d.At)
				if err != nil {
					return err
				}
				if err := post(batch, at, l, ""); err != nil {
					return err
				}
			}
			if err := c.keepTaken(ctx, batch, item); err != nil {
				return err
			}
			return c.catchUp(ctx, batch, channel, message, item.EffectID, d)
		},
	}
}

// others are those of an adapter's addresses of a contact that are news. One
// that can't be is left out: the message went all the same.
func (c *Channels) others(who contact.Contact, at contact.Key, also []abi.Address) (others []abi.Address) {
	channel, _, _ := at.Split()
	for _, address := range also[:min(len(also), contact.MaxAlso)] {
		if err := contact.CheckAddress(address); err != nil {
			c.config.Log.Warn("send returned an address that can't be used", "channel", channel, "contact", at, "error", err)
			continue
		}
		if key := contact.KeyOf(channel, address); key != at && !who.Has(key) {
			others = append(others, address)
		}
	}
	return others
}

// deliver calls the adapter. heard is when the contact wrote last on the channel;
// zero: never.
func (c *Channels) deliver(ctx context.Context, ch catalog.Channel, to abi.Address, out outbox.Message, heard time.Time) (abi.Sent, *abi.Error) {
	if failure := fallback.Lacks(out.Message, c.Able(ch.ID)); failure != nil {
		return abi.Sent{}, failure
	}
	var blobs egress.Blobs
	owner := mail.Key(cmp.Or(out.Owner, contact.KeyOf(ch.ID, to)))
	if c.config.Media != nil {
		blobs = c.config.Media.Of(owner)
	}
	var failure *abi.Error
	if out.Message, failure = c.outbound(ctx, out.Message, owner); failure != nil {
		return abi.Sent{}, failure
	}
	if ch.Adapter == catalog.AdapterAPIChat {
		return c.config.Chats.Send(ctx, ch, to, out)
	}
	config, err := configOf(ch)
	if err != nil {
		return abi.Sent{}, &abi.Error{Code: abi.CodeInvalid, Message: err.Error()}
	}
	how := adapterCall{export: abi.FuncSend, effectID: out.EffectID, blobs: blobs}
	send := abi.Send{Channel: ch.ID, Config: config, To: to, Message: out.Message, EffectID: out.EffectID}
	if !heard.IsZero() {
		send.HeardMillis = heard.UnixMilli()
	}
	output, failure := c.call(ctx, ch, how, send)
	if failure != nil {
		return abi.Sent{}, failure
	}
	var sent abi.Sent
	if err := json.Unmarshal(output, &sent); err != nil {
		return abi.Sent{}, &abi.Error{Code: abi.CodeBadOutput, Message: fmt.Sprintf("channel %s: send returned %v", ch.ID, err)}
	}
	return sent, nil
}
