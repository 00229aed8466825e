// Command soap is the plugin "soap": calls by SOAP 1.1 and 1.2 over HTTP, and
// what a service's WSDL says of them.
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

//go:wasmexport call
func call() int32 {
	return pdk.Handle(client{send: pdk.HTTPSend, now: time.Now}.call)
}

//go:wasmexport wsdl
func describeService() int32 { return pdk.Handle(read) }

// warm is called before the image of the plugin's memory is taken, when nothing
// is reached: it reads an answer made up, so that what a first call sets up is
// done once and not in each. It is no operation.
//
//go:wasmexport warm
func warm() int32 {
	answered := func(abi.HTTPRequest) (abi.HTTPResponse, error) {
		return abi.HTTPResponse{Status: 200, Headers: map[string]string{"content-type": "text/xml"}, Body: `<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Header><a>1</a></s:Header><s:Body><aResponse xmlns="urn:a"><b>1</b></aResponse></s:Body></s:Envelope>`}, nil
	}
	return pdk.Handle(client{send: answered, now: time.Now}.call)
}

func main() {}
