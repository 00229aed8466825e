// Package contact is the party at the other end of a channel: how it is named
// in the store and what flows know of it. It is pure; it must not know how
// contacts are stored or reached.
package contact

import (
	"fmt"
	"strings"
	"time"

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

// Contact is what is kept of a contact.
type Contact struct {
	Channel string      `json:"channel"`
	Address abi.Address `json:"address"`
	// Name is the display name that the channel gave last.
	Name      string    `json:"name,omitempty"`
	FirstSeen time.Time `json:"first_seen"`
	LastSeen  time.Time `json:"last_seen"`
	// Vars are the variables that flows set.
	Vars map[string]any `json:"vars,omitempty"`
}

// Names that the scope "user" has for every contact; flows can't set them.
const (
	FieldChannel     = "channel"
	FieldAddress     = "address"
	FieldProfileName = "profile_name"
)

// Scope returns what flows see as "user": the variables, and the fields above.
func (c Contact) Scope() map[string]any {
	scope := make(map[string]any, len(c.Vars)+3)
	for name, value := range c.Vars {
		scope[name] = value
	}
	scope[FieldChannel] = c.Channel
	scope[FieldAddress] = c.Address.Path
	scope[FieldProfileName] = c.Name
	return scope
}

// SetScope takes over the variables of a scope after a run has changed it.
func (c *Contact) SetScope(scope map[string]any) {
	c.Vars = make(map[string]any, len(scope))
	for name, value := range scope {
		switch name {
		case FieldChannel, FieldAddress, FieldProfileName:
		default:
			c.Vars[name] = value
		}
	}
}
