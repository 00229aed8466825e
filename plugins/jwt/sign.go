package main

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"

	"github.com/trama-run/trama/pdk/abi"
	pdk "github.com/trama-run/trama/pdk/go"
)

// SignInput is the input of sign.
type SignInput struct {
	// Key is the name of a key in the host.
	Key       string          `json:"key"`
	Algorithm string          `json:"algorithm"`
	Claims    json.RawMessage `json:"claims"`
	Header    struct {
		KeyID *string `json:"kid"`
		Type  *string `json:"typ"`
	} `json:"header"`
	// ExpiresIn and NotBeforeIn set exp and nbf to so many seconds from now.
	ExpiresIn   *int64 `json:"expires_in"`
	NotBeforeIn *int64 `json:"not_before_in"`
	// IssuedAt says whether iat is set to now where the claims don't have it.
	IssuedAt *bool `json:"issued_at"`
}

// Signed is the output of sign.
type Signed struct {
	Token string `json:"token"`
	// ExpiresAt is the exp that ExpiresIn led to, in seconds since the epoch.
	ExpiresAt int64 `json:"expires_at,omitempty"`
}

type signer struct {
	sign func(key, algorithm string, data []byte) ([]byte, error)
	now  func() time.Time
}

func (s signer) run(in SignInput) (Signed, error) {
	if in.Key == "" {
		return Signed{}, pdk.Errorf(abi.CodeInvalid, `key: the name of a key in the host is missing`)
	}
	if err := known(in.Algorithm); err != nil {
		return Signed{}, err
	}
	payload, expiresAt, err := in.payload(s.now().Unix())
	if err != nil {
		return Signed{}, err
	}
	header := struct {
		Algorithm string  `json:"alg"`
		Type      string  `json:"typ"`
		KeyID     *string `json:"kid,omitempty"`
	}{in.Algorithm, "JWT", in.Header.KeyID}
	if in.Header.Type != nil {
		header.Type = *in.Header.Type
	}
	headerJSON, err := json.Marshal(header)
	if err != nil {
		return Signed{}, err
	}
	text := encodePart(headerJSON) + "." + encodePart(payload)
	signature, err := s.sign(in.Key, in.Algorithm, []byte(text))
	if err != nil {
		return Signed{}, err
	}
	return Signed{Token: text + "." + encodePart(signature), ExpiresAt: expiresAt}, nil
}

// payload gives the claims as given, digits and order unchanged, with the
// times that the input asks for at their end.
func (in SignInput) payload(now int64) (payload []byte, expiresAt int64, err error) {
	if len(in.Claims) == 0 {
		return nil, 0, pdk.Errorf(abi.CodeInvalid, "claims: missing; {} signs none")
	}
	claims, err := parseObject(in.Claims)
	if err != nil {
		return nil, 0, pdk.Errorf(abi.CodeInvalid, "claims: %v", err)
	}
	for _, name := range []string{"exp", "nbf", "iat"} {
		if _, _, err := claims.time(name); err != nil {
			return nil, 0, pdk.Errorf(abi.CodeInvalid, "claims.%s: %v", name, err)
		}
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, in.Claims); err != nil {
		return nil, 0, pdk.Errorf(abi.CodeInvalid, "claims: %v", err)
	}
	payload = bytes.TrimSuffix(compact.Bytes(), []byte{'}'})
	add := func(name string, value int64) {
		if len(payload) > 1 {
			payload = append(payload, ',')
		}
		payload = strconv.AppendInt(append(payload, `"`+name+`":`...), value, 10)
	}
	if claims["iat"] == nil && (in.IssuedAt == nil || *in.IssuedAt) {
		add("iat", now)
	}
	if in.NotBeforeIn != nil {
		if claims["nbf"] != nil {
			return nil, 0, pdk.Errorf(abi.CodeInvalid, `"not_before_in" and claims.nbf are both given; give one`)
		}
		add("nbf", now+*in.NotBeforeIn)
	}
	if in.ExpiresIn != nil {
		if claims["exp"] != nil {
			return nil, 0, pdk.Errorf(abi.CodeInvalid, `"expires_in" and claims.exp are both given; give one`)
		}
		if *in.ExpiresIn <= 0 {
			return nil, 0, pdk.Errorf(abi.CodeInvalid, "expires_in: %d seconds; a token must outlive its signing", *in.ExpiresIn)
		}
		expiresAt = now + *in.ExpiresIn
		add("exp", expiresAt)
	}
	return append(payload, '}'), expiresAt, nil
}
