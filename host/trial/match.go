package trial

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// match compares a value with an expectation, and gives the differences, one a
// line. An object must have the fields given, and may have more; a list must
// have the items given and no more; all else must be equal. An object with one
// of these fields alone says what a value is like:
//
//	{$match: "^[0-9]+$"}  a text that the expression finds something in
//	{$contains: "abc"}    a text with this in it, or a list with such an item
//	{$any: true}          anything that is there and not null
//	{$absent: true}       nothing, or null
func match(at string, want, got any) []string {
	if name, operand, ok := operatorOf(want); ok {
		return matchOperator(at, name, operand, got)
	}
	switch want := want.(type) {
	case map[string]any:
		object, ok := got.(map[string]any)
		if !ok {
			return differ(at, want, got)
		}
		var all []string
		for _, name := range slices.Sorted(maps.Keys(want)) {
			field := name
			if at != "" {
				field = at + "." + name
			}
			value, there := object[name]
			if _, _, operator := operatorOf(want[name]); !there && !operator {
				all = append(all, fmt.Sprintf("%s: want %s, and it is not there", field, shown(want[name])))
				continue
			}
			all = append(all, match(field, want[name], value)...)
		}
		return all
	case []any:
		list, ok := got.([]any)
		if !ok || len(list) != len(want) {
			return differ(at, want, got)
		}
		var all []string
		for i := range want {
			all = append(all, match(fmt.Sprintf("%s[%d]", at, i), want[i], list[i])...)
		}
		return all
	}
	if !same(want, got) {
		return differ(at, want, got)
	}
	return nil
}

var operators = []string{"$match", "$contains", "$any", "$absent"}

func operatorOf(want any) (name string, operand any, ok bool) {
	object, _ := want.(map[string]any)
	if len(object) != 1 {
		return "", nil, false
	}
	for name, operand := range object {
		if slices.Contains(operators, name) {
			return name, operand, true
		}
	}
	return "", nil, false
}

func matchOperator(at, name string, operand, got any) []string {
	fits := false
	switch name {
	case "$any":
		fits = got != nil
	case "$absent":
		fits = got == nil
	case "$match":
		text, isText := got.(string)
		pattern, err := regexp.Compile(fmt.Sprint(operand))
		if err != nil {
			return []string{fmt.Sprintf("%s: $match: %v", at, err)}
		}
		fits = isText && pattern.MatchString(text)
	case "$contains":
		switch value := got.(type) {
		case string:
			fits = strings.Contains(value, fmt.Sprint(operand))
		case []any:
			fits = slices.ContainsFunc(value, func(item any) bool { return len(match(at, operand, item)) == 0 })
		}
	}
	if fits {
		return nil
	}
	return differ(at, map[string]any{name: operand}, got)
}

func differ(at string, want, got any) []string {
	return []string{fmt.Sprintf("%s: want %s, got %s", at, shown(want), shown(got))}
}

// same compares what is no object or list; numbers by their values.
func same(want, got any) bool {
	if a, ok := number(want); ok {
		b, ok := number(got)
		return ok && a == b
	}
	return want == nil && got == nil || want != nil && got != nil && shown(want) == shown(got)
}

func number(v any) (float64, bool) {
	switch n := v.(type) {
	case int64:
		return float64(n), true
	case float64:
		return n, true
	}
	return 0, false
}

// shown gives a value as JSON in one line.
func shown(v any) string {
	var text strings.Builder
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return err.Error()
	}
	const width = 400
	if line := []rune(strings.TrimSpace(text.String())); len(line) > width {
		return fmt.Sprintf("%s… (%d characters)", string(line[:width]), len(line))
	}
	return strings.TrimSpace(text.String())
}

// compare puts two lists beside each other, one item a line: "  " before those
// of both, "- " before what is wanted and not there, "+ " before what is there
// and not wanted. It gives nothing if all are the same.
func compare(want, got []string, same func(want, got string) bool) []string {
	// The longest common subsequence, from the end.
	length := make([][]int, len(want)+1)
	for i := range length {
		length[i] = make([]int, len(got)+1)
	}
	for i := len(want) - 1; i >= 0; i-- {
		for j := len(got) - 1; j >= 0; j-- {
			if length[i][j] = max(length[i+1][j], length[i][j+1]); same(want[i], got[j]) {
				length[i][j] = max(length[i][j], length[i+1][j+1]+1)
			}
		}
	}
	var lines []string
	i, j, differs := 0, 0, false
	for i < len(want) || j < len(got) {
		switch {
		case i < len(want) && j < len(got) && same(want[i], got[j]) && length[i][j] == length[i+1][j+1]+1:
			lines = append(lines, "  "+got[j])
			i, j = i+1, j+1
		case j == len(got) || i < len(want) && length[i+1][j] >= length[i][j+1]:
			lines, differs = append(lines, "- "+want[i]), true
			i++
		default:
			lines, differs = append(lines, "+ "+got[j]), true
			j++
		}
	}
	if !differs {
		return nil
	}
	return lines
}
