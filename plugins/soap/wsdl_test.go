package main

import (
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/trama-run/trama/pdk/abi"
	"github.com/trama-run/trama/plugins/internal/xmljson"
	"github.com/trama-run/trama/plugins/soap/wsdl"
)

// sections reads a golden file; those whose name ends in .xsd are documents.
func sections(t testing.TB, file string) (parts, documents map[string]string) {
	t.Helper()
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	parts, documents = map[string]string{}, map[string]string{}
	for _, f := range archive.Files {
		parts[f.Name] = strings.TrimSpace(string(f.Data))
		if filepath.Ext(f.Name) == ".xsd" {
			documents[f.Name] = string(f.Data)
		}
	}
	return parts, documents
}

// TestGolden: a WSDL leads calls of each of its ports, the answers' and the
// faults' JSON.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) < 2 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			parts, documents := sections(t, file)
			found, err := read(Description{WSDL: parts["wsdl"], Documents: documents})
			if err != nil {
				t.Fatal(err)
			}
			for _, port := range found.Services[0].Ports {
				for _, o := range port.Operations {
					if o.Unsupported != "" || strings.Join(o.Notes, "\n") != parts["notes"] {
						t.Fatalf("%s, %q", o.Unsupported, o.Notes)
					}
					checkGolden(t, port, o, parts)
				}
			}
		})
	}
}

func checkGolden(t *testing.T, port Port, o Operation, parts map[string]string) {
	t.Helper()
	with, err := json.Marshal(o.With)
	if err != nil {
		t.Fatal(err)
	}
	var in Call
	if err := json.Unmarshal(with, &in); err != nil {
		t.Fatal(err)
	}
	in.Body, in.Headers = json.RawMessage(parts["body.json"]), json.RawMessage("null")
	if parts["headers.json"] != "" {
		in.Headers = json.RawMessage(parts["headers.json"])
	}
	fits(t, "the input", o.InputSchema, parts["body.json"])
	space := soap11
	if port.Version == "1.2" {
		space = soap12
	}
	got, _, err := in.envelope(space)
	if err != nil {
		t.Fatal(err)
	}
	if want := strings.Replace(opening, soap11, space, 1) + parts["header.xml"] + parts["body.xml"] + closing; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	call, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	output, failure := ask(t, string(call), abi.HTTPResponse{Status: 200, Body: envelopeOf(space, "<s:Body>"+parts["answer.xml"]+"</s:Body>")})
	var response Response
	if failure != nil || json.Unmarshal(output, &response) != nil || string(response.Body) != parts["output.json"] {
		t.Fatalf("got  %s, %v\nwant %s", output, failure, parts["output.json"])
	}
	var body map[string]json.RawMessage
	if err := json.Unmarshal(response.Body, &body); err != nil {
		t.Fatal(err)
	}
	fits(t, "the output", o.OutputSchema, string(body[o.OutputName]))
	example, err := json.Marshal(o.Example)
	if err != nil {
		t.Fatal(err)
	}
	in.Body = example
	if _, _, err := in.envelope(space); err != nil {
		t.Errorf("the example %s: %v", example, err)
	}
	fits(t, "the example", o.InputSchema, string(example))
	if parts["fault.xml"] == "" {
		return
	}
	kind := "<faultcode>s:Client</faultcode><detail>" + parts["fault.xml"] + "</detail>"
	if space == soap12 {
		kind = "<s:Code><s:Value>s:Sender</s:Value></s:Code><s:Detail>" + parts["fault.xml"] + "</s:Detail>"
	}
	_, failure = ask(t, string(call), abi.HTTPResponse{Status: 500, Body: envelopeOf(space, "<s:Body><s:Fault>"+kind+"</s:Fault></s:Body>")})
	var fault Fault
	if failure == nil || json.Unmarshal(failure.Detail, &fault) != nil || string(fault.Detail) != parts["fault.json"] {
		t.Errorf("got %v with %s, want %s", failure, fault.Detail, parts["fault.json"])
	}
}

// fits checks JSON against a schema.
func fits(t *testing.T, what string, schema map[string]any, value string) {
	t.Helper()
	text, err := json.Marshal(schema)
	if err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(strings.NewReader(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("schema.json", document); err != nil {
		t.Fatal(err)
	}
	compiled, err := compiler.Compile("schema.json")
	if err != nil {
		t.Fatalf("%s: %v\n%s", what, err, text)
	}
	instance, err := jsonschema.UnmarshalJSON(strings.NewReader(value))
	if err != nil {
		t.Fatal(err)
	}
	if err := compiled.Validate(instance); err != nil {
		t.Errorf("%s %s: %v\n%s", what, value, err, text)
	}
}

// TestTypesRefuse: what the schema does not have is told before anything is
// sent.
func TestTypesRefuse(t *testing.T) {
	parts, documents := sections(t, "testdata/bites.txtar")
	found, err := read(Description{WSDL: parts["wsdl"], Documents: documents, Port: "Old"})
	if err != nil {
		t.Fatal(err)
	}
	types := found.Services[0].Ports[0].Operations[0].With.Types
	for _, c := range []struct{ name, old, new, message string }{
		{"an enumeration", `"kind": "new"`, `"kind": "old"`, `body.line[0].kind: "old" is not one of new, used`},
		{"a required attribute", `, "@version": 2`, ``, "body.@version: the schema requires"},
		{"a required element", `"number": 18446744073709551615,`, ``, "body.number: the schema requires"},
		{"a misspelt member", `"cnpj"`, `"cnjp"`, "body.customer.cnpj: the schema requires"},
		{"a member too many", `"sku": "A1"`, `"sku": "A1", "size": 1`, "body.line[0].size: the schema has no such member; it has sku, price, kind"},
		{"an abstract type", `"@xsi:type": "Company",`, ``, "the type Party is abstract"},
		{"a type from elsewhere", `"Company"`, `"Node"`, "is no type that may stand here"},
		{"no number", `18446744073709551615`, `"many"`, `body.number: "many" is no xs:unsignedLong`},
		{"a broken integer", `18446744073709551615`, `1.5`, `body.number: "1.5" is no xs:unsignedLong`},
		{"no boolean", `"slip": true`, `"slip": "yes"`, "body.slip"},
		{"a list of what stands once", `"slip": true`, `"slip": [true]`, "body.slip: a list"},
		{"null where none is", `"name": "a"`, `"name": null`, "body.root.name: the schema requires"},
		{"a control character", `"A1"`, `"\u0001"`, "character that XML does not have"},
	} {
		text := strings.Replace(parts["body.json"], c.old, c.new, 1)
		if text == parts["body.json"] {
			t.Fatalf("%s: nothing is changed", c.name)
		}
		_, _, err := Call{Types: types, Body: json.RawMessage(text)}.envelope(soap11)
		failure, ok := errors.AsType[*abi.Error](err)
		if !ok || failure.Code != abi.CodeInvalid || !strings.Contains(failure.Message, c.message) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.message)
		}
	}
}

// TestWSDLRefuses: what can't be read names its cause; what can't be called
// says so of its operation alone.
func TestWSDLRefuses(t *testing.T) {
	parts, documents := sections(t, "testdata/bites.txtar")
	_, err := read(Description{WSDL: parts["wsdl"]})
	if failure, ok := errors.AsType[*abi.Error](err); !ok || failure.Code != wsdl.CodeMissing || string(failure.Detail) != `{"locations":["xsd/orders.xsd"]}` {
		t.Errorf("got %v", err)
	}
	_, err = read(Description{WSDL: parts["wsdl"], Documents: map[string]string{"xsd/orders.xsd": documents["xsd/orders.xsd"]}})
	if failure, ok := errors.AsType[*abi.Error](err); !ok || string(failure.Detail) != `{"locations":["common/base.xsd","xsd/parts/chameleon.xsd"]}` {
		t.Errorf("got %v", err)
	}
	rpc, _ := sections(t, "testdata/rpc.txtar")
	for _, c := range []struct{ name, old, new, message string }{
		{"rpc/encoded", `use="literal" namespace`, `use="encoded" namespace`, "is rpc/encoded"},
		{"an unknown type", `type="t:Terms"`, `type="t:Tirms"`, `no type "Tirms"`},
		{"an element in rpc", `type="t:Terms"`, `element="t:Terms"`, "part terms names an element"},
		{"a type in document style", `style="rpc"`, `style="document"`, "2 parts in its body"},
		{"attachments", `<input><soap:body`, `<input><m:multipartRelated xmlns:m="http://schemas.xmlsoap.org/wsdl/mime/"/><soap:body`, "attachments"},
	} {
		found, err := read(Description{WSDL: strings.Replace(rpc["wsdl"], c.old, c.new, 1)})
		if err != nil {
			t.Fatal(err)
		}
		if got := found.Services[0].Ports[0].Operations[0]; !strings.Contains(got.Unsupported, c.message) || got.With != nil {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
	for _, c := range []struct{ name, old, new, message string }{
		{"no binding", `binding="t:B"`, `binding="t:C"`, `no binding "C"`},
		{"no port type", `type="t:P"`, `type="t:Q"`, `no portType "Q"`},
		{"no service", `service`, `servise`, "no service"},
		{"an unknown operation", ``, ``, "no SOAP port"},
	} {
		_, err := read(Description{WSDL: strings.ReplaceAll(rpc["wsdl"], c.old, c.new), Operation: map[bool]string{true: "X"}[c.old == ""]})
		if err == nil || !strings.Contains(err.Error(), c.message) {
			t.Errorf("%s: got %v", c.name, err)
		}
	}
}

func FuzzWSDL(f *testing.F) {
	for _, file := range []string{"testdata/bites.txtar", "testdata/rpc.txtar"} {
		parts, documents := sections(f, file)
		f.Add(parts["wsdl"], documents["xsd/orders.xsd"], documents["common/base.xsd"])
	}
	f.Fuzz(func(t *testing.T, text, orders, base string) {
		found, err := read(Description{WSDL: text, Documents: map[string]string{"xsd/orders.xsd": orders, "common/base.xsd": base}})
		if err != nil {
			return
		}
		if _, err := json.Marshal(found); err != nil {
			t.Error(err)
		}
	})
}

// FuzzAnswer: whatever a service answers is JSON or an error.
func FuzzAnswer(f *testing.F) {
	parts, documents := sections(f, "testdata/bites.txtar")
	found, err := read(Description{WSDL: parts["wsdl"], Documents: documents, Port: "Old"})
	if err != nil {
		f.Fatal(err)
	}
	types := found.Services[0].Ports[0].Operations[0].With.Types
	f.Add(envelope("<s:Body>" + parts["answer.xml"] + "</s:Body>"))
	f.Add(envelope("<s:Body><s:Fault><faultcode>a</faultcode><detail>" + parts["fault.xml"] + "</detail></s:Fault></s:Body>"))
	f.Fuzz(func(t *testing.T, text string) {
		_, _, body, err := open(abi.HTTPResponse{Status: 200, Body: text})
		if err != nil {
			return
		}
		content, err := Call{Types: types}.content(body, xmljson.DefaultStyle())
		if err == nil && !json.Valid(content) {
			t.Errorf("%s is no JSON", content)
		}
	})
}
