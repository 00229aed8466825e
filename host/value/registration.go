package value

import (
	"regexp"
	"strings"
)

var (
	cpf  = regexp.MustCompile(`^[0-9]{3}\.?[0-9]{3}\.?[0-9]{3}[-./]?[0-9]{2}$`)
	cnpj = regexp.MustCompile(`^[0-9A-Z]{2}\.?[0-9A-Z]{3}\.?[0-9A-Z]{3}/?[0-9A-Z]{4}-?[0-9]{2}$`)
)

func readCPF(s string) (string, bool) {
	return registration(s, cpf, []int{11, 10, 9, 8, 7, 6, 5, 4, 3, 2})
}

// readCNPJ takes those with letters too, which are given out since July 2026.
func readCNPJ(s string) (string, bool) {
	return registration(strings.ToUpper(s), cnpj, []int{6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2})
}

// registration checks the two check digits at the end: sums of the characters
// before them (a letter counts as its distance from 0 in ASCII), each times a
// weight, modulo 11. The first digit's weights lack the first one of these.
func registration(s string, form *regexp.Regexp, weights []int) (string, bool) {
	s = strings.Join(strings.Fields(s), "")
	if !form.MatchString(s) {
		return "", false
	}
	s = strings.NewReplacer(".", "", "-", "", "/", "").Replace(s)
	if strings.Trim(s, s[:1]) == "" {
		return "", false // all the same: the digits fit, and none is given out
	}
	for i, weights := range [][]int{weights[1:], weights} {
		sum := 0
		for j, w := range weights {
			sum += int(s[j]-'0') * w
		}
		check := 0
		if rest := sum % 11; rest >= 2 {
			check = 11 - rest
		}
		if int(s[len(s)-2+i]-'0') != check {
			return "", false
		}
	}
	return s, true
}
