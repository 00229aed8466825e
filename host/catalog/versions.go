package catalog

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/trama-run/trama/host/flow"
	"github.com/trama-run/trama/host/source"
	"github.com/trama-run/trama/host/store"
)

// kindPublished says when and from where a version came. It stands beside the
// document, which is immutable and read by every version of Trama; documents
// from before it was kept have none.
const kindPublished store.Kind = "flow_published" // "<flow>/<number>" -> published

// versionPage is how many documents are in memory while versions are listed.
const versionPage = 50

type published struct {
	At time.Time `json:"at"`
	Origin
}

// Rollback marks a flow whose current version is not the last one that its
// file, or the API, gave it. It holds until they give another document: reading
// the same file again, at a restart too, changes nothing.
type Rollback struct {
	From int       `json:"from"` // the version that was left
	At   time.Time `json:"at"`
}

// Version is a version of a flow. Published and Origin are zero if they were
// not kept.
type Version struct {
	Number    int       `json:"version"`
	Published time.Time `json:"published,omitzero"`
	Origin    Origin    `json:"origin,omitzero"`
	Current   bool      `json:"current"`
}

// Versions lists a flow's versions, oldest first. It returns
// store.ErrNotFound if there are none; a flow that was removed has some.
func (c *Catalog) Versions(ctx context.Context, id string) ([]Version, error) {
	var list []Version
	current := c.Snapshot().current(id)
	err := c.eachVersion(ctx, kindVersion, id, func(number int, _ []byte) error {
		list = append(list, Version{Number: number, Current: number == current})
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, store.ErrNotFound
	}
	return list, c.eachVersion(ctx, kindPublished, id, func(number int, value []byte) error {
		i, ok := slices.BinarySearchFunc(list, number, func(v Version, n int) int { return v.Number - n })
		if !ok {
			return nil // published since the first listing
		}
		return list[i].published(value)
	})
}

// current gives the number of a flow's current version, 0 for none.
func (s *Snapshot) current(id string) int {
	if b, ok := s.Broken[id]; ok {
		return b.Version
	}
	return s.Flows[id].Version
}

func (v *Version) published(value []byte) error {
	var p published
	if err := json.Unmarshal(value, &p); err != nil {
		return fmt.Errorf("catalog: version %d: %w", v.Number, err)
	}
	v.Published, v.Origin = p.At, p.Origin
	return nil
}

// eachVersion reads the records of a flow's versions, oldest first.
func (c *Catalog) eachVersion(ctx context.Context, kind store.Kind, id string, do func(number int, value []byte) error) error {
	for after := id + "/"; ; {
		records, err := c.store.List(ctx, kind, after, versionPage, false)
		if err != nil {
			return fmt.Errorf("catalog: %w", err)
		}
		for _, r := range records {
			digits, ok := strings.CutPrefix(r.ID.Key, id+"/")
			if !ok {
				return nil // the next flow's
			}
			number, err := strconv.Atoi(digits)
			if err != nil {
				return fmt.Errorf("catalog: flow version key %q: %w", r.ID.Key, err)
			}
			if err := do(number, r.Value); err != nil {
				return err
			}
			after = r.ID.Key
		}
		if len(records) < versionPage {
			return nil
		}
	}
}

// Document gives a version of a flow, current or not, as it is stored, or
// store.ErrNotFound.
func (c *Catalog) Document(ctx context.Context, id string, number int) (Version, json.RawMessage, error) {
	v := Version{Number: number, Current: number == c.Snapshot().current(id)}
	record, err := c.store.Load(ctx, store.ID{Kind: kindVersion, Key: versionKey(id, number)})
	if err != nil {
		return v, nil, err
	}
	beside, err := c.store.Load(ctx, store.ID{Kind: kindPublished, Key: versionKey(id, number)})
	if errors.Is(err, store.ErrNotFound) {
		return v, record.Value, nil
	}
	if err != nil {
		return v, nil, err
	}
	return v, record.Value, v.published(beside.Value)
}

// ErrFirst: there is no version before the current one.
var ErrFirst = errors.New("there is no version before the current one")

// Rollback makes another version of a flow current, at once and under its own
// number; 0 means the one before. It may be a file's flow: see [Rollback].
// Sessions end on the versions that they began with. Errors:
// store.ErrNotFound for no such flow or version; ErrFirst; a *BrokenError for
// a version that can't be read any more.
func (c *Catalog) Rollback(ctx context.Context, id string, to int) ([]Change, error) {
	c.change.Lock()
	defer c.change.Unlock()
	key := typeFlow + "/" + id
	old, exists := c.objects[key]
	if !exists {
		return nil, store.ErrNotFound
	}
	current, err := old.version()
	if err != nil {
		return nil, err
	}
	if to == 0 {
		if to, err = c.before(ctx, id, versionKey(id, current)); err != nil {
			return nil, err
		}
	}
	if _, err := c.Program(ctx, id, to); err != nil {
		return nil, err
	}
	next := object{Origin: old.Origin, Value: json.RawMessage(strconv.Itoa(to))}
	from := current
	if old.Rolled != nil {
		from = old.Rolled.From
	}
	if to != from {
		next.Rolled = &Rollback{From: from, At: c.now().UTC()}
	}
	if to == current {
		return nil, nil
	}
	e := edit{catalog: c, next: maps.Clone(c.objects)}
	if err := e.set(key, next); err != nil {
		return nil, err
	}
	return e.changes, e.commit(ctx)
}

// before gives the number of a flow's last version before a key, or ErrFirst.
func (c *Catalog) before(ctx context.Context, id, key string) (int, error) {
	records, err := c.store.List(ctx, kindVersion, key, 1, true)
	if err != nil {
		return 0, err
	}
	if len(records) == 0 || !strings.HasPrefix(records[0].ID.Key, id+"/") {
		return 0, ErrFirst
	}
	return strconv.Atoi(records[0].ID.Key[len(id)+1:])
}

// version gives the number of a flow's current version.
func (o object) version() (number int, err error) {
	if err := json.Unmarshal(o.Value, &number); err != nil {
		return 0, fmt.Errorf("catalog: number of a flow's version: %w", err)
	}
	return number, nil
}

// publish gives the object of a flow that is to have a document: a version
// that holds it already, or a new one after the last.
func (e *edit) publish(ctx context.Context, id string, old object, exists bool, origin Origin, document json.RawMessage) (object, error) {
	o := object{Origin: origin}
	if exists && old.Rolled != nil {
		same, err := e.holds(ctx, id, old.Rolled.From, document)
		if err != nil {
			return o, err
		}
		if same && origin.Kind == "file" { // an unchanged file undoes no rollback
			o.Rolled, o.Value = old.Rolled, old.Value
			return o, nil
		}
		if same {
			o.Value = json.RawMessage(strconv.Itoa(old.Rolled.From))
			return o, nil
		}
	}
	if exists {
		current, err := old.version()
		if err != nil {
			return o, err
		}
		same, err := e.holds(ctx, id, current, document)
		if same || err != nil {
			o.Value = old.Value
			return o, err
		}
	}
	number := 1
	last, err := e.catalog.before(ctx, id, id+"/~") // "~" sorts after the digits
	switch {
	case err == nil:
		number = last + 1
	case !errors.Is(err, ErrFirst):
		return o, err
	}
	beside, err := json.Marshal(published{e.catalog.now().UTC(), origin})
	if err != nil {
		return o, err
	}
	key := versionKey(id, number)
	e.versions = append(e.versions,
		store.Put{ID: store.ID{Kind: kindVersion, Key: key}, Value: document},
		store.Put{ID: store.ID{Kind: kindPublished, Key: key}, Value: beside})
	o.Value = json.RawMessage(strconv.Itoa(number))
	return o, nil
}

// holds says whether a version has a document, be it written in another way by
// an older Trama.
func (e *edit) holds(ctx context.Context, id string, number int, document json.RawMessage) (bool, error) {
	record, err := e.catalog.store.Load(ctx, store.ID{Kind: kindVersion, Key: versionKey(id, number)})
	if err != nil {
		return false, fmt.Errorf("flow %s version %d: %w", id, number, err)
	}
	if bytes.Equal(record.Value, document) {
		return true, nil
	}
	f, err := flow.Parse("", record.Value)
	if err != nil {
		return false, nil // what can't be read any more is to be replaced
	}
	again, err := json.Marshal(f)
	return bytes.Equal(again, document), err
}

// PutFlow publishes a version of a flow through the API.
func (c *Catalog) PutFlow(ctx context.Context, f *flow.Flow) ([]Change, error) {
	return c.PutFlows(ctx, []*flow.Flow{f})
}

// maxPublished is how many flows fit into one commit: each takes five changes
// and preconditions.
const maxPublished = store.MaxChanges / 5

// PutFlows publishes flows through the API, in one commit: all or none. Two
// of one id, and more than a commit takes, are source.Problems.
func (c *Catalog) PutFlows(ctx context.Context, flows []*flow.Flow) ([]Change, error) {
	if len(flows) > maxPublished {
		return nil, source.Problems{{Place: flows[maxPublished].At, Message: fmt.Sprintf("%d flows are more than can be published at once", len(flows)), Hint: fmt.Sprintf("publish up to %d", maxPublished)}}
	}
	want, err := Set{Flows: flows}.objects()
	if err != nil {
		return nil, err
	}
	values := make(map[string]json.RawMessage, len(want))
	for key, w := range want {
		values[key] = w.value
	}
	return c.putAPI(ctx, values)
}
