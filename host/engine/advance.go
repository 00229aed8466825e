package engine

import (
	"fmt"
	"maps"
	"time"

	"github.com/trama-run/trama/host/expr"
	"github.com/trama-run/trama/host/flow"
	"github.com/trama-run/trama/pdk/abi"
)

// Limits of a session. Reaching one fails the run with a sentence.
const (
	maxSteps     = 1000      // nodes one run may pass without a wait: stops loops
	maxAllSteps  = 100_000   // nodes all runs of a session may pass without a wait
	maxDepth     = 10        // runs in one another
	maxRuns      = 1024      // runs at once: groups take fewer at a time beyond
	maxRunBytes  = 16 << 20  // values that a session may hold: events, variables, outputs, pending inputs
	maxWaitBytes = 256 << 10 // the same while it waits, since each wait is stored
	maxGathers   = 64 << 20  // values that groups of sub-runs give in one Advance
)

// Bounds of one Advance: when one is reached, the session pauses before its next
// node, so that its effects fit a commit and others have their turn.
const (
	maxPassed      = 2000    // nodes
	maxEffects     = 100     // effects
	maxEffectBytes = 1 << 20 // values of effects
)

// Programs are the compiled flows of a session, by id: the one that began it
// and those that it may jump to, in the versions that it is pinned to.
type Programs map[string]*Program

// Advance moves a session on by one event. Its error means that the event does
// not fit where the session stands (a result of another call, a message though
// it does not listen): nothing happened, drop the event. Whatever a flow does
// wrong is in the outcome instead.
func (p Programs) Advance(session Session, event Event) (Outcome, error) {
	m := move{programs: p, session: session, event: event, user: event.User}
	if session.Run == nil {
		return Outcome{}, fmt.Errorf("advance session %q: it has no run", session.ID)
	}
	m.session.Run = session.Run.clone()
	var err error
	switch {
	case event.Start != nil:
		err = m.start(event.Start)
	case event.Result != nil:
		err = m.result(event.Result)
	case event.Message != nil:
		err = m.message(event.Message)
	case event.Tick:
		err = m.tick()
	case event.Retry:
		err = m.retry()
	default:
		err = fmt.Errorf("advance session %q: the event is empty", session.ID)
	}
	if err != nil {
		return Outcome{}, err
	}
	m.checkSize()
	return Outcome{Session: m.session, User: m.user, Effects: m.effects, Steps: m.steps}, nil
}

// move is one Advance at work. It has a session of its own, but replaces maps
// and lists of values instead of changing them: others may hold them.
type move struct {
	programs Programs
	event    Event
	session  Session
	user     map[string]any
	effects  []Effect
	steps    []Step

	// The run that moves now, its flow, and the runs above it.
	run     *Run
	program *Program
	above   []*Run
	seen    map[string]any // the scope of the node that is passed, if fresh; see scope
	none    map[string]any // empty; for scopes that hold nothing yet
	fresh   bool
	turn    string // the node at which a run goes on that a node has made the one that moves
	results int    // bytes of the values that groups gave
	passed  int    // nodes that were visited
	given   int    // bytes of the values of effects
}

// enter makes a run the one that moves. Its error means that its flow is not
// among the programs, or was another version.
func (m *move) enter(path []*Run) error {
	last := len(path) - 1
	program, ok := m.programs[path[last].Flow]
	if !ok {
		return fmt.Errorf("advance session %q: flow %q is not among its programs", m.session.ID, path[last].Flow)
	}
	m.run, m.above, m.program, m.fresh = path[last], path[:last], program, false
	return nil
}

func (m *move) start(s *Start) error {
	run := m.session.Run
	if run.Status != "" {
		return fmt.Errorf("advance session %q: it has started already and is %s", m.session.ID, run.Status)
	}
	if err := m.enter([]*Run{run}); err != nil {
		return err
	}
	if _, ok := m.program.flow.Trigger(s.Trigger); !ok {
		return fmt.Errorf("advance session %q: flow %q has no trigger %q", m.session.ID, run.Flow, s.Trigger)
	}
	run.ID, run.TriggerID, run.Trigger = m.session.ID, s.Trigger, s.Value
	m.walk(m.program.next[port{s.Trigger, flow.PortNext}])
	return nil
}

// at makes the run for which is holds the one that moves, and gives the node
// that it stands at.
func (m *move) at(what string, is func(*Run) bool) (*node, error) {
	path := m.session.Run.find(is)
	if path == nil {
		return nil, fmt.Errorf("advance session %q: %s, but the run is %s at node %q and waits for none", m.session.ID, what, m.session.Run.Status, m.session.Run.Node)
	}
	if err := m.enter(path); err != nil {
		return nil, err
	}
	n, ok := m.program.nodes[m.run.Node]
	if !ok {
		return nil, fmt.Errorf("advance session %q: flow %q has no node %q: it was advanced with another version", m.session.ID, m.run.Flow, m.run.Node)
	}
	return n, nil
}

// retry goes on from the node that failed: its call is made again, with the
// same effect id, and as its node is now if the session has moved; or its
// sub-runs go on if the session was interrupted, or the node is entered anew.
func (m *move) retry() error {
	if m.session.Run.Status != Failed {
		return fmt.Errorf("advance session %q: it is %s and has not failed", m.session.ID, m.session.Run.Status)
	}
	path := []*Run{m.session.Run}
	for r := m.session.Run; r.Called != nil; r = r.Called {
		r.Status, r.Failure = Calling, nil
		path = append(path, r.Called)
	}
	if err := m.enter(path); err != nil {
		return err
	}
	if _, ok := m.program.nodes[m.run.Node]; !ok {
		return fmt.Errorf("advance session %q: flow %q has no node %q: it was advanced with another version", m.session.ID, m.run.Flow, m.run.Node)
	}
	m.run.Status, m.run.Failure, m.run.Handled, m.run.Wait = "", nil, false, nil
	if m.run.Group != nil {
		m.run.Status = Gathering
	}
	m.rest()
	m.heard(m.event.Now) // it was not the contact who kept the run waiting
	switch call, group := m.run.Pending, m.run.Group; {
	case call != nil:
		again := *call
		again.Attempt++
		again.NotBefore = time.Time{}
		m.run.Pending, m.run.Status, m.run.Since = &again, Running, m.event.Now
	case group == nil:
		m.walk(m.run.Node)
	case group.Left == 0: // what they gave was too much
		m.walk(m.gathered())
	} // else its sub-runs say what they need
	return m.remake()
}

// remake makes the calls anew, as their nodes are now, that were made in another
// version of the flow. Their effect ids stay.
func (m *move) remake() error {
	moved := func(r *Run) bool { return r.Status == Running && r.Pending != nil && r.Pending.Moved }
	for m.session.Run.find(moved) != nil {
		n, err := m.at("a call moved", moved)
		if err != nil {
			return err
		}
		before, step := m.run.Pending, m.step(n)
		if _, problem := m.do(n, &step); problem != nil {
			m.run.Status = ""
			m.walk(m.fail(step, &Failure{Node: n.ID, Error: *problem}))
			continue
		}
		call := m.run.Pending
		call.EffectID, call.Attempt, call.NotBefore = before.EffectID, before.Attempt, before.NotBefore
	}
	return nil
}

// rest counts the steps from zero: the session has waited.
func (m *move) rest() {
	m.session.Awake = 0
	m.session.each(func(r *Run) { r.Awake = 0 })
}

// with gives a copy of a map with some values set.
func with(old, set map[string]any) map[string]any {
	out := make(map[string]any, len(old)+len(set))
	maps.Copy(out, old)
	maps.Copy(out, set)
	return out
}

// scope gives what expressions see at the node that is passed. It is made once
// for each: a node changes what it sees at its end only.
func (m *move) scope() map[string]any {
	if m.fresh {
		return m.seen
	}
	if m.seen == nil {
		m.seen = make(map[string]any, 8) // all but the error, and what Prepare adds: a map of more is much larger
		m.seen["env"], m.seen["now"] = m.object(m.event.Env), m.event.Now
		expr.Prepare(m.seen)
	}
	m.fresh = true
	m.seen["input"], m.seen["trigger"] = m.run.Input(), m.run.Trigger
	m.seen["flow"], m.seen["user"], m.seen["nodes"] = m.object(m.run.Vars), m.object(m.user), m.object(m.run.Nodes)
	delete(m.seen, "error")
	if m.run.Caught != nil {
		m.seen["error"] = m.run.Caught.value()
	}
	return m.seen
}

// value gives a failure as flows see it.
func (f *Failure) value() map[string]any {
	detail, err := expr.ParseJSON(f.Detail)
	if err != nil {
		detail = nil // absent, or not JSON: the error says enough
	}
	return map[string]any{
		"node": f.Node, "code": f.Code, "message": f.Message, "attempt": int64(f.Attempt),
		"retryable": f.Retryable, "detail": detail,
	}
}

// object gives an empty object instead of null.
func (m *move) object(v map[string]any) map[string]any {
	if v != nil {
		return v
	}
	if m.none == nil {
		m.none = map[string]any{}
	}
	return m.none
}

// checkSize fails a session that holds too much.
func (m *move) checkSize() {
	if m.session.Over() {
		return // it is not going to be kept
	}
	held, calls := 0, false
	add := func(v any) { held += size(v, maxRunBytes-held) }
	m.session.each(func(r *Run) {
		add(r.Trigger)
		add(r.Vars)
		add(r.Nodes)
		held += r.Caught.size()
		calls = calls || r.Status == Running
		if r.Pending != nil {
			add(r.Pending.Input)
		}
		if r.Wait != nil {
			add(r.Wait.Gathered)
		}
		if r.Group != nil {
			for _, sub := range r.Group.Subs {
				add(sub.Input)
				add(sub.Result)
				held += sub.Error.size()
			}
		}
	})
	limit, hint := maxRunBytes, "work on less data"
	if !calls {
		limit, hint = maxWaitBytes, "let the nodes before the wait give smaller outputs"
	}
	if held <= limit {
		return
	}
	// What it called and gathered stays: a retry goes on there, and repeats
	// nothing that was done.
	run := m.session.Run
	run.Status = Failed
	run.Failure = &Failure{Node: run.Node, Error: abi.Error{Code: abi.CodeLimit, Message: fmt.Sprintf(
		"node %q: the run holds values over the limit of %d bytes; %s", run.Node, limit, hint)}}
}

func (f *Failure) size() int {
	if f == nil {
		return 0
	}
	return len(f.Message) + len(f.Detail)
}

// size gives about the bytes of a value as JSON. It stops counting beyond
// most: values that share parts may be far larger than the memory they take.
func size(v any, most int) int {
	switch v := v.(type) {
	case string:
		return len(v) + 2
	case []any:
		n := 2
		for _, item := range v {
			if n > most {
				break
			}
			n += size(item, most-n) + 1
		}
		return n
	case map[string]any:
		n := 2
		for k, item := range v {
			if n > most {
				break
			}
			n += len(k) + 4 + size(item, most-n)
		}
		return n
	}
	return 8
}
