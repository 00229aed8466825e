package abi

import "encoding/json"

// Error is how an operation fails: the guest passes it, as JSON, to Extism's
// error_set and returns a non-zero code. Plain text is taken as Message with
// code "error".
type Error struct {
	// Code is a stable word for programs, in snake_case.
	Code string `json:"code"`
	// Message is a sentence for people: cause, place and remedy.
	Message string `json:"message"`
	// Retryable says that the same call may succeed later.
	Retryable bool `json:"retryable,omitempty"`
	// RetryAfterMillis is how long to wait before it, where that is known.
	RetryAfterMillis int64           `json:"retry_after_millis,omitempty"`
	Detail           json.RawMessage `json:"detail,omitempty"`
}

// Error gives "code: message".
func (e *Error) Error() string {
	if e.Code == "" {
		return e.Message
	}
	return e.Code + ": " + e.Message
}

// Codes of errors that the host itself reports to a guest or a flow.
const (
	CodeDenied      = "denied"      // no grant covers it
	CodeInvalid     = "invalid"     // the request is malformed
	CodeLimit       = "limit"       // a limit was reached
	CodeTimeout     = "timeout"     // no answer in time
	CodeUnreachable = "unreachable" // the other system could not be reached
	CodeUnknown     = "unknown"     // it is not known whether it happened
	CodeTrap        = "trap"        // the plugin crashed
	CodeUnavailable = "unavailable" // the plugin is missing, held or pending
	CodeNoSecret    = "no_secret"   // a named secret has no value
	CodeBadOutput   = "bad_output"  // the plugin returned something unusable
)

// Reply is what every function of ModuleTrama returns: OK or Error.
type Reply struct {
	OK    json.RawMessage `json:"ok,omitempty"`
	Error *Error          `json:"error,omitempty"`
}

// HTTPRequest is one outbound request.
type HTTPRequest struct {
	// Method is upper case; empty means GET.
	Method string `json:"method,omitempty"`
	// URL is absolute, or starts with "/" or "?" (or is empty) and is
	// appended to the base URL of the call's connection.
	URL string `json:"url"`
	// Headers hold one value per name. Host, Content-Length, Accept-Encoding
	// and those of the connection's own authentication are the host's to set;
	// an answer's body comes unpacked.
	Headers map[string]string `json:"headers,omitempty"`
	// Body is text; BodyBase64 is for anything else; BodyBlob is the id of a
	// [Blob] of this contact or run. One of them at most.
	Body       string `json:"body,omitempty"`
	BodyBase64 string `json:"body_base64,omitempty"`
	BodyBlob   string `json:"body_blob,omitempty"`
	// Parts make a body of the type multipart/form-data (RFC 7578), in their
	// order; Content-Type is then the host's to set. There is no other body
	// beside them.
	Parts []HTTPPart `json:"parts,omitempty"`
	// Response says where the answer's body goes: "" into the answer, or
	// [ResponseBlob] into a blob, whatever the status.
	Response string `json:"response,omitempty"`
	// TimeoutMillis bounds this request; 0 leaves it to the call's deadline.
	TimeoutMillis int64 `json:"timeout_millis,omitempty"`
	// WSSecurity says where in Body, which is a SOAP envelope, the host may put
	// the credentials of a connection whose auth is ws_security. Without it
	// such a connection refuses the request; others have no use for it.
	WSSecurity *WSSecurity `json:"ws_security,omitempty"`
}

// WSSecurity is a place for the header wsse:Security in an envelope.
type WSSecurity struct {
	// At is the offset, in bytes of Body: in the envelope's header, or with
	// NoHeader before the envelope's body, where a header could begin.
	At       int  `json:"at"`
	NoHeader bool `json:"no_header,omitempty"`
	// Envelope is the namespace of the envelope, that of SOAP 1.1 or 1.2.
	Envelope string `json:"envelope"`
}

// HTTPPart is one field or file of a multipart body. Its content is one of
// Text, Base64 and Blob, as in [HTTPRequest]; none of them is an empty text.
type HTTPPart struct {
	Name     string `json:"name"`
	Filename string `json:"filename,omitempty"`
	// Type is its Content-Type; empty: none for a field, and for a file the
	// blob's or application/octet-stream.
	Type   string `json:"type,omitempty"`
	Text   string `json:"text,omitempty"`
	Base64 string `json:"base64,omitempty"`
	Blob   string `json:"blob,omitempty"` // id of a [Blob]
}

// HTTPResponse is the answer to an [HTTPRequest]. Any status is an answer,
// not an error.
type HTTPResponse struct {
	Status int `json:"status"`
	// Headers have lower-case names; repeated headers are joined by ", ".
	Headers map[string]string `json:"headers,omitempty"`
	// Body is set when the bytes are valid UTF-8, BodyBase64 otherwise.
	Body       string `json:"body,omitempty"`
	BodyBase64 string `json:"body_base64,omitempty"`
	// Blob has the body instead, where the request asked for that.
	Blob *Blob `json:"blob,omitempty"`
}

// ResponseBlob as Response of a [HTTPRequest] asks for the answer's body as a
// [Blob].
const ResponseBlob = "blob"

// Blob refers to bytes that the host keeps, so that they need not pass through
// a plugin. The reference is plain data: it may travel through a flow, and is
// worth something in calls for the same contact, or in the same gateway run,
// alone. The bytes go when the run's record goes, 14 days after they came.
type Blob struct {
	ID     string `json:"id"`
	Size   int64  `json:"size"`           // bytes
	SHA256 string `json:"sha256"`         // hexadecimal
	MIME   string `json:"mime,omitempty"` // Content-Type, as the sender gave it
}

// SecretRef asks for a handle of the secret with this name.
type SecretRef struct {
	Name string `json:"name"`
}

// SecretHandle stands for a secret's value: egress puts the value in its
// place, only for this call, only where the manifest says.
type SecretHandle struct {
	Handle string `json:"handle"`
}

// Algorithms of [Sign] and [Verify] (RFC 7518, 3.1 and RFC 8037, 3.1). What a
// key is decides which of them it serves: a request that names another is
// refused. Package jwa beside this one computes them.
const (
	AlgHS256 = "HS256" // HMAC with SHA-256, 384 and 512; keys at least as long as the hash
	AlgHS384 = "HS384"
	AlgHS512 = "HS512"
	AlgRS256 = "RS256" // RSASSA-PKCS1-v1_5; at least 2048 bits
	AlgRS384 = "RS384"
	AlgRS512 = "RS512"
	AlgPS256 = "PS256" // RSASSA-PSS, the salt as long as the hash; at least 2048 bits
	AlgPS384 = "PS384"
	AlgPS512 = "PS512"
	AlgES256 = "ES256" // ECDSA on P-256, P-384 and P-521; R and S, each as long as the field
	AlgES384 = "ES384"
	AlgES512 = "ES512"
	AlgEdDSA = "EdDSA" // Ed25519
)

// SignAlgorithms lists them.
func SignAlgorithms() []string {
	return []string{
		AlgHS256, AlgHS384, AlgHS512, AlgRS256, AlgRS384, AlgRS512, AlgPS256, AlgPS384, AlgPS512,
		AlgES256, AlgES384, AlgES512, AlgEdDSA,
	}
}

// Sign asks for a signature of Data with the host's key Key. []byte fields
// travel as standard base64.
type Sign struct {
	Key       string `json:"key"`
	Algorithm string `json:"algorithm"`
	Data      []byte `json:"data"`
}

// Signature is the reply to [Sign].
type Signature struct {
	Signature []byte `json:"signature"`
}

// Verify asks whether Signature is Data's under the host's key Key.
type Verify struct {
	Key       string `json:"key"`
	Algorithm string `json:"algorithm"`
	Data      []byte `json:"data"`
	Signature []byte `json:"signature"`
}

// Verified is the reply to [Verify].
type Verified struct {
	Valid bool `json:"valid"`
}

// Log is one line for the run's trace. Level is "debug", "info", "warn" or
// "error".
type Log struct {
	Level string `json:"level"`
	Text  string `json:"text"`
}

// EffectID is the reply to HostEffectID.
type EffectID struct {
	ID string `json:"id"`
}

// Deadline is the reply to HostDeadline: milliseconds since the Unix epoch.
type Deadline struct {
	UnixMillis int64 `json:"unix_millis"`
}

// Random asks for N bytes, at most 4096.
type Random struct {
	N int `json:"n"`
}

// RandomBytes is the reply to [Random].
type RandomBytes struct {
	Bytes []byte `json:"bytes"`
}

// Limits of a plugin's memory of a contact, beside the bytes that it was
// granted.
const (
	MaxKVKey   = 256     // bytes of a key, which is UTF-8 and not empty
	MaxKVValue = 1 << 20 // bytes of a value
	MaxKVKeys  = 1000    // keys of one plugin and contact
	MaxKVList  = 1000    // keys in one answer of kv_list
)

// KVGet asks for a value.
type KVGet struct {
	Key string `json:"key"`
}

// KVValue is the reply to [KVGet]. Value is null if it was not found.
type KVValue struct {
	Found bool   `json:"found"`
	Value []byte `json:"value"`
}

// KVSet writes a value, which may be empty.
type KVSet struct {
	Key   string `json:"key"`
	Value []byte `json:"value"`
}

// KVDelete removes a value.
type KVDelete struct {
	Key string `json:"key"`
}

// KVList asks for keys that begin with Prefix, in ascending order of their
// bytes, after the key After; Limit is at most [MaxKVList], and 0 means that.
type KVList struct {
	Prefix string `json:"prefix,omitempty"`
	After  string `json:"after,omitempty"`
	Limit  int    `json:"limit,omitempty"`
}

// KVKeys is the reply to [KVList]. More says that there are others after them.
type KVKeys struct {
	Keys []string `json:"keys"`
	More bool     `json:"more,omitempty"`
}

// Prepare is the input of [FuncPrepare].
type Prepare struct {
	Code string `json:"code"`
}

// Run is the input of a language plugin. Every scope is a JSON value.
type Run struct {
	// Code is left out for the script that [FuncPrepare] has left in memory.
	Code  string          `json:"code,omitempty"`
	Input json.RawMessage `json:"input"`
	Flow  json.RawMessage `json:"flow"`
	User  json.RawMessage `json:"user"`
	Env   json.RawMessage `json:"env"`
}
