package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/trama-run/trama/pdk/abi"
	pdk "github.com/trama-run/trama/pdk/go"
	"github.com/trama-run/trama/plugins/internal/xmljson"
)

// Codes of this plugin's errors, beside those of abi.
const (
	codeFault       = "soap_fault"        // the service answered with a fault
	codeBadResponse = "soap_bad_response" // the answer is no SOAP 1.1 envelope
)

// Response is the output of call.
type Response struct {
	Status int `json:"status"`
	// Headers and Body are what the SOAP header and the SOAP body contain: an
	// object with their child elements. Body is null if a one-way call was
	// taken and nothing came back.
	Headers json.RawMessage `json:"headers"`
	Body    json.RawMessage `json:"body"`
}

// Fault is the detail of the error "soap_fault" (SOAP 1.1, section 4.4).
type Fault struct {
	Status int    `json:"status"`
	Code   string `json:"faultcode"`
	String string `json:"faultstring"`
	Actor  string `json:"faultactor,omitempty"`
	// Detail is the content of <detail>, null without one.
	Detail json.RawMessage `json:"detail"`
}

// client is what a call needs of the outside.
type client struct {
	send func(abi.HTTPRequest) (abi.HTTPResponse, error)
	now  func() time.Time
}

func (c client) call(in Call) (Response, error) {
	request, err := in.request()
	if err != nil {
		return Response{}, err
	}
	answer, err := c.send(request)
	if err != nil {
		return Response{}, err
	}
	success := answer.Status >= 200 && answer.Status <= 299
	if success && strings.TrimSpace(answer.Body) == "" && answer.BodyBase64 == "" {
		return Response{answer.Status, json.RawMessage("{}"), json.RawMessage("null")}, nil
	}
	header, body, err := open(answer)
	if err != nil {
		return Response{}, c.badResponse(answer, err)
	}
	style := xmljson.DefaultStyle()
	style.StripPrefixes = !in.KeepPrefixes
	if fault := body.Child(soap11, "Fault"); fault != nil {
		return Response{}, c.fault(answer, fault, style)
	}
	if !success {
		return Response{}, c.badResponse(answer, errors.New("the envelope has no fault"))
	}
	response := Response{Status: answer.Status}
	if response.Headers, err = header.AppendContentJSON(nil, style); err != nil {
		return Response{}, err
	}
	style.Arrays = in.Arrays
	if response.Body, err = body.AppendContentJSON(nil, style); err != nil {
		return Response{}, err
	}
	return response, nil
}

// open finds the SOAP header, empty if there is none, and the SOAP body.
func open(answer abi.HTTPResponse) (header, body *xmljson.Element, err error) {
	media, parameters, err := mime.ParseMediaType(answer.Headers["content-type"])
	if err == nil && strings.HasPrefix(media, "multipart/") {
		return nil, nil, errors.New("multipart answers (attachments, MTOM) are not supported")
	}
	data, err := pdk.Body(answer)
	if err != nil {
		return nil, nil, err
	}
	text, err := xmljson.Decode(data, parameters["charset"])
	if err != nil {
		return nil, nil, err
	}
	root, err := xmljson.Parse(text)
	if err != nil {
		return nil, nil, err
	}
	if root.Local() == "Envelope" && root.Space == soap12 {
		return nil, nil, errors.New("it is a SOAP 1.2 envelope; this plugin speaks SOAP 1.1")
	}
	if root.Local() != "Envelope" || root.Space != soap11 {
		return nil, nil, fmt.Errorf("<%s> is no SOAP 1.1 envelope", root.Name)
	}
	if body = root.Child(soap11, "Body"); body == nil {
		return nil, nil, errors.New("the envelope has no body")
	}
	if header = root.Child(soap11, "Header"); header == nil {
		header = &xmljson.Element{Name: "Header"}
	}
	return header, body, nil
}

// fault makes an error of a fault, whatever the status: services send faults
// with 500, and some with 200.
func (c client) fault(answer abi.HTTPResponse, element *xmljson.Element, style xmljson.Style) error {
	fault := Fault{Status: answer.Status, Detail: json.RawMessage("null")}
	for _, child := range element.Children {
		text := strings.TrimSpace(child.Text)
		switch child.Local() { // the standard leaves them unqualified, some services don't
		case "faultcode":
			fault.Code = text
		case "faultstring":
			fault.String = text
		case "faultactor":
			fault.Actor = text
		case "detail":
			detail, err := child.AppendValueJSON(nil, style)
			if err != nil {
				return err
			}
			fault.Detail = detail
		}
	}
	detail, err := json.Marshal(fault)
	if err != nil {
		return err
	}
	return &abi.Error{
		Code:             codeFault,
		Message:          fmt.Sprintf("the service answered %d with the fault %s: %s", answer.Status, fault.Code, cut(fault.String)),
		Retryable:        pdk.MayRetry(answer.Status),
		RetryAfterMillis: pdk.RetryAfterMillis(answer, c.now()),
		Detail:           detail,
	}
}

func (c client) badResponse(answer abi.HTTPResponse, cause error) error {
	message := cause.Error()
	if failure, ok := errors.AsType[*abi.Error](cause); ok {
		message = failure.Message
	}
	snippet := answer.Body
	if answer.BodyBase64 != "" {
		if data, err := pdk.Body(answer); err == nil {
			snippet = string(data)
		}
	}
	snippet = cut(snippet)
	detail, err := json.Marshal(map[string]any{
		"status": answer.Status, "content_type": answer.Headers["content-type"], "snippet": snippet,
	})
	if err != nil {
		return err
	}
	return &abi.Error{
		Code:             codeBadResponse,
		Message:          fmt.Sprintf("the service answered %d, and not in SOAP 1.1: %s; it begins %q", answer.Status, message, snippet),
		Retryable:        pdk.MayRetry(answer.Status),
		RetryAfterMillis: pdk.RetryAfterMillis(answer, c.now()),
		Detail:           detail,
	}
}

// cut shortens text for an error.
func cut(text string) string {
	const limit = 300 // bytes
	text = strings.ToValidUTF8(text, "\ufffd")
	if len(text) <= limit {
		return text
	}
	end := limit
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + "…"
}
