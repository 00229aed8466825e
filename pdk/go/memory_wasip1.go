//go:build wasip1

package pdk

//lint:file-ignore U1000 the exports are called by the host

import (
	"encoding/binary"
	"unsafe"
)

// The Extism ABI, as far as plugins need it. Offsets and lengths count bytes
// of the host's block memory, which is not the plugin's own.

//go:wasmimport extism:host/env input_length
func inputLength() uint64

//go:wasmimport extism:host/env input_load_u8
func inputLoadU8(offset uint64) uint32

//go:wasmimport extism:host/env input_load_u64
func inputLoadU64(offset uint64) uint64

//go:wasmimport extism:host/env alloc
func alloc(length uint64) uint64

//go:wasmimport extism:host/env free
func free(offset uint64)

//go:wasmimport extism:host/env length
func blockLength(offset uint64) uint64

//go:wasmimport extism:host/env load_u8
func loadU8(offset uint64) uint32

//go:wasmimport extism:host/env load_u64
func loadU64(offset uint64) uint64

//go:wasmimport extism:host/env store_u8
func storeU8(offset uint64, value uint32)

//go:wasmimport extism:host/env store_u64
func storeU64(offset, value uint64)

//go:wasmimport extism:host/env output_set
func outputSet(offset, length uint64)

//go:wasmimport extism:host/env error_set
func errorSet(offset uint64)

//go:wasmimport extism:host/env config_get
func configGet(key uint64) uint64

//go:wasmimport extism:host/env log_debug
func extismDebug(text uint64)

//go:wasmimport extism:host/env log_info
func extismInfo(text uint64)

//go:wasmimport extism:host/env log_warn
func extismWarn(text uint64)

//go:wasmimport extism:host/env log_error
func extismError(text uint64)

// bulk is what one call moves in one piece, if the host does that: it then
// fills in, and reads out after the call. The variables keep the bytes alive.
// A call may start from an image that was taken after another one, so all of it
// is set anew by takeInput, and nothing of it is looked at in a host that never
// calls that.
var bulk struct {
	on      bool // the input of this call came this way
	in, out []byte
}

// empty is where a buffer of no bytes lies.
var empty [1]byte

// takeInput gives the host a buffer for the input; see abi.ExportInput.
//
//go:wasmexport trama_input
func takeInput(length uint32) uint32 {
	bulk.on, bulk.out = true, nil
	bulk.in = make([]byte, length)
	return address(bulk.in)
}

// giveOutput tells the host where the output lies; see abi.ExportOutput.
//
//go:wasmexport trama_output
func giveOutput() uint64 {
	if bulk.out == nil {
		return 0
	}
	return uint64(address(bulk.out))<<32 | uint64(len(bulk.out))
}

// address gives the place of bytes in the plugin's memory, never 0.
func address(data []byte) uint32 {
	first := unsafe.SliceData(data)
	if len(data) == 0 {
		first = &empty[0]
	}
	return uint32(uintptr(unsafe.Pointer(first)))
}

// Input gives the call's input.
func Input() []byte {
	if bulk.on {
		return bulk.in
	}
	data := make([]byte, inputLength())
	read(data, 0, inputLoadU64, inputLoadU8)
	return data
}

// Output sets the call's output, which is not to be changed after that.
func Output(data []byte) {
	if bulk.on {
		bulk.out = data
		if data == nil {
			bulk.out = empty[:0]
		}
		return
	}
	outputSet(store(data), uint64(len(data)))
}

// Config gives a setting that the host has for this plugin.
func Config(key string) (value string, ok bool) {
	name := store([]byte(key))
	block := configGet(name)
	free(name)
	if block == 0 {
		return "", false
	}
	return string(take(block)), true
}

// The host frees the block.
func logDebug(text []byte) { extismDebug(store(text)) }
func logInfo(text []byte)  { extismInfo(store(text)) }
func logWarn(text []byte)  { extismWarn(store(text)) }
func logError(text []byte) { extismError(store(text)) }

func setError(text []byte) { errorSet(store(text)) }

// exchange passes a request block, which the host frees, and takes the reply.
// A host that has the function has those too that move blocks in one piece.
func exchange(function hostFunction, request []byte) []byte {
	block := function(blockWrite(unsafe.Pointer(unsafe.SliceData(request)), uint32(len(request))))
	if block == 0 {
		return nil
	}
	reply := make([]byte, blockLength(block))
	blockRead(block, unsafe.Pointer(unsafe.SliceData(reply)))
	free(block)
	return reply
}

// store copies data into a new block; no data gives 0, no block.
func store(data []byte) uint64 {
	if len(data) == 0 {
		return 0
	}
	block := alloc(uint64(len(data)))
	if block == 0 {
		panic("the host has no memory left for this call; raise the plugin's memory limit")
	}
	offset, rest := block, data
	for len(rest) >= 8 {
		storeU64(offset, binary.LittleEndian.Uint64(rest))
		offset, rest = offset+8, rest[8:]
	}
	for _, b := range rest {
		storeU8(offset, uint32(b))
		offset++
	}
	return block
}

// take copies a block and frees it.
func take(block uint64) []byte {
	if block == 0 {
		return nil
	}
	data := make([]byte, blockLength(block))
	read(data, block, loadU64, loadU8)
	free(block)
	return data
}

// read fills data from offset on, eight bytes at a time. The rest goes byte
// by byte: a load may not pass the end of the host's memory.
func read(data []byte, offset uint64, load8 func(uint64) uint64, load1 func(uint64) uint32) {
	for len(data) >= 8 {
		binary.LittleEndian.PutUint64(data, load8(offset))
		offset, data = offset+8, data[8:]
	}
	for i := range data {
		data[i] = byte(load1(offset + uint64(i)))
	}
}
