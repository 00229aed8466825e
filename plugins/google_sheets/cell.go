package main

import (
	"bytes"
	"encoding/json"
	"math/big"
	"strconv"
	"strings"
)

// Cell is the value of a cell as JSON: a text, a number, true, false, or null
// for an empty one.
type Cell = json.RawMessage

var null = Cell("null")

// outgoing is a cell as Google takes it. It keeps numbers as double-precision
// floats, so a whole number that such a float can't hold, which is an id and
// not a quantity, becomes a text. empty is what null becomes: null leaves a
// cell as it is, "" empties it.
func outgoing(place string, value Cell, empty Cell) (Cell, error) {
	value = bytes.TrimSpace(value)
	switch {
	case len(value) == 0 || string(value) == "null":
		return empty, nil
	case value[0] == '{' || value[0] == '[':
		return nil, invalid("%s: a cell holds a text, a number, true, false or null, not an object or a list; write it as a text, such as {{ toJSON(x) }}", place)
	case value[0] == '"' || value[0] == 't' || value[0] == 'f':
		return value, nil
	}
	if !bytes.ContainsAny(value, ".eE") {
		n, ok := new(big.Int).SetString(string(value), 10)
		if !ok {
			return nil, invalid("%s: %s is not a number", place, short(string(value)))
		}
		if n.CmpAbs(big.NewInt(1<<53)) > 0 {
			return Cell(strconv.Quote(string(value))), nil
		}
	}
	return value, nil
}

// incoming is a cell of an answer: an empty text is an empty cell, and a number
// has no exponent if it is whole.
func incoming(value Cell) Cell {
	if len(value) == 0 || string(value) == `""` {
		return null
	}
	if bytes.ContainsAny(value, "eE") && value[0] != '"' && value[0] != 't' && value[0] != 'f' {
		return Cell(digits(string(value)))
	}
	return value
}

// digits writes a JSON number without an exponent, unless it has very many, and
// without zeros at its end.
func digits(number string) string {
	if !strings.ContainsAny(number, ".eE") {
		return number
	}
	f, err := strconv.ParseFloat(number, 64)
	if err != nil || f > 1e21 || f < -1e21 || f > -1e-7 && f < 1e-7 {
		return number
	}
	return strconv.FormatFloat(f, 'f', -1, 64)
}

// text is a cell as it is compared: a text without the spaces around it, a
// number in digits. A phone number that Google took for a number is so equal to
// the text that has the same digits.
func text(value Cell) (string, error) {
	value = bytes.TrimSpace(value)
	switch {
	case len(value) == 0 || string(value) == "null":
		return "", nil
	case value[0] == '"':
		var s string
		err := json.Unmarshal(value, &s)
		return strings.TrimSpace(s), err
	case value[0] == '{' || value[0] == '[':
		return "", invalid("a cell is compared with a text, a number, true or false, not with an object or a list")
	case value[0] == 't' || value[0] == 'f':
		return strings.ToUpper(string(value)), nil // as a sheet shows them
	}
	return digits(string(value)), nil
}
