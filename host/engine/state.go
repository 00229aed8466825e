package engine

import (
	"math"
	"slices"

	"github.com/trama-run/trama/host/contact"
	"github.com/trama-run/trama/host/flow"
	"github.com/trama-run/trama/host/value"
	"github.com/trama-run/trama/pdk/abi"
)

// Bounds of a contact's tags.
const (
	maxTags = 200
	maxTag  = 100 // bytes of one
)

// set changes variables. All templates see them as they were before.
func (m *move) set(n *node, c *flow.Set, step *Step) (string, *abi.Error) {
	scope, had := m.scope(), m.run.Vars
	if n.Type == "set_user" {
		had = m.user
	}
	values := make(map[string]any, len(c.Set)+len(c.Increment)+len(c.Append)+len(c.Clear))
	for _, change := range []struct {
		of   map[string]flow.Template
		made func(name string, had, given any) (any, *abi.Error)
	}{{c.Set, put}, {c.Increment, increment}, {c.Append, appended}} {
		for _, name := range names(change.of) {
			given, err := change.of[name].Expand(scope)
			if err != nil {
				return "", failed(err)
			}
			made, problem := change.made(name, had[name], given)
			if problem != nil {
				return "", problem
			}
			values[name] = made
		}
	}
	vars := with(had, values)
	for _, name := range c.Clear {
		delete(vars, name)
		values[name] = nil
	}
	step.Output = values
	if n.Type == "set_user" {
		m.user = vars
	} else {
		m.run.Vars = vars
	}
	return flow.PortNext, nil
}

// names gives the names of a map, sorted: most have one or two.
func names[V any](of map[string]V) []string {
	if len(of) == 0 {
		return nil
	}
	list := make([]string, 0, len(of))
	for name := range of {
		list = append(list, name)
	}
	slices.Sort(list)
	return list
}

func put(_ string, _, given any) (any, *abi.Error) { return given, nil }

// increment adds a number to a variable; null counts as 0.
func increment(name string, had, by any) (any, *abi.Error) {
	if had == nil {
		had = int64(0)
	}
	for _, v := range []struct {
		what  string
		value any
	}{{"the variable is", had}, {"it is incremented by", by}} {
		switch v.value.(type) {
		case int64, float64:
		default:
			return nil, invalid("increment %q: %s %s, and not a number; convert it with int(...) or float(...)", name, v.what, describe(v.value))
		}
	}
	sum := value.Add(had, by)
	if f, ok := sum.(float64); ok && math.IsInf(f, 0) {
		return nil, invalid("increment %q: the sum of %v and %v is too great for a number", name, had, by)
	}
	return sum, nil
}

// appended adds a value to a list; null counts as an empty one.
func appended(name string, had, item any) (any, *abi.Error) {
	list, ok := had.([]any)
	if !ok && had != nil {
		return nil, invalid("append %q: the variable is %s, and not a list; set it to [...] first", name, describe(had))
	}
	return append(slices.Clip(list), item), nil
}

// setContact changes what the host knows of the contact; null changes nothing.
func (m *move) setContact(c *flow.SetContact, step *Step) (string, *abi.Error) {
	fields, values := c.Fields(), map[string]any{}
	for _, name := range names(fields) {
		given, err := m.expand(fields[name])
		if err != nil {
			return "", err
		}
		if given == nil {
			continue
		}
		value, wrong := contact.Field(name, given)
		if wrong != nil {
			return "", invalid("%v", wrong)
		}
		values[name] = value
	}
	step.Output = values
	m.user = with(m.user, values)
	return flow.PortNext, nil
}

func (m *move) tag(c *flow.UserTag, step *Step) (string, *abi.Error) {
	add, err := m.tags(c.Add)
	if err != nil {
		return "", err
	}
	remove, err := m.tags(c.Remove)
	if err != nil {
		return "", err
	}
	had, _ := m.user[contact.FieldTags].([]any)
	tags := slices.DeleteFunc(slices.Clone(had), func(t any) bool { return slices.Contains(remove, t) })
	for _, t := range add {
		if !slices.Contains(tags, t) {
			tags = append(tags, t)
		}
	}
	if len(tags) > maxTags {
		return "", &abi.Error{Code: abi.CodeLimit, Message: "the contact would have more than 200 tags, the limit; remove some, or keep a list in a variable"}
	}
	if tags == nil {
		tags = []any{}
	}
	step.Output = map[string]any{contact.FieldTags: tags}
	m.user = with(m.user, map[string]any{contact.FieldTags: tags})
	return flow.PortNext, nil
}

// tags gives a text, or a list of texts, as a list.
func (m *move) tags(t flow.Template) ([]any, *abi.Error) {
	v, err := m.expand(t)
	if err != nil || v == nil {
		return nil, err
	}
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	for _, tag := range list {
		if s, ok := tag.(string); !ok || s == "" || len(s) > maxTag {
			return nil, invalid("%v is not a tag: write a text of at most %d bytes, or a list of them", tag, maxTag)
		}
	}
	return list, nil
}
