package main

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/trama-run/trama/pdk/abi"
)

// Source of this file: Google, "Google Sheets API overview", A1 notation,
// https://developers.google.com/workspace/sheets/api/guides/concepts#cell

var (
	idPattern   = regexp.MustCompile(`^[A-Za-z0-9_-]{1,200}$`)
	pagePattern = regexp.MustCompile(`^https://docs\.google\.com/spreadsheets/(?:u/\d+/)?d/([A-Za-z0-9_-]+)(?:[/?#]|$)`)
	areaPattern = regexp.MustCompile(`^([A-Z]{1,3})([1-9][0-9]{0,7})?:([A-Z]{1,3})([1-9][0-9]{0,7})?$`)
)

// spreadsheetID takes an id, or the address that a browser shows.
func spreadsheetID(text string) (string, error) {
	text = strings.TrimSpace(text)
	if match := pagePattern.FindStringSubmatch(text); match != nil {
		return match[1], nil
	}
	if !idPattern.MatchString(text) {
		return "", invalid("spreadsheet: %q is neither an id nor an address like https://docs.google.com/spreadsheets/d/ID/edit", short(text))
	}
	return text, nil
}

// area is the part of a sheet that a table has: columns from 1, rows from 1.
// Zero as the last of them means that it is open there.
type area struct {
	sheet    string
	first    int // column
	last     int // column
	top      int // row of the names
	bottom   int // row
	anywhere bool
}

// table takes the sheet's name and the range of an input, such as "B3:F". No
// range is all of the sheet.
func table(sheet, rangeText string) (area, error) {
	if strings.TrimSpace(sheet) == "" {
		return area{}, invalid("sheet: it is empty; give the name of the tab, such as Sheet1")
	}
	a := area{sheet: sheet, first: 1, top: 1, anywhere: true}
	if rangeText == "" {
		return a, nil
	}
	match := areaPattern.FindStringSubmatch(strings.ToUpper(strings.ReplaceAll(rangeText, "$", "")))
	if match == nil {
		return area{}, invalid("range: %q is not like B3:F or B3:F90, columns with the row of the names; the name of the tab stands in sheet", short(rangeText))
	}
	a.anywhere = false
	a.first, a.last = columnNumber(match[1]), columnNumber(match[3])
	if match[2] != "" {
		a.top, _ = strconv.Atoi(match[2]) // digits, by the pattern
	}
	if match[4] != "" {
		a.bottom, _ = strconv.Atoi(match[4])
	}
	if a.first > a.last || a.bottom != 0 && a.top > a.bottom {
		return area{}, invalid("range: %q ends before it begins", short(rangeText))
	}
	return a, nil
}

// rows is the A1 notation of rows of the area, both included.
func (a area) rows(from, to int) string {
	if a.bottom != 0 {
		to = min(to, a.bottom)
	}
	if a.anywhere {
		return fmt.Sprintf("%s!%d:%d", quoted(a.sheet), from, to)
	}
	return fmt.Sprintf("%s!%s%d:%s%d", quoted(a.sheet), columnName(a.first), from, columnName(a.last), to)
}

// stretch is the A1 notation of a part of one column, both rows included.
func (a area) stretch(column, from, to int) string {
	name := columnName(column)
	return fmt.Sprintf("%s!%s%d:%s%d", quoted(a.sheet), name, from, name, to)
}

// cells is the A1 notation of cells in one row.
func (a area) cells(row, first, last int) string {
	return fmt.Sprintf("%s!%s%d:%s%d", quoted(a.sheet), columnName(first), row, columnName(last), row)
}

// quoted is a sheet's name as it stands before the exclamation mark.
func quoted(sheet string) string {
	return "'" + strings.ReplaceAll(sheet, "'", "''") + "'"
}

// plainRange takes a range as an author wrote it: the sheet's name in quotes or
// not. What has no exclamation mark (a named range, cells of the first sheet)
// is Google's to understand.
func plainRange(text string) (string, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return "", invalid("a range is empty; write it like Sheet1!A1:C9")
	}
	at := strings.LastIndexByte(text, '!')
	if at < 0 {
		return text, nil
	}
	sheet, cells := text[:at], text[at+1:]
	if len(sheet) >= 2 && sheet[0] == '\'' && sheet[len(sheet)-1] == '\'' {
		if inside := sheet[1 : len(sheet)-1]; !strings.Contains(strings.ReplaceAll(inside, "''", ""), "'") {
			return text, nil
		}
	}
	if sheet == "" || cells == "" {
		return "", invalid("range %q: something is missing beside the exclamation mark; write it like Sheet1!A1:C9", short(text))
	}
	return quoted(sheet) + "!" + cells, nil
}

// columnName is "A" for 1, "Z" for 26, "AA" for 27.
func columnName(n int) string {
	name := ""
	for ; n > 0; n = (n - 1) / 26 {
		name = string(rune('A'+(n-1)%26)) + name
	}
	return name
}

// columnNumber is the other way, of upper-case letters.
func columnNumber(name string) int {
	n := 0
	for _, letter := range name {
		n = n*26 + int(letter-'A') + 1
	}
	return n
}

var corner = regexp.MustCompile(`!?\$?([A-Z]{0,3})\$?(\d*)(?::\$?([A-Z]{0,3})\$?(\d*))?$`)

// corners gives the numbers in a range of Google's answers; 0 where one is
// missing.
func corners(text string) (firstColumn, firstRow, lastColumn, lastRow int) {
	match := corner.FindStringSubmatch(text)
	if match == nil {
		return 0, 0, 0, 0
	}
	number := func(text string) int { n, _ := strconv.Atoi(text); return n }
	firstColumn, firstRow = columnNumber(match[1]), number(match[2])
	lastColumn, lastRow = columnNumber(match[3]), number(match[4])
	if !strings.Contains(text[strings.LastIndexByte(text, '!')+1:], ":") {
		lastColumn, lastRow = firstColumn, firstRow
	}
	return firstColumn, firstRow, lastColumn, lastRow
}

func invalid(format string, args ...any) error {
	return &abi.Error{Code: abi.CodeInvalid, Message: fmt.Sprintf(format, args...)}
}

// short keeps what a message repeats of an input within a line.
func short(text string) string {
	if runes := []rune(text); len(runes) > 80 {
		return string(runes[:80]) + "…"
	}
	return text
}
