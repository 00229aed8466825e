// Command guest calls every function of the PDK, for wasm_test.go.
package main

import (
	crand "crypto/rand"
	"encoding/json"
	"fmt"
	mrand "math/rand"
	"math/rand/v2"

	pdk "github.com/trama-run/trama/pdk/go"

	"github.com/trama-run/trama/pdk/abi"
)

//go:wasmexport describe
func describe() int32 { return pdk.Describe([]byte(`{"name":"guest"}`)) }

//go:wasmexport echo
func echo() int32 {
	return pdk.Handle(func(in json.RawMessage) (json.RawMessage, error) { return in, nil })
}

//go:wasmexport boom
func boom() int32 {
	return pdk.Handle(func(in []int) (int, error) { return in[5], nil })
}

//go:wasmexport open
func open() int32 {
	return pdk.HandleOpen(func(in struct{ N int }) (int, error) { return in.N + 1, nil })
}

//go:wasmexport random
func random() int32 {
	return pdk.Handle(func(struct{}) (map[string]string, error) {
		return map[string]string{
			"pdk":     fmt.Sprint(generator.Uint64()),
			"crypto":  crand.Text(),
			"math":    fmt.Sprint(mrand.Uint64()),
			"math/v2": fmt.Sprint(rand.Uint64()),
		}, nil
	})
}

// generator is in the image.
var generator = pdk.Rand()

//go:wasmexport reach
func reach() int32 { return pdk.Handle(reachOut) }

// reachOut calls each host function once.
func reachOut(struct{}) (map[string]any, error) {
	response, err := pdk.HTTPSend(abi.HTTPRequest{Method: "POST", URL: "/x", Body: "<ç>"})
	if err != nil {
		return nil, err
	}
	handle, err := pdk.SecretRef("token")
	if err != nil {
		return nil, err
	}
	signature, err := pdk.Sign("k", abi.AlgHS256, []byte{0, 255})
	if err != nil {
		return nil, err
	}
	valid, err := pdk.Verify("k", abi.AlgHS256, []byte{0, 255}, signature)
	if err != nil {
		return nil, err
	}
	if err := pdk.Log("info", "reached"); err != nil {
		return nil, err
	}
	effect, err := pdk.EffectID()
	if err != nil {
		return nil, err
	}
	deadline, err := pdk.Deadline()
	if err != nil {
		return nil, err
	}
	random, err := pdk.Random(3)
	if err != nil {
		return nil, err
	}
	setting, ok := pdk.Config("color")
	_, absent := pdk.Config("none")
	_, refused := pdk.SecretRef("other")
	return map[string]any{
		"status": response.Status, "body": response.Body, "handle": handle, "signature": signature, "valid": valid,
		"effect": effect, "deadline": deadline.UnixMilli(), "random": random,
		"setting": setting, "ok": ok, "absent": absent, "refused": refused.Error(),
	}, nil
}

func main() {}
