package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/trama-run/trama/pdk/abi"
	"github.com/trama-run/trama/plugins/google_sheets/sheetstest"
	"github.com/trama-run/trama/plugins/internal/rest"
	"github.com/trama-run/trama/plugins/strict"
)

const book = "1aBc"

// against gives the operations over HTTP to a stub with one sheet.
func against(t *testing.T) (*sheetstest.Sheets, func(operation, input string) (string, *abi.Error)) {
	t.Helper()
	stub := sheetstest.New("not-a-token")
	stub.Guard(t)
	stub.Put(book, "Ana's list", []any{"name", "phone", "city"},
		[]any{"Ana", json.Number("5511999990000"), "Olinda"},
		[]any{"Rui", "5511888880000"},
		[]any{},
		[]any{"Zoé", "", "Natal"})
	server := httptest.NewServer(stub)
	t.Cleanup(server.Close)
	operations := handlers(service{
		send:     func(r abi.HTTPRequest) (abi.HTTPResponse, error) { return send(server.URL, r) },
		effectID: func() (string, error) { return "effect-1", nil },
		now:      time.Now,
	})
	return stub, func(operation, input string) (string, *abi.Error) {
		output, failure := operations[operation]([]byte(input))
		return string(output), failure
	}
}

func send(base string, r abi.HTTPRequest) (abi.HTTPResponse, error) {
	request, err := http.NewRequest(r.Method, base+r.URL, strings.NewReader(r.Body))
	if err != nil {
		return abi.HTTPResponse{}, err
	}
	request.Header.Set("Authorization", "Bearer not-a-token")
	for name, value := range r.Headers {
		request.Header.Set(name, value)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return abi.HTTPResponse{}, &abi.Error{Code: abi.CodeUnreachable, Message: err.Error(), Retryable: true}
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return abi.HTTPResponse{}, &abi.Error{Code: abi.CodeUnreachable, Message: err.Error(), Retryable: true}
	}
	out := abi.HTTPResponse{Status: answer.StatusCode, Headers: map[string]string{}, Body: string(body)}
	for name := range answer.Header {
		out.Headers[strings.ToLower(name)] = answer.Header.Get(name)
	}
	return out, nil
}

// TestCellsAfter does one operation each and looks at the cells that are there
// afterwards.
func TestCellsAfter(t *testing.T) {
	before := `[["name","phone","city"],["Ana",5511999990000,"Olinda"],["Rui","5511888880000"],[],["Zoé","","Natal"]]`
	for _, test := range []struct{ name, operation, input, output, code, cells string }{
		{"read", "read", `"sheet":"Ana's list"`,
			`{"columns":["name","phone","city"],"rows":[{"number":2,"values":{"city":"Olinda","name":"Ana","phone":5511999990000}},{"number":3,"values":{"city":null,"name":"Rui","phone":"5511888880000"}},{"number":5,"values":{"city":"Natal","name":"Zoé","phone":null}}],"next_row":null}`, "", before},
		{"a part of it", "read", `"sheet":"Ana's list","range":"B1:B3","render":"formatted"`,
			`{"columns":["phone"],"rows":[{"number":2,"values":{"phone":"5511999990000"}},{"number":3,"values":{"phone":"5511888880000"}}],"next_row":null}`, "", before},
		{"page by page", "read", `"sheet":"Ana's list","max_rows":1,"from_row":3`,
			`{"columns":["name","phone","city"],"rows":[{"number":3,"values":{"city":null,"name":"Rui","phone":"5511888880000"}}],"next_row":5}`, "", before},
		{"find a number by its text", "find", `"sheet":"Ana's list","column":"phone","value":" 5511999990000 "`,
			`{"found":true,"row":{"number":2,"values":{"city":"Olinda","name":"Ana","phone":5511999990000}},"rows":[{"number":2,"values":{"city":"Olinda","name":"Ana","phone":5511999990000}}],"next_row":null}`, "", before},
		{"find empty cells", "find", `"sheet":"Ana's list","column":"city","value":null,"max_rows":9`,
			`{"found":true,"row":{"number":3,"values":{"city":null,"name":"Rui","phone":"5511888880000"}},"rows":[{"number":3,"values":{"city":null,"name":"Rui","phone":"5511888880000"}}],"next_row":null}`, "", before},
		{"append stops at the first empty row and breaks nothing below", "append", `"sheet":"Ana's list","row":{"city":"=HYPERLINK(1)","name":true,"phone":9007199254740993}`,
			`{"appended":1,"first_row":4,"range":"'Ana''s list'!A4:C4"}`, "", `[["name","phone","city"],["Ana",5511999990000,"Olinda"],["Rui","5511888880000"],[true,"9007199254740993","=HYPERLINK(1)"],[],["Zoé","","Natal"]]`},
		{"append with a new column", "append", `"sheet":"Ana's list","row":{"e-mail":"a@b.example","name":"Bia"},"unknown_columns":"add"`,
			`{"appended":1,"first_row":4,"range":"'Ana''s list'!A4:D4"}`, "", `[["name","phone","city","e-mail"],["Ana",5511999990000,"Olinda"],["Rui","5511888880000"],["Bia","","","a@b.example"],[],["Zoé","","Natal"]]`},
		{"append without what is no column", "append", `"sheet":"Ana's list","row":{"x":1,"name":"Bia"},"unknown_columns":"ignore"`,
			`{"appended":1,"first_row":4,"range":"'Ana''s list'!A4:C4"}`, "", `[["name","phone","city"],["Ana",5511999990000,"Olinda"],["Rui","5511888880000"],["Bia"],[],["Zoé","","Natal"]]`},
		{"append refuses what is no column", "append", `"sheet":"Ana's list","row":{"x":1}`, "", "invalid", before},
		{"append once, with the host's id", "append_once", `"sheet":"Ana's list","id_column":"phone","rows":[{"name":"Bia"},{"name":"Rui","phone":5511888880000}]`,
			`{"appended":1,"ids":["effect-1-1","5511888880000"],"existing":["5511888880000"],"first_row":4,"range":"'Ana''s list'!A4:C4"}`, "", `[["name","phone","city"],["Ana",5511999990000,"Olinda"],["Rui","5511888880000"],["Bia","effect-1-1"],[],["Zoé","","Natal"]]`},
		{"update by number", "update", `"sheet":"Ana's list","row":3,"values":{"city":"1","name":null},"input":"user_entered"`,
			`{"rows":[3],"cells":2}`, "", `[["name","phone","city"],["Ana",5511999990000,"Olinda"],["","5511888880000",1],[],["Zoé","","Natal"]]`},
		{"update by key", "update", `"sheet":"Ana's list","key":{"column":"name","value":"ZOÉ","ignore_case":true},"values":{"phone":"1"}`,
			`{"rows":[5],"cells":1}`, "", `[["name","phone","city"],["Ana",5511999990000,"Olinda"],["Rui","5511888880000"],[],["Zoé","1","Natal"]]`},
		{"update of nobody", "update", `"sheet":"Ana's list","key":{"column":"name","value":"zoé"},"values":{"phone":"1"}`, "", "no_row", before},
		{"update of the names", "update", `"sheet":"Ana's list","row":1,"values":{"phone":"1"}`, "", "invalid", before},
		{"update or insert", "update_or_insert", `"sheet":"Ana's list","key":"phone","rows":[{"phone":"5511888880000","city":"Recife"},{"phone":"3","name":"Bia"}]`,
			`{"updated":[3],"inserted":1,"first_row":4}`, "", `[["name","phone","city"],["Ana",5511999990000,"Olinda"],["Rui","5511888880000","Recife"],["Bia","3"],[],["Zoé","","Natal"]]`},
		{"ranges", "read_ranges", `"ranges":["Ana's list!A2:D3","'Ana''s list'!Z9"]`,
			`{"ranges":[{"range":"'Ana''s list'!A2:D3","values":[["Ana",5511999990000,"Olinda"],["Rui","5511888880000",null]]},{"range":"'Ana''s list'!Z9","values":[]}]}`, "", before},
		{"ranges by columns", "read_ranges", `"ranges":["Ana's list!B1:C3"],"by":"columns"`,
			`{"ranges":[{"range":"'Ana''s list'!B1:C3","values":[["phone",5511999990000,"5511888880000"],["city","Olinda",null]]}]}`, "", before},
		{"write ranges", "update_ranges", `"ranges":[{"range":"Ana's list!A2:B2","values":[["Eva",null]]},{"range":"Ana's list!C3","by":"columns","values":[["x","y"]]}]`,
			`{"ranges":["'Ana''s list'!A2:B2","'Ana''s list'!C3:C4"],"cells":3}`, "", `[["name","phone","city"],["Eva",5511999990000,"Olinda"],["Rui","5511888880000","x"],["","","y"],["Zoé","","Natal"]]`},
		{"write all ranges or none", "update_ranges", `"ranges":[{"range":"Ana's list!A2","values":[["Eva"]]},{"range":"Nobody!C3","values":[["x"]]}]`, "", "no_range", before},
		{"write more than the range", "update_ranges", `"ranges":[{"range":"Ana's list!A2:A2","values":[["Eva","x"]]}]`, "", "rejected", before},
		{"clear", "clear", `"ranges":["Ana's list!A2:B","Ana's list!C5"]`, `{"ranges":["'Ana''s list'!A2:B1000","'Ana''s list'!C5"]}`, "", `[["name","phone","city"],["","","Olinda"]]`},
		{"names of a sheet that has some", "create_sheet", `"title":"ana's list","columns":["x"]`, `{"created":false,"sheet":{"id":1,"title":"Ana's list","rows":1000,"columns":26,"hidden":false}}`, "", before},
		{"outside of the grid", "read_ranges", `"ranges":["Ana's list!A1001"]`, "", "outside_grid", before},
		{"no such sheet", "read", `"sheet":"Nobody"`, "", "no_range", before},
	} {
		t.Run(test.name, func(t *testing.T) {
			stub, call := against(t)
			output, failure := call(test.operation, `{"spreadsheet":"`+book+`",`+test.input+`}`)
			if failure == nil && test.code != "" || failure != nil && failure.Code != test.code || output != test.output {
				t.Errorf("gave\n%s, %v\nwant\n%s %s", output, failure, test.output, test.code)
			}
			cells, err := json.Marshal(stub.Cells(book, "Ana's list"))
			if err != nil || string(cells) != test.cells {
				t.Errorf("the cells are\n%s\nwant\n%s", cells, test.cells)
			}
		})
	}
}

func TestSheets(t *testing.T) {
	stub, call := against(t)
	for i, want := range []string{`{"created":true,"sheet":{"id":2,"title":"A/B: \"x\"","rows":1000,"columns":26,"hidden":false}}`, `{"created":false,"sheet":{"id":2,"title":"A/B: \"x\"","rows":1000,"columns":26,"hidden":false}}`} {
		if got, failure := call("create_sheet", `{"spreadsheet":"1aBc","title":"A/B: \"x\"","columns":["id","who?"]}`); got != want || failure != nil {
			t.Errorf("call %d gave %s, %v", i, got, failure)
		}
	}
	if _, failure := call("append", `{"spreadsheet":"1aBc","sheet":"A/B: \"x\"","rows":[{"id":1},{"who?":"me"}]}`); failure != nil {
		t.Error(failure)
	}
	if got := stub.Cells(book, `A/B: "x"`); !reflect.DeepEqual(got, [][]any{{"id", "who?"}, {json.Number("1")}, {"", "me"}}) {
		t.Errorf("the new sheet has %v", got)
	}
	var made Listed
	got, failure := call("create_spreadsheet", `{"title":"Vendas","time_zone":"America/Sao_Paulo","sheets":[{"title":"Hoje","columns":["a","b"]}]}`)
	if err := json.Unmarshal([]byte(got), &made); err != nil || failure != nil || made.Title != "Vendas" {
		t.Fatalf("%s, %v", got, failure)
	}
	if again, failure := call("list_sheets", `{"spreadsheet":"`+made.URL+`"}`); again != got || failure != nil {
		t.Errorf("listed as %s, %v, made as %s", again, failure, got)
	}
	if cells := stub.Cells(made.Spreadsheet, "Hoje"); !reflect.DeepEqual(cells, [][]any{{"a", "b"}}) {
		t.Errorf("it has %v", cells)
	}
}

// TestManyRows reads and finds beyond one page, and appends over the grid's end.
func TestManyRows(t *testing.T) {
	stub, call := against(t)
	rows := [][]any{{"id", "done"}}
	for range 4999 {
		rows = append(rows, []any{json.Number(fmtInt(len(rows))), "x"})
	}
	rows[4500][1] = ""
	stub.Put(book, "Many", rows...)
	stub.Grid(book, "Many", 5000, 2)
	var got Rows
	for from, total := 0, 0; ; {
		output, failure := call("read", `{"spreadsheet":"1aBc","sheet":"Many","max_rows":1800,"from_row":`+fmtInt(from)+`}`)
		if failure != nil {
			t.Fatal(failure)
		}
		if err := json.Unmarshal([]byte(output), &got); err != nil {
			t.Fatal(err)
		}
		if total += len(got.Rows); got.NextRow == nil {
			if total != 4999 {
				t.Errorf("%d rows were read, want 4999", total)
			}
			break
		}
		from, got = *got.NextRow, Rows{}
	}
	for input, want := range map[string]int{`"column":"id","value":"4777"`: 4778, `"column":"done","value":null`: 4501} {
		var found Found
		output, failure := call("find", `{"spreadsheet":"1aBc","sheet":"Many",`+input+`}`)
		if err := json.Unmarshal([]byte(output), &found); err != nil || failure != nil || !found.Found || found.Row.Number != want {
			t.Errorf("%s finds %s, %v", input, output, failure)
		}
	}
	if output, failure := call("append", `{"spreadsheet":"1aBc","sheet":"Many","row":{"id":5000,"new":1},"unknown_columns":"add"}`); failure != nil || output != `{"appended":1,"first_row":5001,"range":"Many!A5001:C5001"}` {
		t.Errorf("%s, %v", output, failure)
	}
}

func fmtInt(n int) string { data, _ := json.Marshal(n); return string(data) }

// TestRefusals is every way in which Google says no, or says nothing that can
// be read.
func TestRefusals(t *testing.T) {
	reason := func(status int, word, reason string) strict.Answer {
		a := sheetstest.Refusal(status, word, "no")
		a.Body.(map[string]any)["error"].(map[string]any)["details"] = []any{map[string]any{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason}}
		return a
	}
	old := strict.Answer{Status: 403, Body: map[string]any{"error": map[string]any{"code": 403, "message": "Rate Limit Exceeded", "errors": []any{map[string]any{"domain": "usageLimits", "reason": "userRateLimitExceeded"}}}}}
	after := sheetstest.RateLimited()
	after.Headers = map[string]string{"Retry-After": "30"}
	for _, test := range []struct {
		name     string
		answer   strict.Answer
		code     string
		retry    bool
		millis   int64
		contains string
	}{
		{"bad argument", sheetstest.Refusal(400, "INVALID_ARGUMENT", "Invalid value"), "rejected", false, 0, "Invalid value"},
		{"an Excel file", sheetstest.Refusal(400, "FAILED_PRECONDITION", "This operation is not supported for this document"), "failed_precondition", false, 0, "save it as a Google Sheet"},
		{"expired token", sheetstest.Refusal(401, "UNAUTHENTICATED", "Request had invalid authentication credentials."), "unauthorized", false, 0, "auth"},
		{"not shared", sheetstest.Refusal(403, "PERMISSION_DENIED", "The caller does not have permission"), "forbidden", false, 0, "share the spreadsheet"},
		{"API not enabled", reason(403, "PERMISSION_DENIED", "SERVICE_DISABLED"), "service_disabled", false, 0, "enable the Google Sheets API"},
		{"scope too small", reason(403, "PERMISSION_DENIED", "ACCESS_TOKEN_SCOPE_INSUFFICIENT"), "forbidden", false, 0, "scope"},
		{"limit, as older services say it", old, "rate_limited", true, 0, "quota"},
		{"gone", sheetstest.Refusal(404, "NOT_FOUND", "Requested entity was not found."), "not_found", false, 0, "no spreadsheet has this id"},
		{"at a time", sheetstest.Refusal(409, "ABORTED", "The operation was aborted."), "conflict", true, 0, "aborted"},
		{"limit", sheetstest.RateLimited(), "rate_limited", true, 0, "quota"},
		{"limit, with a time", after, "rate_limited", true, 30_000, "quota"},
		{"internal", sheetstest.Refusal(500, "INTERNAL", "Internal error encountered."), "server_error", true, 0, "Internal error"},
		{"unavailable", sheetstest.Refusal(503, "UNAVAILABLE", "The service is currently unavailable."), "server_error", true, 0, "unavailable"},
		{"a page", strict.Answer{Status: 502, Text: "<html>Error 502</html>"}, "server_error", true, 0, "502"},
		{"a page that says success", strict.Answer{Status: 200, Text: "<html>Sign in</html>"}, "bad_answer", true, 0, "base_url"},
		{"JSON that breaks off", strict.Answer{Status: 200, Text: `{"range": "A1", "val`}, "bad_answer", true, 0, "breaks off"},
		{"another shape", strict.Answer{Status: 200, Text: `{"values": {"a": 1}}`}, "bad_answer", true, 0, "another shape"},
		{"an error without anything", strict.Answer{Status: 400, Text: `[]`}, "rejected", false, 0, "400"},
	} {
		t.Run(test.name, func(t *testing.T) {
			stub, call := against(t)
			stub.Next(test.answer)
			_, failure := call("read", `{"spreadsheet":"1aBc","sheet":"Ana's list"}`)
			if failure == nil || failure.Code != test.code || failure.Retryable != test.retry || failure.RetryAfterMillis != test.millis || !strings.Contains(failure.Message, test.contains) {
				t.Errorf("gave %+v", failure)
			}
		})
	}
}

// TestAddedFields shows that an answer may have more, and may lack what is
// empty.
func TestAddedFields(t *testing.T) {
	stub, call := against(t)
	stub.Next(strict.Answer{Text: `{"range": "X!A1:Z1000", "majorDimension": "ROWS", "values": [["id"], [90071992547409931234]], "new": {"a": 1}}`})
	if got, failure := call("read", `{"spreadsheet":"1aBc","sheet":"X"}`); failure != nil || got != `{"columns":["id"],"rows":[{"number":2,"values":{"id":90071992547409931234}}],"next_row":null}` {
		t.Errorf("%s, %v", got, failure)
	}
	stub.Next(strict.Answer{Text: `{"range": "X!A1:Z1000"}`})
	if got, failure := call("read", `{"spreadsheet":"1aBc","sheet":"X"}`); failure == nil || !strings.Contains(failure.Message, "row 1 has no names") {
		t.Errorf("%s, %v", got, failure)
	}
}

// TestMissingFields: a success without what the output needs is none, as from a
// proxy.
func TestMissingFields(t *testing.T) {
	header := strict.Answer{Text: `{"range": "X!A1:B1", "values": [["id", "name"]]}`}
	for _, test := range []struct {
		operation, input string
		before           []strict.Answer
		retry            bool
	}{
		{"read", `{}`, nil, true},
		{"append", `{"row":{"id":"1"}}`, []strict.Answer{header}, false},
		{"append_once", `{"row":{"id":"1"},"id_column":"id"}`, []strict.Answer{header, {Text: `{"range": "X!A1:A1000"}`}}, false},
		{"append_once", `{"row":{"id":"1"},"id_column":"id"}`, []strict.Answer{header}, true}, // the search for the id
		{"update", `{"row":2,"values":{"id":"1"}}`, []strict.Answer{header}, false},
		{"list_sheets", `{}`, nil, true},
		{"clear", `{"ranges":["X!A2:B2"]}`, nil, false},
	} {
		stub, call := against(t)
		for _, answer := range append(test.before, strict.Answer{Text: `{}`}) {
			stub.Next(answer)
		}
		input := `{"spreadsheet":"1aBc","sheet":"X",` + strings.TrimPrefix(test.input, "{")
		if test.input == `{}` {
			input = `{"spreadsheet":"1aBc","sheet":"X"}`
		}
		if test.operation == "list_sheets" || test.operation == "clear" {
			input = strings.Replace(input, `"sheet":"X",`, "", 1)
			input = strings.Replace(input, `,"sheet":"X"`, "", 1)
		}
		got, failure := call(test.operation, input)
		if failure == nil || failure.Code != rest.CodeAnswer || failure.Retryable != test.retry {
			t.Errorf("%s after %d answers: %s, %v", test.operation, len(test.before), got, failure)
		}
	}
}

// TestAfterAppendLost shows what becomes of an append whose answer is lost:
// append_once, called again, adds nothing.
func TestAfterAppendLost(t *testing.T) {
	stub, call := against(t)
	input := `{"spreadsheet":"1aBc","sheet":"Ana's list","id_column":"phone","row":{"name":"Bia"}}`
	stub.LoseAppend()
	if got, failure := call("append_once", input); failure == nil || !failure.Retryable {
		t.Fatalf("%s, %v, want an error that may be retried", got, failure)
	}
	if got, failure := call("append_once", input); failure != nil || got != `{"appended":0,"ids":["effect-1"],"existing":["effect-1"],"first_row":0,"range":""}` {
		t.Errorf("the repeat gave %s, %v", got, failure)
	}
	if got := len(stub.Cells(book, "Ana's list")); got != 6 {
		t.Errorf("the sheet has %d rows, want 6", got)
	}
}

// TestTypedKeysAreFoundAgain repeats calls that have Google take values as if
// typed, which would make another value of these keys.
func TestTypedKeysAreFoundAgain(t *testing.T) {
	for _, key := range []string{`"007"`, `"1e5"`, `"=1+1"`, `"true"`, `"'x"`, `7.50`, `12345678901234567890`, `true`} {
		stub, call := against(t)
		rows := len(stub.Cells(book, "Ana's list"))
		for _, repeated := range [][2]string{
			{"append_once", `"id_column":"phone","row":{"name":"Bia","phone":` + key + `}`},
			{"update_or_insert", `"key":"name","row":{"name":` + key + `,"phone":"=1+1"}`},
		} {
			for range 2 {
				if got, failure := call(repeated[0], `{"spreadsheet":"1aBc","sheet":"Ana's list","input":"user_entered",`+repeated[1]+`}`); failure != nil {
					t.Errorf("%s of %s: %s, %v", repeated[0], key, got, failure)
				}
			}
		}
		if got := len(stub.Cells(book, "Ana's list")) - rows; got != 2 {
			t.Errorf("%s became %d rows, want 2: %v", key, got, stub.Cells(book, "Ana's list"))
		}
	}
}
