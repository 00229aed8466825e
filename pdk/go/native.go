//go:build !wasip1

package pdk

// Outside WebAssembly there is no host to talk to. These functions let
// plugins compile and be tested natively, and say so if they are reached.

const noHost = "pdk: there is no host outside WebAssembly; pass the functions of a pdktest.Host instead"

// Input gives the call's input.
func Input() []byte { panic(noHost) }

// Output sets the call's output.
func Output(data []byte) { panic(noHost) }

// Config gives a setting that the host has for this plugin.
func Config(key string) (value string, ok bool) { panic(noHost) }

func logDebug(text []byte) { panic(noHost) }
func logInfo(text []byte)  { panic(noHost) }
func logWarn(text []byte)  { panic(noHost) }
func logError(text []byte) { panic(noHost) }

func setError(text []byte) { panic(noHost) }

func exchange(function hostFunction, request []byte) []byte { panic(noHost) }

func hostHTTPSend(request uint64) uint64  { panic(noHost) }
func hostSecretRef(request uint64) uint64 { panic(noHost) }
func hostSign(request uint64) uint64      { panic(noHost) }
func hostVerify(request uint64) uint64    { panic(noHost) }
func hostEffectID(request uint64) uint64  { panic(noHost) }
func hostDeadline(request uint64) uint64  { panic(noHost) }
func hostRandom(request uint64) uint64    { panic(noHost) }
func hostKVGet(request uint64) uint64     { panic(noHost) }
func hostKVSet(request uint64) uint64     { panic(noHost) }
func hostKVDelete(request uint64) uint64  { panic(noHost) }
func hostKVList(request uint64) uint64    { panic(noHost) }
