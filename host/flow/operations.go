package flow

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/trama-run/trama/host/source"
	"github.com/trama-run/trama/pdk/abi"
)

// Operations gives the operations of an installed plugin; ok is false if
// there is no such plugin.
type Operations func(plugin string) (operations []abi.Operation, ok bool)

// Held is a node that waits for a plugin.
type Held struct {
	At     source.Place `json:"at"`
	Node   string       `json:"node"`
	Plugin string       `json:"plugin"`
}

// Error says which node waits for which plugin.
func (h Held) Error() string {
	return fmt.Sprintf("node %q waits for the plugin %q; put %s.wasm into the plugins directory", h.Node, h.Plugin, h.Plugin)
}

// Check finds what is wrong with a parsed flow given the installed plugins:
// operations that a plugin does not have, and input that its JSON Schema
// refuses as far as that is known before templates are expanded. A plugin
// that is not installed is no problem: its nodes are held.
func (f *Flow) Check(operations Operations) (problems source.Problems, held []Held) {
	for i := range f.Nodes {
		n := &f.Nodes[i]
		plugin, wanted := n.Calls()
		if plugin == "" {
			continue
		}
		ops, ok := operations(plugin)
		if !ok {
			held = append(held, Held{n.At, n.ID, plugin})
			continue
		}
		if wanted == "" { // a script
			continue
		}
		at := slices.IndexFunc(ops, func(op abi.Operation) bool { return op.Name == wanted })
		if at < 0 {
			var types []string
			for _, op := range ops {
				types = append(types, plugin+"."+op.Name)
			}
			problems.Add(n.At, source.Suggest(n.Type, types), "the plugin %q has no operation %q", plugin, wanted)
			continue
		}
		if n.Retry != nil && ops[at].Effect == abi.EffectUnsafe {
			problems.Add(n.Retry.At, "take retry away, or use an operation that may be repeated", "%s is unsafe to repeat, so it is called once at most", n.Type)
		}
		problems = append(problems, n.checkInput(ops[at].Input)...)
	}
	problems.Sort()
	return problems, held
}

const inputURL = "trama:///input.json"

// checkInput compares "with" with the operation's JSON Schema: the fields
// that are required and allowed, and the values of fields without templates.
func (n *Node) checkInput(schema json.RawMessage) (problems source.Problems) {
	if len(schema) == 0 {
		return nil
	}
	var shape struct {
		Properties           map[string]json.RawMessage `json:"properties"`
		Required             []string                   `json:"required"`
		AdditionalProperties *bool                      `json:"additionalProperties"`
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema))
	if err == nil {
		// A schema may be true or false, or use other words: then there is
		// nothing to compare here and the plugin decides.
		if err := json.Unmarshal(schema, &shape); err != nil {
			return nil
		}
	}
	compiler := jsonschema.NewCompiler()
	compiler.UseLoader(jsonschema.SchemeURLLoader{}) // a $ref reads no file
	if err == nil {
		err = compiler.AddResource(inputURL, document)
	}
	if err == nil {
		_, err = compiler.Compile(inputURL)
	}
	if err != nil {
		problems.Add(n.At, "report it to the plugin's author", "the input schema of %s is broken: %v", n.Type, err)
		return problems
	}
	at := n.At
	if !n.With.IsZero() {
		at = n.With.Place()
	}
	given := n.With.Keys()
	for _, name := range shape.Required {
		if !slices.Contains(given, name) {
			problems.Add(at, fmt.Sprintf("add %q", name+": ..."), "%s needs %q in \"with\"", n.Type, name)
		}
	}
	known := slices.Sorted(maps.Keys(shape.Properties))
	for _, name := range given {
		if _, ok := shape.Properties[name]; !ok {
			if shape.AdditionalProperties != nil && !*shape.AdditionalProperties {
				problems.Add(n.With.KeyPlace(name), source.Suggest(name, known), "%s takes no %q", n.Type, name)
			}
			continue
		}
		value := n.With.Get(name)
		var t Template
		if len(t.UnmarshalSource(value)) > 0 {
			continue
		}
		literal, ok := t.Literal()
		if !ok {
			continue
		}
		property, err := compiler.Compile(inputURL + "#/properties/" + strings.NewReplacer("~", "~0", "/", "~1", "%", "%25").Replace(name))
		if err != nil {
			problems.Add(n.At, "report it to the plugin's author", "the input schema of %s is broken at %q: %v", n.Type, name, err)
			continue
		}
		if err := property.Validate(literal); err != nil {
			problems.Add(value.Place(), "", "%s does not take this %q: %s", n.Type, name, reason(err))
		}
	}
	return problems
}

// reason gives the innermost cause of a validation error, in one line.
func reason(err error) string {
	text := err.Error()
	if i := strings.LastIndex(text, "- at "); i >= 0 {
		text = text[i+2:]
	}
	text = strings.TrimPrefix(text, "at '': ")
	return strings.ReplaceAll(text, "\n", " ")
}
