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
}

// Unit is one thing that happened on a channel: a message or a status.
type Unit struct {
	// ID is unique on the channel and the same in every redelivery.
	ID string `json:"id"`
	// From is the contact it belongs to.
	From Address `json:"from"`
	// Name is the contact's display name, where the service gives one.
	Name string `json:"name,omitempty"`
	// TimeMillis is when it happened, by the service's clock.
	TimeMillis int64    `json:"time_millis,omitempty"`
	Message    *Message `json:"message,omitempty"`
	Status     *Status  `json:"status,omitempty"`
}

// Status is news of a message that we sent.
type Status struct {
	MessageID string `json:"message_id"`
	State     string `json:"state"` // sent, delivered, read, failed
	Error     *Error `json:"error,omitempty"`
}

// Send is the input of a channel adapter's "send".
type Send struct {
	Channel string          `json:"channel"`
	Config  json.RawMessage `json:"config,omitempty"`
	To      Address         `json:"to"`
	Message Message         `json:"message"`
	// EffectID is stable over repeats of the same send.
	EffectID string `json:"effect_id"`
}

// Sent is the output of "send".
type Sent struct {
	// MessageID is the service's id of the message; statuses refer to it.
	MessageID string `json:"message_id"`
}
