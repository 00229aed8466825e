package simulation

import (
	"strings"
	"time"
)

// mark is one thing that the outside sees of a run: a call of acme or a
// message, by its step. Where steps are parted by a slash, one of them comes.
type mark struct {
	step   string
	send   bool // a message, which may come later than the calls after it
	unsafe bool // a call that is made once or, if a crash is near it, never
	rest   bool // what comes after a wait, in which the run may be interrupted
}

// plan is what comes of a unit or a ref, in order; what is in one group may
// come in any order.
type plan [][]mark

// Words that are not of units.
const (
	WordLone    = "lone"    // an event for lone.yaml
	WordAfter   = "after"   // an event or an activation for after.yaml
	WordHalted  = "halted"  // an event for halt.yaml
	WordTick    = "tick"    // an instant of a schedule of tick.yaml
	WordGateway = "gateway" // a call of order.yaml
	WordLoud    = "loud"    // any message on the channel loud
	WordTaken   = "taken"   // a person takes a contact over from the flows
	WordGiven   = "given"   // and gives it back
)

// Words are those that a contact on the channel post may write.
var Words = [...]string{"echo", "order", "fan", "par", "jump", "nap", "ask", "bounce", "quiet", "retry", "tries", "emit", "halt"}

// planOf gives the plan of a word.
func planOf(word string) plan {
	call := func(step string) mark { return mark{step: step} }
	send := func(step string) mark { return mark{step: step, send: true} }
	once := func(step string) mark { return mark{step: step, unsafe: true} }
	rest := func(step string) mark { return mark{step: step, send: true, rest: true} }
	switch word {
	case "order":
		return plan{{call("o1")}, {once("o2")}, {send("order")}}
	case "fan":
		return plan{{call("f0"), call("f1"), call("f2")}, {call("f3")}, {send("fan")}}
	case "par":
		return plan{{call("pa"), once("pb")}, {send("par")}}
	case "jump":
		return plan{{call("j1")}, {send("jump")}}
	case "nap":
		return plan{{rest("nap")}}
	case "ask":
		return plan{{send("ask")}, {rest("answer/late")}}
	case "bounce":
		return plan{{rest("answer/late")}}
	case "quiet":
		return plan{{rest("answer/quiet")}}
	case "retry":
		return plan{{call("r1")}, {rest("retry")}}
	case "tries":
		return plan{{call("t1")}, {rest("tries")}}
	case "emit":
		return plan{{send("emit")}}
	case WordLone:
		return plan{{call("l1")}, {call("l2")}, {once("l3")}}
	case WordAfter:
		return plan{{send("after")}}
	case WordGateway:
		return plan{{call("g1")}, {once("g2")}}
	case WordLoud:
		return plan{{call("u1")}, {rest("loud")}}
	case "halt", WordHalted:
		return plan{{call("h1")}, {send("halt")}}
	case WordTick:
		return plan{{call("s1")}}
	}
	return plan{{send("echo")}}
}

// names gives what a mark of a unit may be called in a history.
func (m mark) names(unit string) (names []string) {
	for step := range strings.SplitSeq(m.step, "/") {
		names = append(names, step+"|"+unit)
	}
	return names
}

// unsafe says whether a step is an unsafe call.
func unsafe(step string) bool {
	return step == "o2" || step == "pb" || step == "l3" || step == "g2"
}

// pure says whether a step may be made as often as it likes.
func pure(step string) bool { return step == "o0" || step == "o3" || step == "g0" }

// repeated is how often a node tries a call, and its pause after the first try.
type repeated struct {
	attempts int
	backoff  time.Duration
}

// retries are the steps that are tried again, as their nodes say.
var retries = map[string]repeated{"r1": {5, 2 * time.Second}, "t1": {3, 4 * time.Second}}

// Stubborn says whether the peer may be busy for longer than a call is tried.
func Stubborn(name string) bool { return strings.HasPrefix(name, "t1|") }

// spans are how long the steps that a timer starts were waited for.
func span(step string) (time.Duration, bool) {
	switch step {
	case "nap":
		return 10 * time.Second, true
	case "late":
		return 30 * time.Second, true
	case "quiet":
		return 20 * time.Second, true
	case "l2":
		return 5 * time.Second, true
	}
	return 0, false
}

// Refs that a flow makes of the unit that emitted them.
const (
	suffixLone  = "+lone"
	suffixAfter = "+after"
)
