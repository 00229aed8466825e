package openapi

import "strings"

// schema gives a route's schema for a place in the document. One that refers
// to its own parts becomes a component of the name, since "#" means the whole
// document there.
func (b *builder) schema(of map[string]any, name string) any {
	copied := copied(of).(map[string]any)
	delete(copied, "$schema")
	at, own := "#/components/schemas/"+name, false
	eachSchema(copied, func(s map[string]any) {
		eachRef(s, func(ref string) string {
			rest, found := strings.CutPrefix(ref, "#")
			if !found {
				return ref
			}
			own = true
			return at + rest
		})
	})
	if !own {
		return copied
	}
	b.schemas[name] = copied
	return map[string]any{"$ref": at}
}

// copied gives a JSON value that shares nothing with the one given.
func copied(value any) any {
	switch v := value.(type) {
	case map[string]any:
		m := make(map[string]any, len(v))
		for key, inner := range v {
			m[key] = copied(inner)
		}
		return m
	case []any:
		list := make([]any, len(v))
		for i, inner := range v {
			list[i] = copied(inner)
		}
		return list
	}
	return value
}

// eachSchema calls do with a schema and all schemas in it. What stands in a
// constant or an example is data, whatever it looks like.
func eachSchema(schema any, do func(map[string]any)) {
	switch v := schema.(type) {
	case map[string]any:
		for key, inner := range v {
			switch key {
			case "const", "enum", "default", "examples", "example":
			case "properties", "patternProperties", "$defs", "definitions", "dependentSchemas":
				named, ok := inner.(map[string]any)
				if !ok {
					continue
				}
				for _, one := range named { // by any name, such as "$ref"
					eachSchema(one, do)
				}
			default:
				eachSchema(inner, do)
			}
		}
		do(v)
	case []any:
		for _, inner := range v {
			eachSchema(inner, do)
		}
	}
}

// eachRef changes the references that one schema makes.
func eachRef(schema map[string]any, change func(ref string) string) {
	for _, key := range []string{"$ref", "$dynamicRef"} {
		if ref, isText := schema[key].(string); isText {
			schema[key] = change(ref)
		}
	}
}
