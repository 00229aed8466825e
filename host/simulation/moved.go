package simulation

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/trama-run/trama/host/run/record"
)

// renamed are the nodes that have another name in version 2 of the flows
// renewed, some that of another node: a session that waits goes astray if
// its node is not mapped.
var renamed = map[string]string{
	"nap": "doze", "reply": "listen", "listen": "gather", "gather": "reply", "arm": "guard", "keep": "note",
}

// renewed are the flows that have a version 2, to which sessions are moved.
var renewed = [...]string{"talk", "lone"}

// next gives the files of [Flows] with the versions 2.
func next(first map[string][]byte) map[string][]byte {
	files := maps.Clone(first)
	var pairs []string
	for old, name := range renamed {
		for _, place := range []string{"{id: ", "from: ", "to: "} {
			pairs = append(pairs, place+old+",", place+name+",", place+old+"}", place+name+"}")
		}
	}
	rename := strings.NewReplacer(pairs...)
	for _, flow := range renewed {
		path := "flows/" + flow + ".yaml"
		files[path] = []byte(rename.Replace(string(files[path])))
	}
	return files
}

// renames gives the names that nodes have in version 1 or 2 of a flow, by those
// that they have in the other one.
func renames(version int) map[string]string {
	if version == 2 {
		return renamed
	}
	back := map[string]string{}
	for old, name := range renamed {
		back[name] = old
	}
	return back
}

// moves: a run that was moved to another version goes on there, at the node at
// which it stood, or ends by an interruption. What came of it is in its plan.
func (j *judge) moves() {
	runs := map[string]record.Record{}
	for _, r := range j.final.Runs {
		runs[r.ID] = r
	}
	for _, e := range j.events {
		if e.What != Moved || e.Word == "" { // one that had not begun has no record of it
			continue
		}
		r := runs[e.Name]
		moves := slices.DeleteFunc(slices.Clone(r.Inputs), func(in record.Input) bool { return in.Kind != record.InputMoved })
		at, _ := slices.BinarySearchFunc(moves, e.At, func(in record.Input, at time.Time) int { return in.At.Compare(at) })
		if at == 0 {
			j.wrong("move", "the run %s was moved at node %s, and has no record of it", e.Name, e.Word)
			continue
		}
		if last := moves[len(moves)-1]; r.Version != last.To {
			j.wrong("move", "the run %s was moved to version %d of %s, and ends in version %d", e.Name, last.To, r.Flow, r.Version)
		}
		move := moves[at-1]
		if move.After == len(r.Steps) || at < len(moves) && moves[at].After == move.After {
			continue // it was moved on from there
		}
		want := cmp.Or(renames(move.To)[e.Word], e.Word)
		if next := r.Steps[move.After]; next.Node != want {
			j.wrong("move", "the run %s was moved at node %s, and went on at %s, want %s", e.Name, e.Word, next.Node, want)
		}
	}
}
