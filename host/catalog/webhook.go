package catalog

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/trama-run/trama/host/access"
	"github.com/trama-run/trama/host/signature"
	"github.com/trama-run/trama/host/source"
)

// AdapterWebhook is the adapter of channels that take the webhooks of any
// service and make events of them. It is built in: no plugin has this name on a
// channel.
const AdapterWebhook = "webhook"

// Webhook is the config of a channel whose adapter is "webhook".
//
// Signature, Token, Basic and IPs say how requests are known to be genuine.
// One of them is there; a request must meet all that are.
type Webhook struct {
	// Event is the name of the events that requests become.
	Event string `json:"event" source:"required"`
	// Signature says how requests are signed: a scheme, or the name of a
	// preset. The secret "secret" is the key.
	Signature *Signature `json:"signature,omitempty"`
	// Token is where requests have a shared secret: header:NAME or
	// query:NAME; of header:Authorization it is what follows Bearer. It is
	// compared with the secret "token", and without a signature with "secret".
	Token string `json:"token,omitempty"`
	// Basic is the user name of basic authentication; the secret "password" is
	// its password.
	Basic string `json:"basic,omitempty"`
	// IPs are the addresses and networks that requests come from.
	IPs []access.Network `json:"ips,omitempty"`
	// Challenge is how the service asks whether the address is the channel's,
	// before it delivers: its settings, or the name of a preset.
	Challenge *Challenge `json:"challenge,omitempty"`
	// ID is where a request has the id by which it is known if it is sent
	// again: header:NAME, json:/pointer, or body for the whole body. Without
	// it, it is the signed id of the scheme if that has one; else every
	// request is an event.
	ID string `json:"id,omitempty"`
	// Contact is where the body names a contact, by its key, in whose
	// conversation the event is: json:/pointer.
	Contact string `json:"contact,omitempty"`
	// Order is where a request names what it is about, such as an order's
	// number: header:NAME or json:/pointer. The flows of such an event start
	// when those of the one before it, about the same, have ended.
	Order string `json:"order,omitempty"`
	// Time is where a request says when what it tells happened: header:NAME or
	// json:/pointer, in seconds or milliseconds since 1970 or as in RFC 3339.
	// An event that is older than one before it, about the same, is marked
	// stale.
	Time string `json:"time,omitempty"`
}

// Signature is a scheme, written out or as the name of a preset.
type Signature = access.Scheme

// Challenge is a request by which a service asks whether an address takes its
// webhooks. What comes by GET has its names in the query; what comes by POST
// has them there, in a JSON object or in a form. The answer is the challenge as
// plain text.
type Challenge struct {
	// Preset gives the fields that are left out, see [Challenges].
	Preset string `json:"preset,omitempty"`
	Method string `json:"method,omitempty"` // GET or POST
	// Mode names what tells a challenge from other requests, and ModeValue is
	// the value that it then has; header:NAME is a header.
	Mode      string `json:"mode,omitempty"`
	ModeValue string `json:"mode_value,omitempty"`
	// Token names what is compared with the secret "verify_token". Without it,
	// a challenge must be as genuine as any request.
	Token string `json:"token,omitempty"`
	// Challenge names what is sent back.
	Challenge string `json:"challenge,omitempty"`
}

// UnmarshalSource reads the settings, or the name of a preset.
func (c *Challenge) UnmarshalSource(v source.Value) source.Problems {
	type plain Challenge // without this method
	if name, ok := v.Any().(string); ok {
		c.Preset = name
		return nil
	}
	return v.Decode((*plain)(c))
}

// Challenges are the challenges of services, by name, as their documentation
// gives them.
func Challenges() map[string]Challenge {
	return map[string]Challenge{
		"meta":     {Method: "GET", Mode: "hub.mode", ModeValue: "subscribe", Token: "hub.verify_token", Challenge: "hub.challenge"},
		"nicochat": {Method: "POST", Mode: "hub_mode", ModeValue: "subscribe", Token: "hub_verify_token", Challenge: "hub_challenge"},
		"slack":    {Method: "POST", Mode: "type", ModeValue: "url_verification", Challenge: "challenge"},
		"twitch":   {Method: "POST", Mode: "header:Twitch-Eventsub-Message-Type", ModeValue: "webhook_callback_verification", Challenge: "challenge"},
	}
}

// Full is the challenge with the fields of its preset.
func (c Challenge) Full() Challenge {
	from := Challenges()[c.Preset]
	for _, f := range []struct {
		into *string
		from string
	}{{&c.Method, from.Method}, {&c.Mode, from.Mode}, {&c.ModeValue, from.ModeValue}, {&c.Token, from.Token}, {&c.Challenge, from.Challenge}} {
		if *f.into == "" {
			*f.into = f.from
		}
	}
	return c
}

// Names, under a channel's secrets, of what its requests are checked with.
const (
	SecretWebhook     = "secret"
	SecretToken       = "token"
	SecretPassword    = "password"
	SecretVerifyToken = "verify_token"
)

var (
	placePattern   = regexp.MustCompile(`^(header:[A-Za-z0-9-]{1,64}|json:(/[^/]*)+|body)$`)
	tokenPattern   = regexp.MustCompile(`^(header:[A-Za-z0-9-]{1,64}|query:[A-Za-z0-9_.-]{1,64})$`)
	contactPattern = regexp.MustCompile(`^json:(/[^/]*)+$`)
	valuePattern   = regexp.MustCompile(`^(header:[A-Za-z0-9-]{1,64}|json:(/[^/]*)+)$`)
	eventPattern   = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.-]{0,63}$`)
)

// Webhook reads the channel's config. It is called for channels whose adapter
// is AdapterWebhook.
func (c Channel) Webhook() (Webhook, source.Problems) {
	var w Webhook
	data, err := json.Marshal(c.Config)
	if err != nil {
		return w, source.Problems{{Place: c.At, Message: "config: " + err.Error()}}
	}
	var problems source.Problems
	add := func(hint, format string, args ...any) { problems.Add(c.At, hint, format, args...) }
	if c.Config == nil {
		add("write config: {event: order.paid, signature: {header: X-Signature}}", "a channel of adapter webhook needs a config")
		return w, problems
	}
	for _, p := range source.Decode("", data, &w) {
		add(p.Hint, "config: %s", p.Message)
	}
	if len(problems) > 0 {
		return w, problems
	}
	if !eventPattern.MatchString(w.Event) {
		add("use letters, digits and . _ -, a letter first", "config: event %q", w.Event)
	}
	if w.Signature == nil && w.Token == "" && w.Basic == "" && len(w.IPs) == 0 {
		add("write signature: {header: X-Signature} or a preset such as signature: github; where the service can't sign, token: header:X-Token, basic: USER or ips", "config: one of signature, token, basic and ips says how requests are known to be genuine")
	}
	if w.Signature != nil {
		if _, err := signature.New(w.Signature.Scheme); err != nil {
			add("", "config: signature: %s", strings.ReplaceAll(err.Error(), "\n", "; "))
		}
	}
	if w.Challenge != nil {
		for _, problem := range w.Challenge.wrong() {
			add("", "config: challenge: %s", problem)
		}
	}
	for _, f := range []struct {
		name, value string
		pattern     *regexp.Regexp
		hint        string
	}{
		{"token", w.Token, tokenPattern, "write header:NAME or query:NAME"},
		{"id", w.ID, placePattern, "write header:NAME, json:/pointer or body"},
		{"contact", w.Contact, contactPattern, "write json:/pointer"},
		{"order", w.Order, valuePattern, "write header:NAME or json:/pointer"},
		{"time", w.Time, valuePattern, "write header:NAME or json:/pointer"},
	} {
		if f.value != "" && !f.pattern.MatchString(f.value) {
			add(f.hint, "config: %s %q", f.name, f.value)
		}
	}
	if strings.ContainsAny(w.Basic, ":\x00") {
		add("leave the colon and the password out", "config: basic %q: want a user name", w.Basic)
	}
	if w.Time != "" && w.Order == "" {
		add("name in order what an event is about, such as order: json:/order/id", "config: time tells which of two events about the same is the older, and order is not there")
	}
	c.checkSecrets(w, add)
	if c.Connection != "" {
		add("leave it out", "a channel of adapter webhook uses no connection")
	}
	return w, problems
}

// checkSecrets says which secrets the channel lacks, and which it has no use
// for.
func (c Channel) checkSecrets(w Webhook, add func(hint, format string, args ...any)) {
	uses := w.Secrets()
	for _, name := range uses {
		if len(c.Secrets[name]) == 0 {
			add(fmt.Sprintf("write secrets: {%s: NAME}, and set TRAMA_SECRET_<NAME>", name), "a channel of adapter webhook needs the secret %q", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Secrets)) {
		if !slices.Contains(uses, name) {
			add(source.Suggest(name, uses), "a channel of adapter webhook has no secret %q, as it is configured", name)
		}
	}
}

// Secrets are the names, under a channel's secrets, of those that the webhook
// is checked with.
func (w Webhook) Secrets() []string {
	var names []string
	if w.Signature != nil {
		names = append(names, SecretWebhook)
	}
	if w.Token != "" {
		names = append(names, w.TokenSecret())
	}
	if w.Basic != "" {
		names = append(names, SecretPassword)
	}
	if w.Challenge != nil && w.Challenge.Full().Token != "" {
		names = append(names, SecretVerifyToken)
	}
	return names
}

// TokenSecret is the name, under the channel's secrets, of that which a token
// is compared with.
func (w Webhook) TokenSecret() string {
	if w.Signature == nil {
		return SecretWebhook
	}
	return SecretToken
}

// TokenOf gives the place of a token: "header" or "query", and its name.
func (w Webhook) TokenOf() (where, name string) {
	where, name, _ = strings.Cut(w.Token, ":")
	return where, name
}

// wrong says what is wrong with a challenge.
func (c Challenge) wrong() (problems []string) {
	if known := Challenges(); c.Preset != "" && known[c.Preset] == (Challenge{}) {
		return []string{fmt.Sprintf("preset %q is not known: use one of %s", c.Preset, strings.Join(slices.Sorted(maps.Keys(known)), ", "))}
	}
	c = c.Full()
	if c.Challenge == "" {
		problems = append(problems, "name in challenge what is sent back, or a preset")
	}
	switch {
	case c.Method != "GET" && c.Method != "POST":
		problems = append(problems, fmt.Sprintf("method %q: want GET or POST", c.Method))
	case c.Method == "GET" && c.Token == "":
		problems = append(problems, "one that comes by GET needs a token: nothing else says whose it is")
	case c.Method == "POST" && (c.Mode == "" || c.ModeValue == ""):
		problems = append(problems, "one that comes by POST needs mode and mode_value, which tell it from other requests")
	}
	return problems
}

// SecretList are the names, on a host, of what serves as one secret.
type SecretList = access.SecretList
