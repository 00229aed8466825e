package grant

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"unicode"
	"unicode/utf8"

	"github.com/trama-run/trama/pdk/abi"
)

// Bounds of a plugin's settings, which an operator reads on one line.
const (
	maxSettings     = 100
	maxSettingKey   = 128      // bytes
	maxSettingBytes = 64 * KiB // of all, keys and values together
)

// placeholder is the value of a setting that the operator is to say.
const placeholder = "..."

// checkConfig says what is wrong with settings.
func checkConfig(settings map[string]string) (problems []string) {
	report := func(format string, args ...any) { problems = append(problems, fmt.Sprintf("config: "+format, args...)) }
	if len(settings) > maxSettings {
		report("%d settings are more than %d: put what belongs together into one of them, as JSON", len(settings), maxSettings)
	}
	bytes := 0
	for _, key := range slices.Sorted(maps.Keys(settings)) {
		bytes += len(key) + len(settings[key])
		if key == "" || len(key) > maxSettingKey || !printable(key) {
			report("%q is not a setting's name: want 1 to %d bytes of printable text", key, maxSettingKey)
		}
	}
	if bytes > int(maxSettingBytes) {
		report("the settings have %d bytes, over the limit of %s: let the plugin fetch what is larger", bytes, maxSettingBytes)
	}
	return problems
}

func printable(text string) bool {
	for _, r := range text {
		if !unicode.IsPrint(r) || r == utf8.RuneError {
			return false
		}
	}
	return true
}

// RequiredConfig lists the settings without which a plugin does not work, as its
// manifest's schema says. A channel adapter has none here: its schema is of the
// settings of each channel.
func RequiredConfig(m abi.Manifest) []string {
	var schema struct {
		Required []string `json:"required"`
	}
	if m.Kind == abi.KindChannel || json.Unmarshal(m.Config, &schema) != nil { // what is no schema is told of where manifests are checked
		return nil
	}
	return schema.Required
}

// MissingConfig lists those of [RequiredConfig] that settings don't give. What is
// still as a remedy proposed it is not given: its value is the operator's to say.
func MissingConfig(m abi.Manifest, settings map[string]string) []string {
	return slices.DeleteFunc(RequiredConfig(m), func(key string) bool {
		value, set := settings[key]
		return set && value != placeholder
	})
}

// TakenConfig gives those of settings that a manifest's schema has a place for,
// and the names of the others. A schema that does not plainly name all that it has
// takes any.
func TakenConfig(m abi.Manifest, settings map[string]string) (taken map[string]string, left []string) {
	var schema struct {
		Properties        map[string]any `json:"properties"`
		PatternProperties map[string]any `json:"patternProperties"`
		Others            any            `json:"additionalProperties"`
	}
	closed := m.Kind != abi.KindChannel && json.Unmarshal(m.Config, &schema) == nil && schema.Others == false && len(schema.PatternProperties) == 0
	taken = map[string]string{}
	for _, key := range slices.Sorted(maps.Keys(settings)) {
		if _, named := schema.Properties[key]; closed && !named {
			left = append(left, key)
		} else {
			taken[key] = settings[key]
		}
	}
	return taken, left
}
