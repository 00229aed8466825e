package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/trama-run/trama/pdk/abi"
	pdk "github.com/trama-run/trama/pdk/go"
	"github.com/trama-run/trama/pdk/go/pdktest"
)

const testConfig = `{"phone_number_id":"106540352242922"}`

// receiveBody runs a webhook body through the export's whole path.
func receiveBody(t *testing.T, config, body string) (output []byte, failure *abi.Error, logged []string) {
	t.Helper()
	input, err := json.Marshal(abi.Receive{
		Channel: "wa", Config: json.RawMessage(config), Method: "POST", Body: []byte(body), ReceivedMillis: 1749416384000,
	})
	if err != nil {
		t.Fatal(err)
	}
	r := receiver{log: func(level, text string) error {
		logged = append(logged, level+": "+text)
		return nil
	}}
	output, failure = pdk.CallOpen(r.receive, input)
	return output, failure, logged
}

// TestReceive runs the cases of testdata: a webhook's body as the vendor
// documents it, and the units that it gives.
func TestReceive(t *testing.T) {
	files, err := filepath.Glob("testdata/*.json")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 15 {
		t.Fatalf("found %d cases, want at least 15", len(files))
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var test struct {
				Title string          `json:"title"`
				Body  json.RawMessage `json:"body"`
				Units json.RawMessage `json:"units"`
			}
			if err := json.Unmarshal(data, &test); err != nil {
				t.Fatal(err)
			}
			output, failure, _ := receiveBody(t, testConfig, string(test.Body))
			if failure != nil {
				t.Fatal(failure)
			}
			if got, want := units(t, output), units(t, []byte(`{"units":`+string(test.Units)+`}`)); !reflect.DeepEqual(got, want) {
				t.Errorf("%s: got\n%s\nwant\n%s", test.Title, output, test.Units)
			}
		})
	}
}

// units reads an output strictly; raw parts are compared as values.
func units(t *testing.T, output []byte) []any {
	t.Helper()
	var strict abi.Received
	decoder := json.NewDecoder(strings.NewReader(string(output)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&strict); err != nil {
		t.Fatal(err)
	}
	if strict.Units == nil {
		t.Fatal("units is missing or null")
	}
	var loose struct{ Units []any }
	decoder = json.NewDecoder(strings.NewReader(string(output)))
	decoder.UseNumber()
	if err := decoder.Decode(&loose); err != nil {
		t.Fatal(err)
	}
	return loose.Units
}

func TestReceiveRefuses(t *testing.T) {
	hook := func(value string) string {
		return `{"object":"whatsapp_business_account","entry":[{"changes":[{"field":"messages","value":{"metadata":{"phone_number_id":"106540352242922"},` + value + `}}]}]}`
	}
	for _, test := range []struct{ name, config, body, message string }{
		{"no JSON", testConfig, `x`, "webhook body: invalid character"},
		{"empty body", testConfig, ``, "webhook body"},
		{"another object", testConfig, `{"object":"page","entry":[]}`, `object is "page"`},
		{"message without id", testConfig, hook(`"messages":[{"from":"1","type":"text"}]`), "entry[0].changes[0].value: messages[0]: it has no id"},
		{"message without sender", testConfig, hook(`"messages":[{"id":"w","from":"1"},{"id":"w"}]`), "messages[1]"},
		{"message that is no object", testConfig, hook(`"messages":["x"]`), "messages[0]"},
		{"id that is a fraction", testConfig, hook(`"messages":[{"id":"w","from":1.5}]`), "1.5 is no id"},
		{"status without recipient", testConfig, hook(`"statuses":[{"id":"w","status":"sent"}]`), "statuses[0]"},
		{"no config", ``, hook(`"messages":[]`), "config.phone_number_id"},
		{"config that is a path", `{"phone_number_id":"../me"}`, hook(`"messages":[]`), "config.phone_number_id"},
	} {
		t.Run(test.name, func(t *testing.T) {
			output, failure, _ := receiveBody(t, test.config, test.body)
			if failure == nil || failure.Code != abi.CodeInvalid || !strings.Contains(failure.Message, test.message) {
				t.Errorf("got %s, %v, want %q", output, failure, test.message)
			}
		})
	}
}

func TestAccountErrorsAreLogged(t *testing.T) {
	body, err := os.ReadFile("testdata/nothing.json")
	if err != nil {
		t.Fatal(err)
	}
	var test struct{ Body json.RawMessage }
	if err := json.Unmarshal(body, &test); err != nil {
		t.Fatal(err)
	}
	_, failure, logged := receiveBody(t, testConfig, string(test.Body))
	if failure != nil || len(logged) != 1 || logged[0] != "warn: whatsapp reports: (130429) Rate limit hit" {
		t.Errorf("logged %q, %v", logged, failure)
	}
}

// FuzzReceive: a body gives units that can be told apart and answered, or an
// error, and never a panic.
func FuzzReceive(f *testing.F) {
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) == 0 {
		f.Fatalf("no seeds: %v", err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		var test struct{ Body json.RawMessage }
		if err := json.Unmarshal(data, &test); err != nil {
			f.Fatal(err)
		}
		f.Add([]byte(test.Body))
	}
	quiet := receiver{log: func(string, string) error { return nil }}
	f.Fuzz(func(t *testing.T, body []byte) {
		received, err := quiet.receive(abi.Receive{Config: json.RawMessage(testConfig), Body: body})
		if err != nil {
			return
		}
		if _, err := json.Marshal(received); err != nil {
			t.Fatal(err)
		}
		for _, unit := range received.Units {
			if unit.ID == "" || unit.From.Path == "" || (unit.Message == nil) == (unit.Status == nil) {
				t.Fatalf("unit %+v", unit)
			}
		}
	})
}

func TestManifest(t *testing.T) {
	m := pdktest.Manifest(t, manifest)
	if m.Name != "whatsapp" || m.Kind != abi.KindChannel || m.Webhook == nil || m.Webhook.Signature == nil || m.Webhook.Handshake == nil {
		t.Errorf("got %+v", m)
	}
	if want := (abi.WebhookSignature{Header: "X-Hub-Signature-256", Algorithm: "hmac-sha256", Encoding: "hex", Prefix: "sha256=", Signed: "body", Secret: "app_secret"}); *m.Webhook.Signature != want {
		t.Errorf("signature %+v", *m.Webhook.Signature)
	}
	if want := (abi.WebhookHandshake{Mode: "hub.mode", ModeValue: "subscribe", Token: "hub.verify_token", Challenge: "hub.challenge", Secret: "verify_token"}); *m.Webhook.Handshake != want {
		t.Errorf("handshake %+v", *m.Webhook.Handshake)
	}
	if !slices.Equal(m.Sends, abi.MessageKinds()) {
		t.Errorf("sends %q, want %q: TestSend has a case for each", m.Sends, abi.MessageKinds())
	}
	if !json.Valid(m.Config) || m.Webhook.DeliveryID != "body_sha256" {
		t.Errorf("config %s, delivery id %q", m.Config, m.Webhook.DeliveryID)
	}
}
