package openapi

import (
	"net/http"
	"strconv"

	"github.com/trama-run/trama/host/access"
	"github.com/trama-run/trama/host/catalog"
)

// headerComponents are the headers that answers may have.
func headerComponents() map[string]Header {
	return map[string]Header{
		"Trama-Run":            {Description: "The id of the run that answered.", Schema: text()},
		"X-Request-Id":         {Description: "The id of the request: the caller's own, or else a new one.", Schema: text()},
		"Retry-After":          {Description: "Seconds to wait before the next try.", Schema: map[string]any{"type": "integer", "minimum": 0}},
		"RateLimit":            {Description: "How the caller stands, by limit: r calls are left, t seconds until there are more.", Schema: text()},
		"RateLimit-Policy":     {Description: "The limits that the caller is under: q calls in w seconds.", Schema: text()},
		"Idempotency-Replayed": {Description: "true: the answer is that of an earlier call with the same Idempotency-Key.", Schema: text()},
		"ETag":                 {Description: "What If-None-Match may name in a later call.", Schema: text()},
		"Preference-Applied":   {Description: "What of the request's Prefer was done.", Schema: text()},
		"WWW-Authenticate":     {Description: "The schemes by which the route knows its callers.", Schema: text()},
	}
}

func headers(list ...string) map[string]Header {
	found := map[string]Header{}
	for _, name := range list {
		found[name] = Header{Ref: "#/components/headers/" + name}
	}
	return found
}

// told are the headers that the answers of a route may have.
func (b *builder) told(r catalog.Route) []string {
	list := []string{"Trama-Run", "X-Request-Id"}
	if _, security := b.snapshot.Security(r); asksOf(security).limits {
		list = append(list, "RateLimit", "RateLimit-Policy")
	}
	if r.Idempotency != nil {
		list = append(list, "Idempotency-Replayed")
	}
	if r.Cache != nil {
		list = append(list, "ETag")
	}
	if r.Async != "" && r.Async != catalog.AsyncNever {
		list = append(list, "Preference-Applied")
	}
	return list
}

// asks is what may go wrong with a caller: it is not known, it may not call, or
// it calls too often.
type asks struct{ known, allowed, limits bool }

func (a asks) and(b asks) asks {
	return asks{a.known || b.known, a.allowed || b.allowed, a.limits || b.limits}
}

// asksOf says it of a security. A client may have limits of its own, and wrong
// credentials are limited too.
func asksOf(security access.Security) (a asks) {
	open := len(security) == 0
	for _, way := range security {
		client, signature, token := way.Asks()
		known := client || signature || token || way.Service != nil
		open = open || way.Public
		a = a.and(asks{known, len(way.IPs) > 0 || len(way.Clients.Names) > 0 || len(way.Scopes) > 0, known || !way.Rate.IsZero() || !way.Quota.IsZero()})
	}
	if open { // nobody is sent away
		a.known, a.allowed = false, false
	}
	return a
}

// refusal is a problem that the gateway may answer with.
type refusal struct {
	status            int
	name, description string
	when              func(r catalog.Route, asked asks, body bool) bool // body: the route takes one
}

// refusals are all that there are.
func refusals() []refusal {
	always := func(catalog.Route, asks, bool) bool { return true }
	withBody := func(_ catalog.Route, _ asks, body bool) bool { return body }
	return []refusal{
		{400, "BadRequest", "The request is not HTTP, a path or JSON as it should be", always},
		{401, "Unauthorized", "The request doesn't say who calls, or not so that it can be believed", func(_ catalog.Route, a asks, _ bool) bool { return a.known }},
		{403, "Forbidden", "The caller may not do this", func(_ catalog.Route, a asks, _ bool) bool { return a.allowed }},
		{409, "Conflict", "A call with this Idempotency-Key is being answered", func(r catalog.Route, _ asks, _ bool) bool { return r.Idempotency != nil }},
		{413, "TooLarge", "The body is larger than the route takes", withBody},
		{415, "UnsupportedType", "The body is of a type or an encoding that the route doesn't take", withBody},
		{422, "Unprocessable", "The body breaks the schema, or the Idempotency-Key was used for another call", func(r catalog.Route, _ asks, _ bool) bool {
			return r.Idempotency != nil || r.Request != nil && r.Request.Schema != nil
		}},
		{429, "TooMany", "The caller called too often", func(_ catalog.Route, a asks, _ bool) bool { return a.limits }},
		{500, "Failed", "The flow failed before it answered", always},
		{503, "Unavailable", "The host can't take the call now", always},
		{504, "Late", "The flow didn't answer in time", always},
	}
}

// problems adds the answers to what goes wrong.
func (b *builder) problems(r catalog.Route, o *Operation) {
	_, security := b.snapshot.Security(r)
	asked := asksOf(security)
	for _, p := range refusals() {
		if p.when(r, asked, o.Body != nil) {
			b.refuse(p, o)
		}
	}
}

// refuse adds one of them.
func (b *builder) refuse(p refusal, o *Operation) {
	answer := ProblemResponse(p.status, p.description)
	switch p.status {
	case http.StatusUnauthorized:
		answer.Headers = headers("X-Request-Id", "WWW-Authenticate")
	case http.StatusTooManyRequests:
		answer.Headers = headers("X-Request-Id", "Retry-After", "RateLimit", "RateLimit-Policy")
	case http.StatusServiceUnavailable:
		answer.Headers = headers("X-Request-Id", "Retry-After")
	default:
		answer.Headers = headers("X-Request-Id")
	}
	b.responses[p.name] = answer
	key := strconv.Itoa(p.status)
	if own, ok := o.Responses[key]; ok { // the flow's own answer of this status
		own.Content[problemContent] = answer.Content[problemContent]
		return
	}
	o.Responses[key] = Response{Ref: "#/components/responses/" + p.name}
}
