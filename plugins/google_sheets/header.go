package main

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
)

// header is the names in a table's first row: columns by name, and where the
// table ends.
type header struct {
	area
	names []string // from column first on; "" where a column has none
}

// named makes a header of the row that was read.
func named(a area, row []Cell) (header, error) {
	h := header{area: a}
	seen := map[string]int{}
	for i, cell := range row {
		name, err := text(cell)
		if err != nil {
			return header{}, err
		}
		if at, twice := seen[name]; twice && name != "" {
			return header{}, invalid("sheet %q: columns %s and %s are both called %q in row %d; give one of them another name", a.sheet, columnName(at), columnName(a.first+i), name, a.top)
		}
		seen[name] = a.first + i
		h.names = append(h.names, name)
	}
	for len(h.names) > 0 && h.names[len(h.names)-1] == "" {
		h.names = h.names[:len(h.names)-1]
	}
	if len(h.names) == 0 {
		return header{}, invalid("sheet %q: row %d has no names of columns; write them there, or give a range whose first row has them", a.sheet, a.top)
	}
	return h, nil
}

// readHeader asks for the names.
func (s service) readHeader(spreadsheet string, a area) (header, error) {
	read, err := s.get(spreadsheet, a.rows(a.top, a.top), asWritten())
	if err != nil {
		return header{}, err
	}
	if len(read.Values) == 0 {
		read.Values = [][]Cell{nil}
	}
	return named(a, read.Values[0])
}

// asWritten reads cells as they are compared.
func asWritten() url.Values {
	return url.Values{"valueRenderOption": {"UNFORMATTED_VALUE"}, "dateTimeRenderOption": {"FORMATTED_STRING"}}
}

// column gives the number of a column.
func (h header) column(name string) (int, error) {
	i := slices.Index(h.names, strings.TrimSpace(name))
	if i < 0 || strings.TrimSpace(name) == "" {
		return 0, invalid("sheet %q has no column %q; it has %s", h.sheet, short(name), h.list())
	}
	return h.first + i, nil
}

// end is the number of the last column with a name.
func (h header) end() int { return h.first + len(h.names) - 1 }

func (h header) list() string {
	var names []string
	for _, name := range h.names {
		if name != "" {
			names = append(names, name)
		}
	}
	return short(strings.Join(names, ", "))
}

// Values are a row's cells by the names of their columns.
type Values map[string]Cell

// values makes an object of a row; empty says that no cell of it has anything.
func (h header) values(row []Cell) (values Values, empty bool) {
	values, empty = Values{}, true
	for i, name := range h.names {
		if name == "" {
			continue
		}
		values[name] = null
		if i < len(row) {
			values[name] = incoming(row[i])
		}
		empty = empty && string(values[name]) == "null"
	}
	return values, empty
}

// strange lists names that the header lacks, sorted.
func (h header) strange(rows ...Values) []string {
	var names []string
	for _, row := range rows {
		for name := range row {
			name = strings.TrimSpace(name)
			if !slices.Contains(h.names, name) && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return names
}

// row makes cells of an object, in the columns' order.
func (h header) row(place string, values Values) ([]Cell, error) {
	cells := make([]Cell, len(h.names))
	for i := range cells {
		cells[i] = null
	}
	for name, value := range values {
		i := slices.Index(h.names, strings.TrimSpace(name))
		if i < 0 {
			continue // see strange
		}
		cell, err := outgoing(place+"."+name, value, null)
		if err != nil {
			return nil, err
		}
		cells[i] = cell
	}
	return cells, nil
}

// widen sees to the columns that rows have and the table lacks: an error, or,
// if add is "add", new names to the right of the others.
func (s service) widen(spreadsheet string, h header, unknown string, rows ...Values) (header, error) {
	switch unknown {
	case "", "error", "add", "ignore":
	default:
		return header{}, invalid("unknown_columns: %q is none of error, add, ignore", short(unknown))
	}
	strange := h.strange(rows...)
	if slices.Contains(strange, "") {
		return header{}, invalid("a value has no name of a column")
	}
	switch {
	case len(strange) == 0 || unknown == "ignore":
		return h, nil
	case unknown != "add":
		return header{}, invalid("sheet %q has no column %q; it has %s; set unknown_columns to add or ignore if that is meant", h.sheet, short(strange[0]), h.list())
	case h.last != 0 && h.end()+len(strange) > h.last:
		return header{}, invalid("sheet %q has no column %q, and the range ends at column %s", h.sheet, short(strange[0]), columnName(h.last))
	}
	first := h.end() + 1
	cells := make([]Cell, len(strange))
	for i, name := range strange {
		cells[i], _ = json.Marshal(name) // a string
	}
	h.names = append(slices.Clip(h.names), strange...)
	if err := s.room(spreadsheet, h.sheet, h.end()); err != nil {
		return header{}, err
	}
	_, err := s.put(spreadsheet, "RAW", []valueRange{{Range: h.cells(h.top, first, h.end()), Values: [][]Cell{cells}}})
	return h, err
}
