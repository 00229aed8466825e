// Package abi holds the names, wire types and version of the contract between
// a Trama host and its plugins, each stated once.
//
// A plugin is one WebAssembly module that speaks the Extism plugin ABI: it
// imports from [ModuleExtism], and every function it exports for the host has
// the signature () -> i32, where 0 means success. Input and output are bytes;
// for everything that Trama calls they are JSON in the shapes of this package.
// A plugin that wants more than Extism offers imports from [ModuleTrama].
//
// The package depends on the standard library alone, so that hosts, guests
// and tests may all use it. It must not know how either side works.
package abi

// Version is the version of this contract. A manifest states the version it
// was written for in its field "abi"; a host refuses any other and names both.
const Version = 1

// Modules that a plugin may import from.
const (
	// ModuleExtism is the namespace of the Extism plugin ABI.
	ModuleExtism = "extism:host/env"
	// ModuleTrama is the namespace of Trama's own host functions. A plugin
	// that imports it needs a Trama host; one that does not runs in any host
	// that speaks Extism.
	ModuleTrama = "trama:host/v1"
	// ModuleWASI is WASI preview 1. A guest finds there a real clock and real
	// randomness, and no files, no environment and no sockets.
	ModuleWASI = "wasi_snapshot_preview1"
)

// Functions that a plugin exports, all () -> i32.
const (
	// FuncDescribe returns the plugin's [Manifest]. It has no input and may
	// reach nothing outside. Example: no input gives
	// {"name":"xml","version":"1.0.0","abi":1,"kind":"connector",...}.
	FuncDescribe = "describe"
	// FuncReceive turns one stored webhook request into units. Channel
	// adapters export it. Input: [Receive]. Output: [Received].
	FuncReceive = "receive"
	// FuncSend delivers one message. Channel adapters export it.
	// Input: [Send]. Output: [Sent].
	FuncSend = "send"
	// FuncRun runs a script. Language plugins export it. Input: [Run].
	// Output: the JSON value that the script returned.
	FuncRun = "run"
	// FuncPrepare makes a script ready: it loads what the script needs,
	// compiles it and leaves it in memory, where a [FuncRun] without code finds
	// it. Language plugins may export it. Input: [Prepare]. No output. A script
	// that does not compile fails as it would in run. The host takes the memory
	// after it as the image from which that script's calls start.
	// Example: {"code":"return input.a + 1"}, then run with {"input":{"a":1}},
	// gives 2.
	FuncPrepare = "prepare"
)

// Functions of [ModuleTrama]. Each has the signature (i64) -> i64: the offset
// of an Extism block that holds the request as JSON (0 for none), and the
// offset of a block that holds a [Reply] as JSON. The host frees the request
// block; the guest frees the reply block.
const (
	// HostHTTPSend sends one HTTP request through the host's egress.
	// Request: [HTTPRequest]. Reply: [HTTPResponse].
	HostHTTPSend = "http_send"
	// HostSecretRef gives a handle for a named secret, valid for this call.
	// Request: [SecretRef]. Reply: [SecretHandle].
	HostSecretRef = "secret_ref"
	// HostSign signs with a key that stays in the host.
	// Request: [Sign]. Reply: [Signature].
	HostSign = "sign"
	// HostVerify checks a signature with a key that stays in the host.
	// Request: [Verify]. Reply: [Verified].
	HostVerify = "verify"
	// HostLog writes one line to the run's trace. Request: [Log]. Reply: {}.
	HostLog = "log"
	// HostEffectID gives the stable id of the effect that this call performs:
	// the same when the host has to repeat the call, so it serves as an
	// idempotency key. No request. Reply: [EffectID].
	HostEffectID = "effect_id"
	// HostDeadline gives the instant at which the host stops the call.
	// No request. Reply: [Deadline].
	HostDeadline = "deadline"
	// HostRandom gives bytes from the host's cryptographic source.
	// Request: [Random]. Reply: [RandomBytes].
	HostRandom = "random"
	// HostKVGet reads a value of the plugin's own memory of the contact whose
	// message is worked on. The memory is the plugin's alone, one for each
	// contact; a gateway run has no contact, so all four functions are refused
	// there, and in a channel adapter's receive and send. What the call has
	// written it reads back; it is kept together with the call's result, and
	// forgotten if the call fails.
	// Request: [KVGet]. Reply: [KVValue]. Example: {"key":"cart"} gives
	// {"found":true,"value":"WzFd"}.
	HostKVGet = "kv_get"
	// HostKVSet writes a value. Request: [KVSet]. Reply: {}.
	HostKVSet = "kv_set"
	// HostKVDelete removes a value; one that is not there is no error.
	// Request: [KVDelete]. Reply: {}.
	HostKVDelete = "kv_delete"
	// HostKVList lists keys. Request: [KVList]. Reply: [KVKeys].
	HostKVList = "kv_list"
)

// HostFunctions lists every function of [ModuleTrama] that this version has.
func HostFunctions() []string {
	return []string{
		HostHTTPSend, HostSecretRef, HostSign, HostVerify,
		HostLog, HostEffectID, HostDeadline, HostRandom,
		HostKVGet, HostKVSet, HostKVDelete, HostKVList,
	}
}
