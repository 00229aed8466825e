package bind

import (
	"fmt"
	"slices"

	"github.com/trama-run/trama/host/source"
)

// all gives the type of a value that fits several schemas: what v refers to,
// those of its allOf, and itself.
func (b *builder) all(v source.Value, hint []string, early func(*named)) *use {
	if u, known := b.whole[v]; known {
		if u == nil {
			return unknown("allOf that stands in itself")
		}
		again := *u
		return &again
	}
	if types, _ := typesOf(v); len(types) > 1 {
		return unknown("schemas of a value of several types")
	}
	ones := items(v.Get("allOf"))
	if pointer, own := v.Get("$ref"), objectOf(v); !pointer.IsZero() && !own && len(ones) == 0 {
		return b.reference(str(pointer), hint)
	} else if pointer.IsZero() && !own && len(ones) == 1 {
		return b.convert(ones[0], hint, early)
	}
	parts, why := b.parts(v, nil)
	if why != nil {
		return why
	}
	b.whole[v] = nil
	u := b.object(parts, v, hint, func(n *named) {
		b.whole[v] = &use{kind: of, to: n}
		early(n)
	})
	b.whole[v] = u
	return u
}

// objectOf says whether a schema says itself, not by others, what an object has.
func objectOf(v source.Value) bool {
	return slices.ContainsFunc([]string{"properties", "required", "additionalProperties", "patternProperties"},
		func(key string) bool { return has(v, key) })
}

// parts gives the schemas of objects of which v is made; or why there is no
// type for them together. around are the references that led to v.
func (b *builder) parts(v source.Value, around []string) (parts []source.Value, why *use) {
	if v.Any() == false {
		return nil, unknown("no value fits its schema")
	}
	for _, key := range []string{"enum", "const", "oneOf", "anyOf", "items", "prefixItems"} {
		if has(v, key) {
			return nil, unknown("allOf of what is no object")
		}
	}
	if types, _ := typesOf(v); has(v, "type") && !slices.Equal(types, []string{"object"}) {
		return nil, unknown("allOf of what is no object")
	}
	if objectOf(v) {
		parts = append(parts, v)
	}
	if pointer := str(v.Get("$ref")); has(v, "$ref") {
		target, _, why := b.find(pointer)
		if why == nil && slices.Contains(around, pointer) {
			why = unknown("%s stands in itself", pointer)
		}
		if why != nil {
			return nil, why
		}
		more, why := b.parts(target, append(slices.Clone(around), pointer))
		if why != nil {
			return nil, why
		}
		parts = append(parts, more...)
	}
	for _, one := range items(v.Get("allOf")) {
		more, why := b.parts(one, around)
		if why != nil {
			return nil, why
		}
		parts = append(parts, more...)
	}
	return parts, nil
}

// declared says whether one of several schemas, beside the properties of v,
// declares others.
func declared(v source.Value) bool {
	for _, one := range append(items(v.Get("oneOf")), items(v.Get("anyOf"))...) {
		if has(one, "$ref") || has(one, "allOf") {
			return true
		}
		for _, key := range one.Get("properties").Keys() {
			if !has(v.Get("properties"), key) {
				return true
			}
		}
	}
	return false
}

// oneOf gives the type of a value that fits one of several schemas.
func (b *builder) oneOf(members []source.Value, v source.Value, hint []string, early func(*named)) *use {
	nullable := false
	members = slices.DeleteFunc(members, func(m source.Value) bool {
		isNull := str(m.Get("type")) == "null" || has(m, "const") && m.Get("const").Any() == nil
		nullable = nullable || isNull
		return isNull
	})
	switch len(members) {
	case 0:
		return &use{nullable: true, why: "null alone"}
	case 1:
		u := *b.convert(members[0], hint, early)
		u.nullable = u.nullable || nullable
		return &u
	}
	var values []any
	for _, m := range members {
		switch {
		case has(m, "const"):
			values = append(values, m.Get("const").Any())
		case has(m, "enum"):
			for _, value := range items(m.Get("enum")) {
				values = append(values, value.Any())
			}
		default:
			n := b.declare(union, hint, described(v), early)
			for i, m := range members {
				n.variants = append(n.variants, b.convert(m, b.variantHint(n, m, i), nobody))
			}
			return &use{kind: of, to: n, nullable: nullable}
		}
	}
	u := *b.choice(source.ValueOf(values), v, hint, early)
	u.nullable = u.nullable || nullable
	return &u
}

// variantHint is what to call a schema among several.
func (b *builder) variantHint(n *named, m source.Value, i int) []string {
	if title := words(str(m.Get("title"))); len(title) > 0 && title[0] != "field" {
		return append(words(n.name), title...)
	}
	return append(words(n.name), fmt.Sprint(i+1))
}

// choice gives the type of a value that is one of a list.
func (b *builder) choice(from source.Value, v source.Value, hint []string, early func(*named)) *use {
	u := &use{}
	var values []string
	kinds := map[kind]bool{}
	list, _ := from.Any().([]any)
	for _, value := range list {
		switch value := value.(type) {
		case nil:
			u.nullable = true
		case string:
			kinds[text] = true
			if !slices.Contains(values, value) {
				values = append(values, value)
			}
		case int64:
			kinds[integer] = true
		case float64:
			kinds[number] = true
		case bool:
			kinds[boolean] = true
		default:
			kinds[raw] = true
		}
	}
	switch {
	case len(kinds) == 1 && kinds[text]:
		n := b.declare(enum, hint, described(v), early)
		n.values = values
		u.kind, u.to = of, n
	case len(kinds) == 1 && kinds[boolean]:
		u.kind = boolean
	case len(kinds) == 1 && kinds[integer]:
		u.kind = integer
	case len(kinds) > 0 && !kinds[text] && !kinds[boolean] && !kinds[raw]:
		u.kind = number
	default:
		u.why = "values of several types"
	}
	return u
}
