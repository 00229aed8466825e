// Package grant decides what a plugin may do: its manifest requests, the
// operator's grants give, and what nobody gave is denied.
//
// A grant is bound to the content of a plugin's file, so a changed file waits
// until the operator has looked at it; or to what somebody signs whom the
// operator trusts. A manifest that asks for more waits either way.
// The package is pure: it reads no file, resolves no name and enforces
// nothing. It must not know plugins' code, connections or secrets' values.
package grant

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/trama-run/trama/pdk/abi"
)

// Grant is what the operator gives to one content of one plugin: a line of
// grants.yaml, such as
//
//	{plugin: acme, of: "sha256:9f2c...", egress: ["https://api.acme.com"], keys: [orders], limits: {memory: 64MiB}}
type Grant struct {
	Plugin string `json:"plugin" source:"required"`
	// Of says which content: "sha256:" with 64 hexadecimal digits, "bundled"
	// for the plugins that belong to this build, or "signer:" with the name of
	// a trusted key for every content that is signed with it.
	Of string `json:"of" source:"required"`
	// Egress lists origins, or "connection".
	Egress []string `json:"egress,omitempty"`
	// Secrets are host names of secrets: those that the manifest asks for,
	// and those that a channel hands to this plugin's webhook checks.
	Secrets []string `json:"secrets,omitempty"`
	// Bound says, for each secret that shall not go to all of Egress, to which
	// origins its value may go; "connection" among them stands for that.
	Bound map[string][]string `json:"bound,omitempty"`
	// Keys are host names of keys to sign and verify with.
	Keys []string `json:"keys,omitempty"`
	// Config are the plugin's settings: texts that it reads by config_get, which
	// are no secrets and are shown to whoever sees the grant. They give it nothing
	// to reach, so that other ones hold at once.
	Config map[string]string `json:"config,omitempty"`
	// KV is how much the plugin may remember of each contact: 0 for nothing.
	KV     Size   `json:"kv,omitzero"`
	Limits Limits `json:"limits,omitzero"`
}

// MaxKV is the most that a plugin may be let remember of a contact.
const MaxKV = 64 * MiB

// OfBundled binds a grant to the plugins that belong to this build.
const OfBundled = "bundled"

// ofSigner begins Of where a grant is of whatever a trusted key signed.
const ofSigner = "signer:"

// OfSigner binds a grant to what the trusted key of this name signed.
func OfSigner(name string) string { return ofSigner + name }

// Signer gives the name of the trusted key whose signature the grant asks for,
// and says whether it does.
func (g Grant) Signer() (string, bool) { return strings.CutPrefix(g.Of, ofSigner) }

// IsSigner says whether a trusted key may have this name.
func IsSigner(name string) bool { return signerPattern.MatchString(name) }

var (
	pluginPattern = regexp.MustCompile(`^[a-z][a-z0-9_]{0,39}$`)
	digestPattern = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)
	signerPattern = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,39}$`)
	secretPattern = regexp.MustCompile(`^[a-z0-9_]{1,64}$`)
)

// Validate returns what is wrong with the grant, each with its remedy. Plain
// http is not wrong: much that stands in the operator's own network speaks
// nothing else.
func (g Grant) Validate() []string {
	var problems []string
	report := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	if !pluginPattern.MatchString(g.Plugin) {
		report("plugin %q is not a plugin's name: lower-case letters, digits and _, starting with a letter", g.Plugin)
	}
	if signer, signed := g.Signer(); signed && !IsSigner(signer) {
		report(`of: %q: want "signer:" and the name of a key in trusted_keys of trama.yaml, such as signer:acme`, g.Of)
	} else if !signed && g.Of != OfBundled && !digestPattern.MatchString(g.Of) {
		report(`of: %q is none of "bundled", "signer:" with the name of a trusted key and "sha256:" with 64 lower-case hexadecimal digits: trama plugin inspect prints a file's`, g.Of)
	}
	for _, e := range g.Egress {
		if e == abi.EgressConnection {
			continue
		}
		if _, err := ParseOrigin(e); err != nil {
			report("egress: %v", err)
		}
	}
	for _, list := range []struct {
		key   string
		names []string
	}{{"secrets", g.Secrets}, {"keys", g.Keys}} {
		for _, name := range list.names {
			if !secretPattern.MatchString(name) {
				report("%s: %q is not a secret's name: lower-case letters, digits and _", list.key, name)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(g.Bound)) {
		if !slices.Contains(g.Secrets, name) {
			report("bound: secret %q is not among the grant's secrets: add it there, or take it out here", name)
		}
		if len(g.Bound[name]) == 0 {
			report("bound: secret %q has no origins: name them, or take it out of secrets", name)
		}
		for _, o := range g.Bound[name] {
			if _, err := ParseOrigin(o); err != nil && o != abi.EgressConnection {
				report("bound: secret %q: %v", name, err)
			}
		}
	}
	problems = append(problems, checkConfig(g.Config)...)
	if g.KV < 0 || g.KV > MaxKV {
		report("kv: %s is not between 0 and %s", g.KV, MaxKV)
	}
	ceiling := Ceiling()
	for i, l := range g.Limits.all() {
		if top := ceiling.all()[i]; l.value > top.value {
			report("limits: %s: %s is above the ceiling of %s", l.key, l.text, top.text)
		}
		if l.value < 0 {
			report("limits: %s: %s is negative", l.key, l.text)
		}
	}
	return problems
}

// String gives the grant as a line of grants.yaml.
func (g Grant) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "- {plugin: %s, of: %s", g.Plugin, yamlString(g.Of))
	for _, list := range []struct {
		key   string
		names []string
	}{{"egress", g.Egress}, {"secrets", g.Secrets}, {"keys", g.Keys}} {
		if len(list.names) > 0 {
			fmt.Fprintf(&b, ", %s: %s", list.key, yamlList(list.names))
		}
	}
	if len(g.Bound) > 0 {
		var bound []string
		for _, name := range slices.Sorted(maps.Keys(g.Bound)) {
			bound = append(bound, name+": "+yamlList(g.Bound[name]))
		}
		fmt.Fprintf(&b, ", bound: {%s}", strings.Join(bound, ", "))
	}
	if len(g.Config) > 0 {
		var settings []string
		for _, key := range slices.Sorted(maps.Keys(g.Config)) {
			settings = append(settings, yamlString(key)+": "+yamlString(g.Config[key]))
		}
		fmt.Fprintf(&b, ", config: {%s}", strings.Join(settings, ", "))
	}
	if g.KV != 0 {
		fmt.Fprintf(&b, ", kv: %s", g.KV)
	}
	var limits []string
	for _, l := range g.Limits.all() {
		if l.value != 0 {
			limits = append(limits, l.key+": "+l.text)
		}
	}
	if len(limits) > 0 {
		fmt.Fprintf(&b, ", limits: {%s}", strings.Join(limits, ", "))
	}
	return b.String() + "}"
}

func yamlList(texts []string) string {
	quoted := make([]string, len(texts))
	for i, text := range texts {
		quoted[i] = yamlString(text)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

var plainPattern = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

// yamlString quotes what YAML may not read as the same string. A Go string
// literal of printable ASCII is a double-quoted YAML scalar.
func yamlString(s string) string {
	if plainPattern.MatchString(s) && !slices.Contains([]string{"null", "true", "false", "yes", "no", "on", "off", "y", "n"}, s) {
		return s
	}
	return fmt.Sprintf("%+q", s)
}
