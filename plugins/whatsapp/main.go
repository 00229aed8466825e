// Command whatsapp is the plugin "whatsapp": the channel adapter for the
// WhatsApp Cloud API.
//
// How webhooks are authenticated stands in the manifest as data: the host
// does it, before this code runs. Requests go to the channel's connection,
// whose base URL names the Graph API's version, such as
// https://graph.facebook.com/v23.0, and which adds the access token.
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

//go:wasmexport receive
func receive() int32 {
	return pdk.HandleOpen(receiver{log: pdk.Log}.receive)
}

//go:wasmexport send
func send() int32 {
	return pdk.HandleOpen(sender{send: pdk.HTTPSend, now: time.Now}.deliver)
}

func main() {}
