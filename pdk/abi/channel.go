package abi

import "encoding/json"

// Address is where a contact is reached: the scheme names the address space
// ("whatsapp", "telegram"), the path is the service's own id.
type Address struct {
	Scheme string `json:"scheme"`
	Path   string `json:"path"`
}

// String gives "scheme:path".
func (a Address) String() string { return a.Scheme + ":" + a.Path }

// Receive is the input of a channel adapter's "receive": one webhook request
// that the host has verified and stored.
type Receive struct {
	Channel string          `json:"channel"`
	Config  json.RawMessage `json:"config,omitempty"`
	Method  string          `json:"method"`
	// Headers have lower-case names; signatures and credentials are left out.
	Headers map[string]string `json:"headers,omitempty"`
	Query   map[string]string `json:"query,omitempty"`
	// Body is the raw body, as base64.
	Body []byte `json:"body"`
	// ReceivedMillis is when the host took it, since the Unix epoch.
	ReceivedMillis int64 `json:"received_millis"`
}

// Received is the output of "receive". An empty list is a fine answer.
type Received struct {
	Units []Unit `json:"units"`
	// Unread says of each part of the request that is in no unit what is wrong
	// with it: the host takes the units, and keeps the request as a dead letter.
	Unread []string `json:"unread,omitempty"`
}

// Unit is one thing that happened on a channel: a message, a status, or news of
// whether the contact may be written to (Opt).
type Unit struct {
	// ID is unique on the channel and the same in every redelivery.
	ID string `json:"id"`
	// From is the contact it belongs to. A status needs none: the message that it
	// is of has one.
	From Address `json:"from,omitzero"`
	// Also are other addresses on this channel that are surely the same
	// contact's, such as an id beside a phone number. The host keeps them
	// together: whichever of them a later unit is from, it is this contact's.
	Also []Address `json:"also,omitempty"`
	// Name is the contact's display name, where the service gives one.
	Name string `json:"name,omitempty"`
	// Language is the contact's (BCP 47), such as "pt-BR", where the service
	// tells.
	Language string `json:"language,omitempty"`
	// TimeMillis is when it happened, by the service's clock.
	TimeMillis int64    `json:"time_millis,omitempty"`
	Message    *Message `json:"message,omitempty"`
	Status     *Status  `json:"status,omitempty"`
	// Opt is [OptOut] where the contact has blocked us or left, and [OptIn]
	// where it has taken that back; there is no message and no status then.
	Opt string `json:"opt,omitempty"`
}

// Values of [Unit.Opt].
const (
	OptIn  = "in"
	OptOut = "out"
)

// Status is news of a message that we sent.
type Status struct {
	MessageID string `json:"message_id"`
	State     string `json:"state"` // sent, delivered, read, failed
	Error     *Error `json:"error,omitempty"`
	// Ref is the effect id of the message, where the service gives back what was
	// sent with it: by it the host finds a message of which nobody knew whether
	// it was sent.
	Ref string `json:"ref,omitempty"`
}

// Send is the input of a channel adapter's "send".
type Send struct {
	Channel string          `json:"channel"`
	Config  json.RawMessage `json:"config,omitempty"`
	To      Address         `json:"to"`
	Message Message         `json:"message"`
	// EffectID is stable over repeats of the same send.
	EffectID string `json:"effect_id"`
	// HeardMillis is when the contact wrote last, since the Unix epoch; 0:
	// never. Some services take only certain messages long after that.
	HeardMillis int64 `json:"heard_millis,omitempty"`
}

// Sent is the output of "send".
type Sent struct {
	// MessageID is the service's id of the message; statuses refer to it.
	MessageID string `json:"message_id"`
	// Also are other addresses on this channel that the service says are the
	// contact's, such as the number that it really has; see [Unit].
	Also []Address `json:"also,omitempty"`
}

// Codes of an adapter's "send" that the host acts on.
const (
	// CodeUnsupported: the service has no form for the message.
	CodeUnsupported = "unsupported"
	// CodeBlocked: the contact can't be reached any more, because it has
	// blocked the sender or is gone. The host notes that it has opted out.
	CodeBlocked = "blocked"
	// CodeWindowClosed: the contact wrote too long ago for this message; only
	// others, such as templates, are taken now.
	CodeWindowClosed = "window_closed"
)

// ScopeChannel is the value of "scope" in the detail of a retryable error of
// "send" where the service takes nothing from the channel for a while: the host
// then sends nothing on it, to whomever, until RetryAfterMillis have passed, or
// a second if they are not given. Without it, what is to go to this address
// waits, and nothing else.
const ScopeChannel = "channel"

// Fetch is the input of a channel adapter's "fetch": a medium that came in a
// message, by the service's id or address.
type Fetch struct {
	Channel string          `json:"channel"`
	Config  json.RawMessage `json:"config,omitempty"`
	Media   Media           `json:"media"`
}

// Fetched is the output of "fetch": the file as a blob (see [ResponseBlob]).
// MIME and Filename are the service's word, where it has one.
type Fetched struct {
	Blob     Blob   `json:"blob"`
	MIME     string `json:"mime,omitempty"`
	Filename string `json:"filename,omitempty"`
}

// Connect is the input of a channel adapter's "connect" and "check".
type Connect struct {
	Channel string          `json:"channel"`
	Config  json.RawMessage `json:"config,omitempty"`
	// URL is where the service is to send its webhooks; empty for a "check" of
	// a host that doesn't know its public address.
	URL string `json:"url,omitempty"`
}

// Connected is the output of both: what the service says.
type Connected struct {
	// Account is who the channel is there: a number, the name of a bot.
	Account string `json:"account,omitempty"`
	// Webhook is where the service sends webhooks now; empty: it doesn't say.
	Webhook string `json:"webhook,omitempty"`
	// Notes are for the operator: what is amiss or left to do.
	Notes []string `json:"notes,omitempty"`
}
