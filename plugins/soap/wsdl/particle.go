package wsdl

import (
	"slices"
	"strings"

	"github.com/trama-run/trama/plugins/soap/typed"
)

// content takes the elements and attributes of a type, a group or a change.
func (b *builder) content(t *typed.Type, at item, depth int) error {
	for _, n := range at.all(spaceXSD, "sequence", "all", "choice", "group") {
		if err := b.particle(t, at.in(n), true, false, depth+1); err != nil {
			return err
		}
	}
	for _, n := range at.all(spaceXSD, "attribute", "attributeGroup") {
		if err := b.attribute(t, at.in(n), depth+1); err != nil {
			return err
		}
	}
	return nil
}

// particle takes what a sequence, choice or group holds.
func (b *builder) particle(t *typed.Type, at item, required, many bool, depth int) error {
	if err := b.look("groups", depth); err != nil {
		return err
	}
	needed, repeats, never := occurs(at.node)
	if never {
		return nil
	}
	required, many = required && needed, many || repeats
	switch at.Local() {
	case "element":
		e, err := b.element(at, depth)
		if err != nil {
			return err
		}
		e.Required, e.Array = required, many
		t.Elements = append(t.Elements, e)
		return nil
	case "any":
		t.Any = true
		return nil
	case "group":
		name := at.resolve(at.attribute("ref"))
		group, ok := b.groups[name]
		if !ok {
			return fail("there is no group %q of %q", name.local, name.space)
		}
		for _, n := range group.all(spaceXSD, "sequence", "all", "choice") {
			if err := b.particle(t, group.in(n), required, many, depth+1); err != nil {
				return err
			}
		}
		return nil
	case "choice":
		required = false
		b.choice(at)
	}
	if repeats && len(at.Children) > 1 {
		b.note("a %s that repeats as a whole: its elements are written grouped by their names", at.Local())
	}
	for _, n := range at.all(spaceXSD, "element", "any", "group", "sequence", "choice") {
		if err := b.particle(t, at.in(n), required, many, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// choice notes what stands in a choice: a descriptor has it as members of which
// each may be missing.
func (b *builder) choice(at item) {
	var names []string
	for _, n := range at.all(spaceXSD, "element", "any", "group", "sequence", "choice") {
		name := n.attribute("name")
		if ref := n.attribute("ref"); ref != "" {
			name = at.resolve(ref).local
		}
		if name == "" {
			name = n.Local()
		}
		names = append(names, name)
	}
	if len(names) > 1 {
		b.note("a choice of %s: neither the schema nor the call sees to it that one of them is there, and only one", strings.Join(names, ", "))
	}
}

// attribute takes an attribute, or a group of them.
func (b *builder) attribute(t *typed.Type, at item, depth int) error {
	if err := b.look("attribute groups", depth); err != nil {
		return err
	}
	ref := at.resolve(at.attribute("ref"))
	if at.Local() == "attributeGroup" {
		group, ok := b.attributeGroups[ref]
		if !ok {
			return fail("there is no attributeGroup %q of %q", ref.local, ref.space)
		}
		for _, n := range group.all(spaceXSD, "attribute", "attributeGroup") {
			if err := b.attribute(t, group.in(n), depth+1); err != nil {
				return err
			}
		}
		return nil
	}
	use := at.attribute("use")
	a := typed.Element{Name: at.attribute("name"), Required: use == "required"}
	if form := at.attribute("form"); form == "qualified" || form == "" && at.attributes {
		a.Namespace = at.target
	}
	declared := at
	if ref.local != "" {
		var ok bool
		if declared, ok = b.attributes[ref]; !ok {
			b.note("the attribute %s of %q is left out: no schema here declares it", ref.local, ref.space)
			return nil
		}
		a.Name, a.Namespace = ref.local, ref.space
	}
	if err := b.typeOf(&a, declared, depth); err != nil {
		return err
	}
	if a.Type == typed.Own+"anyType" {
		a.Type = typed.Own + "anySimpleType"
	}
	t.Attributes = slices.DeleteFunc(slices.Clone(t.Attributes), func(o typed.Element) bool { return o.Name == a.Name })
	if use != "prohibited" {
		t.Attributes = append(t.Attributes, a)
	}
	return nil
}
