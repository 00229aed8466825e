package flow_test

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/trama-run/trama/host/flow"
	"github.com/trama-run/trama/host/source"
)

// TestSchema holds the published schema against the documents: it takes those
// without problems, and refuses those whose mistakes a schema can see.
func TestSchema(t *testing.T) {
	schema, err := jsonschema.UnmarshalJSON(bytes.NewReader(flow.Schema()))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("flow.json", schema); err != nil {
		t.Fatal(err)
	}
	compiled, err := compiler.Compile("flow.json")
	if err != nil {
		t.Fatal(err)
	}
	refused := map[string]bool{
		"fields": true, "ids": true, "conditional": true, "set": true, "run_code": true,
		"send_message": true, "response.json": true, "end": true, "expressions": true,
		"user_tag": true, "start_inactivity": true, "end_inactivity": true, "send_alert": true, "emit_event": true,
		"jump": true, "for_each": true, "parallel": true, "triggers": true,
		"split": true, "time_interval": true, "wait_reply": true,
	}
	taken := 0
	for file, archive := range documents(t) {
		name := strings.TrimSuffix(filepath.Base(file), ".txt")
		var document source.Value
		if problems := source.Decode(file, archive.Files[0].Data, &document); problems != nil {
			t.Fatal(problems)
		}
		data, err := json.Marshal(document)
		if err != nil {
			t.Fatal(err)
		}
		value, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		err = compiled.Validate(value)
		if (err != nil) != refused[name] {
			t.Errorf("%s: refused: %v, want %v", name, err, refused[name])
		}
		if err == nil {
			taken++
		}
	}
	if taken < 4 {
		t.Errorf("only %d documents were taken", taken)
	}
}

// TestSchemaNamesEveryKind: the schema tells an editor of every built-in node
// and of every field.
func TestSchemaNamesEveryKind(t *testing.T) {
	schema := string(flow.Schema())
	for _, kind := range flow.Kinds() {
		doc, err := json.Marshal(kind.Doc)
		if err != nil || kind.Doc == "" {
			t.Fatalf("kind %s: doc %q, %v", kind.Type, kind.Doc, err)
		}
		if !strings.Contains(schema, `"`+kind.Type+`"`) || !strings.Contains(schema, string(doc)) {
			t.Errorf("kind %s is missing", kind.Type)
		}
	}
}
