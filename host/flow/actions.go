package flow

import (
	"strings"

	"github.com/trama-run/trama/host/source"
)

// actions are the nodes that do something.
func actions() []Kind {
	inactive := Port{PortInactive, "The contact was silent for that long; whatever the run did meanwhile is left."}
	return []Kind{
		{
			Type: typeRunCode, Group: GroupAction, Ports: []Port{next, {PortError, "The script threw, or hit a limit."}},
			Doc:    "Runs a script that sees input, flow, user and env; what it returns is the output. The code is not a template.",
			Config: func() any { return &RunCode{Language: defaultLanguage} },
		}, {
			Type: "set_flow", Group: GroupAction, Ports: []Port{next, failure},
			Doc:    "Changes variables of this run, seen as flow.<name>: sets, counts, appends to lists, and clears them. The input passes through.",
			Config: func() any { return &Set{} },
		}, {
			Type: "set_user", Group: GroupAction, Ports: []Port{next, failure}, Needs: NeedsContact,
			Doc:    "Changes variables of the contact, seen as user.<name> in all flows, in the same ways. The input passes through.",
			Config: func() any { return &Set{} },
		}, {
			Type: "user_tag", Group: GroupAction, Ports: []Port{next, failure}, Needs: NeedsContact,
			Doc:    "Adds tags to the contact and removes others; user.tags lists them. The input passes through.",
			Config: func() any { return &UserTag{} },
		}, {
			Type: "set_contact", Group: GroupAction, Ports: []Port{next, failure}, Needs: NeedsContact,
			Doc:    "Changes what the host knows of the contact, seen as user.profile_name, user.language, user.opt_in and user.blocked. What is left out, or null, stays. The input passes through.",
			Config: func() any { return &SetContact{} },
		}, {
			Type: "wait", Group: GroupAction, Ports: []Port{next, failure},
			Doc:    "Sleeps, over restarts too. Messages that come meanwhile stay in the mailbox until the run waits for a reply or ends, unless a trigger interrupts. The input passes through.",
			Config: func() any { return &Wait{} },
		}, {
			Type: "start_inactivity", Group: GroupAction, Ports: []Port{next, inactive, failure}, Needs: NeedsContact,
			Doc:    "Arms a timer that each message of the contact sets back; there is one in a conversation. When it expires, the run leaves whatever it waits for and goes on from the port inactive.",
			Config: func() any { return &StartInactivity{} },
		}, {
			Type: "end_inactivity", Group: GroupAction, Ports: []Port{next}, Needs: NeedsContact,
			Doc:    "Disarms the inactivity timer, if one is armed. The input passes through.",
			Config: func() any { return &EndInactivity{} },
		}, {
			Type: "send_alert", Group: GroupAction, Ports: []Port{next, failure},
			Doc:    "Tells the operator, by the webhook or the channel that alerts.yaml names. The input passes through.",
			Config: func() any { return &SendAlert{} },
		}, {
			Type: "emit_event", Group: GroupAction, Ports: []Port{next, failure},
			Doc:    "Starts every flow that has a trigger of type event with this name, each in a run of its own. One that starts none is no error: the run's record says so; a contact of a channel that is not configured is one, no_contact. The input passes through.",
			Config: func() any { return &EmitEvent{} },
		},
	}
}

// RunCode is "with" of run_code.
type RunCode struct {
	Language string   `json:"language,omitempty" jsonschema_description:"A language plugin; javascript if left out."`
	Code     string   `json:"code" source:"required" jsonschema_description:"The script, never expanded."`
	Input    Template `json:"input,omitempty,omitzero" jsonschema_description:"What the script sees as input; the node's input if left out."`
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

// UserTag is "with" of user_tag.
type UserTag struct {
	Add    Template `json:"add,omitempty,omitzero" jsonschema_description:"Tags to add: a text, or a list of texts."`
	Remove Template `json:"remove,omitempty,omitzero" jsonschema_description:"Tags to remove: a text, or a list of texts."`
}

func (u *UserTag) check(n *Node) (problems source.Problems) {
	if u.Add.IsZero() && u.Remove.IsZero() {
		problems.Add(n.At, "write add: vip or remove: vip", "user_tag changes nothing")
	}
	return problems
}

// Wait is "with" of wait.
type Wait struct {
	For   Span     `json:"for,omitempty,omitzero" jsonschema_description:"How long: 30s, 10m, 2h, 3d, 1w, or seconds as a number."`
	Until Template `json:"until,omitempty,omitzero" jsonschema_description:"Until when: a time such as 2026-12-24T18:00:00-03:00. One that is over is no wait."`
}

func (w *Wait) check(n *Node) (problems source.Problems) {
	if w.For.IsZero() == w.Until.IsZero() {
		problems.Add(n.At, "write for: 10m, or until: a time", "wait needs one of for and until")
	}
	return problems
}

// StartInactivity is "with" of start_inactivity.
type StartInactivity struct {
	After Span `json:"after" source:"required" jsonschema_description:"How long the contact may be silent: 30s, 10m, 2h, 3d."`
}

// EndInactivity is "with" of end_inactivity.
type EndInactivity struct{}

// SendAlert is "with" of send_alert.
type SendAlert struct {
	To    Text     `json:"to,omitempty,omitzero" jsonschema_description:"An alert of alerts.yaml; if left out, the one named operator."`
	Level string   `json:"level,omitempty" jsonschema_description:"info, warning (if left out) or critical." jsonschema:"enum=info,enum=warning,enum=critical"`
	Text  Text     `json:"text" source:"required" jsonschema_description:"What the operator reads."`
	Data  Template `json:"data,omitempty,omitzero" jsonschema_description:"Any JSON value that goes with it."`
}

func (a *SendAlert) check(n *Node) (problems source.Problems) {
	switch a.Level {
	case "", "info", "warning", "critical":
	default:
		problems.Add(n.With.Place("level"), "write info, warning or critical", "%q is not a level", a.Level)
	}
	return problems
}

// EmitEvent is "with" of emit_event.
type EmitEvent struct {
	Event   string   `json:"event" source:"required" jsonschema_description:"Name of the event, as triggers of type event have it."`
	Data    Template `json:"data,omitempty,omitzero" jsonschema_description:"Any JSON value; the started flows see it as input.data."`
	Contact Text     `json:"contact,omitempty,omitzero" jsonschema_description:"Key of the contact in whose conversation the flows start, such as {{ user.key }}; if left out, they have none."`
}

func (e *EmitEvent) check(n *Node) (problems source.Problems) {
	if e.Event != "" && !eventName(e.Event) {
		problems.Add(n.With.Place("event"), "use letters, digits, _, - and dots, such as order.paid", "%q is not the name of an event", e.Event)
	}
	return problems
}

// eventName reports whether a name is one of an event.
func eventName(s string) bool { return isName(s, "_-.") }
