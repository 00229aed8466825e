package simulation

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/trama-run/trama/host/engine"
	"github.com/trama-run/trama/host/outbox"
)

// Terms are what a history was made with.
type Terms struct {
	Beat  time.Duration // of [Flows]
	Slack time.Duration // how late a timer may be after its instant or after the last fault
}

// Check judges a history and what is left in the end, when all work had the
// time to end. It gives what is wrong; nothing if all promises were kept.
func Check(events []Event, final Final, terms Terms) []string {
	j := judge{events: events, final: final, Terms: terms}
	j.read()
	j.units()
	j.effects()
	j.order()
	j.turns()
	for _, unit := range slices.Sorted(maps.Keys(j.words)) {
		j.plan(unit)
	}
	j.timers()
	j.schedules()
	j.silence()
	j.moves()
	j.outcomes()
	for _, left := range final.Left {
		j.wrong("unfinished", "%s", left)
	}
	for _, r := range final.Runs {
		if r.Status != engine.Done && r.Status != engine.Cancelled {
			j.wrong("runs", "the run %s of flow %s is %s at %s: %+v", r.ID, r.Flow, r.Status, r.Node, r.Error)
		}
	}
	return j.problems
}

// judge is one check.
type judge struct {
	events []Event
	final  Final
	Terms

	offered map[string]int    // index of the first offer, by unit or ref
	acked   map[string]int    // and of the first acknowledgement
	words   map[string]string // what each says; what flows emitted too
	owners  map[string]string // contact
	seen    map[string][]int  // indices of what the peer saw, by name
	replies map[string]bool   // units that answered a question
	faults  []int             // indices
	taken   map[string][]care // by contact
	ticks   []tick

	problems []string
}

func (j *judge) wrong(rule, format string, args ...any) {
	j.problems = append(j.problems, rule+": "+fmt.Sprintf(format, args...))
}

// read sorts the history.
func (j *judge) read() {
	j.offered, j.acked, j.words, j.owners = map[string]int{}, map[string]int{}, map[string]string{}, map[string]string{}
	j.seen, j.replies = map[string][]int{}, map[string]bool{}
	for i, e := range j.events {
		switch e.What {
		case Offered:
			if _, again := j.offered[e.Name]; !again {
				j.offered[e.Name], j.words[e.Name], j.owners[e.Name] = i, e.Word, e.Contact
			}
		case Acked:
			if _, again := j.acked[e.Name]; !again {
				j.acked[e.Name] = i
			}
		case Seen:
			j.seen[e.Name] = append(j.seen[e.Name], i)
			if step, _, _ := strings.Cut(e.Name, "|"); step == "answer" {
				parts := strings.Split(e.Text, "|")
				for id := range strings.SplitSeq(parts[len(parts)-1], ",") {
					j.replies[id] = true
				}
			}
		case Fault:
			j.faults = append(j.faults, i)
		}
	}
	j.readCare()
	j.readTicks()
	for unit, word := range maps.Clone(j.words) {
		if word == "emit" && len(j.seen["emit|"+unit]) > 0 { // its commit had the events
			j.words[unit+suffixLone], j.words[unit+suffixAfter] = WordLone, WordAfter
			j.owners[unit+suffixAfter] = j.owners[unit]
			j.acked[unit+suffixLone], j.acked[unit+suffixAfter] = j.acked[unit], j.acked[unit]
		}
	}
}

// units: what was acknowledged is consumed, once and in its order.
func (j *judge) units() {
	place := map[string]int{}
	for _, who := range slices.Sorted(maps.Keys(j.final.Seen)) {
		for i, unit := range j.final.Seen[who] {
			if _, twice := place[unit]; twice {
				j.wrong("once", "%s was consumed twice: %v", unit, j.final.Seen[who])
			}
			place[unit] = i
			if word, known := j.words[unit]; !known || j.owners[unit] != who || word == WordLone || word == WordGateway {
				j.wrong("once", "%s consumed %s, which is not its own", who, unit)
			}
		}
		if got := j.final.Count[who]; len(j.final.Seen[who]) < got {
			j.wrong("state", "%s consumed %v, and its flows counted %d", who, j.final.Seen[who], got)
		}
	}
	for _, unit := range slices.Sorted(maps.Keys(j.acked)) {
		if _, consumed := place[unit]; !consumed && j.owners[unit] != "" && !j.attended(unit) && !j.passed(unit) {
			j.wrong("lost", "%s (%s) was acknowledged and not consumed", unit, j.words[unit])
		}
	}
	for _, who := range slices.Sorted(maps.Keys(j.final.Seen)) {
		j.arrival(slices.DeleteFunc(slices.Clone(j.final.Seen[who]), func(unit string) bool {
			_, known := j.offered[unit]
			return !known || j.ref(unit)
		}))
	}
}

// arrival: units of one contact are consumed in the order in which they were
// stored: one that was acknowledged before another was offered, or that stood
// before it in one webhook, comes first.
func (j *judge) arrival(units []string) {
	for i, earlier := range units {
		acked, known := j.acked[earlier]
		for _, later := range units[:i] { // which was consumed before it
			first, at := j.offered[earlier], j.offered[later]
			if known && acked < at || j.events[first].With == j.events[at].With && first < at {
				j.wrong("order", "%s was stored before %s and consumed after it", earlier, later)
			}
		}
	}
}

// ref says whether something is not a unit of a webhook.
func (j *judge) ref(name string) bool {
	switch j.words[name] {
	case WordLone, WordAfter, WordHalted, WordGateway, WordTick:
		return true
	}
	return false
}

// effects: what is done outside has one effect id, an unsafe call is made at
// most once, and a repeat has a reason.
func (j *judge) effects() {
	named := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(j.seen)) {
		step, _, _ := strings.Cut(name, "|")
		if pure(step) {
			continue
		}
		all := j.seen[name]
		id := j.events[all[0]].Effect
		if other, taken := named[id]; taken || id == "" {
			j.wrong("effect id", "%s and %s have the effect id %q", other, name, id)
		}
		named[id] = name
		if unsafe(step) && len(all) > 1 {
			j.wrong("unsafe", "%s was made %d times", name, len(all))
		}
		for n, i := range all {
			if e := j.events[i]; e.Effect != id || e.Text != j.events[all[0]].Text {
				j.wrong("effect id", "%s came as %q with the effect id %q, and as %q with %q", name, j.events[all[0]].Text, id, e.Text, e.Effect)
			}
			if n > 0 && !j.reason(all[n-1], i) && !j.again(name, all) {
				j.wrong("repeat", "%s was done, and without any fault again %s later", name, j.events[i].At.Sub(j.events[all[n-1]].At))
			}
		}
		if of, retried := retries[step]; retried {
			j.tries(name, all, of)
		}
	}
}

// tries: a call that fails is tried as often as its node says, and with pauses.
func (j *judge) tries(name string, all []int, of repeated) {
	tries := 1
	for n, i := range all[1:] {
		if j.fault(all[n], i) {
			continue // it may be the same try
		}
		tries++
		if pause := j.events[i].At.Sub(j.events[all[n]].At); pause < of.backoff*4/5 { // give or take a fifth
			j.wrong("retry", "%s was tried again after %s, and its node waits for %s", name, pause, of.backoff)
		}
	}
	last := j.final.Calls[name]
	if tries > of.attempts || last.Attempt > of.attempts {
		j.wrong("retry", "%s was tried %d times, recorded as %d, and its node tries %d times", name, tries, last.Attempt, of.attempts)
	}
	if _, unit, _ := strings.Cut(name, "|"); last.Error != nil && last.Error.Retryable && last.Attempt < of.attempts && !j.cut(j.owners[unit], unit) {
		j.wrong("retry", "%s was given up after %d of %d attempts", name, last.Attempt, of.attempts)
	}
}

// fault says whether there was a fault between two events.
func (j *judge) fault(first, last int) bool {
	n, _ := slices.BinarySearch(j.faults, first)
	return n < len(j.faults) && j.faults[n] < last
}

// reason says whether something happened for which an effect is repeated: a bad
// answer, or a fault after the good one.
func (j *judge) reason(first, again int) bool {
	since := first
	for i := first + 1; i < again; i++ {
		if e := j.events[i]; e.What == Answered && e.Effect == j.events[first].Effect {
			if !e.Good {
				return true
			}
			since = i
		}
	}
	return j.fault(since, again)
}

// again says whether a call was made again for the host's own reasons: it has
// recorded more attempts than there were bad answers, since one took too long.
func (j *judge) again(name string, all []int) bool {
	bad := 0
	for _, e := range j.events {
		if e.What == Answered && !e.Good && e.Effect == j.events[all[0]].Effect {
			bad++
		}
	}
	return j.final.Calls[name].Attempt > bad+1
}

// order: the messages of a contact never go back.
func (j *judge) order() {
	last := map[string]string{}
	number := func(text string) int {
		parts := strings.SplitN(text, "|", 3)
		n, _ := strconv.Atoi(parts[0]) // our own flows write it
		k, _ := strconv.Atoi(parts[1])
		return 10*n + k
	}
	for _, e := range j.events {
		if e.What != Seen || e.Contact == "" {
			continue
		}
		if before := last[e.Contact]; before != "" && e.Text != before && number(e.Text) <= number(before) {
			j.wrong("message order", "%s got %q after %q", e.Contact, e.Text, before)
		}
		last[e.Contact] = e.Text
	}
}

// plan: what is to come of a unit came, and no part of it after a later one.
func (j *judge) plan(unit string) {
	word, who := j.words[unit], j.owners[unit]
	begun := slices.Contains(j.final.Seen[who], unit) && !j.replies[unit]
	if who == "" {
		_, begun = j.acked[unit]
	}
	var before []string
	for _, group := range planOf(word) {
		var here []string
		for _, m := range group {
			came := false
			for _, name := range m.names(unit) {
				came = came || j.final.Calls[name].Late()
				for _, i := range j.seen[name] {
					for _, earlier := range before {
						if all := j.seen[earlier]; j.final.Calls[earlier].Late() {
							continue // what the host gave up may come whenever it likes
						} else if len(all) == 0 || all[0] > i {
							j.wrong("steps", "%s came without %s before it", name, earlier)
						} else if all[len(all)-1] > i {
							j.wrong("completed", "%s was repeated after %s", earlier, name)
						}
					}
					came = true
				}
			}
			optional := m.unsafe || m.rest && j.cut(who, unit)
			if begun && !came && !optional {
				j.wrong("lost", "%s (%s) has begun, and %s never came; it was recorded as %+v", unit, word, m.step, j.final.Calls[m.names(unit)[0]])
			}
			if !m.send && !m.unsafe {
				here = append(here, m.names(unit)...)
			}
		}
		before = append(before, here...)
	}
}

// timers: none is early, or late without a fault.
func (j *judge) timers() {
	for _, name := range slices.Sorted(maps.Keys(j.seen)) {
		step, _, _ := strings.Cut(name, "|")
		wait, timed := span(step)
		if !timed {
			continue
		}
		parts := strings.Split(j.events[j.seen[name][0]].Text, "|")
		if len(parts) < 2 {
			j.wrong("timers", "%s says no instants", name)
			continue
		}
		set, err1 := strconv.ParseInt(parts[len(parts)-2], 10, 64)
		fired, err2 := strconv.ParseInt(parts[len(parts)-1], 10, 64)
		if err1 != nil || err2 != nil {
			j.wrong("timers", "%s says %q", name, parts)
			continue
		}
		due, at := time.UnixMilli(set).Add(wait), time.UnixMilli(fired)
		if at.Before(due) {
			j.wrong("timers", "%s came %s early", name, due.Sub(at))
		}
		for _, i := range j.faults {
			if f := j.events[i].At; f.Before(at.Add(time.Millisecond)) && f.After(due) { // instants are cut to the millisecond
				due = f
			}
		}
		_, unit, _ := strings.Cut(name, "|")
		for _, c := range j.taken[j.owners[unit]] { // what the contact wrote meanwhile may set it back
			if c.given.Before(at.Add(time.Millisecond)) && c.given.Add(wait).After(due) {
				due = c.given.Add(wait)
			}
		}
		if at.Sub(due) > j.Slack {
			j.wrong("timers", "%s came %s late", name, at.Sub(due))
		}
	}
}

// outcomes: it is known what became of each message, and what the service told
// of it is kept.
func (j *judge) outcomes() {
	for _, e := range j.events {
		if e.What == Seen && e.Contact != "" {
			if d, known := j.final.Deliveries[e.Effect]; !known || d.State == "" {
				j.wrong("outbox", "it is not known what became of %q", e.Text)
			}
		}
	}
	ranks := map[string]int{outbox.StateSent: 1, "delivered": 2, "read": 3, "failed": 4, outbox.StateDead: 5}
	states := map[string]string{}
	for _, d := range j.final.Deliveries {
		states[d.MessageID] = d.State
	}
	for _, e := range j.events {
		if state, ours := states[e.Name]; e.What == Told && ours && ranks[state] < ranks[e.Word] {
			j.wrong("news", "the message %s is %s, and the service told that it is %s", e.Name, state, e.Word)
		}
	}
	for _, l := range j.final.Dead {
		if l.EffectID == "" || l.Reason.Code != Refused {
			j.wrong("outbox", "a dead letter of %s: %+v: %.200s", l.Queue, l.Reason, l.Value)
		}
	}
}

// Refused is the code of a message that the peer refuses for good.
const Refused = "no_such_person"
