package bind

// goHelpers are functions that a file has if it calls them. Their names are in
// lower case, which no type's is.
var goHelpers = []struct{ name, text string }{
	{"boundRead", `// boundRead reads the fields of an object, which have exactly these names, and
// gives its others.
func boundRead(data []byte, fields any, names ...string) (others map[string]json.RawMessage, err error) {
	if err := json.Unmarshal(data, &others); err != nil {
		return nil, err
	}
	own := map[string]json.RawMessage{}
	for _, name := range names {
		if value, there := others[name]; there {
			own[name] = value
			delete(others, name)
		}
	}
	if len(others) > 0 {
		if data, err = json.Marshal(own); err != nil {
			return nil, err
		}
	}
	return others, json.Unmarshal(data, fields)
}
`},
	{"boundRest", `// boundRest reads the other fields of an object, of which nil is none.
func boundRest[T any](others map[string]json.RawMessage) (rest map[string]T, err error) {
	for _, name := range slices.Sorted(maps.Keys(others)) { // the same error each time
		var value T
		if err := json.Unmarshal(others[name], &value); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if rest == nil {
			rest = map[string]T{}
		}
		rest[name] = value
	}
	return rest, nil
}
`},
	{"boundNone", `// boundNone refuses other fields of an object.
func boundNone(others map[string]json.RawMessage) error {
	if len(others) == 0 {
		return nil
	}
	return fmt.Errorf("unknown field %q", slices.Min(slices.Collect(maps.Keys(others)))) // the same each time
}
`},
	{"boundNulls", `// boundNulls gives the names at which an object has null.
func boundNulls(data []byte, names ...string) (nulls []string, err error) {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(data, &all); err != nil {
		return nil, err
	}
	for _, name := range names {
		if string(all[name]) == "null" {
			nulls = append(nulls, name)
		}
	}
	return nulls, nil
}
`},
	{"boundItems", `// boundItems gives a copy of a list, each item being full.
func boundItems[T any](list []T, full func(T) T) []T {
	list = slices.Clone(list)
	for i, item := range list {
		list[i] = full(item)
	}
	return list
}
`},
	{"boundValues", `// boundValues gives a copy of a map, each value being full.
func boundValues[T any](all map[string]T, full func(T) T) map[string]T {
	all = maps.Clone(all)
	for name, value := range all {
		all[name] = full(value)
	}
	return all
}
`},
	{"boundList", `// boundList makes a list of nil.
func boundList[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
`},
	{"boundMap", `// boundMap makes a map of nil.
func boundMap[T any](all map[string]T) map[string]T {
	if all == nil {
		return map[string]T{}
	}
	return all
}
`},
	{"boundWrite", `// boundWrite writes an object of fields, and of nulls and others, which don't
// replace them.
func boundWrite[T any](fields any, rest map[string]T, nulls ...string) ([]byte, error) {
	data, err := json.Marshal(fields)
	if err != nil || len(rest)+len(nulls) == 0 {
		return data, err
	}
	all := map[string]any{}
	for _, name := range nulls {
		all[name] = nil
	}
	for name, value := range rest {
		all[name] = value
	}
	var own map[string]json.RawMessage
	if err := json.Unmarshal(data, &own); err != nil {
		return nil, err
	}
	for name, value := range own {
		all[name] = value
	}
	return json.Marshal(all)
}
`},
}
