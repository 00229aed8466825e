package flow

import (
	"github.com/trama-run/trama/host/contact"
	"github.com/trama-run/trama/host/source"
)

// SetContact is "with" of set_contact.
type SetContact struct {
	Name     Template `json:"name,omitempty,omitzero" jsonschema_description:"The display name, until the channel gives another."`
	Language Template `json:"language,omitempty,omitzero" jsonschema_description:"A tag of BCP 47 such as pt-BR; what the channel says later does not change it."`
	OptIn    Template `json:"opt_in,omitempty,omitzero" jsonschema_description:"in or out: whether the address of this conversation may be written to of our own accord. Answers to what the contact writes go out all the same."`
	Block    Template `json:"block,omitempty,omitzero" jsonschema_description:"true: from now on nothing of the contact starts or reaches a flow, and nothing goes out to it, this run's messages included. false lifts that."`
}

// Fields gives what is set by the names that the scope "user" has for it.
func (s *SetContact) Fields() map[string]Template {
	fields := map[string]Template{
		contact.FieldProfileName: s.Name, contact.FieldLanguage: s.Language, contact.FieldOptIn: s.OptIn, contact.FieldBlocked: s.Block,
	}
	for name, value := range fields {
		if value.IsZero() {
			delete(fields, name)
		}
	}
	return fields
}

func (s *SetContact) check(n *Node) (problems source.Problems) {
	if len(s.Fields()) == 0 && len(n.With.Keys()) == 0 {
		problems.Add(n.At, "write language: pt-BR, opt_in: out, block: true, or a name", "set_contact changes nothing")
	}
	written := map[string]string{contact.FieldProfileName: "name", contact.FieldBlocked: "block"}
	for name, value := range s.Fields() {
		literal, ok := value.Literal()
		if !ok {
			continue
		}
		if _, err := contact.Field(name, literal); err != nil {
			if of, other := written[name]; other {
				name = of
			}
			problems.Add(n.With.Place(name), "", "%v", err)
		}
	}
	return problems
}
