// Package value reads what people write: numbers, dates, times, addresses,
// registrations, answers; and compares values as they would. It is the one
// place for both, so that a reply and a condition agree on what a text says.
//
// Values are JSON values: nil, bool, int64, float64, string, []any and
// map[string]any. [Forms] lists what a text may be, [Operators] how values are
// compared.
//
// The package is pure but for [Zone], which reads the time zone table. It must
// not know flows, messages or where a value comes from.
package value

import (
	"math"
	"slices"
	"strconv"
	"time"
)

// Reading says how texts are read where that depends on who wrote them.
type Reading struct {
	// Exact makes case and accents count in comparisons of texts.
	Exact bool
	// Decimal is the decimal separator, "," or "."; empty: see [Number].
	Decimal string
	// Country is where phone numbers without a country's code are of, one of
	// [Countries]; empty: they must have it.
	Country string
	// Zone is where dates and times without a zone are; nil is UTC.
	Zone *time.Location
}

func (r Reading) zone() *time.Location {
	if r.Zone == nil {
		return time.UTC
	}
	return r.Zone
}

// Form is something that a text may be.
type Form struct {
	Name string
	Doc  string // which texts are taken
	// Gives is the value that is made of them.
	Gives string

	read func(v any, r Reading) (any, bool)
}

// Names of the forms.
const (
	FormNumber  = "number"
	FormInteger = "integer"
	FormDate    = "date"
	FormTime    = "time"
	FormEmail   = "email"
	FormPhone   = "phone"
	FormCPF     = "cpf"
	FormCNPJ    = "cnpj"
	FormYesNo   = "yes_no"
)

// Forms lists the forms.
func Forms() []Form {
	return []Form{
		{FormNumber, "1234.5, 1.234,50, 1,234.50, -3 or R$ 10. A lone separator before exactly three digits groups them, unless decimal says that it is the decimal one.", "a number", readNumber},
		{FormInteger, "A number without a fraction.", "a whole number of 64 bits", readInteger},
		{FormDate, "2026-12-25, 25/12/2026, 25-12-2026, 25.12.2026 or 25/12/26 (69 to 99 are of the last century), or an instant such as 2026-12-25T10:00:00Z.", "the date as 2026-12-25", readDate},
		{FormTime, "14:30, 14:30:15, 14h30, 14h, 2:30 pm or 2pm.", "the time as 14:30 or 14:30:15", readTime},
		{FormEmail, "An e-mail address without a name.", "the address, its domain in lower case", text(readEmail)},
		{FormPhone, "A phone number with its country's code, or one of the country that is named.", "the number as +5511987654321 (E.164)", readPhone},
		{FormCPF, "A Brazilian CPF with right check digits, with or without dots.", "its 11 digits", text(readCPF)},
		{FormCNPJ, "A Brazilian CNPJ, of digits or of letters and digits, with right check digits, with or without dots.", "its 14 characters", text(readCNPJ)},
		{FormYesNo, "Sim, claro, ok, yes or 👍; não, nunca, no or 👎; and the like.", "true or false", readYesNo},
	}
}

// Read reads a value as a form; ok is false if it is none, or if there is no
// such form.
func Read(form string, v any, r Reading) (read any, ok bool) {
	forms := Forms()
	i := slices.IndexFunc(forms, func(f Form) bool { return f.Name == form })
	if i < 0 {
		return nil, false
	}
	if s, isText := v.(string); isText && len(s) > maxForm {
		return nil, false
	}
	return forms[i].read(v, r)
}

// maxForm bounds a text that may be a form, in bytes.
const maxForm = 1000

// text makes a form of one that reads texts only.
func text(read func(string) (string, bool)) func(any, Reading) (any, bool) {
	return func(v any, _ Reading) (any, bool) {
		s, ok := v.(string)
		if !ok {
			return nil, false
		}
		out, ok := read(s)
		if !ok {
			return nil, false
		}
		return out, true
	}
}

// Text gives a scalar as text: numbers plainly, null as nothing; ok is false
// for lists and objects.
func Text(v any) (s string, ok bool) {
	switch v := v.(type) {
	case nil:
		return "", true
	case string:
		return v, true
	case bool:
		return strconv.FormatBool(v), true
	case int64:
		return strconv.FormatInt(v, 10), true
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), true
	}
	return "", false
}

// Integral gives a number as values hold it: int64 if it is whole and fits.
func Integral(f float64) any {
	if f == math.Trunc(f) && f >= -1<<63 && f < 1<<63 {
		return int64(f)
	}
	return f
}
