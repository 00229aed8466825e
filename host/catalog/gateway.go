package catalog

import (
	"github.com/trama-run/trama/host/access"
	"github.com/trama-run/trama/host/source"
)

// Gateway is what holds for all routes, where a route says nothing else: the
// one document of gateway.yaml.
type Gateway struct {
	At source.Place `json:"-"`
	// Title, Version and Description are those of the API, for readers of the
	// OpenAPI document.
	Title       string `json:"title,omitempty"`
	Version     string `json:"version,omitempty"`
	Description string `json:"description,omitempty"`
	// Security is what the routes ask for that name none of their own.
	Security access.Security `json:"security,omitzero"`
	// OpenAPI is false where callers are not shown what there is: /openapi.json
	// and /docs are served otherwise.
	OpenAPI *bool `json:"openapi,omitempty"`
	// CORS is that of the routes that have none of their own.
	CORS *CORS `json:"cors,omitempty"`
}

// gatewayName is the name of the one object of its type.
const gatewayName = "gateway"

// Name is the same for all: there is one.
func (g *Gateway) Name() string { return gatewayName }

func (g *Gateway) place() *source.Place { return &g.At }

// Check returns what is wrong with the document.
func (g Gateway) Check() source.Problems {
	problems := at(g.At, g.Security.Validate())
	if g.CORS != nil {
		problems = append(problems, g.CORS.check(g.At)...)
	}
	return problems
}

// Security gives what a route asks for, and whose limits count: the route's
// own or, if it names none, those of all ("").
func (s *Snapshot) Security(r Route) (owner string, security access.Security) {
	if len(r.Security) > 0 {
		return r.Name(), r.Security
	}
	return "", s.Gateway.Security
}

// policies says in words who may call, by the routes' names.
func (s *Snapshot) policies() map[string]string {
	words := make(map[string]string, len(s.Routes))
	for _, r := range s.Routes {
		_, security := s.Security(r)
		words[r.Name()] = security.Words()
	}
	return words
}
