package openapi

import (
	"cmp"
	"mime"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/source"
)

// examples are those of a route, by the names that their parts have in the
// document.
type examples map[string]*catalog.Example

func (e examples) of(name string) *catalog.Example {
	if e[name] == nil {
		e[name] = &catalog.Example{}
	}
	return e[name]
}

// list gives the examples in the order of their names.
func (e examples) list() (list []catalog.Example) {
	names := make([]string, 0, len(e))
	for name := range e {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		list = append(list, *e[name])
	}
	return list
}

// each calls do with the examples that a value has: those of "examples", and
// that of "example", which has no name.
func eachExample(v source.Value, do func(name, title string, value source.Value)) {
	if one := v.Get("example"); !one.IsZero() {
		do("", "", one)
	}
	named := v.Get("examples")
	for _, name := range named.Keys() {
		if value := named.Get(name, "value"); !value.IsZero() {
			do(name, str(named.Get(name, "summary")), value)
		}
	}
}

// parameter takes in the examples of a parameter that are texts.
func (e examples) parameter(v source.Value, name string, of func(*catalog.Example) *map[string]string) {
	eachExample(v, func(example, _ string, value source.Value) {
		text, ok := value.Any().(string)
		if !ok {
			return
		}
		values := of(e.of(example))
		if *values == nil {
			*values = map[string]string{}
		}
		(*values)[name] = text
	})
}

// media picks the content that a route can say something of: JSON if there is
// some.
func media(content source.Value) (of string, v source.Value, others []string) {
	keys := content.Keys()
	at := slices.IndexFunc(keys, isJSON)
	for i, key := range keys {
		if i == max(at, 0) {
			of, v = key, content.Get(key)
		} else if plainMedia(key) != problemContent {
			others = append(others, key)
		}
	}
	return plainMedia(of), v, others
}

func plainMedia(text string) string {
	if media, _, err := mime.ParseMediaType(text); err == nil {
		return media
	}
	return text
}

func isJSON(text string) bool {
	text = plainMedia(text)
	return text == "application/json" || strings.HasSuffix(text, "+json") && text != problemContent
}

// request says of what bodies are.
func (r *reader) request(o operation, route *catalog.Route, examples examples) {
	body := r.follow(o.Get("requestBody"))
	of, v, others := media(body.Get("content"))
	if of == "" {
		return
	}
	if o.method == http.MethodGet {
		r.note(o.KeyPlace("requestBody"), "use POST", "%s: a GET has no body that a route could say something of", o.name)
		return
	}
	if len(others) > 0 {
		r.note(o.KeyPlace("requestBody"), "leave request out of the route to take any", "%s: it takes %s, and not %s", o.name, of, strings.Join(others, ", "))
	}
	eachExample(v, func(name, title string, value source.Value) {
		e := examples.of(name)
		e.Title, e.Request = cmp.Or(e.Title, title), value.Any()
	})
	if of == "*/*" {
		return
	}
	route.Request = &catalog.RouteRequest{Type: of}
	if !isJSON(of) {
		if len(v.Get("schema").Keys()) > 0 {
			r.note(o.KeyPlace("requestBody"), "check it in the flow", "%s: the schema of %s is left out: only JSON is checked", o.name, of)
		}
		return
	}
	if route.Request.Schema = r.schema(o, "request", v.Get("schema")); route.Request.Schema != nil && of == "application/json" {
		route.Request.Type = ""
	}
}

// answer is what a flow is to answer.
type answer struct {
	status int
	body   any
	known  bool
}

// answers says of what answers are, and gives one for the flow to begin with.
func (r *reader) answers(o operation, route *catalog.Route, examples examples) (first answer) {
	responses := o.Get("responses")
	var of source.Value // the schema
	differ := false
	for _, key := range sortedKeys(responses) {
		status, err := strconv.Atoi(key)
		if err != nil || status < 200 || status > 599 {
			continue // default, and 2XX
		}
		response := r.follow(responses.Get(key))
		if status == http.StatusAccepted && !response.Get("headers", "Location").IsZero() && (route.Async != "" || !hasOther2xx(responses)) {
			if route.Async == "" {
				route.Async = catalog.AsyncAlways
			}
			continue
		}
		media, v, _ := media(response.Get("content"))
		if !isJSON(media) && media != "" && status < 300 {
			r.note(responses.KeyPlace(key), "let the flow answer JSON", "%s: answers of type %s are not described", o.name, media)
			continue
		}
		if plainMedia(media) == problemContent {
			continue // the gateway's own
		}
		if schema := v.Get("schema"); status < 300 && !schema.IsZero() {
			differ = differ || !of.IsZero() && !reflect.DeepEqual(of.Any(), schema.Any())
			if of.IsZero() {
				of = schema
			}
		}
		if first.status == 0 && status < 300 {
			first.status = status
		}
		eachExample(v, func(name, title string, value source.Value) {
			e := examples.of(name)
			if e.Response != nil { // another status has one of this name
				e = examples.of(key + " " + name)
			}
			e.Title, e.Response = cmp.Or(e.Title, title), value.Any()
			if e.Status = status; status == http.StatusOK {
				e.Status = 0
			}
			if status == first.status && !first.known {
				first.body, first.known = value.Any(), true
			}
		})
		if status == first.status && !first.known {
			schema := v.Get("schema")
			if pointer, ok := strings.CutPrefix(str(schema.Get("$ref")), "#"); ok {
				schema = r.document.Get(steps(pointer)...)
			}
			if one := schema.Get("example"); !one.IsZero() {
				first.body, first.known = one.Any(), true
			}
		}
	}
	switch {
	case differ:
		r.note(o.KeyPlace("responses"), "write one that holds for all of them into the route", "%s: its answers have several schemas, and a route has one", o.name)
	case !of.IsZero():
		if schema := r.schema(o, "answers", of); schema != nil {
			route.Response = &catalog.RouteResponse{Schema: schema}
		}
	}
	return first
}

// hasOther2xx says whether an operation answers with another success than 202.
func hasOther2xx(responses source.Value) bool {
	return slices.ContainsFunc(responses.Keys(), func(key string) bool { return strings.HasPrefix(key, "2") && key != "202" })
}
