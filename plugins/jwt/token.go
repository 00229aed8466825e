package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/trama-run/trama/pdk/abi"
	pdk "github.com/trama-run/trama/pdk/go"
)

// Codes of this plugin's errors, beside those of abi.
const (
	codeMalformed = "token_malformed"
	codeAlgorithm = "algorithm_refused"
	codeHeader    = "header_refused"
	codeKey       = "key_refused"
	codeSignature = "signature_invalid"
	codeExpired   = "token_expired"
	codeTooEarly  = "token_not_yet_valid"
	codeAudience  = "audience_mismatch"
	codeIssuer    = "issuer_mismatch"
	codeMissing   = "claim_missing"

	codeUnknownKey = "key_unknown"
)

// object is a JSON object with its members' exact names: a struct would take
// "ALG" for "alg".
type object map[string]json.RawMessage

// token is a JWS in its compact form (RFC 7515, 7.1), taken apart.
type token struct {
	signed    []byte // header and payload as they were signed
	headerRaw json.RawMessage
	header    object
	payload   []byte
	signature []byte
}

func parseToken(text string) (token, error) {
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		return token{}, malformed("a signed token has three parts between dots, this has %d", len(parts))
	}
	header, err := decodePart(parts[0])
	if err != nil {
		return token{}, malformed("header: %v", err)
	}
	t := token{signed: []byte(text[:len(parts[0])+1+len(parts[1])]), headerRaw: header}
	if t.header, err = parseObject(header); err != nil {
		return token{}, malformed("header: %v", err)
	}
	if t.payload, err = decodePart(parts[1]); err != nil {
		return token{}, malformed("claims: %v", err)
	}
	if t.signature, err = decodePart(parts[2]); err != nil {
		return token{}, malformed("signature: %v", err)
	}
	return t, nil
}

// claims parses the payload as a JWT's claims set.
func (t token) claims() (object, error) {
	claims, err := parseObject(t.payload)
	if err != nil {
		return nil, malformed("claims: %v", err)
	}
	return claims, nil
}

// decodePart decodes base64url as RFC 7515 has it: no padding, no line ends,
// no stray bits, so that a token has one spelling.
func decodePart(text string) ([]byte, error) {
	if strings.ContainsAny(text, "\r\n") { // the decoder passes over them
		return nil, errors.New("not base64url: a line end")
	}
	data, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("not base64url without padding: %v", err)
	}
	return data, nil
}

func encodePart(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }

// parseObject parses a JSON object, refusing names that stand twice at any
// depth (RFC 7515, 4; RFC 7519, 4).
func parseObject(data []byte) (object, error) {
	if err := checkNames(data); err != nil {
		return nil, err
	}
	var parsed object
	if err := json.Unmarshal(data, &parsed); err != nil || parsed == nil {
		return nil, errors.New("not a JSON object")
	}
	return parsed, nil
}

func checkNames(data []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var open []map[string]bool // names seen in each open object; nil for an array
	isName := false            // whether the next string is a name
	for {
		token, err := decoder.Token()
		if err == io.EOF && len(open) == 0 {
			return nil
		}
		if err != nil {
			return fmt.Errorf("not JSON: %v", err)
		}
		switch token {
		case json.Delim('{'):
			open = append(open, map[string]bool{})
		case json.Delim('['):
			open = append(open, nil)
		case json.Delim('}'), json.Delim(']'):
			open = open[:len(open)-1]
		default:
			if name, ok := token.(string); ok && isName {
				if open[len(open)-1][name] {
					return fmt.Errorf("the name %q stands twice", name)
				}
				open[len(open)-1][name] = true
				isName = false
				continue
			}
		}
		isName = len(open) > 0 && open[len(open)-1] != nil
	}
}

func parseString(value json.RawMessage) (string, bool) {
	var text *string
	if json.Unmarshal(value, &text) != nil || text == nil {
		return "", false
	}
	return *text, true
}

func malformed(format string, args ...any) *abi.Error {
	return pdk.Errorf(codeMalformed, "token: "+format, args...)
}

// known refuses algorithms other than the contract's, "none" among them.
func known(algorithm string) error {
	if slices.Contains(abi.SignAlgorithms(), algorithm) {
		return nil
	}
	return pdk.Errorf(codeAlgorithm, "algorithm %.40q is refused; use one of %s", algorithm, strings.Join(abi.SignAlgorithms(), ", "))
}

// DecodeInput is the input of decode.
type DecodeInput struct {
	Token string `json:"token"`
}

// Decoded is the output of decode and verify.
type Decoded struct {
	Verified bool            `json:"verified"`
	Header   json.RawMessage `json:"header"`
	Claims   json.RawMessage `json:"claims"`
}

// decodeToken shows what a token says, checking nothing of it.
func decodeToken(in DecodeInput) (Decoded, error) {
	t, err := parseToken(in.Token)
	if err != nil {
		return Decoded{}, err
	}
	if _, err := t.claims(); err != nil {
		return Decoded{}, err
	}
	return Decoded{Header: t.headerRaw, Claims: t.payload}, nil
}
