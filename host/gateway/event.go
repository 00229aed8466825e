package gateway

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"regexp"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/htmlindex"

	"github.com/trama-run/trama/host/expr"
	"github.com/trama-run/trama/host/problem"
)

// body puts a request's body into the event: parsed if it is JSON, as text if
// it is text in a known charset, else as base64.
func body(event map[string]any, contentType string, data []byte) *problem.Details {
	if len(data) == 0 {
		event["body"] = nil
		return nil
	}
	media, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		media, params = "", nil
	}
	if media == "application/json" || strings.HasSuffix(media, "+json") {
		if depth(data) > maxDepth {
			return problem.New(400, "bad_json", fmt.Sprintf("the body is nested deeper than %d levels", maxDepth))
		}
		value, err := expr.ParseJSON(data)
		if err != nil {
			return problem.New(400, "bad_json", fmt.Sprintf("the body is not valid JSON: %v", err))
		}
		event["body"] = value
		return nil
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

// maxDepth bounds how deeply a body may be nested: what is deeper comes from
// no program that means well, and costs every step of a flow.
const maxDepth = 200

// depth is how deeply a JSON text is nested; of what is no JSON, a bound.
func depth(data []byte) (deepest int) {
	level, inText := 0, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case inText && c == '\\':
			i++ // what it escapes ends nothing
		case c == '"':
			inText = !inText
		case inText:
		case c == '[' || c == '{':
			level++
			deepest = max(deepest, level)
		case c == ']' || c == '}':
			level--
		}
	}
	return deepest
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

// answer gives a response's body as bytes, and the content type for it where
// the flow sets none.
func answer(value any) (data []byte, contentType string, err error) {
	if value == nil {
		return nil, "", nil
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false) // the answer is JSON, not a part of a page
	err = encoder.Encode(value)
	return bytes.TrimSuffix(text.Bytes(), []byte("\n")), "application/json", err
}
