package brackets

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// Flatten gives the rows that [Build] makes a value of again. Empty objects and
// lists are values of rows, and so are objects that have a member without a
// name, for which there is no key.
func Flatten(from json.RawMessage) ([]Row, error) {
	var rows []Row
	err := walk(from, nil, func(path []step, leaf json.RawMessage) {
		key := ""
		for i, s := range path {
			switch {
			case s.index >= 0:
				key += "[" + strconv.Itoa(s.index) + "]"
			case i == 0:
				key = escape(s.name, false)
			default:
				key += "[" + escape(s.name, true) + "]"
			}
		}
		rows = append(rows, Row{Key: key, Value: leaf})
	})
	if err == nil && len(rows) == 1 && rows[0].Key == "" && string(rows[0].Value) == "{}" {
		return nil, nil
	}
	for _, row := range rows {
		if row.Key == "" {
			return nil, errors.New("there are no keys for this: it is neither an object with named members nor a list of something")
		}
	}
	return rows, err
}

// Pair is one field of a form.
type Pair struct{ Name, Value string }

// Form gives the fields of a form, as PHP's http_build_query spells them: a[b]
// for members, a[0] for items, and nothing for null.
func Form(from json.RawMessage) ([]Pair, error) {
	var pairs []Pair
	var failed error
	err := walk(from, nil, func(path []step, leaf json.RawMessage) {
		name := ""
		for i, s := range path {
			part := s.name
			if s.index >= 0 {
				part = strconv.Itoa(s.index)
			}
			if i > 0 {
				part = "[" + part + "]"
			}
			name += part
		}
		text, ok, err := Text(leaf)
		if err != nil && string(leaf) != "{}" && string(leaf) != "[]" {
			failed = fmt.Errorf("%s: %w", short(name), err)
		}
		if ok {
			pairs = append(pairs, Pair{name, text})
		}
	})
	return pairs, errors.Join(err, failed)
}

// Text gives a text, a number or a boolean as a form has it; ok is false for
// null.
func Text(leaf json.RawMessage) (text string, ok bool, err error) {
	leaf = bytes.TrimSpace(leaf)
	switch {
	case len(leaf) == 0 || leaf[0] == 'n':
		return "", false, nil
	case leaf[0] == '{' || leaf[0] == '[':
		return "", false, errors.New("an object or a list; want text, a number or a boolean")
	case leaf[0] == '"':
		err = json.Unmarshal(leaf, &text)
		return text, err == nil, err
	}
	return string(leaf), true, nil
}

// step leads to a member (index -1) or an item.
type step struct {
	name  string
	index int
}

// member is one of an object.
type member struct {
	name  string
	value json.RawMessage
}

// walk calls found for each value that is no object and no list, and for empty
// ones, in their order.
func walk(from json.RawMessage, path []step, found func([]step, json.RawMessage)) error {
	from = bytes.TrimSpace(from)
	if len(path) > MaxDepth {
		return fmt.Errorf("it is more than %d levels deep", MaxDepth)
	}
	switch {
	case len(from) > 0 && from[0] == '[':
		var items []json.RawMessage
		if err := json.Unmarshal(from, &items); err != nil {
			return err
		}
		if len(items) == 0 || len(path) == MaxDepth {
			break
		}
		if len(items) > MaxIndex+1 {
			return fmt.Errorf("a list has %d items, and %d is the most", len(items), MaxIndex+1)
		}
		for i, item := range items {
			if err := walk(item, append(path[:len(path):len(path)], step{index: i}), found); err != nil {
				return err
			}
		}
		return nil
	case len(from) > 0 && from[0] == '{':
		all, named, err := members(from)
		if err != nil {
			return err
		}
		if len(all) == 0 || !named || len(path) == MaxDepth {
			break
		}
		for _, m := range all {
			if err := walk(m.value, append(path[:len(path):len(path)], step{m.name, -1}), found); err != nil {
				return err
			}
		}
		return nil
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, from); err != nil {
		return err
	}
	found(path, compact.Bytes())
	return nil
}

// members reads an object in its order; of two members of one name, the last
// counts. named is false if one has no name.
func members(from json.RawMessage) (all []member, named bool, err error) {
	decoder := json.NewDecoder(bytes.NewReader(from))
	if _, err := decoder.Token(); err != nil {
		return nil, false, err
	}
	named = true
	at := map[string]int{}
	for decoder.More() {
		token, err := decoder.Token()
		if err != nil {
			return nil, false, err
		}
		m := member{name: token.(string)}
		if err := decoder.Decode(&m.value); err != nil {
			return nil, false, err
		}
		named = named && m.name != ""
		if i, twice := at[m.name]; twice {
			all[i] = m
			continue
		}
		at[m.name] = len(all)
		all = append(all, m)
	}
	if _, err := decoder.Token(); err != nil {
		return nil, false, err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, false, errors.New("there is something after the value")
	}
	return all, named, nil
}

// At gives the value at a key, as rows spell one; null if there is nothing
// there.
func At(from json.RawMessage, key string) (json.RawMessage, error) {
	path, err := parse(key)
	if err != nil {
		return nil, fmt.Errorf("%q: %w", short(key), err)
	}
	at := bytes.TrimSpace(from)
	for _, s := range path {
		switch {
		case s.index == appended:
			return nil, fmt.Errorf("%q: empty brackets name no place", short(key))
		case len(at) > 0 && at[0] == '{':
			all, _, err := members(at)
			if err != nil {
				return nil, err
			}
			at = []byte("null")
			for _, m := range all {
				if m.name == s.text {
					at = bytes.TrimSpace(m.value)
				}
			}
		case len(at) > 0 && at[0] == '[' && s.isIndex():
			var items []json.RawMessage
			if err := json.Unmarshal(at, &items); err != nil {
				return nil, err
			}
			at = []byte("null")
			if s.index < len(items) {
				at = bytes.TrimSpace(items[s.index])
			}
		default:
			return json.RawMessage("null"), nil
		}
	}
	return json.RawMessage(at), nil
}
