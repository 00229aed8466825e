package typed

import (
	"encoding/json"
	"fmt"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Kinds of XML Schema's own types (XML Schema Part 2).
var (
	smallIntegers = []string{"int", "long", "short", "byte", "unsignedInt", "unsignedShort", "unsignedByte"}
	largeIntegers = []string{"integer", "nonNegativeInteger", "positiveInteger", "nonPositiveInteger", "negativeInteger", "unsignedLong"}
	decimals      = []string{"decimal", "float", "double"}
)

type kind int

const (
	textual kind = iota
	boolean
	integer
	number
)

func kindOf(name string) kind {
	name = strings.TrimPrefix(name, Own)
	switch {
	case name == "boolean":
		return boolean
	case slices.Contains(smallIntegers, name), slices.Contains(largeIntegers, name):
		return integer
	case slices.Contains(decimals, name):
		return number
	}
	return textual
}

const mostDigits = 1000 // of a number that is written out

// write gives the text that a JSON scalar has in a type.
func write(name string, value any) (string, error) {
	text, isText := value.(string)
	switch v := value.(type) {
	case json.Number:
		text = v.String()
	case bool:
		text = strconv.FormatBool(v)
	case string:
	default:
		return "", fmt.Errorf("an object or array where a text, number or boolean belongs")
	}
	switch kindOf(name) {
	case boolean:
		if !slices.Contains([]string{"true", "false", "1", "0"}, text) {
			return "", fmt.Errorf("%.60q is no %s: want true or false", text, name)
		}
	case integer, number:
		if isText && (name == Own+"float" || name == Own+"double") && slices.Contains([]string{"INF", "-INF", "NaN"}, text) {
			return text, nil
		}
		return plain(name, strings.TrimSpace(text))
	}
	return text, nil
}

var numeric = regexp.MustCompile(`^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,4})?$`)

// plain writes a number without an exponent, which integers and decimals do
// not have.
func plain(name, text string) (string, error) {
	if !numeric.MatchString(text) || len(text) > mostDigits {
		return "", fmt.Errorf("%.60q is no %s", text, name)
	}
	exponent := strings.ContainsAny(text, "eE")
	if exponent && kindOf(name) == number && name != Own+"decimal" {
		return text, nil
	}
	if kindOf(name) == number && !exponent {
		return text, nil
	}
	if kindOf(name) == integer && !strings.ContainsAny(text, ".eE") {
		return text, nil
	}
	if _, power, _ := strings.Cut(strings.ToLower(text), "e"); power != "" {
		if n, err := strconv.Atoi(power); err != nil || n > mostDigits || n < -mostDigits {
			return "", fmt.Errorf("%.60q is too large or small to be written out", text)
		}
	}
	value, ok := new(big.Rat).SetString(text)
	if !ok || kindOf(name) == integer && !value.IsInt() {
		return "", fmt.Errorf("%.60q is no %s", text, name)
	}
	if value.IsInt() {
		return value.Num().String(), nil
	}
	digits, _ := value.FloatPrec()
	return value.FloatString(digits), nil
}

// read appends the JSON of a text: a number or boolean where the type is one
// and nothing is lost, a string otherwise. Integers have 64 bits, decimals 15
// digits.
func read(dst []byte, name, text string) []byte {
	trimmed := strings.Trim(text, " \t\r\n")
	switch kindOf(name) {
	case boolean:
		switch trimmed {
		case "true", "1":
			return append(dst, "true"...)
		case "false", "0":
			return append(dst, "false"...)
		}
	case integer:
		if n, err := strconv.ParseInt(trimmed, 10, 64); err == nil {
			return strconv.AppendInt(dst, n, 10)
		}
	case number:
		if n, err := strconv.ParseFloat(trimmed, 64); err == nil && numeric.MatchString(trimmed) && significant(trimmed) <= 15 {
			written, err := json.Marshal(n)
			if err == nil {
				return append(dst, written...)
			}
		}
	default:
		trimmed = text
	}
	if trimmed == "" && kindOf(name) != textual {
		return append(dst, "null"...)
	}
	return appendString(dst, trimmed)
}

// significant counts the digits of a number, without zeros around them.
func significant(text string) int {
	mantissa, _, _ := strings.Cut(strings.ToLower(text), "e")
	mantissa = strings.TrimLeft(mantissa, "+-")
	whole, fraction, _ := strings.Cut(mantissa, ".")
	return len(strings.Trim(whole+strings.TrimRight(fraction, "0"), "0"))
}
