package gateway

import (
	"container/list"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/etag"
	"github.com/trama-run/trama/host/problem"
)

// Bounds of what is kept of answers, in bytes.
const (
	cacheSize   = 64 << 20
	cacheAnswer = 1 << 20 // one answer; longer ones are not kept
	cacheCost   = 512     // of an entry beside its texts
)

// cache keeps answers for later calls, in memory: those used last. It is lost
// with the process.
type cache struct {
	mu      sync.Mutex
	entries map[string]*list.Element // guarded by mu, with what follows
	used    *list.List               // of *entry, the last used first
	size    int
}

// entry is an answer that stands until an instant.
type entry struct {
	key        string
	made, ends time.Time
	size       int
	reply      reply
}

func newCache() *cache { return &cache{entries: map[string]*list.Element{}, used: list.New()} }

// get gives an answer that still stands.
func (c *cache) get(key string, now time.Time) (*entry, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.entries[key]
	if !ok {
		return nil, false
	}
	found := e.Value.(*entry)
	if !now.Before(found.ends) {
		c.drop(e)
		return nil, false
	}
	c.used.MoveToFront(e)
	return found, true
}

// put keeps an answer, in place of others if there is no room.
func (c *cache) put(e *entry) {
	e.size = cacheCost + len(e.key) + len(e.reply.body)
	for name, value := range e.reply.headers {
		e.size += len(name) + len(value)
	}
	if e.size > cacheAnswer {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if old, ok := c.entries[e.key]; ok {
		c.drop(old)
	}
	c.entries[e.key] = c.used.PushFront(e)
	for c.size += e.size; c.size > cacheSize; {
		c.drop(c.used.Back())
	}
}

// drop forgets an answer. The caller holds mu.
func (c *cache) drop(e *list.Element) {
	old := c.used.Remove(e).(*entry)
	delete(c.entries, old.key)
	c.size -= old.size
}

// recall answers with an answer that still stands.
func (g *Gateway) recall(q *call) (bool, error) {
	if q.route.Cache == nil {
		return false, nil
	}
	for _, k := range q.route.Cache.Key {
		if name, ok := strings.CutPrefix(k, "header:"); ok {
			q.Vary(name)
		}
	}
	if len(q.Request().Body()) > 0 {
		return false, problem.New(400, "body", "answers of this route stand for later calls, so a call with a body is not taken: send it without one")
	}
	q.entry = q.entryKey()
	found, ok := g.cache.get(q.entry, g.Now())
	if !ok {
		return false, nil
	}
	q.Set(fiber.HeaderAge, strconv.Itoa(int(g.Now().Sub(found.made)/time.Second)))
	return true, q.send(found.reply)
}

// entryKey names what may have one answer. A new version of the flow has other
// answers. Where the key doesn't say that all callers share them, an answer is
// for one caller, and for one Authorization and Cookie, which a flow may look
// at itself.
func (q *call) entryKey() string {
	request := q.Request()
	parts := []string{q.route.name, q.route.Flow, strconv.Itoa(q.flow.Version), q.path}
	if !slices.Contains(q.route.Cache.Key, catalog.CacheShared) {
		parts = append(parts, q.identity(), q.Get(fiber.HeaderAuthorization), q.Get(fiber.HeaderCookie))
	}
	if len(q.route.Cache.Key) == 0 {
		return digest(append(parts, string(request.URI().QueryString()))...)
	}
	for _, k := range q.route.Cache.Key {
		kind, name, _ := strings.Cut(k, ":")
		parts = append(parts, k)
		var values [][]byte
		switch kind {
		case "header":
			values = request.Header.PeekAll(name)
		case "query":
			values = request.URI().QueryArgs().PeekMulti(name)
		}
		parts = append(parts, strconv.Itoa(len(values)))
		for _, v := range values {
			parts = append(parts, string(v))
		}
	}
	return digest(parts...)
}

// narrow leaves in an event what entryKey counts, and nothing else: an answer
// stands for calls that differ in the rest, so it must not be made of it.
func (q *call) narrow(headers, query, client map[string]any) {
	key := q.route.Cache.Key
	shared := slices.Contains(key, catalog.CacheShared)
	maps.DeleteFunc(headers, func(name string, _ any) bool {
		if !shared && (name == "authorization" || name == "cookie") {
			return false
		}
		return !slices.ContainsFunc(key, func(k string) bool { return strings.EqualFold(k, "header:"+name) })
	})
	if len(key) > 0 {
		maps.DeleteFunc(query, func(name string, _ any) bool { return !slices.Contains(key, "query:"+name) })
	}
	if shared {
		clear(client)
	}
	client["ip"] = nil
}

// remember keeps an answer, if it may stand for others, and tells the caller's
// own cache the same.
func (g *Gateway) remember(q *call, r *reply) {
	policy := strings.ToLower(r.header(fiber.HeaderCacheControl))
	shared := slices.Contains(q.route.Cache.Key, catalog.CacheShared)
	switch {
	case r.status != fiber.StatusOK, r.header(fiber.HeaderSetCookie) != "", r.header(fiber.HeaderVary) != "",
		strings.Contains(policy, "no-store"), strings.Contains(policy, "no-cache"), shared && strings.Contains(policy, "private"):
		return
	}
	own := map[string]string{}
	for name, value := range r.headers {
		own[name] = value
	}
	if policy == "" {
		who := "private"
		if shared && q.route.open {
			who = "public"
		}
		own[fiber.HeaderCacheControl] = fmt.Sprintf("%s, max-age=%d", who, time.Duration(q.route.Cache.TTL)/time.Second)
	}
	if r.tag = r.header(fiber.HeaderETag); r.tag == "" {
		r.tag = etag.Of(r.header(fiber.HeaderContentType), r.body)
		own[fiber.HeaderETag] = r.tag
	}
	r.headers = own
	now, kept := g.Now(), *r
	kept.run = "" // is the first caller's
	g.cache.put(&entry{key: q.entry, made: now, ends: now.Add(time.Duration(q.route.Cache.TTL)), reply: kept})
}
