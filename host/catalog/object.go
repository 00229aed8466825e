package catalog

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/trama-run/trama/host/egress"
	"github.com/trama-run/trama/host/flow"
	"github.com/trama-run/trama/host/grant"
	"github.com/trama-run/trama/host/source"
)

// Route is a method and path of the gateway, and the flow that answers.
type Route struct {
	At source.Place `json:"-"`
	// Method is GET, POST, PUT, PATCH or DELETE.
	Method string `json:"method" source:"required"`
	// Path starts with "/"; ":name" takes one segment as a parameter.
	Path string `json:"path" source:"required"`
	Flow string `json:"flow" source:"required"`
	// Timeout is how long a caller waits for the answer; 30 s if not set.
	Timeout grant.Duration `json:"timeout,omitzero"`
}

// Name is "METHOD path".
func (r Route) Name() string { return r.Method + " " + r.Path }

// Methods are those that a route may have.
var methods = []string{"GET", "POST", "PUT", "PATCH", "DELETE"}

var segmentPattern = regexp.MustCompile(`^(:[a-z][a-z0-9_]*|[A-Za-z0-9._~-]+)$`)

// Check returns what is wrong with the route.
func (r Route) Check() source.Problems {
	var problems source.Problems
	if !slices.Contains(methods, r.Method) {
		problems = append(problems, source.Problem{Place: r.At, Message: fmt.Sprintf("method %q is not one that a route can have", r.Method), Hint: "use " + strings.Join(methods, ", ")})
	}
	if !strings.HasPrefix(r.Path, "/") {
		return append(problems, source.Problem{Place: r.At, Message: fmt.Sprintf("path %q does not start with /", r.Path), Hint: "write /" + r.Path})
	}
	seen := map[string]bool{}
	for segment := range strings.SplitSeq(strings.Trim(r.Path, "/"), "/") {
		switch {
		case segment == "" && r.Path == "/":
		case !segmentPattern.MatchString(segment):
			problems = append(problems, source.Problem{Place: r.At, Message: fmt.Sprintf("path %q: segment %q", r.Path, segment), Hint: "use letters, digits and . _ ~ -, or :name for a parameter"})
		case segment[0] == ':' && seen[segment]:
			problems = append(problems, source.Problem{Place: r.At, Message: fmt.Sprintf("path %q has the parameter %s twice", r.Path, segment), Hint: "give each parameter its own name"})
		}
		seen[segment] = true
	}
	return problems
}

// Channel is a configured way in and out for messages.
type Channel struct {
	At source.Place `json:"-"`
	ID string       `json:"id" source:"required"`
	// Adapter is the plugin that speaks the channel's protocol.
	Adapter    string         `json:"adapter" source:"required"`
	Connection string         `json:"connection,omitempty"`
	Config     map[string]any `json:"config,omitempty"`
	// Secrets gives the secrets that the adapter's manifest names (such as
	// app_secret) the names that they have on this host.
	Secrets map[string]string `json:"secrets,omitempty"`
}

var idPattern = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,39}$`)

func checkID(place source.Place, what, id string) source.Problems {
	if idPattern.MatchString(id) {
		return nil
	}
	return source.Problems{{Place: place, Message: fmt.Sprintf("%s id %q", what, id), Hint: "use lower-case letters, digits, _ and -, starting with a letter"}}
}

// Connection is a connection with its place in a file.
type Connection struct {
	At source.Place `json:"-"`
	egress.Connection
}

// Grant is a grant with its place in a file.
type Grant struct {
	At source.Place `json:"-"`
	grant.Grant
}

// Name is "plugin of digest": a plugin may have a grant for each content.
func (g Grant) Name() string { return g.Plugin + " " + g.Of }

// Check returns what is wrong with the channel.
func (c Channel) Check() source.Problems { return checkID(c.At, "channel", c.ID) }

// Check returns what is wrong with the connection.
func (c Connection) Check() source.Problems {
	return append(checkID(c.At, "connection", c.ID), at(c.At, c.Validate())...)
}

// Check returns what is wrong with the grant.
func (g Grant) Check() source.Problems { return at(g.At, g.Validate()) }

// at gives sentences a place.
func at(place source.Place, sentences []string) source.Problems {
	var problems source.Problems
	for _, s := range sentences {
		problems = append(problems, source.Problem{Place: place, Message: s})
	}
	return problems
}

// Set is what a workspace says that there is.
type Set struct {
	Flows       []*flow.Flow
	Routes      []Route
	Channels    []Channel
	Connections []Connection
	Grants      []Grant
	// Broken names files that could not be read: the objects that came from
	// them stay as they are.
	Broken []string
}
