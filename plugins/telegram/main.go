// Command telegram is the plugin "telegram": the channel adapter for the
// Telegram Bot API.
//
// How webhooks are authenticated stands in the manifest as data: the host does
// it, before this code runs. Requests go to the channel's connection, which is
// https://api.telegram.org or a Bot API server of one's own. The bot's token is
// part of their path, where a handle stands for it, so it is not known here.
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

func host() bot {
	return bot{send: pdk.HTTPSend, secret: pdk.SecretRef, log: pdk.Log, now: time.Now}
}

//go:wasmexport describe
func describe() int32 { return pdk.Describe(manifest) }

//go:wasmexport receive
func receive() int32 { return pdk.HandleOpen(host().receive) }

//go:wasmexport send
func send() int32 { return pdk.HandleOpen(host().deliver) }

//go:wasmexport fetch
func fetch() int32 { return pdk.HandleOpen(host().fetch) }

//go:wasmexport connect
func connect() int32 { return pdk.HandleOpen(host().connect) }

//go:wasmexport check
func check() int32 { return pdk.HandleOpen(host().check) }

// warm is called before the image of the plugin's memory is taken, when nothing
// is reached: it sends as send does and reads an answer made up, so that what
// encoding/json sets up for a type is done once and not in each call. It is no
// operation.
//
//go:wasmexport warm
func warm() int32 {
	b := host()
	b.secret = func(name string) (string, error) {
		pdk.SecretRef(name) //nolint:errcheck // it is refused
		return name, nil
	}
	b.send = func(request abi.HTTPRequest) (answer abi.HTTPResponse, err error) {
		pdk.HTTPSend(request) //nolint:errcheck // it is refused
		err = json.Unmarshal([]byte(`{"status":200,"headers":{"content-type":"application/json"},"body":"{\"ok\":true,\"result\":{\"message_id\":1}}"}`), &answer)
		return answer, err
	}
	return pdk.HandleOpen(b.deliver)
}

func main() {}
