package catalog

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/trama-run/trama/host/access"
	"github.com/trama-run/trama/host/grant"
	"github.com/trama-run/trama/host/schema"
	"github.com/trama-run/trama/host/source"
)

// Route is a method and path of the gateway, and the flow that answers.
type Route struct {
	At source.Place `json:"-"`
	// Method is GET, POST, PUT, PATCH or DELETE. HEAD is answered as GET,
	// without the body.
	Method string `json:"method" source:"required"`
	// Path starts with "/"; ":name" takes one segment as a parameter, and
	// "*name", as the last, takes the rest of the path.
	Path string `json:"path" source:"required"`
	Flow string `json:"flow" source:"required"`
	// Security is what is asked of a call; without it, what gateway.yaml asks.
	Security access.Security `json:"security,omitzero"`
	// Timeout is how long a caller waits for the answer; 30 s if not set.
	Timeout grant.Duration `json:"timeout,omitzero"`
	// Async says whether callers get 202 at once and the answer later, from
	// where Location leads: AsyncNever (if empty), AsyncAllowed (for those who
	// send "Prefer: respond-async") or AsyncAlways.
	Async string `json:"async,omitempty"`
	// Request and Response say of what bodies are; nil: of anything.
	Request  *RouteRequest  `json:"request,omitempty"`
	Response *RouteResponse `json:"response,omitempty"`
	// BodyLimit is the most bytes of a request's body; MaxBody if not set.
	BodyLimit grant.Size `json:"body_limit,omitzero"`
	// Concurrency is how many runs are at work at once; as many as the host
	// takes if not set.
	Concurrency int `json:"concurrency,omitempty"`
	// CORS, if it is set, stands in place of that of all routes.
	CORS        *CORS        `json:"cors,omitempty"`
	Cache       *Cache       `json:"cache,omitempty"`
	Idempotency *Idempotency `json:"idempotency,omitempty"`

	// Title, Description, Tags and Examples are for readers of the OpenAPI
	// document.
	Title       string    `json:"title,omitempty"`
	Description string    `json:"description,omitempty"`
	Tags        []string  `json:"tags,omitempty"`
	Examples    []Example `json:"examples,omitempty"`
}

// Values of Route.Async.
const (
	AsyncNever   = "never"
	AsyncAllowed = "allowed"
	AsyncAlways  = "always"
)

// RouteRequest says of what the body of a request is.
type RouteRequest struct {
	// Type is its media type, such as application/json, which takes all types
	// that end in +json too, or image/*. It is application/json if there is a
	// schema and no type; otherwise any.
	Type string `json:"type,omitempty"`
	// Schema is a JSON Schema of draft 2020-12.
	Schema map[string]any `json:"schema,omitempty"`
}

// RouteResponse says of what the body of an answer is, of those with a status
// from 200 to 299.
type RouteResponse struct {
	Schema map[string]any `json:"schema,omitempty"`
}

// Cache says how long answers stand for later ones.
type Cache struct {
	TTL grant.Duration `json:"ttl" source:"required"`
	// Key says what, beside the path, makes another answer: "query:NAME",
	// "header:NAME", and CacheShared. The caller does, unless there is
	// CacheShared. Empty: the caller and the whole query.
	Key []string `json:"key,omitempty"`
}

// StatusSegment is the first segment of the paths at which callers find answers
// that come later: no route has it.
const StatusSegment = ".status"

// CacheShared, in Cache.Key, lets all callers have one answer.
const CacheShared = "shared"

// Idempotency says what an Idempotency-Key of a caller does: the first call
// with it runs the flow, and later ones get its answer.
type Idempotency struct {
	Required bool `json:"required,omitempty"`
	// Key is where a call has its key, of callers who send no Idempotency-Key:
	// header:NAME, or json:/pointer into the body.
	Key string `json:"key,omitempty"`
	// TTL is how long a key is known; DefaultKeyTTL if not set.
	TTL grant.Duration `json:"ttl,omitzero"`
}

// Example is a call of a route and its answer.
type Example struct {
	Title string `json:"title,omitempty"`
	// Params and Query are by name.
	Params  map[string]string `json:"params,omitempty"`
	Query   map[string]string `json:"query,omitempty"`
	Request any               `json:"request,omitempty"` // the body
	// Status is that of the answer, 200 if not set, and Response its body.
	Status   int `json:"status,omitempty"`
	Response any `json:"response,omitempty"`
}

// Bounds of what a route may ask for.
const (
	MaxBody = 4 * grant.MiB // of a request; larger ones are refused by the listener
	// A run is driven no longer in one go than MaxTimeout.
	MaxTimeout     = 15 * time.Minute
	MaxConcurrency = 2000
	MaxCacheTTL    = 24 * time.Hour
	DefaultKeyTTL  = 24 * time.Hour
	MaxKeyTTL      = 14 * 24 * time.Hour // as long as runs are kept
)

// Name is "METHOD path".
func (r Route) Name() string { return r.Method + " " + r.Path }

func (r *Route) place() *source.Place { return &r.At }

// Params gives the names of the path's parameters, in its order.
func (r Route) Params() (names []string) {
	for segment := range strings.SplitSeq(r.Path, "/") {
		if segment != "" && (segment[0] == ':' || segment[0] == '*') {
			names = append(names, segment[1:])
		}
	}
	return names
}

// Shape is the route's name without the names of its parameters: two routes of
// one shape would answer the same calls.
func (r Route) Shape() string {
	segments := strings.Split(strings.Trim(r.Path, "/"), "/")
	for i, segment := range segments {
		if segment != "" && (segment[0] == ':' || segment[0] == '*') {
			segments[i] = segment[:1]
		}
	}
	return r.Method + " /" + strings.Join(segments, "/")
}

// Methods are those that a route may have.
var methods = []string{"GET", "POST", "PUT", "PATCH", "DELETE"}

var (
	segmentPattern = regexp.MustCompile(`^([:*][a-z][a-z0-9_]*|[A-Za-z0-9._~-]+)$`)
	mediaPattern   = regexp.MustCompile(`^[a-z0-9!#$&^_.+-]+/([a-z0-9!#$&^_.+-]+|\*)$`)
	keyPattern     = regexp.MustCompile(`^(shared|query:[A-Za-z0-9_.\[\]-]{1,64}|header:[A-Za-z0-9-]{1,64})$`)
)

// Check returns what is wrong with the route.
func (r Route) Check() source.Problems {
	var problems source.Problems
	if !slices.Contains(methods, r.Method) {
		problems.Add(r.At, "use "+strings.Join(methods, ", "), "method %q is not one that a route can have", r.Method)
	}
	if !strings.HasPrefix(r.Path, "/") {
		problems.Add(r.At, "write /"+r.Path, "path %q does not start with /", r.Path)
		return problems
	}
	problems = append(problems, r.checkPath()...)
	problems = append(problems, at(r.At, r.Security.Validate())...)
	return append(problems, r.checkSettings()...)
}

func (r Route) checkPath() (problems source.Problems) {
	seen := map[string]bool{}
	segments := strings.Split(strings.Trim(r.Path, "/"), "/")
	for i, segment := range segments {
		if segment == "" && r.Path == "/" {
			continue
		}
		switch name := strings.TrimLeft(segment, ":*"); {
		case i == 0 && segment == StatusSegment:
			problems.Add(r.At, "use another one", "path %q: %s is where callers find answers that come later", r.Path, segment)
		case name != segment && strings.ToLower(name) != name && segmentPattern.MatchString(strings.ToLower(segment)):
			problems.Add(r.At, "write "+strings.ToLower(segment)+": the flow has it by this name in input.params", "path %q: the parameter %s has capitals, and names of parameters have none", r.Path, segment)
		case segment == "." || segment == ".." || !segmentPattern.MatchString(segment):
			problems.Add(r.At, "use letters, digits and . _ ~ -, :name for a parameter, or *name for the rest (a name is of small letters, digits and _)", "path %q: segment %q", r.Path, segment)
		case segment[0] == '*' && i < len(segments)-1:
			problems.Add(r.At, "put it last, or use :name", "path %q: %s takes the rest of the path", r.Path, segment)
		case name != segment && seen[name]:
			problems.Add(r.At, "give each parameter its own name", "path %q has the parameter %s twice", r.Path, segment)
		case name != segment:
			seen[name] = true
		}
	}
	return problems
}

func (r Route) checkSettings() (problems source.Problems) {
	add := func(hint, format string, args ...any) { problems.Add(r.At, hint, format, args...) }
	if r.Timeout > grant.Duration(MaxTimeout) {
		add("use async: always for what takes long", "timeout %s is over the bound of %s", r.Timeout, MaxTimeout)
	}
	if !slices.Contains([]string{"", AsyncNever, AsyncAllowed, AsyncAlways}, r.Async) {
		add(source.Suggest(r.Async, []string{AsyncNever, AsyncAllowed, AsyncAlways}), "async %q is not known", r.Async)
	}
	if r.BodyLimit > MaxBody {
		add("write a smaller one, or leave it out", "body_limit %s is over the bound of %s", r.BodyLimit, MaxBody)
	}
	if r.Concurrency < 0 || r.Concurrency > MaxConcurrency {
		add(fmt.Sprintf("write 1 to %d", MaxConcurrency), "concurrency %d is not possible", r.Concurrency)
	}
	if q := r.Request; q != nil {
		if q.Type != "" && !mediaPattern.MatchString(q.Type) {
			add("write it in lower case, such as application/json, text/xml or image/*", "request: type %q", q.Type)
		}
		if q.Schema != nil && r.Method == "GET" {
			add("leave it out, or use another method", "request: a GET has no body that a schema could be of")
		}
		if q.Schema != nil && q.Type != "" && q.Type != "application/json" && !strings.HasSuffix(q.Type, "+json") {
			add("leave out one of the two", "request: a schema is of JSON, and the type is %q", q.Type)
		}
		problems = append(problems, checkSchema(r.At, "request", q.Schema)...)
	}
	if r.Response != nil {
		problems = append(problems, checkSchema(r.At, "response", r.Response.Schema)...)
	}
	if r.CORS != nil {
		problems = append(problems, r.CORS.check(r.At)...)
	}
	if c := r.Cache; c != nil {
		if r.Method != "GET" {
			add("leave it out: only answers to GET stand for others", "cache: the method is %s", r.Method)
		}
		if r.Request != nil {
			add("leave out one of the two", "cache: answers stand for calls that differ in their bodies too, and request says of what bodies are")
		}
		if r.Async == AsyncAlways || r.Async == AsyncAllowed {
			add("leave out one of the two", "cache: a route whose answers come later has none that could stand for others")
		}
		if c.TTL <= 0 || c.TTL > grant.Duration(MaxCacheTTL) {
			add("write for example 30s or 10m; "+MaxCacheTTL.String()+" at most", "cache: ttl %s", c.TTL)
		}
		for _, k := range c.Key {
			if !keyPattern.MatchString(k) {
				add("write query:NAME, header:NAME or shared; the path always counts", "cache: key %q", k)
			}
		}
	}
	if i := r.Idempotency; i != nil {
		if r.Method == "GET" {
			add("leave it out: a GET changes nothing", "idempotency: the method is GET")
		}
		if i.Key != "" && !valuePattern.MatchString(i.Key) {
			add("write header:NAME or json:/pointer, such as json:/callbackId", "idempotency: key %q", i.Key)
		}
		if i.TTL > grant.Duration(MaxKeyTTL) {
			add("write a shorter one", "idempotency: ttl %s is over the bound of %s", i.TTL, MaxKeyTTL)
		}
	}
	for i, e := range r.Examples {
		if e.Status != 0 && (e.Status < 200 || e.Status > 599) {
			add("write a number from 200 to 599", "example %d: status %d", i+1, e.Status)
		}
	}
	return problems
}

func checkSchema(place source.Place, what string, document map[string]any) (problems source.Problems) {
	if document == nil {
		return nil
	}
	if _, err := schema.Compile(document); err != nil {
		problems.Add(place, "write a JSON Schema of draft 2020-12", "%s: schema: %v", what, err)
	}
	return problems
}

// ambiguous finds routes among what an edit leaves that differ only in the
// names of their parameters, where it changed one of them.
func (e *edit) ambiguous() (problems source.Problems) {
	changed := map[string]bool{}
	for _, p := range e.objects {
		changed[p.ID.Key] = strings.HasPrefix(p.ID.Key, typeRoute+"/")
	}
	first := map[string]string{} // keys by shape
	for _, key := range slices.Sorted(maps.Keys(e.next)) {
		name, isRoute := nameIn(typeRoute, key)
		if !isRoute {
			continue
		}
		method, path, _ := strings.Cut(name, " ")
		shape := Route{Method: method, Path: path}.Shape()
		other, twice := first[shape]
		if !twice {
			first[shape] = key
			continue
		}
		if changed[key] || changed[other] {
			a, b := e.next[other].Origin, e.next[key].Origin
			problems.Add(source.Place{File: b.File, Line: b.Line}, "remove one of the two, or make their paths differ",
				"%s takes the same calls as %s, which is in %s", key, other, a)
		}
	}
	return problems
}
