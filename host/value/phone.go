package value

import (
	"net/mail"
	"regexp"
	"slices"
	"strings"
)

// country says how phone numbers of a country are written: its code, what
// stands before national ones that are dialled within it, and the form of
// those, country's code and that left out. Countries that share a code share
// the form.
type country struct{ names, code, trunk, national string }

// countries are those whose national numbers are understood. Numbers of others
// must have the country's code, and of them only the length is checked.
func countries() []country {
	return []country{
		{"BR", "55", "0", `[1-9][1-9]9?[0-9]{8}`},
		{"PT", "351", "", `[1-9][0-9]{8}`},
		{"AO", "244", "", `[29][0-9]{8}`}, {"MZ", "258", "", `[28][0-9]{7,8}`}, {"CV", "238", "", `[0-9]{7}`},
		{"US CA PR DO", "1", "1", `[2-9][0-9]{2}[2-9][0-9]{6}`},
		{"AR", "54", "0", `9?[1-8][0-9]{9}`}, {"BO", "591", "0", `[2-8][0-9]{7}`}, {"CL", "56", "0", `[2-9][0-9]{8}`},
		{"CO", "57", "0", `[36][0-9]{9}`}, {"CR", "506", "", `[2-9][0-9]{7}`}, {"EC", "593", "0", `[2-9][0-9]{7,8}`},
		{"GT", "502", "", `[2-8][0-9]{7}`}, {"HN", "504", "", `[2-9][0-9]{7}`}, {"MX", "52", "01", `1?[2-9][0-9]{9}`},
		{"NI", "505", "", `[2-8][0-9]{7}`}, {"PA", "507", "", `[0-9]{7,8}`}, {"PE", "51", "0", `[1-9][0-9]{7,8}`},
		{"PY", "595", "0", `[2-9][0-9]{7,8}`}, {"SV", "503", "", `[2-9][0-9]{7}`}, {"UY", "598", "0", `[249][0-9]{7}`},
		{"VE", "58", "0", `[24][0-9]{9}`},
		{"AT", "43", "0", `[1-9][0-9]{3,12}`}, {"BE", "32", "0", `[1-9][0-9]{7,8}`}, {"CH", "41", "0", `[1-9][0-9]{8}`},
		{"CZ", "420", "", `[2-9][0-9]{8}`}, {"DE", "49", "0", `[1-9][0-9]{4,12}`}, {"DK", "45", "", `[2-9][0-9]{7}`},
		{"ES", "34", "", `[6-9][0-9]{8}`}, {"FI", "358", "0", `[1-9][0-9]{4,11}`}, {"FR", "33", "0", `[1-9][0-9]{8}`},
		{"GB", "44", "0", `[1-9][0-9]{8,9}`}, {"GR", "30", "", `[26][0-9]{9}`}, {"IE", "353", "0", `[1-9][0-9]{6,8}`},
		{"IT", "39", "", `(0[0-9]{5,10}|3[0-9]{8,9})`}, {"LU", "352", "", `[2-9][0-9]{3,10}`}, {"NL", "31", "0", `[1-9][0-9]{8}`},
		{"NO", "47", "", `[2-9][0-9]{7}`}, {"PL", "48", "", `[1-9][0-9]{8}`}, {"RO", "40", "0", `[2-9][0-9]{8}`},
		{"SE", "46", "0", `[1-9][0-9]{6,9}`}, {"TR", "90", "0", `[2-5][0-9]{9}`}, {"UA", "380", "0", `[3-9][0-9]{8}`},
		{"RU KZ", "7", "8", `[3-9][0-9]{9}`},
		{"AE", "971", "0", `[2-9][0-9]{7,8}`}, {"AU", "61", "0", `[2-478][0-9]{8}`}, {"CN", "86", "0", `[1-9][0-9]{6,10}`},
		{"EG", "20", "0", `[1-9][0-9]{7,9}`}, {"ID", "62", "0", `[2-9][0-9]{6,11}`}, {"IL", "972", "0", `[2-9][0-9]{7,8}`},
		{"IN", "91", "0", `[1-9][0-9]{9}`}, {"JP", "81", "0", `[1-9][0-9]{8,9}`}, {"KR", "82", "0", `[1-9][0-9]{7,9}`},
		{"MA", "212", "0", `[5-8][0-9]{8}`}, {"NG", "234", "0", `[1-9][0-9]{6,9}`}, {"NZ", "64", "0", `[2-9][0-9]{7,9}`},
		{"PH", "63", "0", `[2-9][0-9]{7,9}`}, {"SA", "966", "0", `[1-9][0-9]{7,8}`}, {"SG", "65", "", `[3689][0-9]{7}`},
		{"TH", "66", "0", `[2-9][0-9]{7,8}`}, {"ZA", "27", "0", `[1-8][0-9]{8}`},
	}
}

// Countries lists the countries (ISO 3166-1) whose phone numbers are
// understood without the country's code.
func Countries() []string {
	var names []string
	for _, c := range countries() {
		names = append(names, strings.Fields(c.names)...)
	}
	slices.Sort(names)
	return names
}

// local gives a national number without what is dialled before it.
func (c country) local(digits string) (string, bool) {
	form := regexp.MustCompile(`^(?:` + c.national + `)$`)
	if form.MatchString(digits) {
		return digits, true
	}
	rest, dialled := strings.CutPrefix(digits, c.trunk)
	return rest, dialled && c.trunk != "" && form.MatchString(rest)
}

func readPhone(v any, r Reading) (any, bool) {
	s, ok := v.(string)
	if i, isNumber := v.(int64); isNumber && i > 0 {
		s, ok = Text(i)
	}
	s = strings.TrimSpace(s)
	rest, international := strings.CutPrefix(s, "+")
	if !ok || strings.Trim(rest, "0123456789 ()-./\u00a0") != "" {
		return nil, false
	}
	digits := strings.Map(func(c rune) rune {
		if c < '0' || c > '9' {
			return -1
		}
		return c
	}, rest)
	if cut, ok := strings.CutPrefix(digits, "00"); ok && !international {
		digits, international = cut, true
	}
	if !international && r.Country != "" {
		for _, c := range countries() {
			if slices.Contains(strings.Fields(c.names), r.Country) {
				if n, ok := c.local(digits); ok {
					return "+" + c.code + n, true
				}
			}
		}
	}
	for _, c := range countries() { // no code begins with another one
		if n, ok := strings.CutPrefix(digits, c.code); ok {
			n, ok = c.local(n)
			return "+" + c.code + n, ok
		}
	}
	return "+" + digits, (international || r.Country == "") && len(digits) >= 8 && len(digits) <= 15 && digits[0] != '0'
}

// label is one label of a domain; those in other scripts may be written so.
var label = regexp.MustCompile(`^[\p{L}\p{N}](?:[\p{L}\p{N}\p{M}-]{0,61}[\p{L}\p{N}\p{M}])?$`)

func readEmail(s string) (string, bool) {
	s = strings.TrimSpace(s)
	at := strings.LastIndex(s, "@")
	parsed, err := mail.ParseAddress(s)
	if err != nil || at < 1 || at > 64 || len(s) > 254 || parsed.Address != s || parsed.Name != "" {
		return "", false
	}
	domain := strings.ToLower(s[at+1:])
	labels := strings.Split(domain, ".")
	for _, l := range labels {
		if !label.MatchString(l) {
			return "", false
		}
	}
	last := labels[len(labels)-1]
	if len(labels) < 2 || len(last) < 2 || strings.Trim(last, "0123456789") == "" {
		return "", false
	}
	return s[:at+1] + domain, true
}
