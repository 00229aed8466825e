package plugin

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/trama-run/trama/host/grant"
	"github.com/trama-run/trama/host/schema"
	"github.com/trama-run/trama/pdk/abi"
)

// Unfit says what of a plugin's settings, which its grant gives, its manifest's
// schema does not take; empty: they fit. The schema of a channel adapter is of
// each channel's settings, and of no grant's.
func Unfit(m abi.Manifest, settings map[string]string) string {
	if m.Kind == abi.KindChannel || len(m.Config) == 0 {
		return ""
	}
	fits, err := settingsSchema(m)
	if err != nil {
		return "the manifest's schema: " + err.Error()
	}
	value := map[string]any{}
	for key, text := range settings {
		value[key] = text
	}
	var wrong []string
	for _, v := range fits.Check(value) {
		text := v.Message
		if key, of := strings.CutPrefix(v.Pointer, "#/"); of {
			text = key + ": " + text
		}
		wrong = append(wrong, text)
	}
	return strings.Join(wrong, "; ")
}

func settingsSchema(m abi.Manifest) (*schema.Schema, error) {
	decoder := json.NewDecoder(bytes.NewReader(m.Config))
	decoder.UseNumber()
	var document any
	if err := decoder.Decode(&document); err != nil {
		return nil, err
	}
	return schema.Compile(document)
}

// HasSettings says whether a manifest names settings that a grant gives.
func HasSettings(m abi.Manifest) bool {
	var schema struct{ Properties map[string]json.RawMessage }
	return m.Kind != abi.KindChannel && json.Unmarshal(m.Config, &schema) == nil && len(schema.Properties)+len(grant.RequiredConfig(m)) > 0
}

// TrySettings gives settings with which a plugin is tried where nobody has said
// any: none, if it needs none, or else those of its first example that has some
// which fit, or such as its schema's plain words allow.
func TrySettings(m abi.Manifest) map[string]string {
	if Unfit(m, nil) == "" {
		return nil
	}
	for _, op := range m.Operations {
		for _, e := range op.Examples {
			if Unfit(m, e.Config) == "" {
				return e.Config
			}
		}
	}
	var schema struct{ Properties map[string]json.RawMessage }
	if json.Unmarshal(m.Config, &schema) != nil {
		return nil // a schema of another shape
	}
	settings := map[string]string{}
	for _, key := range grant.RequiredConfig(m) {
		settings[key] = "123"
		if text, is := Sample(schema.Properties[key]).(string); is {
			settings[key] = text
		}
	}
	return settings
}

// Sample gives a value that a schema of settings allows, as far as the plain
// words of it say: what it can't tell is left to the plugin to refuse.
func Sample(schema json.RawMessage) any {
	var s struct {
		Type       any
		Properties map[string]json.RawMessage
		Items      json.RawMessage
		Default    any
		Const      any
		Enum       []any
		Examples   []any
		Minimum    json.Number
	}
	if json.Unmarshal(schema, &s) != nil {
		return nil // no schema, or one that the check of schemas tells of
	}
	for _, given := range append([]any{s.Const, s.Default}, append(s.Examples, s.Enum...)...) {
		if given != nil {
			return given
		}
	}
	switch {
	case s.Type == "object" || s.Properties != nil:
		object := map[string]any{}
		for name, of := range s.Properties {
			object[name] = Sample(of)
		}
		return object
	case s.Type == "array":
		return []any{}
	case s.Type == "boolean":
		return true
	case s.Type == "integer" || s.Type == "number":
		if s.Minimum != "" {
			return s.Minimum
		}
		return json.Number("1")
	}
	return "123"
}

// checkSettings reports a schema of settings that can't be read, and settings
// that no grant could give.
func (fs *Faults) checkSettings(m abi.Manifest, ask func(path string, g grant.Grant)) {
	if m.Kind == abi.KindChannel || len(m.Config) == 0 {
		return
	}
	if _, err := settingsSchema(m); err != nil {
		fs.report("config", "not a JSON Schema: %v", err)
		return
	}
	if string(bytes.TrimSpace(m.Config)) == "false" {
		fs.report("config", "no settings fit it: want a schema of an object, or no config where there are no settings")
		return
	}
	var named struct {
		Type              any
		Properties        map[string]json.RawMessage
		PatternProperties map[string]any
		Additional        any `json:"additionalProperties"`
	}
	others := json.Unmarshal(m.Config, &named) != nil || named.Additional != false || len(named.PatternProperties) > 0
	if t := named.Type; t != nil && t != "object" {
		if of, is := t.([]any); !is || !slices.Contains(of, any("object")) {
			fs.report("config.type", "no settings fit it: want object, since settings are texts by their names")
		}
	}
	for i, key := range grant.RequiredConfig(m) {
		ask(fmt.Sprintf("config.required.%d", i), grant.Grant{Config: map[string]string{key: ""}})
		if _, is := named.Properties[key]; !is && !others {
			fs.report(fmt.Sprintf("config.required.%d", i), "no settings fit it: %q is required, and additionalProperties refuses it; name it in properties", key)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(named.Properties)) {
		var setting struct{ Type any }
		if json.Unmarshal(named.Properties[key], &setting) == nil && setting.Type != nil && setting.Type != "string" {
			*fs = append(*fs, Fault{[]string{"config", "properties", key, "type"}, "a setting is a text: want string, with a pattern or an enum where not every text will do"})
		}
	}
}
