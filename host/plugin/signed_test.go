package plugin

import (
	"bytes"
	"crypto/ed25519"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/trama-run/trama/host/grant"
	"github.com/trama-run/trama/host/sandbox/wasm"
	"github.com/trama-run/trama/host/seal"
	"github.com/trama-run/trama/pdk/abi"
)

// signer gives a pair that is the same in each run.
func signer(seed byte) (ed25519.PrivateKey, seal.Key) {
	private := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize))
	return private, seal.Key(private.Public().(ed25519.PublicKey))
}

// whole gives adder with its manifest in it; contents of different marks differ.
func whole(t *testing.T, mark, manifest string) []byte {
	t.Helper()
	m, err := parseSidecar("adder.yaml", []byte(manifest))
	if err != nil {
		t.Fatal(err)
	}
	packed, err := Pack(guest(t, "json", mark), &m, false)
	if err != nil {
		t.Fatal(err)
	}
	return packed.Module
}

func sign(t *testing.T, module []byte, seed byte) []byte {
	t.Helper()
	private, _ := signer(seed)
	signed, err := seal.Sign(module, private)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// trusting is a registry that trusts the first key as acme, and grants adder to
// whatever that signs.
func trusting(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	_, public := signer(1)
	w.config.Trusted = map[string]seal.Key{"acme": public}
	w.SetGrants([]grant.Grant{{Plugin: "adder", Of: "signer:acme"}})
	return w
}

// TestSignerGrant: what a trusted key signs is granted as its files change, and
// nothing else is.
func TestSignerGrant(t *testing.T) {
	w := trusting(t)
	const wider = sidecarText + "capabilities: {egress: [\"https://api.example.com\"]}\n"
	first := sign(t, whole(t, "", sidecarText), 1)
	second := sign(t, whole(t, "v2", sidecarText), 1)
	altered := bytes.Clone(second)
	at := bytes.Index(altered, []byte("v2"))
	altered[at] = 'w' // in a custom section, so that it still is a module
	for _, c := range []struct {
		name    string
		file    []byte
		state   State
		serving bool // a former content goes on
		signed  seal.State
		reason  string
	}{
		{"not signed", whole(t, "", sidecarText), StatePending, false, seal.Unsigned, "was granted to what acme signs, and this file is not signed"},
		{"signed", first, StateReady, false, seal.Trusted, ""},
		{"changed and signed", second, StateReady, false, seal.Trusted, ""},
		{"altered", altered, StatePending, true, seal.Altered, "and this file is altered since it was signed"},
		{"by another key", sign(t, whole(t, "v3", sidecarText), 2), StatePending, true, seal.Unknown, "and this file is signed by the unknown key "},
		{"it asks for more", sign(t, whole(t, "v4", wider), 1), StatePending, true, seal.Trusted, "asks for more than it was granted: egress https://api.example.com"},
		{"put back", first, StateReady, false, seal.Trusted, ""},
	} {
		w.put(t, "adder.wasm", c.file)
		s := w.status(t)
		if s.State != c.state || (s.Serving != "") != c.serving || s.Signature.State != c.signed || !strings.Contains(s.Reason, c.reason) {
			t.Errorf("%s: %s, %q serves, %+v, %s", c.name, s.State, s.Serving, s.Signature, s.Reason)
		}
		out, err := w.total(t)
		if works := s.State == StateReady || c.serving; works != (err == nil) || works && out != `{"total":15,"items":1}` {
			t.Errorf("%s: the call gave %s, %v", c.name, out, err)
		}
	}
	if s := w.status(t); s.Grant == nil || s.Grant.Of != "signer:acme" || s.Signature.Signer != "acme" {
		t.Errorf("the grant that holds is %+v, signed %+v", s.Grant, s.Signature)
	}
}

// TestSignedSessions: what a session began with answers it after another file
// and after a restart, for as long as its signer is trusted.
func TestSignedSessions(t *testing.T) {
	w := trusting(t)
	w.put(t, "adder.wasm", sign(t, whole(t, "", sidecarText), 1))
	old := w.status(t).Digest
	w.put(t, "adder.wasm", sign(t, whole(t, "v2", sidecarText), 1))
	now := w.status(t).Digest
	for range 2 {
		if got := w.retired(); got != old+" 0" {
			t.Errorf("retired: %q, want %s", got, old)
		}
		for _, digest := range []string{old, now, ""} {
			if err := w.on(t, digest); err != nil {
				t.Errorf("content %q: %v", digest, err)
			}
		}
		w = w.restart(t)
	}

	// Without the key, nothing that it signed goes on.
	w.config.Trusted = nil
	w = w.restart(t)
	if s := w.status(t); s.State != StatePending || s.Serving != "" || s.Signature.State != seal.Unknown || !strings.Contains(s.Reason, "signed by the unknown key") {
		t.Errorf("the key is taken out: %s, %q serves, %+v: %s", s.State, s.Serving, s.Signature, s.Reason)
	}
	for _, digest := range []string{old, now, ""} {
		if err := w.on(t, digest); err == nil || err.Code != abi.CodeUnavailable {
			t.Errorf("the key is taken out, content %q: %v, want unavailable", digest, err)
		}
	}
}

// TestManifestBeside: a signature of a file counts for nothing where somebody
// else may write the manifest.
func TestManifestBeside(t *testing.T) {
	w := trusting(t)
	signed := sign(t, guest(t, "json", ""), 1)
	for want, module := range map[bool][]byte{false: signed, true: whole(t, "", sidecarText)} {
		if got, err := Whole(module); got != want || err != nil {
			t.Errorf("the manifest is in the file: %v, want %v (%v)", got, want, err)
		}
	}
	w.put(t, "adder.yaml", []byte(sidecarText))
	w.put(t, "adder.wasm", signed)
	s := w.status(t)
	if s.State != StatePending || s.Signature.State != seal.Unsigned || !strings.Contains(s.Signature.Reason, "does not cover its manifest") {
		t.Errorf("%s, %+v: %s", s.State, s.Signature, s.Reason)
	}
	if alone := Signature(signed, w.config.Trusted); alone != s.Signature {
		t.Errorf("without a server it is %+v, with one %+v", alone, s.Signature)
	}
	w.SetGrants(grantOf(s.Digest)) // its own grant holds all the same
	if s := w.status(t); s.State != StateReady {
		t.Errorf("granted by its digest: %s, %s", s.State, s.Reason)
	}
}

func TestPack(t *testing.T) {
	m, err := parseSidecar("adder.yaml", []byte(sidecarText))
	if err != nil {
		t.Fatal(err)
	}
	plain := guest(t, "json", "")
	heavy := plain
	for _, name := range []string{".debug_info", "reloc.CODE", "sourceMappingURL", "name", "producers"} {
		if heavy, err = wasm.WithCustom(heavy, name, []byte("\x00")); err != nil {
			t.Fatal(err)
		}
	}
	heavy = sign(t, heavy, 1)
	packed, err := Pack(heavy, &m, false)
	if err != nil || !packed.Unsigned || strings.Join(packed.Dropped, " ") != ".debug_info reloc.CODE sourceMappingURL" {
		t.Errorf("packed: dropped %q, unsigned %v, %v", packed.Dropped, packed.Unsigned, err)
	}
	for name, want := range map[string]bool{".debug_info": false, "reloc.CODE": false, "name": true, "producers": true, "trama.signature": false, "trama.manifest": true} {
		if _, has, err := wasm.Custom(packed.Module, name); has != want || err != nil {
			t.Errorf("section %s: %v, %v", name, has, err)
		}
	}
	if debug, err := Pack(heavy, &m, true); err != nil || len(debug.Dropped) > 0 || len(debug.Module) <= len(packed.Module) {
		t.Errorf("with debug sections: %q, %v", debug.Dropped, err)
	}
	again, err := Pack(packed.Module, nil, false)
	if err != nil || !bytes.Equal(again.Module, packed.Module) {
		t.Errorf("packed again it differs: %v", err)
	}
	path := filepath.Join(t.TempDir(), "adder.wasm")
	if err := os.WriteFile(path, packed.Module, 0o600); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	read, digest, err := Inspect(t.Context(), w.config.Sandbox, path)
	if err != nil || read.Name != "adder" || digest != Digest(packed.Module, nil) {
		t.Errorf("read back: %+v, %s, %v", read, digest, err)
	}

	m.Operations = append(m.Operations, abi.Operation{Name: "none", Effect: abi.EffectPure})
	if _, err := Pack(plain, &m, false); err == nil || !strings.Contains(err.Error(), `names the function "none"`) {
		t.Errorf("a manifest of another module: %v", err)
	}
	if _, err := Pack([]byte("no module"), &m, false); err == nil || !strings.Contains(err.Error(), "not WebAssembly") {
		t.Errorf("no module: %v", err)
	}
}
