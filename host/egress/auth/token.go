package auth

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/trama-run/trama/pdk/abi"
)

const (
	fetchTime = 20 * time.Second // one token request
	// earlier is how long before its end a token is no longer used, at most a
	// fifth of its life.
	earlier = time.Minute
	// refusedFor is how long a token endpoint is not asked again after it refused:
	// asking does not change its mind, and some lock clients out that go on.
	refusedFor = 2 * time.Minute
	// renewedFor is how long a token that was fetched after a 401 is kept through
	// another: an API that answers so whatever the token is would cost one with
	// each call, and some servers give another refresh token with each.
	renewedFor = 30 * time.Second
)

// Vault keeps what must survive a restart: refresh tokens that a server put in
// the place of configured ones.
type Vault interface {
	// Get returns what was put under a name, or "" if there is nothing.
	Get(name string) (string, error)
	// Put has it on disk, encrypted, when it returns.
	Put(name, value string) error
}

// Config joins a keeper to its surroundings.
type Config struct {
	Vault Vault // nil: rotated refresh tokens last as long as the process
	Log   *slog.Logger
	Now   func() time.Time // nil means time.Now
}

// Keeper holds the tokens that other systems issued: one for each auth,
// whichever connection it stands in. A token is fetched by one request however
// many calls wait for it, before it runs out, and anew after a 401.
type Keeper struct {
	config Config
	now    clock

	mu     sync.Mutex
	tokens map[string]*token // by the auth as JSON; guarded by mu
	// rotated are refresh tokens that servers gave, by vaultName; guarded by mu
	rotated map[string]rotated
}

// token is one auth's access token and what makes the next one.
type token struct {
	issued
	dropped bool      // the one before was refused with 401
	renewed time.Time // when one was fetched in the place of such a one
	secrets string    // fingerprint of the secrets that it was fetched with
	flight  *flight   // nil if none is on its way
	refusal refusal   // of the last answer
}

// refusal is that a token endpoint did not give a token for these secrets.
type refusal struct {
	failure *abi.Error // nil: it did, or was not reached
	secrets string     // fingerprint
	until   time.Time  // it is not asked before
}

// issued is what a token endpoint gave.
type issued struct {
	value   string
	expires time.Time // zero: not said
	// refresh are the refresh tokens that it was got with and that came with
	// it: every scope that uses the token hides them, not only the one that
	// fetched it.
	refresh []string
}

func (i issued) hideIn(s Scope) string {
	s.Hide(i.value)
	for _, refresh := range i.refresh {
		s.Hide(refresh)
	}
	return i.value
}

// flight is one token request, which all that need it wait for.
type flight struct {
	done   chan struct{} // closed when issued and err are there
	issued issued
	err    error
}

// NewKeeper returns an empty keeper.
func NewKeeper(config Config) *Keeper {
	k := &Keeper{config: config, now: config.Now, tokens: map[string]*token{}, rotated: map[string]rotated{}}
	if k.now == nil {
		k.now = time.Now
	}
	if k.config.Log == nil {
		k.config.Log = slog.New(slog.DiscardHandler)
	}
	return k
}

// token returns a valid access token, hidden in the scope.
func (k *Keeper) token(ctx context.Context, a Auth, s Scope) (string, error) {
	name, err := json.Marshal(a)
	if err != nil {
		return "", fail(abi.CodeInvalid, "auth: %v", err)
	}
	opened, err := open(a, s.Open)
	if err != nil {
		return "", err
	}
	k.mu.Lock()
	t := k.tokens[string(name)]
	if t == nil {
		t = &token{}
		k.tokens[string(name)] = t
	}
	if t.value != "" && t.secrets == opened.fingerprint() && (t.expires.IsZero() || k.now().Before(t.expires)) {
		kept := t.issued
		k.mu.Unlock()
		return kept.hideIn(s), nil
	}
	if r := t.refusal; t.flight == nil && r.failure != nil && r.secrets == opened.fingerprint() && k.now().Before(r.until) {
		k.mu.Unlock()
		return "", r.failure
	}
	if t.flight == nil {
		t.flight = &flight{done: make(chan struct{})}
		go k.fetch(a, s, opened, t, t.flight)
	}
	f := t.flight
	k.mu.Unlock()
	select {
	case <-f.done:
		if f.err != nil {
			return "", f.err
		}
		return f.issued.hideIn(s), nil
	case <-ctx.Done():
		return "", fail(abi.CodeTimeout, "%s: no token in time", tokenOrigin(a.tokenURL()))
	}
}

// fetch ends a flight. It belongs to no call, so that none that is stopped
// takes the token from the others.
func (k *Keeper) fetch(a Auth, s Scope, opened secrets, t *token, f *flight) {
	ctx, cancel := context.WithTimeout(context.Background(), fetchTime)
	defer cancel()
	got, err := k.request(ctx, a, s, opened)
	if err != nil { // those that wait have scopes of their own, which hide less
		shaped := *asError(err)
		shaped.Message = s.Redact(shaped.Message)
		err = &shaped
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	t.refusal = refusal{}
	if err == nil {
		t.issued, t.secrets = got, opened.fingerprint()
		if t.dropped {
			t.dropped, t.renewed = false, k.now()
		}
	} else if shaped := asError(err); shaped.Code == CodeUnauthorized {
		t.refusal = refusal{shaped, opened.fingerprint(), k.now().Add(refusedFor)}
	}
	t.flight = nil
	f.issued, f.err = got, err
	close(f.done)
}

// Renewable says that a request which was answered with 401 may succeed with
// another token: the one that it carried is not used any more, unless it stands
// itself, since a moment ago, in the place of one that was refused.
func (k *Keeper) Renewable(a Auth, r *http.Request) bool {
	if a.Type != OAuth2 && a.Type != ServiceAccount {
		return false
	}
	name, err := json.Marshal(a)
	if err != nil {
		return false
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	t := k.tokens[string(name)]
	if t == nil {
		return false
	}
	if "Bearer "+t.value == r.Header.Get("Authorization") {
		if k.now().Before(t.renewed.Add(renewedFor)) {
			return false
		}
		t.value, t.dropped = "", true
	}
	return true
}

// Refused returns why the token endpoint gave no token when it was asked last,
// if the secrets that value gives are those that it was asked with.
func (k *Keeper) Refused(a Auth, value func(name string) (string, error)) *abi.Error {
	name, err := json.Marshal(a)
	if err != nil {
		return nil
	}
	k.mu.Lock()
	var r refusal
	if t := k.tokens[string(name)]; t != nil {
		r = t.refusal
	}
	k.mu.Unlock()
	if r.failure == nil {
		return nil
	}
	if opened, err := open(a, value); err != nil || opened.fingerprint() != r.secrets {
		return nil
	}
	return r.failure
}

// secrets are the opened secrets of an auth that fetches tokens.
type secrets struct{ secret, refresh string }

func open(a Auth, value func(name string) (string, error)) (opened secrets, err error) {
	if a.Secret != "" {
		if opened.secret, err = value(a.Secret); err != nil {
			return opened, err
		}
	}
	if a.RefreshToken != "" {
		opened.refresh, err = value(a.RefreshToken)
	}
	return opened, err
}

// fingerprint changes when the operator changes a secret.
func (s secrets) fingerprint() string {
	a, b := sha256.Sum256([]byte(s.secret)), sha256.Sum256([]byte(s.refresh))
	return hex.EncodeToString(a[:]) + hex.EncodeToString(b[:])
}
