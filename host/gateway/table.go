package gateway

import (
	"net/url"
	"slices"
	"strings"

	"github.com/trama-run/trama/host/catalog"
)

// table finds the route of a request. It is made once for a snapshot.
type table struct {
	root node
}

// node is one position in a path.
type node struct {
	children map[string]*node // by literal segment
	param    *node            // for ":name"
	routes   map[string]route // by method
}

// route is a route with the names of its parameters, in the path's order.
type route struct {
	catalog.Route
	params []string
}

func newTable(routes []catalog.Route) *table {
	t := &table{}
	for _, r := range routes {
		n := &t.root
		var params []string
		for _, segment := range split(r.Path) {
			name, isParam := strings.CutPrefix(segment, ":")
			if isParam {
				params = append(params, name)
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
			n.routes = map[string]route{}
		}
		n.routes[r.Method] = route{r, params}
	}
	return t
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

// segments gives the segments of a request's path, decoded after they were
// split, so that %2F is part of one (RFC 3986, section 2.2). The error is a
// bad escape.
func segments(path string) ([]string, error) {
	parts := split(path)
	for i, part := range parts {
		decoded, err := url.PathUnescape(part)
		if err != nil {
			return nil, err
		}
		parts[i] = decoded
	}
	return parts, nil
}

// find returns the route for a request and the values of its parameters. If
// the path has routes but none for the method, it returns their methods. At
// each segment a literal wins over a parameter, which takes no empty segment.
func (t *table) find(method string, path []string) (r route, values map[string]any, allow []string, ok bool) {
	var allowed []string
	var walk func(n *node, rest, taken []string) bool
	walk = func(n *node, rest, taken []string) bool {
		if len(rest) == 0 {
			if found, has := n.routes[method]; has {
				r, values = found, map[string]any{}
				for i, name := range found.params {
					values[name] = taken[i]
				}
				return true
			}
			for m := range n.routes {
				allowed = append(allowed, m)
			}
			return false
		}
		if child := n.children[rest[0]]; child != nil && walk(child, rest[1:], taken) {
			return true
		}
		return n.param != nil && rest[0] != "" && walk(n.param, rest[1:], append(taken[:len(taken):len(taken)], rest[0]))
	}
	if walk(&t.root, path, nil) {
		return r, values, nil, true
	}
	slices.Sort(allowed)
	return route{}, nil, slices.Compact(allowed), false
}
