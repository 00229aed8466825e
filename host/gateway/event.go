package gateway

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"
	"golang.org/x/text/encoding/htmlindex"

	"github.com/trama-run/trama/host/expr"
	"github.com/trama-run/trama/host/problem"
	"github.com/trama-run/trama/host/schema"
)

// read makes the event of a request, out of the server's memory.
func (g *Gateway) read(q *call) (bool, error) {
	request := q.Ctx.Request()
	data := request.Body() // raw: q.Body() would decompress it, without a bound
	if most := int(q.route.BodyLimit); most > 0 && len(data) > most {
		return false, problem.New(413, "too_big", fmt.Sprintf("the body has %d bytes; the route takes %d", len(data), most))
	}
	headers := map[string]any{}
	request.Header.VisitAll(func(name, value []byte) {
		key, text := headerName(name), latin(value)
		if q.route.security.Secret(key) { // what proves who calls is not the flow's, nor its record's
			return
		}
		if before, twice := headers[key]; twice {
			separator := ", "
			if key == "cookie" { // RFC 6265, section 5.4: its values hold commas
				separator = "; "
			}
			text = before.(string) + separator + text
		}
		headers[key] = text
	})
	query, err := queryOf(request.URI().QueryArgs())
	if err != nil {
		return false, problem.New(400, "bad_query", err.Error())
	}
	client := map[string]any{"ip": nil}
	if q.caller.IP.IsValid() {
		client["ip"] = q.caller.IP.String()
	}
	if q.caller.Client != "" {
		client["name"] = q.caller.Client
	}
	if q.caller.Scopes != nil {
		scopes := make([]any, len(q.caller.Scopes))
		for i, s := range q.caller.Scopes {
			scopes[i] = s
		}
		client["scopes"] = scopes
	}
	if q.caller.Claims != nil {
		client["claims"] = q.caller.Claims
	}
	q.event = map[string]any{
		"method": q.method, "path": q.path, "params": q.params, "query": query, "headers": headers, "client": client,
	}
	if encoding, _ := headers["content-encoding"].(string); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return false, problem.New(415, "content_encoding", "the body is compressed, which is not taken: send it without Content-Encoding")
	}
	contentType, _ := headers["content-type"].(string)
	if q.entry != "" {
		q.narrow(headers, query, client)
	}
	if refused := q.route.takes(contentType, len(data) > 0); refused != nil {
		return false, refused
	}
	if refused := body(q.event, contentType, data, g.hold(q, data)); refused != nil {
		return false, refused
	}
	return false, nil
}

// queryOf gives the values of a query: a list of a name that is there more than
// once.
func queryOf(args *fasthttp.Args) (map[string]any, error) {
	query, valid := map[string]any{}, true
	args.VisitAll(func(name, value []byte) {
		if !utf8.Valid(name) || !utf8.Valid(value) {
			valid = false
			return
		}
		key := string(name)
		switch before := query[key].(type) {
		case nil:
			query[key] = string(value)
		case string:
			query[key] = []any{before, string(value)}
		case []any:
			query[key] = append(before, string(value))
		}
	})
	if !valid {
		return nil, errors.New("the query is not UTF-8")
	}
	return query, nil
}

// usualHeaders are the names that most requests' headers have, as the server
// writes them.
var usualHeaders = func() map[string]string {
	all := map[string]string{}
	for _, name := range []string{
		"Accept", "Accept-Encoding", "Accept-Language", "Cache-Control", "Connection", "Content-Length", "Content-Type", "Forwarded", "Host",
		"Origin", "Referer", "Traceparent", "User-Agent", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip", "X-Request-Id",
	} {
		all[name] = strings.ToLower(name)
	}
	return all
}()

// headerName gives the name that flows know a header by.
func headerName(name []byte) string {
	if usual, ok := usualHeaders[string(name)]; ok {
		return usual
	}
	return strings.ToLower(latin(name))
}

// latin gives a header as text: UTF-8, or else ISO-8859-1, which headers were
// once in.
func latin(value []byte) string {
	if utf8.Valid(value) {
		return string(value)
	}
	runes := make([]rune, len(value))
	for i, c := range value {
		runes[i] = rune(c)
	}
	return string(runes)
}

// takes says why the route takes no body of a type.
func (r *route) takes(contentType string, any bool) *problem.Details {
	if r.Request == nil || !any {
		return nil
	}
	want := r.Request.Type
	if want == "" {
		if r.request == nil {
			return nil
		}
		want = mediaJSON
	}
	media, _, err := mime.ParseMediaType(contentType)
	group, wild := strings.CutSuffix(want, "/*")
	switch {
	case err != nil && !errors.Is(err, mime.ErrInvalidMediaParameter):
	case media == want, want == mediaJSON && isJSON(media), wild && strings.HasPrefix(media, group+"/"):
		return nil
	}
	refused := problem.New(415, "content_type", fmt.Sprintf("the route takes bodies of type %s: say so in the header Content-Type", want))
	refused.Header = map[string]string{fiber.HeaderAccept: want}
	return refused
}

const mediaJSON = "application/json"

func isJSON(media string) bool { return media == mediaJSON || strings.HasSuffix(media, "+json") }

// check holds the body against the route's schema.
func (g *Gateway) check(q *call) (bool, error) {
	if q.route.request == nil {
		return false, nil
	}
	found := q.route.request.Check(q.event["body"])
	if len(found) == 0 {
		return false, nil
	}
	refused := problem.New(422, "invalid_body", "the body is not what the route takes; errors says where")
	for _, v := range found {
		refused.Errors = append(refused.Errors, problem.Wrong{Pointer: v.Pointer, Detail: v.Message})
	}
	return false, refused
}

// body puts a request's body into the event: parsed if it is JSON, as text if
// it is text in a known charset, else as base64. What it puts there is no part of
// data.
func body(event map[string]any, contentType string, data []byte, s *share) *problem.Details {
	if len(data) == 0 {
		event["body"] = nil
		return nil
	}
	media, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		media, params = "", nil
	}
	if isJSON(media) {
		var room expr.Room
		if s != nil {
			room = s.take
		}
		value, err := expr.ParseExact(data, room)
		if errors.Is(err, expr.ErrNoRoom) {
			return s.refused
		}
		if inexact, ok := errors.AsType[*expr.Inexact](err); ok {
			place := schema.Pointer(inexact.Path)
			refused := problem.New(400, "bad_json", fmt.Sprintf("the body, at %s: %s", place, inexact.Detail))
			refused.Errors = []problem.Wrong{{Pointer: place, Detail: inexact.Detail}}
			return refused
		}
		if err != nil {
			return problem.New(400, "bad_json", fmt.Sprintf("the body is not valid JSON: %v", err))
		}
		event["body"] = value
		return nil
	}
	if !s.take(3 * len(data)) { // a character may become three bytes
		return s.refused
	}
	if media == "" || strings.HasPrefix(media, "text/") || media == "application/xml" || strings.HasSuffix(media, "+xml") || media == "application/x-www-form-urlencoded" {
		charset := params["charset"]
		if charset == "" {
			charset = prologCharset(data)
		}
		text, err := decode(data, charset)
		if err == nil {
			event["body"] = text
			return nil
		}
		if charset != "" && !strings.EqualFold(charset, "utf-8") {
			return problem.New(415, "bad_charset", fmt.Sprintf("the body is not text in %q: %v", charset, err))
		}
	}
	event["body_base64"] = base64.StdEncoding.EncodeToString(data)
	return nil
}

// prologPattern finds the encoding that an XML prolog declares (XML 1.0,
// section 4.3.3).
var prologPattern = regexp.MustCompile(`^\s*<\?xml\s[^>]*?encoding\s*=\s*["']([A-Za-z][A-Za-z0-9._-]*)["']`)

func prologCharset(data []byte) string {
	if m := prologPattern.FindSubmatch(data[:min(len(data), 256)]); m != nil {
		return string(m[1])
	}
	return ""
}

// decode turns bytes into text; no charset means UTF-8.
func decode(data []byte, charset string) (string, error) {
	if charset == "" || strings.EqualFold(charset, "utf-8") {
		data = bytes.TrimPrefix(data, []byte("\ufeff"))
		if !utf8.Valid(data) {
			return "", fmt.Errorf("bytes that are not UTF-8")
		}
		return string(data), nil
	}
	encoding, err := htmlindex.Get(charset)
	if err != nil {
		return "", fmt.Errorf("unknown charset")
	}
	text, err := io.ReadAll(encoding.NewDecoder().Reader(bytes.NewReader(data)))
	return string(text), err
}
