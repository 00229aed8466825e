package strict

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// breach is a body that breaks one part of its schema.
type breach struct {
	what  string
	value any
}

// breaks gives copies of value that break one part of the schema each:
// properties that must be there, types, unknown properties, words, lengths.
// $ref and the like are not followed; contracts write their schemas out.
func breaks(schema map[string]any, value any, at string) []breach {
	var all []breach
	add := func(what string, value any) { all = append(all, breach{at + ": " + what, value}) }
	if kinds := types(schema); len(kinds) > 0 {
		if other, ok := otherType(kinds); ok {
			add(fmt.Sprintf("%T", other), other)
		}
	}
	if _, ok := schema["enum"]; ok {
		add("an unknown word", "unheard_of")
	}
	switch value := value.(type) {
	case map[string]any:
		required, _ := schema["required"].([]any)
		for _, name := range required {
			add(fmt.Sprintf("no %v", name), without(value, name.(string)))
		}
		if schema["additionalProperties"] == false {
			add("an unknown property", with(value, "unheard_of", "x"))
		}
		properties, _ := schema["properties"].(map[string]any)
		for _, name := range slices.Sorted(maps.Keys(properties)) {
			inner, ok := properties[name].(map[string]any)
			if _, present := value[name]; !present || !ok {
				continue
			}
			for _, b := range breaks(inner, value[name], at+"."+name) {
				all = append(all, breach{b.what, with(value, name, b.value)})
			}
		}
		if inner, ok := schema["additionalProperties"].(map[string]any); ok {
			for _, name := range slices.Sorted(maps.Keys(value)) {
				if _, known := properties[name]; known {
					continue
				}
				for _, b := range breaks(inner, value[name], at+"."+name) {
					all = append(all, breach{b.what, with(value, name, b.value)})
				}
				break // one stands for all
			}
		}
	case []any:
		if least, ok := schema["minItems"].(float64); ok && least > 0 {
			add("too few items", []any{})
		}
		if most, ok := schema["maxItems"].(float64); ok && len(value) > 0 {
			add("too many items", slices.Repeat(value[:1], int(most)+1))
		}
		if inner, ok := schema["items"].(map[string]any); ok && len(value) > 0 {
			for _, b := range breaks(inner, value[0], at+"[0]") {
				all = append(all, breach{b.what, append([]any{b.value}, value[1:]...)})
			}
		}
	case json.Number:
		if most, ok := schema["maximum"].(float64); ok {
			add("too large", json.Number(fmt.Sprintf("%.0f", most+1)))
		}
	case string:
		if least, ok := schema["minLength"].(float64); ok && least > 0 {
			add("empty", "")
		}
		if _, ok := schema["pattern"]; ok {
			add("another form", "~ wrong ~")
		}
	}
	return all
}

func types(schema map[string]any) (all []string) {
	switch kind := schema["type"].(type) {
	case string:
		all = []string{kind}
	case []any:
		for _, one := range kind {
			all = append(all, one.(string))
		}
	}
	return all
}

// otherType gives a value of a type that is none of kinds.
func otherType(kinds []string) (any, bool) {
	has := func(kind string) bool { return slices.Contains(kinds, kind) }
	switch {
	case !has("number") && !has("integer"):
		return json.Number("7"), true
	case !has("string"):
		return "text", true
	case !has("boolean"):
		return true, true
	case !has("object"):
		return map[string]any{}, true
	}
	return nil, false
}

func with(object map[string]any, name string, value any) map[string]any {
	out := maps.Clone(object)
	out[name] = value
	return out
}

func without(object map[string]any, name string) map[string]any {
	out := maps.Clone(object)
	delete(out, name)
	return out
}
