package admin

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/trama-run/trama/host/access/token"
	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/problem"
	"github.com/trama-run/trama/host/store"
)

// caller is who sent a request.
type caller struct {
	token string // the token's id, or TokenFile
	role  catalog.Role
}

// CodeExpired is the code of the problem that a token's end is.
const CodeExpired = "token_expired"

// localCaller is where a request's caller stands among its locals.
const localCaller = "caller"

// authenticate finds who sends a request by its bearer token: the one of the
// data directory's file, or one that was made through the API. All are
// compared in constant time, and all of them.
func (a api) authenticate(c *fiber.Ctx) error {
	given, ok := token.Bearer(c.Get(fiber.HeaderAuthorization))
	if !ok {
		return unauthorized(c, "token", "send a token: Authorization: Bearer <token>; the first one is in the file "+TokenFile+" of the data directory")
	}
	sum, own := sha256.Sum256([]byte(given)), sha256.Sum256([]byte(a.Token))
	hash := hex.EncodeToString(sum[:])
	var found catalog.Token
	for _, t := range a.Catalog.Snapshot().Tokens {
		if subtle.ConstantTimeCompare([]byte(hash), []byte(t.Hash)) == 1 {
			found = t
		}
	}
	now := a.Now()
	switch {
	case subtle.ConstantTimeCompare(sum[:], own[:]) == 1:
		c.Locals(localCaller, caller{TokenFile, catalog.RoleAdmin})
		return c.Next()
	case found.ID == "":
		return a.wrong(c, unauthorized(c, "token", "the token is not one of this server; the admin's is in the file admin.token of its data directory"))
	case !found.Expires.IsZero() && !now.Before(found.Expires):
		return a.wrong(c, unauthorized(c, CodeExpired, fmt.Sprintf("the token %s expired at %s: ask an admin for another", found.ID, found.Expires.Format(time.RFC3339))))
	}
	a.used.note(c, a, found.Hash, now)
	c.Locals(localCaller, caller{found.ID, found.Role})
	return c.Next()
}

func unauthorized(c *fiber.Ctx, code, detail string) error {
	c.Set(fiber.HeaderWWWAuthenticate, "Bearer")
	return problem.New(401, code, detail)
}

// wrong answers a token that is not taken: its address is locked out after too
// many, and the audit log has a bounded number of them. A token that is taken
// is taken from such an address too: nobody guesses one, and a script with an
// old token must not shut out the operators beside it.
func (a api) wrong(c *fiber.Ctx, refused error) error {
	from, err := netip.ParseAddr(c.IP())
	if err != nil {
		return err
	}
	if wait := a.guesses.Shut(from); wait > 0 {
		d := problem.New(429, "locked_out", "too many wrong tokens came from this address; one that is taken is taken still")
		d.Retry, d.RetryAfter = true, wait
		return d
	}
	a.guesses.Failed(from)
	return a.strange(c, refused)
}

// allow is an endpoint's handler for those who may: what changes something, or
// takes an admin to see, is in the audit log.
func (a api) allow(e endpoint) fiber.Handler {
	need := e.needs()
	method, _ := e.route()
	handle := e.handle
	if method != fiber.MethodGet && need != catalog.RoleViewer || need == catalog.RoleAdmin {
		handle = a.audited(e, handle)
	}
	return func(c *fiber.Ctx) error {
		who, _ := c.Locals(localCaller).(caller)
		if who.role.Includes(need) {
			return handle(c)
		}
		return a.refuse(c, who, problem.New(403, "role", fmt.Sprintf("this needs a token of the role %s, and %s has the role %s", need, who.token, who.role)))
	}
}

// Caller says whose token a request came with.
type Caller struct {
	Token string       `json:"token"`
	Role  catalog.Role `json:"role"`
}

func (a api) whoami(c *fiber.Ctx) error {
	who, _ := c.Locals(localCaller).(caller)
	return c.JSON(Caller{who.token, who.role})
}

// kindUsed are the records of when tokens were used, by their hash.
const kindUsed store.Kind = "token_used"

// usedEvery is how coarse they are.
const usedEvery = time.Hour

// used remembers when tokens were used, so that most uses write nothing.
type used struct {
	mu   sync.Mutex
	last map[string]time.Time // by hash
}

// note stores that a token is used now. That it can't be stored is no reason
// to keep an operator out: it is logged.
func (u *used) note(c *fiber.Ctx, a api, hash string, now time.Time) {
	u.mu.Lock()
	known := now.Sub(u.last[hash]) < usedEvery
	if !known {
		u.last[hash] = now
	}
	u.mu.Unlock()
	if known {
		return
	}
	_, err := a.Store.Commit(c.UserContext(), &store.Batch{Put: []store.Put{{
		ID: store.ID{Kind: kindUsed, Key: hash}, Value: []byte(now.UTC().Format(time.RFC3339)), TTL: a.AuditFor,
	}}})
	if err != nil {
		a.Log.Warn("use of a token not stored", "error", err)
	}
}
