package admin

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/problem"
	"github.com/trama-run/trama/host/store"
)

// TokenInfo is a token as lists show it.
type TokenInfo struct {
	ID      string       `json:"id"`
	Role    catalog.Role `json:"role"`
	Hint    string       `json:"hint"` // its last characters
	Created time.Time    `json:"created"`
	Expires time.Time    `json:"expires,omitzero"`
	Expired bool         `json:"expired,omitempty"`
	// Used is when it was used last, to the hour; absent if it never was.
	Used time.Time `json:"used,omitzero"`
}

// TokenRequest asks for a token.
type TokenRequest struct {
	ID   string       `json:"id"`
	Role catalog.Role `json:"role"`
	// Expires is when it ends; the zero time: never.
	Expires time.Time `json:"expires,omitzero"`
}

// NewToken is a token that was made. Its value is shown this once.
type NewToken struct {
	TokenInfo
	Token string `json:"token"`
}

// tokenPrefix begins the tokens that the API makes, so that scanners for
// secrets in source code know one.
const tokenPrefix = "trama_"

func (a api) listTokens(c *fiber.Ctx) error {
	tokens, list := a.Catalog.Snapshot().Tokens, []TokenInfo{}
	for _, id := range slices.Sorted(maps.Keys(tokens)) {
		info := a.tokenInfo(tokens[id])
		record, err := a.Store.Load(c.UserContext(), store.ID{Kind: kindUsed, Key: tokens[id].Hash})
		if err == nil {
			info.Used, err = time.Parse(time.RFC3339, string(record.Value))
		}
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("use of token %s: %w", id, err)
		}
		list = append(list, info)
	}
	return c.JSON(list)
}

func (a api) tokenInfo(t catalog.Token) TokenInfo {
	return TokenInfo{ID: t.ID, Role: t.Role, Hint: t.Hint, Created: t.Created, Expires: t.Expires, Expired: !t.Expires.IsZero() && !a.Now().Before(t.Expires)}
}

// createToken makes a token. An id is of one token: another is made under
// another id, so that both hold while the one takes the other's place.
func (a api) createToken(c *fiber.Ctx) error {
	var q TokenRequest
	if err := strict(c, &q); err != nil {
		return err
	}
	now := a.Now().UTC().Truncate(time.Second)
	switch _, exists := a.Catalog.Snapshot().Tokens[q.ID]; {
	case exists:
		return problem.New(409, "exists", fmt.Sprintf("there is a token %q already: remove it first, or make one of another id", q.ID))
	case !q.Expires.IsZero() && !q.Expires.After(now):
		return problem.New(422, "invalid", "expires is in the past")
	}
	var random [32]byte
	rand.Read(random[:]) // never fails (crypto/rand)
	value := tokenPrefix + base64.RawURLEncoding.EncodeToString(random[:])
	sum := sha256.Sum256([]byte(value))
	t := catalog.Token{ID: q.ID, Role: q.Role, Hash: hex.EncodeToString(sum[:]), Hint: value[len(value)-4:], Created: now, Expires: q.Expires.UTC()}
	data, err := json.Marshal(t)
	if err != nil {
		return err
	}
	kind, _ := catalog.KindOf("token")
	changes, err := a.Catalog.Put(c.UserContext(), kind, q.ID, data)
	if err != nil {
		return a.changed(c, nil, err)
	}
	noteChanges(c, changes)
	return c.Status(fiber.StatusCreated).JSON(NewToken{a.tokenInfo(t), value})
}

// removeToken takes a token back, at once.
func (a api) removeToken(c *fiber.Ctx) error {
	changes, err := a.Catalog.Remove(c.UserContext(), "token", strings.Clone(c.Params("id")))
	return a.changed(c, changes, err)
}
