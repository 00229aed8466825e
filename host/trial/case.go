package trial

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/trama-run/trama/host/flow"
	"github.com/trama-run/trama/host/source"
)

// Case is one trial and what must come of it: an item of a file
// <flow>.test.yaml, which is a list of them. In Expect, only what is given is
// compared: see [match].
type Case struct {
	At source.Place `json:"-"`
	// Name is unique in its file.
	Name string `json:"name" source:"required"`
	// Flow is the flow's id; that of the file beside, if it is left out.
	Flow string `json:"flow,omitempty"`
	// Trigger is the id of the trigger; the flow's first that suits, if it is
	// left out.
	Trigger string `json:"trigger,omitempty"`
	// Run is the run's id, of which all chances are made.
	Run string `json:"run,omitempty"`
	// Now is when the trial begins: 2026-01-05T12:00:00Z, a Monday, if it is
	// left out.
	Now Instant `json:"now,omitzero"`
	// Env is added to the workspace's.
	Env map[string]any `json:"env,omitempty"`
	// Contact is the key of the contact, as wa/whatsapp:5511987654321. User are
	// its variables; "tags", "profile_name" and "heard_at" among them.
	Contact string         `json:"contact,omitempty"`
	User    map[string]any `json:"user,omitempty"`
	// Event is what starts the flow, at a trigger that is neither for messages
	// nor of type activate. What a gateway would add is added.
	Event map[string]any `json:"event,omitempty"`
	// Activate starts the flow at a trigger of type activate.
	Activate *Activate `json:"activate,omitempty"`
	// Messages is a conversation, in its order.
	Messages []Step `json:"messages,omitempty"`
	// HTTP answers what plugins ask of the network. Every answer must be asked
	// for, and nothing else may be.
	HTTP []Exchange `json:"http,omitempty"`
	// Calls answer whole calls of plugins, in their place.
	Calls  []Call `json:"calls,omitempty"`
	Expect Expect `json:"expect,omitzero"`
}

// Instant is a time of a case, as 2026-01-05T12:00:00Z.
type Instant struct{ time.Time }

// UnmarshalText reads an instant.
func (i *Instant) UnmarshalText(text []byte) (err error) {
	if i.Time, err = time.Parse(time.RFC3339, string(text)); err != nil {
		return errors.New("write an instant, with its zone: 2026-01-05T12:00:00Z")
	}
	return nil
}

// Activate is an activation of the flow for the contact.
type Activate struct {
	// Variables are what the flow sees as input, beside "contact".
	Variables map[string]any `json:"variables,omitempty"`
}

// Step is a part of a conversation: one of its fields.
type Step struct {
	At source.Place `json:"-"`
	// Receive is what the contact writes: a text, or a message with its fields.
	Receive source.Value `json:"receive,omitzero"`
	// Advance lets time pass: as 90s, 2h or 3d, or until an instant.
	Advance string `json:"advance,omitempty"`
	// Expect is what came since the last step that expected the same.
	Expect *Expect `json:"expect,omitempty"`
}

// Exchange is a request and its answer, a Response or an Error.
type Exchange struct {
	At       source.Place `json:"-"`
	Request  Request      `json:"request" source:"required"`
	Response *Response    `json:"response,omitempty"`
	// Error is timeout or refused.
	Error string `json:"error,omitempty"`
	// Times is how often it is asked; once, if it is left out.
	Times int `json:"times,omitempty"`
}

// Request says which requests an answer is for: the first that suits is taken.
type Request struct {
	// Method may be any, if it is left out.
	Method string `json:"method,omitempty"`
	// URL is whole, with its query; a * stands for anything.
	URL string `json:"url" source:"required"`
	// Headers and Body are compared as expectations are: a JSON body by the
	// fields given, a form with files as the list of its parts (name, filename,
	// type, and text or base64), another one by a text that must be in it.
	Headers map[string]source.Value `json:"headers,omitempty"`
	Body    source.Value            `json:"body,omitzero"`
}

// Response is an answer: status 200, if it is left out; a Body that is no text
// is JSON.
type Response struct {
	Status  int               `json:"status,omitempty"`
	Headers map[string]string `json:"headers,omitempty"`
	Body    source.Value      `json:"body,omitzero"`
}

// Call answers one call of a node in the place of its plugin, with an Output
// or an Error.
type Call struct {
	At   source.Place `json:"-"`
	Node string       `json:"node" source:"required"`
	// Input tells calls of one node apart: it is compared as expectations are.
	Input  source.Value `json:"input,omitzero"`
	Output source.Value `json:"output,omitzero"`
	Error  *CallError   `json:"error,omitempty"`
	// Times is how often it is called; once, if it is left out.
	Times int `json:"times,omitempty"`
}

// CallError is an error of a plugin.
type CallError struct {
	Code      string `json:"code" source:"required"`
	Message   string `json:"message,omitempty"`
	Retryable bool   `json:"retryable,omitempty"`
	Detail    any    `json:"detail,omitempty"`
}

// Expect is what must have come of a trial.
type Expect struct {
	// Steps are all nodes that were passed, in their order: "node", or
	// "node.port". In a sub-run or a called flow, "each[0]/node" says which.
	Steps []string `json:"steps,omitempty"`
	// Messages are all that were sent, in their order: texts, or messages with
	// the fields that count. They are as they reach the contact's channel: what
	// that has no form for is expected as what stands in its place, and a message
	// that would be a dead letter is not among them. On a channel that is not of
	// the workspace they are as the flow sends them.
	Messages source.Value `json:"messages,omitzero"`
	// Answer is what the gateway's caller gets: status, headers, body.
	Answer source.Value `json:"answer,omitzero"`
	// Status, Label, Result and Error are of the run. One that failed must be
	// expected to.
	Status string       `json:"status,omitempty"`
	Label  string       `json:"label,omitempty"`
	Result source.Value `json:"result,omitzero"`
	Error  source.Value `json:"error,omitzero"`
	// User are variables of the contact afterwards.
	User source.Value `json:"user,omitzero"`
	// Events and Alerts are all that were emitted and sent.
	Events source.Value `json:"events,omitzero"`
	Alerts source.Value `json:"alerts,omitzero"`
}

// Errors of an exchange.
const (
	errorTimeout = "timeout"
	errorRefused = "refused"
)

// Parse reads a file of cases; of is the flow beside it, if there is one. Its
// problems are those of the document.
func Parse(file string, data []byte, of string) ([]Case, source.Problems) {
	var cases []Case
	problems := source.Decode(file, data, &cases)
	if len(problems) > 0 {
		return nil, problems
	}
	if len(cases) == 0 {
		problems.Add(source.Place{File: file, Line: 1}, "add one: - {name: ..., event: ..., expect: ...}", "there is no case")
	}
	seen := map[string]bool{}
	for i := range cases {
		c := &cases[i]
		c.Flow = cmp.Or(c.Flow, of)
		if seen[c.Name] {
			problems.Add(c.At, "give each case its own name", "a second case is named %q", c.Name)
		}
		seen[c.Name] = true
		c.check(&problems)
	}
	problems.Sort()
	return cases, problems
}

func (c *Case) check(problems *source.Problems) {
	if c.Flow == "" {
		problems.Add(c.At, "add flow: its id, or name the file as the flow's: hello.test.yaml beside hello.yaml", "no flow is named")
	}
	if c.Activate != nil && c.Event != nil {
		problems.Add(c.At, "give activate: {variables: {...}} for an activation, or event for what else starts the flow", "a case has both event and activate")
	}
	for _, step := range c.Messages {
		given := 0
		for _, is := range []bool{!step.Receive.IsZero(), step.Advance != "", step.Expect != nil} {
			if is {
				given++
			}
		}
		if given != 1 {
			problems.Add(step.At, "give one of receive, advance and expect", "a step has %d of them", given)
		}
		if step.Advance != "" {
			if _, err := Later(time.Now(), step.Advance); err != nil {
				problems.Add(step.At, "write it as 90s, 2h or 3d, or as an instant: 2026-01-05T18:00:00Z", "advance: %v", err)
			}
		}
	}
	for _, e := range c.HTTP {
		switch {
		case (e.Response == nil) == (e.Error == ""):
			problems.Add(e.At, "give one of them", "an exchange has a response or an error")
		case e.Error != "" && !slices.Contains([]string{errorTimeout, errorRefused}, e.Error):
			problems.Add(e.At, source.Suggest(e.Error, []string{errorTimeout, errorRefused}), "the error %q is not known", e.Error)
		}
		times(problems, e.At, e.Times)
	}
	for _, call := range c.Calls {
		if call.Output.IsZero() == (call.Error == nil) {
			problems.Add(call.At, "give one of them; output: null is one", "a call has an output or an error")
		}
		times(problems, call.At, call.Times)
	}
}

func times(problems *source.Problems, at source.Place, n int) {
	if n < 0 || n > 1000 {
		problems.Add(at, "give 1 to 1000, or leave it out for once", "times: %d", n)
	}
}

// Later gives the instant that an advance leads to.
func Later(now time.Time, text string) (time.Time, error) {
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at, nil
	}
	if d, err := time.ParseDuration(text); err == nil && d > 0 {
		return now.Add(d), nil
	}
	d, err := flow.ParseSpan(text)
	if err != nil {
		return now, fmt.Errorf("%q is no span of time", text)
	}
	return now.Add(d), nil
}
