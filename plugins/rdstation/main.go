// Command rdstation is the plugin "rdstation": deals and what belongs to them
// in RD Station CRM, versions 1 and 2, and conversions of RD Station Marketing.
package main

//lint:file-ignore U1000 the exports are called by the host

import (
	_ "embed"
	"time"

	"github.com/trama-run/trama/pdk/abi"
	pdk "github.com/trama-run/trama/pdk/go"
)

//go:embed manifest.json
var manifest []byte

//go:wasmexport describe
func describe() int32 { return pdk.Describe(manifest) }

func account() rdstation { return open(pdk.HTTPSend, time.Now) }

//go:wasmexport create_deal
func createDeal() int32 { return pdk.Handle(account().createDeal) }

//go:wasmexport create
func create() int32 { return pdk.Handle(account().create) }

//go:wasmexport get
func get() int32 { return pdk.Handle(account().get) }

//go:wasmexport list
func list() int32 { return pdk.Handle(account().list) }

//go:wasmexport update
func update() int32 { return pdk.Handle(account().update) }

//go:wasmexport convert
func convert() int32 { return pdk.Handle(account().convert) }

// warm is called before the image of the plugin's memory is taken, when nothing
// is reached: it works on answers made up, so that what encoding/json sets up for
// a type is done once and not in each call. It is no operation.
//
//go:wasmexport warm
func warm() int32 {
	r := open(func(abi.HTTPRequest) (abi.HTTPResponse, error) {
		return abi.HTTPResponse{Status: 200, Body: `{"id":"1","data":{"id":"1"},"contacts":[{"id":"1"}],"has_more":false,"total":1}`}, nil
	}, time.Now)
	pdk.Call(r.createDeal, []byte(`{"fields":[{"key":"deal[a]","value":1}]}`))
	pdk.Call(r.create, []byte(`{"object":"contacts","record":{"a":1}}`))
	pdk.Call(r.update, []byte(`{"object":"contacts","id":"1","record":{"a":1}}`))
	pdk.Call(r.list, []byte(`{"object":"contacts","max_items":1}`))
	pdk.Call(r.convert, []byte(`{"identifier":"a","email":"a@acme.example","fields":{"a":1}}`))
	return pdk.Handle(r.get)
}

func main() {}
