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
	for i, key := range grant.RequiredConfig(m) {
		ask(fmt.Sprintf("config.required.%d", i), grant.Grant{Config: map[string]string{key: ""}})
	}
	var named struct {
		Properties map[string]struct{ Type any }
	}
	if json.Unmarshal(m.Config, &named) != nil {
		return // a schema of another shape
	}
	for _, key := range slices.Sorted(maps.Keys(named.Properties)) {
		if t := named.Properties[key].Type; t != nil && t != "string" {
			*fs = append(*fs, Fault{[]string{"config", "properties", key, "type"}, "a setting is a text: want string, with a pattern or an enum where not every text will do"})
		}
	}
}
