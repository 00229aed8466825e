// Package calllog keeps every call in and out for people to look at: requests
// of the gateway, webhooks, the HTTP requests of plugins, alerts and webhooks
// that go out. Each with what was asked and answered, how long it took and the
// run that it belongs to.
//
// Whoever makes or takes a call hands over what it saw, and goes on: reading,
// redacting and storing happen behind it, in bulk. When more comes than can be
// written, calls are left out and counted; a call never waits for its record,
// and never fails by it.
//
// Calls lie in pages of a few hundred. Beside each page there is a small index
// of what is in it, so that a search reads the pages that can have what it
// looks for and no others. The package must not know gateways, channels,
// plugins or flows.
package calllog

import (
	"fmt"
	"hash/fnv"
	"io"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Directions of a call.
const (
	In  = "in"
	Out = "out"
)

// Kinds of calls. Name says which of its kind a call is of.
const (
	KindGateway      = "gateway"      // in; the name is that of the route, such as "POST /orders/:id"
	KindWebhook      = "webhook"      // in; the channel
	KindConnector    = "connector"    // out; plugin and function, such as "acme.create"
	KindAlert        = "alert"        // out; the alert
	KindSubscription = "subscription" // out; the subscription
	KindHost         = "host"         // out, for the host itself; no name
)

// Call is one call as it is kept.
type Call struct {
	// ID grows with the time at which calls ended.
	ID        string        `json:"id"`
	At        time.Time     `json:"at"`       // when it began
	Duration  time.Duration `json:"duration"` // nanoseconds, the answer's body included
	Direction string        `json:"direction"`
	Kind      string        `json:"kind"`
	Name      string        `json:"name,omitempty"`
	Method    string        `json:"method"`
	// Endpoint is the path of a call in, the URL of a call out, with its query.
	Endpoint string `json:"endpoint"`
	// Status is that of the answer; 0: there was none. Error says why, or why a
	// caller was turned away, which it was not told.
	Status  int    `json:"status,omitempty"`
	Error   string `json:"error,omitempty"`
	Attempt int    `json:"attempt,omitempty"` // from 1, where calls are repeated
	Run     string `json:"run,omitempty"`
	Node    string `json:"node,omitempty"` // of the run's flow
	Contact string `json:"contact,omitempty"`
	// Client and Peer are who called: a client's name, and an address.
	Client    string `json:"client,omitempty"`
	Peer      string `json:"peer,omitempty"`
	RequestID string `json:"request_id,omitempty"`
	EffectID  string `json:"effect_id,omitempty"`
	Trace     string `json:"trace,omitempty"` // id of the trace, where there is one
	Request   Part   `json:"request"`
	Response  Part   `json:"response"`
}

// Part is one half of a call. Names of headers are in lower case.
type Part struct {
	Headers map[string]string `json:"headers,omitempty"`
	// Body is text; BodyBase64 is what is no text.
	Body       string `json:"body,omitempty"`
	BodyBase64 string `json:"body_base64,omitempty"`
	// Bytes is how long the body was; Cut says that less of it is kept.
	Bytes int64 `json:"bytes"`
	Cut   bool  `json:"cut,omitempty"`
}

// Failed says whether a call did not give what it was made for.
func (c *Call) Failed() bool { return c.Status == 0 || c.Status >= 400 }

// refused says whether a caller was turned away before anything was done.
func (c *Call) refused() bool {
	return c.Direction == In && c.Status >= 400 && c.Status < 500 && c.Run == ""
}

// Filter chooses calls; an empty field chooses all.
type Filter struct {
	Direction, Kind, Name, Method string
	Run, Contact, Client          string
	RequestID, EffectID           string
	Status                        string // "404", "5xx", or "none": there was no answer
	Endpoint                      string // a host, or a path or URL up to the end of a segment
	Since, Until                  time.Time
	Before                        string // an id: only calls that ended before that one
}

// Check says what is wrong with a filter.
func (f *Filter) Check() error {
	known := func(name, value string, values ...string) error {
		if value == "" || slices.Contains(values, value) {
			return nil
		}
		return fmt.Errorf("%s %q: want one of %s", name, value, strings.Join(values, ", "))
	}
	if err := known("direction", f.Direction, In, Out); err != nil {
		return err
	}
	if err := known("kind", f.Kind, KindGateway, KindWebhook, KindConnector, KindAlert, KindSubscription, KindHost); err != nil {
		return err
	}
	if !statusPattern.MatchString(f.Status) {
		return fmt.Errorf("status %q: want a number such as 404, a class such as 5xx, or none", f.Status)
	}
	if _, _, ok := parseID(f.Before); f.Before != "" && !ok {
		return fmt.Errorf("before: %q is not the id of a call", f.Before)
	}
	return nil
}

var statusPattern = regexp.MustCompile(`^(?:|[1-5]\d\d|[1-5][xX][xX]|none)$`)

// Words of the index, each before its value.
const (
	wordDirection = "direction="
	wordKind      = "kind="
	wordName      = "name="
	wordMethod    = "method="
	wordRun       = "run="
	wordContact   = "contact="
	wordClient    = "client="
	wordRequest   = "request="
	wordEffect    = "effect="
	wordStatus    = "status="
	wordEndpoint  = "endpoint="
)

// terms are the sums of what a call can be found by.
func (c *Call) terms() []uint64 {
	var all []uint64
	add := func(word, value string) {
		if value != "" {
			all = append(all, sum(word, value))
		}
	}
	add(wordDirection, c.Direction)
	add(wordKind, c.Kind)
	add(wordName, c.Name)
	add(wordMethod, c.Method)
	add(wordRun, c.Run)
	add(wordContact, c.Contact)
	add(wordClient, c.Client)
	add(wordRequest, c.RequestID)
	add(wordEffect, c.EffectID)
	if c.Status == 0 {
		add(wordStatus, "none")
	} else {
		add(wordStatus, strconv.Itoa(c.Status))
		add(wordStatus, strconv.Itoa(c.Status/100)+"xx")
	}
	for _, e := range places(c.Endpoint) {
		add(wordEndpoint, e)
	}
	return all
}

// terms are the sums that a call must have all of.
func (f *Filter) terms() []uint64 {
	var all []uint64
	for _, want := range []struct{ word, value string }{
		{wordDirection, f.Direction}, {wordKind, f.Kind}, {wordName, f.Name}, {wordMethod, strings.ToUpper(f.Method)},
		{wordRun, f.Run}, {wordContact, f.Contact}, {wordClient, f.Client}, {wordRequest, f.RequestID}, {wordEffect, f.EffectID},
		{wordStatus, strings.ToLower(f.Status)}, {wordEndpoint, trimEndpoint(f.Endpoint)},
	} {
		if want.value != "" {
			all = append(all, sum(want.word, want.value))
		}
	}
	return all
}

// maxSegments is how deep into a path a search can look.
const maxSegments = 8

// places are what an endpoint can be found by: its host, and its path from the
// start to the end of each of the first segments.
func places(endpoint string) []string {
	endpoint, _, _ = strings.Cut(endpoint, "?")
	u, err := url.Parse(endpoint)
	if err != nil {
		return nil
	}
	var all []string
	base := ""
	if u.Host != "" {
		base = u.Scheme + "://" + u.Host
		all = append(all, u.Host, base)
		if name := u.Hostname(); name != u.Host {
			all = append(all, name)
		}
	}
	path := u.EscapedPath()
	for i := 1; i <= len(path) && len(all) < maxSegments+3; i++ {
		if (i == len(path) || path[i] == '/') && path[i-1] != '/' {
			all = append(all, base+path[:i])
		}
	}
	return all
}

// trimEndpoint gives an endpoint as places has it.
func trimEndpoint(text string) string {
	text, _, _ = strings.Cut(text, "?")
	return strings.TrimRight(text, "/")
}

func sum(word, value string) uint64 {
	h := fnv.New64a()
	io.WriteString(h, word)  //nolint:errcheck // a hash takes everything
	io.WriteString(h, value) //nolint:errcheck // the same
	return h.Sum64()
}
