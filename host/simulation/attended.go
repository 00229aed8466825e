package simulation

import (
	"math"
	"strings"
	"time"

	"github.com/trama-run/trama/host/run/mail"
	"github.com/trama-run/trama/host/run/record"
)

// care is how long a person attended to a contact. Its instants are when that
// was known to the host, and before it was known to be over.
type care struct {
	taken, given time.Time // the host said so
	offered      time.Time // the host was first told that it is given back
	first, last  int       // indices: the host was told of it, and said that it is over
	known        int       // index: the host said that it has begun
}

// How long a contact that is taken over goes on with what was begun: with an
// event, and with calls one after the other, if there is no fault.
const (
	atOnce = time.Second
	calls  = 5 * time.Second
)

// never is an instant after all others.
var never = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// readCare reads when persons attended to contacts. A contact is given back
// before it is taken over again.
func (j *judge) readCare() {
	j.taken = map[string][]care{}
	for i, e := range j.events {
		if e.Word != WordTaken && e.Word != WordGiven {
			continue
		}
		delete(j.words, e.Name)
		delete(j.offered, e.Name)
		delete(j.acked, e.Name)
		all := j.taken[e.Contact]
		switch {
		case e.Word == WordTaken && e.What == Offered:
			all = append(all, care{taken: never, given: never, offered: never, first: i, last: math.MaxInt})
		case e.Word == WordTaken:
			all[len(all)-1].taken, all[len(all)-1].known = e.At, i
		case e.What == Offered:
			all[len(all)-1].offered = e.At
		default:
			all[len(all)-1].given, all[len(all)-1].last = e.At, i
		}
		j.taken[e.Contact] = all
	}
}

// attended says whether a unit may have been a person's: it came before the
// contact was given back, and nothing that came after it had its turn before.
func (j *judge) attended(unit string) bool {
	who := j.owners[unit]
	if j.ref(unit) {
		return false // it waits on
	}
	for _, c := range j.taken[who] {
		if j.offered[unit] < c.last && !j.overtaken(unit, c.first) {
			return true
		}
	}
	return false
}

// overtaken says whether before an event something came of a unit that was
// stored after another one.
func (j *judge) overtaken(unit string, before int) bool {
	for _, other := range j.final.Seen[j.owners[unit]] {
		if j.ref(other) || j.offered[other] < j.acked[unit] {
			continue
		}
		for _, group := range planOf(j.words[other]) {
			for _, m := range group {
				for _, name := range m.names(other) {
					if all := j.seen[name]; len(all) > 0 && all[0] < before {
						return true
					}
				}
			}
		}
	}
	return false
}

// silence: while a person attends to a contact, no flow begins there, takes a
// message, goes on with time or tries a call again.
func (j *judge) silence() {
	for _, r := range j.final.Runs {
		who, ok := strings.CutPrefix(r.Key, mail.Prefix+":")
		if !ok {
			continue
		}
		check := func(what string, at time.Time) {
			for _, c := range j.taken[who] {
				if at.After(c.taken.Add(atOnce)) && at.Before(c.offered) {
					j.wrong("silence", "the run %s of flow %s %s at %s, and a person attended to %s from %s to %s", r.ID, r.Flow, what, at, who, c.taken, c.offered)
				}
			}
		}
		check("began", r.Started)
		for _, in := range r.Inputs {
			if in.Kind == record.InputMessage || in.Kind == record.InputTick {
				check("took a "+in.Kind, in.At)
			}
		}
	}
	for i, e := range j.events {
		_, unit, _ := strings.Cut(e.Name, "|")
		if e.What != Seen || e.Contact != "" {
			continue
		}
		for _, c := range j.taken[j.owners[unit]] {
			if e.At.After(c.taken.Add(calls)) && e.At.Before(c.offered) && !j.fault(c.known, i) {
				j.wrong("silence", "%s was called at %s, and a person attended to %s from %s to %s", e.Name, e.At, j.owners[unit], c.taken, c.offered)
			}
		}
	}
}
