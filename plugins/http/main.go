// Command http is the plugin "http": REST requests.
//
// What a host may do after a crash depends on the method, so there are two
// operations: get is safe to repeat (RFC 9110, 9.2.1) and so of the class pure;
// request, with any method, is unsafe. preview and test are for those who
// describe a request: what would be sent, and what comes of it. Authentication
// is the connection's, so that no credentials are seen here.
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

//go:wasmexport get
func get() int32 { return pdk.Handle(client().get) }

//go:wasmexport request
func request() int32 { return pdk.Handle(client().request) }

//go:wasmexport preview
func preview() int32 { return pdk.Handle(shown) }

//go:wasmexport test
func test() int32 { return pdk.Handle(client().test) }

// warm is called before the image of the plugin's memory is taken, when nothing
// is reached: it reads an answer made up, so that what encoding/json sets up for
// a type is done once and not in each call. It is no operation.
//
//go:wasmexport warm
func warm() int32 {
	e := client()
	e.send = func(request abi.HTTPRequest) (answer abi.HTTPResponse, err error) {
		pdk.HTTPSend(request) //nolint:errcheck // it is refused
		err = json.Unmarshal([]byte(`{"status":200,"headers":{"content-type":"application/json"},"body":"{\"a\":[1]}"}`), &answer)
		return answer, err
	}
	return pdk.Handle(e.request)
}

func client() exchange { return exchange{send: pdk.HTTPSend, now: time.Now} }

func main() {}
