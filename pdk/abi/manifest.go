package abi

import "encoding/json"

// Manifest is what a plugin says of itself: the author's request, never a
// permission. FuncDescribe returns it; a plugin without that export has the
// same document in its custom section [SectionManifest], or beside it as
// <name>.yaml. The first of them counts.
type Manifest struct {
	// Name is the prefix of the plugin's node types: lower-case letters,
	// digits and underscores, starting with a letter, at most 40 characters.
	// "trama" and "response" are the host's own.
	Name string `json:"name"`
	// Version is a semantic version, such as "1.2.0".
	Version string `json:"version"`
	// ABI is the version of this contract that the plugin was written for.
	ABI  int  `json:"abi"`
	Kind Kind `json:"kind"`

	// Title is English; Titles has others by language (BCP 47), such as
	// "pt-BR".
	Title       string            `json:"title,omitempty"`
	Titles      map[string]string `json:"titles,omitempty"`
	Description string            `json:"description,omitempty"`

	// Operations are the functions that a node can call. A channel adapter
	// and a language may have none.
	Operations []Operation `json:"operations,omitempty"`
	// Config is a JSON Schema of settings: of a channel adapter, those of each of
	// its channels; of another plugin, those that its grant gives, all of them
	// texts, which Extism's config_get finds.
	Config json.RawMessage `json:"config,omitempty"`
	// Webhook says how a channel's webhooks are checked; channels only.
	Webhook *Webhook `json:"webhook,omitempty"`
	// Sends lists the kinds of message (see [MessageKinds]) that a channel
	// adapter can send, so that people know before a message fails with
	// [CodeUnsupported]. Left out, it is not said.
	Sends []string `json:"sends,omitempty"`
	// Bounds say how much of a message the service takes; the host keeps
	// within them by other means that say the same.
	Bounds Bounds `json:"bounds,omitzero"`
	// Addresses say how the service writes those of its contacts, of each scheme:
	// one that a person writes otherwise is the same contact, and what is none is
	// refused before it is kept. Left out, any is taken; channels only.
	Addresses []AddressForm `json:"addresses,omitempty"`
	// Capabilities is what the plugin asks the operator for.
	Capabilities Capabilities `json:"capabilities,omitzero"`
	// Limits are the limits that the plugin wants changed; zero fields keep
	// the host's defaults.
	Limits Limits `json:"limits,omitzero"`
	// Image is "none" if calls must not start from a memory image.
	Image string `json:"image,omitempty"`
	// Warm are calls that the host makes once, before it takes the image that
	// all calls start from, so that what a first call sets up (tables, caches,
	// the shapes of JSON) is in it. They reach nothing outside. If there are
	// none, the first example of a pure operation is taken.
	Warm []Warm `json:"warm,omitempty"`
}

// AddressForm is how a service writes addresses of a scheme.
type AddressForm struct {
	Scheme string `json:"scheme"`
	// Pattern is a regular expression (RE2) that a whole path fits; Strip are
	// characters that people write in it and the service does not, such as those
	// between the groups of a phone number.
	Pattern string `json:"pattern"`
	Strip   string `json:"strip,omitempty"`
	Example string `json:"example"` // a path
}

// Bounds are a service's limits, as characters or as numbers of things. Zero
// means none that counts.
type Bounds struct {
	Text        int `json:"text,omitempty"`         // characters of a text
	Caption     int `json:"caption,omitempty"`      // of a medium's text
	Interactive int `json:"interactive,omitempty"`  // of the text above buttons or a list
	Buttons     int `json:"buttons,omitempty"`      // in one message
	ButtonTitle int `json:"button_title,omitempty"` // characters, of what opens a list too
	ButtonID    int `json:"button_id,omitempty"`    // bytes
	Rows        int `json:"rows,omitempty"`         // of a list, in all
	RowTitle    int `json:"row_title,omitempty"`    // characters
	RowID       int `json:"row_id,omitempty"`       // bytes
	// RowText and SectionTitle are of what stands beside the rows of a list: a
	// row's description and a section's title, in characters. Frame is of a header
	// or a footer; where it is given, a file stands in a header's place. -1: the
	// service has no place for them, and they are parts of the text.
	RowText      int `json:"row_text,omitempty"`
	SectionTitle int `json:"section_title,omitempty"`
	Frame        int `json:"frame,omitempty"`
	Cards        int `json:"cards,omitempty"` // in one message
	// FewestCards is how many a carousel has at least. CardMedia and UniqueTitles
	// are 1 if each card must have an image or a video, and all cards as many
	// buttons of one sort; and if no two buttons of a message have one title.
	FewestCards  int `json:"fewest_cards,omitempty"`
	CardText     int `json:"card_text,omitempty"` // characters of title and subtitle
	CardMedia    int `json:"card_media,omitempty"`
	UniqueTitles int `json:"unique_titles,omitempty"`
	// URLButtons are buttons that open a page, in one message, and where there
	// is such a bound they stand beside no others; -1: none at all.
	URLButtons int `json:"url_buttons,omitempty"`
	// Edits is -1 if no message can replace an earlier one: it is then sent as
	// a new one.
	Edits int `json:"edits,omitempty"`
}

// SectionManifest is the custom section of a module that holds its manifest as
// JSON, so that it can be read without running anything.
const SectionManifest = "trama.manifest"

// Warm is one call that is made before the image is taken. One that crashes is
// left out; an error that it returns, such as for a request that went nowhere,
// is no matter.
type Warm struct {
	Export string          `json:"export"`
	Input  json.RawMessage `json:"input,omitempty"`
}

// MaxWarm is how many such calls a manifest may have.
const MaxWarm = 8

// Kind is the use that a plugin is made for.
type Kind string

// The kinds of plugin.
const (
	KindConnector Kind = "connector" // talks to another system, or computes
	KindChannel   Kind = "channel"   // adapts a messaging channel
	KindLanguage  Kind = "language"  // runs scripts of run_code nodes
)

// Operation is one exported function that a node can call. Its node type is
// <plugin name>.<operation name>.
type Operation struct {
	Name string `json:"name"`
	// Export is the function's name in the module; empty means Name.
	Export      string            `json:"export,omitempty"`
	Title       string            `json:"title,omitempty"`
	Titles      map[string]string `json:"titles,omitempty"`
	Description string            `json:"description,omitempty"`
	// Input and Output are JSON Schemas (2020-12).
	Input  json.RawMessage `json:"input,omitempty"`
	Output json.RawMessage `json:"output,omitempty"`
	Effect Effect          `json:"effect"`
	// Examples are tests that ship with the plugin.
	Examples []Example `json:"examples,omitempty"`
}

// Effect is the class of an operation: what the host may do after a crash
// left open whether the call happened.
type Effect string

// The effect classes.
const (
	// EffectPure: nothing outside changes; the call may be repeated freely.
	EffectPure Effect = "pure"
	// EffectIdempotent: the operation passes the effect id on as an
	// idempotency key, so a repeat has no second effect.
	EffectIdempotent Effect = "idempotent"
	// EffectQueryable: the operation can look up whether it happened.
	EffectQueryable Effect = "queryable"
	// EffectUnsafe: a repeat may do it twice; the host never repeats it and
	// reports the outcome as unknown on the error port.
	EffectUnsafe Effect = "unsafe"
)

// Example is one call of an operation with its expected end: an output or an
// error. HTTP lists the exchanges that the call makes, in order, so that it
// needs no network.
type Example struct {
	Title  string          `json:"title,omitempty"`
	Input  json.RawMessage `json:"input"`
	Output json.RawMessage `json:"output,omitempty"`
	// Error is compared by its code, and by its detail if that is given; its
	// message must contain Error.Message.
	Error *Error         `json:"error,omitempty"`
	HTTP  []HTTPExchange `json:"http,omitempty"`
	// Config are the settings that the call finds.
	Config map[string]string `json:"config,omitempty"`
}

// HTTPExchange is one expected request and the answer given to it. Empty
// fields of the request are not compared.
type HTTPExchange struct {
	Request  HTTPRequest  `json:"request"`
	Response HTTPResponse `json:"response"`
}

// Capabilities is what a plugin asks for. Nothing of it holds before the
// operator has granted it.
type Capabilities struct {
	// Egress lists origins ("https://api.example.com",
	// "https://*.example.com"), or EgressConnection.
	Egress []string `json:"egress,omitempty"`
	// Secrets lists the secrets that the plugin refers to by name.
	Secrets []SecretRequest `json:"secrets,omitempty"`
	// Sign lists the algorithms (see [Sign]) for which the plugin wants to
	// use named keys of the host. The grant names the keys.
	Sign []string `json:"sign,omitempty"`
	// KVBytes is how much the plugin wants to remember of each contact, keys
	// and values together; 0: nothing.
	KVBytes int64 `json:"kv_bytes,omitempty"`
}

// EgressConnection as an egress entry asks for the base URL of the connection
// that a node or a channel uses the plugin with.
const EgressConnection = "connection"

// SecretRequest asks for one secret and says where in a request its handle
// may be placed: "header:<Name>", "query:<name>", "path" or "body".
type SecretRequest struct {
	Name   string   `json:"name"`
	Places []string `json:"places,omitempty"`
	// Origins are those that the secret is for, or EgressConnection; none
	// means all that the plugin is granted. The operator may bind it closer.
	Origins []string `json:"origins,omitempty"`
	Reason  string   `json:"reason,omitempty"`
	// Optional: a channel that doesn't name the secret works without what it is
	// for.
	Optional bool `json:"optional,omitempty"`
}

// Limits bound one call. Zero means the host's default.
type Limits struct {
	MemoryBytes int64 `json:"memory_bytes,omitempty"` // linear memory
	Fuel        int64 `json:"fuel,omitempty"`         // guest work, about one unit an instruction
	TimeMillis  int64 `json:"time_millis,omitempty"`  // guest time; waiting for egress does not count
	InputBytes  int64 `json:"input_bytes,omitempty"`
	OutputBytes int64 `json:"output_bytes,omitempty"`
	HTTPBytes   int64 `json:"http_bytes,omitempty"` // one HTTP body, either way
	Requests    int   `json:"requests,omitempty"`   // outbound requests
	LogBytes    int64 `json:"log_bytes,omitempty"`
	BlobBytes   int64 `json:"blob_bytes,omitempty"` // all blobs that one call makes
}

// Webhook says, as data, how the host authenticates and identifies a
// channel's webhooks, so that it can verify, store and answer without running
// the guest. Secret fields name an entry of the channel's "secrets".
type Webhook struct {
	Signature *WebhookSignature `json:"signature,omitempty"`
	Token     *WebhookToken     `json:"token,omitempty"`
	Handshake *WebhookHandshake `json:"handshake,omitempty"`
	// DeliveryID is where a delivery's id stands: "header:<Name>", or
	// "body_sha256" for services that give none.
	DeliveryID string `json:"delivery_id,omitempty"`
	// Sample is a request as the service sends it, for trying a channel out.
	Sample *WebhookSample `json:"sample,omitempty"`
}

// WebhookToken is a header whose whole value is a secret.
type WebhookToken struct {
	Header string `json:"header"` // such as "X-Telegram-Bot-Api-Secret-Token"
	Secret string `json:"secret"`
}

// WebhookSample is the headers, beside what proves the request, and the body of
// a webhook request. In a text of the body, "{config.NAME}" stands for a
// setting of the channel.
type WebhookSample struct {
	Headers map[string]string `json:"headers,omitempty"`
	Body    json.RawMessage   `json:"body"`
}

// WebhookSignature is a keyed hash in a request header.
type WebhookSignature struct {
	Header    string `json:"header"`           // such as "X-Hub-Signature-256"
	Algorithm string `json:"algorithm"`        // "hmac-sha256"
	Encoding  string `json:"encoding"`         // "hex" or "base64"
	Prefix    string `json:"prefix,omitempty"` // such as "sha256="
	Signed    string `json:"signed"`           // "body": the raw body
	Secret    string `json:"secret"`
}

// WebhookHandshake is a challenge that a service sends by GET before it
// delivers: the host compares the token and answers with the challenge as
// plain text. The fields name query parameters.
type WebhookHandshake struct {
	Mode      string `json:"mode,omitempty"`       // parameter that must equal ModeValue
	ModeValue string `json:"mode_value,omitempty"` // such as "subscribe"
	Token     string `json:"token"`
	Challenge string `json:"challenge"`
	Secret    string `json:"secret"`
}
