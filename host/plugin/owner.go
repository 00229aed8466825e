package plugin

import "github.com/trama-run/trama/host/grant"

// How strong a file's claim to a name is. A file can say that it is any plugin,
// so a claim is worth what the operator or this build says of the content.
const (
	claimNewcomer = iota
	claimFirst    // had the name before, and waits like the other
	claimBundled  // belongs to this build, and waits
	claimGranted
	claimServed // granted, and has served
	claimServing
	claimBuild // granted, and belongs to this build
)

// owners says which file each name belongs to: the strongest claim, and of equal
// ones the file that the directories rank first. The caller holds mu.
func (r *Registry) owners() map[string]string {
	owners, claims := map[string]string{}, map[string]int{}
	for _, file := range r.inOrder() {
		e := r.entries[file]
		for _, g := range []*generation{e.present, e.former} {
			if g == nil || g == e.former && !r.serves(e) {
				continue
			}
			name := g.manifest.Name
			claim := r.claim(g, file)
			if _, claimed := owners[name]; !claimed || claim > claims[name] {
				owners[name], claims[name] = file, claim
			}
		}
	}
	return owners
}

// serves says whether a file's former content serves until the present one is
// granted. The caller holds mu.
func (r *Registry) serves(e *entry) bool {
	return !r.mayServe(e.present) && r.mayServe(e.former)
}

// claim says how strong the claim of a file's content to its name is. The
// caller holds mu.
func (r *Registry) claim(g *generation, file string) int {
	p := r.decide(g)
	granted := p.decision.Status == grant.Granted
	// While the directories are read for the first time, the first is merely
	// the one that was read first.
	first := r.Scanned() && r.table.Load().owners[g.manifest.Name] == file
	switch {
	case granted && p.bundled:
		return claimBuild
	case granted && g.served && first:
		return claimServing
	case granted && g.served:
		return claimServed
	case granted:
		return claimGranted
	case p.bundled:
		return claimBundled
	case first:
		return claimFirst
	}
	return claimNewcomer
}
