// Package connectors_test runs each operation of the connectors to business
// systems in the real host and sandbox, against their strict stubs.
package connectors_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/trama-run/trama/pdk/abi"
	"github.com/trama-run/trama/plugins/hubspot/hubspottest"
	"github.com/trama-run/trama/plugins/rdstation/rdtest"
	"github.com/trama-run/trama/plugins/strict"
)

// TestConnectors asks the routes of the workspace. answers are what the stub
// says instead of its own.
func TestConnectors(t *testing.T) {
	host := start(t)
	contact := strict.Answer{Text: `{"id":"9007199254740993","properties":{"firstname":"Ana"},"surprise":{"a":[1]}}`}
	deal := `{"deal":"Site novo","name":"Ana","email":"ana@acme.example"}`
	tests := []struct {
		name, method, path, body string
		answer                   *strict.Answer
		status                   int
		has                      string
	}{
		{"every operation of HubSpot", "POST", "/hubspot", `{"email":"eva@acme.example","name":"Eva","deal":"Site novo","amount":1500.5}`, nil, 200,
			`{"contact":"9007199254740995","is_new":true,"amount":"1500.5","linked":true,"stage":"closedwon","vip":"true","found":"Site novo","next":"1","made":2,"refused":[2],"upserted":[true,false],"city":"Olinda","missing":["x@acme.example"],"owner":"Bia","stages":["appointmentscheduled","closedwon"]}`},
		{"a contact", "GET", "/contacts/ana@acme.example", "", nil, 200, `"id":"9007199254740993"`},
		{"added and missing fields", "GET", "/contacts/x@acme.example", "", &contact, 200, `"firstname":"Ana"`},
		{"nobody", "GET", "/contacts/x@acme.example", "", nil, 502, `"code":"not_found"`},
		{"revoked", "GET", "/contacts/x@acme.example", "", &strict.Answer{Status: 401, Text: `{"status":"error","category":"INVALID_AUTHENTICATION","message":"Authentication credentials not found."}`}, 502, `"code":"unauthorized"`},
		{"429 with a time", "GET", "/contacts/x@acme.example", "", &strict.Answer{Status: 429, Headers: map[string]string{"Retry-After": "10"}, Text: `{"errorType":"RATE_LIMIT","policyName":"TEN_SECONDLY_ROLLING"}`}, 502, `"code":"rate_limited"`},
		{"a page", "GET", "/contacts/x@acme.example", "", &strict.Answer{Status: 502, Text: "<html>"}, 502, `"code":"server_error"`},
		{"not JSON", "GET", "/contacts/x@acme.example", "", &strict.Answer{Text: "OK"}, 502, `"code":"bad_answer"`},
		{"cut off", "GET", "/contacts/x@acme.example", "", &strict.Answer{Body: strings.Repeat("x", 1000), Cut: 500}, 502, `"code":"unreachable"`},
		{"huge", "GET", "/contacts/x@acme.example", "", &strict.Answer{Body: strings.Repeat("x", 20<<20)}, 502, `"code":"limit"`},
		{"slow", "GET", "/contacts/x@acme.example", "", &strict.Answer{Wait: 20 * time.Second}, 502, `"code":"timeout"`},
		{"every operation of RD Station", "POST", "/rd", deal, nil, 200,
			`{"deal":"65f0a1b2c3d4e5f600000000","won":true,"contact":"Ana","stage":"Lead","listed":1,"noted":"Ligou","event":"830eacff-6cc7-4bd9-a5d0-c4e15a8b4aa7"}`},
		{"a deal of rows", "POST", "/deals", deal, nil, 200, `"name":"Site novo"`},
		{"RD Station refuses", "POST", "/deals", deal, &strict.Answer{Status: 422, Text: `{"errors":{"name":["já existe"]}}`}, 502, `name: já existe`},
		{"RD Station's token is wrong", "POST", "/deals", deal, &strict.Answer{Status: 401, Text: `{"error":"Token inválido"}`}, 502, `"code":"unauthorized"`},
		{"RD Station repeats the token", "POST", "/deals", deal, &strict.Answer{Status: 400, Text: `{"error":"no deal for ` + rdtest.Token + `"}`}, 502, `"code":"rejected"`},
		{"RD Station is slow", "POST", "/deals", deal, &strict.Answer{Wait: 20 * time.Second}, 502, `"code"`},
		{"RD Station breaks off", "POST", "/deals", deal, &strict.Answer{Body: strings.Repeat("x", 1000), Cut: 500}, 502, `"code"`},
		{"RD Station sends elsewhere", "POST", "/deals", deal, &strict.Answer{Status: 302, Headers: map[string]string{"Location": "http://127.0.0.1:1/deals?token=" + rdtest.Token}}, 502, `"code"`},
		{"a row of a sheet", "POST", "/orders", `{"order":"F-2","name":"=1+1"}`, nil, 200,
			`{"added":1,"again":0,"changed":[3],"rows":[{"order":"F-1","name":"Ana","state":"paid"},{"order":"F-2","name":"=1+1","state":"paid"}]}`},
		{"a row that is there", "POST", "/orders", `{"order":"F-2"}`, nil, 200, `"added":0`},
		{"Google's token is revoked", "POST", "/orders", `{"order":"F-3"}`, &strict.Answer{Status: 401, Text: `{"error":{"code":401,"message":"Request had invalid authentication credentials for ` + sheetsToken + `","status":"UNAUTHENTICATED"}}`}, 502, `"code":"unauthorized"`},
		{"Google's quota", "POST", "/orders", `{"order":"F-3"}`, &strict.Answer{Status: 429, Text: `{"error":{"code":429,"message":"Quota exceeded","status":"RESOURCE_EXHAUSTED"}}`}, 502, `"code":"rate_limited"`},
		{"Google answers no JSON", "POST", "/orders", `{"order":"F-3"}`, &strict.Answer{Text: "OK"}, 502, `"code":"bad_answer"`},
		{"Google is slow", "POST", "/orders", `{"order":"F-3"}`, &strict.Answer{Wait: 20 * time.Second}, 502, `"code":"timeout"`},
	}
	for _, test := range tests {
		if test.answer != nil {
			switch test.path {
			case "/deals":
				host.rd.Next(*test.answer)
			case "/orders":
				host.sheets.Next(*test.answer)
			default:
				host.hubspot.Next(*test.answer)
			}
		}
		status, body := host.ask(test.method, test.path, test.body)
		if status != test.status || !holds(body, test.has) {
			t.Errorf("%s: %d %s\nwant %d with %s", test.name, status, body, test.status, test.has)
		}
	}
	host.traces()
	host.stop()
	host.search(rdtest.Token, rdtest.Bearer, hubspottest.Token, sheetsToken)
}

// holds says whether a body is the JSON text has, or has it as a part.
func holds(body, has string) bool {
	var a, b any
	if strings.HasPrefix(has, "{") && json.Unmarshal([]byte(body), &a) == nil && json.Unmarshal([]byte(has), &b) == nil {
		left, _ := json.Marshal(a)
		right, _ := json.Marshal(b)
		return bytes.Equal(left, right)
	}
	return strings.Contains(body, has)
}

// ids are those of a list of runs.
func ids(list []byte) (all []string) {
	var runs []struct{ ID string }
	if json.Unmarshal(list, &runs) != nil {
		return nil
	}
	for _, run := range runs {
		all = append(all, run.ID)
	}
	return all
}

// TestFlowsHaveAllOperations holds the workspace to the manifests.
func TestFlowsHaveAllOperations(t *testing.T) {
	flows := ""
	files, err := filepath.Glob("flows/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		flows += string(data)
	}
	for _, plugin := range []string{"hubspot", "rdstation"} {
		data, err := os.ReadFile("../../plugins/" + plugin + "/manifest.json")
		if err != nil {
			t.Fatal(err)
		}
		var manifest abi.Manifest
		if err := json.Unmarshal(data, &manifest); err != nil || len(manifest.Operations) == 0 {
			t.Fatal(plugin, err)
		}
		for _, operation := range manifest.Operations {
			if !strings.Contains(flows, "type: "+plugin+"."+operation.Name+",") && !strings.Contains(flows, "type: "+plugin+"."+operation.Name+"\n") {
				t.Errorf("no flow shows %s.%s", plugin, operation.Name)
			}
		}
	}
}
