package main

import (
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/trama-run/trama/pdk/abi"
	"github.com/trama-run/trama/pdk/abi/jwa"
	pdk "github.com/trama-run/trama/pdk/go"
)

// VerifyInput is the input of verify. One of Key, PublicKey and Keys is given.
type VerifyInput struct {
	Token string `json:"token"`
	// Key is the name of a key in the host.
	Key string `json:"key"`
	// PublicKey is a PEM text or a JWK object, asymmetric only.
	PublicKey json.RawMessage `json:"public_key"`
	// Keys is a JWK Set, of which the token's key id names one.
	Keys json.RawMessage `json:"jwks"`
	// Algorithms are those that a token may be signed with.
	Algorithms []string `json:"algorithms"`
	Issuer     *string  `json:"issuer"`
	// Audience is one name, or several of which the token must have one.
	Audience names `json:"audience"`
	// Leeway is how many seconds clocks may differ.
	Leeway int64 `json:"leeway"`
	// Require lists claims that must be there.
	Require []string `json:"require"`
}

const maxLeeway = 600 // seconds: more is no clock skew

// names is a string or an array of strings.
type names []string

func (n *names) UnmarshalJSON(data []byte) error {
	if text, ok := parseString(data); ok {
		*n = names{text}
		return nil
	}
	var many []string
	if err := json.Unmarshal(data, &many); err != nil {
		return errors.New("want a string or an array of strings")
	}
	*n = many
	return nil
}

type verifier struct {
	verify func(key, algorithm string, data, signature []byte) (bool, error)
	now    func() time.Time
}

func (v verifier) run(in VerifyInput) (Decoded, error) {
	if err := in.check(); err != nil {
		return Decoded{}, err
	}
	t, err := parseToken(in.Token)
	if err != nil {
		return Decoded{}, err
	}
	algorithm, err := acceptHeader(t.header, in.Algorithms)
	if err != nil {
		return Decoded{}, err
	}
	valid, err := v.valid(in, t, algorithm)
	if err != nil {
		return Decoded{}, err
	}
	if !valid {
		return Decoded{}, pdk.Errorf(codeSignature, "the signature is not the key's: the token was changed, or signed with another key")
	}
	claims, err := t.claims()
	if err != nil {
		return Decoded{}, err
	}
	if err := in.checkClaims(claims, v.now()); err != nil {
		return Decoded{}, err
	}
	return Decoded{Verified: true, Header: t.headerRaw, Claims: t.payload}, nil
}

// valid checks the signature.
func (v verifier) valid(in VerifyInput, t token, algorithm string) (bool, error) {
	if in.Key != "" {
		return v.verify(in.Key, algorithm, t.signed, t.signature)
	}
	keys, err := in.inline(t.header, algorithm)
	if err != nil {
		return false, err
	}
	for _, k := range keys {
		if valid, err := jwa.Verify(algorithm, k.key, t.signed, t.signature); valid || err != nil {
			return valid, err
		}
	}
	return false, nil
}

func (in VerifyInput) check() error {
	given := 0
	for _, is := range []bool{in.Key != "", isSet(in.PublicKey), isSet(in.Keys)} {
		if is {
			given++
		}
	}
	switch {
	case given != 1:
		return pdk.Errorf(abi.CodeInvalid, `give one of "key", the name of a key in the host, "public_key", a PEM text or JWK, and "jwks", a JWK Set`)
	case len(in.Algorithms) == 0:
		return pdk.Errorf(abi.CodeInvalid, `algorithms: name those that you expect, such as ["RS256"]; a token must not choose its own`)
	case in.Leeway < 0 || in.Leeway > maxLeeway:
		return pdk.Errorf(abi.CodeInvalid, "leeway: %d is not between 0 and %d seconds", in.Leeway, maxLeeway)
	}
	for _, algorithm := range in.Algorithms {
		if err := known(algorithm); err != nil {
			return err
		}
		if in.Key == "" && strings.HasPrefix(algorithm, "HS") {
			return pdk.Errorf(codeAlgorithm, `%s with a public key is refused: anyone could sign; name an HMAC key of the host in "key"`, algorithm)
		}
	}
	return nil
}

// acceptHeader gives the token's algorithm if it is among those expected and
// the header asks for nothing that this plugin doesn't do.
func acceptHeader(header object, algorithms []string) (string, error) {
	algorithm, ok := parseString(header["alg"])
	if !ok {
		return "", malformed(`header: "alg" is missing or no string`)
	}
	if !slices.Contains(algorithms, algorithm) {
		return "", pdk.Errorf(codeAlgorithm, "the token is signed with %q; expected is %q", algorithm, algorithms)
	}
	if header["crit"] != nil {
		return "", pdk.Errorf(codeHeader, `the header's "crit" asks for extensions; none is known here`)
	}
	for _, name := range []string{"jwk", "jku", "x5u", "x5c"} {
		if header[name] != nil {
			return "", pdk.Errorf(codeHeader, "the header brings its own key (%q); only the key given to this operation counts", name)
		}
	}
	if header["b64"] != nil {
		return "", pdk.Errorf(codeHeader, `the header's "b64" is not supported`)
	}
	return algorithm, nil
}

func (in VerifyInput) checkClaims(claims object, at time.Time) error {
	now, leeway := float64(at.UnixMilli())/1000, float64(in.Leeway)
	for _, name := range in.Require {
		if c := claims[name]; c == nil || string(c) == "null" {
			return pdk.Errorf(codeMissing, "the token has no claim %q", name)
		}
	}
	for _, name := range []string{"exp", "nbf", "iat"} {
		seconds, ok, err := claims.time(name)
		switch {
		case err != nil:
			return malformed("claims: %s: %v", name, err)
		case !ok:
		case name == "exp" && now >= seconds+leeway:
			return pdk.Errorf(codeExpired, "the token expired at %s, %.0f seconds ago", clock(seconds), now-seconds)
		case name != "exp" && now < seconds-leeway:
			return pdk.Errorf(codeTooEarly, "the token's %s is %s, %.0f seconds from now", name, clock(seconds), seconds-now)
		}
	}
	if in.Issuer != nil {
		if issuer, ok := parseString(claims["iss"]); !ok || issuer != *in.Issuer {
			return pdk.Errorf(codeIssuer, "the token's issuer is %s, expected is %q", orNone(claims["iss"]), *in.Issuer)
		}
	}
	return in.checkAudience(claims["aud"])
}

// checkAudience also refuses a token with an audience where none is expected:
// it is meant for someone else (RFC 7519, 4.1.3).
func (in VerifyInput) checkAudience(claim json.RawMessage) error {
	var audience names
	if claim != nil {
		if err := audience.UnmarshalJSON(claim); err != nil {
			return malformed("claims: aud: %v", err)
		}
	}
	switch {
	case len(in.Audience) == 0 && claim == nil:
		return nil
	case len(in.Audience) == 0:
		return pdk.Errorf(codeAudience, `the token is for %s; say in "audience" who you are`, claim)
	case !slices.ContainsFunc(audience, func(name string) bool { return slices.Contains(in.Audience, name) }):
		return pdk.Errorf(codeAudience, "the token's audience is %s, expected is %q", orNone(claim), []string(in.Audience))
	}
	return nil
}

// time gives a claim that is a NumericDate: seconds since the epoch, perhaps
// with a fraction (RFC 7519, 2).
func (o object) time(name string) (seconds float64, ok bool, err error) {
	value := o[name]
	if value == nil {
		return 0, false, nil
	}
	seconds, err = strconv.ParseFloat(string(value), 64)
	if err != nil {
		return 0, false, errors.New("not a number of seconds")
	}
	return seconds, true, nil
}

func clock(seconds float64) string {
	const last = 253402300799 // the end of the year 9999
	if seconds < 0 || seconds > last {
		return strconv.FormatFloat(seconds, 'g', -1, 64)
	}
	return time.Unix(int64(seconds), 0).UTC().Format(time.RFC3339)
}

func orNone(claim json.RawMessage) string {
	if claim == nil {
		return "missing"
	}
	return string(claim)
}
