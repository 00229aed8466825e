// Command main is the language {{.Name}}: texts with {words}. manifest.json says
// what it is; trama plugin build puts that into the module.
package main

//lint:file-ignore U1000 the exports are called by the host

import (
	"encoding/json"
	"regexp"
	"strings"

	"github.com/trama-run/trama/pdk/abi"
	pdk "github.com/trama-run/trama/pdk/go"
)

//go:wasmexport run
func exportRun() int32 { return pdk.HandleOpen(run) }

func main() {}

var word = regexp.MustCompile(`\{(\w+)\}`)

// run gives the code with each {word} replaced by the input's field of that
// name.
func run(in abi.Run) (string, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(in.Input, &fields); err != nil {
		return "", pdk.Errorf(abi.CodeInvalid, "input: want an object")
	}
	var text strings.Builder
	at := 0
	for _, found := range word.FindAllStringSubmatchIndex(in.Code, -1) {
		name := in.Code[found[2]:found[3]]
		value, ok := fields[name]
		if !ok {
			return "", pdk.Errorf(abi.CodeInvalid, "unknown word: %s", name)
		}
		text.WriteString(in.Code[at:found[0]])
		text.WriteString(plain(value))
		at = found[1]
	}
	text.WriteString(in.Code[at:])
	return text.String(), nil
}

// plain gives a text as it is, and any other value as JSON.
func plain(value json.RawMessage) string {
	var text string
	if json.Unmarshal(value, &text) == nil {
		return text
	}
	return string(value)
}
