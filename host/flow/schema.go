package flow

import (
	"encoding/json"
	"reflect"
	"slices"

	"github.com/invopop/jsonschema"
	"github.com/trama-run/trama/host/source"
)

// Schema gives the JSON Schema (2020-12) of the document, for editors and for
// `trama flow schema`. It is made from the types of this package and from
// [Kinds]. What it can't say (ids, ports, expressions) [Parse] checks.
func Schema() []byte {
	reflector := reflector()
	root := reflector.Reflect(&Flow{})
	root.ID = "https://trama.run/schema/flow-1.json"
	root.Title = "Trama flow"
	set(root, "schema").Const = Version
	var triggers []string
	for _, k := range triggerKinds {
		triggers = append(triggers, k.Type)
	}
	enum(set(item(root, "triggers"), "type"), triggers...)

	node := item(root, "nodes")
	var builtin []string
	for _, kind := range Kinds() {
		builtin = append(builtin, kind.Type)
		with := reflector.Reflect(kind.Config())
		with.Version, with.ID = "", ""
		with.Description = kind.Doc
		properties := jsonschema.NewProperties()
		properties.Set("with", with)
		then := &jsonschema.Schema{Properties: properties}
		if len(with.Required) > 0 {
			then.Required = []string{"with"}
		}
		node.AllOf = append(node.AllOf, &jsonschema.Schema{If: typeIs(kind.Type), Then: then})
	}
	nodeType := set(node, "type")
	enumOfKinds := &jsonschema.Schema{}
	enum(enumOfKinds, builtin...)
	nodeType.AnyOf = []*jsonschema.Schema{
		enumOfKinds,
		{Pattern: `^[A-Za-z][A-Za-z0-9_]*\.[A-Za-z][A-Za-z0-9_]*$`, Description: "<plugin>.<operation>"},
	}
	set(node, "with").Type = "object"

	data, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		panic("flow: schema: " + err.Error()) // the types are our own; a test calls this
	}
	return append(data, '\n')
}

func reflector() *jsonschema.Reflector {
	return &jsonschema.Reflector{Anonymous: true, DoNotReference: true, Mapper: mapped}
}

// mapped gives the schema of the types that are not what they seem.
func mapped(t reflect.Type) *jsonschema.Schema {
	switch t {
	case reflect.TypeFor[source.Value](), reflect.TypeFor[Template](), reflect.TypeFor[Span]():
		return &jsonschema.Schema{} // anything
	case reflect.TypeFor[Text](), reflect.TypeFor[Clock](), reflect.TypeFor[Pattern]():
		return &jsonschema.Schema{Type: "string"}
	case reflect.TypeFor[Op]():
		return oneOf(operatorNames())
	case reflect.TypeFor[Expected]():
		return oneOf(expectNames())
	case reflect.TypeFor[Expression]():
		return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{{Type: "string"}, {Type: "boolean"}}}
	case reflect.TypeFor[Texts]():
		text := &jsonschema.Schema{Type: "string"}
		return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{text, {Type: "array", Items: text}}}
	case reflect.TypeFor[Duration]():
		return &jsonschema.Schema{Type: "string", Pattern: `^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`}
	}
	return nil
}

func set(s *jsonschema.Schema, property string) *jsonschema.Schema {
	p, ok := s.Properties.Get(property)
	if !ok {
		panic("flow: schema: no property " + property)
	}
	return p
}

func item(s *jsonschema.Schema, property string) *jsonschema.Schema { return set(s, property).Items }

func enum(s *jsonschema.Schema, values ...string) {
	slices.Sort(values)
	for _, v := range values {
		s.Enum = append(s.Enum, v)
	}
}

func oneOf(names []string) *jsonschema.Schema {
	s := &jsonschema.Schema{Type: "string"}
	enum(s, names...)
	return s
}

func typeIs(name string) *jsonschema.Schema {
	properties := jsonschema.NewProperties()
	properties.Set("type", &jsonschema.Schema{Const: name})
	return &jsonschema.Schema{Properties: properties, Required: []string{"type"}}
}
