package contact

import (
	"fmt"
	"slices"
	"time"
)

// Scope returns what flows see as "user" in a conversation with the contact's
// first address: the variables, and the fields of [Fields].
func (c Contact) Scope() map[string]any { return c.ScopeAt(c.Key()) }

// ScopeAt is Scope in a conversation with another of the contact's addresses.
func (c Contact) ScopeAt(at Key) map[string]any {
	scope := make(map[string]any, len(c.Vars)+len(Fields()))
	for name, value := range c.Vars {
		scope[name] = value
	}
	tags := make([]any, len(c.Tags))
	for i, tag := range c.Tags {
		tags[i] = tag
	}
	channel, address, err := at.Split()
	if err != nil {
		at, channel, address = c.Key(), c.Channel, c.Address
	}
	scope[FieldChannel] = channel
	scope[FieldAddress] = address.Path
	scope[FieldProfileName] = c.Name
	scope[FieldTags] = tags
	scope[FieldKey] = string(c.Key())
	scope[FieldLanguage] = c.Language
	scope[FieldOptIn] = c.OptOf(at)
	scope[FieldBlocked] = c.Blocked != nil
	scope[FieldHeardAt] = nil
	if heard, ok := c.Heard[at]; ok {
		scope[FieldHeardAt] = heard.UTC().Format(time.RFC3339Nano)
	}
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

// Field gives what a field of the scope becomes where a node of type set_contact
// gives a value for it, or says what is wrong with that.
func Field(name string, value any) (any, error) {
	text, isText := value.(string)
	switch name {
	case FieldProfileName:
		if !isText || text == "" || len(text) > MaxName {
			return nil, fmt.Errorf("name %.40q: want a text of 1 to %d bytes", fmt.Sprint(value), MaxName)
		}
	case FieldLanguage:
		return Language(fmt.Sprint(value))
	case FieldOptIn:
		if err := CheckOpt(fmt.Sprint(value)); err != nil {
			return nil, err
		}
	case FieldBlocked:
		if _, ok := value.(bool); !ok {
			return nil, fmt.Errorf("block %.40q: want true or false", fmt.Sprint(value))
		}
	default:
		return nil, fmt.Errorf("user.%s can't be set", name)
	}
	return value, nil
}

// SetScopeAt is SetScope, and takes over what nodes of type set_contact have
// changed, with who did that and when.
func (c *Contact) SetScopeAt(at Key, scope map[string]any, by string, now time.Time) {
	c.SetScope(scope)
	if name, ok := scope[FieldProfileName].(string); ok {
		c.Name = name
	}
	if tag, ok := scope[FieldLanguage].(string); ok && tag != c.Language {
		c.SetLanguage(tag, by)
	}
	if opt, ok := scope[FieldOptIn].(string); ok && opt != c.OptOf(at) {
		c.SetOpt(at, opt, by, now)
	}
	if blocked, ok := scope[FieldBlocked].(bool); ok && blocked != (c.Blocked != nil) {
		c.Block(blocked, by, now)
	}
}
