//go:build peers

package main

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/trama-run/trama/plugins/google_sheets/sheetstest"
	"github.com/trama-run/trama/plugins/peer"
)

// TestGooglesClient lets Google's own client do what the plugin does: the stub
// must take what it sends, and answer what it reads.
func TestGooglesClient(t *testing.T) {
	stub := sheetstest.New("not-a-token")
	stub.Guard(t)
	stub.Put(book, "Ana's list", []any{"name", "phone", "city"}, []any{"Ana", json.Number("551"), "Olinda"})
	server := httptest.NewServer(stub)
	defer server.Close()
	got := map[string]string{}
	for line := range strings.Lines(string(peer.Run(t, "testdata/client.mjs", server.URL))) {
		name, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		got[name] = rest
	}
	for name, want := range map[string]string{
		"get":         `200 {"majorDimension":"ROWS","range":"'Ana''s list'!A1:Z1000","values":[["name","phone","city"],["Ana",551,"Olinda"]]}`,
		"append":      `200 {"spreadsheetId":"1aBc","tableRange":"'Ana''s list'!A1:C2","updates":{"spreadsheetId":"1aBc","updatedCells":2,"updatedColumns":2,"updatedRange":"'Ana''s list'!A3:C3","updatedRows":1}}`,
		"batchUpdate": `200 {"responses":[{"spreadsheetId":"1aBc","updatedCells":1,"updatedColumns":1,"updatedRange":"'Ana''s list'!C2","updatedRows":1}],"spreadsheetId":"1aBc","totalUpdatedCells":1}`,
		"batchGet":    `200 {"spreadsheetId":"1aBc","valueRanges":[{"majorDimension":"ROWS","range":"'Ana''s list'!A2:C2","values":[["Ana","551","Natal"]]},{"majorDimension":"ROWS","range":"'Ana''s list'!A4:C4"}]}`,
		"batchClear":  `200 {"clearedRanges":["'Ana''s list'!A2:Z1001"],"spreadsheetId":"1aBc"}`,
		"update":      `200 {"spreadsheetId":"1aBc","updatedCells":1,"updatedColumns":1,"updatedRange":"'Ana''s list'!A2","updatedRows":1}`,
		"addSheet":    `200 {"replies":[{"addSheet":{"properties":{"gridProperties":{"columnCount":26,"rowCount":1000},"index":1,"sheetId":2,"sheetType":"GRID","title":"Leads"}}}],"spreadsheetId":"1aBc"}`,
		"missing":     `400 "Unable to parse range: Nobody!A1"`,
	} {
		if got[name] != want {
			t.Errorf("%s gave\n%s\nwant\n%s", name, got[name], want)
		}
	}
	for _, name := range []string{"document", "create"} {
		if !strings.HasPrefix(got[name], `200 {`) || !strings.Contains(got[name], `"title":"`) {
			t.Errorf("%s gave %s", name, got[name])
		}
	}
	if cells, err := json.Marshal(stub.Cells(book, "Ana's list")); err != nil || string(cells) != `[["name","phone","city"],["Eva"]]` {
		t.Errorf("the cells are %s, %v", cells, err)
	}
}
