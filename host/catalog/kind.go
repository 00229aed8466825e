package catalog

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/trama-run/trama/host/source"
	"github.com/trama-run/trama/host/store"
)

// Kind is a type of object that is one document: everything but flows, which
// have versions.
type Kind struct {
	Type string // such as "route"; objects are stored as "<type>/<name>"
	File string // the workspace's file that lists such objects; empty: none does
	// Apart says that the API has endpoints of its own for the kind, such as
	// those of what no listing may show.
	Apart bool
	// Single says that there is one object of the kind, which its file is.
	Single bool
	// Document is the zero value of what such an object is, for its schema.
	Document any

	// Read takes in a file of the kind: all of its objects, or none.
	Read func(set *Set, file string, data []byte) source.Problems
	// one reads one object as the API gets it, and gives its name.
	one func(data []byte) (name string, value json.RawMessage, problems source.Problems)
	// each gives the objects of a set.
	each func(set Set, give func(name string, place source.Place, value any))
	// keep puts a stored object into a snapshot.
	keep func(s *Snapshot, place source.Place, value json.RawMessage) error
}

// Kinds are all there are.
func Kinds() []Kind {
	return []Kind{
		kindOf(typeRoute, "routes.yaml", func(s *Set) *[]Route { return &s.Routes }, func(s *Snapshot, r Route) { s.Routes = append(s.Routes, r) }),
		kindOf(typeChannel, "channels.yaml", func(s *Set) *[]Channel { return &s.Channels }, func(s *Snapshot, c Channel) { s.Channels[c.ID] = c }),
		kindOf(typeConnection, "connections.yaml", func(s *Set) *[]Connection { return &s.Connections }, func(s *Snapshot, c Connection) { s.Connections[c.ID] = c }),
		apart(kindOf(typeGrant, "grants.yaml", func(s *Set) *[]Grant { return &s.Grants }, func(s *Snapshot, g Grant) { s.Grants = append(s.Grants, g) })),
		kindOf(typeAlert, "alerts.yaml", func(s *Set) *[]Alert { return &s.Alerts }, func(s *Snapshot, a Alert) { s.Alerts[a.ID] = a }),
		kindOf(typeSubscription, "subscriptions.yaml", func(s *Set) *[]Subscription { return &s.Subscriptions }, func(s *Snapshot, d Subscription) { s.Subscriptions[d.ID] = d }),
		apart(kindOf(typeToken, "", nil, func(s *Snapshot, t Token) { s.Tokens[t.ID] = t })),
		documentOf(typeGateway, "gateway.yaml", func(s *Set) *[]Gateway { return &s.Gateway }, func(s *Snapshot, g Gateway) { s.Gateway = g }),
		apart(kindOf(typeClient, "", nil, func(s *Snapshot, c Client) { s.Clients[c.Client.Name] = c })),
		apart(kindOf(typeVariable, "", nil, func(s *Snapshot, v Variable) { s.Variables[v.ID] = v.Value })),
	}
}

func apart(k Kind) Kind {
	k.Apart = true
	return k
}

// KindOf finds a kind by its type.
func KindOf(typ string) (Kind, bool) {
	kinds := Kinds()
	i := slices.IndexFunc(kinds, func(k Kind) bool { return k.Type == typ })
	if i < 0 {
		return Kind{}, false
	}
	return kinds[i], true
}

// single is a pointer to an object that is one document.
type single[D any] interface {
	*D
	Name() string
	Check() source.Problems
	place() *source.Place
}

// kindOf makes a kind. One without a file has no place in a set: in is nil.
func kindOf[D any, T single[D]](typ, file string, in func(*Set) *[]D, keep func(*Snapshot, D)) Kind {
	return Kind{
		Type: typ, File: file, Document: *new(D),
		Read: func(set *Set, file string, data []byte) source.Problems {
			var items []D
			problems := source.Decode(file, data, &items)
			unreadable := map[int]bool{} // lines; what stands there was reported
			for _, p := range problems {
				unreadable[p.Line] = true
			}
			for i := range items {
				if item := T(&items[i]); !unreadable[item.place().Line] {
					problems = append(problems, item.Check()...)
				}
			}
			if problems.Sort(); len(problems) == 0 {
				*in(set) = append(*in(set), items...)
			}
			return problems
		},
		one: func(data []byte) (string, json.RawMessage, source.Problems) {
			var item D
			if problems := source.Decode(typ, data, &item); len(problems) > 0 {
				return "", nil, problems
			}
			if problems := T(&item).Check(); len(problems) > 0 {
				return "", nil, problems
			}
			value, err := json.Marshal(item)
			if err != nil {
				return "", nil, source.Problems{{Message: err.Error()}}
			}
			return T(&item).Name(), value, nil
		},
		each: func(set Set, give func(string, source.Place, any)) {
			if in == nil { // no set has such objects
				return
			}
			items := *in(&set)
			for i := range items {
				give(T(&items[i]).Name(), *T(&items[i]).place(), items[i])
			}
		},
		keep: func(s *Snapshot, place source.Place, value json.RawMessage) error {
			var item D
			*T(&item).place() = place
			err := json.Unmarshal(value, &item)
			keep(s, item)
			if user, ok := any(&item).(secretUser); ok {
				s.uses(typ+"/"+T(&item).Name(), user.SecretNames())
			}
			return err
		},
	}
}

// documentOf makes a kind whose file is its one object.
func documentOf[D any, T single[D]](typ, file string, in func(*Set) *[]D, keep func(*Snapshot, D)) Kind {
	k := kindOf[D, T](typ, file, in, keep)
	k.Single = true
	k.Read = func(set *Set, file string, data []byte) source.Problems {
		var item D
		problems := source.Decode(file, data, &item)
		if len(problems) == 0 {
			problems = T(&item).Check()
		}
		if len(problems) == 0 {
			*in(set) = append(*in(set), item)
		}
		return problems
	}
	return k
}

// Name is by what an object is known among those of its type.
func (c *Channel) Name() string    { return c.ID }
func (c *Connection) Name() string { return c.ID }
func (a *Alert) Name() string      { return a.ID }

func (c *Channel) place() *source.Place    { return &c.At }
func (c *Connection) place() *source.Place { return &c.At }
func (g *Grant) place() *source.Place      { return &g.At }
func (a *Alert) place() *source.Place      { return &a.At }

// Object is an object as it is stored, with who may change it.
type Object struct {
	Name   string          `json:"name"`
	Origin Origin          `json:"origin"`
	Value  json.RawMessage `json:"value"`
	// Policy says in words who may call (routes only).
	Policy string `json:"policy,omitempty"`
}

// Objects lists the objects of a type by name.
func (c *Catalog) Objects(typ string) []Object {
	c.change.Lock()
	defer c.change.Unlock()
	list := []Object{}
	var policies map[string]string
	if typ == typeRoute {
		policies = c.Snapshot().policies()
	}
	for _, key := range slices.Sorted(maps.Keys(c.objects)) {
		if name, ok := nameIn(typ, key); ok {
			list = append(list, Object{name, c.objects[key].Origin, c.objects[key].Value, policies[name]})
		}
	}
	return list
}

// Put stores one object of a kind through the API: a YAML or JSON document as
// an entry of the kind's file. Errors: source.Problems for a mistake or for
// another name than the one given (empty: any), *FileError, the store's.
func (c *Catalog) Put(ctx context.Context, k Kind, name string, data []byte) ([]Change, error) {
	found, value, problems := k.one(data)
	if len(problems) > 0 {
		return nil, problems
	}
	if name != "" && name != found {
		return nil, source.Problems{{Message: fmt.Sprintf("the document is of the %s %q, the path names %q", k.Type, found, name), Hint: "make them one"}}
	}
	return c.putAPI(ctx, map[string]json.RawMessage{k.Type + "/" + found: value})
}

// Remove removes an object that was made through the API. Errors:
// store.ErrNotFound, *FileError, the store's.
func (c *Catalog) Remove(ctx context.Context, typ, name string) ([]Change, error) {
	key := typ + "/" + name
	c.change.Lock()
	defer c.change.Unlock()
	old, exists := c.objects[key]
	if !exists {
		return nil, store.ErrNotFound
	}
	if old.Kind != "api" {
		return nil, &FileError{key, old.Origin}
	}
	e := edit{catalog: c, next: maps.Clone(c.objects)}
	e.remove(key)
	if err := e.policies(); err != nil {
		return nil, err
	}
	return e.changes, e.commit(ctx)
}
