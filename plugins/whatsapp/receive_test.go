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
		{"messages without sender", testConfig, hook(`"messages":[{"id":"w"},{"id":"w2"}]`), "messages[1]"},
		{"message that is no object", testConfig, hook(`"messages":["x"]`), "messages[0]"},
		{"id that is a fraction", testConfig, hook(`"messages":[{"id":"w","from":1.5}]`), "1.5 is no id"},
		{"status without state", testConfig, hook(`"statuses":[{"id":"w"}]`), "statuses[0]"},
		{"no number", testConfig, strings.Replace(hook(`"messages":[]`), `"phone_number_id":"106540352242922"`, "", 1), "entry[0].changes[0].value: metadata.phone_number_id is missing"},
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

// TestReceiveBeside: what can't be read does not take down what stands beside
// it, be it of another contact, and is said.
func TestReceiveBeside(t *testing.T) {
	const good = `{"id":"w9","from":"9","type":"text","text":{"body":"hi"}}`
	for _, test := range []struct {
		name, value string
		units       string // id and kind of each
		unread      int
	}{
		{"message", `"messages":["x",null,{"id":"w"},{"id":"w","from":1.5},` + good + `]`, "w9 text", 4},
		{"message of a known sender", `"messages":[{"id":"w1","from":"1","timestamp":[],"type":"text","text":{"body":"a"}},{"id":"w2","from":"1","type":7},` + good + `]`, "w1 unknown, w2 unknown, w9 text", 0},
		{"ids that are numbers", `"messages":[{"id":12345678901234567890,"from":"1","type":"text","text":{"body":"a"},"context":{"id":77}},` + good + `]`, "12345678901234567890 text, w9 text", 0},
		{"profile", `"contacts":["x",{"profile":{"name":7},"wa_id":"9"}],"messages":[` + good + `]`, "w9 text", 0},
		{"contacts that are no list", `"contacts":{},"messages":[` + good + `]`, "w9 text", 0},
		{"status and error", `"statuses":["x",{"id":"w"}],"errors":["x"],"messages":[` + good + `]`, "w9 text", 3},
		{"statuses that are no list", `"statuses":{},"errors":7,"messages":[` + good + `]`, "w9 text", 2},
		{"messages that are no list", `"messages":"x","statuses":[{"id":"w","status":"failed","errors":[{"code":131026,"error_data":"gone"}]}]`, "w:failed status", 1},
		{"another change without its number", `"messages":[` + good + `]}},{"field":"messages","value":{"messages":[` + good + `]`, "w9 text", 1},
		{"another change of another number", `"messages":[` + good + `]}},{"field":"messages","value":{"metadata":{"phone_number_id":"1"},"messages":[` + good + `]`, "w9 text", 0},
		{"another change of another shape", `"messages":[` + good + `]}},{"field":"messages","value":{"metadata":7,"messages":[` + good + `]`, "w9 text", 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			output, failure, _ := receiveBody(t, testConfig, `{"object":"whatsapp_business_account","entry":[{"changes":[{"field":"messages","value":{"metadata":{"phone_number_id":"106540352242922"},`+test.value+`}}]}]}`)
			if failure != nil {
				t.Fatal(failure)
			}
			var got abi.Received
			if err := json.Unmarshal(output, &got); err != nil {
				t.Fatal(err)
			}
			var list []string
			for _, u := range got.Units {
				kind := "status"
				if u.Message != nil {
					kind = string(u.Message.Type)
				}
				list = append(list, u.ID+" "+kind)
			}
			if strings.Join(list, ", ") != test.units || len(got.Unread) != test.unread {
				t.Errorf("units %q, unread %q", list, got.Unread)
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

// seed adds a field of each file's JSON object to a fuzz target.
func seed(f *testing.F, pattern, field string) {
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		f.Fatalf("no seeds: %v", err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		var test map[string]json.RawMessage
		if err := json.Unmarshal(data, &test); err != nil {
			f.Fatal(err)
		}
		f.Add([]byte(test[field]))
	}
}

// FuzzReceive: a body gives units that can be told apart and answered, or an
// error, and never a panic.
func FuzzReceive(f *testing.F) {
	seed(f, "testdata/*.json", "body")
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
			if unit.ID == "" || unit.From.Path == "" && unit.Status == nil || (unit.Message == nil) == (unit.Status == nil) {
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
