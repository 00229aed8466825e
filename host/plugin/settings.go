package plugin

import (
	"bytes"
	"encoding/json"
	"strings"

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
	decoder := json.NewDecoder(bytes.NewReader(m.Config))
	decoder.UseNumber()
	var document any
	if err := decoder.Decode(&document); err != nil {
		return "the manifest's schema is no JSON: " + err.Error()
	}
	fits, err := schema.Compile(document)
	if err != nil {
		return "the manifest's schema: " + err.Error()
	}
	value := map[string]any{}
	for key, text := range settings {
		value[key] = text
	}
	var wrong []string
	for _, v := range fits.Check(value) {
		wrong = append(wrong, strings.TrimSpace(strings.TrimPrefix(v.Pointer, "#")+" "+v.Message))
	}
	return strings.Join(wrong, "; ")
}
