package sandbox

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"unicode/utf8"

	"github.com/tetratelabs/wazero/api"

	"github.com/trama-run/trama/pdk/abi"
)

const (
	i32 = api.ValueTypeI32
	i64 = api.ValueTypeI64
)

// hostFunction is one function that guests may import. Parameters and results
// travel in stack, as wazero has it.
type hostFunction struct {
	name      string
	signature signature
	call      func(in *instance, stack []uint64)
	looks     bool // its cost is not in its bytes, so the clock is looked at
}

// signature is a function's type, as package wasm has it.
type signature struct{ Params, Results string }

func takes(params ...api.ValueType) signature { return signature{Params: string(params)} }

func (s signature) gives(results ...api.ValueType) signature {
	s.Results = string(results)
	return s
}

// perform runs a host function, and has the guest pay for the bytes that it
// went through: what the host does for a guest is the guest's work.
func (in *instance) perform(f hostFunction, stack []uint64) {
	f.call(in, stack)
	work := in.arena.work
	in.arena.work = 0
	err := in.clock.charge(work)
	if err == nil && f.looks {
		err = in.clock.look()
	}
	if err != nil {
		in.stop(err)
	}
}

// extismFunctions are the functions of the Extism plugin ABI, as
// extism/go-sdk 1.7.1 and its kernel behave, with these differences: blocks
// cannot be damaged by stores, an allocation that does not fit stops the call
// (there it gives 0, and the output is lost), nothing is read outside of
// the transfer memory, and an output outside of it is logged.
func extismFunctions() []hostFunction {
	return []hostFunction{
		{"alloc", takes(i64).gives(i64), (*instance).alloc, false},
		{"free", takes(i64).gives(), func(in *instance, s []uint64) { in.arena.free(s[0]) }, false},
		{"length", takes(i64).gives(i64), func(in *instance, s []uint64) { s[0] = in.arena.length(s[0]) }, false},
		{"length_unsafe", takes(i64).gives(i64), func(in *instance, s []uint64) { s[0] = in.arena.length(s[0]) }, false},
		{"load_u8", takes(i64).gives(i32), func(in *instance, s []uint64) { s[0] = uint64(in.arena.loadByte(s[0])) }, false},
		{"store_u8", takes(i64, i32).gives(), func(in *instance, s []uint64) { in.arena.storeByte(s[0], byte(s[1])) }, false},
		{"load_u64", takes(i64).gives(i64), func(in *instance, s []uint64) { s[0] = in.load(s[0]) }, false},
		{"store_u64", takes(i64, i64).gives(), (*instance).store, false},
		{"input_length", takes().gives(i64), func(in *instance, s []uint64) { s[0] = in.arena.inputLength }, false},
		{"input_offset", takes().gives(i64), func(in *instance, s []uint64) { s[0] = in.arena.inputOffset }, false},
		{"input_load_u8", takes(i64).gives(i32), (*instance).inputByte, false},
		{"input_load_u64", takes(i64).gives(i64), func(in *instance, s []uint64) { s[0] = in.load(in.arena.callInput + s[0]) }, false},
		{"input_set", takes(i64, i64).gives(), (*instance).setInput, false},
		{"output_set", takes(i64, i64).gives(), (*instance).setOutput, false},
		{"output_length", takes().gives(i64), func(in *instance, s []uint64) { s[0] = in.arena.outputLength }, false},
		{"output_offset", takes().gives(i64), func(in *instance, s []uint64) { s[0] = in.arena.outputOffset }, false},
		{"error_set", takes(i64).gives(), (*instance).setError, false},
		{"error_get", takes().gives(i64), func(in *instance, s []uint64) { s[0] = in.arena.errorOffset }, false},
		{"reset", takes().gives(), func(in *instance, _ []uint64) { in.arena.reset() }, false},
		{"memory_bytes", takes().gives(i64), func(in *instance, s []uint64) { s[0] = uint64(len(in.arena.buf)) - arenaBase }, false},
		{"config_get", takes(i64).gives(i64), (*instance).configGet, true},
		{"var_get", takes(i64).gives(i64), (*instance).varGet, true},
		{"var_set", takes(i64, i64).gives(), (*instance).varSet, true},
		{"http_request", takes(i64, i64).gives(i64), (*instance).httpRequest, true},
		{"http_status_code", takes().gives(i32), func(in *instance, s []uint64) { s[0] = uint64(uint32(in.httpStatus)) }, false},
		{"http_headers", takes().gives(i64), (*instance).httpHeaderBlock, true},
		{"log_trace", takes(i64).gives(), func(in *instance, s []uint64) { in.arena.free(s[0]) }, false},
		{"log_debug", takes(i64).gives(), func(in *instance, s []uint64) { in.logBlock("debug", s[0]) }, true},
		{"log_info", takes(i64).gives(), func(in *instance, s []uint64) { in.logBlock("info", s[0]) }, true},
		{"log_warn", takes(i64).gives(), func(in *instance, s []uint64) { in.logBlock("warn", s[0]) }, true},
		{"log_error", takes(i64).gives(), func(in *instance, s []uint64) { in.logBlock("error", s[0]) }, true},
		{"get_log_level", takes().gives(i32), (*instance).logLevel, false},
	}
}

func (in *instance) alloc(stack []uint64) { stack[0] = in.room(stack[0], nil) }

// room gives a block of n bytes that begins with data.
func (in *instance) room(n uint64, data []byte) uint64 {
	offset, ok := in.arena.alloc(n)
	if !ok {
		in.stop(in.transferError(n))
	}
	in.arena.work += int64(copy(in.arena.buf[offset:], data))
	return offset
}

// give copies data into a new block; nothing gives 0.
func (in *instance) give(data []byte) uint64 { return in.room(uint64(len(data)), data) }

// take reads a block and frees it.
func (in *instance) take(offset uint64) []byte {
	data := append([]byte(nil), in.arena.block(offset)...)
	in.arena.work += int64(len(data))
	in.arena.free(offset)
	return data
}

func (in *instance) load(offset uint64) uint64 {
	v, ok := in.arena.load(uint64(uint32(offset)))
	if !ok {
		in.stop(newError(KindTrap, "read of 8 bytes at offset %d, past the transfer memory", uint32(offset)))
	}
	return v
}

func (in *instance) store(stack []uint64) {
	if !in.arena.store(uint64(uint32(stack[0])), stack[1]) {
		in.stop(newError(KindTrap, "write of 8 bytes at offset %d, past the transfer memory", uint32(stack[0])))
	}
}

func (in *instance) inputByte(stack []uint64) {
	if i := stack[0]; i < in.arena.inputLength {
		stack[0] = uint64(in.arena.loadByte(in.arena.inputOffset + i))
		return
	}
	stack[0] = 0
}

func (in *instance) setInput(stack []uint64) {
	if in.arena.holds(stack[0], stack[1]) {
		in.arena.inputOffset, in.arena.inputLength = stack[0], stack[1]
	}
}

func (in *instance) setOutput(stack []uint64) {
	offset, n := stack[0], stack[1]
	if n > uint64(in.limits.Output) && n <= math.MaxInt64 {
		in.stop(outputError("output", int64(n), in.limits.Output))
	}
	if in.arena.holds(offset, n) {
		in.arena.outputOffset, in.arena.outputLength = offset, n
	} else if n > 0 {
		in.log("warn", "output_set names bytes outside of the transfer memory and is ignored, as in Extism")
	}
}

func (in *instance) setError(stack []uint64) {
	if offset := stack[0]; offset == 0 || in.arena.holds(offset, 1) {
		in.arena.errorOffset = offset
	}
}

func (in *instance) configGet(stack []uint64) {
	key := in.arena.block(stack[0])
	stack[0] = 0
	if len(key) > maxConfigKey {
		return
	}
	value, ok := in.module.settings[string(key)]
	if in.host != nil {
		value, ok = in.host.Config(string(key))
	}
	if ok {
		stack[0] = in.give([]byte(value))
	}
}

func (in *instance) varGet(stack []uint64) {
	stack[0] = in.give(in.vars[string(in.take(stack[0]))])
}

// varSet counts a variable as go-sdk does: key, value, and 40 bytes for the
// headers of a string and a slice.
func (in *instance) varSet(stack []uint64) {
	key := string(in.take(stack[0]))
	if stack[1] == 0 {
		delete(in.vars, key)
		return
	}
	value := in.take(stack[1])
	const header = 40
	total := header + len(key) + len(value)
	for k, v := range in.vars {
		total += header + len(k) + len(v)
	}
	in.arena.work += int64(header * len(in.vars))
	if total >= maxVars {
		in.stop(limitError(LimitVars, "variables would hold %s, over the limit of %s, which no grant raises: keep less in var_set",
			size(int64(total)), size(maxVars)))
	}
	if in.vars == nil {
		in.vars = map[string][]byte{}
	}
	in.vars[key] = value
}

// httpRequest performs Extism's http_request. Extism has no way to return a
// failure, so one stops the call; the flow still sees its code.
func (in *instance) httpRequest(stack []uint64) {
	in.httpStatus, in.httpHeaders = 0, nil
	var asked struct {
		URL     string            `json:"url"`
		Headers map[string]string `json:"headers"`
		Method  string            `json:"method"`
	}
	if n := in.arena.length(stack[0]); n > maxRequest {
		in.stop(limitError(LimitHTTP, "http_request: method, URL and headers have %s, over the limit of %s, which no grant raises", size(int64(n)), size(maxRequest)))
	}
	if err := json.Unmarshal(in.take(stack[0]), &asked); err != nil {
		in.stop(newError(KindTrap, "http_request: invalid request: %v", err).because(err))
	}
	body := in.take(stack[1])
	in.checkBody("the request's body", int64(len(body)))
	request := abi.HTTPRequest{URL: asked.URL, Headers: asked.Headers, Method: "GET"}
	if asked.Method != "" {
		request.Method = strings.ToUpper(asked.Method)
	}
	request.Body, request.BodyBase64 = packBody(body)
	if in.host == nil {
		in.stop(newError(KindTrap, "http_request: this call may reach nothing outside"))
	}
	if err := in.countRequest(); err != nil {
		in.stop(err)
	}
	in.clock.pause()
	response, err := in.host.HTTP(in.clock.caller, request)
	in.clock.resume()
	if err != nil {
		in.stop(hostError("http_request", err))
	}
	data, err := unpackBody(response)
	if err != nil {
		in.stop(newError(KindTrap, "http_request: %v", err).because(err))
	}
	in.checkBody("the response's body", int64(len(data)))
	in.httpStatus, in.httpHeaders = response.Status, response.Headers
	stack[0] = in.give(data)
}

// checkBody stops the call if an HTTP body is over its limit.
func (in *instance) checkBody(what string, n int64) {
	if limit := in.limits.HTTPBody; n > limit {
		in.stop(limitError(LimitHTTP, "%s has %s, over the limit of %s; %s", what, size(n), size(limit),
			bytesRemedy(LimitHTTP, n, CeilingLimits().HTTPBody)))
	}
}

// packBody gives the two forms of an HTTP body, of which one is empty.
func packBody(body []byte) (text, encoded string) {
	if utf8.Valid(body) {
		return string(body), ""
	}
	return "", base64.StdEncoding.EncodeToString(body)
}

func unpackBody(r abi.HTTPResponse) ([]byte, error) {
	if r.BodyBase64 == "" {
		return []byte(r.Body), nil
	}
	return base64.StdEncoding.DecodeString(r.BodyBase64)
}

// httpHeaderBlock gives the last response's headers as a JSON object.
func (in *instance) httpHeaderBlock(stack []uint64) {
	headers := in.httpHeaders
	if headers == nil {
		headers = map[string]string{}
	}
	data, err := json.Marshal(headers)
	if err != nil {
		in.stop(newError(KindTrap, "http_headers: %v", err).because(err))
	}
	stack[0] = in.give(data)
}

func (in *instance) logBlock(level string, offset uint64) {
	text := string(in.take(offset))
	in.keepLine(level, text)
	in.log(level, text)
}

// logLevel gives Extism's number of the lowest level that is kept.
func (in *instance) logLevel(stack []uint64) {
	const debug, off = 1, math.MaxInt32
	stack[0] = debug
	if in.host == nil {
		stack[0] = off
	}
}

// hostError stops a call because a host function failed. An abi.Error of the
// host keeps its code: "denied" says more than "trap".
func hostError(function string, err error) *Error {
	e := newError(KindTrap, "%s: %v", function, err).because(err)
	var said *abi.Error
	if errors.As(err, &said) {
		copied := *said
		copied.Message = function + ": " + said.Message
		e.Err = &copied
	}
	return e
}
