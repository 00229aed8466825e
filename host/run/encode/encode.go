// Package encode writes the values of flows as JSON. It must not know what they
// are values of.
package encode

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/trama-run/trama/host/egress/redact"
)

// Append appends a value of a flow as encoding/json writes it for what is no
// part of a page, several times as fast for what values mostly are. If hide is set, the credentials in it are
// blacked out on the way (see [Redacted]).
func Append(out []byte, value any, hide bool) ([]byte, error) {
	switch v := value.(type) {
	case nil:
		return append(out, "null"...), nil
	case bool:
		return strconv.AppendBool(out, v), nil
	case string:
		return appendText(out, v)
	case int64:
		return strconv.AppendInt(out, v, 10), nil
	case map[string]any:
		if v == nil {
			return append(out, "null"...), nil
		}
		return appendObject(out, v, hide, "")
	case []any:
		if v == nil {
			return append(out, "null"...), nil
		}
		out = append(out, '[')
		for i, item := range v {
			if i > 0 {
				out = append(out, ',')
			}
			var err error
			if out, err = Append(out, item, hide); err != nil {
				return out, err
			}
		}
		return append(out, ']'), nil
	}
	return appendOther(out, value)
}

// appendObject appends an object that is a member of this name.
func appendObject(out []byte, object map[string]any, hide bool, of string) ([]byte, error) {
	names := make([]string, 0, 16) // on the stack
	for name := range object {
		names = append(names, name)
	}
	slices.Sort(names)
	out = append(out, '{')
	for i, name := range names {
		if i > 0 {
			out = append(out, ',')
		}
		var err error
		if out, err = appendText(out, name); err != nil {
			return out, err
		}
		out = append(out, ':')
		inner, isObject := object[name].(map[string]any)
		switch {
		case hide && isSecret(of, name, object):
			out = append(out, `"`+redact.Mark+`"`...)
		case isObject && inner != nil:
			out, err = appendObject(out, inner, hide, name)
		default:
			out, err = Append(out, object[name], hide)
		}
		if err != nil {
			return out, err
		}
	}
	return append(out, '}'), nil
}

// appendText appends a text. Nearly all have nothing to be escaped.
func appendText(out []byte, text string) ([]byte, error) {
	for i := range len(text) {
		switch c := text[i]; {
		case c < ' ', c >= 0x7f, c == '"', c == '\\':
			return appendOther(out, text)
		}
	}
	return append(append(append(out, '"'), text...), '"'), nil
}

func appendOther(out []byte, value any) ([]byte, error) {
	buffer := bytes.NewBuffer(out)
	encoder := json.NewEncoder(buffer)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(value)
	return bytes.TrimSuffix(buffer.Bytes(), []byte("\n")), err
}

// isSecret says whether a member of an object is a credential, where the object
// is itself a member of the name of: what is kept of a run is seen by more
// people than the call was meant for.
func isSecret(of, name string, object map[string]any) bool {
	switch of {
	case "headers":
		return redact.IsSecretName(strings.ToLower(name))
	case "query":
		return redact.IsSecretField(strings.ToLower(name))
	}
	text, isText := object[name].(string)
	if !isText || text == "" {
		return false
	}
	if name == "key" || name == "value" {
		if key, isRow := row(object); isRow {
			isName, secret := redact.Row(key)
			return name == "value" && secret || name == "key" && !isName
		}
	}
	return redact.IsSecretMember(name)
}

// row gives the key of an object that is a row {key, value}: it names the value.
func row(object map[string]any) (key string, isRow bool) {
	key, isText := object["key"].(string)
	_, there := object["value"]
	return key, isText && there
}

// Redacted gives a value without the credentials in it: those in headers and
// queries, and texts whose names say that they are some. Events travel on as
// the inputs and outputs of nodes, so they may be anywhere.
func Redacted(value any) any {
	if holdsSecrets("", value) {
		return withoutSecrets("", value)
	}
	return value
}

// holdsSecrets says whether a value, which is a member of the name of, has
// credentials in it.
func holdsSecrets(of string, value any) bool {
	switch v := value.(type) {
	case map[string]any:
		for name, inner := range v {
			if isSecret(of, name, v) || holdsSecrets(name, inner) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(v, func(inner any) bool { return holdsSecrets("", inner) })
	}
	return false
}

// withoutSecrets copies a value with the credentials in it blacked out.
func withoutSecrets(of string, value any) any {
	switch v := value.(type) {
	case map[string]any:
		if v == nil {
			return v
		}
		clean := make(map[string]any, len(v))
		for name, inner := range v {
			if isSecret(of, name, v) {
				clean[name] = redact.Mark
			} else {
				clean[name] = withoutSecrets(name, inner)
			}
		}
		return clean
	case []any:
		if v == nil {
			return v
		}
		clean := make([]any, len(v))
		for i := range v {
			clean[i] = withoutSecrets("", v[i])
		}
		return clean
	}
	return value
}
