package catalog

import (
	"fmt"
	"strings"
	"testing"

	"github.com/trama-run/trama/host/access"
	"github.com/trama-run/trama/host/flow"
)

// TestPolicies: a change says who may call a route before and after, and what it
// opens to anyone: by the route's own security, and by that of all routes.
func TestPolicies(t *testing.T) {
	erp := access.Security{{Clients: access.Clients{Names: []string{"erp"}}}}
	any := access.Security{{Clients: access.Clients{Any: true}}}
	secured := func(s access.Security) Route {
		r := route(1, "/own")
		r.Security = s
		return r
	}
	flows := []*flow.Flow{hello(t, "one")}
	set := func(own, all access.Security) Set {
		s := Set{Flows: flows, Routes: []Route{secured(own), route(2, "/default")}}
		if all != nil {
			s.Gateway = []Gateway{{Security: all}}
		}
		return s
	}
	const nobody = ""
	for name, test := range map[string]struct {
		from, to Set
		want     string
	}{
		"the route's own is dropped, as is that of all": {set(erp, erp), set(nil, nil),
			"route/GET /own: GET /own only client erp -> anyone opens=true; gateway/gateway: GET /default only client erp -> anyone opens=true"},
		"the route falls back to that of all": {set(erp, any), set(nil, any), "route/GET /own: GET /own only client erp -> any client opens=false"},
		"that of all is narrowed":             {set(erp, any), set(erp, erp), "gateway/gateway: GET /default any client -> only client erp opens=false"},
		"it is public, where it was not":      {set(erp, erp), set(access.Security{{Public: true}}, erp), "route/GET /own: GET /own only client erp -> anyone opens=true"},
		"a new route that asks for nothing": {Set{Flows: flows}, Set{Flows: flows, Routes: []Route{route(2, "/default")}},
			"route/GET /default: GET /default  -> anyone opens=true"},
		"it is gone": {set(erp, nil), Set{Flows: flows, Routes: []Route{route(2, "/default")}}, nobody},
	} {
		t.Run(name, func(t *testing.T) {
			c := openCatalog(t, openStore(t, t.TempDir()))
			apply(t, c, test.from, true)
			changes, err := c.Plan(t.Context(), test.to)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, ch := range changes {
				for _, a := range ch.Access {
					got = append(got, fmt.Sprintf("%s: %s %s -> %s opens=%v", ch.Object, a.Route, a.Before, a.After, a.Opens))
				}
				if (ch.Was == "") != (ch.Action == "created") || (ch.Now == "") != (ch.Action == "removed") || ch.Was == ch.Now {
					t.Errorf("%s %s: %q -> %q", ch.Action, ch.Object, ch.Was, ch.Now)
				}
			}
			// The gateway's change comes before or after those of routes by its
			// action, which says nothing of who may call.
			if len(got) == 2 && strings.HasPrefix(got[0], "gateway") {
				got[0], got[1] = got[1], got[0]
			}
			if s := strings.Join(got, "; "); s != test.want {
				t.Errorf("got  %s\nwant %s", s, test.want)
			}
		})
	}
}
