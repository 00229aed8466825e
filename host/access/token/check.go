// Package token checks JSON Web Tokens (RFC 7519): which issuer's are taken,
// for whom, and by which keys, those of a JSON Web Key Set among them.
//
// It must not know requests, or what a token is good for.
package token

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/trama-run/trama/host/egress"
	"github.com/trama-run/trama/host/secret"
)

const (
	leeway         = time.Minute // between clocks
	maxToken       = 8 << 10     // bytes
	minSecretBytes = 32          // of what tokens are signed with (RFC 7518, section 3.2)
)

// UnavailableError says that keys can't be had now, which is no fault of the
// caller's.
type UnavailableError struct{ Cause error }

func (e *UnavailableError) Error() string { return e.Cause.Error() }

func (e *UnavailableError) Unwrap() error { return e.Cause }

// Checker checks tokens. It is safe for concurrent use.
type Checker struct {
	secrets *secret.Source
	sets    *keySets
	now     func() time.Time
	known   *known
}

// NewChecker returns a checker that opens secrets, and fetches key sets through
// the client that serves guests.
func NewChecker(secrets *secret.Source, client *egress.Client, now func() time.Time) *Checker {
	return &Checker{secrets, &keySets{fetch: fetcher(client), now: now, sets: map[string]*keySet{}}, now, newKnown()}
}

// Check checks a token and gives its claims, which must not be changed. Errors:
// *UnavailableError, others for a token that is not taken.
func (c *Checker) Check(ctx context.Context, j *JWT, text string) (map[string]any, error) {
	now := c.now()
	if len(text) > maxToken {
		return nil, errors.New("the token is too long")
	}
	name := knownToken{j, sha256.Sum256([]byte(text))}
	if claims := c.again(ctx, name, now); claims != nil {
		return claims, nil
	}
	found := &taken{since: now}
	parser := jwt.NewParser(
		jwt.WithValidMethods(j.Algorithms), jwt.WithIssuer(j.Issuer), jwt.WithAudience(j.Audience),
		jwt.WithExpirationRequired(), jwt.WithLeeway(leeway), jwt.WithJSONNumber(),
		jwt.WithTimeFunc(func() time.Time { return now }),
	)
	claims := jwt.MapClaims{}
	_, err := parser.ParseWithClaims(text, claims, func(t *jwt.Token) (any, error) {
		if _, critical := t.Header["crit"]; critical { // RFC 7515, section 4.1.11
			return nil, errors.New("the token has extensions that must be understood")
		}
		found.algorithm = t.Method.Alg()
		found.kid, _ = t.Header["kid"].(string)
		var err error
		found.keys, err = c.keys(ctx, j, found.algorithm, found.kid)
		return found.keys, err
	})
	if unavailable, ok := errors.AsType[*UnavailableError](err); ok {
		return nil, unavailable
	}
	if err != nil {
		return nil, err
	}
	end, err := claims.GetExpirationTime() // it was checked, so it is there
	if err != nil {
		return nil, err
	}
	found.until = end.Add(leeway)
	found.claims = plain(map[string]any(claims)).(map[string]any)
	c.known.add(name, found)
	return found.claims, nil
}

// keys gives the keys that a token of an algorithm may be signed with.
func (c *Checker) keys(ctx context.Context, j *JWT, algorithm, kid string) (any, error) {
	kind := kindOf(algorithm)
	if kind == kindSecret {
		secret, err := c.secrets.Open(j.Secret)
		if err != nil {
			return nil, &UnavailableError{err}
		}
		if len(secret.Reveal()) < minSecretBytes {
			return nil, &UnavailableError{fmt.Errorf("secret %q is shorter than the %d bytes that tokens need", j.Secret, minSecretBytes)}
		}
		return []byte(secret.Reveal()), nil
	}
	var set jwt.VerificationKeySet
	for _, k := range j.Keys {
		if k.kind == kind {
			set.Keys = append(set.Keys, k.key)
		}
	}
	if j.JWKS != "" {
		found, err := c.sets.of(j.JWKS).get(ctx, kid, c.now())
		switch {
		case errors.Is(err, ErrUnknownKey) && len(set.Keys) == 0:
			return nil, err
		case err != nil && !errors.Is(err, ErrUnknownKey):
			return nil, &UnavailableError{err}
		}
		for _, k := range found {
			if k.serves(kind, algorithm, kid) {
				set.Keys = append(set.Keys, k.key)
			}
		}
	}
	if len(set.Keys) == 0 {
		return nil, errors.New("no key is the token's")
	}
	return set, nil
}

// Scopes gives the scopes that a token's claims hold.
func (j *JWT) Scopes(claims map[string]any) (scopes []string) {
	names := []string{"scope", "scp"}
	if j.ScopesClaim != "" {
		names = []string{j.ScopesClaim}
	}
	for _, name := range names {
		switch v := claims[name].(type) {
		case string:
			scopes = append(scopes, strings.Fields(v)...)
		case []any:
			for _, s := range v {
				if text, ok := s.(string); ok {
					scopes = append(scopes, text)
				}
			}
		}
	}
	slices.Sort(scopes)
	return slices.Compact(scopes)
}

// plain gives JSON values with int64 where integers fit, as flows have them.
func plain(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for key, value := range v {
			v[key] = plain(value)
		}
	case []any:
		for i, value := range v {
			v[i] = plain(value)
		}
	case json.Number:
		if i, err := v.Int64(); err == nil {
			return i
		}
		if f, err := v.Float64(); err == nil {
			return f
		}
		return v.String()
	}
	return v
}

// Bearer gives the token of an Authorization header.
func Bearer(header string) (token string, ok bool) {
	scheme, token, found := strings.Cut(header, " ")
	token = strings.Trim(token, " ")
	return token, found && token != "" && strings.EqualFold(scheme, "Bearer")
}
