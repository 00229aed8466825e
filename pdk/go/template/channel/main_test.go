package main

import (
	"testing"

	"github.com/trama-run/trama/pdk/abi"
	"github.com/trama-run/trama/pdk/go/pdktest"
)

func TestReceive(t *testing.T) {
	received, err := receive(abi.Receive{Body: []byte(`{"messages":[{"id":"m1","from":"5511","name":"Ana","text":"Oi"}]}`)})
	if err != nil || len(received.Units) != 1 {
		t.Fatalf("%+v, %v", received, err)
	}
	unit := received.Units[0]
	if unit.ID != "m1" || unit.From.Path != "5511" || unit.Name != "Ana" || unit.Message.Text != "Oi" {
		t.Errorf("%+v", unit)
	}
	if _, err := receive(abi.Receive{Body: []byte("{")}); err == nil {
		t.Error("half a body is taken")
	}
	for body, unread := range map[string]int{`{}`: 0, `[]`: 0, `{"messages":5}`: 0, `{"messages":[5,{"id":7,"from":"5511","text":"Oi"}]}`: 2} {
		if received, err := receive(abi.Receive{Body: []byte(body)}); err != nil || len(received.Units) > 0 || len(received.Unread) != unread {
			t.Errorf("%s gives %+v, %v", body, received, err)
		}
	}
}

// The host gives the answers of the service, and checks what is sent.
func TestSend(t *testing.T) {
	host := pdktest.NewHost(t, abi.HTTPExchange{
		Request: abi.HTTPRequest{
			Method: "POST", URL: "/messages", Headers: map[string]string{"Idempotency-Key": "e1"}, Body: `{"to":"5511","text":"Oi"}`,
		},
		Response: abi.HTTPResponse{Status: 201, Body: `{"id":"m2"}`},
	})
	sent, err := sender(host.HTTPSend).send(abi.Send{
		To: abi.Address{Scheme: scheme, Path: "5511"}, Message: abi.Message{Type: abi.MessageText, Text: "Oi"}, EffectID: "e1",
	})
	if err != nil || sent.MessageID != "m2" {
		t.Errorf("%+v, %v", sent, err)
	}
}
