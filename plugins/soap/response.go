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
	codeBadResponse = "soap_bad_response" // the answer is no SOAP envelope
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

// Fault is the detail of the error "soap_fault" (SOAP 1.1, section 4.4; SOAP
// 1.2 part 1, section 5.4).
type Fault struct {
	Status int `json:"status"`
	// Code is faultcode or Code/Value, without a prefix: "Client", "Sender".
	// Subcodes are those of 1.2, the outermost first.
	Code     string   `json:"code"`
	Subcodes []string `json:"subcodes,omitempty"`
	// Reason is faultstring, or the first Reason/Text.
	Reason string `json:"reason"`
	Node   string `json:"node,omitempty"`
	// Role is faultactor, or Role.
	Role string `json:"role,omitempty"`
	// Detail is the content of the fault's detail, null without one.
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
	space, header, body, err := open(answer)
	if err != nil {
		return Response{}, c.badResponse(answer, err)
	}
	style := xmljson.DefaultStyle()
	style.StripPrefixes = !in.KeepPrefixes
	if fault := body.Child(space, "Fault"); fault != nil {
		return Response{}, c.fault(in, answer, fault, style)
	}
	if !success {
		return Response{}, c.badResponse(answer, errors.New("the envelope has no fault"))
	}
	response := Response{Status: answer.Status}
	if response.Headers, err = header.AppendContentJSON(nil, style); err != nil {
		return Response{}, err
	}
	style.Arrays = in.Arrays
	response.Body, err = in.content(body, style)
	return response, err
}

// content gives the JSON of the answer's body: by the types where they describe
// it.
func (in Call) content(body *xmljson.Element, style xmljson.Style) (json.RawMessage, error) {
	if in.Types != nil && in.Types.Output != nil && len(body.Children) == 1 && body.Children[0].Local() == in.Types.Output.Name {
		content := append(xmljson.AppendString([]byte{'{'}, in.Types.Output.Name), ':')
		content, err := in.Types.AppendJSON(content, *in.Types.Output, body.Children[0])
		return append(content, '}'), err
	}
	return body.AppendContentJSON(nil, style)
}

// open finds the SOAP header, empty if there is none, and the SOAP body, and
// tells the version by its namespace.
func open(answer abi.HTTPResponse) (space string, header, body *xmljson.Element, err error) {
	media, parameters, err := mime.ParseMediaType(answer.Headers["content-type"])
	if err == nil && strings.HasPrefix(media, "multipart/") {
		return "", nil, nil, errors.New("multipart answers (attachments, MTOM) are not supported")
	}
	data, err := pdk.Body(answer)
	if err != nil {
		return "", nil, nil, err
	}
	text, err := xmljson.Decode(data, parameters["charset"])
	if err != nil {
		return "", nil, nil, err
	}
	root, err := xmljson.Parse(text)
	if err != nil {
		return "", nil, nil, err
	}
	space = root.Space // a service may answer in the version that it knows
	if root.Local() != "Envelope" || space != soap11 && space != soap12 {
		return "", nil, nil, fmt.Errorf("<%s> is no SOAP envelope", root.Name)
	}
	if body = root.Child(space, "Body"); body == nil {
		return "", nil, nil, errors.New("the envelope has no body")
	}
	if header = root.Child(space, "Header"); header == nil {
		header = &xmljson.Element{Name: "Header"}
	}
	return space, header, body, nil
}

// fault makes an error of a fault, whatever the status: services send faults
// with 500, and some with 200.
func (c client) fault(in Call, answer abi.HTTPResponse, element *xmljson.Element, style xmljson.Style) error {
	fault := Fault{Status: answer.Status, Detail: json.RawMessage("null")}
	for _, child := range element.Children {
		text := strings.TrimSpace(child.Text)
		switch child.Local() { // 1.1 leaves them unqualified, some services don't
		case "faultcode":
			fault.Code = unprefixed(text)
		case "Code":
			fault.Code, fault.Subcodes = codes(child)
		case "faultstring":
			fault.Reason = text
		case "Reason":
			if texts := child.Children; len(texts) > 0 {
				fault.Reason = strings.TrimSpace(texts[0].Text)
			}
		case "faultactor", "Role":
			fault.Role = text
		case "Node":
			fault.Node = text
		case "detail", "Detail":
			detail, err := in.detail(child, style)
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
		Message:          fmt.Sprintf("the service answered %d with the fault %s: %s", answer.Status, fault.Code, cut(fault.Reason)),
		Retryable:        pdk.MayRetry(answer.Status),
		RetryAfterMillis: pdk.RetryAfterMillisAt(answer, c.now()),
		Detail:           detail,
	}
}

// codes gives the code of a SOAP 1.2 fault, and those inside it.
func codes(element *xmljson.Element) (code string, inner []string) {
	for at := element; at != nil; {
		var next *xmljson.Element
		for _, child := range at.Children {
			switch child.Local() {
			case "Value":
				inner = append(inner, unprefixed(strings.TrimSpace(child.Text)))
			case "Subcode":
				next = child
			}
		}
		at = next
	}
	if len(inner) == 0 {
		return "", nil
	}
	return inner[0], inner[1:]
}

func unprefixed(name string) string { return name[strings.LastIndexByte(name, ':')+1:] }

// detail gives the JSON of a fault's detail, of which the types may describe
// an element.
func (in Call) detail(element *xmljson.Element, style xmljson.Style) (json.RawMessage, error) {
	if in.Types != nil && len(element.Children) == 1 {
		for _, known := range in.Types.Faults {
			if child := element.Children[0]; child.Local() == known.Name {
				content := append(xmljson.AppendString([]byte{'{'}, known.Name), ':')
				content, err := in.Types.AppendJSON(content, known, child)
				return append(content, '}'), err
			}
		}
	}
	return element.AppendValueJSON(nil, style)
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
		Message:          fmt.Sprintf("the service answered %d, and not in SOAP: %s; it begins %q", answer.Status, message, snippet),
		Retryable:        pdk.MayRetry(answer.Status),
		RetryAfterMillis: pdk.RetryAfterMillisAt(answer, c.now()),
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
