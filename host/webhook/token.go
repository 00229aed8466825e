package webhook

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"sync"
	"time"

	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/pdk/abi"
)

// Times of tokens.
const (
	fetchTime = 30 * time.Second // that one may take to come
	// earlier is how long before its end a token is renewed, at most a fifth of
	// its life.
	earlier    = time.Minute
	maxBackoff = time.Minute // between two tries to get one
)

// tokens holds the tokens of subscriptions, one for each name. A token is
// fetched by one request however many deliveries wait for it: before it runs
// out, and anew once it was refused. It is kept in the vault, so that a restart
// needs no other.
type tokens struct {
	webhooks *Webhooks

	mu   sync.Mutex
	held map[string]*token // by subscription and name; guarded by mu, with what is in it
}

// issued is a token, as it is kept.
type issued struct {
	Of    string    `json:"of"` // the sum of its source: another source, another token
	Value string    `json:"value"`
	Renew time.Time `json:"renew,omitzero"` // zero: when it is refused
	End   time.Time `json:"end,omitzero"`   // until it is used, where there is no other
}

// token is one name's.
type token struct {
	issued
	kept   bool // the vault was looked into
	flight *flight
	// failure is why the last try to get one failed, until when there is no
	// other.
	failure *abi.Error
	again   time.Time
	failed  int // in a row
}

// flight is one request, which all that need the token wait for.
type flight struct {
	done    chan struct{} // closed when value and failure are there
	value   string
	failure *abi.Error
}

// get gives a token that can be used now.
func (t *tokens) get(ctx context.Context, s *subscription, name string) (string, *abi.Error) {
	source, ok := s.Tokens[name]
	if !ok { // Check refuses such a document
		return "", unavailable(s, "token %q is not described", name)
	}
	sums, err := s.sums()
	if err != nil {
		return "", unavailable(s, "token %q: %v", name, err)
	}
	of := sums[name]
	t.mu.Lock()
	key := s.ID + "\n" + name
	k := t.held[key]
	if k == nil || k.Of != of {
		k = &token{issued: issued{Of: of}}
		t.held[key] = k
	}
	now := t.webhooks.now()
	if !k.fresh(now) && k.flight == nil && !now.Before(k.again) {
		k.flight = &flight{done: make(chan struct{})}
		go t.fly(s, name, source, k)
	}
	switch {
	case k.good(now): // the next one may be on its way, or not to be had
		defer t.mu.Unlock()
		return k.Value, nil
	case k.flight == nil:
		defer t.mu.Unlock()
		return "", k.failure
	}
	f := k.flight
	t.mu.Unlock()
	select {
	case <-f.done:
		return f.value, f.failure
	case <-ctx.Done():
		return "", unavailable(s, "token %q: the host stops", name)
	}
}

// fresh says that no other is needed yet.
func (i issued) fresh(now time.Time) bool {
	return i.Value != "" && (i.Renew.IsZero() || now.Before(i.Renew))
}

// good says that it can be used.
func (i issued) good(now time.Time) bool {
	return i.Value != "" && (i.Renew.IsZero() || now.Before(i.End))
}

// fly ends a flight. It belongs to no delivery, so that none that is stopped
// takes the token from the others.
func (t *tokens) fly(s *subscription, name string, source catalog.TokenSource, k *token) {
	ctx, cancel := context.WithTimeout(context.Background(), fetchTime)
	defer cancel()
	t.mu.Lock()
	of, look := k.Of, !k.kept
	t.mu.Unlock()
	got, found := issued{}, false
	if look {
		got, found = t.keptOf(s, name, of)
	}
	var failure *abi.Error
	if !found {
		if got, failure = t.webhooks.fetch(ctx, s, name, source); failure == nil {
			got.Of = of
			t.keep(s, name, got)
		}
	}
	t.mu.Lock()
	k.kept = true
	f := k.flight
	k.flight = nil
	if k.failure = failure; failure != nil {
		k.again = t.webhooks.now().Add(min(time.Second<<min(k.failed, 10), maxBackoff))
		k.failed++
	} else {
		k.issued, k.failed, k.again = got, 0, time.Time{}
	}
	f.value, f.failure = got.Value, failure
	close(f.done)
	forgotten := t.held[s.ID+"\n"+name] == nil // while it was on its way
	t.mu.Unlock()
	if forgotten {
		t.forget(s.ID, name)
	}
}

// vaultName is where a token is kept.
func vaultName(id, name string) string { return "subscription token\n" + id + "\n" + name }

// keptOf gives the token of an earlier process, if it can still be used.
func (t *tokens) keptOf(s *subscription, name, of string) (got issued, found bool) {
	text, err := t.webhooks.config.Vault.Get(vaultName(s.ID, name))
	if err == nil && text != "" {
		err = json.Unmarshal([]byte(text), &got)
	}
	if err != nil {
		t.webhooks.config.Log.Warn("a kept token can't be read; another one is fetched", "subscription", s.ID, "token", name, "error", err)
		return issued{}, false
	}
	return got, got.Of == of && got.good(t.webhooks.now())
}

// keep puts a token into the vault. One that can't be serves this process.
func (t *tokens) keep(s *subscription, name string, got issued) {
	data, err := json.Marshal(got)
	if err == nil {
		err = t.webhooks.config.Vault.Put(vaultName(s.ID, name), string(data))
	}
	if err != nil {
		t.webhooks.config.Log.Error("a token was not kept: it is fetched anew after a restart", "subscription", s.ID, "token", name, "error", err)
	}
}

// reject says that a token was refused: it is not used again.
func (t *tokens) reject(s *subscription, name, value string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if k := t.held[s.ID+"\n"+name]; k != nil && k.Value == value {
		k.Value = ""
	}
}

// forget drops a token whose subscription is gone, or has it no longer.
func (t *tokens) forget(id, name string) {
	t.mu.Lock()
	delete(t.held, id+"\n"+name)
	t.mu.Unlock()
	if err := t.webhooks.config.Vault.Remove(vaultName(id, name)); err != nil {
		t.webhooks.config.Log.Error("a token that nobody needs any more was not removed", "subscription", id, "token", name, "error", err)
	}
}

// sumsOf is short for sources, by name.
func sumsOf(sources map[string]catalog.TokenSource) (map[string]string, error) {
	sums := make(map[string]string, len(sources))
	for name, source := range sources {
		data, err := json.Marshal(source)
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(data)
		sums[name] = hex.EncodeToString(sum[:])
	}
	return sums, nil
}
