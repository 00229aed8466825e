// Command album is a channel adapter for the tests of media. Its webhooks have a
// token; their units are {"id", "from", "text"} or {"id", "from", "media":
// {"kind", "id", "sha256"}}. Its service has files under /bot<token>/files/ID,
// takes messages at /bot<token>/messages and webhooks at /bot<token>/hook.
package main

import (
	"encoding/json"
	"net/url"

	"github.com/trama-run/trama/pdk/abi"
	pdk "github.com/trama-run/trama/pdk/go"
)

//go:wasmexport describe
func describe() int32 {
	return pdk.Describe([]byte(`{"name": "album", "version": "1.0.0", "abi": 1, "kind": "channel", "image": "none",
		"sends": ["text", "image", "document"],
		"config": {"type": "object", "properties": {"owner": {"type": "string"}}},
		"webhook": {
			"token": {"header": "X-Album-Token", "secret": "hook"},
			"delivery_id": "body_sha256",
			"sample": {"headers": {"X-Album-Kind": "message"}, "body": {"units": [{"id": "sample", "from": "{config.owner}", "text": "hello"}]}}
		},
		"capabilities": {"egress": ["connection"], "secrets": [
			{"name": "bot_token", "places": ["path"], "origins": ["connection"]},
			{"name": "hook", "places": ["body"], "origins": ["connection"]}
		]}}`))
}

type webhook struct {
	Units []struct {
		ID    string     `json:"id"`
		From  string     `json:"from"`
		Text  string     `json:"text"`
		Media *abi.Media `json:"media"`
	} `json:"units"`
}

//go:wasmexport receive
func receive() int32 {
	return pdk.HandleOpen(func(in abi.Receive) (abi.Received, error) {
		var w webhook
		if err := json.Unmarshal(in.Body, &w); err != nil {
			return abi.Received{}, pdk.Errorf("bad_webhook", "%v", err)
		}
		out := abi.Received{Units: []abi.Unit{}}
		for _, u := range w.Units {
			m := &abi.Message{Type: abi.MessageText, Text: u.Text}
			if u.Media != nil {
				m.Type, m.Media = abi.MessageMedia, u.Media
			}
			out.Units = append(out.Units, abi.Unit{ID: u.ID, From: abi.Address{Scheme: "album", Path: u.From}, Message: m})
		}
		return out, nil
	})
}

// bot sends a request under the bot's own path.
func bot(request abi.HTTPRequest) (abi.HTTPResponse, error) {
	token, err := pdk.SecretRef("bot_token")
	if err != nil {
		return abi.HTTPResponse{}, err
	}
	request.URL = "/bot" + token + request.URL
	answer, err := pdk.HTTPSend(request)
	switch {
	case err != nil:
		return answer, err
	case answer.Status == 401:
		return answer, pdk.Errorf("unauthorized", "the album does not know the bot")
	case answer.Status >= 500:
		return answer, &abi.Error{Code: "busy", Message: "the album is busy", Retryable: true}
	case answer.Status >= 400:
		return answer, pdk.Errorf("refused", "the album refuses it for good")
	}
	return answer, nil
}

//go:wasmexport fetch
func fetch() int32 {
	return pdk.HandleOpen(func(in abi.Fetch) (abi.Fetched, error) {
		answer, err := bot(abi.HTTPRequest{URL: "/files/" + url.PathEscape(in.Media.ID), Response: abi.ResponseBlob})
		if err != nil {
			return abi.Fetched{}, err
		}
		return abi.Fetched{Blob: *answer.Blob, Filename: answer.Headers["x-name"]}, nil
	})
}

//go:wasmexport send
func send() int32 {
	return pdk.HandleOpen(func(in abi.Send) (abi.Sent, error) {
		request := abi.HTTPRequest{Method: "POST", URL: "/messages", Headers: map[string]string{"X-To": in.To.Path}, Body: in.Message.Text}
		if m := in.Message.Media; m != nil && m.Blob != nil {
			request.Headers["X-URL"] = m.URL
			request.Body, request.BodyBlob = "", m.Blob.ID
		}
		answer, err := bot(request)
		return abi.Sent{MessageID: answer.Body}, err
	})
}

//go:wasmexport connect
func connect() int32 {
	return pdk.HandleOpen(func(in abi.Connect) (abi.Connected, error) {
		hook, err := pdk.SecretRef("hook")
		if err != nil {
			return abi.Connected{}, err
		}
		body, err := json.Marshal(map[string]string{"url": in.URL, "token": hook})
		if err != nil {
			return abi.Connected{}, err
		}
		if _, err := bot(abi.HTTPRequest{Method: "PUT", URL: "/hook", Headers: map[string]string{"Content-Type": "application/json"}, Body: string(body)}); err != nil {
			return abi.Connected{}, err
		}
		return state()
	})
}

//go:wasmexport check
func check() int32 {
	return pdk.HandleOpen(func(abi.Connect) (abi.Connected, error) { return state() })
}

func state() (out abi.Connected, err error) {
	answer, err := bot(abi.HTTPRequest{URL: "/hook"})
	if err != nil {
		return out, err
	}
	err = json.Unmarshal([]byte(answer.Body), &out)
	return out, err
}

func main() {}
