// Package seal signs plugins' files, and says who signed one.
//
// A signature is a part of the file: its last section, a WebAssembly custom
// section named "trama.signature" that holds
//
//	{"alg":"ed25519","key":"<id>","signature":"<base64>"}
//
// Signed is the line "trama plugin signature 1" and the sha256 of all bytes
// before that section, the manifest among them where the file holds it. There
// is one way to write the section, so a byte that changes anywhere takes the
// signature from the file.
//
// Who is trusted is a parameter. The package must not know manifests, grants
// or where files are.
package seal

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/trama-run/trama/host/sandbox/wasm"
)

// Section is the name of the custom section that holds the signature.
const Section = "trama.signature"

// domain keeps a signature of a plugin from counting as one of anything else.
const domain = "trama plugin signature 1\n"

// algorithm is the one that there is: RFC 8032, section 5.1.
const algorithm = "ed25519"

// maxSection is more than a signature takes, in bytes.
const maxSection = 1 << 10

// document is what the section holds, as JSON.
type document struct {
	Algorithm string `json:"alg"`
	Key       string `json:"key"`
	Signature []byte `json:"signature"`
}

// Seal is what a file says of its signature, before it is asked whether the
// key is trusted. The zero Seal is that of a file without one. It may be stored
// with encoding/json.
type Seal struct {
	Key       string `json:"key,omitempty"` // as [Key.ID]
	Signature []byte `json:"signature,omitempty"`
	Sum       []byte `json:"sum,omitempty"` // sha256 of what is signed
	// Fault says why what stands in the section can't be a signature of the
	// file.
	Fault string `json:"fault,omitempty"`
	// Unread says why nobody can tell whether the file has one.
	Unread string `json:"unread,omitempty"`
}

// State says what a signature is worth.
type State string

// The states of a [Status].
const (
	Unsigned   State = "unsigned"
	Trusted    State = "trusted"    // signed by a trusted key
	Unknown    State = "unknown"    // it names a key that is not trusted
	Altered    State = "altered"    // the content is not what was signed
	Unreadable State = "unreadable" // it is no module, or one that is cut off
)

// Status is what a file's signature is worth to those who trust certain keys.
type Status struct {
	State  State  `json:"state"`
	Signer string `json:"signer,omitempty"` // the trusted key's name
	Key    string `json:"key,omitempty"`    // its id, or that of the unknown key
	Reason string `json:"reason,omitempty"` // what is wrong with it
}

// String says it in a few words.
func (s Status) String() string {
	switch s.State {
	case Trusted:
		return "signed by " + s.Signer
	case Unknown:
		return "signed by the unknown key " + s.Key
	case Altered:
		return "altered since it was signed"
	case Unreadable:
		return "unreadable as a WebAssembly module"
	}
	return "not signed"
}

// Sign gives the module with a signature in its last section, in place of one
// that it has. Whatever shall be signed must be in the file by now.
func Sign(module []byte, key ed25519.PrivateKey) ([]byte, error) {
	content, err := wasm.WithoutCustom(module, Section)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(content)
	public := Key(key.Public().(ed25519.PublicKey))
	data, err := json.Marshal(document{algorithm, public.ID(), ed25519.Sign(key, message(sum[:]))})
	if err != nil {
		return nil, err
	}
	return wasm.WithCustom(content, Section, data)
}

// message is what is signed of a content's sum.
func message(sum []byte) []byte { return append([]byte(domain), sum...) }

// Read reads a module's signature. What can't be one is a Fault, as is a second
// one, or one with something after it.
func Read(module []byte) Seal {
	data, ok, err := wasm.Custom(module, Section)
	switch {
	case err != nil && !ok:
		return Seal{Unread: err.Error()}
	case err != nil:
		return Seal{Fault: err.Error()}
	case !ok:
		return Seal{}
	}
	seal, err := read(module, data)
	if err != nil {
		return Seal{Fault: fmt.Sprintf("its section %q: %v", Section, err)}
	}
	return seal
}

func read(module, data []byte) (Seal, error) {
	if len(data) > maxSection {
		return Seal{}, fmt.Errorf("%d bytes are more than a signature has", len(data))
	}
	var d document
	if err := json.Unmarshal(data, &d); err != nil {
		return Seal{}, fmt.Errorf("it is no signature: %w", err)
	}
	if d.Algorithm != algorithm {
		return Seal{}, fmt.Errorf("the algorithm is %q, want %q", d.Algorithm, algorithm)
	}
	if !isID(d.Key) || len(d.Signature) != ed25519.SignatureSize {
		return Seal{}, fmt.Errorf("want a key's id of %d hexadecimal digits and a signature of %d bytes", idDigits, ed25519.SignatureSize)
	}
	tail, err := written(d)
	if err != nil {
		return Seal{}, err
	}
	content, last := bytes.CutSuffix(module, tail)
	if !last {
		return Seal{}, errors.New("it is not the last thing in the file, or not as it is written by `trama plugin sign`")
	}
	sum := sha256.Sum256(content)
	return Seal{Key: d.Key, Signature: d.Signature, Sum: sum[:]}, nil
}

// written gives the section as Sign writes it.
func written(d document) ([]byte, error) {
	data, err := json.Marshal(d)
	if err != nil {
		return nil, err
	}
	const empty = "\x00asm\x01\x00\x00\x00" // the module without sections
	with, err := wasm.WithCustom([]byte(empty), Section, data)
	if err != nil {
		return nil, err
	}
	return with[len(empty):], nil
}

// Status says what the signature is worth to those who trust these keys.
func (s Seal) Status(trusted Keys) Status {
	switch {
	case s.Fault != "":
		return Status{State: Altered, Reason: s.Fault}
	case s.Unread != "":
		return Status{State: Unreadable, Reason: s.Unread}
	case s.Key == "":
		return Status{State: Unsigned}
	}
	for _, name := range slices.Sorted(maps.Keys(trusted)) {
		key := trusted[name]
		if key.ID() != s.Key {
			continue
		}
		if ed25519.Verify(key[:], message(s.Sum), s.Signature) {
			return Status{State: Trusted, Signer: name, Key: s.Key}
		}
		return Status{State: Altered, Key: s.Key, Reason: fmt.Sprintf("the signature by %s (key %s) is not one of this content", name, s.Key)}
	}
	return Status{State: Unknown, Key: s.Key, Reason: fmt.Sprintf("no trusted key has the id %s", s.Key)}
}
