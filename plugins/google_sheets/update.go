package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/trama-run/trama/pdk/abi"
	"github.com/trama-run/trama/plugins/internal/rest"
)

// Key is how a row is found.
type Key struct {
	Column     string `json:"column"`
	Value      Cell   `json:"value"`
	IgnoreCase bool   `json:"ignore_case"`
}

// Update is the input of "update".
type Update struct {
	At
	Row            int    `json:"row"` // its number in the sheet
	Key            *Key   `json:"key"`
	All            bool   `json:"all"`
	Values         Values `json:"values"`
	Input          string `json:"input"`
	UnknownColumns string `json:"unknown_columns"`
}

// Updated is the output of "update".
type Updated struct {
	Rows  []int `json:"rows"`
	Cells int   `json:"cells"`
}

func (s service) update(in Update) (Updated, error) {
	option, err := inputOption(in.Input)
	if err != nil {
		return Updated{}, err
	}
	switch {
	case len(in.Values) == 0:
		return Updated{}, invalid("values: there is none; give values by the names of columns")
	case (in.Row != 0) == (in.Key != nil):
		return Updated{}, invalid("row and key: give one of them")
	}
	spreadsheet, h, err := s.open(in.At)
	if err != nil {
		return Updated{}, err
	}
	rows := []int{in.Row}
	if in.Key == nil {
		if in.Row <= h.top || h.bottom != 0 && in.Row > h.bottom {
			return Updated{}, invalid("row: %d is no row of the table, whose names are in row %d", in.Row, h.top)
		}
	} else if rows, err = s.rowsOf(spreadsheet, h, *in.Key, in.All); err != nil {
		return Updated{}, err
	}
	if h, err = s.widen(spreadsheet, h, in.UnknownColumns, in.Values); err != nil {
		return Updated{}, err
	}
	var data []valueRange
	for _, row := range rows {
		ranges, err := h.changes(row, "values", in.Values)
		if err != nil {
			return Updated{}, err
		}
		data = append(data, ranges...)
	}
	if len(data) == 0 { // all of them in unknown columns, which are to be ignored
		return Updated{Rows: []int{}}, nil
	}
	written, err := s.put(spreadsheet, option, data)
	if err == nil && in.Key != nil {
		err = s.keyStayed(spreadsheet, h, *in.Key, rows, in.Values)
	}
	if err != nil {
		return Updated{}, err
	}
	return Updated{Rows: rows, Cells: count(written)}, nil
}

// keyStayed is stayed for the rows of one key. Where the key itself was written,
// nothing tells afterwards.
func (s service) keyStayed(spreadsheet string, h header, key Key, rows []int, values Values) error {
	for name := range values {
		if strings.TrimSpace(name) == strings.TrimSpace(key.Column) {
			return nil
		}
	}
	wanted, err := text(key.Value)
	if err != nil {
		return err
	}
	column, err := h.column(key.Column)
	if err != nil {
		return err
	}
	keys := map[int]string{}
	for _, row := range rows {
		keys[row] = fold(wanted, key.IgnoreCase)
	}
	return s.stayed(spreadsheet, h, lookup{column: column, ignoreCase: key.IgnoreCase}, keys)
}

// rowsOf finds the row of a key; several only if all of them are meant.
func (s service) rowsOf(spreadsheet string, h header, key Key, all bool) ([]int, error) {
	column, err := h.column(key.Column)
	if err != nil {
		return nil, err
	}
	wanted, err := text(key.Value)
	if err != nil {
		return nil, err
	}
	if wanted == "" {
		return nil, invalid("key.value: it is empty; give what stands in column %q", key.Column)
	}
	at, err := s.locate(spreadsheet, h, lookup{column: column, ignoreCase: key.IgnoreCase}, wanted)
	if err != nil {
		return nil, err
	}
	rows := at[fold(wanted, key.IgnoreCase)]
	switch {
	case len(rows) == 0:
		return nil, &abi.Error{Code: "no_row", Message: fmt.Sprintf("sheet %q has no row with %q in column %q", h.sheet, short(wanted), key.Column)}
	case len(rows) > 1 && !all:
		return nil, &abi.Error{Code: "several_rows", Message: fmt.Sprintf("sheet %q has %d rows with %q in column %q; set all: true to change all of them", h.sheet, len(rows), short(wanted), key.Column),
			Detail: plain(map[string]any{"rows": rows})}
	case len(rows) > maxWritten:
		return nil, invalid("%d rows have %q in column %q; one call changes %d", len(rows), short(wanted), key.Column, maxWritten)
	}
	return rows, nil
}

func count(written []updated) int {
	cells := 0
	for _, w := range written {
		cells += w.UpdatedCells
	}
	return cells
}

// changes are the cells of one row, those beside one another as one range; the
// other cells of the row are left alone.
func (h header) changes(row int, place string, values Values) ([]valueRange, error) {
	at := map[int]Cell{}
	for name, value := range values {
		i := slices.Index(h.names, strings.TrimSpace(name))
		if i < 0 {
			continue // see strange
		}
		cell, err := outgoing(place+"."+name, value, Cell(`""`))
		if err != nil {
			return nil, err
		}
		at[i] = cell
	}
	var out []valueRange
	for i := 0; i < len(h.names); i++ {
		var cells []Cell
		first := i
		for ; at[i] != nil; i++ {
			cells = append(cells, at[i])
		}
		if cells != nil {
			out = append(out, valueRange{Range: h.cells(row, h.first+first, h.first+i-1), Values: [][]Cell{cells}})
		}
	}
	return out, nil
}

// Upsert is the input of "update_or_insert".
type Upsert struct {
	Append
	Key    string `json:"key"`    // name of the column
	Insert *bool  `json:"insert"` // nil: true
}

// Upserted is the output of "update_or_insert".
type Upserted struct {
	Updated  []int `json:"updated"`
	Inserted int   `json:"inserted"`
	FirstRow int   `json:"first_row"`
}

func (s service) updateOrInsert(in Upsert) (Upserted, error) {
	rows, err := given(in.Rows, in.Row)
	if err != nil {
		return Upserted{}, err
	}
	option, err := inputOption(in.Input)
	if err != nil {
		return Upserted{}, err
	}
	spreadsheet, h, err := s.open(in.At)
	if err != nil {
		return Upserted{}, err
	}
	column, err := h.column(in.Key)
	if err != nil {
		return Upserted{}, err
	}
	var keys []string
	for i, row := range rows {
		key, err := row.take(h.names[column-h.first])
		switch {
		case err != nil:
			return Upserted{}, err
		case key == "":
			return Upserted{}, invalid("rows[%d]: it has no value for the key %q", i, in.Key)
		case slices.Contains(keys, key):
			return Upserted{}, invalid("rows[%d]: an earlier row has the key %q too", i, short(key))
		}
		keys = append(keys, key)
	}
	if h, err = s.widen(spreadsheet, h, in.UnknownColumns, rows...); err != nil {
		return Upserted{}, err
	}
	at, err := s.locate(spreadsheet, h, lookup{column: column}, keys...)
	if err != nil {
		return Upserted{}, err
	}
	out := Upserted{Updated: []int{}}
	var data []valueRange
	var missing []Values
	there := map[int]string{}
	for i, key := range keys {
		found := at[key]
		switch {
		case len(found) == 0:
			missing = append(missing, rows[i])
			continue
		case len(found) > 1:
			return Upserted{}, &abi.Error{Code: "several_rows", Message: fmt.Sprintf("sheet %q has %d rows with %q in column %q, so it is no key", h.sheet, len(found), short(key), in.Key),
				Detail: plain(map[string]any{"rows": found})}
		}
		ranges, err := h.changes(found[0], fmt.Sprintf("rows[%d]", i), rows[i].without(h.names[column-h.first]))
		if err != nil {
			return Upserted{}, err
		}
		data, out.Updated = append(data, ranges...), append(out.Updated, found[0])
		there[found[0]] = key
	}
	if len(data) > 0 {
		if _, err := s.put(spreadsheet, option, data); err != nil {
			return Upserted{}, err
		}
		if err := s.stayed(spreadsheet, h, lookup{column: column}, there); err != nil {
			return Upserted{}, err
		}
	}
	if len(missing) > 0 && (in.Insert == nil || *in.Insert) {
		if missing, err = literally(h.names[column-h.first], option, missing); err != nil {
			return Upserted{}, err
		}
		added, err := s.add(spreadsheet, h, option, false, missing)
		if err != nil {
			return Upserted{}, err
		}
		out.Inserted, out.FirstRow = added.Appended, added.FirstRow
	}
	return out, nil
}

// without gives the values but one: a key that was found is left as it is
// written.
func (v Values) without(name string) Values {
	out := Values{}
	for key, cell := range v {
		if key != name {
			out[key] = cell
		}
	}
	return out
}

// stayed looks whether rows that were found by their keys, and then written by
// their numbers, have those keys still: Google can't write by a key, so whoever
// sorts the sheet in between has another row written. keys are by number, as
// lookup compares them.
func (s service) stayed(spreadsheet string, h header, look lookup, keys map[int]string) error {
	numbers := slices.Sorted(maps.Keys(keys))
	var wrong []int
	for len(numbers) > 0 {
		var ranges []string
		var from []int
		for len(numbers) > 0 && len(ranges) < maxRanges {
			n := 1
			for n < len(numbers) && numbers[n] == numbers[n-1]+1 {
				n++
			}
			ranges, from = append(ranges, h.stretch(look.column, numbers[0], numbers[n-1])), append(from, numbers[0])
			numbers = numbers[n:]
		}
		read, err := s.batchGet(spreadsheet, ranges, byColumn())
		if err != nil {
			return err
		}
		for i, r := range read {
			cells, err := column(r)
			if err != nil {
				return err
			}
			for row := from[i]; keys[row] != ""; row++ { // to the end of the stretch
				if fold(cells.at(row-from[i]), look.ignoreCase) != keys[row] {
					wrong = append(wrong, row)
				}
			}
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	return &abi.Error{Code: rest.CodeConflict, Detail: plain(map[string]any{"rows": wrong}), Message: fmt.Sprintf("sheet %q was sorted, or had rows moved, between the search for %q and the writing: the values are in row %d, where another key stands now; look at %d such rows, and put them right",
		h.sheet, short(keys[wrong[0]]), wrong[0], len(wrong))}
}
