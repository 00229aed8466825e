// Package strict makes stub servers that take no more than a vendor's published
// contract says: an unknown path, method, parameter, header or field, or one of
// another type, is refused in the vendor's own form and kept as a violation,
// which fails the test that caused it.
//
// A contract is data, one rule for each operation, and every rule cites the
// page that it was read from. [Mutations] breaks each part of each rule once,
// so that a test shows that the stub notices. It knows no vendor and nothing of
// Trama: the stubs beside the connectors use it, and so may examples. A stub is
// a stub: it proves that what is sent is what the cited pages say, and not that
// the pages are right.
package strict

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Contract is what a vendor publishes, as far as a stub has it.
type Contract struct {
	// Headers are those of every request, such as Authorization.
	Headers map[string]Param
	// Query are parameters of every request, such as a token.
	Query map[string]Param
	Rules []Rule
	// Admit looks at whoever sends a request that keeps to the contract; false
	// lets its answer be the last word. It may be nil.
	Admit func(*Request) (Answer, bool)
	// Refuse answers a request that breaks the contract, as the vendor would.
	Refuse func(Violation) Answer
}

// Rule is one operation: a method at a path.
type Rule struct {
	Method string
	// Path has parameters in braces, which are whole segments:
	// "/crm/v3/objects/{type}/{id}".
	Path    string
	Params  map[string]Param // of the path; each must be there
	Query   map[string]Param
	Headers map[string]Param
	// Body is a JSON Schema (2020-12); empty means that there is no body.
	// Objects should have "additionalProperties": false.
	Body string
	// Source is the vendor's page.
	Source string
	// Example is a body that the rule takes, which Mutations breaks. Those of
	// parameters stand at the parameters.
	Example string
	// Answer does what the vendor would do with a request that keeps to the
	// contract.
	Answer func(*Request) Answer
}

// Param is a parameter's type.
type Param struct {
	// Pattern is a regular expression for all of a value; empty: any but "".
	Pattern  string
	Required bool
	// Many allows the parameter to be repeated.
	Many    bool
	Example string
}

// Request is one that keeps to the contract.
type Request struct {
	Rule   *Rule
	Params map[string]string // of the path, without escapes
	Query  url.Values
	Header http.Header
	Body   []byte
}

// Decode takes the body apart. It can't fail: the rule's schema was kept to.
func (r *Request) Decode(into any) {
	decoder := json.NewDecoder(bytes.NewReader(r.Body))
	decoder.UseNumber()
	if err := decoder.Decode(into); err != nil {
		panic(fmt.Sprintf("strict: the body keeps to the schema of %s %s and yet %v", r.Rule.Method, r.Rule.Path, err))
	}
}

// Part is what of a request broke the contract.
type Part string

// The parts.
const (
	PartPath   Part = "path"
	PartMethod Part = "method"
	PartQuery  Part = "query"
	PartHeader Part = "header"
	PartBody   Part = "body"
)

// Violation is one request that broke the contract.
type Violation struct {
	Request string // method and path, without the query
	Part    Part
	// Name is the parameter's or header's; empty otherwise.
	Name   string
	Reason string
}

func (v Violation) String() string {
	if v.Name != "" {
		return fmt.Sprintf("%s: %s %s: %s", v.Request, v.Part, v.Name, v.Reason)
	}
	return fmt.Sprintf("%s: %s: %s", v.Request, v.Part, v.Reason)
}

// compiled is a contract that is ready for requests.
type compiled struct {
	Contract
	rules []*rule
}

type rule struct {
	*Rule
	segments       []string
	params         map[string]pattern
	query, headers map[string]pattern
	body           *jsonschema.Schema
}

type pattern struct {
	Param
	*regexp.Regexp
}

// compile checks what a contract says of itself.
func compile(c Contract) (*compiled, error) {
	out := &compiled{Contract: c}
	for i := range c.Rules {
		r := &c.Rules[i]
		one := &rule{Rule: r, segments: strings.Split(strings.TrimPrefix(r.Path, "/"), "/")}
		place := r.Method + " " + r.Path
		if r.Source == "" {
			return nil, fmt.Errorf("%s cites no page", place)
		}
		if r.Answer == nil {
			return nil, fmt.Errorf("%s has no answer", place)
		}
		var err error
		if one.params, err = patterns(place, r.Params); err != nil {
			return nil, err
		}
		if one.query, err = patterns(place, c.Query, r.Query); err != nil {
			return nil, err
		}
		if one.headers, err = patterns(place, c.Headers, r.Headers); err != nil {
			return nil, err
		}
		for _, segment := range one.segments {
			if name, ok := param(segment); ok {
				if _, known := r.Params[name]; !known {
					return nil, fmt.Errorf("%s: params lacks %s", place, name)
				}
			}
		}
		if r.Body != "" {
			document, err := jsonschema.UnmarshalJSON(strings.NewReader(r.Body))
			if err != nil {
				return nil, fmt.Errorf("%s: body: %w", place, err)
			}
			compiler := jsonschema.NewCompiler()
			if err := compiler.AddResource("body", document); err != nil {
				return nil, fmt.Errorf("%s: body: %w", place, err)
			}
			if one.body, err = compiler.Compile("body"); err != nil {
				return nil, fmt.Errorf("%s: body: %w", place, err)
			}
		}
		out.rules = append(out.rules, one)
	}
	return out, nil
}

func patterns(place string, all ...map[string]Param) (map[string]pattern, error) {
	out := map[string]pattern{}
	for _, params := range all {
		for name, p := range params {
			source := p.Pattern
			if source == "" {
				source = ".+"
			}
			expression, err := regexp.Compile("^(?s:" + source + ")$")
			if err != nil {
				return nil, fmt.Errorf("%s: %s: %w", place, name, err)
			}
			out[name] = pattern{p, expression}
		}
	}
	return out, nil
}

// param gives the name of a segment in braces.
func param(segment string) (string, bool) {
	if strings.HasPrefix(segment, "{") && strings.HasSuffix(segment, "}") {
		return segment[1 : len(segment)-1], true
	}
	return "", false
}

// route finds the rule for a method and a path; of several the one whose path
// says most of itself. known says whether some rule has the path.
func (c *compiled) route(method, escaped string) (found *rule, params map[string]string, known bool) {
	segments := strings.Split(strings.TrimPrefix(escaped, "/"), "/")
	best := -1
	for _, r := range c.rules {
		values, literal, ok := r.match(segments)
		if !ok {
			continue
		}
		known = true
		if r.Method == method && literal > best {
			found, params, best = r, values, literal
		}
	}
	return found, params, known
}

func (r *rule) match(segments []string) (params map[string]string, literal int, ok bool) {
	if len(segments) != len(r.segments) {
		return nil, 0, false
	}
	params = map[string]string{}
	for i, want := range r.segments {
		got, err := url.PathUnescape(segments[i])
		if err != nil {
			return nil, 0, false
		}
		if name, ok := param(want); ok {
			params[name] = got
			continue
		}
		if got != want {
			return nil, 0, false
		}
		literal++
	}
	return params, literal, true
}

// check says how a request breaks the contract, or gives it as the rule's.
func (c *compiled) check(r *http.Request, body []byte) (*Request, *Violation) {
	broken := func(part Part, name, format string, args ...any) *Violation {
		return &Violation{r.Method + " " + r.URL.Path, part, name, fmt.Sprintf(format, args...)}
	}
	found, params, known := c.route(r.Method, r.URL.EscapedPath())
	switch {
	case !known:
		return nil, broken(PartPath, "", "the contract has no such path")
	case found == nil:
		return nil, broken(PartMethod, "", "the contract has no such method there")
	}
	for name, value := range params {
		if !found.params[name].MatchString(value) {
			return nil, broken(PartPath, name, "%q is not %s", value, found.params[name])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(found.headers)) {
		switch p, values := found.headers[name], r.Header.Values(name); {
		case len(values) == 0 && p.Required:
			return nil, broken(PartHeader, name, "it is missing")
		case len(values) > 0 && !p.MatchString(values[0]):
			return nil, broken(PartHeader, name, "it is not %s", p)
		}
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, broken(PartQuery, "", "%v", err)
	}
	for _, name := range slices.Sorted(maps.Keys(query)) {
		p, ok := found.query[name]
		switch {
		case !ok:
			return nil, broken(PartQuery, name, "the contract has no such parameter")
		case len(query[name]) > 1 && !p.Many:
			return nil, broken(PartQuery, name, "it is given %d times", len(query[name]))
		}
		for _, value := range query[name] {
			if !p.MatchString(value) {
				return nil, broken(PartQuery, name, "it is not %s", p)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(found.query)) {
		if found.query[name].Required && !query.Has(name) {
			return nil, broken(PartQuery, name, "it is missing")
		}
	}
	if violation := found.checkBody(r.Header.Get("Content-Type"), body, broken); violation != nil {
		return nil, violation
	}
	return &Request{Rule: found.Rule, Params: params, Query: query, Header: r.Header, Body: body}, nil
}

func (r *rule) checkBody(contentType string, body []byte, broken func(Part, string, string, ...any) *Violation) *Violation {
	if r.body == nil {
		if len(body) > 0 {
			return broken(PartBody, "", "the contract has none")
		}
		return nil
	}
	kind, parameters, err := mime.ParseMediaType(contentType)
	if err != nil || kind != "application/json" || parameters["charset"] != "" && !strings.EqualFold(parameters["charset"], "utf-8") {
		return broken(PartHeader, "Content-Type", "%q is not application/json", contentType)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return broken(PartBody, "", "%v", err)
	}
	if err := r.body.Validate(value); err != nil {
		// The first line names the schema, as a file of this machine.
		first, causes, many := strings.Cut(err.Error(), "\n")
		if !many {
			causes = first
		}
		return broken(PartBody, "", "%s", causes)
	}
	return nil
}

func (p pattern) String() string {
	if p.Pattern == "" {
		return "a text"
	}
	return p.Pattern
}

// readAll reads a body, up to what no contract needs.
func readAll(r *http.Request) ([]byte, error) { return io.ReadAll(io.LimitReader(r.Body, 64<<20)) }
