package host_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/trama-run/trama/host/access"
	"github.com/trama-run/trama/host/admin"
)

// operation is one of the document.
type operation struct {
	method, path string
	described    describedOperation
}

func (o operation) name() string { return o.method + " " + o.path }

// describedOperation is what the test reads of one.
type describedOperation struct {
	Parameters []struct {
		Name, In string
		Required bool
	}
	RequestBody *struct {
		Content map[string]struct{ Schema any }
	}
	Responses map[string]any
	Security  []map[string][]string
}

// generator makes requests of a document.
type generator struct {
	t        *testing.T
	host     *installation
	plain    admin.NewClientKey
	writer   admin.NewClientKey
	document struct {
		Paths      map[string]map[string]describedOperation
		Components struct{ Schemas map[string]any }
	}
}

// words are what parameters are made of: what means something to paths,
// queries, JSON, templates and terminals.
var oddWords = []string{"7", "abc", "a b", "a/b", "..", ".", "%2F", "é", "日本", "\x00", "\r\nX: y", "{{ input }}", "<script>", `"`, "'", ":id", "*", "?", "#", "-1", "null", strings.Repeat("x", 300), "\u202e", "\xff", ""}

// brokenQueries are what some send for one.
var brokenQueries = []string{"", "?", "&&&", "=", "==a", "a", "a=1;b=2", "%", "%zz=1", "a=%f", "a=%ff", "%00=%00", "a[=1&a]=2", "a=+%2B+", strings.Repeat("a&", 500), strings.Repeat("a=1&", 500)}

func odd(r *rand.Rand) string { return oddWords[r.IntN(len(oddWords))] }

// ask is a request, and what is known of its body.
type ask struct {
	request *http.Request
	data    []byte
	body    string // fits, broken, or neither is known
}

// What a body does.
const (
	fits   = "fits its schema"
	broken = "breaks its schema"
)

// ask makes one request of an operation; most of them are as they should be.
func (g *generator) ask(r *rand.Rand, o operation) ask {
	path, query := o.path, url.Values{}
	headers := http.Header{"X-Forwarded-For": {fmt.Sprintf("203.0.%d.%d", r.IntN(256), r.IntN(256))}}
	for _, p := range o.described.Parameters {
		value := fmt.Sprint(r.IntN(5))
		if r.IntN(4) == 0 {
			value = odd(r)
		}
		switch {
		case p.In == "path":
			if value == "" || r.IntN(10) > 0 && strings.Trim(value, ".") == "" {
				value = "x"
			}
			path = strings.Replace(path, "{"+p.Name+"}", url.PathEscape(value), 1)
		case p.In == "query" && r.IntN(2) == 0:
			query.Add(p.Name, value)
		case p.Name == "Idempotency-Key" && (p.Required && r.IntN(10) > 0 || r.IntN(3) == 0):
			headers.Set(p.Name, fmt.Sprintf("key-%d", r.IntN(400)))
		case p.Name == "Prefer" && r.IntN(2) == 0:
			headers.Set(p.Name, []string{"respond-async", "respond-async, wait=1", "wait=x;;", "return=minimal"}[r.IntN(4)])
		}
	}
	for r.IntN(4) == 0 { // of nobody, and again
		query.Add(odd(r), odd(r))
		query.Add(one(r, slices.Sorted(maps.Keys(query))...), odd(r))
	}
	target := "/api" + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	if r.IntN(10) == 0 { // as no library would write it
		target += "?" + brokenQueries[r.IntN(len(brokenQueries))]
	}
	body, contentType, does := g.body(r, o)
	g.credentials(r, o, headers, target, body)
	q, err := http.NewRequest(o.method, "http://"+g.host.host.Addr()+target, bytes.NewReader(body))
	if err != nil {
		g.t.Error(err)
		return ask{}
	}
	if q.Header = headers; contentType != "" {
		q.Header.Set("Content-Type", contentType)
	}
	return ask{q, body, does}
}

// body makes a body: by the schema if there is one, sometimes not quite.
func (g *generator) body(r *rand.Rand, o operation) (data []byte, contentType, does string) {
	content := o.described.RequestBody
	if content == nil {
		return nil, "", ""
	}
	m := maker{Rand: r, schemas: g.document.Components.Schemas, left: -1}
	if r.IntN(4) == 0 {
		m.left = r.IntN(10)
	}
	for media, of := range content.Content {
		contentType = strings.ReplaceAll(media, "*/*", "application/json")
		if contentType == "text/plain" {
			return []byte(strings.ToValidUTF8(odd(r), "")), contentType, ""
		}
		value := m.value(of.Schema)
		if does = fits; m.broke {
			does = broken
		}
		var err error
		if data, err = json.Marshal(value); err != nil {
			g.t.Error(err)
		}
	}
	switch r.IntN(20) {
	case 0:
		return data[:r.IntN(len(data))], contentType, "" // cut off
	case 1:
		return []byte(`[1, "` + odd(r) + `"]`), contentType, ""
	case 2:
		return data, []string{"", "text/xml", "application/json; charset=klingon", ";", "application/cbor"}[r.IntN(5)], ""
	case 3:
		return fmt.Appendf(nil, `{"ref": "%s", "parts": []}`, strings.Repeat("y", 3000)), contentType, ""
	case 4:
		return []byte(strings.Repeat("[", 300) + strings.Repeat("]", 300)), contentType, broken
	case 5:
		return fmt.Appendf(nil, `{"same": %s, "same": 1}`, data), contentType, broken
	case 6:
		return fmt.Appendf(nil, `[%s, %s]`, data, []string{"9223372036854775808", "-9223372036854775809", "1e400", "18446744073709551615"}[r.IntN(4)]), contentType, broken
	case 7:
		return append([]byte(" \r\n\t"), append(data, '\n')...), contentType, does
	}
	return data, contentType, does
}

// credentials sends what one of the operation's requirements asks for, and
// sometimes something else.
func (g *generator) credentials(r *rand.Rand, o operation, headers http.Header, target string, body []byte) {
	if len(o.described.Security) == 0 || r.IntN(12) == 0 {
		return
	}
	ways := o.described.Security
	way, key := ways[r.IntN(len(ways))], g.plain
	if _, signed := way["signature"]; signed || len(way["client"]) > 0 && r.IntN(6) > 0 {
		key = g.writer
	}
	for scheme, scopes := range way {
		switch scheme {
		case "client":
			if headers.Set("client_id", key.ClientID); r.IntN(20) == 0 {
				headers.Set("client_id", odd(r)+"x")
			}
		case "signature":
			at := time.Now()
			if r.IntN(15) == 0 {
				at = at.Add(-time.Hour)
			}
			headers.Set("Trama-Signature", access.Sign(key.Secret, fmt.Sprintf("nonce%d", r.Uint64()), at, o.method, target, body))
		default:
			claims := jwt.MapClaims{"iss": "https://id.example", "aud": "items", "sub": "someone", "exp": time.Now().Add(time.Minute).Unix(), "scope": strings.Join(scopes, " ")}
			switch r.IntN(15) {
			case 0:
				claims["aud"] = "others"
			case 1:
				claims["scope"] = ""
			}
			token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(g.host.secrets["tokens"]))
			if err != nil {
				g.t.Error(err)
			}
			headers.Set("Authorization", "Bearer "+token)
		}
	}
	for name, values := range headers { // what no client could send
		if strings.ContainsFunc(values[0], func(c rune) bool { return c < ' ' || c > '~' }) {
			headers.Set(name, "x")
		}
	}
}

// maker makes a value of a schema, of those keywords that this test has. If
// left is not negative, the value breaks the schema at that many places further
// on, or where it can be broken then.
type maker struct {
	*rand.Rand
	schemas map[string]any
	left    int
	broke   bool
}

// texts are what a text may hold.
var texts = []string{"a", "bc", "xyz", "é", "e\u0301", "日本語", "\U0001F9F5", "\u202eabc", "{{ input }}", "\x00\x1f\u2028", `\"\\/`, "<b>&amp;</b>", "null", "1e5"}

func one[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

func (m *maker) value(schema any) any {
	s, _ := schema.(map[string]any)
	if ref, ok := s["$ref"].(string); ok {
		var target any = map[string]any{"components": map[string]any{"schemas": m.schemas}}
		for step := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
			target = target.(map[string]any)[step]
		}
		return m.value(target)
	}
	if m.left == 0 && !m.broke {
		m.broke = true // what it is made of is not
		wrong, ok := m.wrong(s)
		if ok {
			return wrong
		}
		m.broke = false
	} else if m.left > 0 {
		m.left--
	}
	if enum, ok := s["enum"].([]any); ok {
		return one(m.Rand, enum...)
	}
	if constant, ok := s["const"]; ok {
		return constant
	}
	typ := s["type"]
	if several, ok := typ.([]any); ok {
		typ = one(m.Rand, several...)
	}
	switch typ {
	case "object":
		made := map[string]any{}
		properties, _ := s["properties"].(map[string]any)
		for _, name := range slices.Sorted(maps.Keys(properties)) {
			if slices.Contains(required(s), name) || m.IntN(2) == 0 {
				made[name] = m.value(properties[name])
			}
		}
		return made
	case "array":
		made := []any{}
		least := int(number(s, "minItems", 0))
		for range least + m.IntN(int(number(s, "maxItems", 4))-least+1) {
			made = append(made, m.value(s["items"]))
		}
		return made
	case "integer":
		least, most := number(s, "minimum", math.MinInt64), number(s, "maximum", math.MaxInt64)
		if least == math.MinInt64 && most == math.MaxInt64 {
			return one[int64](m.Rand, math.MinInt64, math.MaxInt64, 1<<53+1, -1, 0, 7)
		}
		return one(m.Rand, int64(least), int64(most), int64(least)+m.Int64N(int64(most-least)+1))
	case "number":
		least, most := number(s, "minimum", -math.MaxFloat64), number(s, "maximum", math.MaxFloat64)
		return one(m.Rand, least, most, least/2+most/2, max(least, 1e-300), 0)
	case "boolean":
		return m.IntN(2) == 0
	case "null":
		return nil
	case "string":
		return m.text(s)
	}
	return one[any](m.Rand, 1, nil, true, []any{}, map[string]any{one(m.Rand, texts...): []any{one(m.Rand, texts...), 1.5}}, one(m.Rand, texts...))
}

// text makes a text that fits a schema.
func (m *maker) text(s map[string]any) string {
	switch s["format"] {
	case "email":
		return one(m.Rand, "ana@example.com", "a+b@mail.example")
	case "date":
		return one(m.Rand, "2024-02-29", "0001-01-01", "9999-12-31")
	case "uuid":
		return "018f3c5e-7b1a-7c3d-9e2f-0123456789ab"
	}
	switch s["pattern"] {
	case "^[a-z]{1,3}$":
		return one(m.Rand, "a", "bc", "xyz")
	case "^[0-9]{5}$":
		return one(m.Rand, "00000", "99999")
	}
	least, most := int(number(s, "minLength", 0)), int(number(s, "maxLength", 30))
	length := one(m.Rand, least, most, least+m.IntN(most-least+1))
	var made []rune
	for len(made) < length {
		made = append(made, []rune(one(m.Rand, texts...))...)
	}
	return string(made[:length]) // characters are counted, not bytes
}

// wrong makes a value that does not fit a schema, if there is one.
func (m *maker) wrong(s map[string]any) (any, bool) {
	if s["enum"] != nil || s["const"] != nil {
		return one[any](m.Rand, "neither", []any{}, 1.25), true
	}
	typ, _ := s["type"].(string)
	switch way := m.IntN(3); {
	case typ == "" && s["type"] == nil: // all fits
		return nil, false
	case way == 0 && typ == "object" && len(required(s)) > 0:
		made, _ := m.value(s).(map[string]any)
		delete(made, one(m.Rand, required(s)...))
		return made, made != nil
	case way == 1 && typ == "object" && s["additionalProperties"] == false:
		made, _ := m.value(s).(map[string]any)
		if made != nil {
			made["of nobody"] = nil
		}
		return made, made != nil
	case way == 0 && typ == "array" && s["maxItems"] != nil:
		made := []any{}
		for range int(number(s, "maxItems", 0)) + 1 {
			made = append(made, m.value(s["items"]))
		}
		return made, true
	case way == 1 && typ == "array" && number(s, "minItems", 0) > 0:
		return []any{}, true
	case way == 0 && typ == "string" && s["maxLength"] != nil:
		return strings.Repeat("é", int(number(s, "maxLength", 0))+1), true
	case way == 1 && typ == "string" && number(s, "minLength", 0) > 0:
		return "", true
	case way <= 1 && typ == "string" && s["pattern"] != nil:
		return one(m.Rand, "", "ABCD", "日本語"), true
	case way == 0 && typ == "integer":
		return 1.5, true
	case way == 1 && (typ == "integer" || typ == "number") && s["maximum"] != nil:
		return 2*math.Abs(number(s, "maximum", 0)) + 1, true
	}
	kinds := map[string]any{"object": map[string]any{}, "array": []any{1}, "string": "7", "boolean": true, "number": 1.5}
	for _, fit := range append([]any{typ}, asList(s["type"])...) {
		if fit == "integer" {
			fit = "number"
		}
		delete(kinds, fmt.Sprint(fit))
	}
	return kinds[one(m.Rand, slices.Sorted(maps.Keys(kinds))...)], true
}

func required(s map[string]any) (names []string) {
	for _, name := range asList(s["required"]) {
		names = append(names, name.(string))
	}
	return names
}

func asList(v any) []any { list, _ := v.([]any); return list }

// number is a keyword's, or else what holds without it.
func number(s map[string]any, keyword string, without float64) float64 {
	if n, ok := s[keyword].(float64); ok {
		return n
	}
	return without
}
