package openapi

import (
	"encoding"
	"encoding/json"
	"path"
	"reflect"
	"strings"
	"time"

	"github.com/invopop/jsonschema"
)

// Schemas makes schemas of Go types, and keeps those that have a name as
// components.
type Schemas struct {
	components map[string]any
	types      map[string]reflect.Type // by the name that each has taken
	names      map[reflect.Type]string
	given      map[reflect.Type]string // names of the schemas that Give gave
}

// NewSchemas returns an empty set.
func NewSchemas() *Schemas {
	return &Schemas{components: map[string]any{}, types: map[string]reflect.Type{}, names: map[reflect.Type]string{}, given: map[reflect.Type]string{}}
}

// Give says what schema a type has, under which name: what a type is may be
// written down better than its fields tell.
func (s *Schemas) Give(t reflect.Type, name string, schema any) {
	s.given[t], s.components[name] = name, schema
}

// Of gives the schema of a value's type: what its JSON is. A field that is
// never left out is required.
func (s *Schemas) Of(value any) any {
	reflector := jsonschema.Reflector{Anonymous: true, AllowAdditionalProperties: true, Namer: s.name, Mapper: s.mapped}
	schema := reflector.ReflectFromType(reflect.TypeOf(value))
	for name, definition := range schema.Definitions {
		s.components[name] = s.located(definition)
	}
	schema.Definitions, schema.Version = nil, ""
	return s.located(schema)
}

// Components are all that were named.
func (s *Schemas) Components() map[string]any { return s.components }

func reference(kind, name string) map[string]any {
	return map[string]any{"$ref": "#/components/" + kind + "/" + name}
}

// name is that of a type; where two packages have one of the same name, the
// second says whose it is.
func (s *Schemas) name(t reflect.Type) string {
	if name, known := s.names[t]; known {
		return name
	}
	name := t.Name()
	if name == "" { // a list, or the like
		return ""
	}
	name = strings.ToUpper(name[:1]) + name[1:]
	if other, taken := s.types[name]; taken && other != t {
		room := path.Base(t.PkgPath())
		name = strings.ToUpper(room[:1]) + room[1:] + name
	}
	s.names[t], s.types[name] = name, t
	return name
}

// located gives a schema as a JSON value whose references are to components.
func (s *Schemas) located(schema *jsonschema.Schema) any {
	data, err := json.Marshal(schema)
	if err != nil {
		panic("openapi: schema: " + err.Error()) // the types are our own; a test reflects all of them
	}
	var value any
	if err := json.Unmarshal(data, &value); err != nil {
		panic("openapi: schema: " + err.Error())
	}
	relocate(value)
	return value
}

func relocate(value any) {
	switch v := value.(type) {
	case map[string]any:
		if ref, isText := v["$ref"].(string); isText {
			v["$ref"] = strings.Replace(ref, "#/$defs/", "#/components/schemas/", 1)
		}
		for _, inner := range v {
			relocate(inner)
		}
	case []any:
		for _, inner := range v {
			relocate(inner)
		}
	}
}

// mapped gives the schemas of types that are not written as they look: those
// that write themselves as text are text, and those that write themselves as
// JSON may be anything.
func (s *Schemas) mapped(t reflect.Type) *jsonschema.Schema {
	if name, ok := s.given[t]; ok {
		return &jsonschema.Schema{Ref: "#/components/schemas/" + name}
	}
	is := func(i reflect.Type) bool { return t.Implements(i) || reflect.PointerTo(t).Implements(i) }
	switch {
	case t.Kind() == reflect.Pointer, t.Kind() == reflect.Interface, t == reflect.TypeFor[time.Time]():
		return nil // as the library has them
	case t == reflect.TypeFor[json.RawMessage](), is(reflect.TypeFor[json.Marshaler]()):
		return &jsonschema.Schema{}
	case is(reflect.TypeFor[encoding.TextMarshaler]()):
		return &jsonschema.Schema{Type: "string"}
	case t == reflect.TypeFor[[]byte]():
		return &jsonschema.Schema{Type: "string", ContentEncoding: "base64"}
	}
	return nil
}
