// Command hubspot is the plugin "hubspot": records of a HubSpot account, of
// whatever type, and what hangs together with them.
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

func account() hubspot { return open(pdk.HTTPSend, time.Now) }

//go:wasmexport create
func create() int32 { return pdk.Handle(account().create) }

//go:wasmexport read
func read() int32 { return pdk.Handle(account().read) }

//go:wasmexport update
func update() int32 { return pdk.Handle(account().update) }

//go:wasmexport upsert
func upsert() int32 { return pdk.Handle(account().upsert) }

//go:wasmexport delete
func deleteRecord() int32 { return pdk.Handle(account().delete) }

//go:wasmexport list
func list() int32 { return pdk.Handle(account().list) }

//go:wasmexport search
func search() int32 { return pdk.Handle(account().search) }

//go:wasmexport batch_create
func batchCreate() int32 { return pdk.Handle(account().batchCreate) }

//go:wasmexport batch_read
func batchRead() int32 { return pdk.Handle(account().batchRead) }

//go:wasmexport batch_update
func batchUpdate() int32 { return pdk.Handle(account().batchUpdate) }

//go:wasmexport batch_upsert
func batchUpsert() int32 { return pdk.Handle(account().batchUpsert) }

//go:wasmexport batch_delete
func batchDelete() int32 { return pdk.Handle(account().batchDelete) }

//go:wasmexport associate
func associate() int32 { return pdk.Handle(account().associate) }

//go:wasmexport dissociate
func dissociate() int32 { return pdk.Handle(account().dissociate) }

//go:wasmexport list_associations
func listAssociations() int32 { return pdk.Handle(account().listAssociations) }

//go:wasmexport get_owner
func getOwner() int32 { return pdk.Handle(account().getOwner) }

//go:wasmexport list_owners
func listOwners() int32 { return pdk.Handle(account().listOwners) }

//go:wasmexport list_pipelines
func listPipelines() int32 { return pdk.Handle(account().listPipelines) }

//go:wasmexport list_stages
func listStages() int32 { return pdk.Handle(account().listStages) }

//go:wasmexport complete_action
func completeAction() int32 { return pdk.Handle(account().completeAction) }

// warm is called before the image of the plugin's memory is taken, when nothing
// is reached: it works on answers made up, so that what encoding/json sets up for
// a type is done once and not in each call. It is no operation.
//
//go:wasmexport warm
func warm() int32 {
	const record = `"id":"1","properties":{"a":"b"},"createdAt":"2026-03-01T12:00:00.000Z","updatedAt":"2026-03-01T12:00:00.000Z","archived":false`
	h := open(func(abi.HTTPRequest) (abi.HTTPResponse, error) {
		return abi.HTTPResponse{Status: 200, Body: `{` + record + `,"results":[{` + record + `}],"paging":{"next":{"after":"1"}}}`}, nil
	}, time.Now)
	pdk.Call(h.create, []byte(`{"object":"a","properties":{"a":"b"}}`))
	pdk.Call(h.update, []byte(`{"object":"a","id":1,"properties":{"a":"b"}}`))
	pdk.Call(h.upsert, []byte(`{"object":"a","id":"b","id_property":"a","properties":{"a":"b"}}`))
	pdk.Call(h.search, []byte(`{"object":"a","filters":[{"property":"a","operator":"EQ","value":"b"}],"max_items":1}`))
	pdk.Call(h.list, []byte(`{"object":"a","max_items":1}`))
	return pdk.Handle(h.read)
}

func main() {}
