// Package kv is what plugins remember of a contact: for each plugin and contact
// a set of keys with values, which no other plugin and no other contact sees.
//
// A [Memory] belongs to a run while it is driven. A call sees it through a
// [Call]: what it writes is its own until [Call.Keep], which the run calls for
// a call that succeeded. [Memory.Save] adds what was kept to the commit of the
// run's state, so that both are on disk or neither.
//
// In the store each plugin and contact has one index record, with the size of
// each value, and one record for each value. So a quota is checked and keys are
// listed without an iterator, and no record grows with what another holds.
// The package must not know runs, flows or plugins' code.
package kv

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/trama-run/trama/host/store"
)

// Kinds of the records of this package.
const (
	KindIndex store.Kind = "kv-index" // by "<contact>/<plugin>"
	KindValue store.Kind = "kv-value" // by "<contact>/<plugin>/<sha256 of the key>"
)

// Memory is what the plugins remember of one contact, as one run sees it. It is
// used by one goroutine at a time, but its calls may go on meanwhile.
type Memory struct {
	store   store.Store
	contact string

	mu      sync.Mutex
	plugins map[string]*part // guarded by mu, with what is in the parts
}

// part is what one plugin remembers: what is stored, and what waits for a
// commit.
type part struct {
	revision store.Revision    // of the index; 0: there is none
	sizes    map[string]int    // bytes of each value, changes included
	changes  map[string]change // by key
}

// change is a value that is not stored yet.
type change struct {
	value []byte
	gone  bool
}

// index is the record that lists a plugin's keys.
type index struct {
	Sizes map[string]int `json:"sizes"`
}

// Open returns the memory of a contact. Nothing is read yet.
func Open(s store.Store, contact string) *Memory {
	return &Memory{store: s, contact: contact, plugins: map[string]*part{}}
}

func (m *Memory) indexID(plugin string) store.ID {
	return store.ID{Kind: KindIndex, Key: m.contact + "/" + plugin}
}

func (m *Memory) valueID(plugin, key string) store.ID {
	sum := sha256.Sum256([]byte(key))
	return store.ID{Kind: KindValue, Key: m.contact + "/" + plugin + "/" + hex.EncodeToString(sum[:])}
}

// load returns a plugin's part, read at its first use.
func (m *Memory) load(ctx context.Context, plugin string) (*part, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if p, ok := m.plugins[plugin]; ok {
		return p, nil
	}
	p := &part{sizes: map[string]int{}, changes: map[string]change{}}
	id := m.indexID(plugin)
	record, err := m.store.Load(ctx, id)
	switch {
	case errors.Is(err, store.ErrNotFound):
	case err != nil:
		return nil, err
	default:
		var i index
		if err := json.Unmarshal(record.Value, &i); err != nil {
			return nil, fmt.Errorf("record %s %s: %w", id.Kind, id.Key, err)
		}
		p.revision = record.Revision
		maps.Copy(p.sizes, i.Sizes)
	}
	m.plugins[plugin] = p
	return p, nil
}

// Begin returns the memory as one call of a plugin sees it, which may hold
// quota bytes.
func (m *Memory) Begin(plugin string, quota int64) *Call {
	return &Call{memory: m, plugin: plugin, quota: quota, changes: map[string]change{}}
}

// Save adds what waits to a batch. Saved or Forget says what became of it.
func (m *Memory) Save(b *store.Batch) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(m.plugins)) {
		p := m.plugins[name]
		if len(p.changes) == 0 {
			continue
		}
		id := m.indexID(name)
		b.Expect = append(b.Expect, store.Expect{ID: id, Revision: p.revision})
		if len(p.sizes) > 0 {
			data, err := json.Marshal(index{p.sizes})
			if err != nil {
				return fmt.Errorf("record %s %s: %w", id.Kind, id.Key, err)
			}
			b.Put = append(b.Put, store.Put{ID: id, Value: data})
		} else {
			b.Delete = append(b.Delete, id)
		}
		for _, key := range slices.Sorted(maps.Keys(p.changes)) {
			if c := p.changes[key]; c.gone {
				b.Delete = append(b.Delete, m.valueID(name, key))
			} else {
				b.Put = append(b.Put, store.Put{ID: m.valueID(name, key), Value: c.value})
			}
		}
	}
	return nil
}

// Saved says that the batch of Save is on disk, with this revision.
func (m *Memory) Saved(revision store.Revision) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range m.plugins {
		if len(p.changes) == 0 {
			continue
		}
		p.revision = revision
		if len(p.sizes) == 0 {
			p.revision = 0
		}
		clear(p.changes)
	}
}

// Forget drops what waits: the run is given up.
func (m *Memory) Forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.plugins)
}
