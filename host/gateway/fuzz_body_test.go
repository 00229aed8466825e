package gateway

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/valyala/fasthttp"

	"github.com/trama-run/trama/host/expr"
)

// FuzzBody: a body is taken as what its type says, so that it could be sent on
// as it came, or it is refused.
func FuzzBody(f *testing.F) {
	for contentType, data := range map[string]string{
		"application/json":                  `{"a": [1, -2.5e3, "é\u00e9\ud83d", true, null, {}], "": 100000000000000000000}`,
		"application/json; charset=utf-8":   `{"a": 1, "a": 9223372036854775808}`,
		"application/problem+json;a=\"\"":   strings.Repeat("[", 201) + strings.Repeat("]", 201),
		"APPLICATION/JSON ; q":              "\ufeff{}",
		"text/plain":                        "\ufeffcafé",
		"text/plain; charset=ISO-8859-1":    "caf\xe9",
		"text/csv; charset=utf-16":          "\xff\xfea\x00;\x00\x00\xd8",
		"text/plain; charset=iso-2022-jp":   "\x1b$B$\x1b(B~",
		"text/xml":                          "<?xml version='1.0' encoding='windows-1252'?><a>\x80</a>",
		"application/soap+xml":              "<?xml version=\"1.0\" encoding=\"none\"?><a/>",
		"application/x-www-form-urlencoded": "a=b&c=%ff",
		"application/octet-stream":          "\x00\xff",
		";;":                                "\xff",
		"":                                  "",
	} {
		f.Add(contentType, []byte(data))
	}
	f.Fuzz(func(t *testing.T, contentType string, data []byte) {
		event := map[string]any{}
		if refused := body(event, contentType, bytes.Clone(data), nil); refused != nil {
			if refused.Status != 400 && refused.Status != 415 || len(event) > 0 || len(refused.Detail) > 1000+len(contentType)*6 || !utf8.ValidString(refused.Detail) {
				t.Fatalf("%q %q: %+v, %v", contentType, data, refused, event)
			}
			return
		}
		value, read := event["body"]
		coded, left := event["body_base64"]
		if read == left || len(event) != 1 {
			t.Fatalf("%q %q: %v", contentType, data, event)
		}
		if left {
			if back, err := base64.StdEncoding.DecodeString(coded.(string)); err != nil || !bytes.Equal(back, data) {
				t.Fatalf("%q %q: %v %v", contentType, data, event, err)
			}
			return
		}
		if text, is := value.(string); is && !utf8.ValidString(text) {
			t.Fatalf("%q %q: %q", contentType, data, text)
		}
		written, err := json.Marshal(value)
		if err != nil {
			t.Fatalf("%q %q: %#v: %v", contentType, data, value, err)
		}
		if again, err := expr.ParseExact(written, nil); err != nil || !reflect.DeepEqual(again, value) {
			t.Fatalf("%q %q: %#v is written as %s: %v", contentType, data, value, written, err)
		}
	})
}

// FuzzQuery: a query is what net/url reads of it, where that reads it.
func FuzzQuery(f *testing.F) {
	for _, seed := range []string{"", "a=1&a=2&b=%C3%A9", "a", "=", "&&=&", "a=%", "a=%zz&b", "a+b=c+d", "%ff=1", "a=\x00", "a[]=1&a[]=2", "a=b=c", "\xff", "a;b=1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var args fasthttp.Args
		args.Parse(text)
		query, err := queryOf(&args)
		count := 0
		got := map[string][]string{}
		for name, value := range query {
			list, several := value.([]any)
			if !several {
				list = []any{value}
			} else if len(list) < 2 {
				t.Fatalf("%q: %q has a list of %d", text, name, len(list))
			}
			for _, one := range list {
				if count++; !utf8.ValidString(name) || !utf8.ValidString(one.(string)) {
					t.Fatalf("%q: %q is %q", text, name, one)
				}
				got[name] = append(got[name], one.(string))
			}
		}
		if err != nil {
			if query != nil || count > 0 {
				t.Fatalf("%q: %v and %v", text, query, err)
			}
			return
		}
		if count != args.Len() {
			t.Fatalf("%q: %d of %d values", text, count, args.Len())
		}
		want, err := url.ParseQuery(text)
		want[""] = slices.DeleteFunc(want[""], func(value string) bool { return value == "" }) // neither name nor value
		if len(want[""]) == 0 {
			delete(want, "")
		}
		if err == nil && !reflect.DeepEqual(got, map[string][]string(want)) {
			t.Fatalf("%q: %q, net/url reads %q", text, got, want)
		}
	})
}
