// Command google_sheets is the plugin "google_sheets": rows of Google Sheets,
// read and written by the names in a table's first row.
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

func own() service {
	return service{send: pdk.HTTPSend, effectID: pdk.EffectID, now: time.Now}
}

//go:wasmexport read
func read() int32 { return pdk.Handle(own().read) }

//go:wasmexport find
func find() int32 { return pdk.Handle(own().find) }

//go:wasmexport append
func appendRows() int32 { return pdk.Handle(own().append) }

//go:wasmexport append_once
func appendOnce() int32 { return pdk.Handle(own().appendOnce) }

//go:wasmexport update
func update() int32 { return pdk.Handle(own().update) }

//go:wasmexport update_or_insert
func updateOrInsert() int32 { return pdk.Handle(own().updateOrInsert) }

//go:wasmexport read_ranges
func readRanges() int32 { return pdk.Handle(own().readRanges) }

//go:wasmexport update_ranges
func updateRanges() int32 { return pdk.Handle(own().updateRanges) }

//go:wasmexport clear
func clearRanges() int32 { return pdk.Handle(own().clear) }

//go:wasmexport list_sheets
func listSheets() int32 { return pdk.Handle(own().listSheets) }

//go:wasmexport create_sheet
func createSheet() int32 { return pdk.Handle(own().createSheet) }

//go:wasmexport create_spreadsheet
func createSpreadsheet() int32 { return pdk.Handle(own().createSpreadsheet) }

// warm is called before the image of the plugin's memory is taken, when nothing
// is reached: it works on answers made up, so that what encoding/json sets up for
// a type is done once and not in each call. It is no operation.
//
//go:wasmexport warm
func warm() int32 {
	s := service{now: time.Now, effectID: func() (string, error) { return "warm", nil }, send: func(abi.HTTPRequest) (abi.HTTPResponse, error) {
		const cells = `"range":"A!A1:B2","values":[["a","b"],["1",2]]`
		return abi.HTTPResponse{Status: 200, Body: `{` + cells + `,"updates":{"updatedRange":"A!A3:B3","updatedRows":1},"valueRanges":[{` + cells + `}]}`}, nil
	}}
	pdk.Call(s.append, []byte(`{"spreadsheet":"1","sheet":"A","row":{"a":1}}`))
	pdk.Call(s.appendOnce, []byte(`{"spreadsheet":"1","sheet":"A","row":{"a":1},"id_column":"a"}`))
	pdk.Call(s.update, []byte(`{"spreadsheet":"1","sheet":"A","row":2,"values":{"a":1}}`))
	pdk.Call(s.find, []byte(`{"spreadsheet":"1","sheet":"A","column":"a","value":"1"}`))
	return pdk.Handle(s.read)
}

func main() {}
