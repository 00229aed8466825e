package main

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/trama-run/trama/pdk/abi"
	"github.com/trama-run/trama/plugins/google_sheets/sheetstest"
)

// bigSheet is a stub with a sheet of many rows, and a call of a plugin that has
// the host's default limits.
type bigSheet struct {
	*testing.T
	stub     *sheetstest.Sheets
	rows     [][]any
	bytes    int // of an answer
	requests int
	behind   func() // is called behind each block of a column
}

func newBigSheet(t *testing.T, rows int, key func(row int) string) *bigSheet {
	t.Helper()
	b := &bigSheet{T: t, stub: sheetstest.New("not-a-token"), rows: [][]any{{"id", "done"}}, bytes: 4 << 20, behind: func() {}}
	b.stub.Guard(t)
	for row := 2; row <= rows; row++ {
		b.rows = append(b.rows, []any{key(row), "x"})
	}
	b.put()
	return b
}

func (b *bigSheet) put() { b.stub.Put(book, "Big", b.rows...) }

func (b *bigSheet) call(operation, input string) (string, *abi.Error) {
	b.Helper()
	server := httptest.NewServer(b.stub)
	defer server.Close()
	b.requests = 0
	s := service{effectID: func() (string, error) { return "effect-1", nil }, now: time.Now, send: func(r abi.HTTPRequest) (abi.HTTPResponse, error) {
		if b.requests++; b.requests > 32 {
			return abi.HTTPResponse{}, &abi.Error{Code: abi.CodeLimit, Message: "the call has made its 32 outbound requests"}
		}
		answer, err := send(server.URL, r)
		if len(answer.Body) > b.bytes {
			return abi.HTTPResponse{}, &abi.Error{Code: abi.CodeLimit, Message: fmt.Sprintf("the answer is longer than %d bytes", b.bytes)}
		}
		if strings.Contains(r.URL, "COLUMNS") {
			b.behind()
		}
		return answer, err
	}}
	output, failure := handlers(s)[operation]([]byte(`{"spreadsheet":"` + book + `","sheet":"Big",` + input + `}`))
	return string(output), failure
}

func (b *bigSheet) wants(operation, input, want string) {
	b.Helper()
	if got, failure := b.call(operation, input); failure != nil || got != want {
		b.Errorf("%s of %s gave\n%s, %v\nwant\n%s", operation, input, got, failure, want)
	}
}

func id(row int) string { return fmt.Sprintf("order-%06d", row) }

// TestBigSheets: a key is found however many rows there are, within the limits
// of a call, and what is there is not added again.
func TestBigSheets(t *testing.T) {
	const last = 50_000
	b := newBigSheet(t, last, id)
	b.wants("find", `"column":"id","value":"order-050000"`, `{"found":true,"row":{"number":50000,"values":{"done":"x","id":"order-050000"}},"rows":[{"number":50000,"values":{"done":"x","id":"order-050000"}}],"next_row":null}`)
	if b.requests > 6 {
		t.Errorf("%d requests", b.requests)
	}
	var rows, found []string // where blocks meet
	for row := blockRows - overlap - 1; row <= blockRows+1; row++ {
		rows, found = append(rows, fmt.Sprintf(`{"id":%q,"done":"x"}`, id(row))), append(found, fmt.Sprint(row))
	}
	b.wants("update_or_insert", `"key":"id","rows":[`+strings.Join(rows, ",")+`]`, `{"updated":[`+strings.Join(found, ",")+`],"inserted":0,"first_row":0}`)
	b.wants("update_or_insert", `"key":"id","rows":[{"id":"order-049999","done":"y"},{"id":"order-000002","done":"y"}]`, `{"updated":[49999,2],"inserted":0,"first_row":0}`)
	b.wants("append_once", `"id_column":"id","rows":[{"id":"order-050000"},{"id":"new"}]`, `{"appended":1,"ids":["order-050000","new"],"existing":["order-050000"],"first_row":50001,"range":"Big!A50001:B50001"}`)
	b.wants("append_once", `"id_column":"id","rows":[{"id":"order-050000"},{"id":"new"}]`, `{"appended":0,"ids":["order-050000","new"],"existing":["order-050000","new"],"first_row":0,"range":""}`)
	b.wants("find", `"column":"done","value":"y","from_row":3,"max_rows":5`, `{"found":true,"row":{"number":49999,"values":{"done":"y","id":"order-049999"}},"rows":[{"number":49999,"values":{"done":"y","id":"order-049999"}}],"next_row":null}`)
	if output, failure := b.call("find", `"column":"done","value":"x","from_row":100,"max_rows":2`); failure != nil || !strings.HasSuffix(output, `"next_row":102}`) || b.requests > 3 {
		t.Errorf("%s, %v, in %d requests: want it to stop at the third", output, failure, b.requests)
	}
	b.wants("find", `"column":"id","value":"order-000500","range":"A1:B400"`, `{"found":false,"row":null,"rows":[],"next_row":null}`)
}

// TestEmptyRows: many rows of a grid without anything cost few requests.
func TestEmptyRows(t *testing.T) {
	b := newBigSheet(t, 10, id)
	b.stub.Grid(book, "Big", 2_000_000, 2)
	b.wants("find", `"column":"id","value":"nobody"`, `{"found":false,"row":null,"rows":[],"next_row":null}`)
	if b.requests > 8 {
		t.Errorf("%d requests", b.requests)
	}
	b.stub.Grid(book, "Big", blockRows, 2) // one block, all of it
	b.wants("find", `"column":"id","value":"order-000010"`, `{"found":true,"row":{"number":10,"values":{"done":"x","id":"order-000010"}},"rows":[{"number":10,"values":{"done":"x","id":"order-000010"}}],"next_row":null}`)
}

// TestLongKeys: where an answer would be over the limit, less is asked for; and
// what can't be done within the limits is refused with the host's reason.
func TestLongKeys(t *testing.T) {
	long := func(row int) string { return id(row) + strings.Repeat("…", 200) }
	b := newBigSheet(t, 3000, long)
	b.bytes = 256 << 10
	b.wants("update", fmt.Sprintf(`"key":{"column":"id","value":%q},"values":{"done":"y"}`, long(3000)), `{"rows":[3000],"cells":1}`)
	b.bytes = 64 << 10
	if output, failure := b.call("append_once", `"id_column":"id","row":{"id":"new"}`); failure == nil || failure.Code != abi.CodeLimit || !strings.Contains(failure.Message, "32 outbound requests") {
		t.Errorf("%s, %v", output, failure)
	}
	if got := len(b.stub.Cells(book, "Big")); got != 3000 {
		t.Errorf("the sheet has %d rows, want 3000", got)
	}
}

// TestRowsMove: where rows are inserted or removed between two blocks, none is
// missed and none is seen twice.
func TestRowsMove(t *testing.T) {
	row, once := blockRows+1, `"id_column":"id","row":{"id":"`+id(blockRows+1)+`"}`
	for _, change := range []struct {
		name   string
		change func(rows [][]any) [][]any
		at     int
	}{
		{"removed above", func(rows [][]any) [][]any { return slices.Delete(rows, 100, 130) }, row - 30},
		{"inserted above", func(rows [][]any) [][]any { return slices.Insert(rows, 100, []any{"other", "x"}) }, row + 1},
		{"one removed", func(rows [][]any) [][]any { return slices.Delete(rows, 1, 2) }, row - 1},
		{"changed", func(rows [][]any) [][]any { rows[blockRows-1] = []any{"other", "x"}; return rows }, row},
	} {
		t.Run(change.name, func(t *testing.T) {
			b := newBigSheet(t, blockRows+500, id)
			b.behind = func() {
				b.rows = change.change(b.rows)
				b.put()
				b.behind = func() {}
			}
			b.wants("append_once", once, `{"appended":0,"ids":["`+id(row)+`"],"existing":["`+id(row)+`"],"first_row":0,"range":""}`)
			b.wants("update", fmt.Sprintf(`"key":{"column":"id","value":%q},"values":{"done":"y"}`, id(row)), fmt.Sprintf(`{"rows":[%d],"cells":1}`, change.at))
		})
	}
	b := newBigSheet(t, blockRows+500, id)
	b.behind = func() { b.rows = slices.Delete(b.rows, 1, 2); b.put() }
	output, failure := b.call("append_once", once)
	if failure == nil || failure.Code != "conflict" || !failure.Retryable {
		t.Errorf("rows that always move: %s, %v", output, failure)
	}
	if cells, err := json.Marshal(b.stub.Cells(book, "Big")); err != nil || strings.Count(string(cells), id(row)) != 1 {
		t.Errorf("the row is there %d times, %v", strings.Count(string(cells), id(row)), err)
	}
}

// TestSortedMeanwhile: a sheet that is sorted between the search for a key and
// the writing is told, with the row that was written.
func TestSortedMeanwhile(t *testing.T) {
	for _, test := range []struct {
		name, operation, input, row string
		sorted                      bool // another order than before
	}{
		{"a key", "update", `"key":{"column":"id","value":"ORDER-000003","ignore_case":true},"values":{"done":"y"}`, "[3]", true},
		{"several", "update_or_insert", `"key":"id","rows":[{"id":"order-000003","done":"y"},{"id":"order-000006","done":"y"},{"id":"new","done":"y"}]`, "[3,6]", true},
		{"in vain", "update", `"key":{"column":"id","value":"order-000003"},"values":{"done":"y"}`, "", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newBigSheet(t, 9, id)
			b.behind = func() {
				if test.sorted {
					slices.Reverse(b.rows[1:])
				}
				b.put()
				b.behind = func() {}
			}
			output, failure := b.call(test.operation, test.input)
			if !test.sorted {
				if failure != nil {
					t.Error(failure)
				}
				return
			}
			if failure == nil || failure.Code != "conflict" || failure.Retryable || string(failure.Detail) != `{"rows":`+test.row+`}` || !strings.Contains(failure.Message, "in row 3") {
				t.Errorf("%s, %+v", output, failure)
			}
		})
	}
}
