package outbox

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/trama-run/trama/host/contact"
	"github.com/trama-run/trama/pdk/abi"
)

// Prefixes of the keys of outboxes. A key is the queue's name, too.
const (
	PrefixContact = "outbox" // "outbox:<contact key>", of Message
	PrefixAlert   = "alert"  // "alert:<alert id>", of Alert
)

// ContactKey is the outbox of the messages to a contact.
func ContactKey(k contact.Key) string { return PrefixContact + ":" + string(k) }

// maxID is more than the id of any alert has: a longer one, which a template
// may have made, finds none, cut or not.
const maxID = 100

// AlertKey is the outbox of an alert; "" is the default alert's. It takes
// whatever a flow came up with for an id.
func AlertKey(id string) string {
	if len(id) > maxID {
		id = strings.ToValidUTF8(id[:maxID], "")
	}
	return PrefixAlert + ":" + id
}

// Head is what every item says of itself: an item is a JSON object that has
// these members beside its own. Being in an outbox is the intent of a send.
type Head struct {
	// EffectID is the same for all tries, so that the other side can tell a
	// repeat.
	EffectID string    `json:"effect_id"`
	At       time.Time `json:"at"` // since when it is to be sent
	RunID    string    `json:"run_id,omitempty"`
}

// Message is an item of a contact's outbox.
type Message struct {
	Head
	Message abi.Message `json:"message"`
	// Owner is the contact, whose blobs may be sent: the queue is of one of its
	// addresses. Empty: the queue's.
	Owner contact.Key `json:"owner,omitempty"`
	// Unasked says that the contact wrote nothing that this answers.
	Unasked bool `json:"unasked,omitempty"`
}

// Alert is an item of an alert's outbox: what a flow tells its operators.
type Alert struct {
	Head
	Flow  string          `json:"flow,omitempty"`
	Node  string          `json:"node,omitempty"`
	Level string          `json:"level,omitempty"` // info, warning or critical
	Text  string          `json:"text"`
	Data  json.RawMessage `json:"data,omitempty"`
}
