package pdk

import (
	"bytes"
	"strconv"

	"github.com/trama-run/trama/pdk/abi"
	"github.com/trama-run/trama/pdk/go/jsontext"
)

// replyOK is what an abi.Reply begins with that is no error. A closing brace
// ends it.
const replyOK = `{"ok":`

// writeRequest gives the JSON of a request as most are. It says false of one
// with parts.
func writeRequest(r abi.HTTPRequest) ([]byte, bool) {
	if r.Parts != nil {
		return nil, false
	}
	to := make([]byte, 0, 256+len(r.Body)+len(r.BodyBase64))
	to = append(to, '{')
	text := func(name, value string) {
		if value != "" {
			to = append(jsontext.AppendString(append(to, name...), value), ',')
		}
	}
	text(`"method":`, r.Method)
	to = append(jsontext.AppendString(append(to, `"url":`...), r.URL), ',')
	if len(r.Headers) > 0 {
		to = append(to, `"headers":{`...)
		for name, value := range r.Headers {
			to = append(jsontext.AppendString(to, name), ':')
			to = append(jsontext.AppendString(to, value), ',')
		}
		to[len(to)-1] = '}'
		to = append(to, ',')
	}
	text(`"body":`, r.Body)
	text(`"body_base64":`, r.BodyBase64)
	text(`"body_blob":`, r.BodyBlob)
	text(`"response":`, r.Response)
	if r.TimeoutMillis != 0 {
		to = append(strconv.AppendInt(append(to, `"timeout_millis":`...), r.TimeoutMillis, 10), ',')
	}
	if w := r.WSSecurity; w != nil {
		to = strconv.AppendInt(append(to, `"ws_security":{"at":`...), int64(w.At), 10)
		if w.NoHeader {
			to = append(to, `,"no_header":true`...)
		}
		to = append(jsontext.AppendString(append(to, `,"envelope":`...), w.Envelope), '}', ',')
	}
	to[len(to)-1] = '}'
	return to, true
}

// readResponse reads the reply to a request as most are. It says false of an
// error, of a blob and of what a newer host adds.
func readResponse(reply []byte) (response abi.HTTPResponse, ok bool) {
	data, ok := bytes.CutPrefix(reply, []byte(replyOK))
	if !ok {
		return response, false
	}
	in := jsontext.NewReader(data)
	ok = in.Object(func(name string) (ok bool) {
		switch name {
		case "status":
			response.Status, ok = in.Int()
		case "headers":
			response.Headers, ok = in.Strings()
		case "body":
			response.Body, ok = in.String()
		case "body_base64":
			response.BodyBase64, ok = in.String()
		}
		return ok
	})
	return response, ok && in.Take('}') && in.Ended()
}
