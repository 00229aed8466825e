package catalog

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/trama-run/trama/host/grant"
	"github.com/trama-run/trama/host/source"
	"github.com/trama-run/trama/host/store"
)

// Change is one difference that an Apply made, or held back.
type Change struct {
	Object string `json:"object"` // "<type>/<name>"
	Action string `json:"action"` // created, updated, removed
	Origin Origin `json:"origin"`
	// Version is the number of a flow's version that is current now.
	Version int `json:"version,omitempty"`
	// Wider says that it lets a plugin reach more.
	Wider bool `json:"wider,omitempty"`
	// Access says of the routes that change by it who may call them.
	Access []Access `json:"access,omitempty"`
	// Was and Now are the SHA-256 of what was and is stored: "sha256:<hex>";
	// absent where there is nothing.
	Was string `json:"was,omitempty"`
	Now string `json:"now,omitempty"`
	// Held says why the change was not made, and what to do.
	Held string `json:"held,omitempty"`
	// Differences say what changes within the object. A plan has them, unless
	// what is stored can't be read.
	Differences []Difference `json:"differences,omitempty"`
}

// wanted is an object that should be.
type wanted struct {
	origin Origin
	value  json.RawMessage
}

// Apply makes the objects of origin "file" equal to a set: in one commit, or
// in several if there is more than one takes (see edit.batches). A change that
// widens a grant is held back unless allowWider is set; what the same change
// takes back holds at once. Errors:
// source.Problems where a name is taken, by a file or by the API; the store's.
func (c *Catalog) Apply(ctx context.Context, set Set, allowWider bool) ([]Change, error) {
	want, err := set.objects()
	if err != nil {
		return nil, err
	}
	c.change.Lock()
	defer c.change.Unlock()
	e, err := c.prepare(ctx, set, want, allowWider)
	if err != nil {
		return nil, err
	}
	return e.changes, e.commit(ctx)
}

// prepare gathers the changes of an Apply. The caller holds change.
func (c *Catalog) prepare(ctx context.Context, set Set, want map[string]wanted, allowWider bool) (*edit, error) {
	if taken := c.taken(want); len(taken) > 0 {
		return nil, taken
	}
	e := &edit{catalog: c, next: maps.Clone(c.objects)}
	for _, key := range slices.Sorted(maps.Keys(want)) {
		w := want[key]
		old := c.objects[key]
		wider := wider(old, key, w.value)
		if wider && !allowWider {
			if narrow, is, err := narrowed(old, w.value); err != nil {
				return nil, err
			} else if is { // what was taken back does not wait
				if err := e.put(ctx, key, w.origin, narrow); err != nil {
					return nil, err
				}
			}
			e.changes = append(e.changes, Change{Object: key, Action: "widened", Origin: w.origin, Wider: true,
				Held: "it would let a plugin reach more: run `trama apply DIR` to confirm it"})
			continue
		}
		before := len(e.changes)
		if err := e.put(ctx, key, w.origin, w.value); err != nil {
			return nil, err
		}
		for i := range e.changes[before:] {
			e.changes[before+i].Wider = wider
		}
	}
	for _, key := range slices.Sorted(maps.Keys(c.objects)) {
		o := c.objects[key]
		if _, ok := want[key]; !ok && o.Kind == "file" && !slices.Contains(set.Broken, o.File) {
			e.remove(key)
		}
	}
	return e, e.policies()
}

// taken lists what a set wants that the API made. The caller holds change.
func (c *Catalog) taken(want map[string]wanted) source.Problems {
	var problems source.Problems
	for _, key := range slices.Sorted(maps.Keys(want)) {
		if c.objects[key].Kind == "api" {
			place := source.Place{File: want[key].origin.File, Line: want[key].origin.Line}
			problems = append(problems, source.Problem{Place: place, Message: key + " was made through the API", Hint: "remove it there, or here"})
		}
	}
	return problems
}

// objects gives a set's objects by name, and refuses two of one name.
func (s Set) objects() (map[string]wanted, error) {
	want := map[string]wanted{}
	var problems source.Problems
	add := func(kind, name string, place source.Place, value any) {
		key := kind + "/" + name
		if other, twice := want[key]; twice {
			problems = append(problems, source.Problem{Place: place, Message: fmt.Sprintf("%s %q is in %s already", kind, name, other.origin), Hint: "remove one of the two"})
			return
		}
		data, err := json.Marshal(value)
		if err != nil {
			problems = append(problems, source.Problem{Place: place, Message: err.Error()})
			return
		}
		want[key] = wanted{Origin{Kind: "file", File: place.File, Line: place.Line}, data}
	}
	for _, f := range s.Flows {
		add(typeFlow, f.ID, f.At, f)
	}
	for _, k := range Kinds() {
		k.each(s, func(name string, place source.Place, value any) { add(k.Type, name, place, value) })
	}
	if len(problems) > 0 {
		return nil, problems
	}
	return want, nil
}

// wider says whether a grant's new value gives more than the old one, as a
// new grant does. Of what can't be read that is to be feared.
func wider(old object, key string, value json.RawMessage) bool {
	if !strings.HasPrefix(key, typeGrant+"/") {
		return false
	}
	var before, after grant.Grant
	if json.Unmarshal(old.Value, &before) != nil || json.Unmarshal(value, &after) != nil {
		return true
	}
	return !after.Within(before)
}

// narrowed gives what a grant's old and new values both give, and says whether
// that is less than the old one.
func narrowed(old object, value json.RawMessage) (json.RawMessage, bool, error) {
	var before, after Grant
	if json.Unmarshal(old.Value, &before) != nil || json.Unmarshal(value, &after) != nil {
		return nil, false, nil // a new grant has no old value
	}
	both := after.Both(before.Grant)
	if before.Within(both) && maps.Equal(before.Config, both.Config) {
		return nil, false, nil
	}
	after.Grant = both
	data, err := json.Marshal(after)
	return data, true, err
}

// putAPI sets objects that no file owns, in one commit.
func (c *Catalog) putAPI(ctx context.Context, values map[string]json.RawMessage) ([]Change, error) {
	c.change.Lock()
	defer c.change.Unlock()
	e := edit{catalog: c, next: maps.Clone(c.objects)}
	for _, key := range slices.Sorted(maps.Keys(values)) {
		if old, exists := c.objects[key]; exists && old.Kind != "api" {
			return nil, &FileError{key, old.Origin}
		}
		if err := e.put(ctx, key, Origin{Kind: "api"}, values[key]); err != nil {
			return nil, err
		}
	}
	if len(e.batches()) > 1 {
		return nil, source.Problems{{Message: "the documents are larger than one commit takes", Hint: "publish fewer at once"}}
	}
	if err := e.policies(); err != nil {
		return nil, err
	}
	return e.changes, e.commit(ctx)
}

// edit gathers changes that belong together. Its owner holds Catalog.change.
type edit struct {
	catalog  *Catalog
	next     map[string]object
	versions []store.Put // of flows, each with what is beside it
	objects  []store.Put
	removed  []store.ID // objects
	changes  []Change
}

// put sets an object; a flow gets a new version if its document changed.
func (e *edit) put(ctx context.Context, key string, origin Origin, value json.RawMessage) error {
	o := object{Origin: origin, Value: value}
	if name, ok := strings.CutPrefix(key, typeFlow+"/"); ok {
		old, exists := e.next[key]
		var err error
		if o, err = e.publish(ctx, name, old, exists, origin, value); err != nil {
			return err
		}
	}
	return e.set(key, o)
}

// set sets an object as it is to be stored.
func (e *edit) set(key string, o object) error {
	old, exists := e.next[key]
	same := exists && string(old.Value) == string(o.Value) && (old.Rolled == nil) == (o.Rolled == nil)
	if same && old.Origin == o.Origin {
		return nil
	}
	data, err := json.Marshal(o)
	if err != nil {
		return err
	}
	e.next[key] = o
	e.objects = append(e.objects, store.Put{ID: store.ID{Kind: kindObject, Key: key}, Value: data})
	if same { // moved within a file: no news
		return nil
	}
	change := Change{Object: key, Action: "created", Origin: o.Origin, Now: digest(o.Value)}
	if exists {
		change.Action, change.Was = "updated", digest(old.Value)
	}
	if strings.HasPrefix(key, typeFlow+"/") {
		if change.Version, err = o.version(); err != nil {
			return err
		}
	}
	e.changes = append(e.changes, change)
	return nil
}

func (e *edit) remove(key string) {
	e.removed = append(e.removed, store.ID{Kind: kindObject, Key: key})
	e.changes = append(e.changes, Change{Object: key, Action: "removed", Origin: e.next[key].Origin, Was: digest(e.next[key].Value)})
	delete(e.next, key)
}

// digest names a value.
func digest(value json.RawMessage) string {
	sum := sha256.Sum256(value)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// commit stores the changes. After an error the catalog is as the store is.
func (e *edit) commit(ctx context.Context) error {
	if problems := e.ambiguous(); len(problems) > 0 {
		return problems
	}
	now := maps.Clone(e.catalog.objects)
	for _, b := range e.batches() {
		if _, err := e.catalog.store.Commit(ctx, &b); err != nil {
			e.catalog.objects = now
			return errors.Join(fmt.Errorf("catalog: %w", err), e.catalog.publish(ctx))
		}
		for _, id := range b.Delete {
			delete(now, id.Key)
		}
		for _, p := range b.Put {
			if p.ID.Kind == kindObject {
				now[p.ID.Key] = e.next[p.ID.Key]
			}
		}
	}
	if len(e.objects)+len(e.removed) == 0 {
		return nil
	}
	e.catalog.objects = now
	return e.catalog.publish(ctx)
}

// batches cuts the changes into commits of a size that the store takes, mostly
// one. A crash between two of them leaves objects of both the old set and the
// new, each whole: versions come first, so every flow has its document; what
// is removed comes next, then grants, so that nothing holds for longer than
// the rest. A host that starts applies its files again and so ends it.
func (e *edit) batches() []store.Batch {
	var batches []store.Batch
	var b store.Batch
	bytes := 0
	room := func(changes, size int) {
		if len(b.Expect)+len(b.Put)+len(b.Delete)+changes > store.MaxChanges || bytes+size > store.MaxBatch {
			batches = append(batches, b)
			b, bytes = store.Batch{}, 0
		}
		bytes += size
	}
	for _, p := range e.versions {
		room(2, len(p.Value))
		b.Expect = append(b.Expect, store.Expect{ID: p.ID}) // immutable: never overwritten
		b.Put = append(b.Put, p)
	}
	for _, id := range e.removed {
		room(1, 0)
		b.Delete = append(b.Delete, id)
	}
	isGrant := func(p store.Put) bool { return strings.HasPrefix(p.ID.Key, typeGrant+"/") }
	for _, grants := range []bool{true, false} {
		for _, p := range e.objects {
			if isGrant(p) == grants {
				room(1, len(p.Value))
				b.Put = append(b.Put, p)
			}
		}
	}
	if len(b.Put)+len(b.Delete) > 0 {
		batches = append(batches, b)
	}
	return batches
}
