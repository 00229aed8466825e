// Package contact is the party at the other end of a channel: how it is named
// in the store and what flows know of it. It is pure; it must not know how
// contacts are stored or reached.
package contact

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

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

// Contact is what is kept of a contact.
type Contact struct {
	Channel string      `json:"channel"`
	Address abi.Address `json:"address"`
	// Name is the display name that the channel gave last.
	Name      string    `json:"name,omitempty"`
	FirstSeen time.Time `json:"first_seen"`
	LastSeen  time.Time `json:"last_seen"`
	// Vars are the variables that flows set, Tags the tags.
	Vars map[string]any `json:"vars,omitempty"`
	Tags []string       `json:"tags,omitempty"`
	// WithHuman says that a person attends to the contact: flows stay silent.
	WithHuman bool `json:"with_human,omitempty"`
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
	// Position is that of its letter in the mailbox, of one that waits.
	Position uint64 `json:"position,omitempty"`
}

// Names that the scope "user" has for every contact; flows can't set them.
const (
	FieldChannel     = "channel"
	FieldAddress     = "address"
	FieldProfileName = "profile_name"
	FieldTags        = "tags" // nodes of type user_tag change it
	FieldKey         = "key"
)

// Fields lists these names.
func Fields() []string {
	return []string{FieldChannel, FieldAddress, FieldProfileName, FieldTags, FieldKey}
}

// Key names the contact.
func (c Contact) Key() Key { return KeyOf(c.Channel, c.Address) }

// Scope returns what flows see as "user": the variables, and the fields above.
func (c Contact) Scope() map[string]any {
	scope := make(map[string]any, len(c.Vars)+5)
	for name, value := range c.Vars {
		scope[name] = value
	}
	tags := make([]any, len(c.Tags))
	for i, tag := range c.Tags {
		tags[i] = tag
	}
	scope[FieldChannel] = c.Channel
	scope[FieldAddress] = c.Address.Path
	scope[FieldProfileName] = c.Name
	scope[FieldTags] = tags
	scope[FieldKey] = string(c.Key())
	return scope
}

// SetScope takes over the variables and the tags of a scope after a run has
// changed it.
func (c *Contact) SetScope(scope map[string]any) {
	c.Vars, c.Tags = make(map[string]any, len(scope)), nil
	for name, value := range scope {
		if !slices.Contains(Fields(), name) {
			c.Vars[name] = value
		}
	}
	tags, _ := scope[FieldTags].([]any)
	for _, tag := range tags {
		if text, ok := tag.(string); ok {
			c.Tags = append(c.Tags, text)
		}
	}
}
