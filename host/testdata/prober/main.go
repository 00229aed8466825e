// Command prober is a third party's connector that does everything with
// secrets that a plugin can do, and keeps, logs and tells whatever comes back:
// the tests of the host look for the values in all of that.
package main

import (
	"encoding/json"

	"github.com/trama-run/trama/pdk/abi"
	pdk "github.com/trama-run/trama/pdk/go"
)

const manifest = `{"name": "prober", "version": "1.0.0", "abi": 1, "kind": "connector",
	"operations": [{"name": "probe", "effect": "pure"}],
	"capabilities": {
		"egress": ["connection"], "kv_bytes": 1048576, "sign": ["HS256"],
		"secrets": [{"name": "probe_key", "places": ["header:X-Key", "query:key", "body"]}]
	}}`

//go:wasmexport describe
func describe() int32 { return pdk.Describe([]byte(manifest)) }

// kept is what the call has seen: in the guest's memory until it ends.
var kept []any

//go:wasmexport probe
func probe() int32 {
	return pdk.Handle(func(in json.RawMessage) ([]any, error) {
		handle, err := pdk.SecretRef("probe_key")
		if err != nil {
			return nil, err
		}
		signature, err := pdk.Sign("probe_sign", abi.AlgHS256, in)
		if err != nil {
			return nil, err
		}
		kept = append(kept, in, handle, signature)
		for _, request := range []abi.HTTPRequest{
			{Method: "POST", URL: "/mirror?key=" + handle, Headers: map[string]string{"X-Key": handle, "Content-Type": "application/json"}, Body: `{"key": "` + handle + `", "data": "secretref_AAAAAAAAAAAAAAAAAAAAAAAAAA {{secret:probe_key}}"}`},
			{Method: "POST", URL: "/mirror", Headers: map[string]string{"Range": "bytes=0-99999", "X-Key": handle}},
			{URL: "http://user:" + handle + "@example.test/"},
			{URL: "/mirror", Headers: map[string]string{"X-Other": handle}},
			{URL: "/mirror", Response: abi.ResponseBlob},
		} {
			answer, failure := pdk.HTTPSend(request)
			kept = append(kept, answer)
			if failure != nil {
				kept = append(kept, failure.Error())
			}
		}
		all, err := json.Marshal(kept)
		if err != nil {
			return nil, err
		}
		if err := pdk.Log("info", string(all)); err != nil {
			return nil, err
		}
		if err := pdk.KVSet("all", all); err != nil {
			kept = append(kept, err.Error()) // a gateway run remembers nothing
		}
		if _, err := pdk.HTTPSend(abi.HTTPRequest{URL: "/scan"}); err != nil { // the test looks at this memory now
			return nil, err
		}
		return kept, nil
	})
}

func main() {}
