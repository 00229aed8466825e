package openapi

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/trama-run/trama/host/access"
	"github.com/trama-run/trama/host/catalog"
)

// Public describes the routes of a snapshot, which are served under prefix.
func Public(s *catalog.Snapshot, prefix string) Document {
	b := builder{
		snapshot: s, flows: map[string]int{}, paths: map[string]Path{}, shapes: map[string]string{}, schemas: map[string]any{ProblemSchema: Problem()},
		tags: map[string]bool{}, ids: map[string]bool{}, responses: map[string]Response{}, security: map[string]Scheme{},
	}
	routes := slices.SortedFunc(slices.Values(s.Routes), func(x, y catalog.Route) int {
		last := func(path string) string { return strings.Replace(path, "*", "\x7f", 1) } // what takes the rest stands behind what takes less
		return cmp.Or(cmp.Compare(last(x.Path), last(y.Path)), cmp.Compare(x.Method, y.Method))
	})
	for _, r := range routes {
		b.flows[r.Flow]++
	}
	for _, r := range routes {
		b.add(r)
	}
	later := slices.DeleteFunc(slices.Clone(routes), func(r catalog.Route) bool { return r.Async != catalog.AsyncAllowed && r.Async != catalog.AsyncAlways })
	if len(later) > 0 {
		b.later(later)
	}
	g := s.Gateway
	d := Document{
		OpenAPI: Version,
		Info:    Info{Title: cmp.Or(g.Title, "API"), Version: cmp.Or(g.Version, "1"), Description: g.Description},
		Servers: []Server{{URL: prefix}},
		Paths:   b.paths,
		Components: Components{
			Schemas: b.schemas, Responses: b.responses, Security: b.security,
			Headers: headerComponents(),
		},
	}
	for _, name := range slices.Sorted(maps.Keys(b.tags)) {
		d.Tags = append(d.Tags, Tag{name})
	}
	return d
}

func text() map[string]any { return map[string]any{"type": "string"} }

// builder puts a document together.
type builder struct {
	snapshot  *catalog.Snapshot
	flows     map[string]int // how many routes a flow answers
	paths     map[string]Path
	shapes    map[string]string // of the paths: the path, by its shape
	schemas   map[string]any
	responses map[string]Response
	security  map[string]Scheme
	tags      map[string]bool
	ids       map[string]bool // of operations
}

// add describes one route.
func (b *builder) add(r catalog.Route) {
	method, path := strings.ToLower(r.Method), template(r.Path)
	o := Operation{
		ID: r.Flow, Summary: r.Title, Description: r.Description, Tags: r.Tags, Responses: map[string]Response{},
	}
	if b.flows[r.Flow] > 1 {
		o.ID, o.Flow = r.Flow+"."+method+slug(r.Path), r.Flow
	}
	for n := 2; b.ids[o.ID]; n++ {
		o.ID, o.Flow = fmt.Sprintf("%s.%s%s.%d", r.Flow, method, slug(r.Path), n), r.Flow
	}
	b.ids[o.ID] = true
	for _, tag := range r.Tags {
		b.tags[tag] = true
	}
	path, own := b.place(method, path)
	if !own || strings.Contains(r.Path, "*") {
		o.Path = r.Path
	}
	if b.paths[path] == nil {
		b.paths[path], b.shapes[shape(path)] = Path{}, path
	}
	o.Parameters = b.parameters(r, names(path))
	o.Body = b.body(r, o.ID)
	b.answers(r, &o)
	b.problems(r, &o)
	_, security := b.snapshot.Security(r)
	b.secure(security, &o)
	b.paths[path][method] = o
}

// template writes a route's path as OpenAPI does.
func template(path string) string {
	segments := strings.Split(path, "/")
	for i, segment := range segments {
		if name := strings.TrimLeft(segment, ":*"); name != segment {
			segments[i] = "{" + name + "}"
		}
	}
	return strings.Join(segments, "/")
}

// names are those of a template's parameters.
func names(path string) (list []string) {
	for segment := range strings.SplitSeq(path, "/") {
		if name, ok := strings.CutPrefix(segment, "{"); ok {
			list = append(list, strings.TrimSuffix(name, "}"))
		}
	}
	return list
}

// place gives the template that a path is described under. Two templates that
// differ in names only are one to OpenAPI: the first one's names stand for
// both, and own is false. A path that takes the rest of a request's path gets
// what one that takes a segment leaves: a segment more.
func (b *builder) place(method, path string) (at string, own bool) {
	other, known := b.shapes[shape(path)]
	if !known {
		return path, true
	}
	if _, taken := b.paths[other][method]; taken {
		last := strings.LastIndexByte(path, '/')
		name := fmt.Sprintf("part%d", strings.Count(path, "/"))
		at, _ = b.place(method, path[:last]+"/{"+name+"}"+path[last:])
		return at, false
	}
	return other, other == path
}

// shape is a template without the names of its parameters.
func shape(path string) string {
	segments := strings.Split(path, "/")
	for i, segment := range segments {
		if strings.HasPrefix(segment, "{") {
			segments[i] = "{}"
		}
	}
	return strings.Join(segments, "/")
}

// slug makes a part of an identifier of a path.
func slug(path string) string {
	var b strings.Builder
	for segment := range strings.SplitSeq(path, "/") {
		if segment != "" {
			b.WriteString("." + strings.ReplaceAll(strings.TrimLeft(segment, ":*"), "~", "_"))
		}
	}
	return b.String()
}

// exampleName names the example of an index, wherever parts of it stand.
func exampleName(i int) string { return fmt.Sprintf("example%02d", i+1) }

// parameters are those of the path, those of the query that examples and the
// cache's key tell of, and the headers that a caller may send.
func (b *builder) parameters(r catalog.Route, path []string) (list []Parameter) {
	examples := func(own string, values func(catalog.Example) map[string]string) map[string]Example {
		found := map[string]Example{}
		for i, e := range r.Examples {
			if value, ok := values(e)[own]; ok {
				found[exampleName(i)] = Example{Value: value}
			}
		}
		return found
	}
	known := r.Params()
	for i, name := range path {
		p := Parameter{Name: name, In: "path", Required: true, Schema: text()}
		last := i == len(path)-1
		if last && strings.Contains(r.Path, "*") {
			p.Description = "The rest of the path; it may hold slashes."
		}
		switch {
		case last:
			i = len(known) - 1
		case i >= len(known)-1:
			i = -1 // a part of the rest
		}
		if i >= 0 {
			p.Examples = examples(known[i], func(e catalog.Example) map[string]string { return e.Params })
		}
		list = append(list, p)
	}
	query := map[string]bool{}
	for _, e := range r.Examples {
		for name := range e.Query {
			query[name] = true
		}
	}
	if r.Cache != nil {
		for _, key := range r.Cache.Key {
			if name, ok := strings.CutPrefix(key, "query:"); ok {
				query[name] = true
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(query)) {
		list = append(list, Parameter{Name: name, In: "query", Schema: text(), Examples: examples(name, func(e catalog.Example) map[string]string { return e.Query })})
	}
	if name := keyHeader(r.Idempotency); name != "" {
		list = append(list, Parameter{
			Name: name, In: "header", Required: r.Idempotency.Required,
			Description: "A text of your own for this call, such as a UUID. A later call with it gets the answer of the first, and changes nothing.",
			Schema:      map[string]any{"type": "string", "minLength": 1, "maxLength": 255},
		})
	}
	switch r.Async {
	case catalog.AsyncAllowed:
		list = append(list, prefer(text(), "respond-async: answer 202 at once, and the flow's answer later from where Location leads. With wait=5 beside it: after five seconds, if it isn't there."))
	case catalog.AsyncAlways:
		list = append(list, prefer(map[string]any{"type": "string", "pattern": waitPattern}, "wait=5: the flow's answer itself, if it is there within five seconds."))
	}
	return list
}

// waitPattern is what callers of a route that always answers later may prefer.
const waitPattern = "^wait=[1-9][0-9]*$"

func prefer(schema map[string]any, description string) Parameter {
	return Parameter{Name: "Prefer", In: "header", Schema: schema, Description: description}
}

// keyHeader is the header that calls of a route have their key in; empty if
// they have none, or in their body.
func keyHeader(k *catalog.Idempotency) string {
	if k == nil {
		return ""
	}
	switch kind, name, own := strings.Cut(k.Key, ":"); {
	case !own:
		return "Idempotency-Key"
	case kind == "header":
		return name
	}
	return ""
}

// body is what a request carries.
func (b *builder) body(r catalog.Route, id string) *Body {
	media := Media{Examples: map[string]Example{}}
	for i, e := range r.Examples {
		if e.Request != nil {
			media.Examples[exampleName(i)] = Example{Summary: e.Title, Value: e.Request}
		}
	}
	of := "application/json"
	switch {
	case r.Request != nil:
		if r.Request.Schema != nil {
			media.Schema = b.schema(r.Request.Schema, id+".request")
		}
		of = cmp.Or(r.Request.Type, of)
		if r.Request.Type == "" && r.Request.Schema == nil {
			of = "*/*"
		}
	case len(media.Examples) == 0 && r.Method == http.MethodGet, len(media.Examples) == 0 && r.Method == http.MethodDelete:
		return nil
	default:
		of = "*/*"
	}
	return &Body{Required: media.Schema != nil, Content: map[string]Media{of: media}}
}

// answers are what the flow gives where nothing went wrong: the statuses that
// it or an example names.
func (b *builder) answers(r catalog.Route, o *Operation) {
	if r.Async != "" && r.Async != catalog.AsyncNever { // always: Prefer may ask to wait for the flow's answer
		o.Responses["202"] = accepted(b.told(r))
	}
	own := b.told(r)
	add := func(status int) Response {
		key := strconv.Itoa(status)
		if known, ok := o.Responses[key]; ok {
			return known
		}
		answer := Response{Description: http.StatusText(status), Headers: headers(own...)}
		if status != http.StatusNoContent {
			media := Media{}
			if r.Response != nil && r.Response.Schema != nil && status < 300 {
				media.Schema = b.schema(r.Response.Schema, o.ID+".response")
			}
			answer.Content = map[string]Media{"application/json": media}
		}
		o.Responses[key] = answer
		return answer
	}
	for i, e := range r.Examples {
		answer := add(cmp.Or(e.Status, http.StatusOK))
		if e.Response == nil || answer.Content == nil {
			continue
		}
		media := answer.Content["application/json"]
		if media.Examples == nil {
			media.Examples = map[string]Example{}
		}
		media.Examples[exampleName(i)] = Example{Summary: e.Title, Value: e.Response}
		answer.Content["application/json"] = media
	}
	known, all := b.statuses(r.Flow)
	for _, status := range known {
		add(status)
	}
	if !all {
		add(http.StatusOK)
		o.Responses["default"] = Response{Description: "What else the flow answers", Headers: headers(own...), Content: map[string]Media{"application/json": {}}}
	}
	if r.Response == nil {
		none := add(http.StatusNoContent)
		none.Description = "The flow ended without an answer"
		o.Responses["204"] = none
	}
	if r.Cache != nil {
		o.Responses["304"] = Response{Description: "The answer is still the one whose ETag the request named in If-None-Match", Headers: headers(own...)}
	}
}

// accepted is the answer to a call that is answered at once; told are the
// headers of the route's answers.
func accepted(told []string) Response {
	answer := Response{
		Description: "The call is stored, and will be answered", Headers: headers(append(told, "Retry-After")...),
		Content: map[string]Media{"application/json": {Schema: reference("schemas", callSchema)}},
	}
	answer.Headers["Location"] = Header{Description: "Where the answer will be found.", Schema: text()}
	return answer
}

// callSchema is the schema of a call that is answered later.
const callSchema = "Call"

// statusPath is where later answers are found.
const statusPath = "/" + catalog.StatusSegment + "/{run}"

// later describes where the answers of some routes are found, which come later.
func (b *builder) later(routes []catalog.Route) {
	b.schemas[callSchema] = map[string]any{
		"type":        "object",
		"description": "A call that is answered later.",
		"required":    []string{"run", "status"},
		"properties": map[string]any{
			"run":    map[string]any{"type": "string", "description": "The id of the run that answers."},
			"status": map[string]any{"enum": []string{"running", "done", "failed"}},
			"answer": map[string]any{
				"type": "object", "description": "The flow's answer, of a call that is done.", "required": []string{"status"},
				"properties": map[string]any{"status": map[string]any{"type": "integer"}, "headers": map[string]any{"type": "object", "additionalProperties": text()}, "body": map[string]any{}},
			},
			"problem": reference("schemas", ProblemSchema),
		},
	}
	o := Operation{
		ID: "trama.status", Summary: "Read an answer that comes later",
		Description: "It is there for who made the call: send the same credentials.",
		Parameters:  []Parameter{{Name: "run", In: "path", Required: true, Schema: text(), Description: "The id of the run, as Location has it."}},
		Responses: map[string]Response{
			"200": {Description: "How the call stands", Headers: headers("X-Request-Id", "Retry-After"), Content: map[string]Media{"application/json": {Schema: reference("schemas", callSchema)}}},
			"404": ProblemResponse(http.StatusNotFound, "There is no such call, or it was another caller's"),
		},
	}
	var ways access.Security // what some route or other asks for
	var asked asks
	for _, r := range routes {
		_, security := b.snapshot.Security(r)
		if len(security) == 0 {
			security = access.Security{{Public: true}}
		}
		ways, asked = append(ways, security...), asked.and(asksOf(security))
	}
	for _, p := range refusals() {
		switch p.status {
		case 400, 401, 403, 429, 500, 503:
			if p.when(catalog.Route{}, asked, false) {
				b.refuse(p, &o)
			}
		}
	}
	if b.secure(ways, &o); asked != (asks{}) {
		o.Callers = "whoever made the call, with the same credentials"
	}
	b.paths[statusPath] = Path{"get": o}
}

// statuses are those that a flow's nodes answer; all is false if there may be
// others.
func (b *builder) statuses(id string) (list []int, all bool) {
	f, ok := b.snapshot.Flows[id]
	if !ok {
		return nil, false
	}
	all = true
	for i := range f.Flow.Nodes {
		n := &f.Flow.Nodes[i]
		if n.Type != "response.json" {
			continue
		}
		status := int64(http.StatusOK)
		if given := n.With.Get("status"); !given.IsZero() {
			if status, ok = given.Any().(int64); !ok {
				all = false
				continue
			}
		}
		list = append(list, int(status))
	}
	return list, all
}
