// Command main is the plugin {{.Name}}. manifest.json says what it is; trama
// plugin build puts that into the module.
package main

//lint:file-ignore U1000 the exports are called by the host

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/trama-run/trama/pdk/abi"
	pdk "github.com/trama-run/trama/pdk/go"
)

// Each operation of the manifest is an exported function: a line around
// ordinary Go, which main_test.go tests without WebAssembly.

//go:wasmexport greet
func exportGreet() int32 { return pdk.Handle(greet) }

//go:wasmexport create
func exportCreate() int32 {
	return pdk.Handle(service{send: pdk.HTTPSend, effectID: pdk.EffectID}.create)
}

func main() {}

// Person is the input of both operations.
type Person struct {
	Name string `json:"name"`
}

func (p Person) check() error {
	if p.Name == "" {
		return pdk.Errorf(abi.CodeInvalid, "name: want a text that is not empty")
	}
	return nil
}

// Greeting is the output of greet.
type Greeting struct {
	Greeting string `json:"greeting"`
}

func greet(in Person) (Greeting, error) {
	if err := in.check(); err != nil {
		return Greeting{}, err
	}
	return Greeting{Greeting: "Hello, " + in.Name + "!"}, nil
}

// service is what create needs of the host.
type service struct {
	send     func(abi.HTTPRequest) (abi.HTTPResponse, error)
	effectID func() (string, error)
}

// Contact is the output of create.
type Contact struct {
	ID string `json:"id"`
}

// create makes a contact. The effect's id is the same when the host has to
// repeat the call, so the service makes no second one.
func (s service) create(in Person) (Contact, error) {
	if err := in.check(); err != nil {
		return Contact{}, err
	}
	effect, err := s.effectID()
	if err != nil {
		return Contact{}, err
	}
	request, err := pdk.JSONRequest("POST", "/contacts", in) // of the node's connection, which adds the credentials
	if err != nil {
		return Contact{}, err
	}
	request.Headers["Idempotency-Key"] = effect
	answer, err := s.send(request)
	if err != nil {
		return Contact{}, err
	}
	if answer.Status != 200 && answer.Status != 201 {
		return Contact{}, pdk.StatusError(answer)
	}
	var contact Contact
	if err := json.Unmarshal([]byte(answer.Body), &contact); err != nil {
		return Contact{}, fmt.Errorf("answer of the service: %w", err)
	}
	if contact.ID == "" {
		return Contact{}, errors.New("answer of the service: it has no id")
	}
	return contact, nil
}
