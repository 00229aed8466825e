//go:build wasip1

package pdk

import "unsafe"

// The functions of abi.ModuleTrama under the names that abi gives them. The
// linker leaves out those that a plugin never reaches.

//go:wasmimport trama:host/v1 block_read
func blockRead(block uint64, address unsafe.Pointer)

//go:wasmimport trama:host/v1 block_write
func blockWrite(address unsafe.Pointer, length uint32) uint64

//go:wasmimport trama:host/v1 http_send
func hostHTTPSend(request uint64) uint64

//go:wasmimport trama:host/v1 secret_ref
func hostSecretRef(request uint64) uint64

//go:wasmimport trama:host/v1 sign
func hostSign(request uint64) uint64

//go:wasmimport trama:host/v1 verify
func hostVerify(request uint64) uint64

//go:wasmimport trama:host/v1 effect_id
func hostEffectID(request uint64) uint64

//go:wasmimport trama:host/v1 deadline
func hostDeadline(request uint64) uint64

//go:wasmimport trama:host/v1 random
func hostRandom(request uint64) uint64

//go:wasmimport trama:host/v1 kv_get
func hostKVGet(request uint64) uint64

//go:wasmimport trama:host/v1 kv_set
func hostKVSet(request uint64) uint64

//go:wasmimport trama:host/v1 kv_delete
func hostKVDelete(request uint64) uint64

//go:wasmimport trama:host/v1 kv_list
func hostKVList(request uint64) uint64
