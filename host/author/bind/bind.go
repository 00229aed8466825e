// Package bind writes types of a plugin's operations in a language, from the
// JSON Schemas of its manifest, so that an author's compiler knows what the
// manifest promises.
//
// What a type can say of a schema is its shape: objects, lists, maps, texts,
// numbers, enumerations, what may be null or missing, and choices where the
// language has them. What none says (patterns, bounds) stays for the schema to
// check; a shape that a language has no type for is JSON as it came, with a
// comment that says why. A number is the language's own, which is what one
// calculates with; a file that has one says how far it keeps a whole number's
// digits. The package does no I/O.
package bind

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/trama-run/trama/host/source"
	"github.com/trama-run/trama/pdk/abi"
)

// Languages lists the languages that types can be written in.
func Languages() []string { return []string{"go", "rust", "ts"} }

// Options are those of one result.
type Options struct {
	Language string
	// Package is the name of the Go package; empty: main.
	Package string
}

// Types gives the source text of a file with the types. The same manifest gives
// the same text. An operation create_deal has CreateDealInput and
// CreateDealOutput; the plugin's settings, or those of a channel with it, are
// Config. Of operations whose names fold to one, as deal_2 and deal2 do, the later
// ones have a number behind.
func Types(m abi.Manifest, o Options) ([]byte, error) {
	var style style
	switch o.Language {
	case "go":
		style = goStyle()
	case "rust":
		style = rustStyle()
	case "ts":
		style = tsStyle()
	default:
		return nil, fmt.Errorf("language %q: want %s", o.Language, strings.Join(Languages(), ", "))
	}
	b := &builder{style: style, taken: map[string]bool{}, refs: map[string]*use{}, whole: map[source.Value]*use{}}
	for _, name := range style.reserved {
		b.taken[name] = true
	}
	type schema struct {
		name string // of its type
		path string
		text []byte
		doc  string
	}
	var all []schema
	stems := map[string]bool{}
	for i, op := range m.Operations {
		stem, path := unique(stems, style.pascal(words(op.Name))), fmt.Sprintf("operations[%d].", i)
		all = append(all,
			schema{stem + "Input", path + "input", op.Input, "the input of " + m.Name + "." + op.Name},
			schema{stem + "Output", path + "output", op.Output, "the output of " + m.Name + "." + op.Name})
	}
	of := "the settings of " + m.Name
	if m.Kind == abi.KindChannel {
		of = "the settings of a channel with " + m.Name
	}
	all = append(all, schema{"Config", "config", m.Config, of})
	all = slices.DeleteFunc(all, func(s schema) bool { return len(s.text) == 0 })
	if len(all) == 0 {
		return nil, fmt.Errorf("the manifest of %s has no schemas: give its operations input and output", m.Name)
	}
	for _, s := range all { // their names before those of their parts
		b.taken[s.name] = true
	}
	for _, s := range all {
		var root source.Value
		if problems := source.Decode(s.path, s.text, &root); len(problems) > 0 {
			return nil, problems
		}
		b.document(root, s.name, s.doc)
	}
	mark(b.types)
	return style.write(m, o, b.types)
}

// style is how a language is written.
type style struct {
	pascal   func([]string) string
	reserved []string // names of types that the language or its library has
	write    func(abi.Manifest, Options, []*named) ([]byte, error)
}

// integerDigits is what to do where the type of a number keeps too few digits, in
// languages that have one for whole numbers.
const integerDigits = `where each digit counts, the schema's type is "integer".`

// digits is a comment on a type of numbers that a text has.
func digits(text, number, remedy string) string {
	if !regexp.MustCompile(`\b` + number + `\b`).MatchString(text) {
		return ""
	}
	return fmt.Sprintf("//\n// A %s keeps the digits of whole numbers up to 2^53:\n// %s\n", number, remedy)
}
