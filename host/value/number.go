package value

import (
	"encoding/json"
	"math"
	"regexp"
	"strconv"
	"strings"
)

// currency may stand before a number: "R$", "US$", "€".
var currency = regexp.MustCompile(`^[A-Z]{0,2}\p{Sc}\s*`)

// Number gives the number that a value is. A text that JSON takes as a number
// is that number, since texts of other systems are written so, unless the
// decimal separator is given; any other is read as people write it: see
// [FormNumber].
func Number(v any, r Reading) (any, bool) {
	if s, ok := v.(string); ok && r.Decimal == "" {
		s = strings.TrimSpace(s)
		if len(s) <= maxForm && json.Valid([]byte(s)) {
			if f, err := strconv.ParseFloat(s, 64); err == nil {
				return whole(s, f), true
			}
		}
	}
	return readNumber(v, r)
}

// whole keeps all digits of a number of 64 bits.
func whole(s string, f float64) any {
	if i, err := strconv.ParseInt(s, 10, 64); err == nil {
		return i
	}
	return Integral(f)
}

func readNumber(v any, r Reading) (any, bool) {
	switch v := v.(type) {
	case int64:
		return v, true
	case float64:
		return v, !math.IsNaN(v) && !math.IsInf(v, 0)
	case string:
		return written(v, r.Decimal)
	}
	return nil, false
}

func readInteger(v any, r Reading) (any, bool) {
	n, ok := readNumber(v, r)
	if f, isFloat := n.(float64); ok && isFloat {
		n = Integral(f)
	}
	i, isInt := n.(int64)
	return i, ok && isInt
}

// written reads a number as people write it.
func written(s, decimal string) (any, bool) {
	s = strings.TrimSpace(s)
	sign := ""
	if strings.HasPrefix(s, "-") || strings.HasPrefix(s, "+") {
		sign, s = strings.TrimPrefix(s[:1], "+"), s[1:]
	}
	s = s[len(currency.FindString(s)):]
	if sign == "" && strings.HasPrefix(s, "-") { // R$ -10
		sign, s = "-", s[1:]
	}
	if s == "" || len(s) > maxForm || strings.Trim(s, "0123456789.,") != "" {
		return nil, false
	}
	if decimal == "" {
		decimal = separator(s)
	}
	group := "."
	if decimal == "." {
		group = ","
	}
	digits, fraction, hasFraction := strings.Cut(s, decimal)
	if hasFraction && (fraction == "" || strings.Trim(fraction, "0123456789") != "") {
		return nil, false
	}
	if strings.Contains(digits, group) {
		groups := strings.Split(digits, group)
		if len(groups[0]) < 1 || len(groups[0]) > 3 {
			return nil, false
		}
		for _, g := range groups[1:] {
			if len(g) != 3 {
				return nil, false
			}
		}
		digits = strings.Join(groups, "")
	}
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return nil, false
	}
	plain := sign + digits
	if hasFraction {
		plain += "." + fraction
	}
	f, err := strconv.ParseFloat(plain, 64)
	if err != nil { // out of range
		return nil, false
	}
	return whole(plain, f), true
}

// separator tells which of the separators in a number is the decimal one: the
// last of two different ones; one that is there once, unless it stands before
// exactly three digits as groups are written.
func separator(s string) string {
	point, comma := strings.LastIndex(s, "."), strings.LastIndex(s, ",")
	last, other := ".", ","
	if comma > point {
		last, other = ",", "."
	}
	if point >= 0 && comma >= 0 {
		return last
	}
	before, after, _ := strings.Cut(s, last)
	grouped := len(after) == 3 && len(before) >= 1 && len(before) <= 3 && before[0] != '0'
	if grouped || strings.Count(s, last) > 1 {
		return other
	}
	return last
}

// less compares two numbers; whole ones exactly.
func less(a, b any) bool {
	i, ok := a.(int64)
	j, ok2 := b.(int64)
	if ok && ok2 {
		return i < j
	}
	return Float(a) < Float(b)
}

// Compare orders two values of one form: numbers, or texts such as dates and
// times, which are made so that their order is that of what they say.
func Compare(a, b any) int {
	if x, ok := a.(string); ok {
		y, _ := b.(string)
		return strings.Compare(x, y)
	}
	switch {
	case less(a, b):
		return -1
	case less(b, a):
		return 1
	}
	return 0
}

// Add adds two numbers; whole ones exactly as long as 64 bits hold the sum.
func Add(a, b any) any {
	i, ok := a.(int64)
	j, ok2 := b.(int64)
	if sum := i + j; ok && ok2 && (sum > i) == (j > 0) {
		return sum
	}
	return Integral(Float(a) + Float(b))
}

// Float gives a number as float64.
func Float(n any) float64 {
	if i, ok := n.(int64); ok {
		return float64(i)
	}
	f, _ := n.(float64)
	return f
}
