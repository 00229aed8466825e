// Package catalog keeps the objects that an installation is configured by:
// flows in numbered, immutable versions, routes, channels, connections and
// grants.
//
// The store is the only truth. Each object has an origin: a file of a
// workspace, or the API; the two never overwrite each other. Readers take a
// Snapshot, which never changes; a change makes a new one. The package must
// not know how objects are used.
package catalog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/trama-run/trama/host/engine"
	"github.com/trama-run/trama/host/flow"
	"github.com/trama-run/trama/host/source"
	"github.com/trama-run/trama/host/store"
)

// Kinds of the records that the catalog keeps.
const (
	kindObject  store.Kind = "object"       // "<type>/<name>" -> object
	kindVersion store.Kind = "flow_version" // "<flow>/<number>" -> flow document
)

// Types of objects.
const (
	typeFlow         = "flow"
	typeRoute        = "route"
	typeChannel      = "channel"
	typeConnection   = "connection"
	typeGrant        = "grant"
	typeAlert        = "alert"
	typeSubscription = "subscription"
	typeGateway      = "gateway"
	typeClient       = "client"
	typeToken        = "token"
	typeVariable     = "variable"
)

// Origin says who may change an object.
type Origin struct {
	Kind string `json:"origin"` // "file" or "api"
	File string `json:"file,omitempty"`
	Line int    `json:"line,omitempty"`
}

// String gives "api" or "file:line".
func (o Origin) String() string {
	if o.Kind == "file" {
		return o.File + ":" + strconv.Itoa(o.Line)
	}
	return o.Kind
}

// object is a stored object: its origin and its value. A flow's value is the
// number of its current version, which may have been rolled back to.
type object struct {
	Origin
	Rolled *Rollback       `json:"rolled_back,omitempty"`
	Value  json.RawMessage `json:"value"`
}

// FileError says that an API edit met an object that a file owns.
type FileError struct {
	Object string
	Origin Origin
}

func (e *FileError) Error() string {
	return fmt.Sprintf("%s comes from %s: change it there", e.Object, e.Origin)
}

// Flow is a published version of a flow.
type Flow struct {
	Origin  Origin
	Version int
	Rolled  *Rollback // nil if the version is the last one published
	Flow    *flow.Flow
	Program *engine.Program
	// Beside are the flows that were published when this one was, and this one,
	// by id: those it jumps to are of the same moment.
	Beside map[string]Flow
}

// BrokenError says that a stored version can't be read, by this Trama.
type BrokenError struct {
	Flow    string
	Version int
	Cause   error
}

func (e *BrokenError) Error() string {
	return fmt.Sprintf("flow %s version %d: %v", e.Flow, e.Version, e.Cause)
}

func (e *BrokenError) Unwrap() error { return e.Cause }

// Snapshot is everything at one time. It is shared: do not change it.
type Snapshot struct {
	Flows map[string]Flow
	// Broken are the flows whose current version can't be read; they are not
	// in Flows, and hold back nothing else.
	Broken        map[string]*BrokenError
	Routes        []Route
	Channels      map[string]Channel
	Connections   map[string]Connection
	Grants        []Grant
	Alerts        map[string]Alert
	Subscriptions map[string]Subscription
	// Gateway is what holds for all routes.
	Gateway   Gateway
	Clients   map[string]Client
	Tokens    map[string]Token
	Variables map[string]json.RawMessage
	// Origins is by "<type>/<name>".
	Origins map[string]Origin

	secretUsers map[string][]string // see SecretUsers
}

// Catalog is the set of objects in a store.
type Catalog struct {
	store store.Store
	now   func() time.Time

	change   sync.Mutex // held while a change is made
	objects  map[string]object
	onChange func(*Snapshot)

	snapshot atomic.Pointer[Snapshot]
	programs sync.Map // versionKey -> *engine.Program
}

// Open reads the objects of a store. onChange is called with each snapshot,
// the first one included, one call at a time.
func Open(ctx context.Context, s store.Store, onChange func(*Snapshot)) (*Catalog, error) {
	c := &Catalog{store: s, now: time.Now, objects: map[string]object{}, onChange: onChange}
	after := ""
	for {
		records, err := s.List(ctx, kindObject, after, 1000, false)
		if err != nil {
			return nil, fmt.Errorf("catalog: %w", err)
		}
		if len(records) == 0 {
			break
		}
		for _, r := range records {
			var o object
			if err := json.Unmarshal(r.Value, &o); err != nil {
				return nil, fmt.Errorf("catalog: object %s: %w", r.ID.Key, err)
			}
			c.objects[r.ID.Key] = o
			after = r.ID.Key
		}
	}
	return c, c.publish(ctx)
}

// Snapshot returns what there is now.
func (c *Catalog) Snapshot() *Snapshot { return c.snapshot.Load() }

// versionKey is the record key of a flow's version; versions sort by number.
func versionKey(id string, version int) string { return fmt.Sprintf("%s/%08d", id, version) }

// Program returns a version of a flow, current or not: sessions end on the
// version that they began with.
func (c *Catalog) Program(ctx context.Context, id string, version int) (*engine.Program, error) {
	key := versionKey(id, version)
	if p, ok := c.programs.Load(key); ok {
		return p.(*engine.Program), nil
	}
	record, err := c.store.Load(ctx, store.ID{Kind: kindVersion, Key: key})
	if err != nil {
		return nil, fmt.Errorf("flow %s version %d: %w", id, version, err)
	}
	document, err := flow.Parse("", record.Value)
	if err != nil {
		return nil, &BrokenError{id, version, err}
	}
	program, err := engine.Compile(document, version)
	if err != nil {
		return nil, &BrokenError{id, version, err}
	}
	c.programs.Store(key, program)
	return program, nil
}

// publish makes the snapshot of c.objects. The caller holds change, or is the
// only one.
func (c *Catalog) publish(ctx context.Context) error {
	s := &Snapshot{
		Flows: map[string]Flow{}, Broken: map[string]*BrokenError{}, Channels: map[string]Channel{}, Connections: map[string]Connection{}, Alerts: map[string]Alert{}, Subscriptions: map[string]Subscription{},
		Clients: map[string]Client{}, Tokens: map[string]Token{}, Variables: map[string]json.RawMessage{},
		Origins: map[string]Origin{}, secretUsers: map[string][]string{},
	}
	for _, key := range slices.Sorted(maps.Keys(c.objects)) {
		o := c.objects[key]
		s.Origins[key] = o.Origin
		if err := c.add(ctx, s, key, o); err != nil {
			return fmt.Errorf("catalog: object %s: %w", key, err)
		}
	}
	c.snapshot.Store(s)
	c.onChange(s)
	return nil
}

func (c *Catalog) add(ctx context.Context, s *Snapshot, key string, o object) error {
	kind, name, _ := strings.Cut(key, "/")
	place := source.Place{File: o.File, Line: o.Line}
	if kind != typeFlow {
		k, ok := KindOf(kind)
		if !ok {
			return errors.New("of a type that this version does not know")
		}
		return k.keep(s, place, o.Value)
	}
	version, err := o.version()
	if err != nil {
		return err
	}
	program, err := c.Program(ctx, name, version)
	if broken, ok := errors.AsType[*BrokenError](err); ok {
		s.Broken[name] = broken
		return nil
	}
	if err != nil {
		return err
	}
	s.Flows[name] = Flow{Origin: o.Origin, Version: version, Rolled: o.Rolled, Flow: program.Flow(), Program: program, Beside: s.Flows}
	return nil
}

// nameIn gives the name of an object of a type by its key.
func nameIn(typ, key string) (name string, ok bool) { return strings.CutPrefix(key, typ+"/") }
