package simulation

import (
	"slices"
	"strings"

	"github.com/trama-run/trama/host/run/record"
)

// Renamed are the nodes that have another name in the next versions of the
// flows [Next], some that of another node: a session that waits goes astray if
// its node is not mapped.
var Renamed = map[string]string{
	"nap": "doze", "reply": "listen", "listen": "gather", "gather": "reply", "arm": "guard", "keep": "note",
}

// Next are the flows that have a second version, whose sessions are moved.
var Next = [...]string{"talk", "lone"}

// NextFlows gives the flows of [Flows] as they are in their next versions.
func NextFlows() (map[string][]byte, error) {
	files, err := Flows()
	var pairs []string
	for old, name := range Renamed {
		for _, place := range []string{"{id: ", "from: ", "to: "} {
			pairs = append(pairs, place+old+",", place+name+",", place+old+"}", place+name+"}")
		}
	}
	renamed := strings.NewReplacer(pairs...)
	for _, flow := range Next {
		path := "flows/" + flow + ".yaml"
		files[path] = []byte(renamed.Replace(string(files[path])))
	}
	return files, err
}

// nodeNow gives the name of a node in the next version.
func nodeNow(node string) string {
	if name, ok := Renamed[node]; ok {
		return name
	}
	return node
}

// moves: a run that was moved to the next version goes on there, at the node at
// which it stood, or ends by an interruption. What came of it is in its plan.
func (j *judge) moves() {
	runs := map[string]record.Record{}
	for _, r := range j.final.Runs {
		runs[r.ID] = r
	}
	for _, e := range j.events {
		if e.What != Moved {
			continue
		}
		r, known := runs[e.Name]
		at := slices.IndexFunc(r.Inputs, func(in record.Input) bool { return in.Kind == record.InputMoved })
		begun := e.Word != ""
		switch {
		case !known || r.Version != 2 || begun && at < 0:
			j.wrong("move", "the run %s was moved at node %s, and is recorded in version %d of %s", e.Name, e.Word, r.Version, r.Flow)
			continue
		case !begun || r.Inputs[at].After == len(r.Steps):
			continue
		}
		if next := r.Steps[r.Inputs[at].After]; next.Node != nodeNow(e.Word) {
			j.wrong("move", "the run %s was moved at node %s, and went on at %s, want %s", e.Name, e.Word, next.Node, nodeNow(e.Word))
		}
	}
}
