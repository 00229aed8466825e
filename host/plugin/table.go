package plugin

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/trama-run/trama/host/grant"
)

// table is what calls look at: an immutable view of entries and grants.
type table struct {
	byName map[string]*plugin
	status []Status
}

// plugin is a generation with the decision on it.
type plugin struct {
	*generation
	decision grant.Decision
	failure  error // why its code can't run, once a call has found out
}

// decide says what a content may do. The caller holds mu.
func (r *Registry) decide(g *generation) *plugin {
	bundled := slices.Contains(r.config.Bundled, g.digest)
	p := &plugin{generation: g, decision: grant.Decide(g.manifest, g.digest, bundled, r.grants)}
	if p.decision.Status == grant.Granted {
		p.failure = g.failureUnder(limitsOf(p.decision.Grant.Limits).Memory)
	}
	return p
}

// mayServe says whether a content is granted. The caller holds mu.
func (r *Registry) mayServe(g *generation) bool {
	return g != nil && r.decide(g).decision.Status == grant.Granted
}

// publish makes the table anew. The caller holds mu.
func (r *Registry) publish() {
	t := &table{byName: map[string]*plugin{}}
	for _, file := range r.inOrder() {
		r.add(t, r.entries[file])
	}
	r.table.Store(t)
}

// add gives a file its place in a table: one line of the list, and what serves
// under its name.
func (r *Registry) add(t *table, e *entry) {
	var status Status
	if e.present == nil {
		status = *e.refusal
	} else {
		p := r.decide(e.present)
		status = p.status(e.file, slices.Contains(r.config.Bundled, p.digest))
		if p.decision.Status == grant.Granted {
			e.former.retire()
			e.former = nil
		}
		if !t.take(p, &status) {
			t.status = append(t.status, status)
			return
		}
	}
	if r.mayServe(e.former) {
		p := r.decide(e.former)
		if other := t.byName[p.manifest.Name]; other == nil || other.generation == e.present {
			t.byName[p.manifest.Name] = p
			status.Serving = p.digest
		}
	}
	t.status = append(t.status, status)
}

// take puts a plugin under its name, or refuses it if the name is taken.
func (t *table) take(p *plugin, status *Status) bool {
	if other, taken := t.byName[p.manifest.Name]; taken {
		status.State, status.Grant = StateRefused, nil
		status.Reason = fmt.Sprintf("a plugin named %q is in %s already", p.manifest.Name, other.file)
		status.Remedy = "remove one of the two files"
		return false
	}
	t.byName[p.manifest.Name] = p
	return true
}

// status is what an operator sees of a content that is not refused at sight.
func (p *plugin) status(file string, bundled bool) Status {
	s := Status{
		Name: p.manifest.Name, File: file, Digest: p.digest, Bytes: p.size,
		State: StateReady, Bundled: bundled, Manifest: &p.manifest,
	}
	switch {
	case p.decision.Status != grant.Granted:
		s.State, s.Reason = StatePending, p.decision.Reason
		s.Remedy = p.decision.Remedy + "  and confirm with: trama apply DIR; or run: trama plugin grant " + p.manifest.Name
	case p.failure != nil:
		s.State, s.Reason, s.Remedy = StateRefused, p.failure.Error(), failureRemedy
		fallthrough
	default:
		s.Grant = &p.decision.Grant
	}
	return s
}

// failureRemedy is what to do about code that does not compile or begin.
const failureRemedy = "replace the file, change the memory limit of its grant, or touch the file to try again"

// inOrder lists the files as the directories rank them.
func (r *Registry) inOrder() []string {
	var files []string
	for file := range r.entries {
		files = append(files, file)
	}
	slices.SortFunc(files, func(a, b string) int {
		if n := slices.Index(r.config.Dirs, filepath.Dir(a)) - slices.Index(r.config.Dirs, filepath.Dir(b)); n != 0 {
			return n
		}
		return strings.Compare(a, b)
	})
	return files
}
