package grant

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/trama-run/trama/pdk/abi"
)

// Status says whether a plugin may be called.
type Status string

// The statuses of a [Decision].
const (
	Granted Status = "granted"
	Pending Status = "pending" // waits for the operator
)

// Decision is what follows from a manifest and the operator's grants.
type Decision struct {
	Status Status `json:"status"`
	// Reason says in one sentence why the plugin is pending.
	Reason string `json:"reason,omitempty"`
	// Missing lists what was requested and not given, such as
	// "egress https://api.acme.com" or "limit memory 64MiB".
	Missing []string `json:"missing,omitempty"`
	// Remedy is what the operator writes to give all of it.
	Remedy string `json:"remedy,omitempty"`
	// Grant is what holds if Status is Granted: never more than was given,
	// every limit set.
	Grant Grant `json:"grant,omitzero"`
}

// Content is one content of a plugin's file, as grants tell contents apart.
type Content struct {
	Digest  string // its sha256, hexadecimal
	Bundled bool   // it belongs to this build
	// Signer is the name of the trusted key that signed it; empty if there is
	// none. Signed says in words how it is signed, such as "not signed".
	Signer, Signed string
}

// Decide compares what m asks for with what was given to the file's content.
// The rules:
//
//   - A grant counts if it is of this digest or, for a bundled plugin, of
//     "bundled", or of who signed it; the digest's own goes first. Without one
//     the plugin is pending, except a bundled plugin that asks for nothing.
//   - An origin holds as far as both sides name it: a narrower grant answers
//     a wider request, and gives the narrower. What was granted and not
//     requested does not hold. A plugin that asks for "connection" serves any
//     system, so it may be given origins beside it or in place of it.
//   - Each requested secret must be given. Others that are given stay, for
//     the webhook checks of channels. Of a channel adapter, any secrets that
//     are given will do: each of its channels says which of them serves as
//     which, so that two channels can have their own.
//   - A plugin that asks to sign needs at least one key; one that does not
//     gets none.
//   - Each setting that the manifest's schema requires must be given. Others that
//     are given are the plugin's too.
//   - Memory of contacts (kv) must be given; the least of both sides holds.
//   - A limit above the default must be given. A given one holds, be it lower
//     than requested; one that asks for less than the default gets less.
func Decide(m abi.Manifest, c Content, grants []Grant) Decision {
	ask := request(m)
	given, found, former := choose(m.Name, c, grants)
	switch {
	case found:
		ask.Of = given.Of
	case c.Bundled:
		ask.Of = OfBundled
	default:
		ask.Of = c.of()
	}
	if !found && (!c.Bundled || needs(ask)) {
		d := Decision{Status: Pending, Reason: "no grant names it", Missing: missing(ask, m, Grant{})}
		d.Remedy = remedy("add to", ask, m)
		if signer, is := former.Signer(); is {
			d.Reason = fmt.Sprintf("what is granted to a plugin of this name was granted to what %s signs, and this file is %s", signer, cmp.Or(c.Signed, "not signed"))
			d.Remedy = remedy(fmt.Sprintf("put a file in its place that is signed with the key %s of trusted_keys in trama.yaml, or look at this one and, if it is what you want, add to", signer), union(former, ask, m), m)
		} else if former.Plugin != "" {
			d.Reason = "what is granted to a plugin of this name was granted to another content"
			d.Remedy = remedy("look at the file and, if it is what you want, leave the line of its former content to the sessions that began with that, and add to", union(former, ask, m), m)
		}
		return d
	}
	if gaps := missing(ask, m, given); len(gaps) > 0 {
		return Decision{
			Status: Pending, Missing: gaps,
			Reason: "it asks for more than it was granted: " + strings.Join(gaps, ", "),
			Remedy: remedy("change the line of "+m.Name+" in", union(given, ask, m), m),
		}
	}
	holds := Grant{
		Plugin: m.Name, Of: ask.Of,
		Egress:  both(ask.Egress, given.Egress),
		Secrets: slices.Clone(given.Secrets), Bound: maps.Clone(given.Bound),
		Config: maps.Clone(given.Config),
		KV:     min(ask.KV, given.KV),
		Limits: limits(wanted(m.Limits), given.Limits),
	}
	if len(m.Capabilities.Sign) > 0 {
		holds.Keys = slices.Clone(given.Keys)
	}
	return Decision{Status: Granted, Grant: holds}
}

// Request gives the grant that answers all that m asks for, to the file's
// content whose sha256 is digest (hexadecimal). If the plugin asks to sign, the
// grant's one key is a placeholder, and so are the values of the settings that it
// requires: these are the operator's to say.
func Request(m abi.Manifest, digest string) Grant {
	g := request(m)
	g.Of = "sha256:" + strings.TrimPrefix(digest, "sha256:")
	return g
}

// request gives what a manifest asks for the shape of the grant that answers
// all of it.
func request(m abi.Manifest) Grant {
	g := Grant{Plugin: m.Name, Egress: slices.Clone(m.Capabilities.Egress)}
	for _, s := range m.Capabilities.Secrets {
		g.Secrets = append(g.Secrets, s.Name)
	}
	if len(m.Capabilities.Sign) > 0 {
		g.Keys = []string{m.Name + "_key"} // the operator's to name
	}
	for _, key := range RequiredConfig(m) {
		if g.Config == nil {
			g.Config = map[string]string{}
		}
		g.Config[key] = placeholder
	}
	g.KV = min(Size(max(m.Capabilities.KVBytes, 0)), MaxKV)
	want, usual, top := wanted(m.Limits), Default(), Ceiling()
	for i, l := range g.Limits.all() {
		if v := want.all()[i].value; v > usual.all()[i].value {
			l.set(min(v, top.all()[i].value))
		}
	}
	return g
}

// needs says whether a request asks for anything.
func needs(ask Grant) bool {
	return len(ask.Egress)+len(ask.Secrets)+len(ask.Keys)+len(ask.Config) > 0 || ask.KV > 0 || ask.Limits != Limits{}
}

// of is the content as a grant of it alone names it.
func (c Content) of() string { return "sha256:" + strings.TrimPrefix(c.Digest, "sha256:") }

// choose finds the grant of a plugin's content; former is one that was given to
// another: to what somebody signs, if there is such a one.
func choose(name string, c Content, grants []Grant) (given Grant, found bool, former Grant) {
	for _, g := range grants {
		signer, signed := g.Signer()
		switch {
		case g.Plugin != name:
		case g.Of == c.of():
			return g, true, Grant{}
		case g.Of == OfBundled && c.Bundled, signed && signer != "" && signer == c.Signer:
			given, found = g, true
		case signed || former.Plugin == "":
			former = g
		}
	}
	return given, found, former
}

// missing lists what ask wants and given does not answer.
func missing(ask Grant, m abi.Manifest, given Grant) []string {
	var gaps []string
	for _, e := range ask.Egress {
		if len(both([]string{e}, given.Egress)) == 0 {
			gaps = append(gaps, "egress "+e)
		}
	}
	for _, name := range ask.Secrets {
		named := m.Kind == abi.KindChannel && len(given.Secrets) > 0 // as its channels name them
		if !named && !slices.Contains(given.Secrets, name) {
			gaps = append(gaps, "secret "+name)
		}
	}
	if len(m.Capabilities.Sign) > 0 && len(given.Keys) == 0 {
		gaps = append(gaps, "a key for "+strings.Join(m.Capabilities.Sign, ", "))
	}
	for _, key := range MissingConfig(m, given.Config) {
		gaps = append(gaps, "the setting "+key)
	}
	if ask.KV > 0 && given.KV == 0 {
		gaps = append(gaps, "kv "+ask.KV.String())
	}
	for i, l := range ask.Limits.all() {
		if l.value > 0 && given.Limits.all()[i].value == 0 {
			gaps = append(gaps, "limit "+l.key+" "+l.text)
		}
	}
	return gaps
}

// both gives the egress entries that requested and given have in common.
func both(requested, given []string) []string {
	var common []string
	for _, r := range requested {
		for _, g := range given {
			if narrow := narrower(r, g); narrow != "" && !slices.Contains(common, narrow) {
				common = append(common, narrow)
			}
		}
	}
	return common
}

// narrower gives the narrower of two entries of which one covers the other,
// or "" if they have nothing in common.
func narrower(requested, given string) string {
	if requested == abi.EgressConnection {
		if _, err := ParseOrigin(given); err != nil && given != abi.EgressConnection {
			return ""
		}
		return given
	}
	r, errR := ParseOrigin(requested)
	g, errG := ParseOrigin(given)
	switch {
	case errR != nil || errG != nil:
		return ""
	case g.Covers(r):
		return r.String()
	case r.Covers(g):
		return g.String()
	}
	return ""
}

// limits gives the limits that hold.
func limits(want, given Limits) Limits {
	l, usual, top := Limits{}, Default(), Ceiling()
	for i, field := range l.all() {
		w, d := want.all()[i].value, usual.all()[i].value
		asked := min(cmp.Or(max(w, 0), d), d) // more than the default only if given
		field.set(min(cmp.Or(max(given.all()[i].value, 0), asked), top.all()[i].value))
	}
	return l
}

// union adds to a grant what it lacks of a request, for the remedy.
// It is bound to the content that asks, and leaves out settings that this does
// not have.
func union(given, ask Grant, m abi.Manifest) Grant {
	ask.Egress = join(given.Egress, ask.Egress)
	ask.Secrets = join(given.Secrets, ask.Secrets)
	if len(given.Keys) > 0 {
		ask.Keys = given.Keys
	}
	ask.Bound, ask.KV = given.Bound, cmp.Or(given.KV, ask.KV)
	taken, _ := TakenConfig(m, given.Config)
	if ask.Config == nil {
		ask.Config = taken
	} else {
		maps.Copy(ask.Config, taken)
	}
	for i, l := range ask.Limits.all() {
		if v := given.Limits.all()[i].value; v > 0 {
			l.set(v)
		}
	}
	return ask
}

func join(a, b []string) []string {
	all := slices.Clone(a)
	for _, s := range b {
		if !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	return all
}

// remedy is the sentence with the line to write.
func remedy(what string, g Grant, m abi.Manifest) string {
	text := fmt.Sprintf("%s grants.yaml: %s", what, g)
	if name := m.Name + "_key"; slices.Contains(g.Keys, name) {
		text += fmt.Sprintf(" # in place of %s, name your own keys for %s", name, strings.Join(m.Capabilities.Sign, ", "))
	}
	if slices.Contains(slices.Collect(maps.Values(g.Config)), placeholder) {
		text += fmt.Sprintf(" # in place of %q, the settings as you want them", placeholder)
	}
	if m.Kind == abi.KindChannel && len(m.Capabilities.Secrets) > 0 {
		text += " # secrets: those that channels.yaml gives to channels of this adapter"
	}
	return text
}
