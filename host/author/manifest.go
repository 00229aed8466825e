package author

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/trama-run/trama/host/plugin"
	"github.com/trama-run/trama/host/schema"
	"github.com/trama-run/trama/host/source"
	"github.com/trama-run/trama/pdk/abi"
)

// Manifest reads the manifest of a project and gives it with its text. What is
// wrong with it comes as [source.Problems], each with its JSON path.
func Manifest(dir string) (abi.Manifest, []byte, error) {
	path := filepath.Join(dir, manifestFile)
	data, err := os.ReadFile(path)
	if _, there := os.Stat(dir); errors.Is(err, os.ErrNotExist) && there == nil {
		return abi.Manifest{}, nil, fmt.Errorf("%s has no %s, which says what the plugin is and what it may do: write it as in a new project (trama plugin new)", dir, manifestFile)
	}
	if err != nil {
		return abi.Manifest{}, nil, err
	}
	m, problems := parseManifest(path, data)
	return m, data, problems.Err()
}

func parseManifest(file string, data []byte) (abi.Manifest, source.Problems) {
	if problem, ok := syntaxProblem(file, data); !ok {
		return abi.Manifest{}, source.Problems{problem}
	}
	var document source.Value
	problems := source.Decode(file, data, &document)
	if len(problems) > 0 {
		return abi.Manifest{}, problems
	}
	m, err := plugin.ParseManifest(data)
	if faults, ok := errors.AsType[plugin.Faults](err); ok {
		for _, f := range faults {
			problems.Add(document.Place(f.Path...), "", "%s", f)
		}
	} else if err != nil {
		problems.Add(document.Place("abi"), "", "%v", err)
	}
	for _, f := range schemaFaults(m) {
		problems.Add(document.Place(f.Path...), "", "%s", f)
	}
	problems.Sort()
	return m, problems
}

// Schemas checks that the schemas of a manifest are schemas. An error is
// [plugin.Faults].
func Schemas(m abi.Manifest) error {
	if faults := schemaFaults(m); len(faults) > 0 {
		return faults
	}
	return nil
}

func schemaFaults(m abi.Manifest) (faults plugin.Faults) {
	check := func(text json.RawMessage, path ...string) {
		if len(text) == 0 {
			return
		}
		var document any
		err := json.Unmarshal(text, &document)
		if err == nil {
			_, err = schema.Compile(document)
		}
		if err != nil {
			faults = append(faults, plugin.Fault{Path: path, Text: fmt.Sprintf("not a JSON Schema: %v", err)})
		}
	}
	for i, op := range m.Operations {
		check(op.Input, "operations", strconv.Itoa(i), "input")
		check(op.Output, "operations", strconv.Itoa(i), "output")
	}
	if m.Kind == abi.KindChannel { // another's is part of what a host reads
		check(m.Config, "config")
	}
	return faults
}

// syntaxProblem says where a text stops being JSON.
func syntaxProblem(file string, data []byte) (source.Problem, bool) {
	var any json.RawMessage
	err := json.Unmarshal(data, &any)
	syntax, ok := errors.AsType[*json.SyntaxError](err)
	if !ok {
		return source.Problem{}, true
	}
	before := data[:min(int(syntax.Offset), len(data))]
	line := bytes.Count(before, []byte{'\n'}) + 1
	column := max(1, len(before)-bytes.LastIndexByte(before, '\n')-1)
	return source.Problem{Place: source.Place{File: file, Line: line, Column: column}, Message: "not JSON: " + err.Error()}, false
}
