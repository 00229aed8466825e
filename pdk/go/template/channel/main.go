// Command main is the channel adapter {{.Name}}. manifest.json says what it is;
// trama plugin build puts that into the module.
package main

//lint:file-ignore U1000 the exports are called by the host

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/trama-run/trama/pdk/abi"
	pdk "github.com/trama-run/trama/pdk/go"
)

// scheme names the address space of the service's contacts.
const scheme = "{{.Scheme}}"

//go:wasmexport receive
func exportReceive() int32 { return pdk.HandleOpen(receive) }

//go:wasmexport send
func exportSend() int32 { return pdk.HandleOpen(sender(pdk.HTTPSend).send) }

func main() {}

// webhook is the body of a request that the service sends.
type webhook struct {
	Messages []struct {
		ID   string `json:"id"`
		From string `json:"from"`
		Name string `json:"name"`
		Text string `json:"text"`
	} `json:"messages"`
}

// receive gives a unit for each message, and says of one that it can't read
// what it lacks; a webhook about something else has none. The host has checked
// the signature and stored the request before; it takes a unit with a known id
// once.
func receive(in abi.Receive) (abi.Received, error) {
	var body webhook
	other := new(json.UnmarshalTypeError) // a value of another type stays empty
	if err := json.Unmarshal(in.Body, &body); err != nil && !errors.As(err, &other) {
		return abi.Received{}, pdk.Errorf(abi.CodeInvalid, "webhook body: %v", err)
	}
	received := abi.Received{Units: []abi.Unit{}}
	for i, m := range body.Messages {
		if m.ID == "" || m.From == "" || m.Text == "" {
			received.Unread = append(received.Unread, fmt.Sprintf("messages[%d]: want id, from and text", i))
			continue
		}
		received.Units = append(received.Units, abi.Unit{
			ID:      m.ID,
			From:    abi.Address{Scheme: scheme, Path: m.From},
			Name:    m.Name,
			Message: &abi.Message{Type: abi.MessageText, Text: m.Text},
		})
	}
	return received, nil
}

// sender is the host's way to the channel's connection.
type sender func(abi.HTTPRequest) (abi.HTTPResponse, error)

// send sends one text. The effect's id is the same when the host has to repeat
// the call, so the service sends no second one.
func (s sender) send(in abi.Send) (abi.Sent, error) {
	if in.Message.Type != abi.MessageText {
		return abi.Sent{}, pdk.Errorf(abi.CodeUnsupported, "%s: this channel sends text alone", in.Message.Kind())
	}
	body := map[string]string{"to": in.To.Path, "text": in.Message.Text}
	request, err := pdk.JSONRequest("POST", "/messages", body) // of the channel's connection, which adds the credentials
	if err != nil {
		return abi.Sent{}, err
	}
	request.Headers["Idempotency-Key"] = in.EffectID
	answer, err := s(request)
	if err != nil {
		return abi.Sent{}, err
	}
	if answer.Status != 200 && answer.Status != 201 {
		return abi.Sent{}, pdk.StatusError(answer)
	}
	var sent struct {
		ID string `json:"id"`
	}
	if json.Unmarshal([]byte(answer.Body), &sent) != nil || sent.ID == "" {
		return abi.Sent{}, pdk.Errorf("bad_answer", "the service answered %d without the id of the message", answer.Status)
	}
	return abi.Sent{MessageID: sent.ID}, nil
}
