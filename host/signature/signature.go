// Package signature signs webhooks and checks their signatures, by Standard
// Webhooks 1.0.0 and by the schemes of other services: what is signed, with
// which algorithm, and where it is written are settings of a [Scheme].
//
// It is pure: it opens no secret, asks no clock and knows no HTTP server. It
// must not know channels, subscriptions or routes, which use it.
package signature

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Algorithms.
const (
	SHA1    = "sha1"   // HMAC-SHA1, of old services
	SHA256  = "sha256" // HMAC-SHA256
	SHA512  = "sha512" // HMAC-SHA512
	Ed25519 = "ed25519"
	// Prefixed is the SHA-256 of the secret followed by what is signed, of
	// services that had no HMAC yet.
	Prefixed = "sha256-prefixed"
)

// Tolerance is how far the time of a request may be from now if its scheme
// does not say, before or after.
const Tolerance = 5 * time.Minute

// maxTolerance bounds how long signatures must be remembered.
const maxTolerance = 24 * time.Hour

// Scheme is how requests are signed. Its zero fields have the values of its
// preset, and without a preset those named below.
type Scheme struct {
	// Preset names the scheme of a service, see [Presets].
	Preset string `json:"preset,omitempty"`
	// Header is where the signature stands, such as X-Hub-Signature-256.
	Header string `json:"header,omitempty"`
	// Algorithm is sha256, which it is if left out, sha1, sha512 (all HMAC),
	// ed25519 or sha256-prefixed.
	Algorithm string `json:"algorithm,omitempty"`
	// Encoding is hex, which it is if left out, base64 or base64url.
	Encoding string `json:"encoding,omitempty"`
	// Prefix stands before the signature, such as "sha256=".
	Prefix string `json:"prefix,omitempty"`
	// Separator parts a header that holds several things, such as "," in
	// "t=1,v1=ab,v1=cd"; those that begin with Prefix are signatures, of which
	// one must be right.
	Separator string `json:"separator,omitempty"`
	// Signed is what is signed: a text with {body}, {timestamp}, {id}, {method},
	// {url}, {header:NAME} and {query:NAME}. {url} is the address that was
	// called, query and all; {uri} is the same with those characters decoded
	// that HubSpot decodes. If left out it is {body}, after
	// {timestamp} and {id} where the scheme has them:
	// "{id}.{timestamp}.{body}".
	Signed string `json:"signed,omitempty"`
	// Timestamp is where the time of signing stands: header:NAME, or
	// part:PREFIX for a part of Header, such as part:t=. It is written in
	// seconds or milliseconds since 1970, or as in RFC 3339.
	Timestamp string `json:"timestamp,omitempty"`
	// ID is the header that holds the id of the message, if it is signed.
	ID string `json:"id,omitempty"`
	// Tolerance is how far the time of signing may be from now, such as "5m",
	// which it is if left out; at most 24h.
	Tolerance string `json:"tolerance,omitempty"`
	// Key is how the secret is written: text, which it is if left out, base64
	// or hex. Standard Webhooks have their own way, see [Method.Key].
	Key string `json:"key,omitempty"`
}

// Presets are the schemes of services, by name, as their documentation gives
// them.
func Presets() map[string]Scheme {
	return map[string]Scheme{
		"standard":    {Header: "Webhook-Signature", Encoding: "base64", Prefix: "v1,", Separator: " ", ID: "Webhook-Id", Timestamp: "header:Webhook-Timestamp"},
		"svix":        {Header: "Svix-Signature", Encoding: "base64", Prefix: "v1,", Separator: " ", ID: "Svix-Id", Timestamp: "header:Svix-Timestamp"},
		"github":      {Header: "X-Hub-Signature-256", Prefix: "sha256="},
		"meta":        {Header: "X-Hub-Signature-256", Prefix: "sha256="},
		"intercom":    {Header: "X-Hub-Signature", Prefix: "sha1=", Algorithm: SHA1},
		"shopify":     {Header: "X-Shopify-Hmac-Sha256", Encoding: "base64"},
		"woocommerce": {Header: "X-WC-Webhook-Signature", Encoding: "base64"},
		"typeform":    {Header: "Typeform-Signature", Encoding: "base64", Prefix: "sha256="},
		"stripe":      {Header: "Stripe-Signature", Prefix: "v1=", Separator: ",", Timestamp: "part:t="},
		"calendly":    {Header: "Calendly-Webhook-Signature", Prefix: "v1=", Separator: ",", Timestamp: "part:t="},
		"paddle":      {Header: "Paddle-Signature", Prefix: "h1=", Separator: ";", Timestamp: "part:ts=", Signed: "{timestamp}:{body}"},
		"slack":       {Header: "X-Slack-Signature", Prefix: "v0=", Timestamp: "header:X-Slack-Request-Timestamp", Signed: "v0:{timestamp}:{body}"},
		"zoom":        {Header: "X-Zm-Signature", Prefix: "v0=", Timestamp: "header:X-Zm-Request-Timestamp", Signed: "v0:{timestamp}:{body}"},
		"zendesk":     {Header: "X-Zendesk-Webhook-Signature", Encoding: "base64", Timestamp: "header:X-Zendesk-Webhook-Signature-Timestamp", Signed: "{timestamp}{body}"},
		"twitch":      {Header: "Twitch-Eventsub-Message-Signature", Prefix: "sha256=", ID: "Twitch-Eventsub-Message-Id", Timestamp: "header:Twitch-Eventsub-Message-Timestamp", Signed: "{id}{timestamp}{body}"},
		// https://developers.hubspot.com/docs/apps/developer-platform/build-apps/authentication/request-validation
		"hubspot":    {Header: "X-HubSpot-Signature-v3", Encoding: "base64", Timestamp: "header:X-HubSpot-Request-Timestamp", Signed: "{method}{uri}{body}{timestamp}"},
		"hubspot-v2": {Header: "X-HubSpot-Signature", Algorithm: Prefixed, Signed: "{method}{url}{body}"},
		"hubspot-v1": {Header: "X-HubSpot-Signature", Algorithm: Prefixed, Signed: "{body}"},
		"discord":    {Header: "X-Signature-Ed25519", Algorithm: Ed25519, Key: "hex", Timestamp: "header:X-Signature-Timestamp", Signed: "{timestamp}{body}"},
	}
}

// standardNames are the presets whose secrets and versions are those of
// Standard Webhooks.
var standardNames = [...]string{"standard", "svix"}

// Method is a scheme that was checked and made ready.
type Method struct {
	scheme    Scheme // every field has its value
	standard  bool
	signed    []piece
	header    string // where the signature stands, in lower case
	idIn      string // where the id stands, in lower case; empty if there is none
	timeIn    string // lower-case header; empty if the time is a part
	timePart  string // prefix of the part
	tolerance time.Duration
}

var headerPattern = regexp.MustCompile(`^[A-Za-z0-9-]{1,64}$`)

// New makes a scheme ready. The error says what is wrong with it, all in one.
func New(s Scheme) (*Method, error) {
	var problems []error
	wrong := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if s.Preset != "" {
		preset, ok := Presets()[s.Preset]
		if !ok {
			return nil, fmt.Errorf("preset %q is not known: use one of %s", s.Preset, strings.Join(presetNames(), ", "))
		}
		s = filled(s, preset)
	}
	s = filled(s, Scheme{Algorithm: SHA256, Encoding: "hex", Key: "text"})
	m := &Method{scheme: s, standard: slices.Contains(standardNames[:], s.Preset), tolerance: Tolerance, header: strings.ToLower(s.Header), idIn: strings.ToLower(s.ID)}
	if !headerPattern.MatchString(s.Header) {
		wrong("header %q: name the header that holds the signature, or a preset", s.Header)
	}
	if !slices.Contains([]string{SHA1, SHA256, SHA512, Ed25519, Prefixed}, s.Algorithm) {
		wrong("algorithm %q is not known: use sha256, sha1, sha512, ed25519 or sha256-prefixed", s.Algorithm)
	}
	if encodings[s.Encoding] == nil {
		wrong("encoding %q is not known: use hex, base64 or base64url", s.Encoding)
	}
	if s.Key != "text" && s.Key != "base64" && s.Key != "hex" {
		wrong("key %q is not known: use text, base64 or hex", s.Key)
	}
	if s.ID != "" && !headerPattern.MatchString(s.ID) {
		wrong("id %q: want the name of a header", s.ID)
	}
	switch where, name, _ := strings.Cut(s.Timestamp, ":"); {
	case s.Timestamp == "":
	case where == "header" && headerPattern.MatchString(name):
		m.timeIn = strings.ToLower(name)
	case where == "part" && name != "" && s.Separator != "":
		m.timePart = name
	default:
		wrong("timestamp %q: want header:NAME, or part:PREFIX with a separator", s.Timestamp)
	}
	if s.Tolerance != "" {
		var err error
		m.tolerance, err = time.ParseDuration(s.Tolerance)
		switch {
		case err != nil || m.tolerance < time.Second || m.tolerance > maxTolerance:
			wrong("tolerance %q: want 1s to 24h", s.Tolerance)
		case s.Timestamp == "":
			wrong("tolerance is for schemes with a timestamp")
		}
	}
	if err := m.template(); err != nil {
		wrong("signed: %w", err)
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	return m, nil
}

// filled gives a scheme whose zero fields are those of another.
func filled(s, from Scheme) Scheme {
	for _, f := range []struct {
		into *string
		from string
	}{
		{&s.Header, from.Header}, {&s.Algorithm, from.Algorithm}, {&s.Encoding, from.Encoding}, {&s.Prefix, from.Prefix},
		{&s.Separator, from.Separator}, {&s.Signed, from.Signed}, {&s.Timestamp, from.Timestamp}, {&s.ID, from.ID},
		{&s.Tolerance, from.Tolerance}, {&s.Key, from.Key},
	} {
		if *f.into == "" {
			*f.into = f.from
		}
	}
	return s
}

func presetNames() []string {
	var names []string
	for name := range Presets() {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Header is the header that holds the signature.
func (m *Method) Header() string { return m.scheme.Header }

// ID is the header that holds the signed id of a message; empty if the scheme
// has none.
func (m *Method) ID() string { return m.scheme.ID }

// Time is the header that holds the time of signing; empty if the scheme has
// none, or has it in that of the signature.
func (m *Method) Time() string {
	if m.timeIn == "" {
		return ""
	}
	return strings.TrimPrefix(m.scheme.Timestamp, "header:")
}

// Several says whether a request can have several signatures.
func (m *Method) Several() bool { return m.scheme.Separator != "" }

// Timed says whether the scheme has a time of signing, and how far from now it
// may be.
func (m *Method) Timed() (time.Duration, bool) { return m.tolerance, m.scheme.Timestamp != "" }

// Headers are those that Verify goes by: none of them may come twice.
func (m *Method) Headers() []string {
	names := []string{m.scheme.Header}
	if m.scheme.ID != "" {
		names = append(names, m.scheme.ID)
	}
	if m.timeIn != "" {
		names = append(names, m.timeIn)
	}
	for _, p := range m.signed {
		if p.kind == "header" {
			names = append(names, p.text)
		}
	}
	return names
}
