// Command acme is a third party's connector: the tests of the host build it
// and drop it into a workspace. Its operations do the same under each class of
// effect: they register a charge at the connection, with the effect id as the
// idempotency key.
package main

import (
	"encoding/json"

	"github.com/trama-run/trama/pdk/abi"
	pdk "github.com/trama-run/trama/pdk/go"
)

const manifest = `{"name": "acme", "version": "1.0.0", "abi": 1, "kind": "connector",
	"operations": [
		{"name": "echo", "effect": "pure"},
		{"name": "look", "effect": "pure"},
		{"name": "version", "effect": "pure"},
		{"name": "setting", "effect": "pure"},
		{"name": "register", "effect": "idempotent"},
		{"name": "charge", "effect": "unsafe"}
	],
	"capabilities": {"egress": ["connection"]}}`

//go:wasmexport describe
func describe() int32 { return pdk.Describe([]byte(manifest)) }

//go:wasmexport echo
func echo() int32 {
	return pdk.Handle(func(in json.RawMessage) (json.RawMessage, error) { return in, nil })
}

// version is set by the linker, so that two builds answer apart.
var version string

//go:wasmexport version
func tellVersion() int32 {
	return pdk.Handle(func(struct{}) (map[string]string, error) { return map[string]string{"version": version}, nil })
}

// atStart is a setting as the plugin's initialisation finds it.
var atStart, _ = pdk.Config("currency")

//go:wasmexport setting
func setting() int32 {
	return pdk.Handle(func(struct{}) (map[string]string, error) {
		now, _ := pdk.Config("currency")
		return map[string]string{"at_start": atStart, "now": now}, nil
	})
}

//go:wasmexport look
func look() int32 { return pdk.Handle(post) }

//go:wasmexport register
func register() int32 { return pdk.Handle(post) }

//go:wasmexport charge
func charge() int32 { return pdk.Handle(post) }

// posted is what became of a charge.
type posted struct {
	Status   int    `json:"status"`
	EffectID string `json:"effect_id"`
}

func post(in json.RawMessage) (posted, error) {
	id, err := pdk.EffectID()
	if err != nil {
		return posted{}, err
	}
	answer, err := pdk.HTTPSend(abi.HTTPRequest{
		Method: "POST", URL: "/charges", Body: string(in),
		Headers: map[string]string{"Idempotency-Key": id, "Content-Type": "application/json"},
	})
	if err == nil && answer.Status >= 500 {
		err = &abi.Error{Code: "busy", Message: "acme is busy", Retryable: true}
	}
	return posted{answer.Status, id}, err
}

func main() {}
