package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/trama-run/trama/host/access"
	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/problem"
)

// ClientSettings are what is said of a client.
type ClientSettings struct {
	Title  string      `json:"title,omitempty"`
	Scopes []string    `json:"scopes,omitempty"`
	Rate   access.Rate `json:"rate,omitzero"`
	Quota  access.Rate `json:"quota,omitzero"`
	// Signed says that keys get a secret to sign requests with.
	Signed bool `json:"signed,omitempty"`
}

// ClientRequest asks for a client with its first key.
type ClientRequest struct {
	Name string `json:"name"`
	ClientSettings
	// Expires is when the key ends; the zero time: never.
	Expires time.Time `json:"expires,omitzero"`
}

// RotateRequest asks for another key of a client.
type RotateRequest struct {
	// Until is when the keys end that the client has now; the zero time: at once.
	Until time.Time `json:"until,omitzero"`
	// Expires is when the new key ends; the zero time: never.
	Expires time.Time `json:"expires,omitzero"`
}

// KeyRequest names a key of a client.
type KeyRequest struct {
	// Key is its id; empty: all that are in use.
	Key string `json:"key,omitempty"`
	// At is when the key ends; the zero time: now.
	At time.Time `json:"at,omitzero"`
}

// KeyInfo is a key as it is shown: without what proves anything.
type KeyInfo struct {
	ID      string    `json:"id"`   // the key's value begins with it
	Hint    string    `json:"hint"` // and ends so
	State   string    `json:"state"`
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires,omitzero"`
	Revoked time.Time `json:"revoked,omitzero"`
	Signed  bool      `json:"signed,omitempty"`
}

// ClientInfo is a client as it is shown.
type ClientInfo struct {
	Name string `json:"name"`
	ClientSettings
	// Used is how many calls of the quota's present period are made.
	Used int       `json:"used,omitempty"`
	Keys []KeyInfo `json:"keys"`
}

// NewClientKey is a client with a key that was made. Its values are shown this
// once.
type NewClientKey struct {
	ClientInfo
	// ClientID is what the client sends in the header client_id.
	ClientID string `json:"client_id"`
	// Secret is what it signs requests with.
	Secret string `json:"secret,omitempty"`
}

// clients are the endpoints of the gateway's clients. One change is made at a
// time, since each is made of what was before.
type clients struct {
	api
	changing *sync.Mutex
}

func (a api) clients() []endpoint {
	k := clients{a, &sync.Mutex{}}
	changes := []catalog.Change{}
	return []endpoint{
		{do: "GET /clients", title: "List the clients of the gateway", gives: []ClientInfo{}, handle: k.list},
		{do: "POST /clients", title: "Make a client: the id that it sends, and its secret, are shown this once", takes: ClientRequest{}, gives: NewClientKey{}, status: 201, handle: k.create},
		{do: "GET /clients/:name", title: "Show a client", gives: ClientInfo{}, handle: k.show},
		{do: "PUT /clients/:name", title: "Change what is said of a client; its keys stay", takes: ClientSettings{}, gives: ClientInfo{}, handle: k.change},
		{do: "DELETE /clients/:name", title: "Remove a client, with its keys", gives: changes, handle: k.remove},
		{do: "POST /clients/:name/rotate", title: "Give a client another key: shown this once", takes: RotateRequest{}, gives: NewClientKey{}, status: 201, handle: k.rotate},
		{do: "POST /clients/:name/expire", title: "Let keys of a client end", takes: KeyRequest{}, gives: ClientInfo{}, handle: k.expire},
		{do: "POST /clients/:name/revoke", title: "Take keys of a client back, at once", takes: KeyRequest{}, gives: ClientInfo{}, handle: k.revoke},
	}
}

func (k clients) list(c *fiber.Ctx) error {
	list := []ClientInfo{}
	for _, one := range k.Catalog.Snapshot().Callers() {
		info, err := k.info(c.UserContext(), one)
		if err != nil {
			return err
		}
		list = append(list, info)
	}
	slices.SortFunc(list, func(a, b ClientInfo) int { return strings.Compare(a.Name, b.Name) })
	return c.JSON(list)
}

func (k clients) show(c *fiber.Ctx) error {
	one, err := k.find(c)
	if err != nil {
		return err
	}
	return k.answer(c, one)
}

func (k clients) answer(c *fiber.Ctx, one access.Client) error {
	info, err := k.info(c.UserContext(), one)
	if err != nil {
		return err
	}
	return c.JSON(info)
}

func (k clients) info(ctx context.Context, one access.Client) (ClientInfo, error) {
	info := ClientInfo{Name: one.Name, Keys: []KeyInfo{}, ClientSettings: ClientSettings{one.Title, one.Scopes, one.Rate, one.Quota, one.Signed}}
	now := k.Now()
	for _, key := range one.Keys {
		info.Keys = append(info.Keys, KeyInfo{key.ID, key.Hint, key.State(now), key.Created, key.Expires, key.Revoked, key.Signed})
	}
	used, err := k.Guard.Used(ctx, one)
	info.Used = used
	return info, err
}

// find gives a copy of the client that the path names.
func (k clients) find(c *fiber.Ctx) (access.Client, error) {
	name := strings.Clone(c.Params("name"))
	one, ok := k.Catalog.Snapshot().Clients[name]
	if !ok {
		return access.Client{}, problem.New(404, "not_found", fmt.Sprintf("there is no client %q", name))
	}
	one.Keys = slices.Clone(one.Keys)
	return one.Client, nil
}

func (k clients) create(c *fiber.Ctx) error {
	var q ClientRequest
	if err := strict(c, &q); err != nil {
		return err
	}
	k.changing.Lock()
	defer k.changing.Unlock()
	if _, exists := k.Catalog.Snapshot().Clients[q.Name]; exists {
		return problem.New(409, "exists", fmt.Sprintf("there is a client %q already: rotate its key, or remove it first", q.Name))
	}
	return k.give(c, with(access.Client{Name: q.Name}, q.ClientSettings), q.Expires)
}

func (k clients) change(c *fiber.Ctx) error {
	var q ClientSettings
	if err := strict(c, &q); err != nil {
		return err
	}
	return k.edit(c, func(one *access.Client) error {
		*one = with(*one, q)
		return nil
	})
}

func with(one access.Client, s ClientSettings) access.Client {
	one.Title, one.Scopes, one.Rate, one.Quota, one.Signed = s.Title, s.Scopes, s.Rate, s.Quota, s.Signed
	return one
}

func (k clients) rotate(c *fiber.Ctx) error {
	var q RotateRequest
	if err := strict(c, &q); err != nil {
		return err
	}
	k.changing.Lock()
	defer k.changing.Unlock()
	one, err := k.find(c)
	if err != nil {
		return err
	}
	until := q.Until
	if until.IsZero() {
		until = k.Now()
	}
	end(one.Keys, until, k.Now())
	return k.give(c, one, q.Expires)
}

// end lets keys end at a time, but none later than it would.
func end(keys []access.Key, at, now time.Time) {
	for i := range keys {
		if keys[i].State(now) == access.KeyActive && (keys[i].Expires.IsZero() || at.Before(keys[i].Expires)) {
			keys[i].Expires = at.UTC().Truncate(time.Second)
		}
	}
}

// give makes a key for a client and stores both. The secret is in the vault
// before a key is known that asks for it.
func (k clients) give(c *fiber.Ctx, one access.Client, expires time.Time) error {
	now := k.Now()
	if !expires.IsZero() && !expires.After(now) {
		return problem.New(422, "invalid", "expires is in the past")
	}
	key, value, secret := access.NewKey(now, one.Signed)
	key.Expires = expires.UTC()
	before := one.Keys
	if err := one.Add(key, now); err != nil {
		return problem.New(422, "invalid", err.Error())
	}
	if problems := one.Validate(); len(problems) > 0 {
		return problem.New(422, "invalid", strings.Join(problems, "\n"))
	}
	if secret != "" {
		if err := k.Vault.Put(access.VaultName(one.Name, key.ID), secret); err != nil {
			return err
		}
	}
	if err := k.store(c, one); err != nil {
		return errors.Join(err, k.forget(one.Name, []access.Key{key}, nil))
	}
	if err := k.forget(one.Name, before, one.Keys); err != nil {
		return err
	}
	info, err := k.info(c.UserContext(), one)
	if err != nil {
		return err
	}
	c.Set(fiber.HeaderCacheControl, "no-store")
	return c.Status(fiber.StatusCreated).JSON(NewClientKey{info, value, secret})
}

// forget takes the secrets of keys out of the vault that a client has no more.
func (k clients) forget(name string, before, after []access.Key) error {
	for _, key := range before {
		gone := !slices.ContainsFunc(after, func(other access.Key) bool { return other.ID == key.ID })
		if key.Signed && gone {
			if err := k.Vault.Remove(access.VaultName(name, key.ID)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (k clients) expire(c *fiber.Ctx) error {
	now := k.Now()
	return k.keys(c, func(key *access.Key, q KeyRequest) error {
		switch {
		case key.State(now) != access.KeyActive:
			return problem.New(409, "ended", fmt.Sprintf("key %s is %s, and no key comes back: give the client another one with rotate", key.ID, key.State(now)))
		case key.Expires.IsZero() || q.At.Before(key.Expires):
			key.Expires = q.At
		case q.Key != "":
			return problem.New(409, "ends_before", fmt.Sprintf("key %s ends at %s, and no key is made to end later: give the client another one with rotate", key.ID, key.Expires.Format(time.RFC3339)))
		}
		return nil
	})
}

func (k clients) revoke(c *fiber.Ctx) error {
	return k.keys(c, func(key *access.Key, _ KeyRequest) error {
		key.Revoked = k.Now().UTC().Truncate(time.Second)
		return nil
	})
}

// keys changes the keys that a request names.
func (k clients) keys(c *fiber.Ctx, change func(key *access.Key, q KeyRequest) error) error {
	var q KeyRequest
	if err := strict(c, &q); err != nil {
		return err
	}
	now := k.Now().UTC()
	if q.At.IsZero() {
		q.At = now
	}
	q.At = q.At.UTC().Truncate(time.Second)
	return k.edit(c, func(one *access.Client) error {
		found := false
		for i := range one.Keys {
			key := &one.Keys[i]
			if q.Key == key.ID || q.Key == "" && key.State(now) == access.KeyActive {
				if err := change(key, q); err != nil {
					return err
				}
				found = true
			}
		}
		if !found && q.Key != "" {
			return problem.New(404, "not_found", fmt.Sprintf("client %q has no key %q", one.Name, q.Key))
		}
		return nil
	})
}

// edit changes the client that the path names, and shows it.
func (k clients) edit(c *fiber.Ctx, change func(*access.Client) error) error {
	k.changing.Lock()
	defer k.changing.Unlock()
	one, err := k.find(c)
	if err != nil {
		return err
	}
	if err := change(&one); err != nil {
		return err
	}
	if err := k.store(c, one); err != nil {
		return err
	}
	return k.answer(c, one)
}

func (k clients) store(c *fiber.Ctx, one access.Client) error {
	data, err := json.Marshal(one)
	if err != nil {
		return err
	}
	kind, _ := catalog.KindOf("client")
	changes, err := k.Catalog.Put(c.UserContext(), kind, one.Name, data)
	if err != nil {
		return k.changed(c, nil, err)
	}
	noteChanges(c, changes)
	return nil
}

func (k clients) remove(c *fiber.Ctx) error {
	k.changing.Lock()
	defer k.changing.Unlock()
	one, err := k.find(c)
	if err != nil {
		return err
	}
	changes, err := k.Catalog.Remove(c.UserContext(), "client", one.Name)
	if err == nil {
		err = k.forget(one.Name, one.Keys, nil)
	}
	return k.changed(c, changes, err)
}

// unmet finds what routes ask of their callers that nobody can meet.
func (a api) unmet(s *catalog.Snapshot) (findings []Finding) {
	look := func(what string, security access.Security) {
		for _, w := range security {
			for _, name := range w.Clients.Names {
				if _, ok := s.Clients[name]; !ok {
					findings = append(findings, Finding{"missing", what, fmt.Sprintf("client %q may call it, and there is none of this name", name), "make it with: trama client create " + name})
				}
			}
			if w.Service != nil {
				for _, name := range w.Service.Secret {
					if err := a.Secret(name); err != nil {
						findings = append(findings, Finding{"missing", what, "a service's signature can't be checked: " + err.Error(), ""})
					}
				}
			}
			if w.JWT == nil {
				continue
			}
			if w.JWT.JWKS != "" {
				if err := a.Guard.KeysFailing(w.JWT.JWKS); err != nil {
					findings = append(findings, Finding{"failing", what, fmt.Sprintf("the keys at %s can't be had: %v", w.JWT.JWKS, err), "mend the address, or what answers there; until then tokens are checked with the keys that came last, a day long"})
				}
			}
			if w.JWT.Secret == "" {
				continue
			}
			if err := a.Secret(w.JWT.Secret); err != nil {
				findings = append(findings, Finding{"missing", what, "tokens can't be checked: " + err.Error(), ""})
			}
		}
	}
	for _, r := range s.Routes {
		look("route "+r.Name(), r.Security)
	}
	look("gateway", s.Gateway.Security)
	return findings
}
