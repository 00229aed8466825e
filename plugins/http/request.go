package main

import (
	"encoding/json"
	"errors"
	"net/url"
	"strings"

	"github.com/trama-run/trama/pdk/abi"
	pdk "github.com/trama-run/trama/pdk/go"
)

// Common is what all operations take.
type Common struct {
	// URL is absolute, or begins with "/" or "?" (or is empty) and continues
	// the base URL of the node's connection.
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers"`
	// Query is added to the URL's own: values are text, numbers, booleans or
	// arrays of them, which repeat the name; null leaves it out.
	Query         map[string]json.RawMessage `json:"query"`
	TimeoutMillis int64                      `json:"timeout_millis"`
}

// Wanted says what becomes of the answer.
type Wanted struct {
	// As is "auto" (or nothing), "json", "text", "base64" or "blob".
	As string `json:"as"`
	// Output is "response" (or nothing), or "body", which is that alone and makes
	// every status but 2xx an error.
	Output string `json:"output"`
	// ErrorOnStatus makes every status but 2xx an error.
	ErrorOnStatus bool `json:"error_on_status"`
}

// Get is the input of get.
type Get struct {
	Common
	Wanted
	Pages *Pages `json:"pages"`
}

// Outgoing is what describes a request: the input of preview and test.
type Outgoing struct {
	Common
	Method string `json:"method"`
	Bodies
}

// Request is the input of request.
type Request struct {
	Outgoing
	Wanted
}

// prepare makes the request that goes out.
func prepare(in Outgoing) (abi.HTTPRequest, error) {
	out := abi.HTTPRequest{Method: in.Method, TimeoutMillis: in.TimeoutMillis, Headers: map[string]string{}}
	if !isToken(in.Method) || strings.ToUpper(in.Method) != in.Method {
		return out, pdk.Errorf(abi.CodeInvalid, "method: %q is not an HTTP method in upper case, such as POST", in.Method)
	}
	if in.TimeoutMillis < 0 {
		return out, pdk.Errorf(abi.CodeInvalid, "timeout_millis: %d is negative; leave it out to wait as long as the node may", in.TimeoutMillis)
	}
	for name, value := range in.Headers {
		switch {
		case !isToken(name):
			return out, pdk.Errorf(abi.CodeInvalid, "headers: %q can't be a header's name", name)
		case strings.ContainsFunc(value, isControl):
			return out, pdk.Errorf(abi.CodeInvalid, "headers.%s: the value has a control character, such as a line end", name)
		case hasHeader(out.Headers, name):
			return out, pdk.Errorf(abi.CodeInvalid, "headers: %s is given twice; names of headers have no case", name)
		}
		out.Headers[name] = value
	}
	var err error
	if out.URL, err = address(in.URL, in.Query); err != nil {
		return out, err
	}
	return out, in.Bodies.put(&out)
}

// address checks the URL and adds the query, sorted by name.
func address(text string, query map[string]json.RawMessage) (string, error) {
	parsed, err := url.Parse(text)
	if err != nil {
		return "", pdk.Errorf(abi.CodeInvalid, "url: %v", err)
	}
	absolute := (parsed.Scheme == "http" || parsed.Scheme == "https") && parsed.Host != ""
	relative := parsed.Scheme == "" && parsed.Host == "" && !strings.HasPrefix(text, "//") &&
		(parsed.Path == "" || parsed.Path[0] == '/')
	switch {
	case !absolute && !relative:
		return "", pdk.Errorf(abi.CodeInvalid, `url: %q is neither absolute (https://...) nor a path that begins with "/" and continues the connection's base URL`, text)
	case parsed.User != nil:
		return "", pdk.Errorf(abi.CodeInvalid, "url: a user or password in it is refused; authentication is the connection's (auth: basic)")
	case parsed.Fragment != "":
		return "", pdk.Errorf(abi.CodeInvalid, "url: a fragment (#%s) is never sent; remove it", parsed.Fragment)
	}
	values := url.Values{}
	for name, value := range query {
		all, err := texts(value)
		if err != nil {
			return "", pdk.Errorf(abi.CodeInvalid, "query.%s: %v", name, err)
		}
		if len(all) > 0 {
			values[name] = all
		}
	}
	if len(values) > 0 {
		if parsed.RawQuery != "" {
			parsed.RawQuery += "&"
		}
		parsed.RawQuery += values.Encode()
	}
	return parsed.String(), nil
}

// texts gives the values of one query parameter: numbers as written.
func texts(value json.RawMessage) ([]string, error) {
	if len(value) > 0 && value[0] == '[' {
		var items []json.RawMessage
		if err := json.Unmarshal(value, &items); err != nil {
			return nil, err
		}
		var all []string
		for _, item := range items {
			if len(item) > 0 && item[0] == '[' {
				return nil, errors.New("an array inside an array")
			}
			one, err := texts(item)
			if err != nil {
				return nil, err
			}
			all = append(all, one...)
		}
		return all, nil
	}
	switch {
	case len(value) == 0 || value[0] == 'n':
		return nil, nil
	case value[0] == '{':
		return nil, errors.New("an object; want text, a number, a boolean or an array of them")
	case value[0] == '"':
		var text string
		err := json.Unmarshal(value, &text)
		return []string{text}, err
	}
	return []string{string(value)}, nil
}

func setDefault(headers map[string]string, name, value string) {
	if !hasHeader(headers, name) {
		headers[name] = value
	}
}

func hasHeader(headers map[string]string, name string) bool {
	for known := range headers {
		if strings.EqualFold(known, name) {
			return true
		}
	}
	return false
}

// isToken says whether text is a token (RFC 9110, 5.6.2).
func isToken(text string) bool {
	for _, c := range []byte(text) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && !strings.ContainsRune("!#$%&'*+-.^_`|~", rune(c)) {
			return false
		}
	}
	return text != ""
}

func isControl(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }
