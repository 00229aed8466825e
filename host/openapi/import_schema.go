package openapi

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"github.com/trama-run/trama/host/schema"
	"github.com/trama-run/trama/host/source"
)

// unescape reads one step of a JSON pointer in a URI fragment.
func unescape(step string) string {
	if decoded, err := url.PathUnescape(step); err == nil {
		step = decoded
	}
	return strings.NewReplacer("~1", "/", "~0", "~").Replace(step)
}

// schema makes a schema that stands for itself of one in the document: what it
// refers to comes along under $defs. It is nil, with a note, where it can't.
func (r *reader) schema(o operation, what string, v source.Value) map[string]any {
	if v.IsZero() || r.work > maxWork {
		if !v.IsZero() && !r.tired {
			r.tired = true
			r.note(v.Place(), "split the document", "this schema and those after it are left out: together they are too large")
		}
		return nil
	}
	leaveOut := func(hint, format string, args ...any) map[string]any {
		r.note(v.Place(), hint, "%s: the schema of its %s is left out: %s", o.name, what, fmt.Sprintf(format, args...))
		return nil
	}
	b := bundle{document: r.document, old: r.old, names: map[string]string{}, defs: map[string]any{}}
	made := b.of(v)
	r.work += b.size
	if b.failure != "" {
		return leaveOut("put all that it needs into the document", "%s", b.failure)
	}
	if len(made) == 0 {
		return nil
	}
	text, err := json.Marshal(made)
	if err != nil {
		return leaveOut("", "%v", err)
	}
	if len(text) > maxSchema || r.schemas+len(text) > maxSchemas {
		return leaveOut("write a smaller one by hand", "with all that it refers to it is too large")
	}
	if _, err := schema.Compile(made); err != nil {
		return leaveOut("mend it in the document", "%v", err)
	}
	r.schemas += len(text)
	return made
}

// bundle is one schema with all that it refers to.
type bundle struct {
	document source.Value
	old      bool
	root     string            // the pointer to the schema, if it is a component
	names    map[string]string // of defs, by the pointers to what they were
	defs     map[string]any
	size     int
	failure  string // why it can't be made
}

// of gives the schema. One that is only a reference is what it refers to.
func (b *bundle) of(v source.Value) map[string]any {
	for range maxHops {
		ref, ok := v.Get("$ref").Any().(string)
		if !ok || len(v.Keys()) > 1 {
			break
		}
		pointer, local := strings.CutPrefix(ref, "#")
		if !local {
			break // refused below
		}
		b.root, v = pointer, b.document.Get(steps(pointer)...)
	}
	made, ok := b.converted(v).(map[string]any)
	if !ok {
		return map[string]any{}
	}
	delete(made, "$schema")
	if len(b.defs) == 0 {
		return made
	}
	defs, ok := made["$defs"].(map[string]any)
	if !ok {
		defs = map[string]any{}
	}
	for name, schema := range b.defs {
		if _, taken := defs[name]; taken {
			b.failure = fmt.Sprintf("it has a $defs of its own with %q, which is the name of a component too", name)
		}
		defs[name] = schema
	}
	made["$defs"] = defs
	return made
}

// converted gives a part of the document as a JSON Schema.
func (b *bundle) converted(v source.Value) any {
	value := v.Any()
	eachSchema(value, func(s map[string]any) {
		if b.size++; b.size > maxSchema/8 {
			b.failure = "with all that it refers to it is too large"
			return
		}
		eachRef(s, b.local)
		if b.old {
			modern(s)
		}
		for _, foreign := range []string{"discriminator", "xml", "externalDocs", "example"} {
			delete(s, foreign)
		}
	})
	return value
}

// local gives the reference, inside the bundle, to what a reference means in
// the document, and takes it in if it is not there yet.
func (b *bundle) local(ref string) string {
	pointer, local := strings.CutPrefix(ref, "#")
	if !local {
		b.failure = fmt.Sprintf("it refers to %q, which is not in this document", ref)
		return ref
	}
	if b.root != "" && (pointer == b.root || strings.HasPrefix(pointer, b.root+"/")) {
		return "#" + strings.TrimPrefix(pointer, b.root)
	}
	base, rest := pointer, ""
	const schemas = "/components/schemas/"
	if name, ok := strings.CutPrefix(pointer, schemas); ok {
		name, inner, deeper := strings.Cut(name, "/")
		if base = schemas + name; deeper {
			rest = "/" + inner
		}
	}
	name, known := b.names[base]
	if !known && b.failure == "" {
		parts := steps(base)
		if len(parts) == 0 {
			b.failure = fmt.Sprintf("it refers to %q, which is no schema", ref)
			return ref
		}
		target := b.document.Get(parts...)
		if target.IsZero() {
			b.failure = fmt.Sprintf("it refers to %q, which is not there", ref)
			return ref
		}
		name = strings.Map(func(c rune) rune {
			if strings.ContainsRune("~/%#", c) {
				return '_'
			}
			return c
		}, parts[len(parts)-1])
		own := name
		for n := 2; b.defs[own] != nil; n++ {
			own = fmt.Sprintf("%s_%d", name, n)
		}
		name = own
		b.names[base], b.defs[name] = name, true // taken, while it is made
		b.defs[name] = b.converted(target)
	}
	return "#/$defs/" + strings.ReplaceAll(url.PathEscape(name), "%24", "$") + rest
}

// modern turns what OpenAPI 3.0 writes in its own way into JSON Schema.
func modern(s map[string]any) {
	if s["nullable"] == true {
		if of, ok := s["type"].(string); ok {
			s["type"] = []any{of, "null"}
		}
		if values, ok := s["enum"].([]any); ok {
			s["enum"] = append(values, nil)
		}
		if to, ok := s["$ref"].(string); ok {
			delete(s, "$ref")
			s["anyOf"] = []any{map[string]any{"$ref": to}, map[string]any{"type": "null"}}
		}
	}
	delete(s, "nullable")
	for exclusive, bound := range map[string]string{"exclusiveMinimum": "minimum", "exclusiveMaximum": "maximum"} {
		if is, ok := s[exclusive].(bool); ok {
			delete(s, exclusive)
			if limit, has := s[bound]; is && has {
				s[exclusive] = limit
				delete(s, bound)
			}
		}
	}
}
