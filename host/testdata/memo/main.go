// Command memo is a third party's connector that remembers things of contacts
// and moves files: the tests of the host build it and drop it into a
// workspace.
package main

import (
	"strconv"

	"github.com/trama-run/trama/pdk/abi"
	pdk "github.com/trama-run/trama/pdk/go"
)

// name is the plugin's: tests build it under two, to have two plugins.
var name = "memo"

var version = "1.0.0" // set by the tests' build

func manifest() []byte {
	return []byte(`{"name": "` + name + `", "version": "` + version + `", "abi": 1, "kind": "connector",
	"operations": [
		{"name": "count", "effect": "pure"},
		{"name": "tell", "effect": "idempotent"},
		{"name": "fetch", "effect": "pure"},
		{"name": "put", "effect": "pure"}
	],
	"capabilities": {"egress": ["connection"], "kv_bytes": 1048576}}`)
}

//go:wasmexport describe
func describe() int32 {
	if version == "2.0.0" {
		name = "diary"
	}
	return pdk.Describe(manifest())
}

// counting says what "count" and "tell" do.
type counting struct {
	Key  string `json:"key"`
	Size int    `json:"size,omitempty"` // bytes to write instead of the count
	Fail bool   `json:"fail,omitempty"` // after writing
}

// counted is how often a key was counted, as it was before and is now.
type counted struct {
	N      int    `json:"n"`
	Keys   int    `json:"keys"`
	Status int    `json:"status,omitempty"`
	ID     string `json:"effect_id,omitempty"`
}

//go:wasmexport count
func count() int32 { return pdk.Handle(add) }

func add(in counting) (counted, error) {
	value, _, err := pdk.KVGet(in.Key)
	if err != nil {
		return counted{}, err
	}
	n, _ := strconv.Atoi(string(value)) //nolint:errcheck // nothing counts as 0
	next := []byte(strconv.Itoa(n + 1))
	if in.Size > 0 {
		next = make([]byte, in.Size)
	}
	if err := pdk.KVSet(in.Key, next); err != nil {
		return counted{}, err
	}
	keys, _, err := pdk.KVList("", "", 0)
	if err != nil {
		return counted{}, err
	}
	if in.Fail {
		return counted{}, pdk.Errorf("meant", "this call was told to fail")
	}
	return counted{N: n + 1, Keys: len(keys)}, nil
}

//go:wasmexport tell
func tell() int32 {
	return pdk.Handle(func(in counting) (counted, error) {
		out, err := add(in)
		if err != nil {
			return out, err
		}
		if out.ID, err = pdk.EffectID(); err != nil {
			return out, err
		}
		answer, err := pdk.HTTPSend(abi.HTTPRequest{Method: "POST", URL: "/told", Body: strconv.Itoa(out.N), Headers: map[string]string{"Idempotency-Key": out.ID}})
		out.Status = answer.Status
		return out, err
	})
}

// moving names a path of the connection and a blob to send there.
type moving struct {
	Path string `json:"path"`
	Blob string `json:"blob,omitempty"`
}

//go:wasmexport fetch
func fetch() int32 {
	return pdk.Handle(func(in moving) (abi.HTTPResponse, error) {
		return pdk.HTTPSend(abi.HTTPRequest{URL: in.Path, Response: abi.ResponseBlob})
	})
}

//go:wasmexport put
func put() int32 {
	return pdk.Handle(func(in moving) (abi.HTTPResponse, error) {
		return pdk.HTTPSend(abi.HTTPRequest{Method: "PUT", URL: in.Path, BodyBlob: in.Blob})
	})
}

func main() {}
