package schema

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// maxUnevaluated is the most members of an object or items of a list that
// unevaluatedProperties and unevaluatedItems are held against: the library goes
// through all of them.
const maxUnevaluated = 10_000

// members holds the members of objects and the items of lists against the
// schemas that one schema has for them. The library would gather all that is
// wrong with each, which for a small body is very much; this leaves off at
// [maxViolations], at each level, so that a check takes no more memory than
// the value has.
type members struct {
	checks      *checks
	ways        int // schemas that the value itself is held against
	each        int // schemas and patterns that the name of each member is held against
	properties  map[string]*jsonschema.Schema
	patterns    map[jsonschema.Regexp]*jsonschema.Schema
	additional  any // of an object: nil, a bool or a *jsonschema.Schema
	names       *jsonschema.Schema
	prefix      []*jsonschema.Schema
	rest        any // of a list: as additional
	contains    *jsonschema.Schema
	least, most *int // of those that it contains
	unique      bool
	unevaluated bool // there are schemas for what no other is for
}

// bound puts [members] in the place of the library's own loops, in all schemas
// that a value is held against.
func bound(s *jsonschema.Schema, checks *checks, known map[*jsonschema.Schema]bool) {
	if known[s] {
		return
	}
	known[s] = true
	for _, part := range parts(s) { // before they are taken out
		bound(part, checks, known)
	}
	s.Format = shorter(s.Format)
	m := &members{
		checks: checks, ways: ways(s),
		properties: s.Properties, patterns: s.PatternProperties, additional: s.AdditionalProperties, names: s.PropertyNames,
		prefix: s.PrefixItems, contains: s.Contains, least: s.MinContains, most: s.MaxContains, unique: s.UniqueItems,
		unevaluated: s.UnevaluatedItems != nil || s.UnevaluatedProperties != nil,
	}
	if m.each = len(m.patterns); m.names != nil {
		m.each += cost(m.names, map[*jsonschema.Schema]int{})
	}
	if s.Items2020 != nil {
		m.rest = s.Items2020
	}
	switch items := s.Items.(type) { // of older drafts
	case *jsonschema.Schema:
		m.rest = items
	case []*jsonschema.Schema:
		m.prefix, m.rest = items, s.AdditionalItems
	}
	if m.ways+len(m.properties)+len(m.patterns)+len(m.prefix) == 0 && m.additional == nil && m.names == nil && m.rest == nil && m.contains == nil && !m.unique && !m.unevaluated {
		return
	}
	s.Properties, s.PatternProperties, s.AdditionalProperties, s.PropertyNames = nil, nil, nil, nil
	s.PrefixItems, s.Items2020, s.Items, s.AdditionalItems, s.Contains, s.UniqueItems = nil, nil, nil, nil, nil, false
	s.Extensions = append(s.Extensions, m)
}

// maxRegex bounds a text that is to be a regular expression, in bytes: reading one
// takes two hundred times its memory.
const maxRegex = 1000

// shorter bounds what a format takes.
func shorter(f *jsonschema.Format) *jsonschema.Format {
	if f == nil || f.Name != "regex" {
		return f
	}
	return &jsonschema.Format{Name: f.Name, Validate: func(value any) error {
		if text, _ := value.(string); len(text) > maxRegex {
			return fmt.Errorf("it is longer than %d bytes", maxRegex)
		}
		return f.Validate(value)
	}}
}

// Validate implements jsonschema.SchemaExt.
func (m *members) Validate(ctx *jsonschema.ValidatorContext, value any) {
	place := ctx.ValueLocation()
	m.checks.take(place, (1+m.ways)*weight(value))
	switch v := value.(type) {
	case map[string]any:
		m.object(ctx, v)
	case []any:
		m.list(ctx, v)
	}
}

// telling counts what a loop has told.
type telling struct {
	ctx    *jsonschema.ValidatorContext
	checks *checks
	left   int
}

// hold holds a member against a schema, and says whether to go on.
func (t *telling) hold(s *jsonschema.Schema, value any, at string) bool {
	t.checks.take(t.ctx.ValueLocation(), weight(value))
	if err := t.ctx.Validate(s, value, []string{at}); err != nil {
		if v, ok := err.(*jsonschema.ValidationError); ok { // always
			t.left -= prune(v, t.left)
		}
		t.ctx.AddErr(err)
	}
	return t.left > 0
}

// prune leaves a number of violations in what is wrong with a value, and counts
// them.
func prune(v *jsonschema.ValidationError, most int) int {
	switch v.ErrorKind.(type) {
	case *kind.AnyOf, *kind.OneOf: // told as one; see violations
		v.Causes = nil
	}
	if len(v.Causes) == 0 {
		return 1
	}
	told := 0
	for i, cause := range v.Causes {
		if told += prune(cause, most-told); told >= most {
			v.Causes = slices.Clone(v.Causes[:i+1])
			break
		}
	}
	return told
}

func (m *members) object(ctx *jsonschema.ValidatorContext, object map[string]any) {
	t := telling{ctx, m.checks, maxViolations}
	if m.unevaluated && len(object) > maxUnevaluated {
		ctx.AddError(&kind.MaxProperties{Got: len(object), Want: maxUnevaluated})
		for name := range object {
			ctx.EvaluatedProp(name)
		}
		return
	}
	var more []string
	for name, value := range object {
		if m.each > 0 {
			m.checks.take(ctx.ValueLocation(), m.each*weight(name))
		}
		own, known := m.properties[name]
		if known && !t.hold(own, value, name) {
			return
		}
		for pattern, s := range m.patterns {
			if pattern.MatchString(name) {
				if known = true; !t.hold(s, value, name) {
					return
				}
			}
		}
		if !known && m.additional != nil {
			known = true
			if s, is := m.additional.(*jsonschema.Schema); is {
				if !t.hold(s, value, name) {
					return
				}
			} else if m.additional == false {
				more = append(more, name)
			}
		}
		if known {
			ctx.EvaluatedProp(name)
		}
		if m.names != nil && m.names.Validate(name) != nil {
			if ctx.AddError(&kind.PropertyNames{Property: name}); t.left == 1 {
				return
			}
			t.left--
		}
		if len(more) == maxViolations {
			break
		}
	}
	if len(more) > 0 {
		slices.Sort(more)
		ctx.AddError(&kind.AdditionalProperties{Properties: more})
	}
}

func (m *members) list(ctx *jsonschema.ValidatorContext, list []any) {
	t := telling{ctx, m.checks, maxViolations}
	if m.unevaluated && len(list) > maxUnevaluated {
		ctx.AddError(&kind.MaxItems{Got: len(list), Want: maxUnevaluated})
		for i := range list {
			ctx.EvaluatedItem(i)
		}
		return
	}
	if m.rest == false && len(list) > len(m.prefix) {
		ctx.AddError(&kind.AdditionalItems{Count: len(list) - len(m.prefix)})
	}
	rest, _ := m.rest.(*jsonschema.Schema)
	for i, item := range list {
		s := rest
		if i < len(m.prefix) {
			s = m.prefix[i]
		}
		if s == nil {
			break
		}
		if ctx.EvaluatedItem(i); !t.hold(s, item, strconv.Itoa(i)) {
			return
		}
	}
	if m.contains != nil {
		m.count(ctx, list)
	}
	if m.unique {
		m.checks.take(ctx.ValueLocation(), size(list))
		if i, j, two := twice(list); two {
			ctx.AddError(&kind.UniqueItems{Duplicates: [2]int{i, j}})
		}
	}
}

// twice finds two items that are the same. The library's hash can be aimed at,
// so that it compares each item with each.
func twice(list []any) (first, second int, found bool) {
	known := make(map[[sha256.Size]byte]int)
	var text []byte
	for i, item := range list {
		text = appendValue(text[:0], item)
		sum := sha256.Sum256(text)
		if before, is := known[sum]; is {
			return before, i, true
		}
		known[sum] = i
	}
	return 0, 0, false
}

// appendValue writes a value so that equal ones, and no others, are the same:
// 1 and 1.0 are equal, and objects have no order. A number that is no int64 is
// what a float64 holds of it, as in flows: the exact fraction of 1e-300 has a
// thousand digits, and a body holds half a million such numbers.
func appendValue(b []byte, value any) []byte {
	switch v := value.(type) {
	case map[string]any:
		b = append(b, '{')
		for _, name := range slices.Sorted(maps.Keys(v)) {
			b = appendValue(append(strconv.AppendQuote(b, name), ':'), v[name])
		}
		return append(b, '}')
	case []any:
		b = append(b, '[')
		for _, item := range v {
			b = append(appendValue(b, item), ',')
		}
		return append(b, ']')
	case string:
		return strconv.AppendQuote(b, v)
	case int64:
		return strconv.AppendInt(b, v, 10)
	case float64:
		if whole := int64(v); float64(whole) == v && math.Abs(v) < 1<<63 {
			return strconv.AppendInt(b, whole, 10)
		}
		return strconv.AppendFloat(b, v, 'g', -1, 64)
	case json.Number:
		if whole, err := v.Int64(); err == nil {
			return strconv.AppendInt(b, whole, 10)
		}
		if number, err := v.Float64(); err == nil {
			return appendValue(b, number)
		}
	}
	return fmt.Append(b, value) // null, a boolean, or a number beyond all others
}

// count looks how many items are as they should be; what is wrong with the
// others is nobody's business.
func (m *members) count(ctx *jsonschema.ValidatorContext, list []any) {
	var found []int
	for i, item := range list {
		m.checks.take(ctx.ValueLocation(), weight(item))
		if ctx.Validate(m.contains, item, []string{strconv.Itoa(i)}) != nil {
			continue
		}
		ctx.EvaluatedItem(i)
		if found = append(found, i); m.most != nil && len(found) > *m.most {
			ctx.AddError(&kind.MaxContains{Got: found, Want: *m.most})
			break
		}
	}
	switch {
	case m.least == nil && len(found) == 0:
		ctx.AddError(&kind.Contains{})
	case m.least != nil && len(found) < *m.least:
		ctx.AddError(&kind.MinContains{Got: found, Want: *m.least})
	}
}
