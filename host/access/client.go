package access

import (
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// Client is a registered caller. It has no id of its own: its keys' are what a
// caller sends, and they change.
type Client struct {
	Name  string `json:"name" source:"required"`
	Title string `json:"title,omitempty"`
	// Scopes are what the client may do, in the words of the routes.
	Scopes []string `json:"scopes,omitempty"`
	// Rate and Quota bound its calls to all routes together.
	Rate  Rate `json:"rate,omitzero"`
	Quota Rate `json:"quota,omitzero"`
	// Signed says that new keys get a secret to sign requests with.
	Signed bool  `json:"signed,omitempty"`
	Keys   []Key `json:"keys,omitempty"`
}

// Key is one value that a client may send as client_id. The value itself is
// kept nowhere.
type Key struct {
	// ID begins the value, and is no secret.
	ID string `json:"id" source:"required"`
	// Hash is the SHA-256 of the value, in hexadecimal.
	Hash string `json:"hash" source:"required"`
	// Hint is how the value ends.
	Hint    string    `json:"hint,omitempty"`
	Created time.Time `json:"created,omitzero"`
	// Expires is the end of the key; zero: it has none.
	Expires time.Time `json:"expires,omitzero"`
	Revoked time.Time `json:"revoked,omitzero"`
	// Signed says that the vault has a secret of the key.
	Signed bool `json:"signed,omitempty"`
}

// States of a key.
const (
	KeyActive  = "active"
	KeyExpired = "expired"
	KeyRevoked = "revoked"
)

// State says whether the key is taken at a time.
func (k Key) State(now time.Time) string {
	switch {
	case !k.Revoked.IsZero():
		return KeyRevoked
	case !k.Expires.IsZero() && !now.Before(k.Expires):
		return KeyExpired
	}
	return KeyActive
}

// A key's value is "trama_", 8 characters that are its id, "_" and 52 that are
// 256 random bits, all in lower-case base 32.
const (
	keyPrefix    = "trama_"
	keyIDLength  = 8
	keyLength    = len(keyPrefix) + keyIDLength + 1 + 52
	hintLength   = 4
	maxKeys      = 20 // of a client; those that ended go first
	secretPrefix = "tramasec_"
)

var base32Lower = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

func random(bytes int) string {
	data := make([]byte, bytes)
	rand.Read(data) // never fails (crypto/rand)
	return base32Lower.EncodeToString(data)
}

// NewKey makes a key, and the value that is its client's alone to know; with
// signed, the secret too.
func NewKey(now time.Time, signed bool) (key Key, value, secret string) {
	id := random(5)
	value = keyPrefix + id + "_" + random(32)
	if signed {
		secret = secretPrefix + random(32)
	}
	hash := sha256.Sum256([]byte(value))
	return Key{ID: id, Hash: hex.EncodeToString(hash[:]), Hint: value[len(value)-hintLength:], Created: now.UTC().Truncate(time.Second), Signed: signed}, value, secret
}

// Add gives the client a key, and takes the oldest away that nobody can use if
// it has many.
func (c *Client) Add(key Key, now time.Time) error {
	for i := 0; i < len(c.Keys) && len(c.Keys) >= maxKeys; {
		if c.Keys[i].State(now) == KeyActive {
			i++
			continue
		}
		c.Keys = append(c.Keys[:i:i], c.Keys[i+1:]...)
	}
	if len(c.Keys) >= maxKeys {
		return fmt.Errorf("client %q has %d keys that are in use: revoke some first", c.Name, len(c.Keys))
	}
	c.Keys = append(c.Keys, key)
	return nil
}

// VaultName is under which name the vault has the secret of a client's key.
func VaultName(client, keyID string) string { return "client/" + client + "/" + keyID }

// idOfKey gives the id in a value that has a value's form; of another text, one
// that no key has.
func idOfKey(value string) string {
	if len(value) != keyLength || !strings.HasPrefix(value, keyPrefix) {
		return ""
	}
	return value[len(keyPrefix) : len(keyPrefix)+keyIDLength]
}

var (
	namePattern = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,39}$`)
	idPattern   = regexp.MustCompile(`^[a-z2-7]{8}$`)
	hashPattern = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// Validate returns what is wrong with the client, each with its remedy.
func (c Client) Validate() (problems []string) {
	add := func(format string, args ...any) {
		problems = append(problems, fmt.Sprintf("client %q: ", c.Name)+fmt.Sprintf(format, args...))
	}
	if !namePattern.MatchString(c.Name) || c.Name == "any" {
		add(`name it with lower-case letters, digits, _ and -, starting with a letter, and not "any"`)
	}
	if len(c.Title) > 200 {
		add("its title is longer than 200 characters: shorten it")
	}
	for _, scope := range c.Scopes {
		if !ValidScope(scope) {
			add("scope %q: use letters, digits and . _ : / - without spaces", scope)
		}
	}
	if len(c.Keys) > maxKeys {
		add("it has more than %d keys: take out those that ended", maxKeys)
	}
	seen := map[string]bool{}
	for _, k := range c.Keys {
		if !idPattern.MatchString(k.ID) || !hashPattern.MatchString(k.Hash) || seen[k.ID] {
			add("key %q is none that trama made: take it out, and make one with: trama client rotate %s", k.ID, cmp.Or(c.Name, "NAME"))
		}
		seen[k.ID] = true
	}
	return problems
}
