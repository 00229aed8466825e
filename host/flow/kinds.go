package flow

import (
	"fmt"
	"slices"
	"strings"

	"github.com/trama-run/trama/host/expr"
	"github.com/trama-run/trama/host/source"
)

const (
	typeRunCode     = "run_code"
	defaultLanguage = "javascript"
)

// Kind declares one kind of built-in node.
type Kind struct {
	Type string // as nodes name it
	Doc  string // one sentence
	// Ports are its fixed ports; Conditional adds its branches.
	Ports []string
	// Config makes the struct that "with" is read into.
	Config func() any
	// Trigger is the type of trigger without which the node can't work.
	Trigger string
}

// Kinds lists the built-in nodes. Everything else is <plugin>.<operation>.
func Kinds() []Kind {
	return []Kind{
		{
			Type: "conditional", Ports: []string{PortElse, PortError},
			Doc:    "Takes the port of the first branch whose condition is true, else the port else. The input passes through.",
			Config: func() any { return &Conditional{} },
		}, {
			Type: "set_flow", Ports: []string{PortNext, PortError},
			Doc:    "Sets variables of this run, seen as flow.<name>. The input passes through.",
			Config: func() any { return &Set{} },
		}, {
			Type: "set_user", Ports: []string{PortNext, PortError}, Trigger: TriggerMessage,
			Doc:    "Sets variables of the contact, seen as user.<name>. The input passes through.",
			Config: func() any { return &Set{} },
		}, {
			Type: typeRunCode, Ports: []string{PortNext, PortError},
			Doc:    "Runs a script that sees input, flow, user and env; what it returns is the output. The code is not a template.",
			Config: func() any { return &RunCode{Language: defaultLanguage} },
		}, {
			Type: "send_message", Ports: []string{PortNext, PortError}, Trigger: TriggerMessage,
			Doc:    "Sends a message to the contact: a text, a file, a place, contacts, buttons, a list, a form, cards, products, a template or a reaction. In its texts {name} and {items[0][title]} stand for values of the input.",
			Config: func() any { return &SendMessage{} },
		}, {
			Type: "wait_reply", Ports: []string{PortNext, PortError}, Trigger: TriggerMessage,
			Doc:    "Waits for the contact's next message, which is the output.",
			Config: func() any { return &WaitReply{} },
		}, {
			Type: "response.json", Ports: []string{PortNext, PortError}, Trigger: TriggerGateway,
			Doc:    "Answers the caller of the gateway with JSON, once in a run; the run goes on.",
			Config: func() any { return &Respond{} },
		}, {
			Type: "end", Ports: []string{PortError},
			Doc:    "Ends the run.",
			Config: func() any { return &End{} },
		},
	}
}

func kindOf(nodeType string) (Kind, bool) {
	for _, k := range Kinds() {
		if k.Type == nodeType {
			return k, true
		}
	}
	return Kind{}, false
}

// Conditional is "with" of conditional.
type Conditional struct {
	Branches []Branch `json:"branches" source:"required" jsonschema_description:"Tried in order."`
}

// Branch is one way out of a conditional.
type Branch struct {
	At source.Place `json:"-"`

	Port string     `json:"port" source:"required" jsonschema_description:"Port to take: letters, digits, - and _."`
	When Expression `json:"when" source:"required" jsonschema_description:"Condition, such as input.total > 1000."`
}

// Set is "with" of set_flow and set_user.
type Set struct {
	Set map[string]Template `json:"set" source:"required" jsonschema_description:"Variables by name; any JSON values."`
}

// RunCode is "with" of run_code.
type RunCode struct {
	Language string   `json:"language,omitempty" jsonschema_description:"A language plugin; javascript if left out."`
	Code     string   `json:"code" source:"required" jsonschema_description:"The script, never expanded."`
	Input    Template `json:"input,omitempty,omitzero" jsonschema_description:"What the script sees as input; the node's input if left out."`
}

// WaitReply is "with" of wait_reply.
type WaitReply struct {
	SaveAs string `json:"save_as,omitempty" jsonschema_description:"Variable of the run that gets the reply's text."`
}

// Respond is "with" of response.json.
type Respond struct {
	Status  Template            `json:"status,omitempty,omitzero" jsonschema_description:"HTTP status, 200 to 599; 200 if left out."`
	Headers map[string]Template `json:"headers,omitempty" jsonschema_description:"Response headers by name."`
	Body    Template            `json:"body,omitempty,omitzero" jsonschema_description:"Any JSON value; null if left out."`
}

// End is "with" of end.
type End struct {
	Result Template `json:"result,omitempty,omitzero" jsonschema_description:"Kept in the run's record."`
}

// Operation is a call of a plugin: the type and "with" of all other nodes.
type Operation struct {
	Plugin    string
	Operation string
	Input     Template
}

// Config reads the node's "with" by its type: *Conditional, *Set, *RunCode,
// *SendMessage, *WaitReply, *Respond, *End or *Operation, with all
// expressions compiled; nil if the type is no type.
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
	var ports []string
	if c, ok := config.(*Conditional); ok {
		for _, b := range c.Branches {
			ports = append(ports, b.Port)
		}
	}
	return append(ports, kind.Ports...)
}

func (c *Conditional) check(n *Node) (problems source.Problems) {
	if branches := n.With.Get("branches"); len(c.Branches) == 0 && branches.IsList() {
		problems.Add(branches.Place(), `add {port: ..., when: "..."}`, "a conditional needs a branch")
	}
	var seen []string
	for _, b := range c.Branches {
		switch {
		case b.Port == "": // reported as lacking
		case !portName(b.Port):
			problems.Add(b.At, "use letters, digits, - and _", "%q is not a port name", b.Port)
		case b.Port == PortElse || b.Port == PortError:
			problems.Add(b.At, "use another name", "the port %q has a meaning of its own", b.Port)
		case slices.Contains(seen, b.Port):
			problems.Add(b.At, "use one branch with both conditions, joined by or", "the port %q has two branches", b.Port)
		}
		seen = append(seen, b.Port)
	}
	return problems
}

func (s *Set) check(n *Node) (problems source.Problems) {
	if set := n.With.Get("set"); len(s.Set) == 0 && set.IsMapping() {
		problems.Add(set.Place(), `add name: "{{ ... }}"`, "%s sets nothing", n.Type)
	}
	for _, name := range n.With.Get("set").Keys() {
		if !plainName(name) {
			problems.Add(n.With.Get("set").KeyPlace(name), "use letters, digits and _, a letter first", "%q is not a variable name", name)
		}
	}
	return problems
}

func (c *RunCode) check(n *Node) (problems source.Problems) {
	if !plainName(c.Language) {
		problems.Add(n.With.Place("language"), "leave it out for javascript", "%q is not a language", c.Language)
	}
	if code, ok := n.With.Get("code").Any().(string); ok && strings.TrimSpace(code) == "" {
		problems.Add(n.With.Place("code"), `write a script, such as "return input"`, "the code is empty")
	}
	return problems
}

func (w *WaitReply) check(n *Node) (problems source.Problems) {
	if w.SaveAs != "" && !plainName(w.SaveAs) {
		problems.Add(n.With.Place("save_as"), "use letters, digits and _, a letter first", "%q is not a variable name", w.SaveAs)
	}
	return problems
}

func (r *Respond) check(n *Node) (problems source.Problems) {
	if r.Status.Template != nil {
		if v, ok := r.Status.Literal(); ok {
			if code, ok := v.(int64); !ok || code < 200 || code > 599 {
				problems.Add(n.With.Place("status"), "write a number from 200 to 599", "%v is not an HTTP status", v)
			}
		}
	}
	return problems
}

// Expression is a condition in a document: an expression without {{ }}.
type Expression struct{ *expr.Expression }

// UnmarshalSource compiles the expression.
func (e *Expression) UnmarshalSource(v source.Value) (problems source.Problems) {
	text, ok := v.Any().(string)
	if b, isBool := v.Any().(bool); isBool {
		text, ok = fmt.Sprint(b), true
	}
	if !ok {
		problems.Add(v.Place(), `write it as text, such as "input.total > 1000"`, "an expression must be text")
		return problems
	}
	if strings.HasPrefix(strings.TrimSpace(text), "{{") {
		problems.Add(v.Place(), "leave the braces out", "an expression stands without {{ }} here")
		return problems
	}
	compiled, err := expr.Compile(text)
	if err != nil {
		problems.Add(v.Place(), "", "%v", err)
		return problems
	}
	e.Expression = compiled
	return nil
}

// Template is any JSON value in a document, with {{ expression }} in texts.
// Its inner Template is nil if it is absent.
type Template struct{ *expr.Template }

// IsZero reports whether the template is absent from its document.
func (t Template) IsZero() bool { return t.Template == nil }

// UnmarshalSource compiles the expressions in the value.
func (t *Template) UnmarshalSource(v source.Value) (problems source.Problems) {
	compiled, errs := expr.CompileTree(v.Any())
	for _, e := range errs {
		problems.Add(v.Place(e.Path...), "", "%v", e.Err)
	}
	t.Template = compiled
	return problems
}

// Text is a text of a message: a template where {name} stands for a value of
// the input too.
type Text struct{ *expr.Template }

// UnmarshalSource compiles the expressions in the text.
func (t *Text) UnmarshalSource(v source.Value) (problems source.Problems) {
	text, ok := v.Any().(string)
	if !ok {
		problems.Add(v.Place(), "write it in quotes", "a text of a message must be text")
		return problems
	}
	compiled, err := expr.CompileMessage(text)
	if err != nil {
		problems.Add(v.Place(), "", "%v", err)
	}
	t.Template = compiled
	return problems
}

// plainName reports whether a name can follow a dot in an expression.
func plainName(s string) bool { return isName(s, "_") }

func portName(s string) bool { return isName(s, "_-") }

func isName(s, extra string) bool {
	for i, c := range s {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || (c < '0' || c > '9') && !strings.ContainsRune(extra, c)) {
			return false
		}
	}
	return s != "" && len(s) <= 64
}
