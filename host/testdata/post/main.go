// Command post is a channel adapter for the tests of the host. A webhook is
// {"units": [{"id", "from", "text"} or {"id", "from", "sent", "state"}]},
// signed with base64; a text is sent as POST /messages to the connection, and
// no other kind of message.
//
// Built as it is, it crashes on a webhook that says "poison"; built with
// -X main.version=1.1.0 it reads that too.
package main

import (
	"bytes"
	"encoding/json"

	"github.com/trama-run/trama/pdk/abi"
	pdk "github.com/trama-run/trama/pdk/go"
)

var version = "1.0.0"

//go:wasmexport describe
func describe() int32 {
	return pdk.Describe([]byte(`{"name": "post", "version": "` + version + `", "abi": 1, "kind": "channel",
		"sends": ["text"],
		"webhook": {
			"signature": {"header": "X-Post-Signature", "algorithm": "hmac-sha256", "encoding": "base64", "signed": "body", "secret": "key"},
			"delivery_id": "header:X-Post-Delivery"
		},
		"warm": [
			{"export": "receive", "input": {"channel": "warm", "method": "POST", "body": "eyJ1bml0cyI6W3siaWQiOiIxIiwiZnJvbSI6ImEiLCJ0ZXh0IjoiYiJ9XX0="}},
			{"export": "send", "input": {"channel": "warm", "to": {"scheme": "post", "path": "a"}, "message": {"type": "text", "text": "b"}, "effect_id": "warm"}}
		],
		"capabilities": {"egress": ["connection"]}}`))
}

// webhook is a request's body.
type webhook struct {
	Units []struct {
		ID    string `json:"id"`
		From  string `json:"from"`
		Text  string `json:"text"`
		Sent  string `json:"sent"`
		State string `json:"state"`
	} `json:"units"`
}

//go:wasmexport receive
func receive() int32 {
	if version == "1.0.0" {
		crash()
	}
	return pdk.HandleOpen(func(in abi.Receive) (abi.Received, error) {
		var w webhook
		if err := json.Unmarshal(in.Body, &w); err != nil {
			return abi.Received{}, pdk.Errorf("bad_webhook", "%v", err)
		}
		out := abi.Received{Units: []abi.Unit{}}
		for _, u := range w.Units {
			unit := abi.Unit{ID: u.ID, From: abi.Address{Scheme: "post", Path: u.From}}
			if u.Sent != "" {
				unit.Status = &abi.Status{MessageID: u.Sent, State: u.State}
			} else {
				unit.Message = &abi.Message{Type: abi.MessageText, Text: u.Text}
			}
			out.Units = append(out.Units, unit)
		}
		return out, nil
	})
}

// crash panics where nothing recovers, if the body says "poison".
func crash() {
	var in abi.Receive
	if err := json.Unmarshal(pdk.Input(), &in); err == nil && bytes.Contains(in.Body, []byte("poison")) {
		panic("poison")
	}
}

// message is what is sent.
type message struct {
	To       string `json:"to"`
	Text     string `json:"text"`
	EffectID string `json:"effect_id"`
}

//go:wasmexport send
func send() int32 {
	return pdk.HandleOpen(func(in abi.Send) (abi.Sent, error) {
		if in.Message.Type != abi.MessageText {
			return abi.Sent{}, pdk.Errorf(abi.CodeUnsupported, "the post office takes texts alone, no %s", in.Message.Kind())
		}
		body, err := json.Marshal(message{in.To.Path, in.Message.Text, in.EffectID})
		if err != nil {
			return abi.Sent{}, err
		}
		answer, err := pdk.HTTPSend(abi.HTTPRequest{Method: "POST", URL: "/messages", Body: string(body)})
		switch {
		case err != nil:
			return abi.Sent{}, err
		case answer.Status >= 500:
			return abi.Sent{}, &abi.Error{Code: "busy", Message: "the post office is busy", Retryable: true}
		case answer.Status >= 400:
			return abi.Sent{}, pdk.Errorf("no_such_person", "the post office refuses it for good")
		}
		return abi.Sent{MessageID: answer.Body}, nil
	})
}

func main() {}
