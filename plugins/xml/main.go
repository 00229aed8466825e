// Command xml is the plugin "xml": XML documents to JSON, and back.
//
// It imports nothing of Trama and so runs in any Extism host.
package main

//lint:file-ignore U1000 the exports are called by the host

import (
	_ "embed"

	pdk "github.com/trama-run/trama/pdk/go"
)

//go:embed manifest.json
var manifest []byte

//go:wasmexport describe
func describe() int32 { return pdk.Describe(manifest) }

//go:wasmexport to_json
func toJSON() int32 { return pdk.Handle(convert) }

//go:wasmexport from_json
func fromJSON() int32 { return pdk.Handle(build) }

func main() {}
