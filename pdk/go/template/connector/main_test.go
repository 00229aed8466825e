package main

import (
	"testing"

	"github.com/trama-run/trama/pdk/abi"
	"github.com/trama-run/trama/pdk/go/pdktest"
)

// The host gives the answers of the service, and checks what is sent.
func TestCreate(t *testing.T) {
	host := pdktest.NewHost(t, abi.HTTPExchange{
		Request: abi.HTTPRequest{
			Method: "POST", URL: "/contacts", Headers: map[string]string{"Idempotency-Key": "e1"}, Body: `{"name":"Ana"}`,
		},
		Response: abi.HTTPResponse{Status: 201, Body: `{"id":"7"}`},
	})
	s := service{send: host.HTTPSend, effectID: func() (string, error) { return "e1", nil }}
	contact, err := s.create(Person{Name: "Ana"})
	if err != nil || contact.ID != "7" {
		t.Errorf("%+v, %v", contact, err)
	}
}

func TestGreet(t *testing.T) {
	greeting, err := greet(Person{Name: "Ana"})
	if err != nil || greeting.Greeting != "Hello, Ana!" {
		t.Errorf("%+v, %v", greeting, err)
	}
	if _, err := greet(Person{}); err == nil {
		t.Error("somebody without a name is greeted")
	}
}
