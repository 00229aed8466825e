package catalog

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"

	"github.com/trama-run/trama/host/access"
	"github.com/trama-run/trama/host/egress"
	"github.com/trama-run/trama/host/flow"
	"github.com/trama-run/trama/host/grant"
	"github.com/trama-run/trama/host/source"
)

// Channel is a configured way in and out for messages.
type Channel struct {
	At source.Place `json:"-"`
	ID string       `json:"id" source:"required"`
	// Adapter is the plugin that speaks the channel's protocol, or one of
	// AdapterWebhook and AdapterAPIChat.
	Adapter    string         `json:"adapter" source:"required"`
	Connection string         `json:"connection,omitempty"`
	Config     map[string]any `json:"config,omitempty"`
	// Secrets gives the secrets that the adapter's manifest names (such as
	// app_secret) the names that they have on this host: several of one while
	// it is rotated.
	Secrets map[string]SecretList `json:"secrets,omitempty"`
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
func (c Channel) Check() source.Problems {
	problems := checkID(c.At, "channel", c.ID)
	for _, name := range slices.Sorted(maps.Keys(c.Secrets)) {
		if list := c.Secrets[name]; len(list) > access.MaxSecrets || slices.ContainsFunc(list, func(s string) bool { return !secretPattern.MatchString(s) }) {
			problems.Add(c.At, "use 1 to 64 lower-case letters, digits and _; the value is set as TRAMA_SECRET_<NAME>", "channel %q: secrets: %s is not the name of a secret, or a list of at most %d", c.ID, name, access.MaxSecrets)
		}
	}
	if c.Adapter == AdapterWebhook {
		_, found := c.Webhook()
		problems = append(problems, found...)
	}
	if c.Adapter == AdapterAPIChat {
		_, found := c.APIChat()
		problems = append(problems, found...)
	}
	return problems
}

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

// Alert is to whom flows speak when they alert their operators: a webhook, or
// a contact on a channel.
type Alert struct {
	At      source.Place  `json:"-"`
	ID      string        `json:"id" source:"required"`
	Webhook *AlertWebhook `json:"webhook,omitempty"`
	// Channel and To name a contact; To is an address, such as
	// "whatsapp:5511987654321".
	Channel string `json:"channel,omitempty"`
	To      string `json:"to,omitempty"`
}

// AlertWebhook is where an alert is posted.
type AlertWebhook struct {
	URL string `json:"url" source:"required"`
	// Secret names the secret that the requests are signed with, if any.
	Secret string `json:"secret,omitempty"`
}

// DefaultAlert is the id of the alert that is meant where none is named, if it
// exists.
const DefaultAlert = "operator"

var (
	addressPattern = regexp.MustCompile(`^[a-z][a-z0-9+.-]{0,39}:[^\x00-\x1f\x7f]{1,512}$`)
	secretPattern  = regexp.MustCompile(`^[a-z0-9_]{1,64}$`)
)

// Check returns what is wrong with the alert.
func (a Alert) Check() source.Problems {
	problems := checkID(a.At, "alert", a.ID)
	add := func(message, hint string) {
		problems = append(problems, source.Problem{Place: a.At, Message: fmt.Sprintf("alert %q: %s", a.ID, message), Hint: hint})
	}
	switch {
	case (a.Webhook == nil) == (a.Channel == ""):
		add("it needs either a webhook or a channel", "write webhook: {url: https://...}, or channel: ID and to: SCHEME:ADDRESS")
	case a.Webhook == nil && !addressPattern.MatchString(a.To):
		add(fmt.Sprintf("to is %q, which is no address", a.To), "write it as the runs of that contact show it, such as whatsapp:5511987654321")
	case a.Webhook != nil && a.To != "":
		add("to belongs to a channel", "take it out, or name a channel instead of the webhook")
	case a.Webhook != nil:
		if err := checkURL(a.Webhook.URL); err != nil {
			add(fmt.Sprintf("url: %v", err), "")
		}
		if a.Webhook.Secret != "" && !secretPattern.MatchString(a.Webhook.Secret) {
			add("secret is not a secret's name", "use 1 to 64 lower-case letters, digits and _; the value is set as TRAMA_SECRET_<NAME>")
		}
	}
	return problems
}

// Alert finds the alert of an id; of "", the default: the one called operator,
// or else the only one there is.
func (s *Snapshot) Alert(id string) (Alert, error) {
	if id == "" {
		if id = DefaultAlert; len(s.Alerts) == 1 {
			for only := range s.Alerts {
				id = only
			}
		}
	}
	a, ok := s.Alerts[id]
	if !ok {
		return a, fmt.Errorf("alert %q is not configured: add it to alerts.yaml", id)
	}
	return a, nil
}

// checkURL says why an absolute URL can't be sent to.
func checkURL(text string) error {
	u, err := url.Parse(text)
	if err != nil {
		return errors.New("it can't be read as a URL")
	}
	_, err = grant.OriginOf(u)
	return err
}

// Set is what a workspace says that there is.
type Set struct {
	Flows         []*flow.Flow
	Routes        []Route
	Channels      []Channel
	Connections   []Connection
	Grants        []Grant
	Alerts        []Alert
	Subscriptions []Subscription
	Gateway       []Gateway // one at most, in a workspace
	// Broken names files that could not be read: the objects that came from
	// them stay as they are.
	Broken []string
}

// Staying gives the flows that a set doesn't replace: those of the API and
// those of files that could not be read.
func (s *Snapshot) Staying(set Set) (flows []*flow.Flow) {
	for _, f := range s.Flows {
		if f.Origin.Kind == "api" || slices.Contains(set.Broken, f.Origin.File) {
			flows = append(flows, f.Flow)
		}
	}
	return flows
}

// Documents gives all published flows.
func (s *Snapshot) Documents() (flows []*flow.Flow) {
	for _, id := range slices.Sorted(maps.Keys(s.Flows)) {
		flows = append(flows, s.Flows[id].Flow)
	}
	return flows
}
