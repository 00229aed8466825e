package gateway

import (
	"encoding/json"
	"errors"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/trama-run/trama/host/access"
	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/run"
	"github.com/trama-run/trama/host/schema"
)

// table finds the route of a request. It is made once for a snapshot.
type table struct {
	root  node
	named map[string]*route
}

// node is one position in a path.
type node struct {
	children map[string]*node  // by literal segment
	param    *node             // for ":name"
	routes   map[string]*route // by method
	rest     map[string]*route // those of "*name", by method
}

// route is a route with what is made of its settings.
type route struct {
	catalog.Route
	name   string
	params []string // names of its parameters, in the path's order

	cors              *catalog.CORS // nil: none
	owner             string        // see catalog.Snapshot.Security
	security          access.Security
	terms             json.RawMessage // the security, for when the route is gone
	open              bool            // the security lets anyone call
	request, response *schema.Schema  // nil: anything
	// unfit says why a schema can't be read that once could; empty: nothing.
	unfit  string
	places *places // of its runs, over changes of the route
}

// newTable makes the table of a snapshot's routes. before is the one that it
// takes the place of, if there is one.
func newTable(s *catalog.Snapshot, before *table) *table {
	t := &table{named: make(map[string]*route, len(s.Routes))}
	for _, r := range s.Routes {
		made := newRoute(s, r)
		var was *route
		if before != nil {
			was = before.named[made.name]
		}
		if was != nil {
			made.places = was.places
		}
		made.compile(was)
		t.named[made.name] = made
		t.add(made)
	}
	return t
}

func newRoute(s *catalog.Snapshot, r catalog.Route) *route {
	made := &route{Route: r, name: r.Name(), params: r.Params(), cors: r.CORS, places: &places{}}
	owner, security := s.Security(r)
	made.ask(owner, security)
	if made.cors == nil {
		made.cors = s.Gateway.CORS
	}
	return made
}

// ask sets what the route asks of its callers.
func (r *route) ask(owner string, security access.Security) {
	r.owner, r.security = owner, security
	r.open = len(security) == 0 || slices.ContainsFunc(security, func(w access.Way) bool { return w.Public })
	var err error
	if r.terms, err = json.Marshal(security); err != nil { // it came as JSON
		panic(err)
	}
}

// gone is a route that is not there any more, as far as later answers of its
// calls ask for it; nil: it is not known who may have them.
func gone(s *catalog.Snapshot, c run.Call) *route {
	var security access.Security
	if len(c.Terms) == 0 || json.Unmarshal(c.Terms, &security) != nil {
		return nil
	}
	r := &route{name: c.Route, cors: s.Gateway.CORS}
	r.ask(c.Route, security)
	return r
}

// compile reads the route's schemas, unless they are those that it had.
func (r *route) compile(was *route) {
	if was != nil && reflect.DeepEqual(was.Request, r.Request) && reflect.DeepEqual(was.Response, r.Response) {
		r.request, r.response, r.unfit = was.request, was.response, was.unfit
		return
	}
	read := func(document map[string]any) *schema.Schema {
		if document == nil {
			return nil
		}
		s, err := schema.Compile(document)
		if err != nil {
			r.unfit = err.Error()
		}
		return s
	}
	if r.Request != nil {
		r.request = read(r.Request.Schema)
	}
	if r.Response != nil {
		r.response = read(r.Response.Schema)
	}
}

func (t *table) add(r *route) {
	n := &t.root
	for _, segment := range split(r.Path) {
		switch segment[0] {
		case '*':
			if n.rest == nil {
				n.rest = map[string]*route{}
			}
			n.rest[r.Method] = r
			return
		case ':':
			if n.param == nil {
				n.param = &node{}
			}
			n = n.param
			continue
		}
		if n.children == nil {
			n.children = map[string]*node{}
		}
		if n.children[segment] == nil {
			n.children[segment] = &node{}
		}
		n = n.children[segment]
	}
	if n.routes == nil {
		n.routes = map[string]*route{}
	}
	n.routes[r.Method] = r
}

// split gives the segments of a path; the root has none, and a final slash
// counts for nothing.
func split(path string) []string {
	path = strings.Trim(path, "/")
	if path == "" {
		return nil
	}
	return strings.Split(path, "/")
}

// maxPath bounds a path, in bytes as it is sent.
const maxPath = 4096

// segments gives the segments of a request's path, decoded after they were
// split, so that %2F is part of one (RFC 3986, section 2.2). What would name
// another path where a flow makes a path of it is an error, and so is what no
// path has.
func segments(path string) ([]string, error) {
	if len(path) > maxPath {
		return nil, errors.New("it is too long")
	}
	parts := split(path)
	for i, part := range parts {
		if strings.IndexByte(part, '%') >= 0 {
			decoded, err := url.PathUnescape(part)
			if err != nil {
				return nil, errors.New("it has a % that no two hexadecimal digits follow")
			}
			part, parts[i] = decoded, decoded
		}
		if plain(part) {
			continue
		}
		if !utf8.ValidString(part) {
			return nil, errors.New("it is not UTF-8")
		}
		if strings.ContainsFunc(part, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return nil, errors.New("it has a control character")
		}
		for inner := range strings.FieldsFuncSeq(part, func(r rune) bool { return r == '/' || r == '\\' }) {
			if inner == "." || inner == ".." {
				return nil, errors.New("it has a segment . or .., which names another path")
			}
		}
	}
	return parts, nil
}

// plain says that a segment has only what needs no second look.
func plain(segment string) bool {
	for i := range len(segment) {
		c := segment[i]
		if c <= ' ' || c >= 0x7f || c == '.' || c == '/' || c == '\\' {
			return false
		}
	}
	return true
}

// find returns the route for a request and the values of its parameters. If
// the path has routes but none for the method, it returns their methods. At
// each segment a literal wins over a parameter, which takes no empty segment,
// and a parameter over the rest, which begins with none.
func (t *table) find(method string, path []string) (r *route, values map[string]any, allow []string, ok bool) {
	var allowed []string
	take := func(routes map[string]*route, taken []string) bool {
		found := routes[method]
		if found == nil {
			for m := range routes {
				allowed = append(allowed, m)
			}
			return false
		}
		r, values = found, make(map[string]any, len(found.params))
		for i, name := range found.params {
			values[name] = taken[i]
		}
		return true
	}
	var walk func(n *node, rest, taken []string) bool
	walk = func(n *node, rest, taken []string) bool {
		if len(rest) == 0 {
			return take(n.routes, taken)
		}
		if child := n.children[rest[0]]; child != nil && walk(child, rest[1:], taken) {
			return true
		}
		if rest[0] == "" {
			return false
		}
		if n.param != nil && walk(n.param, rest[1:], append(taken[:len(taken):len(taken)], rest[0])) {
			return true
		}
		return n.rest != nil && take(n.rest, append(taken[:len(taken):len(taken)], strings.Join(rest, "/")))
	}
	if walk(&t.root, path, nil) {
		return r, values, nil, true
	}
	slices.Sort(allowed)
	return nil, nil, slices.Compact(allowed), false
}
