// Package contact is the party at the other end of a channel: how it is named
// in the store and what flows know of it. It is pure; it must not know how
// contacts are stored or reached.
package contact

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/trama-run/trama/host/fallback"
	"github.com/trama-run/trama/pdk/abi"
)

// Key names a contact: "<channel>/<scheme>:<path>". It is the unit of order:
// what concerns one contact is done one thing at a time.
type Key string

// KeyOf returns the key of the contact with an address on a channel.
func KeyOf(channel string, a abi.Address) Key {
	return Key(channel + "/" + a.Scheme + ":" + a.Path)
}

// Split returns the channel and the address that a key was made of.
func (k Key) Split() (channel string, a abi.Address, err error) {
	channel, rest, ok := strings.Cut(string(k), "/")
	scheme, path, ok2 := strings.Cut(rest, ":")
	if !ok || !ok2 {
		return "", abi.Address{}, fmt.Errorf("contact key %q: want channel/scheme:path", k)
	}
	return channel, abi.Address{Scheme: scheme, Path: path}, nil
}

// MaxPath bounds an address, which is part of record names.
const MaxPath = 512

// CheckAddress says what is wrong with an address: a scheme is lower-case
// letters, digits, + - and ., a path at most 512 bytes without control
// characters.
func CheckAddress(a abi.Address) error {
	scheme := a.Scheme != "" && len(a.Scheme) <= 40 && a.Scheme[0] >= 'a' && a.Scheme[0] <= 'z' &&
		strings.Trim(a.Scheme, "abcdefghijklmnopqrstuvwxyz0123456789+.-") == ""
	if !scheme || a.Path == "" || len(a.Path) > MaxPath || strings.ContainsFunc(a.Path, unicode.IsControl) {
		return fmt.Errorf("%.80q is not an address: want scheme:path, such as whatsapp:5511987654321", a)
	}
	return nil
}

// Received reads what an adapter's "receive" returned: units that each have an
// id, and a message or news with an address, or a status.
func Received(output []byte) (abi.Received, *abi.Error) {
	bad := func(format string, args ...any) (abi.Received, *abi.Error) {
		return abi.Received{}, &abi.Error{Code: abi.CodeBadOutput, Message: "receive returned " + fmt.Sprintf(format, args...)}
	}
	var received abi.Received
	if err := json.Unmarshal(output, &received); err != nil {
		return bad("%v", err)
	}
	for _, u := range received.Units {
		nobody := u.Status != nil && u.From == abi.Address{}
		if u.ID == "" || u.From.Path == "" && !nobody || !oneThing(u) {
			return bad("the unit %q without an id, an address, or one of message, status and opt (%q or %q)", u.ID, abi.OptIn, abi.OptOut)
		}
		if len(u.Also) > MaxAlso {
			return bad("the unit %q with %d other addresses: %d at most", u.ID, len(u.Also), MaxAlso)
		}
		for _, other := range u.Also {
			if err := CheckAddress(other); err != nil {
				return bad("the unit %q with another address: %v", u.ID, err)
			}
		}
		if !nobody && CheckAddress(u.From) != nil {
			return bad("the unit %q with the address %.80q: want a scheme of lower-case letters, digits, + - and ., and a path of at most %d bytes without control characters", u.ID, u.From, MaxPath)
		}
	}
	return received, nil
}

// oneThing says whether a unit is exactly one of a message, a status and news
// of whether the contact may be written to.
func oneThing(u abi.Unit) bool {
	things := 0
	for _, is := range []bool{u.Message != nil, u.Status != nil, u.Opt != ""} {
		if is {
			things++
		}
	}
	return things == 1 && (u.Opt == "" || CheckOpt(u.Opt) == nil)
}

// Contact is what is kept of a contact. Its key is made of the address by which
// it was first known; Also are the keys of its other addresses, on whatever
// channels.
type Contact struct {
	Channel string      `json:"channel"`
	Address abi.Address `json:"address"`
	Also    []Key       `json:"also,omitempty"`
	// Opts say of addresses whether they may be written to of our own accord.
	Opts map[Key]Opt `json:"opts,omitempty"`
	// Language is a tag of BCP 47. LanguageBy says who told it: "channel" is
	// the only one that later news of a channel goes over.
	Language   string `json:"language,omitempty"`
	LanguageBy string `json:"language_by,omitempty"`
	// Blocked, if not nil, lets nothing of the contact in and nothing out to it.
	Blocked *Block `json:"blocked,omitempty"`
	// Name is the display name that the channel gave last.
	Name      string    `json:"name,omitempty"`
	FirstSeen time.Time `json:"first_seen"`
	LastSeen  time.Time `json:"last_seen"`
	// Merged is when another contact became this one last; zero: none has.
	Merged time.Time `json:"merged,omitzero"`
	// Heard says when the contact wrote last, by address and its own clock:
	// services count their windows so.
	Heard map[Key]time.Time `json:"heard,omitempty"`
	// Vars are the variables that flows set, Tags the tags.
	Vars map[string]any `json:"vars,omitempty"`
	Tags []string       `json:"tags,omitempty"`
	// WithHuman says that a person attends to the contact: flows stay silent.
	WithHuman bool `json:"with_human,omitempty"`
	// Choices are what was last asked, with something to choose from; nil:
	// nothing was.
	Choices *fallback.Choices `json:"choices,omitempty"`
	// Pressed are marks of the messages with questions of runs that the contact
	// has answered by a press, the latest last: pressed again, they say nothing
	// new.
	Pressed []string `json:"pressed,omitempty"`
	// Later are the starts of flows that wait for the present run to end, without
	// their values.
	Later []Start `json:"later,omitempty"`
}

// Start is a flow that is to begin in a contact's conversation.
type Start struct {
	ID      string `json:"id"` // of the run
	Flow    string `json:"flow"`
	Trigger string `json:"trigger"` // id of the trigger
	// Value is the event, as JSON: integers keep their 64 bits.
	Value json.RawMessage `json:"value,omitempty"`
	// From is where the event came in, if it came by a webhook.
	From *Origin `json:"from,omitempty"`
	// Position is that of its letter in the mailbox, of one that waits.
	Position uint64 `json:"position,omitempty"`
}

// Origin is where an event came in.
type Origin struct {
	Channel string `json:"channel,omitempty"`
	// Request is the id of the HTTP request, and Delivery the one under which
	// the webhook was stored.
	Request  string `json:"request_id,omitempty"`
	Delivery string `json:"delivery,omitempty"`
}

// Names that the scope "user" has for every contact; flows can't set them.
const (
	FieldChannel     = "channel"
	FieldAddress     = "address"
	FieldProfileName = "profile_name"
	FieldTags        = "tags" // nodes of type user_tag change it
	FieldKey         = "key"
	// Nodes of type set_contact change these, and profile_name.
	FieldLanguage = "language"
	FieldOptIn    = "opt_in" // "in", "out" or "unknown", of the conversation's address
	FieldBlocked  = "blocked"
	// FieldHeardAt is when the contact wrote last from the conversation's address, as
	// RFC 3339 has it; null if never. Services count their windows from it.
	FieldHeardAt = "heard_at"
)

// Fields lists these names.
func Fields() []string {
	return []string{FieldChannel, FieldAddress, FieldProfileName, FieldTags, FieldKey, FieldLanguage, FieldOptIn, FieldBlocked, FieldHeardAt}
}

// Key names the contact.
func (c Contact) Key() Key { return KeyOf(c.Channel, c.Address) }
