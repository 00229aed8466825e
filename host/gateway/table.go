package gateway

import (
	"errors"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"unicode/utf8"

	"github.com/trama-run/trama/host/access"
	"github.com/trama-run/trama/host/catalog"
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
	open              bool           // the security lets anyone call
	request, response *schema.Schema // nil: anything
	// unfit says why a schema can't be read that once could; empty: nothing.
	unfit string
	calls *atomic.Int64 // that are being answered, over changes of the route
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
			made.calls = was.calls
		}
		made.compile(was)
		t.named[made.name] = made
		t.add(made)
	}
	return t
}

func newRoute(s *catalog.Snapshot, r catalog.Route) *route {
	made := &route{Route: r, name: r.Name(), params: r.Params(), cors: r.CORS, calls: &atomic.Int64{}}
	made.owner, made.security = s.Security(r)
	made.open = len(made.security) == 0 || slices.ContainsFunc(made.security, func(w access.Way) bool { return w.Public })
	if made.cors == nil {
		made.cors = s.Gateway.CORS
	}
	return made
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
