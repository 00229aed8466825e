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
	"encoding/json"
	"time"

	"github.com/trama-run/trama/pdk/abi"
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
	return pdk.HandleOpen(outward().deliver)
}

//go:wasmexport fetch
func fetch() int32 {
	return pdk.HandleOpen(fetcher{outward(), pdk.SecretRef}.fetch)
}

//go:wasmexport connect
func connect() int32 {
	return pdk.HandleOpen(operator{outward(), pdk.SecretRef}.connect)
}

//go:wasmexport check
func check() int32 {
	return pdk.HandleOpen(operator{outward(), pdk.SecretRef}.check)
}

// warm is called before the image of the plugin's memory is taken, when nothing
// is reached: it sends as send does and reads an answer made up, so that what
// encoding/json sets up for a type is done once and not in each call. It is no
// operation.
//
//go:wasmexport warm
func warm() int32 {
	s := outward()
	s.send = func(request abi.HTTPRequest) (answer abi.HTTPResponse, err error) {
		pdk.HTTPSend(request) //nolint:errcheck // it is refused
		err = json.Unmarshal([]byte(`{"status":200,"headers":{"content-type":"application/json"},"body":"{\"contacts\":[{\"input\":\"1\",\"wa_id\":\"2\"}],\"messages\":[{\"id\":\"a\"}]}"}`), &answer)
		return answer, err
	}
	return pdk.HandleOpen(s.deliver)
}

func outward() sender { return sender{send: pdk.HTTPSend, now: time.Now} }

func main() {}
