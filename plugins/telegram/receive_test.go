package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/trama-run/trama/pdk/abi"
	pdk "github.com/trama-run/trama/pdk/go"
	"github.com/trama-run/trama/pdk/go/pdktest"
)

func botOf(host *pdktest.Host) bot {
	host.AddSecret(tokenSecret)
	host.AddSecret(webhookSecret)
	return bot{send: host.HTTPSend, secret: host.SecretRef, log: host.Log, now: func() time.Time { return time.Unix(0, 0) }}
}

// request is a call of a method as egress gets it.
func request(method, body string) abi.HTTPRequest {
	return abi.HTTPRequest{
		Method: "POST", URL: "/bot<secret:bot_token>/" + method,
		Headers: map[string]string{"content-type": "application/json"}, Body: body,
	}
}

func exchange(method, body string, status int, answer string) abi.HTTPExchange {
	return abi.HTTPExchange{Request: request(method, body), Response: abi.HTTPResponse{Status: status, Body: answer}}
}

// receiveBody runs a webhook body through the export's whole path.
func receiveBody(t *testing.T, b bot, config, body []byte) (output []byte, failure *abi.Error) {
	t.Helper()
	input, err := json.Marshal(abi.Receive{Channel: "tg", Config: config, Method: "POST", Body: body, ReceivedMillis: 1749416384000})
	if err != nil {
		t.Fatal(err)
	}
	return pdk.CallOpen(b.receive, input)
}

// TestReceive runs the cases of testdata: an update as the Bot API documents
// it, and the units that it gives.
func TestReceive(t *testing.T) {
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) < 12 {
		t.Fatalf("found %d files, want at least 12 (%v)", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			var test receiveFile
			read(t, file, &test)
			for i, one := range test.Cases {
				var update struct {
					Callback *struct {
						ID word `json:"id"`
					} `json:"callback_query"`
				}
				if err := json.Unmarshal(one.Update, &update); err != nil {
					t.Fatal(err)
				}
				host := pdktest.NewHost(t)
				if c := update.Callback; c != nil {
					host = pdktest.NewHost(t, exchange("answerCallbackQuery", `{"callback_query_id":"`+string(c.ID)+`"}`, 200, `{"ok":true,"result":true}`))
				}
				output, failure := receiveBody(t, botOf(host), test.Config, compact(t, one.Update))
				if failure != nil {
					t.Fatalf("case %d: %v", i, failure)
				}
				if got, want := units(t, output), units(t, []byte(`{"units":`+string(one.Units)+`}`)); !reflect.DeepEqual(got, want) {
					t.Errorf("%s, case %d: got\n%s\nwant\n%s", test.Title, i, output, one.Units)
				}
				if logged := host.Logged(); (len(logged) > 0) != (len(one.Log) > 0) || len(logged) > 0 && !strings.Contains(logged[0], one.Log) {
					t.Errorf("%s, case %d: logged %q, want %q", test.Title, i, logged, one.Log)
				}
			}
		})
	}
}

type receiveFile struct {
	Title  string          `json:"title"`
	Config json.RawMessage `json:"config"`
	Cases  []struct {
		Update json.RawMessage `json:"update"`
		Units  json.RawMessage `json:"units"`
		Log    string          `json:"log"` // part of the line that is logged, if there is one
	} `json:"cases"`
}

func read(t testing.TB, file string, into any) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

func compact(t *testing.T, data []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := json.Compact(&out, data); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// units reads an output strictly; numbers keep their digits.
func units(t *testing.T, output []byte) []any {
	t.Helper()
	var strict abi.Received
	decoder := json.NewDecoder(bytes.NewReader(output))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&strict); err != nil {
		t.Fatal(err)
	}
	if strict.Units == nil {
		t.Fatal("units is missing or null")
	}
	var loose struct{ Units []any }
	decoder = json.NewDecoder(bytes.NewReader(output))
	decoder.UseNumber()
	if err := decoder.Decode(&loose); err != nil {
		t.Fatal(err)
	}
	return loose.Units
}

func TestReceiveRefuses(t *testing.T) {
	for _, test := range []struct{ name, body, message string }{
		{"no JSON", `x`, "webhook body: invalid character"},
		{"empty body", ``, "webhook body"},
		{"a list", `[]`, "webhook body"},
		{"no update", `{"message":{}}`, "it has no update_id"},
		{"an id that is a fraction", `{"update_id":1.5}`, "1.5 is no id"},
		{"a message without an id", `{"update_id":1,"message":{"chat":{"id":1}}}`, "update 1: message: it has no message_id"},
		{"a message without a chat", `{"update_id":1,"message":{"message_id":1}}`, "no chat"},
		{"a message that is a text", `{"update_id":1,"message":"x"}`, "update 1: message"},
		{"a press without an id", `{"update_id":1,"callback_query":{"from":{"id":1}}}`, "callback_query: it has no id"},
		{"a member without a chat", `{"update_id":1,"my_chat_member":{}}`, "my_chat_member: it has no chat"},
		{"a reaction to nothing", `{"update_id":1,"message_reaction":{"chat":{"id":1}}}`, "message_reaction"},
	} {
		t.Run(test.name, func(t *testing.T) {
			output, failure := receiveBody(t, botOf(pdktest.NewHost(t)), nil, []byte(test.body))
			if failure == nil || failure.Code != abi.CodeInvalid || !strings.Contains(failure.Message, test.message) {
				t.Errorf("got %s, %v, want %q", output, failure, test.message)
			}
		})
	}
	if _, failure := receiveBody(t, botOf(pdktest.NewHost(t)), []byte(`{"bot_username":1}`), []byte(`{"update_id":1}`)); failure == nil || !strings.Contains(failure.Message, "config") {
		t.Errorf("with a config that is wrong: %v", failure)
	}
}

// TestPressIsTakenUnanswered: that Telegram does not take the answer to a press
// is logged, and the press counts all the same.
func TestPressIsTakenUnanswered(t *testing.T) {
	const body = `{"update_id":1,"callback_query":{"id":"2","from":{"id":3,"first_name":"A"},"data":"yes"}}`
	late := exchange("answerCallbackQuery", "", 400, `{"ok":false,"error_code":400,"description":"Bad Request: query is too old and response timeout expired or query ID is invalid"}`)
	for _, test := range []struct {
		name string
		host *pdktest.Host
		says string
	}{
		{"too late", pdktest.NewHost(t, late), "query is too old"},
		{"no answer", pdktest.NewHost(t, exchange("answerCallbackQuery", "", 502, "<html>")), "502"},
	} {
		output, failure := receiveBody(t, botOf(test.host), nil, []byte(body))
		if failure != nil || !strings.Contains(string(output), `"payload":"yes"`) {
			t.Errorf("%s: got %s, %v", test.name, output, failure)
		}
		if logged := test.host.Logged(); len(logged) != 1 || !strings.HasPrefix(logged[0], "warn: ") || !strings.Contains(logged[0], test.says) {
			t.Errorf("%s: logged %q", test.name, logged)
		}
	}
}

func TestLanguage(t *testing.T) {
	for tag, want := range map[string]string{
		"pt-br": "pt-BR", "pt-BR": "pt-BR", "en": "en", "zh-hans": "zh-Hans", "zh-Hant-TW": "zh-Hant-TW", "fil": "fil", "": "", "x": "", "pt_BR": "", "a b": "",
	} {
		if got := language(tag); got != want {
			t.Errorf("%q: got %q, want %q", tag, got, want)
		}
	}
}

// FuzzReceive: an update gives a unit that can be told apart and answered, or
// none, or an error, and never a panic.
func FuzzReceive(f *testing.F) {
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) == 0 {
		f.Fatalf("no seeds: %v", err)
	}
	for _, file := range files {
		var test receiveFile
		read(f, file, &test)
		for _, one := range test.Cases {
			f.Add([]byte(one.Update))
		}
	}
	quiet := bot{
		send: func(abi.HTTPRequest) (abi.HTTPResponse, error) {
			return abi.HTTPResponse{}, &abi.Error{Code: abi.CodeUnreachable}
		},
		secret: func(string) (string, error) { return "x", nil },
		log:    func(string, string) error { return nil },
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		received, err := quiet.receive(abi.Receive{Body: body})
		if err != nil {
			return
		}
		if _, err := json.Marshal(received); err != nil {
			t.Fatal(err)
		}
		for _, unit := range received.Units {
			if _, err := placeOf(unit.From); unit.ID == "" || err != nil || (unit.Message == nil) == (unit.Opt == "") {
				t.Fatalf("unit %+v, %v", unit, err)
			}
		}
	})
}
