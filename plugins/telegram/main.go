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
	"time"

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

func main() {}
