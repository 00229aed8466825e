// Package source reads documents that people write: YAML or JSON, one shape,
// into Go structs by their json tags, and says about each mistake where it
// stands and what to write instead.
//
// A document is read strictly: unknown fields, duplicate keys, wrong types,
// missing fields (tag source:"required"), anchors and aliases, several
// documents in one file and files over [MaxBytes] are problems. All problems
// of a document are reported together, in the order of their places.
//
// Free-form parts of a document are held by a [Value], which keeps the places
// of everything in it. Its numbers are int64 where integral and in range and
// float64 otherwise. A struct that came from a document may be stored with
// encoding/json and read back with it; places are empty then.
//
// The package must not know what any document means. It does no I/O.
package source

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

const (
	// MaxBytes bounds one document.
	MaxBytes = 1 << 20
	// maxDepth bounds how deeply values may stand in one another.
	maxDepth = 100
)

// Place is where something stands in a document. Line and Column count from
// 1; the zero Place is unknown.
type Place struct {
	File   string `json:"file,omitempty"`
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
}

// String gives "file:line:column", or what of it is known.
func (p Place) String() string {
	switch {
	case p.Line == 0:
		return p.File
	case p.Column == 0:
		return fmt.Sprintf("%s:%d", p.File, p.Line)
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// Problem is one mistake in a document.
type Problem struct {
	Place
	Message string `json:"message"`        // what is wrong
	Hint    string `json:"hint,omitempty"` // what to write instead
}

// Error gives "file:line:column: message; hint".
func (p Problem) Error() string {
	text := p.Message
	if p.Hint != "" {
		text += "; " + p.Hint
	}
	if place := p.Place.String(); place != "" {
		text = place + ": " + text
	}
	return text
}

// Problems are all mistakes of a document. As an error they are one line each.
type Problems []Problem

func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

// Err gives the problems as an error, nil if there are none.
func (ps Problems) Err() error {
	if len(ps) == 0 {
		return nil
	}
	return ps
}

// Add appends a problem.
func (ps *Problems) Add(at Place, hint, format string, args ...any) {
	*ps = append(*ps, Problem{Place: at, Message: fmt.Sprintf(format, args...), Hint: hint})
}

// Sort puts the problems in the order of their places.
func (ps Problems) Sort() {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
}

// Decode reads the one document in data into the value that into points to
// and returns what is wrong with it, in the order of places. What could be
// read is set even if there are problems. File is used in places only.
func Decode(file string, data []byte, into any) Problems {
	node, problems := parse(file, data)
	if len(problems) > 0 {
		return problems
	}
	return decodeNode(file, node, into)
}

// parse gives the root node of the one document in data, free of aliases,
// custom tags, duplicate keys and excessive depth.
func parse(file string, data []byte) (*yaml.Node, Problems) {
	var problems Problems
	if len(data) > MaxBytes {
		problems.Add(Place{File: file}, "split the document", "the document has %d bytes, over the limit of %d", len(data), MaxBytes)
		return nil, problems
	}
	if root, ok := parseJSON(data); ok {
		c := checker{file: file}
		c.check(root, 0)
		return root, c.problems
	}
	var document yaml.Node
	decoder := yaml.NewDecoder(strings.NewReader(string(data)))
	if err := decoder.Decode(&document); errors.Is(err, io.EOF) {
		problems.Add(Place{File: file, Line: 1, Column: 1}, "write a mapping or a list", "the document is empty")
		return nil, problems
	} else if err != nil {
		return nil, Problems{syntaxProblem(file, err)}
	}
	var second yaml.Node
	if err := decoder.Decode(&second); err == nil {
		problems.Add(Place{file, second.Line, second.Column}, "keep one document in a file", "a second document begins here")
		return nil, problems
	} else if !errors.Is(err, io.EOF) {
		return nil, Problems{syntaxProblem(file, err)}
	}
	root := document.Content[0]
	c := checker{file: file}
	c.check(root, 0)
	c.problems.Sort()
	return root, c.problems
}

// syntaxProblem turns an error of the YAML library, which reads
// "yaml: line 3: what", into a problem.
func syntaxProblem(file string, err error) Problem {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	at := Place{File: file, Line: 1}
	if rest, ok := strings.CutPrefix(text, "line "); ok {
		if number, what, ok := strings.Cut(rest, ": "); ok {
			if line, err := strconv.Atoi(number); err == nil {
				at.Line, text = line, what
			}
		}
	}
	return Problem{at, "not valid YAML: " + text, "check indentation, quotes and brackets at and above this line"}
}

// checker refuses what no document may hold, whatever it is decoded into.
type checker struct {
	file     string
	problems Problems
}

func (c *checker) check(n *yaml.Node, depth int) {
	at := Place{c.file, n.Line, n.Column}
	switch {
	case depth > maxDepth:
		c.problems.Add(at, "use fewer levels", "values stand in one another more than %d levels deep", maxDepth)
		return
	case n.Kind == yaml.AliasNode:
		c.problems.Add(at, "write the value out", "alias *%s: anchors and aliases are not supported", n.Value)
		return
	case n.Anchor != "":
		c.problems.Add(at, "write the value out where it is needed", "anchor &%s: anchors and aliases are not supported", n.Anchor)
		return
	}
	switch tag := n.ShortTag(); tag {
	case "!!map", "!!seq", "!!str", "!!int", "!!float", "!!bool", "!!null", "!!timestamp", "!!merge":
	default:
		c.problems.Add(at, "leave the tag out", "tag %s is not supported", tag)
		return
	}
	switch n.Kind {
	case yaml.MappingNode:
		first := map[string]int{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i]
			keyAt := Place{c.file, key.Line, key.Column}
			switch {
			case key.Kind != yaml.ScalarNode:
				c.problems.Add(keyAt, "use a plain word", "a key must be text")
				continue
			case key.Anchor != "":
				c.problems.Add(keyAt, "write the value out where it is needed", "anchor &%s: anchors and aliases are not supported", key.Anchor)
			case key.ShortTag() == "!!merge":
				c.problems.Add(keyAt, "write the fields out", "merge keys (<<) are not supported")
				continue
			}
			if line, ok := first[key.Value]; ok {
				c.problems.Add(keyAt, "keep one of them", "%q is given twice, first in line %d", key.Value, line)
			} else {
				first[key.Value] = key.Line
			}
			c.check(n.Content[i+1], depth+1)
		}
	case yaml.SequenceNode:
		for _, item := range n.Content {
			c.check(item, depth+1)
		}
	case yaml.ScalarNode:
		if _, err := scalar(n); err != nil {
			c.problems.Add(at, err.Hint, "%s", err.Message)
		}
	}
}
