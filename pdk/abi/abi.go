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
	// FuncFetch gets a medium that came in a message, before a flow sees the
	// message. Channel adapters whose services hand media on by id export it.
	// Input: [Fetch]. Output: [Fetched].
	FuncFetch = "fetch"
	// FuncConnect tells the service where to send its webhooks, and whatever
	// else a channel needs there. Channel adapters may export it; it may be
	// called again. Input: [Connect]. Output: [Connected].
	FuncConnect = "connect"
	// FuncCheck asks the service whether the channel's credentials and webhook
	// are right, and changes nothing. Channel adapters may export it.
	// Input: [Connect]. Output: [Connected].
	FuncCheck = "check"
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

// Functions that a plugin may export so that bytes move in one piece instead of
// eight at a time: both of them, or neither. A host that does not know them
// never calls them, so the same module runs there by Extism's calls.
const (
	// ExportInput has the signature (length i32) -> (address i32). The host
	// calls it right before the function that it is after, within the same
	// call, with the number of bytes of the input, which may be 0. The plugin
	// gives the address of a buffer of that many bytes in its own memory, never
	// 0, which the host fills; Extism's input is then empty. 0 means that the
	// plugin can't, and the input goes by Extism's calls.
	//
	// It also begins a call: whatever output an earlier one has noted for
	// ExportOutput must be forgotten here, because the image that calls start
	// from may have been taken after such a call.
	ExportInput = "trama_input"
	// ExportOutput has the signature () -> i64. The host calls it after the
	// function has returned 0, if ExportInput gave a buffer: the result is
	// address << 32 | length of the output in the plugin's memory. 0 means that
	// none was set this way, and what Extism's output_set was given counts.
	ExportOutput = "trama_output"
)

// Functions of [ModuleTrama] that move the blocks of its other functions, the
// requests and the replies, in one piece. An address is one of the plugin's
// memory. A range that is not inside of it ends the call.
const (
	// BlockRead has the signature (block i64, address i32) -> (). It copies the
	// whole block to the address; Extism's length tells how long that is.
	BlockRead = "block_read"
	// BlockWrite has the signature (address i32, length i32) -> (block i64). It
	// makes a block of these bytes; 0, which is no block, for none.
	BlockWrite = "block_write"
)

// Functions of [ModuleTrama] that ask the host for something. Each has the signature (i64) -> i64: the offset
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

// HostFunctions lists every function of [ModuleTrama] that asks the host for
// something, as this version has them.
func HostFunctions() []string {
	return []string{
		HostHTTPSend, HostSecretRef, HostSign, HostVerify,
		HostLog, HostEffectID, HostDeadline, HostRandom,
		HostKVGet, HostKVSet, HostKVDelete, HostKVList,
	}
}
