package token

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// JWT is which tokens are taken (RFC 7519). The keys are given by one of JWKS,
// Secret and Keys.
type JWT struct {
	Issuer   string `json:"issuer" source:"required"`
	Audience string `json:"audience" source:"required"`
	// Algorithms are those that a token may be signed with, such as RS256; no
	// token chooses another.
	Algorithms []string `json:"algorithms" source:"required"`
	// JWKS is the URL of the issuer's keys.
	JWKS string `json:"jwks,omitempty"`
	// Secret names the secret of this host that tokens are signed with.
	Secret string `json:"secret,omitempty"`
	// Keys are the issuer's public keys, in PEM.
	Keys []PublicKey `json:"keys,omitempty"`
	// ScopesClaim is the claim that holds the scopes: a list, or text with
	// spaces between them. Without it: scope, and scp.
	ScopesClaim string `json:"scopes_claim,omitempty"`
}

// algorithms are those that a token may be signed with, and the kind of key
// that each takes.
var algorithms = []struct {
	name string
	kind keyKind
}{
	{"HS256", kindSecret}, {"HS384", kindSecret}, {"HS512", kindSecret},
	{"RS256", kindRSA}, {"RS384", kindRSA}, {"RS512", kindRSA},
	{"PS256", kindRSA}, {"PS384", kindRSA}, {"PS512", kindRSA},
	{"ES256", kindP256}, {"ES384", kindP384}, {"ES512", kindP521},
	{"EdDSA", kindEd25519},
}

// keyKind is what a key is; it serves the algorithms of its kind and no other,
// so that a public key is never taken for an HMAC secret.
type keyKind string

const (
	kindSecret  keyKind = "a secret"
	kindRSA     keyKind = "an RSA key"
	kindP256    keyKind = "a key on P-256"
	kindP384    keyKind = "a key on P-384"
	kindP521    keyKind = "a key on P-521"
	kindEd25519 keyKind = "an Ed25519 key"
)

// kindOf gives the kind of key that an algorithm takes, "" of an unknown one.
func kindOf(algorithm string) keyKind {
	for _, a := range algorithms {
		if a.name == algorithm {
			return a.kind
		}
	}
	return ""
}

// minRSABits is the shortest RSA key that RFC 7518, section 3.3, allows.
const minRSABits = 2048

// kindOfKey gives the kind of a public key, or why it is of none.
func kindOfKey(key any) (keyKind, error) {
	switch k := key.(type) {
	case *rsa.PublicKey:
		if k.N.BitLen() < minRSABits {
			return "", fmt.Errorf("it is an RSA key of %d bits: at least %d are asked for", k.N.BitLen(), minRSABits)
		}
		return kindRSA, nil
	case *ecdsa.PublicKey:
		switch k.Curve.Params().BitSize {
		case 256:
			return kindP256, nil
		case 384:
			return kindP384, nil
		case 521:
			return kindP521, nil
		}
		return "", fmt.Errorf("its curve %s has no algorithm", k.Curve.Params().Name)
	case ed25519.PublicKey:
		return kindEd25519, nil
	}
	return "", fmt.Errorf("keys of type %T have no algorithm", key)
}

// PublicKey is a public key in PEM.
type PublicKey struct {
	text string
	key  any // *rsa.PublicKey, *ecdsa.PublicKey or ed25519.PublicKey
	kind keyKind
}

// UnmarshalText reads one PEM block of the type PUBLIC KEY.
func (k *PublicKey) UnmarshalText(text []byte) error {
	block, rest := pem.Decode(text)
	if block == nil || block.Type != "PUBLIC KEY" || strings.TrimSpace(string(rest)) != "" {
		return errors.New("is not one public key in PEM; write -----BEGIN PUBLIC KEY----- and what follows, as openssl pkey -pubout prints it")
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return errors.New("can't be read as the public key that it says it is")
	}
	kind, err := kindOfKey(key)
	if err != nil {
		return err
	}
	*k = PublicKey{string(text), key, kind}
	return nil
}

// MarshalText writes the key as it was read.
func (k PublicKey) MarshalText() ([]byte, error) { return []byte(k.text), nil }

// Validate returns what is wrong with the settings, each with its remedy.
func (j JWT) Validate() (problems []string) {
	add := func(format string, args ...any) { problems = append(problems, "jwt: "+fmt.Sprintf(format, args...)) }
	if j.Issuer == "" || j.Audience == "" {
		add("issuer and audience say whose tokens are meant, for whom: give both")
	}
	given := 0
	for _, is := range []bool{j.JWKS != "", j.Secret != "", len(j.Keys) > 0} {
		if is {
			given++
		}
	}
	if given != 1 {
		add("it needs one of jwks (a URL), secret (a secret's name) and keys (public keys in PEM), and has %d", given)
	}
	if u, err := url.Parse(j.JWKS); j.JWKS != "" && (err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.Fragment != "") {
		add("jwks: write the address of the issuer's keys, such as https://login.example.com/jwks.json")
	}
	if len(j.Algorithms) == 0 {
		add("algorithms: name those that the issuer signs with, such as [RS256]")
	}
	for _, name := range j.Algorithms {
		kind := kindOf(name)
		switch {
		case kind == "":
			names := make([]string, len(algorithms))
			for i, a := range algorithms {
				names[i] = a.name
			}
			add("algorithm %q is none that is taken: use %s", name, strings.Join(names, ", "))
		case (kind == kindSecret) != (j.Secret != "") && given == 1:
			add("algorithm %s takes %s, which is not what is given", name, kind)
		case len(j.Keys) > 0 && !slices.ContainsFunc(j.Keys, func(k PublicKey) bool { return k.kind == kind }):
			add("algorithm %s takes %s, and none of the keys is one", name, kind)
		}
	}
	return problems
}
