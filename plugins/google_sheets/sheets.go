package main

import (
	"encoding/json"
	"net/url"
	"strings"

	"github.com/trama-run/trama/pdk/abi"
	"github.com/trama-run/trama/plugins/internal/rest"
)

// properties are those of a sheet, which people call a tab.
type properties struct {
	SheetID int64  `json:"sheetId"`
	Title   string `json:"title"`
	Index   int    `json:"index"`
	Type    string `json:"sheetType"`
	Hidden  bool   `json:"hidden"`
	Grid    struct {
		Rows    int `json:"rowCount"`
		Columns int `json:"columnCount"`
	} `json:"gridProperties"`
}

// document is what is asked of a spreadsheet.
type document struct {
	ID         string `json:"spreadsheetId"`
	URL        string `json:"spreadsheetUrl"`
	Properties struct {
		Title  string `json:"title"`
		Locale string `json:"locale"`
		Zone   string `json:"timeZone"`
	} `json:"properties"`
	Sheets []struct {
		Properties properties `json:"properties"`
	} `json:"sheets"`
}

// Lacks is of [rest.Complete].
func (d document) Lacks() string { return lacks(d.ID, "spreadsheetId") }

// fields keeps out of answers what nobody reads.
const fields = "spreadsheetId,spreadsheetUrl,properties(title,locale,timeZone),sheets.properties(sheetId,title,index,sheetType,hidden,gridProperties(rowCount,columnCount))"

func (s service) document(spreadsheet string) (document, error) {
	var out document
	err := s.call("GET", spreadsheet, "", url.Values{"fields": {fields}}, nil, &out)
	return out, err
}

// batch changes a spreadsheet itself: all of the requests, or none.
func (s service) batch(spreadsheet string, out any, requests ...any) error {
	return s.call("POST", spreadsheet, ":batchUpdate", nil, map[string]any{"requests": requests}, out)
}

// room sees to it that a sheet has a column.
func (s service) room(spreadsheet, sheet string, column int) error {
	doc, err := s.document(spreadsheet)
	if err != nil {
		return err
	}
	for _, one := range doc.Sheets {
		if missing := column - one.Properties.Grid.Columns; one.Properties.Title == sheet && missing > 0 {
			return s.batch(spreadsheet, &json.RawMessage{}, map[string]any{"appendDimension": map[string]any{
				"sheetId": one.Properties.SheetID, "dimension": "COLUMNS", "length": missing,
			}})
		}
	}
	return nil
}

// List is the input of "list_sheets".
type List struct {
	Spreadsheet string `json:"spreadsheet"`
}

// Listed is the output of "list_sheets".
type Listed struct {
	Spreadsheet string  `json:"spreadsheet"`
	Title       string  `json:"title"`
	URL         string  `json:"url"`
	Sheets      []Sheet `json:"sheets"`
}

// Sheet is one tab.
type Sheet struct {
	ID      int64  `json:"id"`
	Title   string `json:"title"`
	Rows    int    `json:"rows"`
	Columns int    `json:"columns"`
	Hidden  bool   `json:"hidden"`
}

func (p properties) sheet() Sheet {
	return Sheet{ID: p.SheetID, Title: p.Title, Rows: p.Grid.Rows, Columns: p.Grid.Columns, Hidden: p.Hidden}
}

func (d document) listed() Listed {
	out := Listed{Spreadsheet: d.ID, Title: d.Properties.Title, URL: d.URL, Sheets: []Sheet{}}
	for _, one := range d.Sheets {
		out.Sheets = append(out.Sheets, one.Properties.sheet())
	}
	return out
}

func (s service) listSheets(in List) (Listed, error) {
	spreadsheet, err := spreadsheetID(in.Spreadsheet)
	if err != nil {
		return Listed{}, err
	}
	doc, err := s.document(spreadsheet)
	return doc.listed(), err
}

// CreateSheet is the input of "create_sheet".
type CreateSheet struct {
	Spreadsheet string   `json:"spreadsheet"`
	Title       string   `json:"title"`
	Columns     []string `json:"columns"`
}

// CreatedSheet is the output of "create_sheet".
type CreatedSheet struct {
	Created bool  `json:"created"`
	Sheet   Sheet `json:"sheet"`
}

// createSheet adds a sheet, unless one of that title is there; a repeat so
// finds what the first call made.
func (s service) createSheet(in CreateSheet) (CreatedSheet, error) {
	spreadsheet, err := spreadsheetID(in.Spreadsheet)
	if err != nil {
		return CreatedSheet{}, err
	}
	if strings.TrimSpace(in.Title) == "" {
		return CreatedSheet{}, invalid("title: it is empty")
	}
	names, err := columnNames(in.Columns)
	if err != nil {
		return CreatedSheet{}, err
	}
	doc, err := s.document(spreadsheet)
	if err != nil {
		return CreatedSheet{}, err
	}
	var out CreatedSheet
	there := false
	for _, one := range doc.Sheets {
		if strings.EqualFold(one.Properties.Title, in.Title) { // Google has no two that differ in case
			out.Sheet, there = one.Properties.sheet(), true
		}
	}
	if !there {
		var reply struct {
			Replies []struct {
				AddSheet struct {
					Properties properties `json:"properties"`
				} `json:"addSheet"`
			} `json:"replies"`
		}
		wanted := map[string]any{"title": in.Title}
		grid(wanted, len(names))
		if err := s.batch(spreadsheet, &reply, map[string]any{"addSheet": map[string]any{"properties": wanted}}); err != nil {
			return CreatedSheet{}, err
		}
		if len(reply.Replies) != 1 {
			return CreatedSheet{}, &abi.Error{Code: rest.CodeAnswer, Message: "Google Sheets answered without the sheet that it made"}
		}
		out = CreatedSheet{Created: true, Sheet: reply.Replies[0].AddSheet.Properties.sheet()}
	}
	if len(names) == 0 {
		return out, nil
	}
	a := area{sheet: out.Sheet.Title, first: 1, top: 1, anywhere: true}
	if !out.Created {
		row, err := s.get(spreadsheet, a.rows(1, 1), nil)
		if err != nil || len(row.Values) > 0 {
			return out, err // what it has is kept
		}
		if err := s.room(spreadsheet, out.Sheet.Title, len(names)); err != nil {
			return CreatedSheet{}, err
		}
	}
	_, err = s.put(spreadsheet, "RAW", []valueRange{{Range: a.cells(1, 1, len(names)), Values: [][]Cell{names}}})
	return out, err
}

// grid makes a new sheet wider than Google does by itself, if it must be.
func grid(sheet map[string]any, columns int) {
	if columns > 26 {
		sheet["gridProperties"] = map[string]any{"rowCount": 1000, "columnCount": columns}
	}
}

// columnNames are cells of a first row.
func columnNames(names []string) ([]Cell, error) {
	var cells []Cell
	seen := map[string]bool{}
	for i, name := range names {
		name = strings.TrimSpace(name)
		if name == "" || seen[name] {
			return nil, invalid("columns[%d]: %q is empty or there twice", i, short(name))
		}
		seen[name] = true
		cells = append(cells, plain(name))
	}
	return cells, nil
}

// Create is the input of "create_spreadsheet".
type Create struct {
	Title  string `json:"title"`
	Locale string `json:"locale"`
	Zone   string `json:"time_zone"`
	Sheets []struct {
		Title   string   `json:"title"`
		Columns []string `json:"columns"`
	} `json:"sheets"`
}

func (s service) createSpreadsheet(in Create) (Listed, error) {
	if strings.TrimSpace(in.Title) == "" {
		return Listed{}, invalid("title: it is empty")
	}
	about := map[string]any{"title": in.Title}
	if in.Locale != "" {
		about["locale"] = in.Locale
	}
	if in.Zone != "" {
		about["timeZone"] = in.Zone
	}
	var sheets []any
	for _, sheet := range in.Sheets {
		if strings.TrimSpace(sheet.Title) == "" {
			return Listed{}, invalid("sheets: one has no title")
		}
		names, err := columnNames(sheet.Columns)
		if err != nil {
			return Listed{}, err
		}
		about := map[string]any{"title": sheet.Title}
		grid(about, len(names))
		one := map[string]any{"properties": about}
		if len(names) > 0 { // with the sheet in one request
			var cells []any
			for _, name := range names {
				cells = append(cells, map[string]any{"userEnteredValue": map[string]any{"stringValue": name}})
			}
			one["data"] = []any{map[string]any{"startRow": 0, "startColumn": 0, "rowData": []any{map[string]any{"values": cells}}}}
		}
		sheets = append(sheets, one)
	}
	body := map[string]any{"properties": about}
	if sheets != nil {
		body["sheets"] = sheets
	}
	var out document
	err := s.google().Into(rest.Call{Method: "POST", Path: "/v4/spreadsheets", Query: url.Values{"fields": {fields}}, Body: body, Once: true}, &out)
	return out.listed(), err
}
