package contact

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"

	"golang.org/x/text/language"

	"github.com/trama-run/trama/pdk/abi"
)

// Bounds of a contact.
const (
	MaxAlso = 20 // addresses beside the first
	MaxTags = 200
	MaxTag  = 100 // bytes
	MaxName = 200 // bytes of a display name that is set
)

// OptUnknown is where nobody has said whether an address may be written to.
const OptUnknown = "unknown"

// ByChannel is who says what a channel told.
const ByChannel = "channel"

// Opt says whether an address may be written to of our own accord. Answers to
// what the contact writes are no question of it.
type Opt struct {
	State string    `json:"state"` // abi.OptIn or abi.OptOut
	At    time.Time `json:"at"`
	By    string    `json:"by"` // who said so: "channel", "flow <id>", "operator", "import"
}

// Block says since when a contact is blocked, and who did it.
type Block struct {
	At time.Time `json:"at"`
	By string    `json:"by"`
	// Left counts the messages and starts of flows that were dropped since.
	Left int `json:"left,omitempty"`
}

// Addresses lists the keys of the contact's addresses, the first one first.
func (c Contact) Addresses() []Key { return append([]Key{c.Key()}, c.Also...) }

// Has says whether an address is the contact's.
func (c Contact) Has(at Key) bool { return at == c.Key() || slices.Contains(c.Also, at) }

// OptOf gives "in", "out" or "unknown" of an address.
func (c Contact) OptOf(at Key) string {
	if o, ok := c.Opts[at]; ok {
		return o.State
	}
	return OptUnknown
}

// SetOpt says whether an address may be written to; it keeps since when what
// was known before. A channel takes back no "out" but its own: that somebody
// lets a bot in again does not undo what the contact has told people or flows.
func (c *Contact) SetOpt(at Key, state, by string, now time.Time) {
	if state == c.OptOf(at) || by == ByChannel && state != abi.OptOut && c.OptOf(at) == abi.OptOut && c.Opts[at].By != ByChannel {
		return
	}
	c.Opts = maps.Clone(c.Opts)
	if state == OptUnknown {
		delete(c.Opts, at)
		return
	}
	if c.Opts == nil {
		c.Opts = map[Key]Opt{}
	}
	c.Opts[at] = Opt{State: state, At: now, By: by}
}

// CheckOpt says what is wrong with the state of an address.
func CheckOpt(state string) error {
	if state != abi.OptIn && state != abi.OptOut {
		return fmt.Errorf("opt %.40q: want %q or %q", state, abi.OptIn, abi.OptOut)
	}
	return nil
}

// Hear takes in that the contact wrote from an address, at an instant, which
// came in at another: a service may deliver a day later.
func (c *Contact) Hear(from Key, written, received time.Time) {
	if received.After(c.LastSeen) {
		c.LastSeen = received
	}
	if received.Before(written) {
		written = received // the service's clock is ahead
	}
	if written.After(c.Heard[from]) {
		c.Heard = maps.Clone(c.Heard)
		if c.Heard == nil {
			c.Heard = map[Key]time.Time{}
		}
		c.Heard[from] = written
	}
}

// Block blocks the contact, or lets it in again.
func (c *Contact) Block(on bool, by string, now time.Time) {
	switch {
	case !on:
		c.Blocked = nil
	case c.Blocked == nil:
		c.Blocked = &Block{At: now, By: by}
	}
}

// Language gives a tag of BCP 47, of registered parts, in the usual spelling,
// such as "pt-BR".
func Language(tag string) (string, error) {
	parsed, err := language.Parse(tag)
	if err != nil || tag == "" {
		return "", fmt.Errorf("language %.40q: want a tag such as pt-BR (BCP 47)", tag)
	}
	return parsed.String(), nil
}

// SetLanguage takes a language, in the usual spelling; "" forgets it. What a
// channel tells does not go over what others have said.
func (c *Contact) SetLanguage(tag, by string) {
	if by == ByChannel && c.LanguageBy != "" && c.LanguageBy != ByChannel {
		return
	}
	if tag == "" {
		c.Language, c.LanguageBy = "", ""
		return
	}
	if known, err := Language(tag); err == nil {
		c.Language, c.LanguageBy = known, by
	}
}

// Conflict is what two contacts that become one both had, and not alike.
type Conflict struct {
	Name    string `json:"name"` // "user.<variable>", "name" or "language"
	Kept    any    `json:"kept"`
	Dropped any    `json:"dropped"`
}

// Merge takes another contact into this one: what both have is this one's, and
// what only the other has comes along. It says where they had not the same. A
// person who attends to the one attends to both, and what is blocked stays so.
func (c *Contact) Merge(other Contact) (conflicts []Conflict) {
	text := func(name string, into *string, from string) {
		if *into == "" {
			*into = from
		} else if from != "" && from != *into {
			conflicts = append(conflicts, Conflict{name, *into, from})
		}
	}
	text("name", &c.Name, other.Name)
	if c.Language == "" {
		c.LanguageBy = other.LanguageBy
	}
	text("language", &c.Language, other.Language)
	vars := maps.Clone(other.Vars)
	for _, name := range slices.Sorted(maps.Keys(c.Vars)) {
		dropped, both := vars[name]
		if both && !reflect.DeepEqual(dropped, c.Vars[name]) {
			conflicts = append(conflicts, Conflict{"user." + name, c.Vars[name], dropped})
		}
	}
	if vars == nil {
		vars = map[string]any{}
	}
	maps.Copy(vars, c.Vars)
	c.Vars = vars
	for _, tag := range other.Tags {
		if !slices.Contains(c.Tags, tag) && len(c.Tags) < MaxTags {
			c.Tags = append(slices.Clip(c.Tags), tag)
		}
	}
	for _, at := range other.Addresses() {
		if !c.Has(at) {
			c.Also = append(slices.Clip(c.Also), at)
		}
	}
	for at, opt := range other.Opts {
		if had, both := c.Opts[at]; !both || had.At.Before(opt.At) {
			c.Opts = maps.Clone(c.Opts)
			if c.Opts == nil {
				c.Opts = map[Key]Opt{}
			}
			c.Opts[at] = opt
		}
	}
	if c.FirstSeen.IsZero() || !other.FirstSeen.IsZero() && other.FirstSeen.Before(c.FirstSeen) {
		c.FirstSeen = other.FirstSeen
	}
	if other.LastSeen.After(c.LastSeen) {
		c.LastSeen = other.LastSeen
	}
	for from, at := range other.Heard {
		c.Hear(from, at, at)
	}
	c.WithHuman = c.WithHuman || other.WithHuman
	if c.Blocked == nil {
		c.Blocked = other.Blocked
	}
	return conflicts
}
