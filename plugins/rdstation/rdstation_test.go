package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/trama-run/trama/pdk/abi"
	"github.com/trama-run/trama/pdk/go/pdktest"
	"github.com/trama-run/trama/plugins/internal/rest"
	"github.com/trama-run/trama/plugins/internal/rest/resttest"
	"github.com/trama-run/trama/plugins/rdstation/rdtest"
	"github.com/trama-run/trama/plugins/strict"
)

func noon() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

func handlers(send func(abi.HTTPRequest) (abi.HTTPResponse, error)) map[string]pdktest.Handler {
	r := open(send, noon)
	return map[string]pdktest.Handler{
		"create_deal": pdktest.Handle(r.createDeal), "create": pdktest.Handle(r.create), "get": pdktest.Handle(r.get),
		"list": pdktest.Handle(r.list), "update": pdktest.Handle(r.update),
		"convert": pdktest.Handle(r.convert),
	}
}

func TestExamples(t *testing.T) {
	pdktest.Examples(t, manifest, func(host *pdktest.Host) map[string]pdktest.Handler { return handlers(host.HTTPSend) })
}

// connected plays the connections of both versions and of Marketing: what
// stands before a path, and the authentication.
func connected(stub *rdtest.Stub, input []byte, wrong bool) func(abi.HTTPRequest) (abi.HTTPResponse, error) {
	var in struct{ API, Auth string }
	_ = json.Unmarshal(input, &in)
	token, bearer, key := rdtest.Token, rdtest.Bearer, rdtest.APIKey
	if wrong {
		token, bearer, key = "x", "x", "x"
	}
	return func(request abi.HTTPRequest) (abi.HTTPResponse, error) {
		auth, base := resttest.Auth{Query: map[string]string{"token": token}}, "/api/v1"
		switch {
		case strings.HasPrefix(request.URL, "/platform/conversions"):
			auth, base = resttest.Auth{Query: map[string]string{"api_key": key}}, ""
		case strings.HasPrefix(request.URL, "/platform"):
			auth, base = resttest.Auth{Header: map[string]string{"Authorization": "Bearer " + bearer}}, ""
		case in.API == "v2":
			auth, base = resttest.Auth{Header: map[string]string{"Authorization": "Bearer " + bearer}}, "/crm/v2"
		}
		request.URL = base + request.URL
		return resttest.Send(stub, auth)(request)
	}
}

func stubbed(t *testing.T) *rdtest.Stub {
	stub, err := rdtest.New()
	if err != nil {
		t.Fatal(err)
	}
	stub.Guard(t)
	return stub
}

// TestExamplesKeepToTheContract sends what the examples send to the stub.
func TestExamplesKeepToTheContract(t *testing.T) {
	stub := stubbed(t)
	for _, operation := range pdktest.Manifest(t, manifest).Operations {
		for _, example := range operation.Examples {
			before := len(stub.Requests())
			handlers(connected(stub, example.Input, false))[operation.Name](example.Input)
			if len(stub.Requests()) == before && len(example.HTTP) > 0 {
				t.Errorf("%s: %s: nothing was sent", operation.Name, example.Title)
			}
		}
	}
}

func TestRefusals(t *testing.T) {
	tests := []struct {
		name    string
		answer  strict.Answer
		code    string
		retry   bool
		after   int64
		message string
	}{
		{"v1's text", strict.Answer{Status: 400, Text: `{"error":"deal_stage_id inválido"}`}, "rejected", false, 0, "deal_stage_id inválido"},
		{"by field", strict.Answer{Status: 422, Text: `{"errors":{"name":["não pode ficar em branco"]}}`}, "rejected", false, 0, "name: não pode ficar em branco"},
		{"a list", strict.Answer{Status: 400, Text: `{"errors":[{"code":"INVALID","detail":"Owner inválido."}]}`}, "rejected", false, 0, "Owner inválido"},
		{"one object", strict.Answer{Status: 401, Text: `{"errors":{"error_type":"UNAUTHORIZED","error_message":"Invalid token."}}`}, "unauthorized", false, 0, "Invalid token"},
		{"v2's detail", strict.Answer{Status: 400, Text: `{"detail":"Nome Empresa já cadastrada."}`}, "rejected", false, 0, "já cadastrada"},
		{"errors as text", strict.Answer{Status: 400, Text: `{"errors":"x"}`}, "rejected", false, 0, ": x"},
		{"fields of another form", strict.Answer{Status: 400, Text: `{"error":{"a":1},"errors":7}`}, "rejected", false, 0, "with 400"},
		{"429", strict.Answer{Status: 429}, "rate_limited", true, 0, "120 calls"},
		{"429 with a time", strict.Answer{Status: 429, Headers: map[string]string{"Retry-After": "Sun, 01 Mar 2026 12:01:00 GMT"}}, "rate_limited", true, 60_000, ""},
		{"500", strict.Answer{Status: 500, Text: `{"status":"500","error":"Internal Server Error"}`}, "server_error", true, 0, ""},
		{"a page", strict.Answer{Status: 502, Text: "<html>"}, "server_error", true, 0, ""},
		{"truncated", strict.Answer{Status: 200, Text: `{"id":"x"`}, "bad_answer", true, 0, "breaks off"},
		{"a page as success", strict.Answer{Status: 200, Text: `<html>`}, "bad_answer", true, 0, ""},
		{"a list for a record", strict.Answer{Status: 200, Text: `[]`}, "bad_answer", true, 0, "without a record"},
	}
	input := []byte(`{"object":"deals","id":"65f0a1b2c3d4e5f600000000"}`)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			stub := stubbed(t)
			stub.Next(test.answer)
			output, failure := handlers(connected(stub, input, false))["get"](input)
			if failure == nil || failure.Code != test.code || failure.Retryable != test.retry || failure.RetryAfterMillis != test.after || !strings.Contains(failure.Message, test.message) {
				t.Fatalf("got %s, %+v", output, failure)
			}
			if text := failure.Message + string(failure.Detail); strings.Contains(text, rdtest.Token) {
				t.Errorf("the token is in the error: %s", text)
			}
		})
	}
	for id, data := range map[string]string{"9007199254740993": `{"id":9007199254740993,"surprise":[1]}`, "a": `{"_id":"a"}`, "b": `{"id":null,"_id":"b"}`} {
		stub := stubbed(t)
		stub.Next(strict.Answer{Text: data})
		output, failure := handlers(connected(stub, input, false))["get"](input)
		if want := `{"id":"` + id + `","data":` + data + `}`; failure != nil || string(output) != want {
			t.Errorf("got %s, %v, want %s", output, failure, want)
		}
	}
	stub := stubbed(t)
	stub.Next(strict.Answer{Status: 504})
	create := []byte(`{"body":{"deal":{"name":"x"}}}`)
	if _, failure := handlers(connected(stub, create, false))["create_deal"](create); failure == nil || failure.Retryable {
		t.Errorf("a deal that may have been made may be made again: %v", failure)
	}
}

// TestStages makes a stage of a pipeline of v2 and reads it; what has no place
// there is refused before anything is sent.
func TestStages(t *testing.T) {
	stub := stubbed(t)
	all := handlers(connected(stub, []byte(`{"api":"v2"}`), false))
	in := func(more string) []byte {
		return []byte(`{"api":"v2","object":"stages","pipeline":"` + rdtest.Pipeline + `"` + more + `}`)
	}
	output, failure := all["create"](in(`,"record":{"name":"Proposta"}`))
	var made Record
	if failure != nil || json.Unmarshal(output, &made) != nil {
		t.Fatalf("%s, %v", output, failure)
	}
	if output, failure := all["update"](in(`,"id":"` + made.ID + `","record":{"name":"Fechamento"}`)); failure != nil {
		t.Errorf("%s, %v", output, failure)
	}
	output, failure = all["list"](in(""))
	if failure != nil || !strings.Contains(string(output), `"Lead"`) || !strings.Contains(string(output), `"Fechamento"`) {
		t.Errorf("%s, %v", output, failure)
	}
	sent := len(stub.Requests())
	for _, wrong := range [][2]string{
		{"get", `{"api":"v2","object":"stages","id":"` + made.ID + `"}`},
		{"get", `{"api":"v2","object":"stages","pipeline":"..","id":"` + made.ID + `"}`},
		{"list", `{"api":"v2","object":"deals","pipeline":"x"}`},
		{"list", `{"object":"stages","pipeline":"x"}`},
	} {
		if output, failure := all[wrong[0]]([]byte(wrong[1])); failure == nil || failure.Code != abi.CodeInvalid {
			t.Errorf("%s %s: %s, %v", wrong[0], wrong[1], output, failure)
		}
	}
	if len(stub.Requests()) != sent {
		t.Error("something was sent")
	}
}

// TestActivities makes an activity of a deal of v2, which calls it a note, and
// lists it; what has no place there is refused before anything is sent.
func TestActivities(t *testing.T) {
	stub := stubbed(t)
	all := handlers(connected(stub, []byte(`{"api":"v2"}`), false))
	in := func(more string) []byte {
		return []byte(`{"api":"v2","object":"activities","deal":"65f0a1b2c3d4e5f600000000"` + more + `}`)
	}
	if output, failure := all["create"](in(`,"record":{"description":"Ligou"}`)); failure != nil {
		t.Fatalf("%s, %v", output, failure)
	}
	if output, failure := all["list"](in("")); failure != nil || !strings.Contains(string(output), `"Ligou"`) {
		t.Errorf("%s, %v", output, failure)
	}
	sent := len(stub.Requests())
	for _, wrong := range [][2]string{
		{"get", string(in(`,"id":"x"`))},
		{"update", string(in(`,"id":"x","record":{}`))},
		{"list", `{"api":"v2","object":"activities"}`},
		{"list", `{"api":"v2","object":"activities","deal":"..","pipeline":"x"}`},
		{"list", `{"api":"v2","object":"deals","deal":"x"}`},
		{"list", `{"object":"activities","deal":"x"}`},
	} {
		if output, failure := all[wrong[0]]([]byte(wrong[1])); failure == nil || failure.Code != abi.CodeInvalid {
			t.Errorf("%s %s: %s, %v", wrong[0], wrong[1], output, failure)
		}
	}
	if len(stub.Requests()) != sent {
		t.Error("something was sent")
	}
}

// TestMissingFields: a success without what the output needs is none.
func TestMissingFields(t *testing.T) {
	for operation, inputs := range map[string][]string{
		"create":      {`{"object":"contacts","record":{"name":"a"}}`, `{"api":"v2","object":"contacts","record":{"name":"a"}}`},
		"create_deal": {`{"body":{"deal":{"name":"x"}}}`},
		"get":         {`{"object":"deals","id":"1"}`, `{"api":"v2","object":"deals","id":"1"}`},
		"update":      {`{"object":"deals","id":"1","record":{"name":"x"}}`},
		"list":        {`{"object":"deals"}`, `{"api":"v2","object":"deals"}`},
		"convert":     {`{"identifier":"x","email":"a@b.example"}`},
	} {
		for _, input := range inputs {
			for _, body := range []string{`{}`, `null`, `{"data":null}`, `{"data":{}}`, `{"status":"ok"}`, `{"id":"","deals":null,"event_uuid":null}`} {
				send := func(abi.HTTPRequest) (abi.HTTPResponse, error) { return abi.HTTPResponse{Status: 200, Body: body}, nil }
				output, failure := handlers(send)[operation]([]byte(input))
				if failure == nil || failure.Code != rest.CodeAnswer || failure.Retryable != (operation == "get" || operation == "list") {
					t.Errorf("%s %s of %s: got %s, %v", operation, input, body, output, failure)
				}
			}
		}
	}
}

// TestPages reads 450 deals of each version through all their pages, and in
// parts by the cursor.
func TestPages(t *testing.T) {
	for _, version := range []string{"v1", "v2"} {
		stub := stubbed(t)
		create := []byte(`{"api":"v1","body":{"deal":{"name":"x"}}}`)
		if version == "v2" {
			create = []byte(`{"api":"v2","body":{"name":"x"}}`)
		}
		all := handlers(connected(stub, create, false))
		for range 450 {
			if _, failure := all["create_deal"](create); failure != nil {
				t.Fatal(failure)
			}
		}
		read := func(more string) (items int, cursor string) {
			output, failure := all["list"]([]byte(`{"api":"` + version + `","object":"deals"` + more + `}`))
			var got struct {
				Items  []json.RawMessage
				Cursor string
			}
			if err := json.Unmarshal(output, &got); failure != nil || err != nil {
				t.Fatal(failure, err)
			}
			return len(got.Items), got.Cursor
		}
		if items, cursor := read(`,"max_items":1000`); items != 450 || cursor != "" {
			t.Errorf("%s: %d items, then %q", version, items, cursor)
		}
		seen, cursor := 0, ""
		for part := 0; part < 10; part++ {
			items, next := read(`,"max_items":60,"cursor":"` + cursor + `"`)
			if seen, cursor = seen+items, next; cursor == "" {
				break
			}
		}
		if seen != 450 {
			t.Errorf("%s: %d items in parts", version, seen)
		}
		for _, cursor := range []string{"x", "1", "0x5", "2x-1", "2x999", "101x100"} {
			if _, failure := all["list"]([]byte(`{"api":"` + version + `","object":"deals","cursor":"` + cursor + `"}`)); failure == nil {
				t.Errorf("%s takes the cursor %s", version, cursor)
			}
		}
	}
}
