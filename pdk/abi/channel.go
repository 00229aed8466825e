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

// Message is a message in the one shape that all channels share.
type Message struct {
	ID   string      `json:"id,omitempty"`
	Type MessageType `json:"type"`
	// Text is what was written, or the title of the chosen reply, or a
	// medium's caption.
	Text string `json:"text,omitempty"`
	// Payload is the id of the chosen button or list row.
	Payload  string          `json:"payload,omitempty"`
	Buttons  []Button        `json:"buttons,omitempty"` // outbound
	Media    *Media          `json:"media,omitempty"`
	Location *Location       `json:"location,omitempty"`
	ReplyTo  string          `json:"reply_to,omitempty"`
	Raw      json.RawMessage `json:"raw,omitempty"` // as received, for type "unknown"
}

// MessageType says which fields of a [Message] count.
type MessageType string

// The types of message.
const (
	MessageText     MessageType = "text"
	MessageButtons  MessageType = "buttons"      // outbound: text with buttons
	MessageButton   MessageType = "button_reply" // inbound: a button was pressed
	MessageList     MessageType = "list_reply"   // inbound: a list row was chosen
	MessageMedia    MessageType = "media"
	MessageLocation MessageType = "location"
	MessageUnknown  MessageType = "unknown"
)

// Button is one reply button.
type Button struct {
	ID    string `json:"id"`
	Title string `json:"title"`
}

// Media is a file by reference.
type Media struct {
	Kind     string `json:"kind"` // image, audio, video, document, sticker, voice
	ID       string `json:"id,omitempty"`
	URL      string `json:"url,omitempty"`
	MIME     string `json:"mime,omitempty"`
	SHA256   string `json:"sha256,omitempty"`
	Filename string `json:"filename,omitempty"`
}

// Location is a place on Earth, in degrees.
type Location struct {
	Latitude  float64 `json:"latitude"`
	Longitude float64 `json:"longitude"`
	Name      string  `json:"name,omitempty"`
	Address   string  `json:"address,omitempty"`
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
