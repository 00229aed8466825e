package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/trama-run/trama/pdk/abi"
	pdk "github.com/trama-run/trama/pdk/go"
)

// Response is the output of both operations, and the detail of the error
// "http_status".
type Response struct {
	Status  int               `json:"status"`
	Headers map[string]string `json:"headers"`
	// Body is the parsed JSON, digits unchanged; or text; or null if there is
	// no body or it is not text.
	Body json.RawMessage `json:"body"`
	// BodyBase64 is a body that is not UTF-8.
	BodyBase64 string `json:"body_base64,omitempty"`
}

// exchange is what the operations need of the outside.
type exchange struct {
	send func(abi.HTTPRequest) (abi.HTTPResponse, error)
	now  func() time.Time
}

func (e exchange) get(in Get) (Response, error) {
	return e.request(Request{Get: in, Method: "GET"})
}

func (e exchange) request(in Request) (Response, error) {
	request, err := prepare(in)
	if err != nil {
		return Response{}, err
	}
	answer, err := e.send(request)
	if err != nil {
		return Response{}, err
	}
	success := answer.Status >= 200 && answer.Status <= 299
	response, err := read(answer)
	if err != nil && success {
		return Response{}, &abi.Error{
			Code:    "http_bad_json",
			Message: fmt.Sprintf("%s answered %d with a body that is called JSON and isn't: %v", name(request), answer.Status, err),
			Detail:  detail(response),
		}
	}
	if in.ErrorOnStatus && !success {
		return Response{}, &abi.Error{
			Code:             "http_status",
			Message:          fmt.Sprintf("%s answered %d", name(request), answer.Status),
			Retryable:        pdk.MayRetry(answer.Status),
			RetryAfterMillis: pdk.RetryAfterMillis(answer, e.now()),
			Detail:           detail(response),
		}
	}
	return response, nil
}

// read takes an answer apart. On an error, which is about the JSON, the
// response holds the body as text.
func read(answer abi.HTTPResponse) (Response, error) {
	response := Response{Status: answer.Status, Headers: answer.Headers, Body: json.RawMessage("null")}
	if response.Headers == nil {
		response.Headers = map[string]string{}
	}
	if answer.BodyBase64 != "" {
		response.BodyBase64 = answer.BodyBase64
		return response, nil
	}
	if answer.Body == "" {
		return response, nil
	}
	contentType := answer.Headers["content-type"]
	if contentType == "" || isJSON(contentType) {
		value := json.RawMessage(strings.TrimPrefix(answer.Body, "\ufeff"))
		var ignored json.RawMessage // checks the syntax, and says where it fails
		err := json.Unmarshal(value, &ignored)
		if err == nil {
			response.Body = bytes.TrimSpace(value)
			return response, nil
		}
		response.Body = text(answer.Body)
		if contentType == "" {
			return response, nil
		}
		return response, err
	}
	response.Body = text(answer.Body)
	return response, nil
}

// isJSON says whether a Content-Type is application/json or ends in +json.
func isJSON(contentType string) bool {
	media, _, _ := strings.Cut(strings.ToLower(contentType), ";")
	media = strings.TrimSpace(media)
	return media == "application/json" || media == "text/json" || strings.HasSuffix(media, "+json")
}

func text(body string) json.RawMessage {
	data, _ := json.Marshal(body) // a string always has JSON
	return data
}

func detail(response Response) json.RawMessage {
	data, _ := json.Marshal(response) // Body is valid JSON, the rest plain
	return data
}

// name says which request it was, without its query, which may be private.
func name(request abi.HTTPRequest) string {
	address, _, _ := strings.Cut(request.URL, "?")
	if address == "" {
		address = "of the connection's base URL"
	}
	return request.Method + " " + address
}
