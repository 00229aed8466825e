package token

import (
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/subtle"
	"slices"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// maxKnown is how many tokens are remembered at least, lately used ones first.
const maxKnown = 1024

// known remembers tokens that were taken: a caller sends the same one with each
// call, and the answer is the same while its keys and the time allow it. Two
// generations bound it; what is still used moves into the newer one.
type known struct {
	mu       sync.Mutex
	now, old map[knownToken]*taken
}

// knownToken is a token under the settings that it was taken by. Settings that
// are read anew are others.
type knownToken struct {
	by  *JWT
	sum [sha256.Size]byte
}

// taken is a token whose signature and claims were right.
type taken struct {
	claims         map[string]any // not to be changed
	algorithm, kid string
	keys           any // one of which it was signed with
	since, until   time.Time
}

func newKnown() *known { return &known{now: map[knownToken]*taken{}} }

func (k *known) get(key knownToken) *taken {
	k.mu.Lock()
	defer k.mu.Unlock()
	if t := k.now[key]; t != nil {
		return t
	}
	t := k.old[key]
	if t != nil {
		k.put(key, t)
	}
	return t
}

func (k *known) add(key knownToken, t *taken) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.put(key, t)
}

// put is add for who holds mu.
func (k *known) put(key knownToken, t *taken) {
	if len(k.now) >= maxKnown {
		k.old, k.now = k.now, map[knownToken]*taken{}
	}
	k.now[key] = t
}

// again gives the claims of a token that was taken before, if its keys are what
// they were and its time is not over; nil: it must be checked anew.
func (c *Checker) again(ctx context.Context, key knownToken, now time.Time) map[string]any {
	t := c.known.get(key)
	if t == nil || now.Before(t.since) || !now.Before(t.until) {
		return nil
	}
	keys, err := c.keys(ctx, key.by, t.algorithm, t.kid)
	if err != nil || !sameKeys(keys, t.keys) {
		return nil
	}
	return t.claims
}

// sameKeys says whether two results of Checker.keys are the same keys.
func sameKeys(a, b any) bool {
	if secret, is := a.([]byte); is {
		other, is := b.([]byte)
		return is && subtle.ConstantTimeCompare(secret, other) == 1
	}
	set, is := a.(jwt.VerificationKeySet)
	other, too := b.(jwt.VerificationKeySet)
	return is && too && slices.EqualFunc(set.Keys, other.Keys, func(a, b jwt.VerificationKey) bool {
		key, comparable := a.(interface{ Equal(crypto.PublicKey) bool })
		return comparable && key.Equal(b)
	})
}
