package grant

import (
	"cmp"
	"slices"

	"github.com/trama-run/trama/pdk/abi"
)

// Within says whether a grant gives nothing that old does not give: same
// plugin and content, each origin covered by one of old's, secrets and keys
// among old's, secrets bound no wider, and every size and limit, or the default
// in its place, no higher. An origin that can't be read is within nothing but
// its like.
func (g Grant) Within(old Grant) bool {
	if g.Plugin != old.Plugin || g.Of != old.Of {
		return false
	}
	for _, e := range g.Egress {
		if !slices.ContainsFunc(old.Egress, func(o string) bool { return entryCovers(o, e) }) {
			return false
		}
	}
	if g.KV > old.KV {
		return false
	}
	for name, origins := range old.Bound {
		bound, ok := g.Bound[name]
		if !ok && slices.Contains(g.Secrets, name) {
			return false
		}
		for _, e := range bound {
			if !slices.ContainsFunc(origins, func(o string) bool { return entryCovers(o, e) }) {
				return false
			}
		}
	}
	for _, list := range [][2][]string{{g.Secrets, old.Secrets}, {g.Keys, old.Keys}} {
		for _, name := range list[0] {
			if !slices.Contains(list[1], name) {
				return false
			}
		}
	}
	usual := Default()
	for i, l := range g.Limits.all() {
		d := usual.all()[i].value
		if cmp.Or(l.value, d) > cmp.Or(old.Limits.all()[i].value, d) {
			return false
		}
	}
	return true
}

// entryCovers compares two egress entries. "connection" stands for origins that
// the grant does not name, so it covers itself alone.
func entryCovers(wide, narrow string) bool {
	if wide == narrow {
		return true
	}
	if wide == abi.EgressConnection || narrow == abi.EgressConnection {
		return false
	}
	w, errW := ParseOrigin(wide)
	n, errN := ParseOrigin(narrow)
	return errW == nil && errN == nil && w.Covers(n)
}
