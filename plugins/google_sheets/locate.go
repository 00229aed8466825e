package main

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/trama-run/trama/pdk/abi"
	"github.com/trama-run/trama/plugins/internal/rest"
)

// Bounds of looking through a column. A block of cells with 20 characters each
// is half a megabyte of an answer, and a call may make 32 requests by default:
// so it gets through some 500,000 rows.
const (
	blockRows = 20_000 // of one request
	// blocks overlap by as many rows. If those are not alike, rows above moved in
	// between, and one may have been left out or seen twice.
	overlap  = 10
	maxLooks = 3
)

// lookup is how rows are looked for.
type lookup struct {
	column     int
	from       int // the first row that counts; 0: all do
	ignoreCase bool
	enough     int // rows of one text after which no others are looked for; 0: all are
}

// errMoved: rows were inserted or removed while a column was read.
var errMoved = errors.New("moved")

// locate gives the numbers of the rows whose cell in a column is one of the
// wanted texts, by text.
func (s service) locate(spreadsheet string, h header, look lookup, wanted ...string) (map[string][]int, error) {
	for range maxLooks {
		at := map[string][]int{}
		for _, w := range wanted {
			at[fold(w, look.ignoreCase)] = nil
		}
		if err := s.through(spreadsheet, h, look, at); !errors.Is(err, errMoved) {
			return at, err
		}
	}
	return nil, &abi.Error{Code: rest.CodeConflict, Retryable: true, Message: fmt.Sprintf("sheet %q: rows were inserted or removed while it was looked through, %d times; try again", h.sheet, maxLooks)}
}

// through reads a column block by block, down to the sheet's end, and enters
// the rows that are wanted.
func (s service) through(spreadsheet string, h header, look lookup, at map[string][]int) error {
	from, rows := max(h.top, look.from), blockRows
	var before []string // the last cells of the block before, which this one begins with
	for h.bottom == 0 || from <= h.bottom {
		to := from + rows - 1
		if h.bottom != 0 {
			to = min(to, h.bottom)
		}
		read, err := s.get(spreadsheet, h.stretch(look.column, from, to), byColumn())
		if over := (*abi.Error)(nil); errors.As(err, &over) {
			switch {
			case over.Code == codeGrid && from > h.top:
				return nil // the sheet ends above
			case over.Code == abi.CodeLimit && rows/4 > overlap:
				rows /= 4 // there are long texts
				continue
			}
		}
		if err != nil {
			return err
		}
		cells, err := column(read)
		if err != nil {
			return err
		}
		for i, cell := range before {
			if cells.at(i) != cell {
				return errMoved
			}
		}
		for i := len(before); i < len(cells); i++ {
			written := fold(cells[i], look.ignoreCase)
			found, is := at[written]
			if !is || from+i == h.top {
				continue
			}
			if at[written] = append(found, from+i); len(at[written]) == look.enough {
				return nil
			}
		}
		if _, _, _, last := corners(read.Range); to == h.bottom || last != 0 && last < to {
			return nil
		}
		before = nil
		for row := max(to+1-overlap, from); row <= to; row++ {
			before = append(before, cells.at(row-from))
		}
		from = to + 1 - len(before)
		if len(cells) == 0 {
			rows *= 4 // an empty part of a sheet is a short answer
		}
	}
	return nil
}

// texts are the cells of a column as they are compared, but for empty ones at
// the end.
type texts []string

func (t texts) at(i int) string {
	if i < len(t) {
		return t[i]
	}
	return ""
}

// column gives the cells of an answer that has one column.
func column(read valueRange) (texts, error) {
	if len(read.Values) == 0 {
		return nil, nil
	}
	out := make(texts, len(read.Values[0]))
	for i, cell := range read.Values[0] {
		var err error
		if out[i], err = text(cell); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// byColumn reads cells as they are compared, a column as one list.
func byColumn() url.Values {
	query := asWritten()
	query.Set("majorDimension", "COLUMNS")
	return query
}

func fold(text string, ignoreCase bool) string {
	if ignoreCase {
		return strings.ToLower(text)
	}
	return text
}
