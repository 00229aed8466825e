package channel

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/trama-run/trama/host/contact"
	"github.com/trama-run/trama/host/outbox"
	"github.com/trama-run/trama/host/run"
	"github.com/trama-run/trama/host/run/mail"
	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/pdk/abi"
)

// Codes of messages that were cancelled for what is known of their contact.
const (
	CodeContactBlocked = "contact_blocked"
	CodeOptedOut       = "opted_out"
)

// unwanted says why a message must not go to an address: its contact is
// blocked, or has opted out there and has not written what this answers. It is
// looked at when the message would go, however long it has waited.
func unwanted(who contact.Contact, at contact.Key, out outbox.Message) *abi.Error {
	switch {
	case who.Blocked != nil:
		return &abi.Error{Code: CodeContactBlocked, Message: fmt.Sprintf("contact %s is blocked", who.Key())}
	case out.Unasked && who.OptOf(at) == abi.OptOut:
		return &abi.Error{Code: CodeOptedOut, Message: fmt.Sprintf("%s has opted out: only what it writes is answered", at)}
	}
	return nil
}

// cancelled is the outcome of a message that must not go.
func cancelled(reason *abi.Error) outbox.Outcome {
	return outbox.Outcome{
		State: outbox.StateCancelled,
		Settle: func(_ context.Context, _ *store.Batch, d *outbox.Delivery) error {
			d.Error = reason
			return nil
		},
	}
}

// gone adds to the commit that ends a message which its contact can't be
// reached by any more that it has opted out.
func gone(batch *store.Batch, item outbox.Item, d outbox.Delivery) error {
	if d.State != outbox.StateDead || d.Error == nil || d.Error.Code != abi.CodeBlocked {
		return nil
	}
	at := contact.Key(strings.TrimPrefix(item.Queue, outbox.PrefixContact+":"))
	l, err := mail.Opted("blocked/"+item.EffectID, at, abi.OptOut, d.At)
	if err != nil {
		return err
	}
	return post(batch, at, l, "")
}

// post adds a letter to the mailbox of an address; a mark, if there is one,
// lets it be there once.
func post(batch *store.Batch, at contact.Key, l mail.Letter, mark string) error {
	value, err := json.Marshal(l)
	if err != nil {
		return err
	}
	mailbox := mail.Key(at)
	letter := store.Append{Queue: mailbox, Value: value}
	if mark != "" {
		letter.Mark, letter.MarkTTL = mark, run.DedupWindow
	}
	batch.Append = append(batch.Append, letter)
	if !slices.ContainsFunc(batch.Wake, func(w store.Wake) bool { return w.Key == mailbox }) {
		batch.Wake = append(batch.Wake, store.Wake{Key: mailbox, At: now()})
	}
	return nil
}
