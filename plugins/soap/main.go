// Command soap is the plugin "soap": calls by SOAP 1.1 over HTTP.
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

//go:wasmexport call
func call() int32 {
	return pdk.Handle(client{send: pdk.HTTPSend, now: time.Now}.call)
}

func main() {}
