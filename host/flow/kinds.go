package flow

import (
	"slices"
	"strings"

	"github.com/trama-run/trama/host/expr"
	"github.com/trama-run/trama/host/source"
)

const (
	typeRunCode     = "run_code"
	typeJump        = "jump"
	typeWaitReply   = "wait_reply"
	defaultLanguage = "javascript"
)

// Group is where a kind of node stands in the reference.
type Group string

// The groups of built-in nodes.
const (
	GroupAction   Group = "Action"
	GroupControl  Group = "Flow control"
	GroupResponse Group = "Response"
)

// Need is what a node can't work without: it depends on how the run began.
type Need string

// The needs of nodes.
const (
	NeedsNothing Need = ""
	NeedsContact Need = "contact" // the run is a contact's
	NeedsCaller  Need = "caller"  // a caller of the gateway waits for an answer
)

// Port is a way out of a node.
type Port struct {
	Name string
	Doc  string // when it is taken
}

// Kind declares one kind of built-in node.
type Kind struct {
	Type  string // as nodes name it
	Group Group
	Doc   string // what it does, in a sentence or two
	// Ports are its fixed ports; a config with a method ports adds others.
	Ports []Port
	// Config makes the struct that "with" is read into.
	Config func() any
	Needs  Need
}

var (
	next    = Port{PortNext, "It is done."}
	failure = Port{PortError, "An expression in it failed, or a value does not fit."}
)

// Kinds lists the built-in nodes. Everything else is <plugin>.<operation>.
func Kinds() []Kind {
	return slices.Concat(actions(), controls(), responses())
}

func kindOf(nodeType string) (Kind, bool) {
	for _, k := range Kinds() {
		if k.Type == nodeType {
			return k, true
		}
	}
	return Kind{}, false
}

// Operation is a call of a plugin: the type and "with" of all other nodes.
type Operation struct {
	Plugin    string
	Operation string
	Input     Template
}

// Config reads the node's "with" by its type: a pointer to the struct of its
// [Kind], or *Operation, with all expressions compiled; nil if the type is no
// type.
func (n *Node) Config() (any, source.Problems) {
	if kind, ok := kindOf(n.Type); ok {
		config := kind.Config()
		problems := n.With.Decode(config)
		if check, ok := config.(interface {
			check(*Node) source.Problems
		}); ok {
			problems = append(problems, check.check(n)...)
		}
		for i, p := range problems {
			if p.Place.Line == 0 || n.With.IsZero() {
				problems[i].Place = n.At
			}
			problems[i].Message = strings.Replace(p.Message, "the document", `"with"`, 1)
		}
		return config, problems
	}
	plugin, operation := n.Calls()
	if plugin == "" {
		return nil, nil
	}
	op := &Operation{Plugin: plugin, Operation: operation}
	if n.With.IsZero() {
		tree, _ := expr.CompileTree(map[string]any{})
		op.Input = Template{tree}
		return op, nil
	}
	if _, ok := n.With.Any().(map[string]any); !ok {
		var problems source.Problems
		problems.Add(n.With.Place(), "write the fields of the operation's input", `"with" must be a mapping`)
		return op, problems
	}
	return op, op.Input.UnmarshalSource(n.With)
}

// Ports lists the ports of the node, given its Config.
func (n *Node) Ports(config any) []string {
	kind, ok := kindOf(n.Type)
	if !ok {
		return []string{PortNext, PortError}
	}
	var names []string
	if c, ok := config.(interface{ ports() []string }); ok {
		names = c.ports()
	}
	for _, p := range kind.Ports {
		names = append(names, p.Name)
	}
	return names
}

// checkPort checks the name of a port that a document declares. seen are
// those before it, fixed ones that the kind has of its own.
func checkPort(at source.Place, name string, seen []string, fixed ...string) (problems source.Problems) {
	switch {
	case name == "": // reported as lacking
	case !portName(name):
		problems.Add(at, "use letters, digits, - and _", "%q is not a port name", name)
	case slices.Contains(fixed, name):
		problems.Add(at, "use another name", "the port %q has a meaning of its own", name)
	case slices.Contains(seen, name):
		problems.Add(at, "give each its own name, or join them", "the port %q is there twice", name)
	}
	return problems
}
