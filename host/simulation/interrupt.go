package simulation

import (
	"slices"
	"strings"
)

// interrupts says whether what says a word takes the place of a run that waits.
func interrupts(word string) bool { return word == "halt" || word == WordHalted || word == WordLoud }

// passed says whether a unit may have waited in a run that did not listen, or
// in what it gathered, when another unit interrupted that.
func (j *judge) passed(unit string) bool {
	if j.ref(unit) {
		return false // it waits on
	}
	for _, other := range j.final.Seen[j.owners[unit]] {
		acked, known := j.acked[other]
		switch {
		case interrupts(j.words[other]) && !(known && acked < j.offered[unit]):
			return true
		case !j.ref(other) && j.acked[unit] < j.offered[other]:
			return false // which came after it and had its turn
		}
	}
	return false
}

// turns: runs of a contact go on one at a time, so one that was interrupted does
// nothing any more: no call of a unit comes after one of a later unit.
func (j *judge) turns() {
	place, last := map[string]int{}, map[string]string{}
	for who, units := range j.final.Seen {
		for i, unit := range units {
			if !j.replies[unit] && j.owners[unit] == who {
				place[unit] = i
			}
		}
	}
	for _, e := range j.events {
		_, unit, _ := strings.Cut(e.Name, "|")
		at, began := place[unit]
		if e.What != Seen || e.Contact != "" || !began || j.final.Calls[e.Name].Late() {
			continue
		}
		who := j.owners[unit]
		if before := last[who]; before != "" && at < place[before] {
			j.wrong("turns", "%s came for %s, which had begun the run of %s", e.Name, who, before)
		}
		last[who] = unit
	}
}

// cut says whether the run of a unit may have been interrupted: what began next
// interrupts.
func (j *judge) cut(who, unit string) bool {
	all := j.final.Seen[who]
	for _, next := range all[slices.Index(all, unit)+1:] {
		if !j.replies[next] {
			return interrupts(j.words[next])
		}
	}
	return false
}
