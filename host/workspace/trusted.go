package workspace

import (
	"github.com/trama-run/trama/host/grant"
	"github.com/trama-run/trama/host/seal"
	"github.com/trama-run/trama/host/source"
)

// TrustedKeys are the keys of those whose plugins an operator may grant by
// their signature ("of: signer:acme"), by the name that grants call them.
type TrustedKeys seal.Keys

// UnmarshalSource reads {acme: "ed25519:BASE64"}. A key has one name, so that
// a signature has one signer.
func (t *TrustedKeys) UnmarshalSource(v source.Value) (problems source.Problems) {
	if !v.IsMapping() {
		problems.Add(v.Place(), `trusted_keys: {acme: "ed25519:..."}, as "trama plugin key" prints it`, "trusted_keys: want keys by name")
		return problems
	}
	*t = TrustedKeys{}
	names := map[string]string{} // by id
	for _, name := range v.Keys() {
		text, is := v.Get(name).Any().(string)
		var key seal.Key
		err := key.UnmarshalText([]byte(text))
		other, twice := names[key.ID()]
		switch {
		case !grant.IsSigner(name):
			problems.Add(v.KeyPlace(name), "use lower-case letters, digits, - and _", "trusted_keys: %q is no name of a key", name)
		case !is:
			problems.Add(v.Place(name), `write "ed25519:" and the key in base64, in quotes`, "trusted_keys: %s: want text", name)
		case err != nil:
			problems.Add(v.Place(name), `want "ed25519:" and base64 of 32 bytes, as "trama plugin key" prints it`, "trusted_keys: %s: it is no public key", name)
		case twice:
			problems.Add(v.KeyPlace(name), "leave one of the two", "trusted_keys: %s has the id (%s) of the key of %s", name, key.ID(), other)
		default:
			names[key.ID()], (*t)[name] = name, key
		}
	}
	return problems
}
