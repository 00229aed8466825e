package openapi

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/source"
)

// Bounds of what is made of a document.
const (
	maxOperations = 1000
	maxSchema     = 256 << 10 // bytes of one route's schema
	maxSchemas    = 8 << 20   // and of all of them
	maxWork       = 500_000   // schemas that are looked at
	maxHops       = 20        // references that lead to one another
)

// Import is what was made of a document.
type Import struct {
	Routes []catalog.Route
	Flows  []Beginning
	// Notes say what the routes leave out of the document, and what to do
	// about it.
	Notes source.Problems
}

// Read makes routes of an OpenAPI document, 3.0 or 3.1, in YAML or JSON. Prefix
// goes before their paths. Problems say why nothing could be made.
func Read(file string, data []byte, prefix string) (Import, source.Problems) {
	var document source.Value
	if problems := source.Decode(file, data, &document); len(problems) > 0 {
		return Import{}, problems
	}
	var problems source.Problems
	version, _ := document.Get("openapi").Any().(string)
	switch {
	case document.Get("swagger").Any() != nil:
		problems.Add(document.KeyPlace("swagger"), "convert it to OpenAPI 3 first", "the document is Swagger 2")
	case !strings.HasPrefix(version, "3.0") && !strings.HasPrefix(version, "3.1"):
		problems.Add(document.KeyPlace("openapi"), "write openapi: 3.1.0, or 3.0.x", "the document is not OpenAPI 3.0 or 3.1")
	case !document.Get("paths").IsMapping():
		problems.Add(document.Place(), "give it paths", "the document has no paths")
	}
	if len(problems) > 0 {
		return Import{}, problems
	}
	r := reader{document: document, old: strings.HasPrefix(version, "3.0"), prefix: strings.TrimSuffix(prefix, "/"), flows: map[string]bool{}, shapes: map[string]bool{}}
	r.read()
	return r.made, nil
}

// reader makes routes of a document.
type reader struct {
	document source.Value
	old      bool // 3.0, whose schemas are not quite JSON Schemas
	prefix   string
	made     Import
	flows    map[string]bool // ids
	shapes   map[string]bool // of routes
	count    int
	schemas  int // bytes of them
	work     int // schemas that were looked at, again for each route that uses them
	tired    bool
}

// operation is what is read.
type operation struct {
	source.Value
	name   string // "GET /pets/{id}"
	method string
	path   string
	shared source.Value // parameters of the path
}

func (r *reader) note(at source.Place, hint, format string, args ...any) {
	r.made.Notes.Add(at, hint, format, args...)
}

func (r *reader) read() {
	d := r.document
	for _, part := range []string{"webhooks"} {
		if v := d.Get(part); len(v.Keys()) > 0 {
			r.note(d.KeyPlace(part), "send events with subscriptions.yaml", "%s have no route", part)
		}
	}
	if url, _ := d.Get("servers", "0", "url").Any().(string); url != "" && r.prefix == "" {
		if path := serverPath(url); path != "" && path != "/api" {
			r.note(d.Get("servers", "0").Place(), "give --prefix "+path+" to keep it", "the server's path %s is left out: routes are served under /api", path)
		}
	}
	paths := d.Get("paths")
	for _, path := range paths.Keys() {
		if !strings.HasPrefix(path, "/") || path == statusPath {
			continue // an extension, or what each gateway has
		}
		item := r.follow(paths.Get(path))
		for _, key := range item.Keys() {
			switch method := strings.ToUpper(key); method {
			case http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete:
				if r.count++; r.count > maxOperations {
					r.note(item.KeyPlace(key), "split the document", "only the first %d operations were read", maxOperations)
					return
				}
				r.operation(operation{Value: item.Get(key), name: method + " " + path, method: method, path: path, shared: item.Get("parameters")})
			case http.MethodHead:
				r.note(item.KeyPlace(key), "give the path a get", "HEAD %s: it is answered where there is a GET", path)
			case http.MethodOptions, http.MethodTrace:
				r.note(item.KeyPlace(key), "", "%s %s: no route can have this method", method, path)
			case "SERVERS":
				r.note(item.KeyPlace(key), "", "%s: servers of a path are left out", path)
			}
		}
	}
}

// serverPath is the path of a server's URL, without a slash at its end.
func serverPath(url string) string {
	if _, rest, absolute := strings.Cut(url, "://"); absolute {
		_, path, _ := strings.Cut(rest, "/")
		url = "/" + path
	}
	if strings.ContainsAny(url, "{}?#") || !strings.HasPrefix(url, "/") {
		return ""
	}
	return strings.TrimRight(url, "/")
}

// follow gives what a value refers to, if it is a reference inside the
// document; else the value itself.
func (r *reader) follow(v source.Value) source.Value {
	for range maxHops {
		ref, ok := v.Get("$ref").Any().(string)
		if !ok {
			return v
		}
		at, local := strings.CutPrefix(ref, "#")
		if !local {
			r.note(v.Place(), "put it into this document", "%s is in another document, which is not read", ref)
			return source.Value{}
		}
		v = r.document.Get(steps(at)...)
	}
	return source.Value{}
}

// operation makes a route of one operation.
func (r *reader) operation(o operation) {
	route := catalog.Route{Method: o.method, Title: str(o.Get("summary")), Description: str(o.Get("description"))}
	for i := range o.Get("tags").Len() {
		if tag := str(o.Get("tags", strconv.Itoa(i))); tag != "" {
			route.Tags = append(route.Tags, tag)
		}
	}
	params := r.parameters(o)
	var ok bool
	if route.Path, ok = r.path(o, params); !ok {
		return
	}
	for _, part := range []string{"callbacks", "servers"} {
		if !o.Get(part).IsZero() {
			r.note(o.KeyPlace(part), "", "%s: its %s are left out", o.name, part)
		}
	}
	examples := examples{}
	r.headers(o, params, &route, examples)
	r.request(o, &route, examples)
	answer := r.answers(o, &route, examples)
	route.Examples = examples.list()
	r.secure(o, &route)
	route.Flow = r.flow(o)
	if problems := route.Check(); len(problems) > 0 {
		r.note(o.Place(), problems[0].Hint, "%s is left out: %s", o.name, problems[0].Message)
		return
	}
	if shape := route.Shape(); r.shapes[shape] {
		r.note(o.Place(), "keep one of them", "%s is left out: a route before it takes the same calls", o.name)
		return
	} else {
		r.shapes[shape] = true
	}
	r.made.Routes = append(r.made.Routes, route)
	if !r.flows[route.Flow] {
		r.flows[route.Flow] = true
		r.made.Flows = append(r.made.Flows, Beginning{ID: route.Flow, Title: route.Title, answer: answer})
	}
}

// str is a text, "" of anything else.
func str(v source.Value) string {
	text, _ := v.Any().(string)
	return text
}

// parameter is one that an operation takes.
type parameter struct {
	source.Value
	name, in string
}

// parameters are those of an operation and of its path.
func (r *reader) parameters(o operation) (list []parameter) {
	seen := map[string]bool{}
	for _, from := range []source.Value{o.Get("parameters"), o.shared} {
		for i := range from.Len() {
			p := r.follow(from.Get(strconv.Itoa(i)))
			one := parameter{p, str(p.Get("name")), str(p.Get("in"))}
			if key := one.in + " " + one.name; !seen[key] {
				seen[key] = true
				list = append(list, one)
			}
		}
	}
	return list
}

// path writes a template as routes have it.
func (r *reader) path(o operation, params []parameter) (string, bool) {
	if own := str(o.Get("x-trama-path")); own != "" {
		return r.prefix + own, true
	}
	segments, taken := strings.Split(o.path, "/"), map[string]bool{}
	for i, segment := range segments {
		if !strings.ContainsAny(segment, "{}") {
			continue
		}
		name, opens := strings.CutPrefix(segment, "{")
		name, closes := strings.CutSuffix(name, "}")
		if !opens || !closes || strings.ContainsAny(name, "{}") {
			r.note(o.Place(), "let the parameter be a segment of its own", "%s is left out: a route's parameter is a whole segment, not a part of %s", o.name, segment)
			return "", false
		}
		own := snake(name)
		for n := 2; taken[own]; n++ {
			own = fmt.Sprintf("%s_%d", snake(name), n)
		}
		if taken[own] = true; own != name {
			r.note(o.Place(), "", "%s: the parameter %s is called %s", o.name, name, own)
		}
		segments[i] = ":" + own
		for j := range params {
			if params[j].in == "path" && params[j].name == name {
				params[j].name = own
			}
		}
	}
	path := r.prefix + strings.Join(segments, "/")
	if trimmed := strings.TrimRight(path, "/"); trimmed != "" {
		path = trimmed // a final slash counts for nothing
	}
	return path, true
}

// snake writes a name as the parameters of routes are: "orderId" is order_id.
func snake(name string) string {
	text := strings.Trim(words(name, '_'), "_")
	if text == "" || text[0] < 'a' || text[0] > 'z' {
		text = strings.TrimRight("p_"+text, "_")
	}
	return text
}

// words writes a name in small letters and digits, with a mark between its
// words.
func words(name string, mark byte) string {
	var b []byte
	lower := false // the letter before is small, or a digit
	for i := range len(name) {
		c := name[i]
		upper := c >= 'A' && c <= 'Z'
		switch {
		case upper && lower:
			b = append(b, mark, c+'a'-'A')
		case upper:
			b = append(b, c+'a'-'A')
		case c >= 'a' && c <= 'z' || c >= '0' && c <= '9':
			b = append(b, c)
		case len(b) > 0 && b[len(b)-1] != mark:
			b = append(b, mark)
		}
		lower = c >= 'a' && c <= 'z' || c >= '0' && c <= '9'
	}
	return string(b)
}

// flow gives the id of the flow that is to answer.
func (r *reader) flow(o operation) string {
	if own := str(o.Get("x-trama-flow")); isFlowID(own) {
		return own
	}
	id := str(o.Get("operationId"))
	if isFlowID(id) && !r.flows[id] {
		return id
	}
	id = strings.Trim(words(id, '-'), "-")
	if id == "" {
		id = strings.Trim(words(strings.ToLower(o.method)+o.path, '-'), "-")
	}
	if id[0] < 'a' || id[0] > 'z' {
		id = "flow-" + id
	}
	id = strings.TrimRight(id[:min(len(id), maxFlowID)], "-")
	own := id
	for n := 2; r.flows[own]; n++ {
		own = fmt.Sprintf("%s-%d", id, n)
	}
	return own
}

// maxFlowID is how long the ids of flows get; it leaves room for a number.
const maxFlowID = 80

func isFlowID(text string) bool {
	return text != "" && len(text) <= maxFlowID && text[0] >= 'a' && text[0] <= 'z' && strings.Trim(text, "abcdefghijklmnopqrstuvwxyz0123456789-_") == ""
}

// headers maps the headers that mean something to a route, and says which
// parameters are not checked.
func (r *reader) headers(o operation, params []parameter, route *catalog.Route, examples examples) {
	accepted := !o.Get("responses", "202").IsZero()
	var unchecked []string
	for _, p := range params {
		switch {
		case p.in == "path":
			examples.parameter(p.Value, p.name, func(e *catalog.Example) *map[string]string { return &e.Params })
		case p.in == "query":
			if examples.parameter(p.Value, p.name, func(e *catalog.Example) *map[string]string { return &e.Query }); !plainQuery(p) {
				unchecked = append(unchecked, p.name)
			}
		case strings.EqualFold(p.name, "Idempotency-Key") && p.in == "header" && o.method != http.MethodGet:
			required, _ := p.Get("required").Any().(bool)
			route.Idempotency = &catalog.Idempotency{Required: required}
		case strings.EqualFold(p.name, "Prefer") && p.in == "header" && accepted:
			route.Async = catalog.AsyncAllowed
			if p.Get("schema", "pattern").Any() == waitPattern {
				route.Async = catalog.AsyncAlways
			}
		case p.in == "header" || p.in == "cookie":
			unchecked = append(unchecked, p.name)
		}
	}
	if len(unchecked) > 0 {
		r.note(o.Place(), "the flow has them in input.query and input.headers", "%s: these parameters are not checked by the route: %s", o.name, strings.Join(unchecked, ", "))
	}
}

// plainQuery says whether all that is said of a parameter is that it may be
// some text.
func plainQuery(p parameter) bool {
	required, _ := p.Get("required").Any().(bool)
	keys := p.Get("schema").Keys()
	return !required && len(keys) == 1 && str(p.Get("schema", "type")) == "string"
}

// steps are the keys of a JSON pointer.
func steps(pointer string) []string {
	list := strings.Split(strings.TrimPrefix(pointer, "/"), "/")
	if pointer == "" || pointer == "/" {
		return nil
	}
	for i, step := range list {
		list[i] = unescape(step)
	}
	return list
}

// sortedKeys gives the keys of a mapping in an order of their own.
func sortedKeys(v source.Value) []string { return slices.Sorted(slices.Values(v.Keys())) }
