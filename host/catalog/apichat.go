package catalog

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/trama-run/trama/host/signature"
	"github.com/trama-run/trama/host/source"
)

// AdapterAPIChat is the adapter of channels to which a system's own chat
// connects by API. It is built in: no plugin has this name on a channel.
const AdapterAPIChat = "apichat"

// APIChat is the config of a channel whose adapter is "apichat".
type APIChat struct {
	// Workspace and Email are what the system says of itself when it registers
	// its webhook; empty: whatever it says is right. A workspace may be a number.
	Workspace Word   `json:"workspace,omitempty"`
	Email     string `json:"email,omitempty"`
	// Signature says how messages to the system are signed, with the secret
	// "secret"; left out, as Standard Webhooks are.
	Signature *Signature `json:"signature,omitempty"`
	// Challenge is how the system is asked whether the webhook is its own: form,
	// which it is if left out, json or query.
	Challenge string `json:"challenge,omitempty"`
	// AllowHTTP lets the webhook, and the files of messages, be at addresses that
	// are not encrypted.
	AllowHTTP bool `json:"allow_http,omitempty"`
	// AllowPrivate lets the webhook be in the operator's own networks, or on this
	// machine, and PrivateFiles the files of messages: those addresses may be
	// chosen by who writes, not by the system.
	AllowPrivate bool `json:"allow_private,omitempty"`
	PrivateFiles bool `json:"allow_private_files,omitempty"`
}

// Word is a text that may be written as a number.
type Word string

// UnmarshalSource reads a text or a number.
func (w *Word) UnmarshalSource(v source.Value) (problems source.Problems) {
	switch is := v.Exact().(type) {
	case string:
		*w = Word(is)
	case int64, json.Number:
		*w = Word(fmt.Sprint(is))
	default:
		problems.Add(v.Place(), "write a text or a whole number", "%v is neither a text nor a whole number", is)
	}
	return problems
}

// Names, under an apichat channel's secrets, of what the system shows: the one
// with which it manages its webhook, and that with which it delivers messages of
// its users. What messages to it are signed with is [SecretWebhook].
const (
	SecretAPIKey  = "api_key"
	SecretFlowKey = "flow_key"
)

// How a system is asked whether a webhook is its own.
const (
	ChallengeForm  = "form"
	ChallengeJSON  = "json"
	ChallengeQuery = "query"
)

// APIChat reads the channel's config. It is called for channels whose adapter
// is AdapterAPIChat.
func (c Channel) APIChat() (APIChat, source.Problems) {
	var chat APIChat
	var problems source.Problems
	add := func(hint, format string, args ...any) { problems.Add(c.At, hint, format, args...) }
	if c.Config != nil {
		data, err := json.Marshal(c.Config)
		if err != nil {
			add("", "config: %v", err)
			return chat, problems
		}
		for _, p := range source.Decode("", data, &chat) {
			add(p.Hint, "config: %s", p.Message)
		}
	}
	if chat.Signature == nil {
		chat.Signature = &Signature{Scheme: signature.Scheme{Preset: "standard"}}
	}
	if chat.Challenge == "" {
		chat.Challenge = ChallengeForm
	}
	if len(problems) > 0 {
		return chat, problems
	}
	if method, err := signature.New(chat.Signature.Scheme); err != nil {
		add("", "config: signature: %s", strings.ReplaceAll(err.Error(), "\n", "; "))
	} else {
		unsigned(method, add)
	}
	if !slices.Contains([]string{ChallengeForm, ChallengeJSON, ChallengeQuery}, chat.Challenge) {
		add("use form, json or query", "config: challenge %q", chat.Challenge)
	}
	for _, name := range []string{SecretAPIKey, SecretWebhook} {
		if len(c.Secrets[name]) == 0 {
			add(fmt.Sprintf("write secrets: {%s: NAME}, and set TRAMA_SECRET_<NAME>", name), "a channel of adapter apichat needs the secret %q", name)
		}
	}
	uses := []string{SecretAPIKey, SecretFlowKey, SecretWebhook}
	for _, name := range slices.Sorted(maps.Keys(c.Secrets)) {
		if !slices.Contains(uses, name) {
			add(source.Suggest(name, uses), "a channel of adapter apichat has no secret %q", name)
		}
	}
	if c.Connection != "" {
		add("leave it out: the system registers its own address", "a channel of adapter apichat uses no connection")
	}
	return chat, problems
}

// unsigned says why messages can't be signed in a way, or which of its headers
// messages have another use for.
func unsigned(m *signature.Method, add func(hint, format string, args ...any)) {
	if err := m.Signs(); err != nil {
		add(`write what a message has, such as signed: "{timestamp}.{body}"`, "config: signature: messages can't be signed so: %v", err)
	}
	taken := map[string]bool{"Content-Type": true}
	for _, name := range framingHeaders {
		taken[name] = name != signature.Standard().Header()
	}
	for _, h := range []struct{ field, name, own string }{
		{"id", m.ID(), signature.Standard().ID()}, {"timestamp", m.Time(), signature.Standard().Time()}, {"header", m.Header(), ""},
	} {
		name := http.CanonicalHeaderKey(h.name)
		if taken[name] && name != h.own {
			add("name another, such as X-Signature", "config: signature: %s: messages have another use for the header %s", h.field, h.name)
		}
		taken[name] = name != ""
	}
}
