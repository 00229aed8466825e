// Command http is the plugin "http": REST requests.
//
// It has two operations, because what a host may do after a crash depends on
// the method: get is safe to repeat (RFC 9110, 9.2.1) and so of the class
// pure; request, with any method, is unsafe.
package main

//lint:file-ignore U1000 the exports are called by the host

import (
	_ "embed"
	"time"

	pdk "github.com/trama-run/trama/pdk/go"
)

//go:embed manifest.json
var manifest []byte

//go:wasmexport describe
func describe() int32 { return pdk.Describe(manifest) }

//go:wasmexport get
func get() int32 { return pdk.Handle(client().get) }

//go:wasmexport request
func request() int32 { return pdk.Handle(client().request) }

func client() exchange { return exchange{send: pdk.HTTPSend, now: time.Now} }

func main() {}
