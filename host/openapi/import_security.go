package openapi

import (
	"fmt"
	"slices"
	"strings"

	"github.com/trama-run/trama/host/access"
	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/source"
)

// secure maps what the document asks of callers. What a route can't ask in the
// same way it asks as "clients: any", so that nothing is open that was not.
func (r *reader) secure(o operation, route *catalog.Route) {
	asked, stated := o.Get("security"), true
	if !asked.IsList() {
		asked = r.document.Get("security")
		stated = asked.IsList()
	}
	if !stated {
		return
	}
	more := str(o.Get("x-trama-callers"))
	if more != "" {
		r.note(o.Place(), "add what is more than that to the route's security", "%s: who may call is %s", o.name, more)
	}
	if asked.Len() == 0 {
		route.Security = access.Security{{Public: true}}
	}
	for i := range asked.Len() {
		route.Security = append(route.Security, r.way(o, asked.Get(fmt.Sprint(i))))
	}
	for i := range route.Security {
		if way := &route.Security[i]; way.Public && strings.Contains(more, fromAddresses) { // not just anyone
			way.Public, way.Clients.Any = false, true
		}
	}
}

// way maps one requirement.
func (r *reader) way(o operation, v source.Value) (way access.Way) {
	if len(v.Keys()) == 0 {
		return access.Way{Public: true}
	}
	way.Clients.Any = true
	for _, name := range v.Keys() {
		scheme := r.follow(r.document.Get("components", "securitySchemes", name))
		header := str(scheme.Get("name"))
		isHeader := str(scheme.Get("type")) == "apiKey" && str(scheme.Get("in")) == "header"
		switch {
		case isHeader && strings.EqualFold(header, access.HeaderClient):
		case isHeader && strings.EqualFold(header, access.HeaderSignature):
			way.Signed = true
		default:
			r.note(v.KeyPlace(name), remedy(scheme), "%s: %s is asked for as a client's id, in the header %s", o.name, described(name, scheme), access.HeaderClient)
		}
		for i := range v.Get(name).Len() {
			scope := str(v.Get(name, fmt.Sprint(i)))
			if !access.ValidScope(scope) {
				r.note(v.KeyPlace(name), "write another into the route and give it to clients", "%s: the scope %q can't be asked for", o.name, scope)
				continue
			}
			if !slices.Contains(way.Scopes, scope) {
				way.Scopes = append(way.Scopes, scope)
			}
		}
	}
	return way
}

// described names a scheme as its document does.
func described(name string, scheme source.Value) string {
	switch typ := str(scheme.Get("type")); typ {
	case "":
		return fmt.Sprintf("the scheme %s, which the document doesn't have,", name)
	case "apiKey":
		return fmt.Sprintf("the scheme %s (%s %s)", name, str(scheme.Get("in")), str(scheme.Get("name")))
	case "http":
		return fmt.Sprintf("the scheme %s (%s)", name, str(scheme.Get("scheme")))
	default:
		return fmt.Sprintf("the scheme %s (%s)", name, typ)
	}
}

// remedy says what to write for a scheme by hand.
func remedy(scheme source.Value) string {
	switch str(scheme.Get("type")) {
	case "http":
		if !strings.EqualFold(str(scheme.Get("scheme")), "bearer") {
			break
		}
		fallthrough
	case "oauth2", "openIdConnect":
		return "for tokens write jwt: {issuer, audience, algorithms, jwks} into the route's security"
	}
	return "make a client for each caller: trama client create NAME"
}
