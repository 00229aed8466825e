//go:build wasip1

package pdk

import "encoding/binary"

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

// Input gives the call's input.
func Input() []byte {
	data := make([]byte, inputLength())
	read(data, 0, inputLoadU64, inputLoadU8)
	return data
}

// Output sets the call's output. The block stays: the host reads it after the
// call.
func Output(data []byte) {
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

func setError(text []byte) { errorSet(store(text)) }

// exchange passes a request block, which the host frees, and takes the reply.
func exchange(function hostFunction, request []byte) []byte {
	return take(function(store(request)))
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
