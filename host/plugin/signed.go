package plugin

import (
	"slices"

	"github.com/trama-run/trama/host/grant"
	"github.com/trama-run/trama/host/sandbox"
	"github.com/trama-run/trama/host/seal"
	"github.com/trama-run/trama/pdk/abi"
)

// beside is why a signature does not count. It is one of the file alone: where
// the manifest stands beside it, nobody signed what the plugin may do.
const beside = "its signature does not cover its manifest, which is not in the file: put it in with `trama plugin pack`, and sign it then"

// Signature says what a file's signature is worth to those who trust these
// keys. Nothing runs.
func Signature(module []byte, trusted map[string]seal.Key) seal.Status {
	status := seal.Read(module).Status(trusted)
	if whole, err := Whole(module); status.State != seal.Unsigned && err == nil && !whole {
		return seal.Status{State: seal.Unsigned, Key: status.Key, Reason: beside}
	}
	return status
}

// Whole says whether a module holds its manifest, in a section or as what
// "describe" gives, so that it is all there is of the plugin. Nothing runs.
func Whole(module []byte) (bool, error) {
	info, err := sandbox.Inspect(module)
	return slices.Contains(callable(info), abi.FuncDescribe) ||
		slices.ContainsFunc(info.Sections, func(s sandbox.Section) bool { return s.Name == "custom "+abi.SectionManifest }), err
}

// sealed notes what a content's file says of its signature, and what that is
// worth here.
func (r *Registry) sealed(g *generation, s seal.Seal) {
	g.seal, g.signature = s, s.Status(r.config.Trusted)
	if g.signature.State != seal.Unsigned && g.code != g.digest {
		g.signature = seal.Status{State: seal.Unsigned, Key: g.signature.Key, Reason: beside}
	}
}

// Trusts says whether a grant may name this signer.
func (r *Registry) Trusts(signer string) bool {
	_, ok := r.config.Trusted[signer]
	return ok
}

// asContent is what grants tell contents apart by.
func (g *generation) asContent(bundled bool) grant.Content {
	return grant.Content{Digest: g.digest, Bundled: bundled, Signer: g.signature.Signer, Signed: g.signature.String()}
}
