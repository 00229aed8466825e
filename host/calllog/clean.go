package calllog

import (
	"bytes"
	"encoding/base64"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/trama-run/trama/host/egress/redact"
)

// Bounds of what is kept of a call.
const (
	maxBody    = 16 << 10 // bytes of one body
	maxRefused = 1 << 10  // the same of a call that was turned away: strangers choose it
	maxHeaders = 8 << 10  // bytes of all headers of one half
	maxText    = 2 << 10  // bytes of an endpoint or an error
	// margin is how much more of a body is read than kept: a secret that stands
	// across the cut is known as a whole, and leaves no half.
	margin = 2 << 10
)

// Room is how much of a body is to be handed over: more is not looked at.
const Room = maxBody + margin

// Half is one half of a call as its side saw it.
type Half struct {
	Headers []byte // lines "Name: value\r\n", as HTTP/1.1 has them
	Body    []byte // its first Room bytes
	Bytes   int64  // its whole length
}

// Seen is a call as its side saw it. What it holds belongs to the log from
// then on. Call has no ID, Request and Response yet.
type Seen struct {
	Call
	Asked, Answered Half
	// Redact takes out the secrets that this side knows; nil: none.
	Redact func(string) string
}

// cleaner takes out what must not be kept.
type cleaner struct {
	known  *redact.Set // all secrets of the host
	bodies bool
}

// call gives a call as it is kept.
func (c cleaner) call(s *Seen) Call {
	hide := c.known.Redact
	if s.Redact != nil {
		hide = func(text string) string { return c.known.Redact(s.Redact(text)) }
	}
	call := s.Call
	call.Endpoint = cut(hide(withoutCredentials(call.Endpoint)))
	call.Error = cut(hide(call.Error))
	most := maxBody
	if s.refused() {
		most = maxRefused
	}
	known := s.Redact == nil
	call.Request, call.Response = c.half(s.Asked, most, hide, known), c.half(s.Answered, most, hide, known)
	return call
}

// half gives one half of a call as it is kept, with up to most bytes of its
// body. known says that hide is for the host's secrets alone.
func (c cleaner) half(h Half, most int, hide func(string) string, known bool) Part {
	p := Part{Bytes: h.Bytes}
	none := known && c.known.Absent(string(h.Headers)) // all lines in one look
	headers, contentType := readHeaders(h.Headers, hide, none)
	p.Headers = headers
	if !c.bodies || len(h.Body) == 0 {
		p.Cut = h.Bytes > 0
		return p
	}
	body := h.Body[:min(len(h.Body), most+margin)]
	p.Cut = h.Bytes > int64(len(body)) || len(body) > most
	if text, ok := asText(body, h.Bytes > int64(len(body))); ok {
		text = hide(text)
		if strings.HasPrefix(contentType, "application/x-www-form-urlencoded") {
			text = withoutFields(text)
		} else {
			text = redact.Members(text)
		}
		if len(text) > most {
			text, p.Cut = strings.ToValidUTF8(text[:most], ""), true
		}
		p.Body = text
		return p
	}
	// What is no text may hold a secret in it all the same.
	clean := []byte(hide(string(body)))
	if len(clean) > most {
		clean, p.Cut = clean[:most], true
	}
	p.BodyBase64 = base64.StdEncoding.EncodeToString(clean)
	return p
}

// asText gives bytes as text, if they are; a character that was cut in two at
// the end is left out.
func asText(data []byte, cut bool) (string, bool) {
	for n := 0; cut && n < utf8.UTFMax && len(data) > 0 && !utf8.Valid(data); n++ {
		data = data[:len(data)-1]
	}
	return string(data), utf8.Valid(data)
}

// readHeaders reads lines of headers. Those that carry credentials keep their
// name alone. none says that there is nothing to hide in them as they are.
func readHeaders(lines []byte, hide func(string) string, none bool) (headers map[string]string, contentType string) {
	if len(lines) == 0 {
		return nil, ""
	}
	headers = map[string]string{}
	size := 0
	for line := range bytes.Lines(lines) {
		name, value, ok := bytes.Cut(bytes.TrimRight(line, "\r\n"), []byte(":"))
		key, text := strings.ToLower(string(bytes.TrimSpace(name))), strings.ToValidUTF8(string(bytes.TrimSpace(value)), "\uFFFD")
		if !ok || key == "" || size > maxHeaders {
			continue
		}
		if key == "content-type" {
			contentType = strings.ToLower(text)
		}
		switch {
		case redact.IsSecretName(key):
			text = redact.Mark
		case key == "location" || key == "referer":
			text = hide(withoutCredentials(text))
		case !none:
			text = hide(text)
		}
		if before, twice := headers[key]; twice {
			text = before + ", " + text
		}
		headers[key] = cut(text)
		size += len(key) + len(text)
	}
	return headers, contentType
}

// withoutCredentials takes user and password, and the values of parameters
// that carry credentials, out of a URL.
func withoutCredentials(text string) string {
	address, query, has := strings.Cut(text, "?")
	if scheme, rest, ok := strings.Cut(address, "://"); ok {
		host, path, slash := strings.Cut(rest, "/")
		if at := strings.LastIndexByte(host, '@'); at >= 0 {
			host = host[at+1:]
		}
		address = scheme + "://" + host
		if slash {
			address += "/" + path
		}
	}
	if has {
		address += "?" + withoutFields(query)
	}
	return address
}

// withoutFields takes the values out of those fields of a query or a form that
// carry credentials.
func withoutFields(query string) string {
	fields := strings.Split(query, "&")
	for i, field := range fields {
		name, _, has := strings.Cut(field, "=")
		plain, err := url.QueryUnescape(name)
		if err != nil {
			plain = name
		}
		if has && redact.IsSecretField(strings.ToLower(plain)) {
			fields[i] = name + "=" + redact.Mark
		}
	}
	return strings.Join(fields, "&")
}

// cut bounds a text.
func cut(text string) string {
	if len(text) <= maxText {
		return text
	}
	return strings.ToValidUTF8(text[:maxText], "") + "…"
}
