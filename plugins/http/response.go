package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/trama-run/trama/pdk/abi"
	pdk "github.com/trama-run/trama/pdk/go"
	"github.com/trama-run/trama/pdk/go/jsontext"
	"github.com/trama-run/trama/plugins/internal/xmljson"
)

// Response is the output of get and request, and the detail of the error
// "http_status".
type Response struct {
	Status  int               `json:"status"`
	Headers map[string]string `json:"headers"`
	// Body is the parsed JSON, digits unchanged; or text; or null if there is
	// no body, or it is one of those below.
	Body json.RawMessage `json:"body"`
	// BodyBase64 is a body that is no text, or was asked for as this.
	BodyBase64 string `json:"body_base64,omitempty"`
	// Blob is where the body lies that was asked for as a blob.
	Blob *abi.Blob `json:"blob,omitempty"`
	// Collected is there if all pages were asked for.
	*Collected
}

// How a body is wanted: see [Wanted].
const (
	asAuto   = "auto"
	asJSON   = "json"
	asText   = "text"
	asBase64 = "base64"
	asBlob   = "blob"
)

// exchange is what the operations need of the outside.
type exchange struct {
	send func(abi.HTTPRequest) (abi.HTTPResponse, error)
	now  func() time.Time
}

func (w Wanted) check() error {
	switch w.As {
	case "", asAuto, asJSON, asText, asBase64, asBlob:
	default:
		return pdk.Errorf(abi.CodeInvalid, "as: %q is not one of auto, json, text, base64 and blob", w.As)
	}
	if w.Output != "" && w.Output != "response" && w.Output != "body" {
		return pdk.Errorf(abi.CodeInvalid, "output: %q is neither response nor body", w.Output)
	}
	return nil
}

func (e exchange) get(in Get) (any, error) {
	out := Outgoing{Common: in.Common, Method: "GET"}
	if in.Pages != nil {
		return e.pages(out, in.Wanted, *in.Pages)
	}
	response, err := e.answer(out, in.Wanted)
	return in.Wanted.output(response, safely(err))
}

func (e exchange) request(in Request) (any, error) {
	response, err := e.answer(in.Outgoing, in.Wanted)
	return in.Wanted.output(response, err)
}

// safely makes a 500 retryable, as most clients do: a server that failed over a
// question may be asked again, but not told something again.
func safely(err error) error {
	if failure, is := errors.AsType[*abi.Error](err); is && failure.Code == codeStatus {
		var of Response
		if json.Unmarshal(failure.Detail, &of) == nil && of.Status == 500 {
			failure.Retryable = true
		}
	}
	return err
}

// Codes of errors, beside those of the host.
const (
	codeStatus  = "http_status"
	codeBadJSON = "http_bad_json"
	codeBadText = "http_bad_text"
	codeBadPage = "http_bad_page"
)

// output gives what was asked for of a response.
func (w Wanted) output(response Response, err error) (any, error) {
	switch {
	case err != nil:
		return nil, err
	case w.Output != "body":
		if data := response.encoded(); data != nil {
			return data, nil
		}
		return response, nil
	case response.Blob != nil:
		return response.Blob, nil
	case response.BodyBase64 != "":
		return response.BodyBase64, nil
	}
	return response.Body, nil
}

// answer sends a request and reads its answer.
func (e exchange) answer(in Outgoing, wanted Wanted) (Response, error) {
	if err := wanted.check(); err != nil {
		return Response{}, err
	}
	request, err := prepare(in)
	if err != nil {
		return Response{}, err
	}
	if wanted.As == asBlob {
		request.Response = abi.ResponseBlob
	}
	answer, err := e.send(request)
	if err != nil {
		return Response{}, err
	}
	success := answer.Status >= 200 && answer.Status <= 299
	response, err := read(answer, wanted.As)
	if err != nil && success {
		failure := pdk.Errorf(codeBadJSON, "%s answered %d with a body that should be JSON and isn't: %v", name(request), answer.Status, err)
		if wanted.As == asText {
			failure = pdk.Errorf(codeBadText, "%s answered %d with a body that should be text and isn't: %v", name(request), answer.Status, err)
		}
		failure.Detail = detail(response)
		return Response{}, failure
	}
	if (wanted.ErrorOnStatus || wanted.Output == "body") && !success {
		return Response{}, &abi.Error{
			Code:             codeStatus,
			Message:          fmt.Sprintf("%s answered %d", name(request), answer.Status),
			Retryable:        pdk.MayRetry(answer.Status),
			RetryAfterMillis: pdk.RetryAfterMillisAt(answer, e.now()),
			Detail:           detail(response),
		}
	}
	return response, nil
}

// read takes an answer apart. On an error, which says why the body is not what
// it should be, the response holds it as text, or else in base64.
func read(answer abi.HTTPResponse, as string) (Response, error) {
	response := Response{Status: answer.Status, Headers: answer.Headers, Body: json.RawMessage("null"), Blob: answer.Blob}
	if response.Headers == nil {
		response.Headers = map[string]string{}
	}
	if as == asBase64 {
		if response.BodyBase64 = answer.BodyBase64; response.BodyBase64 == "" {
			response.BodyBase64 = base64.StdEncoding.EncodeToString([]byte(answer.Body))
		}
		return response, nil
	}
	contentType := answer.Headers["content-type"]
	if answer.BodyBase64 != "" {
		decoded, ok := decode(answer.BodyBase64, contentType)
		if !ok {
			response.BodyBase64 = answer.BodyBase64
			if as == asJSON || as == asText {
				return response, errors.New("it is neither UTF-8 nor of a charset that its Content-Type declares and that is known (ISO-8859-1, windows-1252)")
			}
			return response, nil
		}
		answer.Body = decoded
	}
	if answer.Body == "" {
		if as == asText && answer.Blob == nil {
			response.Body = text("")
		}
		if as == asJSON && answer.Status != 204 && answer.Status != 205 {
			return response, errors.New("it is empty")
		}
		return response, nil
	}
	if as == asText || as != asJSON && contentType != "" && !isJSON(contentType) {
		response.Body = text(answer.Body)
		return response, nil
	}
	value := json.RawMessage(strings.TrimPrefix(answer.Body, "\ufeff"))
	if jsontext.Valid(value) {
		response.Body = bytes.TrimSpace(value)
		return response, nil
	}
	var ignored json.RawMessage // says where it fails
	err := json.Unmarshal(value, &ignored)
	response.Body = text(answer.Body)
	if as != asJSON && contentType == "" {
		return response, nil
	}
	return response, err
}

// decode makes UTF-8 of a body whose type declares another charset.
func decode(body, contentType string) (string, bool) {
	_, params, err := mime.ParseMediaType(contentType)
	if err != nil || params["charset"] == "" {
		return "", false
	}
	data, err := base64.StdEncoding.DecodeString(body)
	if err != nil {
		return "", false
	}
	decoded, err := xmljson.Decode(data, params["charset"])
	return decoded, err == nil && utf8.ValidString(decoded)
}

// isJSON says whether a Content-Type is application/json or ends in +json.
func isJSON(contentType string) bool {
	media, _, _ := strings.Cut(strings.ToLower(contentType), ";")
	media = strings.TrimSpace(media)
	return media == "application/json" || media == "text/json" || strings.HasSuffix(media, "+json")
}

func text(body string) json.RawMessage {
	return jsontext.AppendString(make([]byte, 0, len(body)+2), body)
}

// encoded gives the JSON of a response as most are; for others it is nil.
func (r Response) encoded() json.RawMessage {
	if r.Blob != nil || r.Collected != nil {
		return nil
	}
	to := make([]byte, 0, 512+len(r.Body)+len(r.BodyBase64))
	to = strconv.AppendInt(append(to, `{"status":`...), int64(r.Status), 10)
	to = append(to, `,"headers":{`...)
	names := make([]string, 0, len(r.Headers))
	for name := range r.Headers {
		names = append(names, name)
	}
	slices.Sort(names)
	for i, name := range names {
		if i > 0 {
			to = append(to, ',')
		}
		to = append(jsontext.AppendString(to, name), ':')
		to = jsontext.AppendString(to, r.Headers[name])
	}
	to = append(append(to, `},"body":`...), r.Body...)
	if r.BodyBase64 != "" {
		to = jsontext.AppendString(append(to, `,"body_base64":`...), r.BodyBase64)
	}
	return append(to, '}')
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
