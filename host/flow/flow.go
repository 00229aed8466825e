// Package flow is the flow document: its types, its reading and its checks.
//
// [Parse] reads a document and reports everything that is wrong with it and
// can be known without plugins, all at once and each with its place.
// [Flow.Check] adds what can be known from the installed plugins. The kinds
// of built-in nodes are declared once, as data, in kinds.go: fields, ports,
// documentation and the JSON Schema of the document ([Schema]) come from
// there.
//
// A Flow may be stored with encoding/json and read back with it. The package
// is pure. It must not know how flows are run.
package flow

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/trama-run/trama/host/source"
)

// Version is the version of the document's shape: its field "schema".
const Version = 1

// Ports that nodes share.
const (
	PortNext     = "next"
	PortElse     = "else"
	PortError    = "error"
	PortEach     = "each"
	PortTimeout  = "timeout"
	PortInvalid  = "invalid"
	PortInactive = "inactive"
)

// Flow is one flow document.
type Flow struct {
	At source.Place `json:"-"`

	Schema   int          `json:"schema" source:"required" jsonschema_description:"Version of the document's shape: 1."`
	ID       string       `json:"id" source:"required" jsonschema_description:"Name of the flow: lower-case letters, digits, - and _."`
	Title    string       `json:"title,omitempty" jsonschema_description:"Name for people."`
	Triggers []Trigger    `json:"triggers" source:"required" jsonschema_description:"How the flow starts."`
	Nodes    []Node       `json:"nodes" source:"required" jsonschema_description:"The steps."`
	Edges    []Edge       `json:"edges,omitempty" jsonschema_description:"Which node follows which port."`
	OnError  string       `json:"on_error,omitempty" jsonschema_description:"Node at which a run goes on, once, after an error that no error port took."`
	UI       source.Value `json:"ui,omitempty,omitzero" jsonschema_description:"Layout for a canvas; without meaning for the run."`
}

// Node is one step. What With means depends on Type; see [Node.Config].
type Node struct {
	At source.Place `json:"-"`

	ID         string       `json:"id" source:"required" jsonschema_description:"Name of the node: letters, digits and _. Its output is nodes.<id>."`
	Type       string       `json:"type" source:"required" jsonschema_description:"A built-in type, or <plugin>.<operation>."`
	Title      string       `json:"title,omitempty" jsonschema_description:"Name for people."`
	With       source.Value `json:"with,omitempty,omitzero" jsonschema_description:"Settings; texts may hold {{ expression }}."`
	Connection string       `json:"connection,omitempty" jsonschema_description:"The configured connection that a plugin uses."`
	Retry      *Retry       `json:"retry,omitempty" jsonschema_description:"Repeat a call whose error may pass."`
	Timeout    Duration     `json:"timeout,omitempty" jsonschema_description:"How long one call may take, such as 10s."`
}

// Retry repeats a call that failed with a retryable error.
type Retry struct {
	At source.Place `json:"-"`

	Attempts int      `json:"attempts" source:"required" jsonschema_description:"Calls in all, the first one included: 1 to 20."`
	Backoff  Duration `json:"backoff,omitempty" jsonschema_description:"Pause before the second call, doubled for each further one; 1s if left out."`
}

// Edge leads from a port of a node, or from a trigger, to a node.
type Edge struct {
	At source.Place `json:"-"`

	From string `json:"from" source:"required" jsonschema_description:"A node or a trigger."`
	Port string `json:"port,omitempty" jsonschema_description:"Its port; next if left out."`
	To   string `json:"to" source:"required" jsonschema_description:"The node that follows."`
}

// FromPort gives the edge's port, "next" if it was left out.
func (e Edge) FromPort() string {
	if e.Port == "" {
		return PortNext
	}
	return e.Port
}

// Duration is a positive time span of at most a day, written as "10s".
type Duration time.Duration

// UnmarshalText reads "300ms", "10s", "5m".
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err != nil || v <= 0 || v > 24*time.Hour {
		return fmt.Errorf("%q is not a duration up to 24h; write it as 300ms, 10s or 5m", text)
	}
	*d = Duration(v)
	return nil
}

// MarshalText writes it back; the zero Duration is absent from documents.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// Parse reads a document. Its error is of type [source.Problems].
func Parse(file string, data []byte) (*Flow, error) {
	var f Flow
	problems := source.Decode(file, data, &f)
	problems = append(problems, f.check()...)
	problems.Sort()
	if err := problems.Err(); err != nil {
		return nil, err
	}
	return &f, nil
}

// Node gives the node with this id.
func (f *Flow) Node(id string) (*Node, bool) {
	i := slices.IndexFunc(f.Nodes, func(n Node) bool { return n.ID == id })
	if i < 0 {
		return nil, false
	}
	return &f.Nodes[i], true
}

// Trigger gives the trigger with this id.
func (f *Flow) Trigger(id string) (Trigger, bool) {
	i := slices.IndexFunc(f.Triggers, func(t Trigger) bool { return t.ID == id })
	if i < 0 {
		return Trigger{}, false
	}
	return f.Triggers[i], true
}

// Connections lists the connections that nodes name, sorted.
func (f *Flow) Connections() []string {
	var names []string
	for _, n := range f.Nodes {
		if n.Connection != "" {
			names = append(names, n.Connection)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Plugins lists the plugins that the flow calls, languages included, sorted.
func (f *Flow) Plugins() []string {
	var names []string
	for i := range f.Nodes {
		if plugin, _ := f.Nodes[i].Calls(); plugin != "" {
			names = append(names, plugin)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Jumps lists the flows that nodes jump to, sorted.
func (f *Flow) Jumps() []string {
	var ids []string
	for i := range f.Nodes {
		if n := &f.Nodes[i]; n.Type == typeJump {
			if id, ok := n.With.Get("flow").Any().(string); ok {
				ids = append(ids, id)
			}
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// Alerts lists the alerts that nodes name plainly, sorted; "" is the default.
func (f *Flow) Alerts() []string {
	var ids []string
	for i := range f.Nodes {
		if config, _ := f.Nodes[i].Config(); config != nil {
			if a, ok := config.(*SendAlert); ok {
				if a.To.IsZero() {
					ids = append(ids, "")
				} else if id, literal := a.To.Literal(); literal {
					ids = append(ids, fmt.Sprint(id))
				}
			}
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// Calls gives the plugin that the node calls and the operation; for a
// run_code node these are the language and "". Both are empty for a node that
// calls nothing.
func (n *Node) Calls() (plugin, operation string) {
	if n.Type == typeRunCode {
		if language, ok := n.With.Get("language").Any().(string); ok {
			return language, ""
		}
		return defaultLanguage, ""
	}
	if _, builtin := kindOf(n.Type); builtin {
		return "", ""
	}
	plugin, operation, ok := strings.Cut(n.Type, ".")
	if !ok || !plainName(plugin) || !plainName(operation) {
		return "", ""
	}
	return plugin, operation
}
