package engine

import (
	"slices"
	"time"

	"github.com/trama-run/trama/host/expr"
	"github.com/trama-run/trama/pdk/abi"
)

// Status says what a run is about.
type Status string

// The statuses of a run.
const (
	Running   Status = "running"   // Pending must be performed and its result brought back; nil: it paused
	Waiting   Status = "waiting"   // for a message or an instant: see Wait
	Calling   Status = "calling"   // the flow in Called must end
	Gathering Status = "gathering" // the sub-runs in Group must end
	Done      Status = "done"
	Failed    Status = "failed"
	// Cancelled is for records: another run took this one's place, or an
	// operator ended it. The engine never sets it.
	Cancelled Status = "cancelled"
)

// Session is what persists of a key's work between events, as plain data: it
// may be written as JSON after each Advance and read back before the next one,
// with the same end. Numbers in it are int64 where integral and float64
// otherwise.
//
// To begin one, give Advance a Session with ID, Contact or Caller, and a Run
// with Flow and Version set, and an event with a [Start].
type Session struct {
	ID string `json:"id"`
	// Contact is the key of the contact whose session it is; empty: of none.
	Contact string `json:"contact,omitempty"`
	// Caller says that a caller of the gateway waits for an answer.
	Caller bool `json:"caller,omitempty"`
	// Run is the run that began the session.
	Run *Run `json:"run"`
	// Flow is the flow that began the session, once it has gone over to another.
	Flow string `json:"flow,omitempty"`
	// Responded says that response.json was reached.
	Responded bool `json:"responded,omitempty"`
	// Silence is the inactivity timer, if it is armed.
	Silence *Silence `json:"silence,omitempty"`
	// Steps counts the nodes passed since the start; Awake those passed since
	// the session waited last.
	Steps int `json:"steps"`
	Awake int `json:"awake"`
}

// Run is one journey through one flow, with exactly one position.
type Run struct {
	// ID is unique in the whole installation. Path says where the run stands
	// in its session, for people: empty for the first, "each[2]" for a sub-run
	// of the node each, "ask/each[2]" inside of the flow that ask called.
	ID   string `json:"id"`
	Path string `json:"path,omitempty"`

	Flow    string `json:"flow"`    // id of the flow
	Version int    `json:"version"` // and the version that this run is pinned to
	Status  Status `json:"status"`
	// Node is the position: the node that is called, waited at, or was last.
	// Ordinal is its step's number, Since when the run came to it.
	Node    string    `json:"node,omitempty"`
	Ordinal int       `json:"ordinal,omitempty"`
	Since   time.Time `json:"since,omitzero"`
	// TriggerID is where the run began: a trigger or, in a sub-run, a port.
	// Trigger is the event.
	TriggerID string `json:"trigger_id,omitempty"`
	Trigger   any    `json:"trigger,omitempty"`
	// InputOf is the node whose output is the present input; empty means
	// that the trigger's event is. See [Run.Input].
	InputOf string         `json:"input_of,omitempty"`
	Vars    map[string]any `json:"vars,omitempty"`  // the scope "flow"
	Nodes   map[string]any `json:"nodes,omitempty"` // the scope "nodes": last outputs

	// Pending is the operation that must be called; set while Running, unless
	// the run paused before Node, and kept when its failure failed the run.
	Pending *Call `json:"pending,omitempty"`
	// Wait is set while Waiting.
	Wait *Wait `json:"wait,omitempty"`
	// Called is set while Calling, Group while Gathering.
	Called *Run   `json:"called,omitempty"`
	Group  *Group `json:"group,omitempty"`

	// Caught is the scope "error": the last error that an error port took.
	Caught *Failure `json:"caught,omitempty"`
	// Handled says that the flow's on_error was reached.
	Handled bool `json:"handled,omitempty"`
	// Failure is why the run failed.
	Failure *Failure `json:"failure,omitempty"`
	// Result and Label are what the end node gave.
	Result any    `json:"result,omitempty"`
	Label  string `json:"label,omitempty"`
	// Ended says that an end node ended the run.
	Ended bool `json:"ended,omitempty"`

	// Steps counts the nodes passed; Awake those passed since the session
	// waited last.
	Steps int `json:"steps"`
	Awake int `json:"awake"`
}

// Wait is what a run waits for: an instant, a message, or whichever is first.
type Wait struct {
	// Due is when the wait ends by itself; zero: never.
	Due time.Time `json:"due,omitzero"`
	// Reply says that a message ends it, or may.
	Reply bool `json:"reply,omitempty"`
	// Also are the types of [flow.Asides] that end it too.
	Also []string `json:"also,omitempty"`
	// Tries counts the replies that did not fit.
	Tries int `json:"tries,omitempty"`
	// Gathered are the messages so far while they are gathered into one; the
	// first came at First.
	Gathered []any     `json:"gathered,omitempty"`
	First    time.Time `json:"first,omitzero"`
}

// Silence is an armed inactivity timer.
type Silence struct {
	Run   string        `json:"run"`  // id of the run that armed it
	Node  string        `json:"node"` // and the node
	After time.Duration `json:"after"`
	Due   time.Time     `json:"due"`
}

// Group are the sub-runs of a node, in their order.
type Group struct {
	Subs []Sub `json:"subs"`
	Next int   `json:"next"` // the first that has not begun
	Left int   `json:"left"` // how many are not over
	Most int   `json:"most"` // how many run at once
}

// Sub is one sub-run: not begun, running (Run is set) or over.
type Sub struct {
	Port   string   `json:"port"` // where it begins
	Name   string   `json:"name"` // index, or name of the branch
	Input  any      `json:"input,omitempty"`
	Run    *Run     `json:"run,omitempty"`
	Over   bool     `json:"over,omitempty"`
	Result any      `json:"result,omitempty"`
	Error  *Failure `json:"error,omitempty"`
}

// Call is an operation of a plugin that the caller has to perform. It is the
// effect itself: after a crash, the same Call with the same EffectID is
// performed again, or not, as the operation's effect class says.
type Call struct {
	// EffectID is the same in all attempts and after every reload.
	EffectID string `json:"effect_id"`
	Node     string `json:"node"`
	// Plugin and Operation name what is called. For a run_code node, Plugin
	// is the language, Operation is "run" and Script is true.
	Plugin    string `json:"plugin"`
	Operation string `json:"operation"`
	Script    bool   `json:"script,omitempty"`
	// Input is the operation's input, a JSON value; for a script it has the
	// shape of [abi.Run].
	Input      any           `json:"input"`
	Connection string        `json:"connection,omitempty"`
	Timeout    time.Duration `json:"timeout,omitempty"` // nanoseconds; 0 means the host's default
	// Attempt counts from 1. NotBefore is when it may be made; zero is now.
	Attempt   int       `json:"attempt"`
	NotBefore time.Time `json:"not_before,omitzero"`
	// Moved says that it was made in another version of the flow: it is made
	// anew, with the same EffectID, before it is performed; see [Session.Move].
	Moved bool `json:"moved,omitempty"`
}

// Failure is an error, and the node where it came up, in words of flows.
type Failure struct {
	Node    string `json:"node,omitempty"`
	Attempt int    `json:"attempt,omitempty"` // of a call: how many were made
	abi.Error
}

// Input is the scope "input": the output of the node before, or the event.
func (r *Run) Input() any {
	if r.InputOf == "" {
		return r.Trigger
	}
	return r.Nodes[r.InputOf]
}

func (r *Run) over() bool { return r.Status == Done || r.Status == Failed }

// below gives the runs that this one waits for.
func (r *Run) below() []*Run {
	switch r.Status {
	case Calling:
		return []*Run{r.Called}
	case Gathering:
		var runs []*Run
		for i := range r.Group.Subs {
			if sub := r.Group.Subs[i].Run; sub != nil {
				runs = append(runs, sub)
			}
		}
		return runs
	}
	return nil
}

// find gives the path from a run down to the first one of which is says so.
func (r *Run) find(is func(*Run) bool) []*Run {
	if is(r) {
		return []*Run{r}
	}
	for _, below := range r.below() {
		if path := below.find(is); path != nil {
			return append([]*Run{r}, path...)
		}
	}
	return nil
}

// each visits all runs of the session that are not over.
func (s *Session) each(visit func(*Run)) {
	if s.Run != nil {
		s.Run.find(func(r *Run) bool { visit(r); return false })
	}
}

// runs counts the runs that are not over.
func (s *Session) runs() (n int) {
	s.each(func(*Run) { n++ })
	return n
}

// Over says that the session has ended: its run is done or failed.
func (s *Session) Over() bool { return s.Run.over() }

// Calls gives the calls that the session waits for, in the order of its runs.
// Some may have to wait: see Call.NotBefore.
func (s *Session) Calls() (calls []*Call) {
	s.each(func(r *Run) {
		if r.Status == Running && r.Pending != nil {
			calls = append(calls, r.Pending)
		}
	})
	return calls
}

// Listens says whether a run waits for a message.
func (s *Session) Listens() (yes bool) {
	s.each(func(r *Run) { yes = yes || r.listens() })
	return yes
}

// Listener gives the run that the next message is for; nil if none waits for
// one.
func (s *Session) Listener() *Run {
	if s.Run == nil {
		return nil
	}
	path := s.Run.find((*Run).listens)
	if path == nil {
		return nil
	}
	return path[len(path)-1]
}

func (r *Run) listens() bool { return r.Status == Waiting && r.Wait.Reply }

func (r *Run) paused() bool { return r.Status == Running && r.Pending == nil }

// Paused says that the last Advance had done enough, and that a Tick goes on at
// once. That tick does nothing else.
func (s *Session) Paused() bool { return s.Run.find((*Run).paused) != nil }

// Due gives the instant at which the session must be woken by a Tick; zero:
// none. That of a session that paused is over.
func (s *Session) Due() (due time.Time) {
	earlier := func(at time.Time) {
		if !at.IsZero() && (due.IsZero() || at.Before(due)) {
			due = at
		}
	}
	busy := false
	s.each(func(r *Run) {
		busy = busy || r.Status == Running
		if r.paused() {
			earlier(r.Since)
		}
		if r.Status == Waiting {
			earlier(r.Wait.Due)
		}
	})
	if s.Silence != nil && !busy && !s.Over() {
		earlier(s.Silence.Due) // what is called is let end
	}
	return due
}

// Status says what the whole session is about, for people: its run's status,
// and Running or Waiting instead of what its run does with those below it.
func (s *Session) Status() Status {
	if status := s.Run.Status; status != Calling && status != Gathering {
		return status
	}
	if s.Paused() || len(s.Calls()) > 0 {
		return Running
	}
	return Waiting
}

// Position gives the innermost run of the session that a person would say it
// stands at: down the calls, and not into sub-runs.
func (s *Session) Position() *Run {
	r := s.Run
	for r.Called != nil && (r.Status == Calling || r.Status == Failed) {
		r = r.Called
	}
	return r
}

// clone copies the tree, but not the values in it.
func (r *Run) clone() *Run {
	c := *r
	if r.Wait != nil {
		wait := *r.Wait
		wait.Gathered = slices.Clip(wait.Gathered)
		c.Wait = &wait
	}
	if r.Called != nil {
		c.Called = r.Called.clone()
	}
	if r.Group != nil {
		group := *r.Group
		group.Subs = slices.Clone(group.Subs)
		for i := range group.Subs {
			if sub := group.Subs[i].Run; sub != nil {
				group.Subs[i].Run = sub.clone()
			}
		}
		c.Group = &group
	}
	return &c
}

// UnmarshalJSON keeps 64-bit integers.
func (r *Run) UnmarshalJSON(data []byte) error {
	type plain Run
	var p plain
	if err := expr.UnmarshalJSON(data, &p); err != nil {
		return err
	}
	*r = Run(p)
	r.Trigger, r.Result = expr.Numbers(r.Trigger), expr.Numbers(r.Result)
	for _, m := range []map[string]any{r.Vars, r.Nodes} {
		for k, v := range m {
			m[k] = expr.Numbers(v)
		}
	}
	if r.Pending != nil {
		r.Pending.Input = expr.Numbers(r.Pending.Input)
	}
	if r.Wait != nil {
		for i, v := range r.Wait.Gathered {
			r.Wait.Gathered[i] = expr.Numbers(v)
		}
	}
	if r.Group != nil {
		for i := range r.Group.Subs {
			sub := &r.Group.Subs[i]
			sub.Input, sub.Result = expr.Numbers(sub.Input), expr.Numbers(sub.Result)
		}
	}
	return nil
}
