package sheetstest

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// tab is one sheet: its cells, row by row, and how large its grid is.
type tab struct {
	id            int64
	title         string
	rows, columns int
	cells         [][]any // string, json.Number, bool, formula, or nil
}

// formula is a cell that was entered with "=". The stub computes nothing: its
// value is the formula's own text.
type formula string

// block is a rectangle of cells, counted from 0, the end not included. An end
// of -1 is the grid's.
type block struct {
	tab               *tab
	row, column       int
	rowEnd, columnEnd int
}

var (
	cellPattern   = regexp.MustCompile(`^\$?([A-Za-z]{1,3})\$?([1-9]\d*)$`)
	columnPattern = regexp.MustCompile(`^\$?([A-Za-z]{1,3})$`)
	rowPattern    = regexp.MustCompile(`^\$?([1-9]\d*)$`)
	plainTitle    = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

// find reads A1 notation.
//
// Source: https://developers.google.com/workspace/sheets/api/guides/concepts#cell
func (b *book) find(a1 string) (block, error) {
	unparsable := fail(400, "INVALID_ARGUMENT", "Unable to parse range: "+a1)
	sheet, cells := "", a1
	if at := strings.LastIndexByte(a1, '!'); at >= 0 {
		sheet, cells = a1[:at], a1[at+1:]
	} else if t := b.tab(unquote(a1)); t != nil {
		return block{tab: t, rowEnd: -1, columnEnd: -1}, nil
	}
	t := b.tabs[0]
	if sheet != "" {
		if sheet[0] != '\'' && !plainTitle.MatchString(sheet) || sheet[0] == '\'' && strings.Contains(strings.ReplaceAll(sheet[1:len(sheet)-1], "''", ""), "'") {
			return block{}, unparsable // a name with spaces or the like needs quotes
		}
		if t = b.tab(unquote(sheet)); t == nil {
			return block{}, unparsable
		}
	}
	from, to, two := strings.Cut(cells, ":")
	x := block{tab: t, rowEnd: -1, columnEnd: -1}
	start, ok := x.corner(from)
	end, ok2 := start, ok
	if two {
		end, ok2 = x.corner(to)
	} else if start[0] < 0 || start[1] < 0 {
		ok = false
	}
	if !ok || !ok2 {
		return block{}, unparsable
	}
	x.row, x.column = max(start[0], 0), max(start[1], 0)
	if end[0] >= 0 {
		x.rowEnd = end[0] + 1
	}
	if end[1] >= 0 {
		x.columnEnd = end[1] + 1
	}
	if x.rowEnd >= 0 && x.rowEnd <= x.row || x.columnEnd >= 0 && x.columnEnd <= x.column {
		return block{}, unparsable
	}
	if x.row >= t.rows || x.column >= t.columns {
		return block{}, outside(a1, t)
	}
	return x, nil
}

func outside(a1 string, t *tab) error {
	return fail(400, "INVALID_ARGUMENT", fmt.Sprintf("Range (%s) exceeds grid limits. Max rows: %d, max columns: %d", strings.ReplaceAll(a1, "'", ""), t.rows, t.columns))
}

// corner is row and column, -1 where it names none.
func (block) corner(text string) ([2]int, bool) {
	if m := cellPattern.FindStringSubmatch(text); m != nil {
		row, err := strconv.Atoi(m[2])
		return [2]int{row - 1, number(m[1]) - 1}, err == nil
	}
	if m := columnPattern.FindStringSubmatch(text); m != nil {
		return [2]int{-1, number(m[1]) - 1}, true
	}
	if m := rowPattern.FindStringSubmatch(text); m != nil {
		row, err := strconv.Atoi(m[1])
		return [2]int{row - 1, -1}, err == nil
	}
	return [2]int{}, false
}

func unquote(sheet string) string {
	if len(sheet) >= 2 && sheet[0] == '\'' && sheet[len(sheet)-1] == '\'' {
		return strings.ReplaceAll(sheet[1:len(sheet)-1], "''", "'")
	}
	return sheet
}

func number(letters string) int {
	n := 0
	for _, letter := range strings.ToUpper(letters) {
		n = n*26 + int(letter-'A') + 1
	}
	return n
}

func letters(n int) string {
	name := ""
	for ; n > 0; n = (n - 1) / 26 {
		name = string(rune('A'+(n-1)%26)) + name
	}
	return name
}

// within cuts a block down to the grid.
func (x block) within() block {
	if x.rowEnd < 0 || x.rowEnd > x.tab.rows {
		x.rowEnd = x.tab.rows
	}
	if x.columnEnd < 0 || x.columnEnd > x.tab.columns {
		x.columnEnd = x.tab.columns
	}
	return x
}

// a1 is the notation as Google writes it.
func (x block) a1() string {
	x = x.within()
	title := x.tab.title
	if !plainTitle.MatchString(title) {
		title = "'" + strings.ReplaceAll(title, "'", "''") + "'"
	}
	first, last := letters(x.column+1)+strconv.Itoa(x.row+1), letters(x.columnEnd)+strconv.Itoa(x.rowEnd)
	if first == last {
		return title + "!" + first
	}
	return title + "!" + first + ":" + last
}

func (t *tab) at(row, column int) any {
	if row < len(t.cells) && column < len(t.cells[row]) {
		return t.cells[row][column]
	}
	return nil
}

func (t *tab) set(row, column int, value any) {
	for len(t.cells) <= row {
		t.cells = append(t.cells, nil)
	}
	for len(t.cells[row]) <= column {
		t.cells[row] = append(t.cells[row], nil)
	}
	t.cells[row][column] = value
}

// read gives the values of a block. Empty cells at the end of a line, and empty
// lines at the end, are left out.
func (x block) read(render string, columns bool) [][]any {
	x = x.within()
	at, lines, length := x.tab.at, x.rowEnd-x.row, x.columnEnd-x.column
	if columns {
		lines, length = length, lines
	}
	// Beyond what was written there is nothing, however large the grid is.
	if !columns {
		lines = min(lines, max(len(x.tab.cells)-x.row, 0))
	} else {
		length = min(length, max(len(x.tab.cells)-x.row, 0))
	}
	var values [][]any
	for i := range lines {
		line := []any{}
		for j := range length {
			row, column := x.row+i, x.column+j
			if columns {
				row, column = x.row+j, x.column+i
			}
			line = append(line, shown(at(row, column), render))
		}
		for len(line) > 0 && line[len(line)-1] == "" {
			line = line[:len(line)-1]
		}
		values = append(values, line)
	}
	for len(values) > 0 && len(values[len(values)-1]) == 0 {
		values = values[:len(values)-1]
	}
	return values
}

// shown is a cell in an answer.
func shown(value any, render string) any {
	switch v := value.(type) {
	case nil:
		return ""
	case formula:
		return string(v)
	case bool:
		if render == "FORMATTED_VALUE" {
			return strings.ToUpper(strconv.FormatBool(v))
		}
	case json.Number:
		if render == "FORMATTED_VALUE" {
			return v.String()
		}
	}
	return value
}

// entered is what a value becomes in a cell; keep says that it stays as it is.
//
// Source: ValueInputOption,
// https://developers.google.com/workspace/sheets/api/reference/rest/v4/ValueInputOption
func entered(value any, option string) (cell any, keep bool, err error) {
	switch v := value.(type) {
	case nil:
		return nil, true, nil
	case bool:
		return v, false, nil
	case json.Number: // of double precision
		f, err := v.Float64()
		return json.Number(strconv.FormatFloat(f, 'f', -1, 64)), false, err
	case string:
		switch {
		case v == "":
			return nil, false, nil
		case option != "USER_ENTERED":
			return v, false, nil
		case strings.HasPrefix(v, "="):
			return formula(v), false, nil
		case strings.EqualFold(v, "true") || strings.EqualFold(v, "false"):
			return strings.EqualFold(v, "true"), false, nil
		}
		if f, err := strconv.ParseFloat(v, 64); err == nil {
			return json.Number(strconv.FormatFloat(f, 'f', -1, 64)), false, nil
		}
		return strings.TrimPrefix(v, "'"), false, nil
	}
	return nil, false, fail(400, "INVALID_ARGUMENT", "Invalid values: a cell is a string, a number or a boolean")
}

// write puts values into a block and gives how many cells that are. The block
// may be larger than the values, and not smaller.
func (x block) write(values [][]any, option string, columns bool) (rows, width, cells int, err error) {
	touchedRows, touchedColumns := map[int]bool{}, map[int]bool{}
	for i, line := range values {
		for j, value := range line {
			row, column := x.row+i, x.column+j
			if columns {
				row, column = x.row+j, x.column+i
			}
			if x.rowEnd >= 0 && row >= x.rowEnd || x.columnEnd >= 0 && column >= x.columnEnd {
				return 0, 0, 0, fail(400, "INVALID_ARGUMENT", fmt.Sprintf("Requested writing within range [%s], but tried writing to row [%d] column [%s]", x.a1(), row+1, letters(column+1)))
			}
			if row >= x.tab.rows || column >= x.tab.columns {
				return 0, 0, 0, outside(x.a1(), x.tab)
			}
			cell, keep, err := entered(value, option)
			if err != nil {
				return 0, 0, 0, err
			}
			if keep {
				continue
			}
			x.tab.set(row, column, cell)
			touchedRows[row], touchedColumns[column] = true, true
			cells++
		}
	}
	return len(touchedRows), len(touchedColumns), cells, nil
}

// table is the rows from a block's first on that belong together: down to the
// first that has nothing in the block's columns.
func (x block) table() block {
	x = x.within()
	end := x.row
	for ; end < x.tab.rows; end++ {
		empty := true
		for column := x.column; column < x.columnEnd; column++ {
			empty = empty && x.tab.at(end, column) == nil
		}
		if empty {
			break
		}
	}
	x.rowEnd = end
	return x
}

// insert makes room for rows.
func (t *tab) insert(at, count int) {
	for len(t.cells) < at {
		t.cells = append(t.cells, nil)
	}
	t.cells = slices.Insert(t.cells, at, make([][]any, count)...)
	t.rows += count
}
