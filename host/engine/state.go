package engine

import (
	"maps"
	"slices"

	"github.com/trama-run/trama/host/contact"
	"github.com/trama-run/trama/host/flow"
	"github.com/trama-run/trama/pdk/abi"
)

// Bounds of a contact's tags.
const (
	maxTags = 200
	maxTag  = 100 // bytes of one
)

func (m *move) conditional(c *flow.Conditional) (string, *abi.Error) {
	scope := m.scope()
	for _, b := range c.Branches {
		v, err := b.When.Eval(scope)
		if err != nil {
			return "", failed(err)
		}
		switch v := v.(type) {
		case nil:
		case bool:
			if v {
				return b.Port, nil
			}
		default:
			return "", invalid("branch %q: the condition %q must be true or false; compare it, as in input.total > 0", b.Port, b.When.String())
		}
	}
	return flow.PortElse, nil
}

func (m *move) set(n *node, c *flow.Set, step *Step) (string, *abi.Error) {
	scope := m.scope() // all see the variables before
	values := make(map[string]any, len(c.Set))
	for _, name := range slices.Sorted(maps.Keys(c.Set)) {
		v, err := c.Set[name].Expand(scope)
		if err != nil {
			return "", failed(err)
		}
		values[name] = v
	}
	step.Output = values
	if n.Type == "set_user" {
		m.user = with(m.user, values)
	} else {
		m.run.Vars = with(m.run.Vars, values)
	}
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
