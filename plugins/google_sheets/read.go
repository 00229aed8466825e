package main

import (
	"errors"
	"net/url"
	"slices"
	"strings"

	"github.com/trama-run/trama/pdk/abi"
	"github.com/trama-run/trama/plugins/internal/rest"
)

// Bounds of one call.
const (
	defaultRows = 1000
	maxRows     = 10_000
	pageRows    = 2000 // of one request
	maxRanges   = 100
)

// At is where a table is.
type At struct {
	Spreadsheet string `json:"spreadsheet"`
	Sheet       string `json:"sheet"`
	Range       string `json:"range"`
}

func (at At) parse() (spreadsheet string, a area, err error) {
	if spreadsheet, err = spreadsheetID(at.Spreadsheet); err == nil {
		a, err = table(at.Sheet, at.Range)
	}
	return spreadsheet, a, err
}

// Row is one row of a table.
type Row struct {
	Number int    `json:"number"` // in the sheet, from 1
	Values Values `json:"values"`
}

// Read is the input of "read".
type Read struct {
	At
	Rendering
	FromRow int `json:"from_row"`
	MaxRows int `json:"max_rows"`
}

// Rows is the output of "read".
type Rows struct {
	Columns []string `json:"columns"`
	Rows    []Row    `json:"rows"`
	// NextRow is where the next call goes on; nil if all was read.
	NextRow *int `json:"next_row"`
}

func (s service) read(in Read) (Rows, error) {
	most, err := bounded(in.MaxRows)
	if err != nil {
		return Rows{}, err
	}
	return s.scan(in, most, func(Values) (bool, error) { return true, nil })
}

func bounded(rows int) (int, error) {
	switch {
	case rows == 0:
		return defaultRows, nil
	case rows < 0 || rows > maxRows:
		return 0, invalid("max_rows: %d is not between 1 and %d", rows, maxRows)
	}
	return rows, nil
}

// scan reads rows page by page and keeps those that fit, most of them at most.
// A row without anything is none.
func (s service) scan(in Read, most int, fits func(Values) (bool, error)) (Rows, error) {
	spreadsheet, a, err := in.parse()
	if err != nil {
		return Rows{}, err
	}
	query, err := in.query()
	if err != nil {
		return Rows{}, err
	}
	if in.FromRow < 0 {
		return Rows{}, invalid("from_row: %d is no row", in.FromRow)
	}
	out := Rows{Rows: []Row{}}
	var h header
	from := a.top
	if in.FromRow > a.top+1 {
		if h, err = s.readHeader(spreadsheet, a); err != nil {
			return Rows{}, err
		}
		from = in.FromRow
	}
	for scanned := 0; a.bottom == 0 || from <= a.bottom; {
		to := from + pageRows - 1
		page, err := s.get(spreadsheet, a.rows(from, to), query)
		if over := (*abi.Error)(nil); errors.As(err, &over) && over.Code == codeGrid && from > a.top {
			break // the page before ended with the sheet
		} else if err != nil {
			return Rows{}, err
		}
		rows := page.Values
		if from == a.top {
			if len(rows) == 0 {
				rows = [][]Cell{nil}
			}
			if h, err = named(a, rows[0]); err != nil {
				return Rows{}, err
			}
		}
		for i, row := range rows {
			number := from + i
			values, empty := h.values(row)
			if number == a.top || empty {
				continue
			}
			if len(out.Rows) == most {
				out.NextRow = &number
				break
			}
			keep, err := fits(values)
			if err != nil {
				return Rows{}, err
			}
			if keep {
				out.Rows = append(out.Rows, Row{Number: number, Values: values})
			}
		}
		_, _, _, last := corners(page.Range)
		if out.NextRow != nil || last != 0 && last < to {
			break
		}
		from = to + 1
		if scanned += pageRows; scanned >= maxRows && (a.bottom == 0 || from <= a.bottom) {
			out.NextRow = &from
			break
		}
	}
	out.Columns = slices.DeleteFunc(slices.Clone(h.names), func(name string) bool { return name == "" })
	return out, nil
}

// Find is the input of "find".
type Find struct {
	At
	Rendering
	Column     string `json:"column"`
	Value      Cell   `json:"value"`
	IgnoreCase bool   `json:"ignore_case"`
	MaxRows    int    `json:"max_rows"`
	FromRow    int    `json:"from_row"`
}

// Found is the output of "find".
type Found struct {
	Found bool  `json:"found"`
	Row   *Row  `json:"row"`
	Rows  []Row `json:"rows"`
	// NextRow is where the next call goes on; nil if there are no others.
	NextRow *int `json:"next_row"`
}

func (s service) find(in Find) (Found, error) {
	if strings.TrimSpace(in.Column) == "" {
		return Found{}, invalid("column: it is empty; give the name of a column")
	}
	most, err := bounded(max(in.MaxRows, 1))
	if err != nil {
		return Found{}, err
	}
	wanted, err := text(in.Value)
	if err != nil {
		return Found{}, err
	}
	if wanted == "" {
		return s.findEmpty(in, most)
	}
	spreadsheet, a, err := in.parse()
	if err != nil {
		return Found{}, err
	}
	query, err := in.query()
	if err != nil {
		return Found{}, err
	}
	h, err := s.readHeader(spreadsheet, a)
	if err != nil {
		return Found{}, err
	}
	column, err := h.column(in.Column)
	if err != nil {
		return Found{}, err
	}
	at, err := s.locate(spreadsheet, h, lookup{column, in.FromRow, in.IgnoreCase, most + 1}, wanted)
	if err != nil {
		return Found{}, err
	}
	numbers := at[fold(wanted, in.IgnoreCase)]
	out := Found{Rows: []Row{}}
	if len(numbers) > most {
		out.NextRow, numbers = &numbers[most], numbers[:most]
	}
	// Rows that follow one another are one range.
	for len(numbers) > 0 {
		var ranges []string
		var of [][]int
		for len(numbers) > 0 && len(ranges) < maxRanges {
			n := 1
			for n < len(numbers) && numbers[n] == numbers[n-1]+1 {
				n++
			}
			ranges = append(ranges, h.block(numbers[0], numbers[n-1]))
			of, numbers = append(of, numbers[:n]), numbers[n:]
		}
		read, err := s.batchGet(spreadsheet, ranges, query)
		if err != nil {
			return Found{}, err
		}
		for i, r := range read {
			for j, number := range of[i] {
				var row []Cell
				if j < len(r.Values) {
					row = r.Values[j]
				}
				values, _ := h.values(row)
				out.Rows = append(out.Rows, Row{Number: number, Values: values})
			}
		}
	}
	return out.first(), nil
}

// block is the A1 notation of whole rows of the table.
func (h header) block(from, to int) string {
	a := h.area
	a.anywhere, a.last = false, h.end()
	return a.rows(from, to)
}

func (out Found) first() Found {
	if len(out.Rows) > 0 {
		out.Found, out.Row = true, &out.Rows[0]
	}
	return out
}

// findEmpty finds rows whose cell in the column is empty: Google leaves those
// out where they are last, so all of the row must be seen.
func (s service) findEmpty(in Find, most int) (Found, error) {
	read, err := s.scan(Read{At: in.At, Rendering: in.Rendering, FromRow: in.FromRow}, most, func(values Values) (bool, error) {
		cell, there := values[strings.TrimSpace(in.Column)]
		if !there {
			return false, invalid("sheet %q has no column %q", in.Sheet, short(in.Column))
		}
		written, err := text(cell)
		return written == "", err
	})
	return Found{Rows: read.Rows, NextRow: read.NextRow}.first(), err
}

func (s service) batchGet(spreadsheet string, ranges []string, query url.Values) ([]valueRange, error) {
	all := url.Values{"ranges": ranges}
	for name, values := range query {
		all[name] = values
	}
	var out struct {
		ValueRanges []valueRange `json:"valueRanges"`
	}
	if err := s.call("GET", spreadsheet, "/values:batchGet", all, nil, &out); err != nil {
		return nil, err
	}
	if len(out.ValueRanges) != len(ranges) {
		return nil, &abi.Error{Code: rest.CodeAnswer, Message: "Google Sheets answered with another number of ranges than were asked for"}
	}
	return out.ValueRanges, nil
}
