package access

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/trama-run/trama/host/access/token"
	"github.com/trama-run/trama/host/egress"
	"github.com/trama-run/trama/host/secret"
	"github.com/trama-run/trama/host/seldom"
	"github.com/trama-run/trama/host/store"
)

// Headers that callers prove themselves by, in lower case.
const (
	// HeaderClient has the client's id; proxies that drop names with "_" pass
	// HeaderClientToo.
	HeaderClient        = "client_id"
	HeaderClientToo     = "client-id"
	HeaderSignature     = "trama-signature"
	HeaderAuthorization = "authorization"
)

// Vault keeps the secrets that clients sign with.
type Vault interface {
	Get(name string) (string, error)
}

// Config joins a guard to its surroundings.
type Config struct {
	// Trusted are the proxies that may say who calls.
	Trusted []Network
	Secrets *secret.Source
	Vault   Vault
	Egress  *egress.Client
	Store   store.Store
	// URL gives the address that a call was made to, by its Host headers and
	// its path and query; nil: https and that host.
	URL func(host []string, target string) string
	Now func() time.Time // nil: time.Now
	Log *slog.Logger
}

// Guard checks calls. It is safe for concurrent use.
type Guard struct {
	config  Config
	clients atomic.Pointer[table]
	tokens  *token.Checker
	limits  *limits
	lockout *lockout
	used    *used
	horizon *horizon
	methods sync.Map // of services' schemes, by scheme
	seldom  *seldom.Log

	updating sync.Mutex // held by Update
}

// New returns a guard that knows no client yet.
func New(ctx context.Context, config Config) (*Guard, error) {
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.URL == nil {
		config.URL = func(host []string, target string) string { return "https://" + strings.Join(host, ",") + target }
	}
	g := &Guard{config: config, horizon: newHorizon(), limits: newLimits(config.Store, config.Log), lockout: newLockout(),
		seldom: seldom.New(config.Log, config.Now), tokens: token.NewChecker(config.Secrets, config.Egress, config.Now)}
	start := config.Now()
	before, err := signedUntil(ctx, config.Store, start)
	if err != nil {
		return nil, err
	}
	g.used = newUsed(start.Truncate(time.Second), start, before)
	g.Update(nil)
	return g, nil
}

// table are the keys of all clients, by their ids.
type table struct {
	keys map[string]*entry
	none *entry // stands for what is not there, so that looking it up costs the same
}

// entry is one key of a client.
type entry struct {
	client *Client
	caller string // by which limits and lockouts know the client
	key    Key
	hash   [sha256.Size]byte
	secret []byte
}

// Update makes the guard know other clients.
func (g *Guard) Update(clients []Client) {
	g.updating.Lock()
	defer g.updating.Unlock()
	t := &table{keys: map[string]*entry{}, none: &entry{client: &Client{}, secret: []byte(random(32))}}
	before := g.clients.Load()
	for i := range clients {
		for _, key := range clients[i].Keys {
			e := &entry{client: &clients[i], caller: "client:" + clients[i].Name, key: key, secret: t.none.secret}
			if _, err := hex.Decode(e.hash[:], []byte(key.Hash)); err != nil {
				g.config.Log.Error("a client's key can't be read", "client", clients[i].Name, "key", key.ID, "error", err)
				continue
			}
			if key.Signed {
				e.secret = g.secret(before, clients[i].Name, key.ID, t.none.secret)
			}
			t.keys[key.ID] = e
		}
	}
	g.clients.Store(t)
}

// secret gives what a key signs with; otherwise, if there is nothing.
func (g *Guard) secret(before *table, client, id string, otherwise []byte) []byte {
	if old, ok := before.keys[id]; ok && old.key.Signed && old.client.Name == client && subtle.ConstantTimeCompare(old.secret, before.none.secret) == 0 {
		return old.secret
	}
	text, err := g.config.Vault.Get(VaultName(client, id))
	if err == nil && text == "" {
		err = errors.New("the vault has none: rotate the client's key")
	}
	if err != nil {
		g.config.Log.Error("no secret for a client's signatures", "client", client, "key", id, "error", err)
		return otherwise
	}
	return []byte(text)
}

// find gives the key of a value, and whether it is the key's value. It does the same work for a value that is unknown as for one that is
// wrong.
func (t *table) find(value string) (*entry, bool) {
	hash := sha256.Sum256([]byte(value))
	e, ok := t.keys[idOfKey(value)]
	if !ok {
		e = t.none
	}
	return e, subtle.ConstantTimeCompare(hash[:], e.hash[:]) == 1
}

// unfit says to the operator why a value that led to a key is not taken.
func (e *entry) unfit(same bool, state string) string {
	switch {
	case e.client.Name == "":
		return "no client has a key of this id"
	case !same:
		return e.says("the value is not the key's")
	}
	return e.says("the key is " + state)
}

// says names the key that something is said of.
func (e *entry) says(what string) string {
	return fmt.Sprintf("%s (client %s, key %s)", what, e.client.Name, e.key.ID)
}

// Used gives how much of its quota a client has used.
func (g *Guard) Used(ctx context.Context, c Client) (int, error) {
	if c.Quota.IsZero() {
		return 0, nil
	}
	return g.limits.used(ctx, callerKey{ownerClient, "client:" + c.Name}, c.Quota, g.config.Now())
}

// KeysFailing says why a key set could not be had when it was asked for last;
// nil: it could, or nobody has asked.
func (g *Guard) KeysFailing(url string) error { return g.tokens.Failing(url) }

// Run stores the counts of quotas, until ctx ends and once more then.
func (g *Guard) Run(ctx context.Context) error {
	tick := time.NewTicker(saveEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if err := g.limits.save(ctx, g.config.Now()); err != nil && ctx.Err() == nil {
				g.config.Log.Error("access", "error", err)
			}
		}
	}
}

// Close stores what Run has not stored yet: after the last call.
func (g *Guard) Close(ctx context.Context) error {
	return errors.Join(g.horizon.end(ctx, g.config.Store, g.config.Now()), g.limits.save(ctx, g.config.Now()))
}

// from is what an address is counted by: one that is not known by the proxy
// that names none.
func from(addr, peer netip.Addr) netip.Addr {
	if !addr.IsValid() {
		addr = peer.Unmap().WithZone("")
	}
	return home(addr)
}
