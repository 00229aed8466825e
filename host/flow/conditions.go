package flow

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/trama-run/trama/host/source"
	"github.com/trama-run/trama/host/value"
)

// Conditional is "with" of conditional.
type Conditional struct {
	Branches []Branch `json:"branches" source:"required" jsonschema_description:"Tried in order."`
}

// Branch is one way out of a conditional. It has one of When, All and Any.
type Branch struct {
	At source.Place `json:"-"`

	Port string     `json:"port" source:"required" jsonschema_description:"Port to take: letters, digits, - and _."`
	When Expression `json:"when,omitempty,omitzero" jsonschema_description:"Condition, such as input.total > 1000; or else write all or any."`
	All  []Test     `json:"all,omitempty" jsonschema_description:"Tests that must all be true."`
	Any  []Test     `json:"any,omitempty" jsonschema_description:"Tests of which one must be true."`
}

// Test compares a value with another one.
type Test struct {
	At source.Place `json:"-"`

	Value   Template `json:"value" source:"required" jsonschema_description:"What is tested, such as {{ input.text }}. A value that the operator is not made for makes the test false."`
	Op      Op       `json:"op" source:"required" jsonschema_description:"Operator; write =, < and the like in quotes."`
	To      Template `json:"to,omitempty,omitzero" jsonschema_description:"What it is compared with, as the operator says."`
	Not     bool     `json:"not,omitempty" jsonschema_description:"true: the test is true where it would be false."`
	Exact   bool     `json:"exact,omitempty" jsonschema_description:"true: case and accents of texts count, and spaces around them."`
	Decimal string   `json:"decimal,omitempty" jsonschema_description:"Decimal separator of numbers in texts: a comma or a point. If left out, 1.234,5 and 1,234.5 tell by themselves, and 1.234 is as in JSON." jsonschema:"enum=\\,,enum=."`
	Country string   `json:"country,omitempty" jsonschema_description:"Where phone numbers without a country's code are of, such as BR."`
	Zone    string   `json:"zone,omitempty" jsonschema_description:"Time zone of dates and times that have none, such as America/Sao_Paulo; UTC if left out."`

	// Fixed is the test if "to" does not depend on the run, and nil otherwise:
	// see Against.
	Fixed value.Test `json:"-"`

	reading value.Reading
}

// Op is the name of an operator.
type Op string

// Operators lists the operators of tests.
func Operators() []value.Operator { return value.Operators() }

func operatorNames() (names []string) {
	for _, o := range Operators() {
		names = append(names, o.Name)
	}
	return names
}

// Against gives the test against a value of "to". Its error says why that does
// not fit the operator.
func (t *Test) Against(to any) (value.Test, error) {
	o, ok := value.Find(string(t.Op))
	if !ok {
		return nil, fmt.Errorf("%q is not an operator", t.Op) // checked when the flow was read
	}
	return o.Test(to, t.reading)
}

func (c *Conditional) ports() (names []string) {
	for _, b := range c.Branches {
		names = append(names, b.Port)
	}
	return names
}

func (*Conditional) portsDoc() string { return "The branch's condition is true, and none before it." }

func (c *Conditional) check(n *Node) (problems source.Problems) {
	branches := n.With.Get("branches")
	if len(c.Branches) == 0 && branches.IsList() {
		problems.Add(branches.Place(), `add {port: ..., when: "..."}`, "a conditional needs a branch")
	}
	for i := range c.Branches {
		b, in := &c.Branches[i], branches.Get(index(i))
		problems = append(problems, checkPort(b.At, b.Port, c.ports()[:i], PortElse, PortError)...)
		given := 0
		for _, name := range []string{"when", "all", "any"} {
			if !in.Get(name).IsZero() {
				given++
			}
		}
		if given != 1 && in.IsMapping() {
			problems.Add(b.At, `write when: "..." or all: [{value, op, to}] or any: [...]`, "a branch has one of when, all and any, found %d", given)
		}
		for _, tests := range []struct {
			name string
			list []Test
		}{{"all", b.All}, {"any", b.Any}} {
			of := in.Get(tests.name)
			if of.IsList() && len(tests.list) == 0 {
				problems.Add(of.Place(), "add {value, op, to}", "%s without tests", tests.name)
			}
			for j := range tests.list {
				problems = append(problems, tests.list[j].check(of.Get(index(j)))...)
			}
		}
	}
	return problems
}

// check checks a test that was read from a part of a document.
func (t *Test) check(in source.Value) (problems source.Problems) {
	t.reading, problems = checkReading(in, t.Decimal, t.Country, t.Zone)
	t.reading.Exact = t.Exact
	if t.Op == "" {
		return problems // reported as lacking
	}
	o, ok := value.Find(string(t.Op))
	if !ok {
		problems.Add(in.Place("op"), source.Suggest(string(t.Op), operatorNames()), "%q is not an operator", t.Op)
		return problems
	}
	switch {
	case o.To == "" && !t.To.IsZero():
		problems.Add(in.Place("to"), "leave it out", "%s compares with nothing", t.Op)
	case o.To != "" && in.Get("to").IsZero():
		problems.Add(t.At, "add to: "+o.To, "%s needs something to compare with", t.Op)
	default:
		to, fixed := any(nil), true
		if !t.To.IsZero() {
			to, fixed = t.To.Literal()
		}
		if !fixed {
			break
		}
		var err error
		if t.Fixed, err = t.Against(to); err != nil {
			problems.Add(in.Place("to"), "", "to of %s does not fit: %v", t.Op, err)
		}
	}
	return problems
}

// tables gives the operators for the reference.
func (*Conditional) tables() string {
	var b strings.Builder
	b.WriteString("A value that an operator is not made for makes the test false; a `to` that does not fit it is an error.\n\n")
	b.WriteString("| op | made for | true when | to |\n|---|---|---|---|\n")
	for _, o := range Operators() {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", o.Name, o.Of, cell(o.Doc), cell(cmp.Or(o.To, "none")))
	}
	return b.String() + "\n"
}

// checkReading checks how texts are to be read.
func checkReading(in source.Value, decimal, country, zone string) (r value.Reading, problems source.Problems) {
	r = value.Reading{Decimal: decimal, Country: country}
	if decimal != "" && decimal != "," && decimal != "." {
		problems.Add(in.Place("decimal"), `write "," or "."`, "%q is not a decimal separator", decimal)
	}
	if country != "" && !slices.Contains(value.Countries(), country) {
		problems.Add(in.Place("country"), "write one of those that the reference lists, such as BR, or leave it out and ask for numbers with +", "%q is not a country whose phone numbers are known", country)
	}
	if zone != "" {
		var err error
		if r.Zone, err = value.Zone(zone); err != nil {
			problems.Add(in.Place("zone"), "write a name of the IANA time zone database, such as America/Sao_Paulo", "%v", err)
		}
	}
	return r, problems
}
