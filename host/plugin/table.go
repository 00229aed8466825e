package plugin

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/trama-run/trama/host/grant"
	"github.com/trama-run/trama/host/seal"
)

// table is what calls look at: an immutable view of contents and grants.
type table struct {
	byName   map[string]*plugin // what serves
	byDigest map[string]*plugin // every content that has served, or waits to
	owners   map[string]string  // the file that a name belongs to
	status   []Status
}

// find returns the plugin with this name: the content with this digest or, if
// that is empty, what serves.
func (t *table) find(name, digest string) (*plugin, bool) {
	if digest == "" {
		p, ok := t.byName[name]
		return p, ok
	}
	p, ok := t.byDigest[digest]
	return p, ok && p.manifest.Name == name
}

// plugin is a generation with the decision on it.
type plugin struct {
	*generation
	bundled  bool
	decision grant.Decision
	exports  []string // functions that can be called
	failure  error    // why its code can't run, once a call has found out
}

// decide says what a content of a file may do. The caller holds mu.
func (r *Registry) decide(g *generation) *plugin {
	return r.decideAs(g, slices.Contains(r.config.Bundled, g.digest))
}

// decideAs is decide where it is known whether the content is bundled.
func (r *Registry) decideAs(g *generation, bundled bool) *plugin {
	p := &plugin{generation: g, bundled: bundled, exports: g.exports, decision: grant.Decide(g.manifest, g.asContent(bundled), r.grants)}
	if wrong := Unfit(g.manifest, p.decision.Grant.Config); p.decision.Status == grant.Granted && wrong != "" {
		p.decision = grant.Decision{
			Status: grant.Pending, Reason: "its settings don't fit: " + wrong,
			Remedy: "change config on the line of " + g.manifest.Name + " in grants.yaml",
		}
	}
	if p.decision.Status == grant.Granted {
		p.failure = g.failureUnder(termsOf(p.decision.Grant))
	}
	return p
}

// mayServe says whether a content is granted. The caller holds mu.
func (r *Registry) mayServe(g *generation) bool {
	return g != nil && r.decide(g).decision.Status == grant.Granted
}

// republish is publish for those who don't hold mu.
func (r *Registry) republish() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.publish()
}

// publish makes the table anew, and ends contents that nothing needs. The
// caller holds mu.
func (r *Registry) publish() {
	t := &table{byName: map[string]*plugin{}, byDigest: map[string]*plugin{}, owners: r.owners()}
	for _, file := range r.inOrder() {
		r.add(t, r.entries[file])
	}
	r.retire(t)
	r.table.Store(t)
}

// add gives a file its place in a table: one line of the list, and what serves
// under the names that belong to it.
func (r *Registry) add(t *table, e *entry) {
	var status Status
	if e.present == nil {
		status = *e.refusal
	} else {
		p := r.decide(e.present)
		t.byDigest[p.digest] = p
		status = p.status(e.file)
		if owner := t.owners[p.manifest.Name]; owner == e.file {
			t.byName[p.manifest.Name] = p
			if p.decision.Status == grant.Granted {
				e.former = nil
				p.served = p.served || r.Scanned() // before that, the name may still go to another file
			}
		} else {
			status.State, status.Grant = StateBroken, nil
			status.Reason = fmt.Sprintf("the name %q belongs to the plugin in %s", p.manifest.Name, owner)
			status.Remedy = "remove one of the two files"
		}
	}
	if r.mayServe(e.former) && t.owners[e.former.manifest.Name] == e.file {
		p := r.decide(e.former)
		t.byName[p.manifest.Name], p.served = p, true
		status.Serving = p.digest
	}
	t.status = append(t.status, status)
}

// retire gives the contents that no file has their place in a table, or ends
// those that never served.
func (r *Registry) retire(t *table) {
	has := map[*generation]bool{}
	for _, e := range r.entries {
		has[e.present], has[e.former] = true, true
	}
	var retired []Status
	for digest, g := range r.contents {
		switch {
		case has[g]:
			g.since = time.Time{}
		case !g.served:
			g.end()
			delete(r.contents, digest)
			continue
		case g.since.IsZero() && r.Scanned(): // before that, its file may not have been read yet
			g.since = time.Now()
		}
		if t.byDigest[digest] == nil {
			t.byDigest[digest] = r.decideAs(g, g.wasBundled)
		}
		if !g.since.IsZero() {
			retired = append(retired, t.byDigest[digest].retired(r.sessions[digest]))
		}
	}
	slices.SortFunc(retired, func(a, b Status) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Digest, b.Digest))
	})
	t.status = append(t.status, retired...)
}

// retired is the status of a content that no file has.
func (p *plugin) retired(sessions int) Status {
	s := p.status(p.path())
	s.State, s.Sessions = StateRetired, sessions
	if p.decision.Status == grant.Granted && p.failure == nil {
		s.Reason, s.Remedy = fmt.Sprintf("it was replaced or removed; sessions that began with it, and end on it: %d", sessions), ""
	} else {
		s.Reason = fmt.Sprintf("it was replaced or removed; sessions that began with it, and fail: %d, since %s", sessions, s.Reason)
	}
	return s
}

// status is what an operator sees of a content that could be read.
func (p *plugin) status(file string) Status {
	s := Status{
		Name: p.manifest.Name, File: file, Digest: p.digest, Bytes: p.size,
		State: StateReady, Bundled: p.bundled, Signature: p.signature, Manifest: &p.manifest,
	}
	switch {
	case p.decision.Status != grant.Granted:
		s.State, s.Reason = StatePending, p.decision.Reason
		s.Remedy = p.decision.Remedy + "  and confirm with: trama apply DIR; or run: trama plugin grant " + p.manifest.Name
		if wrong := Unfit(p.manifest, nil); wrong != "" {
			s.Remedy += " --config NAME=VALUE"
		}
		if p.signature.State == seal.Trusted {
			s.Remedy += " (with --signer for whatever " + p.signature.Signer + " signs)"
		}
	case p.failure != nil:
		s.State, s.Reason, s.Remedy = StateBroken, p.failure.Error(), failureRemedy
		fallthrough
	default:
		s.Grant = &p.decision.Grant
	}
	return s
}

// failureRemedy is what to do about code that does not compile or begin.
const failureRemedy = "replace the file, change the memory limit or the settings (config) of its grant, or touch the file to try again"

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
