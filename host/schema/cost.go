package schema

import (
	"maps"
	"slices"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// maxCost bounds how many schemas one value may be held against: references
// double with each level, if a schema names the next one twice.
const maxCost = 100_000

// cost counts the schemas that a value is held against, with those of its
// parts, as far as references don't lead back.
func cost(s *jsonschema.Schema, known map[*jsonschema.Schema]int) int {
	if n, ok := known[s]; ok {
		return n
	}
	known[s] = 1 // while it is counted: it leads back
	n := 1
	for _, part := range parts(s) {
		if n += cost(part, known); n > maxCost {
			n = maxCost + 1
			break
		}
	}
	known[s] = n
	return n
}

// ways counts the schemas that a value is held against because it is held
// against one, not counting those of its members.
func ways(s *jsonschema.Schema) int {
	n := len(s.AllOf) + len(s.AnyOf) + len(s.OneOf) + len(s.DependentSchemas) + len(s.Dependencies)
	for _, one := range []*jsonschema.Schema{s.Ref, s.RecursiveRef, s.Not, s.If} {
		if one != nil {
			n++
		}
	}
	if s.DynamicRef != nil {
		n++
	}
	return n
}

// parts lists the schemas that stand in one, or that it refers to.
func parts(s *jsonschema.Schema) []*jsonschema.Schema {
	all := []*jsonschema.Schema{s.Ref, s.RecursiveRef, s.ContentSchema, s.Not, s.If, s.Then, s.Else, s.PropertyNames, s.UnevaluatedProperties, s.Contains, s.Items2020, s.UnevaluatedItems}
	if s.DynamicRef != nil {
		all = append(all, s.DynamicRef.Ref)
	}
	for _, list := range [][]*jsonschema.Schema{s.AllOf, s.AnyOf, s.OneOf, s.PrefixItems} {
		all = append(all, list...)
	}
	all = slices.AppendSeq(all, maps.Values(s.Properties))
	all = slices.AppendSeq(all, maps.Values(s.PatternProperties))
	all = slices.AppendSeq(all, maps.Values(s.DependentSchemas))
	for _, one := range []any{s.AdditionalProperties, s.Items, s.AdditionalItems} {
		switch one := one.(type) {
		case *jsonschema.Schema:
			all = append(all, one)
		case []*jsonschema.Schema: // of older drafts
			all = append(all, one...)
		}
	}
	for _, one := range s.Dependencies {
		if more, ok := one.(*jsonschema.Schema); ok {
			all = append(all, more)
		}
	}
	return slices.DeleteFunc(all, func(part *jsonschema.Schema) bool { return part == nil })
}
