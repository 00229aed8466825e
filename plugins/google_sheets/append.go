package main

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/trama-run/trama/plugins/internal/rest"
)

// Append is the input of "append".
type Append struct {
	At
	// Rows are objects by the names of columns; Row is one of them.
	Rows           []Values `json:"rows"`
	Row            Values   `json:"row"`
	Input          string   `json:"input"`
	UnknownColumns string   `json:"unknown_columns"`
}

// rows gives what is to be written.
func given(rows []Values, row Values) ([]Values, error) {
	switch {
	case row != nil && rows != nil:
		return nil, invalid("row and rows: give one of them")
	case row != nil:
		rows = []Values{row}
	case len(rows) == 0:
		return nil, invalid("rows: there is none; give row, or rows with at least one")
	case len(rows) > maxWritten:
		return nil, invalid("rows: %d are too many for one call; %d are not", len(rows), maxWritten)
	}
	for i, row := range rows {
		if len(row) == 0 {
			return nil, invalid("rows[%d]: it has no values", i)
		}
	}
	return rows, nil
}

// maxWritten is how many rows one call writes.
const maxWritten = 1000

// Appended is the output of "append".
type Appended struct {
	Appended int    `json:"appended"`
	FirstRow int    `json:"first_row"`
	Range    string `json:"range"`
}

func (s service) append(in Append) (Appended, error) {
	rows, err := given(in.Rows, in.Row)
	if err != nil {
		return Appended{}, err
	}
	option, err := inputOption(in.Input)
	if err != nil {
		return Appended{}, err
	}
	spreadsheet, h, err := s.open(in.At)
	if err != nil {
		return Appended{}, err
	}
	if h, err = s.widen(spreadsheet, h, in.UnknownColumns, rows...); err != nil {
		return Appended{}, err
	}
	return s.add(spreadsheet, h, option, true, rows)
}

// open reads the names of a table.
func (s service) open(at At) (string, header, error) {
	spreadsheet, a, err := at.parse()
	if err != nil {
		return "", header{}, err
	}
	h, err := s.readHeader(spreadsheet, a)
	return spreadsheet, h, err
}

// added is what Google says of rows that were appended.
type added struct {
	Updates updated `json:"updates"`
}

// Lacks is of [rest.Complete].
func (a added) Lacks() string { return a.Updates.Lacks() }

// add appends rows below the table. Google itself finds where that is, so that
// two who append at a time don't write over one another; it takes an empty
// column for the table's end, so there must be none. once says that the caller
// doesn't look for the rows first.
//
// Source: Google, "Append values",
// https://developers.google.com/workspace/sheets/api/guides/values#append_values
func (s service) add(spreadsheet string, h header, option string, once bool, rows []Values) (Appended, error) {
	if i := slices.Index(h.names, ""); i >= 0 {
		return Appended{}, invalid("sheet %q: column %s has no name in row %d, and what is appended would begin in the wrong column; name it, or give a range that ends before it", h.sheet, columnName(h.first+i), h.top)
	}
	cells := make([][]Cell, len(rows))
	for i, row := range rows {
		var err error
		if cells[i], err = h.row(fmt.Sprintf("rows[%d]", i), row); err != nil {
			return Appended{}, err
		}
	}
	var out added
	a1 := h.cells(h.top, h.first, h.end())
	query := url.Values{"valueInputOption": {option}, "insertDataOption": {"INSERT_ROWS"}}
	path := "/v4/spreadsheets/" + spreadsheet + "/values/" + url.PathEscape(a1) + ":append"
	if err := s.google().Into(rest.Call{Method: "POST", Path: path, Query: query, Body: valueRange{Values: cells}, Once: once}, &out); err != nil {
		return Appended{}, err
	}
	_, first, _, _ := corners(out.Updates.UpdatedRange)
	return Appended{Appended: len(rows), FirstRow: first, Range: out.Updates.UpdatedRange}, nil
}

// AppendOnce is the input of "append_once".
type AppendOnce struct {
	Append
	IDColumn string `json:"id_column"`
}

// Once is the output of "append_once".
type Once struct {
	Appended int `json:"appended"`
	// IDs are those of all rows, in order; Existing those that were there.
	IDs      []string `json:"ids"`
	Existing []string `json:"existing"`
	FirstRow int      `json:"first_row"`
	Range    string   `json:"range"`
}

// appendOnce appends the rows whose ids the table doesn't have. A row without
// an id gets one that stays the same when the host repeats the call.
func (s service) appendOnce(in AppendOnce) (Once, error) {
	rows, err := given(in.Rows, in.Row)
	if err != nil {
		return Once{}, err
	}
	option, err := inputOption(in.Input)
	if err != nil {
		return Once{}, err
	}
	spreadsheet, h, err := s.open(in.At)
	if err != nil {
		return Once{}, err
	}
	column, err := h.column(in.IDColumn)
	if err != nil {
		return Once{}, err
	}
	effect, err := s.effectID()
	if err != nil {
		return Once{}, err
	}
	name := h.names[column-h.first]
	out := Once{Existing: []string{}}
	for i := range rows {
		id, err := rows[i].take(name)
		if err != nil {
			return Once{}, err
		}
		if id == "" {
			if id = effect; len(rows) > 1 {
				id = fmt.Sprintf("%s-%d", effect, i+1)
			}
			rows[i][name], _ = json.Marshal(id) // a string
		}
		if slices.Contains(out.IDs, id) {
			return Once{}, invalid("rows[%d]: an earlier row has the id %q too", i, short(id))
		}
		out.IDs = append(out.IDs, id)
	}
	if h, err = s.widen(spreadsheet, h, in.UnknownColumns, rows...); err != nil {
		return Once{}, err
	}
	at, err := s.locate(spreadsheet, h, lookup{column: column}, out.IDs...)
	if err != nil {
		return Once{}, err
	}
	var missing []Values
	for i, id := range out.IDs {
		if len(at[id]) > 0 {
			out.Existing = append(out.Existing, id)
		} else {
			missing = append(missing, rows[i])
		}
	}
	if len(missing) == 0 {
		return out, nil
	}
	if missing, err = literally(name, option, missing); err != nil {
		return Once{}, err
	}
	added, err := s.add(spreadsheet, h, option, false, missing)
	out.Appended, out.FirstRow, out.Range = added.Appended, added.FirstRow, added.Range
	return out, err
}

// take gives a value as a text, and puts it under the column's exact name.
func (v Values) take(name string) (string, error) {
	for key, cell := range v {
		if strings.TrimSpace(key) == name {
			delete(v, key)
			v[name] = cell
			return text(cell)
		}
	}
	return "", nil
}

// literally makes what is under a name stay the text that it is, whatever the
// option, so that it is found again: Google would make 7 of "007". What is typed
// after an apostrophe is a text.
//
// Source: Google, ValueInputOption ("following the same rules that are applied
// when entering text into a cell"),
// https://developers.google.com/workspace/sheets/api/reference/rest/v4/ValueInputOption
func literally(name, option string, rows []Values) ([]Values, error) {
	if option != userEntered {
		return rows, nil
	}
	out := make([]Values, len(rows))
	for i, row := range rows {
		cell, err := outgoing(name, row[name], null)
		if err != nil {
			return nil, err
		}
		out[i] = row.without(name)
		if cell[0] == '"' {
			var text string
			if err := json.Unmarshal(cell, &text); err != nil {
				return nil, err
			}
			if cell, err = json.Marshal("'" + text); err != nil {
				return nil, err
			}
		}
		out[i][name] = cell
	}
	return out, nil
}
