package admin

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/problem"
	"github.com/trama-run/trama/host/store"
)

// kindAudit are the entries of the audit log, by id.
const kindAudit store.Kind = "audit"

// DefaultAuditFor is how long the audit log is kept if the settings don't say.
const DefaultAuditFor = 365 * 24 * time.Hour

// AuditEntry is one thing that was done, or tried, through the API or by the
// workspace's files. It is stored before the thing is done, without a status, and again with what came
// of it: one that stays without is of a host that stopped in between.
type AuditEntry struct {
	ID string    `json:"id"` // grows with time
	At time.Time `json:"at"`
	// Token is the id of the caller's token, or admin.token for the one of
	// that file.
	Token  string       `json:"token"`
	Role   catalog.Role `json:"role"`
	From   string       `json:"from"`   // the IP address of the peer
	Method string       `json:"method"` // of the request, as is
	Path   string       `json:"path"`   // with the query
	// Objects are the objects that were changed, or should have been where the
	// request was refused, as "<type>/<name>".
	Objects []string `json:"objects,omitempty"`
	// Body is the SHA-256 of the request's body; absent where there was none,
	// or where it might tell of a secret.
	Body      string `json:"body,omitempty"`
	RequestID string `json:"request_id"`
	// Status is that of the answer; 0: the outcome is not known.
	Status int `json:"status"`
	// Problem is the code of the problem that was answered.
	Problem string `json:"problem,omitempty"`
	// Changes say what was done to the objects.
	Changes []AuditChange `json:"changes,omitempty"`
	// Left counts the requests with a wrong token before this one that have no
	// entry.
	Left int `json:"left,omitempty"`
}

// AuditChange is what was done to an object.
type AuditChange struct {
	Object string `json:"object"`
	Action string `json:"action"` // created, updated, removed
	// Was and Now are the SHA-256 of the object as it is stored, "sha256:<hex>";
	// absent where there is none.
	Was     string `json:"was,omitempty"`
	Now     string `json:"now,omitempty"`
	Version int    `json:"version,omitempty"` // of a flow, now
	// Access says of the routes that changed by it who may call them.
	Access []catalog.Access `json:"access,omitempty"`
}

// ByFiles is whose doing an entry is where the server read the files of its
// workspace.
const ByFiles = "files"

// localChanges is where the changes of a request stand among its locals.
const localChanges = "changes"

// localObjects is where the objects that a request changed stand among its
// locals.
const localObjects = "objects"

// maxAuditText bounds a path and the number of objects in an entry.
const (
	maxAuditText    = 2048
	maxAuditObjects = 500
	maxStrange      = 60 // entries of wrong tokens in an hour
)

// contactsPath begins the paths of contacts.
const contactsPath = "/v1/contacts/"

// entry begins an entry of a request.
func (a api) entry(c *fiber.Ctx, who caller) AuditEntry {
	now := a.Now().UTC()
	path := strings.Clone(c.OriginalURL())
	if c.Method() == fiber.MethodDelete && strings.HasPrefix(path, contactsPath) {
		path = contactsPath + unnamed // who was erased is not kept by the entry that says so
	}
	return AuditEntry{
		ID: auditID(now), At: now, Token: who.token, Role: who.role, From: strings.Clone(c.IP()),
		Method: strings.Clone(c.Method()), Path: path[:min(len(path), maxAuditText)], RequestID: strings.Clone(c.GetRespHeader("X-Request-Id")),
	}
}

// auditID gives an id that grows with time: 16 digits of it, and 8 of chance.
func auditID(at time.Time) string {
	var chance [4]byte
	rand.Read(chance[:]) // never fails (crypto/rand)
	return fmt.Sprintf("%016x%x", at.UnixNano(), chance)
}

func (a api) keep(ctx context.Context, e AuditEntry) error {
	data, err := json.Marshal(e)
	if err != nil {
		return err
	}
	_, err = a.Store.Commit(ctx, &store.Batch{Put: []store.Put{{ID: store.ID{Kind: kindAudit, Key: e.ID}, Value: data, TTL: a.AuditFor}}})
	if errors.Is(err, store.ErrNoSpace) {
		return problem.Busy("no_space", "the audit log takes no entry: "+err.Error(), 30*time.Second)
	}
	return err
}

// audited is a handler whose requests are in the audit log: what can't be
// entered is not done.
func (a api) audited(e endpoint, handle fiber.Handler) fiber.Handler {
	return func(c *fiber.Ctx) error {
		who, _ := c.Locals(localCaller).(caller)
		entry := a.entry(c, who)
		if body := c.Request().Body(); len(body) > 0 && !e.secret {
			sum := sha256.Sum256(body)
			entry.Body = "sha256:" + hex.EncodeToString(sum[:])
		}
		if err := a.keep(c.UserContext(), entry); err != nil {
			return err
		}
		err := handle(c)
		entry.Objects, _ = c.Locals(localObjects).([]string)
		entry.Changes, _ = c.Locals(localChanges).([]AuditChange)
		if kept := a.keep(c.UserContext(), entry.ended(c, err)); kept != nil {
			return errors.Join(err, kept)
		}
		return err
	}
}

// ended is an entry with what came of it.
func (e AuditEntry) ended(c *fiber.Ctx, err error) AuditEntry {
	e.Status = c.Response().StatusCode()
	if err != nil {
		e.Status = 500
		if d, ok := errors.AsType[*problem.Details](err); ok {
			e.Status, e.Problem = d.Status, d.Code
		}
	}
	return e
}

// maxRefused is how many refusals of one token are entered in a minute.
const maxRefused = 10

// refusals counts them, of this minute.
type refusals struct {
	mu    sync.Mutex
	since time.Time
	of    map[string]int // by token
}

// take says whether there is room for one more of a token.
func (r *refusals) take(token string, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.of == nil || now.Sub(r.since) >= time.Minute {
		r.since, r.of = now, map[string]int{}
	}
	r.of[token]++
	return r.of[token] <= maxRefused
}

// refuse enters into the audit log that somebody tried what they may not: where,
// and not with which query.
func (a api) refuse(c *fiber.Ctx, who caller, err error) error {
	if !a.refused.take(who.token, a.Now()) {
		return err
	}
	entry := a.entry(c, who).ended(c, err)
	entry.Path, _, _ = strings.Cut(entry.Path, "?")
	if kept := a.keep(c.UserContext(), entry); kept != nil {
		return errors.Join(err, kept)
	}
	return err
}

// strangers counts the entries of wrong tokens.
type strangers struct {
	mu         sync.Mutex
	since      time.Time // when the hour began
	kept, left int
}

// take says whether there is room for one more, and how many had none since the
// last that had.
func (s *strangers) take(now time.Time) (room bool, left int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Sub(s.since) >= time.Hour {
		s.since, s.kept = now, 0
	}
	if s.kept >= maxStrange {
		s.left++
		return false, 0
	}
	s.kept++
	left, s.left = s.left, 0
	return true, left
}

// strange enters into the audit log that a request came with a wrong token.
func (a api) strange(c *fiber.Ctx, refused error) error {
	room, left := a.strangers.take(a.Now())
	if !room {
		return refused
	}
	entry := a.entry(c, caller{})
	entry.Left = left
	if kept := a.keep(c.UserContext(), entry.ended(c, refused)); kept != nil {
		return errors.Join(refused, kept)
	}
	return refused
}

// Files enters into the audit log what the files of a directory changed, which
// no request did.
func Files(ctx context.Context, s store.Store, keptFor time.Duration, dir string, changes []catalog.Change) error {
	a := newAPI(Config{Store: s, AuditFor: keptFor})
	now := a.Now().UTC()
	entry := AuditEntry{ID: auditID(now), At: now, Token: ByFiles, Path: dir, Status: 200}
	entry.Changes = auditChanges(changes)
	for _, change := range entry.Changes {
		entry.Objects = append(entry.Objects, change.Object)
	}
	if len(entry.Objects) == 0 {
		return nil
	}
	return a.keep(ctx, entry)
}

// auditChanges are the changes that were made, as the audit log has them.
func auditChanges(changes []catalog.Change) (list []AuditChange) {
	for _, c := range changes {
		if c.Held == "" && len(list) < maxAuditObjects {
			list = append(list, AuditChange{c.Object, c.Action, c.Was, c.Now, c.Version, c.Access})
		}
	}
	return list
}

// note says which objects a request has changed, for the audit log.
func note(c *fiber.Ctx, objects ...string) {
	before, _ := c.Locals(localObjects).([]string)
	c.Locals(localObjects, slices.Concat(before, objects)[:min(len(before)+len(objects), maxAuditObjects)])
}

// listAudit lists the audit log, newest first. Query: limit, before (an id),
// token, object (how one of them begins), status, since, until.
func (a api) listAudit(c *fiber.Ctx) error {
	limit := c.QueryInt("limit", defaultLimit)
	since, err := instant(c, "since")
	if err != nil {
		return err
	}
	until, err := instant(c, "until")
	if err != nil {
		return err
	}
	token, object, status := c.Query("token"), c.Query("object"), c.QueryInt("status")
	before := strings.Clone(c.Query("before"))
	if !until.IsZero() {
		if end := fmt.Sprintf("%016x", until.UnixNano()); before == "" || end < before {
			before = end
		}
	}
	list := []AuditEntry{}
	for scanned := 0; len(list) < limit && scanned < maxScanned; {
		records, err := a.Store.List(c.UserContext(), kindAudit, before, limit, true)
		if err != nil {
			return err
		}
		if len(records) == 0 {
			break
		}
		scanned += len(records)
		for _, r := range records {
			before = r.ID.Key
			var e AuditEntry
			if err := json.Unmarshal(r.Value, &e); err != nil {
				return fmt.Errorf("audit entry %s: %w", r.ID.Key, err)
			}
			if e.At.Before(since) {
				return c.JSON(list)
			}
			changed := func(o string) bool { return strings.HasPrefix(o, object) }
			if len(list) < limit && (token == "" || e.Token == token) && (status == 0 || e.Status == status) && (object == "" || slices.ContainsFunc(e.Objects, changed)) {
				list = append(list, e)
			}
		}
	}
	return c.JSON(list)
}

// instant reads a time of the query; the zero time if there is none.
func instant(c *fiber.Ctx, name string) (time.Time, error) {
	text := c.Query(name)
	if text == "" {
		return time.Time{}, nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return at, problem.New(400, "invalid", fmt.Sprintf("%s: %q is not a time such as 2026-01-02T15:04:05Z", name, text))
	}
	return at, nil
}
