package grant

import (
	"cmp"
	"maps"
	"slices"

	"github.com/trama-run/trama/pdk/abi"
)

// Within says whether a grant gives nothing that old does not give: same
// plugin and content, each origin covered by one of old's, secrets and keys
// among old's, secrets bound no wider, and every size and limit, or the default
// in its place, no higher. An origin that can't be read is within nothing but
// its like. Settings are no matter.
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

// Both gives what g and old both give, for the content that g is of, with g's
// settings; it is within each of them. A secret whose bounds have no origin in common is left
// out.
func (g Grant) Both(old Grant) Grant {
	b := Grant{Plugin: g.Plugin, Of: g.Of, Config: maps.Clone(g.Config), Egress: common(g.Egress, old.Egress), KV: min(g.KV, old.KV)}
	for _, name := range g.Keys {
		if slices.Contains(old.Keys, name) {
			b.Keys = append(b.Keys, name)
		}
	}
	for _, name := range g.Secrets {
		if !slices.Contains(old.Secrets, name) {
			continue
		}
		bound, isBound := g.Bound[name]
		if former, wasBound := old.Bound[name]; wasBound && isBound {
			if bound = common(bound, former); len(bound) == 0 {
				continue
			}
		} else if wasBound {
			bound, isBound = former, true
		}
		b.Secrets = append(b.Secrets, name)
		if isBound {
			if b.Bound == nil {
				b.Bound = map[string][]string{}
			}
			b.Bound[name] = slices.Clone(bound)
		}
	}
	usual := Default()
	for i, l := range b.Limits.all() {
		d := usual.all()[i].value
		one, other := g.Limits.all()[i].value, old.Limits.all()[i].value
		if v := min(cmp.Or(one, d), cmp.Or(other, d)); v != d || one != 0 && other != 0 {
			l.set(v)
		}
	}
	return b
}

// common gives the entries of each list that one of the other covers.
func common(a, b []string) []string {
	var both []string
	for _, pair := range [][2][]string{{a, b}, {b, a}} {
		for _, e := range pair[0] {
			if !slices.Contains(both, e) && slices.ContainsFunc(pair[1], func(o string) bool { return entryCovers(o, e) }) {
				both = append(both, e)
			}
		}
	}
	return both
}
