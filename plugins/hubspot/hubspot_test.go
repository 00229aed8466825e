package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/trama-run/trama/pdk/abi"
	"github.com/trama-run/trama/pdk/go/pdktest"
	"github.com/trama-run/trama/plugins/hubspot/hubspottest"
	"github.com/trama-run/trama/plugins/internal/rest"
	"github.com/trama-run/trama/plugins/internal/rest/resttest"
	"github.com/trama-run/trama/plugins/strict"
)

func noon() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

func handlers(send func(abi.HTTPRequest) (abi.HTTPResponse, error)) map[string]pdktest.Handler {
	h := open(send, noon)
	return map[string]pdktest.Handler{
		"create": pdktest.Handle(h.create), "read": pdktest.Handle(h.read), "update": pdktest.Handle(h.update),
		"upsert": pdktest.Handle(h.upsert), "delete": pdktest.Handle(h.delete), "list": pdktest.Handle(h.list),
		"search": pdktest.Handle(h.search), "batch_create": pdktest.Handle(h.batchCreate),
		"batch_read": pdktest.Handle(h.batchRead), "batch_update": pdktest.Handle(h.batchUpdate),
		"batch_upsert": pdktest.Handle(h.batchUpsert), "batch_delete": pdktest.Handle(h.batchDelete),
		"associate": pdktest.Handle(h.associate), "dissociate": pdktest.Handle(h.dissociate),
		"list_associations": pdktest.Handle(h.listAssociations), "get_owner": pdktest.Handle(h.getOwner),
		"list_owners": pdktest.Handle(h.listOwners), "list_pipelines": pdktest.Handle(h.listPipelines),
		"list_stages": pdktest.Handle(h.listStages), "complete_action": pdktest.Handle(h.completeAction),
	}
}

func TestExamples(t *testing.T) {
	pdktest.Examples(t, manifest, func(host *pdktest.Host) map[string]pdktest.Handler { return handlers(host.HTTPSend) })
}

// account is a stub, and the operations against it under a token.
func stubbed(t *testing.T, token string) (*hubspottest.Stub, map[string]pdktest.Handler) {
	stub, err := hubspottest.New()
	if err != nil {
		t.Fatal(err)
	}
	stub.Guard(t)
	return stub, handlers(resttest.Send(stub, resttest.Auth{Header: map[string]string{"Authorization": "Bearer " + token}}))
}

// TestExamplesKeepToTheContract sends what the examples send to the stub.
func TestExamplesKeepToTheContract(t *testing.T) {
	for _, operation := range pdktest.Manifest(t, manifest).Operations {
		for _, example := range operation.Examples {
			t.Run(operation.Name+"/"+example.Title, func(t *testing.T) {
				stub, all := stubbed(t, hubspottest.Token)
				all[operation.Name](example.Input)
				if len(stub.Requests()) == 0 && len(example.HTTP) > 0 {
					t.Error("nothing was sent")
				}
			})
		}
	}
}

func TestTexts(t *testing.T) {
	for value, want := range map[string]string{
		`"a"`: "a", `""`: "", `null`: "", `true`: "true", `false`: "false", `1`: "1", `1.50`: "1.50", `-2e3`: "-2e3",
		`9007199254740993`: "9007199254740993", `["A","B"]`: "A;B", `[]`: "", `[1,true]`: "1;true", `"2026-04-01"`: "2026-04-01",
	} {
		if got, err := textOf(json.RawMessage(value)); err != nil || got != want {
			t.Errorf("%s gives %q, %v, want %q", value, got, err, want)
		}
	}
	for value, reason := range map[string]string{`{"a":1}`: "an object", `[["a"]]`: "list inside", `["a;b"]`: "two options", `[{}]`: "an object"} {
		if got, err := textOf(json.RawMessage(value)); err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("%s gives %q, %v, want %q", value, got, err, reason)
		}
	}
}

// TestRefusals puts HubSpot's answers of every kind before an operation.
func TestRefusals(t *testing.T) {
	tests := []struct {
		name   string
		answer strict.Answer
		code   string
		retry  bool
		after  int64
		detail string
	}{
		{"daily limit", strict.Answer{Status: 429, Text: `{"status":"error","message":"You have reached your daily limit.","errorType":"RATE_LIMIT","policyName":"DAILY"}`}, "rate_limited", false, 0, `"policy":"DAILY"`},
		{"limit of seconds", strict.Answer{Status: 429, Text: `{"status":"error","message":"You have reached your ten_secondly_rolling limit.","errorType":"RATE_LIMIT","policyName":"TEN_SECONDLY_ROLLING"}`, Headers: map[string]string{"Retry-After": "10"}}, "rate_limited", true, 10_000, "TEN_SECONDLY"},
		{"429 without a body", strict.Answer{Status: 429}, "rate_limited", true, 0, ""},
		{"locked", strict.Answer{Status: 423, Text: `{"message":"locked"}`}, "rate_limited", true, 0, ""},
		{"migration", strict.Answer{Status: 477, Headers: map[string]string{"Retry-After": "3600"}}, "server_error", true, 3_600_000, ""},
		{"fields of another form", strict.Answer{Status: 400, Text: `{"message":7,"errors":"x","category":["y"]}`}, "rejected", false, 0, ""},
		{"a page", strict.Answer{Status: 502, Text: "<html><body>Bad Gateway</body></html>"}, "server_error", true, 0, ""},
		{"web server is down", strict.Answer{Status: 521, Text: "<html>"}, "server_error", true, 0, ""},
		{"500", strict.Answer{Status: 500, Text: `{"status":"error","message":"internal error"}`}, "server_error", true, 0, ""},
		{"a conflict", strict.Answer{Status: 409, Text: `{"category":"CONFLICT","message":"Contact already exists. Existing ID: 9007199254740993"}`}, "conflict", false, 0, `"existing_id":"9007199254740993"`},
		{"added and missing fields", strict.Answer{Status: 200, Text: `{"id":"1","surprise":{"a":[1]}}`}, "", false, 0, ""},
		{"truncated", strict.Answer{Status: 200, Text: `{"id":"1","prop`}, "bad_answer", true, 0, ""},
		{"another shape", strict.Answer{Status: 200, Text: `{"id":{"a":1}}`}, "bad_answer", true, 0, ""},
		{"a page as success", strict.Answer{Status: 200, Text: `<html>login</html>`}, "bad_answer", true, 0, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			stub, all := stubbed(t, hubspottest.Token)
			stub.Next(test.answer)
			output, failure := all["read"]([]byte(`{"object":"contacts","id":"1"}`))
			if test.code == "" {
				if failure != nil || string(output) != `{"id":"1","properties":{},"archived":false}` {
					t.Errorf("got %s, %v", output, failure)
				}
				return
			}
			if failure == nil || failure.Code != test.code || failure.Retryable != test.retry || failure.RetryAfterMillis != test.after || !strings.Contains(string(failure.Detail), test.detail) {
				t.Errorf("got %s, %+v with %s", output, failure, failure.Detail)
			}
		})
	}
	stub, all := stubbed(t, hubspottest.Token)
	stub.Next(strict.Answer{Status: 504, Text: "<html>"})
	if _, failure := all["create"]([]byte(`{"object":"deals","properties":{"dealname":"x"}}`)); failure == nil || failure.Retryable {
		t.Errorf("a deal that may have been made may be made again: %v", failure)
	}
}

// TestMissingFields: a success without what the output needs is none, as from a
// proxy; what HubSpot adds, and numbers for texts, are no fault.
func TestMissingFields(t *testing.T) {
	inputs := map[string]string{
		"create": `{"object":"deals","properties":{"dealname":"x"}}`, "read": `{"object":"deals","id":"1"}`,
		"update": `{"object":"deals","id":"1","properties":{"dealname":"x"}}`, "list": `{"object":"deals"}`,
		"search": `{"object":"deals","query":"x","max_items":1}`, "batch_create": `{"object":"deals","records":[{"dealname":"x"}]}`,
		"batch_read": `{"object":"deals","ids":["1"]}`, "get_owner": `{"id":"1"}`, "list_owners": `{}`,
		"upsert":         `{"object":"contacts","id":"a","id_property":"email","properties":{"email":"a"}}`,
		"list_pipelines": `{"object":"deals"}`, "list_stages": `{"object":"deals","pipeline":"p"}`,
		"list_associations": `{"object":"deals","id":"1","to_object":"contacts"}`,
	}
	writes := []string{"create", "update", "upsert", "batch_create"}
	said := func(operation, body string) (json.RawMessage, *abi.Error) {
		send := func(abi.HTTPRequest) (abi.HTTPResponse, error) { return abi.HTTPResponse{Status: 200, Body: body}, nil }
		return handlers(send)[operation]([]byte(inputs[operation]))
	}
	for operation := range inputs {
		for _, body := range []string{`{}`, `null`, `{"status":"ok"}`, `{"id":null,"results":null}`, `{"results":[{"properties":{}}]}`} {
			output, failure := said(operation, body)
			if failure == nil || failure.Code != rest.CodeAnswer || failure.Retryable == slices.Contains(writes, operation) {
				t.Errorf("%s of %s: got %s, %v", operation, body, output, failure)
			}
		}
	}
	for operation, want := range map[string]string{
		"create":     `{"id":"9007199254740993","properties":{"a":1},"created_at":"5","archived":false}`,
		"search":     `{"items":[{"id":"5","properties":{},"archived":false}],"cursor":"6"}`,
		"batch_read": `{"records":[{"id":"5","properties":{},"archived":false}],"errors":[{"code":"rejected","message":"no","ids":["b"]}],"unsent":0}`,
	} {
		body := `{"id":9007199254740993,"properties":{"a":1},"createdAt":5,"results":[{"id":5,"more":[]}],"paging":{"next":{"after":6}},"errors":[{"message":"no","context":{"ids":[7,"b"]}}]}`
		if output, failure := said(operation, body); failure != nil || string(output) != want {
			t.Errorf("%s: got %s, %v, want %s", operation, output, failure, want)
		}
	}
}

// TestBatches sends more than a hundred, and keeps what was done when a later
// request fails.
func TestBatches(t *testing.T) {
	records := make([]string, 250)
	for i := range records {
		records[i] = fmt.Sprintf(`{"dealname":"d%d"}`, i)
	}
	input := []byte(`{"object":"deals","records":[` + strings.Join(records, ",") + `]}`)
	stub, all := stubbed(t, hubspottest.Token)
	var got Batched
	output, failure := all["batch_create"](input)
	if failure != nil {
		t.Fatal(failure)
	}
	if err := json.Unmarshal(output, &got); err != nil || len(got.Records) != 250 || *got.Records[249].Index != 249 || len(stub.Requests()) != 3 {
		t.Errorf("%d records by %d requests, %v", len(got.Records), len(stub.Requests()), err)
	}
	page, failure := all["list"]([]byte(`{"object":"deals","max_items":1000}`))
	var listed struct{ Items []Record }
	if err := json.Unmarshal(page, &listed); failure != nil || err != nil || len(listed.Items) != 250 {
		t.Errorf("listed %d, %v, %v", len(listed.Items), failure, err)
	}

	fails := 0
	stub, err := hubspottest.New()
	if err != nil {
		t.Fatal(err)
	}
	send := resttest.Send(stub, resttest.Auth{Header: map[string]string{"Authorization": "Bearer " + hubspottest.Token}})
	cut := handlers(func(request abi.HTTPRequest) (abi.HTTPResponse, error) {
		if fails++; fails == 2 {
			return abi.HTTPResponse{}, &abi.Error{Code: abi.CodeTimeout, Message: "no answer"}
		}
		return send(request)
	})
	output, failure = cut["batch_create"](input)
	got = Batched{}
	if err := json.Unmarshal(output, &got); err != nil || failure != nil || len(got.Records) != 100 || len(got.Errors) != 1 || got.Errors[0].Code != "timeout" || len(got.Errors[0].Indexes) != 100 || got.Unsent != 50 {
		t.Errorf("%d records, errors %v, %d unsent, %v", len(got.Records), got.Errors, got.Unsent, failure)
	}
	if _, failure := all["batch_create"]([]byte(`{"object":"deals","records":[` + strings.Repeat("{},", maxRecords) + `{}]}`)); failure == nil || failure.Code != abi.CodeLimit {
		t.Errorf("any number of records: %v", failure)
	}
}

func TestSearchLimits(t *testing.T) {
	filters := func(n int) string {
		return "[" + strings.TrimSuffix(strings.Repeat(`{"property":"a","value":1},`, n), ",") + "]"
	}
	for input, message := range map[string]string{
		`{"object":"deals","query":"` + strings.Repeat("x", 3001) + `"}`:                                   "longer than 3000",
		`{"object":"deals","filters":` + filters(7) + `}`:                                                  "7 filters must hold",
		`{"object":"deals","any_of":[` + strings.TrimSuffix(strings.Repeat(filters(1)+",", 6), ",") + `]}`: "6 groups",
		`{"object":"deals","any_of":[` + strings.TrimSuffix(strings.Repeat(filters(4)+",", 5), ",") + `]}`: "20 filters in all",
		`{"object":"deals","any_of":[[]]}`:                                                                 "is empty",
		`{"object":"deals","filters":[{"property":"a","operator":"LIKE","value":"x"}]}`:                    "no operator",
		`{"object":"deals","filters":[{"property":"a","operator":"BETWEEN","value":1}]}`:                   "BETWEEN takes",
		`{"object":"deals","filters":[{"property":"a","operator":"HAS_PROPERTY","value":1}]}`:              "takes no value",
		`{"object":"deals","sort":["a","b"]}`:                                                              "one property",
		`{"object":"deals","cursor":"10000"}`:                                                              "first 10000",
		`{"object":"deals","max_items":10001}`:                                                             "max_items",
		`{"object":"..","query":"x"}`:                                                                      "part of an address",
	} {
		_, all := stubbed(t, hubspottest.Token)
		if output, failure := all["search"]([]byte(input)); failure == nil || !strings.Contains(failure.Message, message) {
			t.Errorf("%.90s gives %s, %v, want %q", input, output, failure, message)
		}
	}
}

// TestSearchAmongValues looks for texts and for options of enumerations, which
// HubSpot compares in two ways.
func TestSearchAmongValues(t *testing.T) {
	_, all := stubbed(t, hubspottest.Token)
	if _, failure := all["create"]([]byte(`{"object":"contacts","properties":{"email":"rui@acme.example","firstname":"Rui","hs_lead_status":"OPEN_DEAL"}}`)); failure != nil {
		t.Fatal(failure)
	}
	for filter, want := range map[string]int{
		`{"property":"hs_lead_status","operator":"IN","values":["OPEN_DEAL","NEW"]}`: 1,
		`{"property":"hs_lead_status","operator":"NOT_IN","values":["OPEN_DEAL"]}`:   0,
		`{"property":"hs_lead_status","operator":"NOT_IN","values":["NEW"]}`:         1,
		`{"property":"firstname","operator":"IN","values":["RUI"]}`:                  1,
		`{"property":"firstname","operator":"NOT_IN","values":["Rui","ana"]}`:        0,
		`{"property":"hs_object_id","operator":"IN","values":[9007199254740995, 7]}`: 1,
	} {
		output, failure := all["search"]([]byte(`{"object":"contacts","filters":[` + filter + `]}`))
		var got struct{ Items []json.RawMessage }
		if failure != nil || json.Unmarshal(output, &got) != nil || len(got.Items) != want {
			t.Errorf("%s finds %s, %v; want %d", filter, output, failure, want)
		}
	}
}

// TestSearchToItsEnd follows the cursor through a search that finds more than
// HubSpot shows: all that it shows is given, and then the limit is an error.
func TestSearchToItsEnd(t *testing.T) {
	all := handlers(func(request abi.HTTPRequest) (abi.HTTPResponse, error) {
		var in struct {
			After string
			Limit int
		}
		if err := json.Unmarshal([]byte(request.Body), &in); err != nil {
			return abi.HTTPResponse{}, err
		}
		at, _ := strconv.Atoi(in.After)
		if at+in.Limit > maxSearchSeen {
			return abi.HTTPResponse{Status: 400, Body: `{"message":"There was a problem with the request."}`}, nil
		}
		results := strings.TrimSuffix(strings.Repeat(`{"id":"1","properties":{}},`, in.Limit), ",")
		return abi.HTTPResponse{Status: 200, Body: fmt.Sprintf(`{"results":[%s],"paging":{"next":{"after":"%d"}}}`, results, at+in.Limit)}, nil
	})
	for _, most := range []int{150, 10_000} {
		seen, cursor := 0, ""
		for {
			output, failure := all["search"]([]byte(fmt.Sprintf(`{"object":"contacts","query":"a","max_items":%d,"cursor":%q}`, most, cursor)))
			if failure != nil {
				if failure.Code != abi.CodeLimit {
					t.Errorf("it ends with %v", failure)
				}
				break
			}
			var got struct {
				Items  []json.RawMessage
				Cursor string
			}
			if err := json.Unmarshal(output, &got); err != nil || len(got.Items) == 0 {
				t.Fatalf("%d items after %d: %v", len(got.Items), seen, err)
			}
			seen, cursor = seen+len(got.Items), got.Cursor
		}
		if seen != maxSearchSeen {
			t.Errorf("%d at a time give %d records, want %d", most, seen, maxSearchSeen)
		}
	}
}
