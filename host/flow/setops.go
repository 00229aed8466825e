package flow

import (
	"slices"

	"github.com/trama-run/trama/host/contact"
	"github.com/trama-run/trama/host/source"
)

// Set is "with" of set_flow and set_user. All templates see the variables as
// they were before.
type Set struct {
	Set       map[string]Template `json:"set,omitempty" jsonschema_description:"Variables by name; any JSON values."`
	Increment map[string]Template `json:"increment,omitempty" jsonschema_description:"Numbers to add to variables, by name; below 0 to take away. A variable that is not there counts as 0."`
	Append    map[string]Template `json:"append,omitempty" jsonschema_description:"Values to add at the end of lists, by name, one each. A variable that is not there counts as an empty list."`
	Clear     []string            `json:"clear,omitempty" jsonschema_description:"Names of variables to remove."`
}

func (s *Set) check(n *Node) (problems source.Problems) {
	set, increment, add, clear := n.With.Get("set"), n.With.Get("increment"), n.With.Get("append"), n.With.Get("clear")
	readable := set.IsZero() || set.IsMapping() // what is not is reported already
	if len(s.Set)+len(s.Increment)+len(s.Append)+len(s.Clear) == 0 && readable {
		problems.Add(n.With.Place("set"), `write set: {name: "{{ ... }}"}, or increment, append or clear`, "%s changes nothing", n.Type)
	}
	var taken []string
	name := func(name string, at source.Place) {
		switch {
		case !plainName(name):
			problems.Add(at, "use letters, digits and _, a letter first", "%q is not a variable name", name)
		case slices.Contains(taken, name):
			problems.Add(at, "keep one of them", "%q is changed twice", name)
		case n.Type == "set_user" && slices.Contains(contact.Fields(), name):
			problems.Add(at, "use another name; tags are changed by user_tag", "user.%s is the contact's own and can't be set", name)
		}
		taken = append(taken, name)
	}
	for _, values := range []source.Value{set, increment, add} {
		for _, key := range values.Keys() {
			name(key, values.KeyPlace(key))
		}
	}
	for key, by := range s.Increment {
		if literal, ok := by.Literal(); ok {
			switch literal.(type) {
			case int64, float64:
			default:
				problems.Add(increment.Place(key), "write a number, or a template that gives one", "increment %q: only a number can be added", key)
			}
		}
	}
	for i, key := range s.Clear {
		name(key, clear.Place(index(i)))
	}
	return problems
}
