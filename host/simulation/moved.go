package simulation

import (
	"maps"
	"slices"
	"strings"

	"github.com/trama-run/trama/host/run/record"
)

// renamed are the nodes that have another name in the next versions of the
// flows renewed, some that of another node: a session that waits goes astray if
// its node is not mapped.
var renamed = map[string]string{
	"nap": "doze", "reply": "listen", "listen": "gather", "gather": "reply", "arm": "guard", "keep": "note",
}

// renewed are the flows that have a next version, to which sessions are moved.
var renewed = [...]string{"talk", "lone"}

// next gives the files of [Flows] with the next versions.
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

// nodeNow gives the name of a node in the next version.
func nodeNow(node string) string {
	if name, ok := renamed[node]; ok {
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
