package pdktest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/trama-run/trama/pdk/abi"
	pdk "github.com/trama-run/trama/pdk/go"
)

// MinExamples is how many examples each operation must ship.
const MinExamples = 3

// Handler is the native logic of one operation: from input to output.
type Handler func(input []byte) ([]byte, *abi.Error)

// Handle makes a [Handler] of the function that the plugin gives to
// pdk.Handle.
func Handle[In, Out any](f func(In) (Out, error)) Handler {
	return func(input []byte) ([]byte, *abi.Error) { return pdk.Call(f, input) }
}

// Examples runs every example of the manifest through the handler of its
// operation and compares the end. handlers is asked once for each example,
// with a host that expects the example's exchanges. The schemas are compiled;
// inputs that end in an output, and those outputs, must satisfy them.
func Examples(t *testing.T, manifest []byte, handlers func(*Host) map[string]Handler) {
	t.Helper()
	plugin := Manifest(t, manifest)
	if len(plugin.Operations) == 0 {
		t.Fatalf("plugin %s has no operations, and so no examples", plugin.Name)
	}
	for _, operation := range plugin.Operations {
		if len(operation.Examples) < MinExamples {
			t.Errorf("%s.%s has %d examples, want at least %d", plugin.Name, operation.Name, len(operation.Examples), MinExamples)
		}
		input := compileSchema(t, operation.Name+".input", operation.Input)
		output := compileSchema(t, operation.Name+".output", operation.Output)
		for i, example := range operation.Examples {
			t.Run(fmt.Sprintf("%s/%d_%s", operation.Name, i+1, example.Title), func(t *testing.T) {
				if example.Output == nil && example.Error == nil {
					t.Fatal("the example states neither output nor error")
				}
				handler := handlers(NewHost(t, example.HTTP...))[operation.Name]
				if handler == nil {
					t.Fatalf("no handler for operation %q", operation.Name)
				}
				if example.Output != nil {
					validate(t, "input", input, example.Input)
				}
				got, failure := handler(example.Input)
				if failure == nil {
					validate(t, "output", output, got)
				}
				if difference := compareEnd(example, got, failure); difference != "" {
					t.Error(difference)
				}
			})
		}
	}
}

// Manifest decodes a manifest, refusing fields that abi.Manifest doesn't have.
func Manifest(t testing.TB, data []byte) abi.Manifest {
	t.Helper()
	var manifest abi.Manifest
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&manifest); err != nil {
		t.Fatalf("manifest: %v", err)
	}
	if manifest.ABI != abi.Version {
		t.Fatalf("manifest: abi %d, want %d", manifest.ABI, abi.Version)
	}
	return manifest
}

// compareEnd says how the end of a call differs from the example's.
func compareEnd(example abi.Example, output []byte, failure *abi.Error) string {
	switch want := example.Error; {
	case want == nil && failure != nil:
		return fmt.Sprintf("failed with %v, want the output %s", failure, example.Output)
	case want == nil:
		if !equalJSON(example.Output, output) {
			return fmt.Sprintf("output\n%s\nwant\n%s", output, example.Output)
		}
	case failure == nil:
		return fmt.Sprintf("gave the output %s, want the error %v", output, want)
	case failure.Code != want.Code || !strings.Contains(failure.Message, want.Message):
		return fmt.Sprintf("failed with %v, want %v", failure, want)
	case want.Retryable && !failure.Retryable, want.RetryAfterMillis != 0 && want.RetryAfterMillis != failure.RetryAfterMillis:
		return fmt.Sprintf("failed with retryable %t after %d ms, want %t after %d ms", failure.Retryable, failure.RetryAfterMillis, want.Retryable, want.RetryAfterMillis)
	case want.Detail != nil && !equalJSON(want.Detail, failure.Detail):
		return fmt.Sprintf("failed with the detail %s, want %s", failure.Detail, want.Detail)
	}
	return ""
}

func compileSchema(t *testing.T, name string, schema json.RawMessage) *jsonschema.Schema {
	t.Helper()
	if len(schema) == 0 {
		t.Fatalf("%s: the schema is missing", name)
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource(name, document); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	compiled, err := compiler.Compile(name)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return compiled
}

func validate(t *testing.T, what string, schema *jsonschema.Schema, data []byte) {
	t.Helper()
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Errorf("%s is not JSON: %v\n%s", what, err, data)
		return
	}
	if err := schema.Validate(value); err != nil {
		t.Errorf("%s does not satisfy its schema: %v", what, err)
	}
}
