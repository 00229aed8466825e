package catalog

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	"github.com/trama-run/trama/host/source"
	"github.com/trama-run/trama/pdk/abi"
)

// AdapterWebhook is the adapter of channels that take the webhooks of any
// service and make events of them. It is built in: no plugin has this name on a
// channel.
const AdapterWebhook = "webhook"

// Webhook is the config of a channel whose adapter is "webhook".
type Webhook struct {
	// Event is the name of the events that requests become.
	Event string `json:"event" source:"required"`
	// Signature says how a request is signed, Token where a shared secret
	// stands in it: header:NAME or query:NAME. One of them is there; the
	// channel's secret "secret" is what it is checked with.
	Signature *WebhookSignature `json:"signature,omitempty"`
	Token     string            `json:"token,omitempty"`
	// ID is where a request has the id by which it is known if it is sent
	// again: header:NAME, json:/pointer, or body for the whole body. Without
	// it, every request is an event.
	ID string `json:"id,omitempty"`
	// Contact is where the body names a contact, by its key, in whose
	// conversation the event is: json:/pointer.
	Contact string `json:"contact,omitempty"`
}

// WebhookSignature is how the body of a request is signed: an HMAC in a header.
type WebhookSignature struct {
	Header    string `json:"header" source:"required"`
	Algorithm string `json:"algorithm,omitempty"` // sha256, which it is if left out
	Encoding  string `json:"encoding,omitempty"`  // hex (if left out) or base64
	Prefix    string `json:"prefix,omitempty"`    // before the signature, such as sha256=
}

// ABI is the signature in the words of manifests.
func (s WebhookSignature) ABI() *abi.WebhookSignature {
	encoding := s.Encoding
	if encoding == "" {
		encoding = "hex"
	}
	return &abi.WebhookSignature{Secret: webhookSecret, Header: s.Header, Algorithm: "hmac-sha256", Encoding: encoding, Prefix: s.Prefix, Signed: "body"}
}

// webhookSecret is the name, under a channel's secrets, of what its requests
// are checked with.
const webhookSecret = "secret"

var (
	placePattern   = regexp.MustCompile(`^(header:[A-Za-z0-9-]{1,64}|json:(/[^/]*)+|body)$`)
	tokenPattern   = regexp.MustCompile(`^(header:[A-Za-z0-9-]{1,64}|query:[A-Za-z0-9_.-]{1,64})$`)
	contactPattern = regexp.MustCompile(`^json:(/[^/]*)+$`)
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
	switch s := w.Signature; {
	case (s == nil) == (w.Token == ""):
		add("write signature: {header: X-Signature}, or token: header:X-Token where the service can't sign", "config: one of signature and token says how requests are known to be genuine")
	case s == nil:
		if !tokenPattern.MatchString(w.Token) {
			add("write header:NAME or query:NAME", "config: token %q", w.Token)
		}
	default:
		if s.Algorithm != "" && s.Algorithm != "sha256" {
			add("use sha256", "config: algorithm %q is not known", s.Algorithm)
		}
		if !slices.Contains([]string{"", "hex", "base64"}, s.Encoding) {
			add("use hex or base64", "config: encoding %q is not known", s.Encoding)
		}
	}
	if w.ID != "" && !placePattern.MatchString(w.ID) {
		add("write header:NAME, json:/pointer or body", "config: id %q", w.ID)
	}
	if w.Contact != "" && !contactPattern.MatchString(w.Contact) {
		add("write json:/pointer", "config: contact %q", w.Contact)
	}
	if c.Secrets[webhookSecret] == "" {
		add("write secrets: {secret: NAME}, and set TRAMA_SECRET_<NAME>", "a channel of adapter webhook needs the secret %q", webhookSecret)
	}
	for name := range c.Secrets {
		if name != webhookSecret {
			add(source.Suggest(name, []string{webhookSecret}), "a channel of adapter webhook has no secret %q", name)
		}
	}
	if c.Connection != "" {
		add("leave it out", "a channel of adapter webhook uses no connection")
	}
	return w, problems
}

// Secret gives the name on this host of the secret that requests of a channel
// of adapter webhook are checked with.
func (c Channel) Secret() string { return c.Secrets[webhookSecret] }

// TokenOf gives the place of a token: "header" or "query", and its name.
func (w Webhook) TokenOf() (where, name string) {
	where, name, _ = strings.Cut(w.Token, ":")
	return where, name
}
