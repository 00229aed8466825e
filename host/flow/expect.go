package flow

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/trama-run/trama/host/source"
	"github.com/trama-run/trama/host/value"
	"github.com/trama-run/trama/pdk/abi"
)

// Types of replies, besides the forms of values ([value.Forms]) and the kinds
// of media ([abi.MediaKinds]).
const (
	ExpectAny      = "any"
	ExpectText     = "text"
	ExpectOption   = "option"
	ExpectPattern  = "pattern"
	ExpectLocation = "location"
	ExpectMedia    = "media"
)

// Expect is what a wait_reply takes.
type Expect struct {
	Type    Expected `json:"type" source:"required" jsonschema_description:"What the reply must be."`
	Options Template `json:"options,omitempty,omitzero" jsonschema_description:"Type option: a list of texts, or of {id, title, words}, such as the buttons of a message."`
	Pattern *Pattern `json:"pattern,omitempty" jsonschema_description:"Type pattern: a regular expression (RE2); write ^ and $ for the whole text, (?i) for any case."`
	Min     Template `json:"min,omitempty,omitzero" jsonschema_description:"The least number, the first date or time, or the least characters of a text."`
	Max     Template `json:"max,omitempty,omitzero" jsonschema_description:"The greatest number, the last date or time, or the most characters of a text."`
	Decimal string   `json:"decimal,omitempty" jsonschema_description:"Types number and integer: the decimal separator, a comma or a point. If left out, 1.234 and 1,234 are both 1234." jsonschema:"enum=\\,,enum=."`
	Country string   `json:"country,omitempty" jsonschema_description:"Type phone: where numbers without a country's code are of, such as BR."`
}

// Expected is the name of a type of reply.
type Expected string

// ExpectType describes one type of reply.
type ExpectType struct {
	Name  string
	Doc   string // what is taken
	Gives string // what the output's value is
}

// ExpectTypes lists the types of replies.
func ExpectTypes() []ExpectType {
	types := []ExpectType{
		{ExpectAny, "Any message.", "none"},
		{ExpectText, "A message with a text; min and max are its characters.", "the text, without spaces around it"},
		{ExpectOption, "One of options: its button or list row, its id, title or one of its words whatever the case and accents, or its number, the first being 1.", "the id of the option"},
		{ExpectPattern, "A text that matches pattern.", "the part in the pattern's first group, or else what matched"},
		{ExpectLocation, "A place.", "the place as {latitude, longitude, name, address}"},
		{ExpectMedia, "Any file.", "the file as {kind, id, url, mime, filename}"},
	}
	for _, kind := range abi.MediaKinds() {
		types = append(types, ExpectType{kind, "A file of this kind.", "as for media"})
	}
	for _, form := range value.Forms() {
		types = append(types, ExpectType{form.Name, form.Doc, form.Gives})
	}
	return types
}

// tables gives the types of replies for the reference.
func (*WaitReply) tables() string {
	var b strings.Builder
	b.WriteString("| type | taken | value |\n|---|---|---|\n")
	for _, t := range ExpectTypes() {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", t.Name, cell(t.Doc), cell(t.Gives))
	}
	fmt.Fprintf(&b, "\nCountries whose phone numbers are understood without the country's code: %s.\n\n", strings.Join(value.Countries(), ", "))
	return b.String()
}

func expectNames() (names []string) {
	for _, t := range ExpectTypes() {
		names = append(names, t.Name)
	}
	return names
}

// Reading says how the reply's text is read.
func (e *Expect) Reading() value.Reading {
	return value.Reading{Decimal: e.Decimal, Country: e.Country}
}

// Bound reads a value of min or max.
func (e *Expect) Bound(v any) (any, error) {
	form := string(e.Type)
	if e.Type == ExpectText {
		form = value.FormInteger
	}
	if bound, ok := value.Read(form, v, value.Reading{}); ok {
		return bound, nil
	}
	return nil, fmt.Errorf("%v is not of the kind %s", v, form)
}

// Pattern is a regular expression in a document.
type Pattern struct{ *value.Pattern }

// UnmarshalSource compiles the pattern.
func (p *Pattern) UnmarshalSource(v source.Value) (problems source.Problems) {
	text, ok := v.Any().(string)
	if !ok {
		problems.Add(v.Place(), "write it in quotes", "a pattern must be text")
		return problems
	}
	compiled, err := value.NewPattern(text)
	if err != nil {
		problems.Add(v.Place(), "see the syntax of Go's regular expressions (RE2)", "%v", err)
	}
	p.Pattern = compiled
	return problems
}

func (e *Expect) check(in source.Value) (problems source.Problems) {
	if e.Type == "" {
		return nil // reported as lacking
	}
	if !slices.Contains(expectNames(), string(e.Type)) {
		problems.Add(in.Place("type"), source.Suggest(string(e.Type), expectNames()), "%q is not a type of reply", e.Type)
		return problems
	}
	_, problems = checkReading(in, e.Decimal, e.Country, "")
	only := func(field string, of ...Expected) {
		if given := in.Get(field); !given.IsZero() && !slices.Contains(of, e.Type) {
			problems.Add(given.Place(), "leave it out", "a reply of type %s has no %s", e.Type, field)
		}
	}
	only("options", ExpectOption)
	only("pattern", ExpectPattern)
	only("decimal", value.FormNumber, value.FormInteger)
	only("country", value.FormPhone)
	bounded := []Expected{ExpectText, value.FormNumber, value.FormInteger, value.FormDate, value.FormTime}
	only("min", bounded...)
	only("max", bounded...)
	if e.Type == ExpectPattern && in.Get("pattern").IsZero() {
		problems.Add(in.Place(), `add pattern: "^[0-9]{5}$"`, "a reply of type pattern needs the pattern")
	}
	if e.Type == ExpectOption {
		if e.Options.IsZero() {
			problems.Add(in.Place(), "add options: [Yes, No]", "a reply of type option needs the options")
		} else if literal, ok := e.Options.Literal(); ok {
			if _, err := value.Options(literal); err != nil {
				problems.Add(in.Place("options"), "write texts, or {id, title, words}", "%v", err)
			}
		}
	}
	if slices.Contains(bounded, e.Type) {
		var least any
		for _, bound := range []struct {
			field string
			Template
		}{{"min", e.Min}, {"max", e.Max}} {
			if bound.IsZero() {
				continue
			}
			literal, ok := bound.Literal()
			if !ok {
				continue
			}
			read, err := e.Bound(literal)
			switch {
			case err != nil:
				problems.Add(in.Place(bound.field), "", "%s: %v", bound.field, err)
			case bound.field == "min":
				least = read
			case least != nil && value.Compare(read, least) < 0:
				problems.Add(in.Place("max"), "exchange them", "max is below min")
			}
		}
	}
	return problems
}

// index writes the index of a list as a step of a path.
func index(i int) string { return strconv.Itoa(i) }
