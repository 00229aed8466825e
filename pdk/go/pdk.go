// Package pdk is for writing Trama plugins in Go.
//
// An exported function is a line around ordinary Go:
//
//	//go:wasmexport to_json
//	func toJSON() int32 { return pdk.Handle(convert) }
//
//	func convert(in Input) (Output, error) { ... }
//
//	func main() {}
//
// It is built by GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared, with Go
// 1.24 or later; trama plugin build does that, and puts the project's
// manifest.json into the file. A plugin may also tell its manifest itself:
//
//	//go:embed manifest.json
//	var manifest []byte
//
//	//go:wasmexport describe
//	func describe() int32 { return pdk.Describe(manifest) }
//
// # What there is
//
//   - [Handle] and [HandleOpen] take the JSON input and give the JSON output;
//     [Input], [Output] and [Fail] are there for bytes.
//   - [Errorf] makes an error with a code; its fields Retryable,
//     RetryAfterMillis and Detail may be set. A panic is a crash, as it is in
//     every language: the host makes of it the error trap, with its message,
//     file and line, the calls under way, and the last lines of the log.
//   - [HTTPSend] sends a request, [JSONRequest] makes one, with [Body] and [StatusError] for the
//     answer; [MayRetry] and [RetryAfterMillis] are parts of the latter.
//   - [KVGet], [KVSet], [KVDelete] and [KVList] are the plugin's memory of the
//     contact; [SecretRef], [Sign] and [Verify] use what the host keeps for
//     itself; [EffectID] is the idempotency key; [Deadline], [Random].
//   - [Config] and [Log] are Extism's own, as are input and output: a plugin
//     that calls nothing of host.go imports nothing but Extism's ABI and WASI,
//     and so runs in any Extism host.
//
// Input and output move in one piece in a Trama host, and eight bytes at a time
// in another; the module is the same, and nothing has to be done for it.
//
// A call may start from an image of the plugin's memory, taken before it: what
// one call leaves in a variable no other sees, and random numbers are [Rand]'s
// or crypto/rand's, since those of math/rand repeat.
//
// # Tests
//
// Outside WebAssembly the host is absent: logic takes what it needs of the
// host as function values, and tests give it those of
// [github.com/trama-run/trama/pdk/go/pdktest]. [Call] runs a function as Handle
// does, from input bytes to output bytes.
//
// The package knows pdk/abi and the standard library, and nothing of flows. It
// keeps to what TinyGo has too.
package pdk

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/trama-run/trama/pdk/abi"
)

// CodeError is the code of errors that carry none of their own. The others that
// this package reports are those of abi.
const CodeError = "error"

// Handle answers a call of an operation: it decodes the JSON input, calls f,
// and sets the JSON output or the error. A field that In doesn't have is an
// error, so that a misspelt setting is not passed over in silence. If Out is
// json.RawMessage, it must hold JSON and goes out as it is.
//
// The result is what the exported function returns: 0 for success.
func Handle[In, Out any](f func(In) (Out, error)) int32 {
	return finish(Call(f, Input()))
}

// HandleOpen is [Handle] for the inputs that hosts compose (receive, send,
// run): fields that a newer host adds are passed over.
func HandleOpen[In, Out any](f func(In) (Out, error)) int32 {
	return finish(CallOpen(f, Input()))
}

// Describe answers a call of the export "describe" with the manifest.
func Describe(manifest []byte) int32 {
	Output(manifest)
	return 0
}

// Log writes one line to the run's log; level is "debug", "info", "warn" or
// "error". It is Extism's log, so it works in every host.
func Log(level, text string) error {
	switch level {
	case "debug":
		logDebug([]byte(text))
	case "info":
		logInfo([]byte(text))
	case "warn":
		logWarn([]byte(text))
	case "error":
		logError([]byte(text))
	default:
		return Errorf(abi.CodeInvalid, "log: level %q: want debug, info, warn or error", level)
	}
	return nil
}

// Call is [Handle] without a host: from input bytes to output bytes.
func Call[In, Out any](f func(In) (Out, error), input []byte) ([]byte, *abi.Error) {
	return call(f, input, decodeStrictly)
}

// CallOpen is [HandleOpen] without a host.
func CallOpen[In, Out any](f func(In) (Out, error), input []byte) ([]byte, *abi.Error) {
	return call(f, input, json.Unmarshal)
}

// Errorf makes an error with a code for programs and a sentence for people.
// What may succeed later is said in the fields of the result.
func Errorf(code, format string, args ...any) *abi.Error {
	return &abi.Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

func call[In, Out any](f func(In) (Out, error), input []byte, decode func([]byte, any) error) ([]byte, *abi.Error) {
	if at := invalidUTF8(input); at >= 0 {
		return nil, Errorf(abi.CodeInvalid, "input: byte %d is not UTF-8", at)
	}
	var in In
	if err := decode(input, &in); err != nil {
		return nil, Errorf(abi.CodeInvalid, "input: %s", strings.TrimPrefix(err.Error(), "json: "))
	}
	out, err := f(in)
	if err != nil {
		return nil, asError(err)
	}
	output, err := encode(out)
	if err != nil {
		return nil, Errorf(abi.CodeBadOutput, "output: %v", err)
	}
	return output, nil
}

func finish(output []byte, failure *abi.Error) int32 {
	if failure != nil {
		return Fail(failure)
	}
	Output(output)
	return 0
}

// Fail sets err as the call's error and returns the code that the exported
// function must return. An error that is, or wraps, an *abi.Error keeps its
// fields; of a message, the first 4 KiB are sent.
func Fail(err error) int32 {
	text, failed := encode(asError(err))
	if failed != nil { // a Detail that is not JSON
		text, _ = encode(Errorf(CodeError, "%v (its detail is not JSON: %v)", err, failed))
	}
	setError(text)
	return 1
}

// maxMessage is how many bytes of an error's message are sent: one that quotes
// what was given may be as long as that, and more than a host takes.
const maxMessage = 4 << 10

func asError(err error) *abi.Error {
	failure := &abi.Error{Code: CodeError, Message: err.Error()}
	var known *abi.Error
	if errors.As(err, &known) && known != nil {
		failure = known
	}
	if len(failure.Message) <= maxMessage {
		return failure
	}
	shorter := *failure
	shorter.Message = strings.ToValidUTF8(failure.Message[:maxMessage], "") + "..."
	return &shorter
}

// invalidUTF8 gives where a text is no UTF-8, of which encoding/json says
// nothing; -1: it is.
func invalidUTF8(text []byte) int {
	if utf8.Valid(text) {
		return -1
	}
	at := 0
	for {
		r, size := utf8.DecodeRune(text[at:])
		if r == utf8.RuneError && size <= 1 {
			return at
		}
		at += size
	}
}

// decodeStrictly is json.Unmarshal that refuses fields unknown to into.
func decodeStrictly(data []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		if errors.Is(err, io.EOF) {
			return errors.New("empty, want a JSON value")
		}
		return err
	}
	if _, err := decoder.Token(); err != io.EOF {
		return errors.New("more than one JSON value")
	}
	return nil
}

// encode is json.Marshal that leaves <, > and & as they are.
func encode(value any) ([]byte, error) {
	if raw, ok := value.(json.RawMessage); ok && len(raw) > 0 {
		return raw, nil
	}
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(buffer.Bytes(), []byte{'\n'}), nil
}
