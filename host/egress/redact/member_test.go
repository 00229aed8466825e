package redact

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestMembers: of a member that carries credentials nothing is left, whatever
// it is and wherever it stands; the rest is as it was.
func TestMembers(t *testing.T) {
	for text, want := range map[string]string{
		``:                                        ``,
		`no JSON, "quoted"`:                       `no JSON, "quoted"`,
		`{"user": "ana", "Password" : "a\"b"}`:    `{"user": "ana", "Password" : "[redacted]"}`,
		`{"a":"\\","password":"x\\","b":1}`:       `{"a":"\\","password":"[redacted]","b":1}`,
		`{"password": 48151623, "n": 4}`:          `{"password": "[redacted]", "n": 4}`,
		`[{"pin":-1.5e3}]`:                        `[{"pin":"[redacted]"}]`,
		`{"tokens": ["a", {"b": "]"}], "n": [1]}`: `{"tokens": "[redacted]", "n": [1]}`,
		`{"secret": {"value": "}", "w": {}}}`:     `{"secret": "[redacted]"}`,
		`{"has_password": true, "token": null}`:   `{"has_password": true, "token": null}`,
		`{"pass\u0077ord": "x"}`:                  `{"pass\u0077ord": "[redacted]"}`,
		`{"apiKey":"x","ssh_keys":["x"],"keyboard":"x","author":"x","monkey":1}`:                     `{"apiKey":"[redacted]","ssh_keys":"[redacted]","keyboard":"x","author":"x","monkey":1}`,
		`{"client_id":"x","signature":"x","otp":"x","session":"x","jwt":"x","cookie":"x","key":"x"}`: strings.ReplaceAll(`{"client_id":"x","signature":"x","otp":"x","session":"x","jwt":"x","cookie":"x","key":"x"}`, `"x"`, `"[redacted]"`),
		`{"code": "not_found", "message": "no pin: take \"it\""}`:                                    `{"code": "not_found", "message": "no pin: take \"it\""}`,
		// JSON in a text of JSON.
		`{"body": "{\"password\":\"x\\\"y\",\"n\":1}"}`:   `{"body": "{\"password\":\"[redacted]\",\"n\":1}"}`,
		`{"body": "{\n \"tokens\": [\"x\"],\n \"n\":1}"}`: `{"body": "{\n \"tokens\": \"[redacted]\",\n \"n\":1}"}`,
		`{"body": "{\"password\":\"x", "n": 1}`:           `{"body": "{\"password\":\"[redacted]\"", "n": 1}`,
		// Rows of forms.
		`{"key":"deal[name]","value":"Site"}`:                                      `{"key":"deal[name]","value":"Site"}`,
		`{"type": "number", "value": 7, "key": "list[][a_b]"}`:                     `{"type": "number", "value": 7, "key": "list[][a_b]"}`,
		`{"key":"deal[password]","value":"x"}`:                                     `{"key":"deal[password]","value":"[redacted]"}`,
		`{"value":{"a":["x"]},"key":"deal[password]"}`:                             `{"value":"[redacted]","key":"deal[password]"}`,
		`{"key":"sk-live-1","value":"x"}`:                                          `{"key":"[redacted]","value":"x"}`,
		`{"key":"deal[name]"}`:                                                     `{"key":"[redacted]"}`,
		`{"key":"a[b] and more","value":"x","n":1}`:                                `{"key":"[redacted]","value":"x","n":1}`,
		`{"fields":[{"key":"a[b]","value":"x"}],"key":"a[c]"}`:                     `{"fields":[{"key":"a[b]","value":"x"}],"key":"[redacted]"}`,
		`{"fields":[{"key":"a[b]","value":1},{"key":"a[pin]","value":1}]}`:         `{"fields":[{"key":"a[b]","value":1},{"key":"a[pin]","value":"[redacted]"}]}`,
		`{"value":{"key":"x"},"key":"a[b]"}`:                                       `{"value":{"key":"[redacted]"},"key":"[redacted]"}`,
		`{"a":{},"key":"a[b]","value":"x"}`:                                        `{"a":{},"key":"[redacted]","value":"x"}`,
		`{"body": "{\n \"key\":\"a[b]\",\n \"value\": \"x\"}"}`:                    `{"body": "{\n \"key\":\"a[b]\",\n \"value\": \"x\"}"}`,
		`{"body": "{\"key\":\"a[token]\",\"value\":\"x\"}"}`:                       `{"body": "{\"key\":\"a[token]\",\"value\":\"[redacted]\"}"}`,
		`{"key":"a[token]","value":"x`:                                             `{"key":"a[token]","value":"[redacted]"`,
		`{"value":"x","key":"a[b`:                                                  `{"value":"x","key":"[redacted]"`,
		`{"key":"a[b]","value":"x","n":"` + strings.Repeat("n", maxRow) + `"}`:     `{"key":"[redacted]","value":"x","n":"` + strings.Repeat("n", maxRow) + `"}`,
		`{"key":"a[token]","value":"` + strings.Repeat("n", maxRow/2) + `","n":1}`: `{"key":"a[token]","value":"[redacted]","n":1}`,
		// JSON that is cut off.
		`{"password": "abc`:        `{"password": "[redacted]"`,
		`{"tokens": ["abc", "de`:   `{"tokens": "[redacted]"`,
		`{"password":`:             `{"password":`,
		`5" wide; "password": "x"`: `5" wide; "password": "[redacted]"`,
		`"password": }, "a": 1`:    `"password": }, "a": 1`,
	} {
		if got := Members(text); got != want {
			t.Errorf("%s\ngives %s\nwant  %s", text, got, want)
		}
	}
	inner := `{"a": "b", "password": "s3cr3t", "n": [1]}`
	for range maxLevel { // each time in a text of the one before
		quoted, err := json.Marshal(inner)
		if err != nil {
			t.Fatal(err)
		}
		inner = `{"body": ` + string(quoted) + `}`
		if got := Members(inner); strings.Contains(got, "s3cr3t") || !json.Valid([]byte(got)) {
			t.Errorf("%s gives %s", inner, got)
		}
	}
}

func TestNames(t *testing.T) {
	for _, name := range []string{"authorization", "x-myauth", "x-api-key", "x-apikey2", "x-pass", "x-otp", "stripe-sig", "client_id", "x-jwt", "set-cookie"} {
		if !IsSecretName(name) {
			t.Errorf("%s is kept", name)
		}
	}
	for _, name := range []string{"accept", "x-pinned", "x-passed", "code", "content-type", "x-design"} {
		if IsSecretName(name) {
			t.Errorf("%s is taken out", name)
		}
	}
	if !IsSecretField("code") || !IsSecretField("pwd") || IsSecretField("encode") {
		t.Error("fields of queries")
	}
}

func FuzzMembers(f *testing.F) {
	f.Add(`{"password": ["x", {"a": "\\"}], "body": "{\"token\":\n \"x\"}"}`)
	f.Fuzz(func(t *testing.T, text string) {
		once := Members(text)
		if json.Valid([]byte(text)) && !json.Valid([]byte(once)) {
			t.Errorf("%s gives %s, which is no JSON", text, once)
		}
	})
}
