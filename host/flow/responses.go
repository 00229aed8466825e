package flow

import (
	"slices"

	"github.com/trama-run/trama/host/source"
)

// MaxRetries bounds how often a wait_reply asks again.
const MaxRetries = 20

// responses are the nodes that talk to the contact or the caller.
func responses() []Kind {
	return []Kind{
		{
			Type: "send_message", Group: GroupResponse, Ports: []Port{next, failure}, Needs: NeedsContact,
			Doc:    "Sends a message to the contact: a text, a file, a place, contacts, buttons, a list, a form, cards, products, a template or a reaction. It is in the outbox when the run goes on. In its texts {name} and {items[0][title]} stand for values of the input.",
			Config: func() any { return &SendMessage{} },
		}, {
			Type: typeWaitReply, Group: GroupResponse, Needs: NeedsContact,
			Ports:  []Port{next, {PortTimeout, "No reply came in time."}, {PortInvalid, "The reply did not fit, and neither did those to the retries; the last one is the output."}, failure},
			Doc:    "Waits for the contact's next message, which is the output; a reaction, an earlier one that is edited and one for which channels have no form are none, unless also names them. With expect it must be of a type, such as a date or one of several options, and the output's value is what it says, in one form: input.value. Who writes the title of a button or of a row, or its number where the channel shows them as numbered text, has chosen it: of those of the last message before the wait that offered any, also if others without choices, such as a comment, came between.",
			Config: func() any { return &WaitReply{} },
		}, {
			Type: "response.json", Group: GroupResponse, Ports: []Port{next, failure}, Needs: NeedsCaller,
			Doc:    "Answers the caller of the gateway with JSON, once in a run; the run goes on.",
			Config: func() any { return &Respond{} },
		},
	}
}

// WaitReply is "with" of wait_reply.
type WaitReply struct {
	Expect   *Expect `json:"expect,omitempty" jsonschema_description:"What the reply must be; the output's value is what it says. Any message if left out."`
	Also     Texts   `json:"also,omitempty" jsonschema_description:"What is a reply too: reaction, edit (an earlier message that is edited) or unknown (one for which channels have no form), or a list of them."`
	SaveAs   string  `json:"save_as,omitempty" jsonschema_description:"Variable of the run that gets the reply's value, or else its text."`
	Timeout  Span    `json:"timeout,omitempty,omitzero" jsonschema_description:"How long to wait: 30s, 10m, 2h, 3d; for ever if left out."`
	Debounce Span    `json:"debounce,omitempty,omitzero" jsonschema_description:"Take several quick messages as one: wait until the contact has been quiet for this long, such as 2s. Their texts are joined by line breaks; messages lists them."`
	Retries  int     `json:"retries,omitempty" jsonschema_description:"How often to wait again after a reply that does not fit: 0 (if left out) to 20."`
	Retry    Text    `json:"retry,omitempty,omitzero" jsonschema_description:"Text that is sent before each retry."`
}

func (w *WaitReply) check(n *Node) (problems source.Problems) {
	if w.SaveAs != "" && !plainName(w.SaveAs) {
		problems.Add(n.With.Place("save_as"), "use letters, digits and _, a letter first", "%q is not a variable name", w.SaveAs)
	}
	if w.Expect != nil {
		problems = append(problems, w.Expect.check(n.With.Get("expect"))...)
	}
	for _, name := range w.Also {
		if !slices.Contains(Asides(), name) {
			problems.Add(n.With.Place("also"), source.Suggest(name, Asides()), "%q is not a type of message that is no reply by itself", name)
		}
	}
	if w.Retries < 0 || w.Retries > MaxRetries {
		problems.Add(n.With.Place("retries"), "write 0 to 20", "%d retries are not possible", w.Retries)
	}
	return problems
}

// Respond is "with" of response.json.
type Respond struct {
	Status  Template            `json:"status,omitempty,omitzero" jsonschema_description:"HTTP status, 200 to 599; 200 if left out."`
	Headers map[string]Template `json:"headers,omitempty" jsonschema_description:"Response headers by name."`
	Body    Template            `json:"body,omitempty,omitzero" jsonschema_description:"Any JSON value; null if left out."`
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
