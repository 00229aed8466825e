// Package schema holds values against JSON Schemas (draft 2020-12) that people
// write: the bodies of requests and answers of the gateway.
//
// A schema stands for itself: it may refer to its own parts by "#...", and to
// nothing outside, so that reading one opens no file and no connection. Formats
// such as "email" and "date-time" are checked. Patterns are Go's regular
// expressions, which take time linear in the text. The package must not know
// what the values mean.
package schema

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

// maxViolations is how many violations of one value are told.
const maxViolations = 20

// root is the address of each schema; it leads nowhere.
const root = "schema:///root"

// before is the address of the schema before it, see [entry]. The library wants
// it no longer than those of what is below it.
const before = "x:"

// Schema is a compiled schema. It may be used by many goroutines.
type Schema struct{ entry *jsonschema.Schema }

// nothing loads no schema from anywhere.
type nothing struct{}

func (nothing) Load(string) (any, error) {
	return nil, errors.New("a schema may refer only to its own parts, as in #/$defs/name")
}

// Compile reads a schema as a document gave it. The error is a sentence for
// its author.
func Compile(document any) (*Schema, error) {
	compiled, err := compile(root, document)
	if err != nil {
		return nil, err
	}
	first, err := compile(before, map[string]any{"$comment": "asks nothing"})
	if err != nil {
		return nil, err
	}
	if cost(compiled, map[*jsonschema.Schema]int{}) > maxCost {
		return nil, fmt.Errorf("a value would be held against more than %d schemas: its references multiply; name each part once", maxCost)
	}
	checks := &checks{}
	bound(compiled, checks, map[*jsonschema.Schema]bool{})
	first.Extensions = []jsonschema.SchemaExt{&entry{compiled, checks}}
	return &Schema{first}, nil
}

func compile(at string, document any) (*jsonschema.Schema, error) {
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.AssertFormat()
	c.UseLoader(nothing{})
	if err := c.AddResource(at, document); err != nil {
		return nil, explain(err)
	}
	compiled, err := c.Compile(at)
	if err != nil {
		return nil, explain(err)
	}
	return compiled, nil
}

// types are those that a schema may name.
const types = "array, boolean, integer, null, number, object, string"

// explain says what is wrong with a schema, without the address that it has
// here.
func explain(err error) error {
	if invalid, ok := errors.AsType[*jsonschema.SchemaValidationError](err); ok {
		if v, ok := errors.AsType[*jsonschema.ValidationError](invalid.Err); ok {
			found := violations(v, 0)[0]
			if strings.HasSuffix(found.Pointer, "/type") && found.Keyword == "anyOf" {
				found.Message = "want one of " + types + ", or a list of some of them"
			}
			return fmt.Errorf("at %s: %s", found.Pointer, found.Message)
		}
	}
	if load, ok := errors.AsType[*jsonschema.LoadURLError](err); ok {
		return fmt.Errorf("%q: %w", load.URL, load.Err)
	}
	return errors.New(strings.ReplaceAll(err.Error(), root, ""))
}

// Violation is one place at which a value breaks a schema.
type Violation struct {
	// Pointer is a JSON pointer into the value, as a URI fragment: "#/items/0".
	Pointer string `json:"pointer"`
	// Message may quote the value.
	Message string `json:"detail"`
	// Keyword is that of the schema, such as "required"; empty if the value
	// can't be checked. The message quotes nothing then.
	Keyword string `json:"-"`
}

// Check gives the places at which a JSON value breaks the schema, some of them
// if there are very many; none: it fits. Numbers are int64, float64 or
// json.Number. A check that would take very long is left off, and told as one
// violation.
func (s *Schema) Check(value any) (found []Violation) {
	defer func() {
		switch p := recover(); p {
		case nil:
		case tooMany{}:
			found = []Violation{{Pointer: "#", Message: "the value can't be checked: the schema leads through it in too many ways; let the branches of anyOf and oneOf that lead back to the schema be told apart first, by if and then, or send less at once"}}
		default:
			panic(p)
		}
	}()
	err := s.entry.Validate(value)
	if err == nil {
		return nil
	}
	v, ok := errors.AsType[*jsonschema.ValidationError](err)
	if !ok {
		return []Violation{{Pointer: "#", Message: "the value can't be checked: " + err.Error()}}
	}
	found = violations(v, 1)
	slices.SortStableFunc(found, func(a, b Violation) int { return strings.Compare(a.Pointer, b.Pointer) })
	return found[:min(len(found), maxViolations)]
}

// violations gives the ends of a tree of causes. Where one of several schemas
// would do, what is wrong with each of them would only confuse. The first skip
// tokens of a place are none of the value's.
func violations(v *jsonschema.ValidationError, skip int) (found []Violation) {
	printer := message.NewPrinter(language.English)
	var walk func(*jsonschema.ValidationError)
	walk = func(v *jsonschema.ValidationError) {
		var text string
		switch k := v.ErrorKind.(type) {
		case *kind.AnyOf:
			text = "fits none of the schemas of anyOf"
		case *kind.OneOf:
			text = "fits none of the schemas of oneOf"
			if len(k.Subschemas) > 0 {
				text = "fits more than one of the schemas of oneOf"
			}
		case *kind.Not:
			text = "fits the schema of not"
		case *kind.FalseSchema:
			text = "is not allowed here"
		default:
			if len(v.Causes) > 0 {
				for _, cause := range v.Causes {
					walk(cause)
				}
				return
			}
			text = v.ErrorKind.LocalizedString(printer)
		}
		keyword := ""
		if path := v.ErrorKind.KeywordPath(); len(path) > 0 {
			keyword = path[len(path)-1]
		}
		found = append(found, Violation{Pointer(v.InstanceLocation[min(skip, len(v.InstanceLocation)):]), shorten(text), keyword})
	}
	walk(v)
	return found
}

// maxMessage bounds what a message quotes, in bytes.
const maxMessage = 200

func shorten(text string) string {
	if len(text) <= maxMessage {
		return text
	}
	return strings.ToValidUTF8(text[:maxMessage], "") + "…"
}

// maxPointer bounds what is told of a place, in bytes: names of members may be as
// long as the value.
const maxPointer = 400

// Pointer writes a JSON pointer as a URI fragment (RFC 6901, section 6). The end
// of a long one is left out.
func Pointer(tokens []string) string {
	var b strings.Builder
	b.WriteByte('#')
	for _, token := range tokens {
		b.WriteByte('/')
		for i := range len(token) {
			if b.Len() >= maxPointer {
				return b.String() + "…"
			}
			switch c := token[i]; {
			case c == '~':
				b.WriteString("~0")
			case c == '/':
				b.WriteString("~1")
			case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.IndexByte("-._!$&'()*+,;=:@", c) >= 0:
				b.WriteByte(c)
			default:
				fmt.Fprintf(&b, "%%%02X", c)
			}
		}
	}
	return b.String()
}
