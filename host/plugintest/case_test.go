package plugintest

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/trama-run/trama/host/egress"
	"github.com/trama-run/trama/host/secret"
	"github.com/trama-run/trama/host/source"
	"github.com/trama-run/trama/pdk/abi"
)

func suite(t testing.TB) (m abi.Manifest) {
	t.Helper()
	data, err := os.ReadFile("../../pdk/suite/manifest.json")
	if err == nil {
		err = json.Unmarshal(data, &m)
	}
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestParseRefuses: a mistake in a file of cases is told with its place, and
// what to write instead.
func TestParseRefuses(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"[]", "c.yaml:1: there is no case; add one"},
		{"- {operation: echo, output: 1}", `c.yaml:1:3: item 1 of the document lacks the field "name"`},
		{"- {name: a, operation: echo, outptu: 1}", `has no field "outptu"; did you mean "output"?`},
		{"- {name: a, output: 1}", "c.yaml:1:3: a case calls an operation or an export"},
		{"- {name: a, operation: ehco, output: 1}", `plugin suite has no operation "ehco"; did you mean "echo"?`},
		{"- {name: a, operation: echo, input: 1, input_text: b, output: 1}", "one of input, input_text, input_base64 and input_repeat"},
		{"- {name: a, operation: echo}", "and this one has 0 of them; output: null is one"},
		{"- {name: a, operation: echo, output: 1, error: {code: x}}", "and this one has 2 of them"},
		{"- {name: a, operation: echo, input_base64: '!', output: 1}", "it is not base64"},
		{"- {name: a, operation: echo, input_repeat: {text: ab, times: 100000000}, output: 1}", "give at most 33554432 bytes"},
		{"- {name: a, operation: echo, output: 1}\n- {name: a, operation: echo, output: 1}", `c.yaml:2:3: a second case is named "a"`},
		{"- {name: a, operation: fetch, output: 1, http: [{request: {url: /}}]}", "c.yaml:1:49: an exchange has a response or a failure"},
		{"- {name: a, operation: fetch, output: 1, http: [{failure: timeuot}]}", `the failure "timeuot" is not known; did you mean "timeout"?`},
		{"- {name: a, operation: fetch, output: 1, http: [{response: {status: 99}}]}", "response: status 99; give 200 to 599"},
	} {
		cases, problems := Parse("c.yaml", []byte(test.text), suite(t))
		if len(problems) != 1 || !strings.Contains(problems.Error(), test.want) {
			t.Errorf("%s\n%d cases, %v\nwant %s", test.text, len(cases), problems, test.want)
		}
	}
	m := suite(t)
	m.Capabilities.KVBytes = 0
	if _, problems := Parse("c.yaml", []byte("- {name: a, operation: echo, output: 1, kv: {a: b}}"), m); len(problems) != 1 || !strings.Contains(problems.Error(), "add kv_bytes to the manifest's capabilities") {
		t.Error(problems)
	}
}

// TestCompare: every way in which a call may end otherwise than its case says is
// told, as a diff with the place.
func TestCompare(t *testing.T) {
	for _, test := range []struct {
		text string
		out  Outcome
		want string
	}{
		{`output: {a: [1, {b: x}]}`, Outcome{Output: []byte(`{ "a": [1.0, {"b":"x"}] }`)}, ""},
		{`output: {a: [1, {b: x}]}`, Outcome{Output: []byte(`{"a":[1,{"b":"y"}]}`)}, "output.a[1].b\n  - \"x\"\n  + \"y\""},
		{`output: {a: 1}`, Outcome{Output: []byte(`{"a":1,"b c":2}`)}, "output[\"b c\"]\n  - (nothing)\n  + 2"},
		{`output: {a: 1}`, Outcome{Output: []byte(`{}`)}, "output.a\n  - 1\n  + (nothing)"},
		{`output: [1]`, Outcome{Output: []byte(`[1,2]`)}, "output[1]\n  - (nothing)\n  + 2"},
		{`output: [1, 2]`, Outcome{Output: []byte(`[1]`)}, "output[1]\n  - 2\n  + (nothing)"},
		{`output: 9007199254740993`, Outcome{Output: []byte(`9007199254740992`)}, "output\n  - 9007199254740993\n  + 9007199254740992"},
		{`output: 18446744073709551614`, Outcome{Output: []byte(`18446744073709551614`)}, ""},
		{`output: 18446744073709551614`, Outcome{Output: []byte(`18446744073709551615`)}, "output\n  - 18446744073709551614\n  + 18446744073709551615"},
		{`output: -36893488147419103233`, Outcome{Output: []byte(`-36893488147419103234`)}, "output\n  - -36893488147419103233\n  + -36893488147419103234"},
		{`output_text: '[18446744073709551614 ]'`, Outcome{Output: []byte(`[18446744073709551615]`)}, "output[0]\n  - 18446744073709551614\n  + 18446744073709551615"},
		{`output: 18446744073709551616`, Outcome{Output: []byte(`1.8446744073709551616e19`)}, ""},
		{`output: "1"`, Outcome{Output: []byte(`1`)}, "output\n  - \"1\"\n  + 1"},
		{`output: null`, Outcome{}, ""},
		{`output: 1`, Outcome{Output: []byte(`{`)}, "output\n  - JSON\n  + { (unexpected EOF)"},
		{`output_text: '{"a":1}'`, Outcome{Output: []byte(`{"a": 1}`)}, "output, byte 5\n  - \"{\\\"a\\\":1}\" (7 bytes)\n  + \"{\\\"a\\\": 1}\" (8 bytes)"},
		{`output_text: '{"a":1}'`, Outcome{Output: []byte(`{"a":2}`)}, "output.a\n  - 1\n  + 2"},
		{`output_text: abc`, Outcome{Output: []byte("abd")}, "output, byte 2\n"},
		{`output_base64: ""`, Outcome{Output: []byte("a")}, "output, byte 0\n"},
		{`output_repeat: {text: ab, times: 2}`, Outcome{Output: []byte("abab")}, ""},
		{`output: 1`, Outcome{Error: &abi.Error{Code: "c", Message: "m"}}, "output\n  - 1\n  + the error c: m"},
		{`error: {code: c, message: m}`, Outcome{Output: []byte("1")}, "error\n  - c: m\n  + the output 1"},
		{`error: {code: c, message: m}`, Outcome{Error: &abi.Error{Code: "c", Message: "a m b"}}, ""},
		{`error: {code: c}`, Outcome{Error: &abi.Error{Code: "d", Message: "m"}}, "error.code\n  - c\n  + d: m"},
		{`error: {message: m}`, Outcome{Error: &abi.Error{Code: "c", Message: "n"}}, "error.message\n  - with: m\n  + n"},
		{`error: {retryable: false}`, Outcome{Error: &abi.Error{Retryable: true}}, "error.retryable\n  - false\n  + true"},
		{`error: {retry_after_millis: 5}`, Outcome{Error: &abi.Error{}}, "error.retry_after_millis\n  - 5\n  + 0"},
		{`error: {detail: {a: 1}}`, Outcome{Error: &abi.Error{Detail: json.RawMessage(`{"a":2}`)}}, "error.detail.a\n  - 1\n  + 2"},
		{`output: 1, kv_after: {a: "1", b: "2"}`, Outcome{Output: []byte("1"), KV: map[string]string{"a": "2", "c": ""}}, "kv_after.a\n  - \"1\"\n  + \"2\"\nkv_after.b\n  - \"2\"\n  + (nothing)\nkv_after.c\n  - (nothing)\n  + \"\""},
		{`output: 1, kv_after: {}`, Outcome{Output: []byte("1"), KV: map[string]string{"a": "2"}}, "kv_after.a\n"},
		{`output: 1, log: ["info: a", "info: b"]`, Outcome{Output: []byte("1"), Log: []string{"info: a"}}, "log[1]\n  - info: b\n  + (nothing)"},
		{`output: 1, log: []`, Outcome{Output: []byte("1"), Log: []string{"info: a"}}, "log[0]\n  - (nothing)\n  + info: a"},
		{`output: 1`, Outcome{Output: []byte("1"), Log: []string{"info: a"}}, ""},
	} {
		cases, problems := Parse("c.yaml", []byte("- {name: a, operation: count, "+test.text+"}"), suite(t))
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		var lines []string
		for _, d := range compareOutcome(cases[0], test.out) {
			lines = append(lines, d.String())
		}
		if got := strings.Join(lines, "\n"); got != test.want && (test.want == "" || !strings.HasPrefix(got, test.want)) {
			t.Errorf("%s\n%s\nwant\n%s", test.text, got, test.want)
		}
	}
}

// TestEdge: requests are compared and answered where they would leave the
// process, and secrets are shown by their names.
func TestEdge(t *testing.T) {
	const answered = "- {name: a, operation: fetch, output: 1, http: [{request: {method: POST, url: /contacts, headers: {X-Key: k}, body: {a: 1}}, response: {status: 201, headers: {x-b: c}, body: {id: <secret:token>}}}]}"
	for _, test := range []struct {
		name, cases string
		requests    []abi.HTTPRequest
		want        string
	}{
		{"as expected", answered, []abi.HTTPRequest{{Method: "POST", URL: "/contacts", Headers: map[string]string{"x-key": "k"}, Body: ` {"a":1}`}}, ""},
		{"none", answered, nil, "http[0]\n  - POST /contacts\n  + (nothing)"},
		{"one too many", answered, []abi.HTTPRequest{{Method: "POST", URL: "/contacts", Headers: map[string]string{"x-key": "k"}, Body: `{"a":1}`}, {URL: "/more", Body: "b"}}, "http[1]\n  - no more requests\n  + GET /more\n  + b"},
		{"another", answered, []abi.HTTPRequest{{Method: "PUT", URL: "/contact", Body: `{"a":2}`}},
			"http[0].request.method\n  - POST\n  + PUT\nhttp[0].request.url\n  - /contacts\n  + /contact\nhttp[0].request.headers.X-Key\n  - k\n  + (nothing)\nhttp[0].request.body.a\n  - 1\n  + 2"},
		{"a text", "- {name: a, operation: fetch, output: 1, http: [{request: {body: x}, response: {}}]}", []abi.HTTPRequest{{URL: "/", Body: "y"}}, "http[0].request.body\n  - x\n  + y"},
		{"no answer", "- {name: a, operation: fetch, output: 1, http: [{failure: timeout}]}", []abi.HTTPRequest{{URL: ""}}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			cases, problems := Parse("c.yaml", []byte(test.cases), suite(t))
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			r := &recorder{base: base, secrets: suite(t).Capabilities.Secrets}
			r.begin(cases[0].HTTP)
			secrets := testSecrets(suite(t))
			client := egress.New(egress.Config{Secrets: secrets, Transport: r})
			defer client.Close()
			scope := client.Open(egress.Policy{Origins: []string{"connection"}, Connection: &egress.Connection{ID: "test", BaseURL: base}, Secrets: suite(t).Capabilities.Secrets})
			for i, request := range test.requests {
				response, err := scope.Send(context.Background(), request)
				switch failure, _ := err.(*abi.Error); {
				case i == 0 && test.name == "as expected" && (err != nil || response.Status != 201 || response.Headers["x-b"] != "c" || response.Headers["content-type"] != "application/json"):
					t.Errorf("%+v, %v", response, err)
				case test.name == "no answer" && (failure == nil || failure.Code != abi.CodeTimeout):
					t.Errorf("%v", err)
				}
			}
			var out Outcome
			r.end(&out)
			if len(out.Requests) != len(test.requests) || len(out.Failures) != len(test.requests) {
				t.Errorf("%d requests are kept, %d failures", len(out.Requests), len(out.Failures))
			}
			var lines []string
			for _, d := range out.Unexpected {
				lines = append(lines, d.String())
			}
			if got := strings.Join(lines, "\n"); got != test.want {
				t.Errorf("\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}

// TestSecretIsShown: what goes out has the secret, and what is told of it has its
// name, whatever place it stands in.
func TestSecretIsShown(t *testing.T) {
	r := &recorder{base: base, secrets: suite(t).Capabilities.Secrets}
	value := secretValue("token")
	q := r.show("GET", base+"/a?key="+value, http.Header{"Authorization": {"Bearer " + value}, "User-Agent": {"Trama"}, "Accept-Encoding": {"gzip"}}, []byte(`{"k":"`+value+`"}`))
	if data, err := marshal(q); err != nil || string(data) != `{"method":"GET","url":"/a?key=<secret:token>","headers":{"authorization":"Bearer <secret:token>"},"body":"{\"k\":\"<secret:token>\"}"}` {
		t.Errorf("%s, %v", data, err)
	}
}

// TestKeys: there is a key that signs for each algorithm, always the same.
func TestKeys(t *testing.T) {
	for _, algorithm := range abi.SignAlgorithms() {
		text, err := testKey(algorithm)
		if err != nil {
			t.Fatal(err)
		}
		source := secret.New([]string{variable("any", text)}, "")
		signature, err := source.Sign("any", algorithm, []byte("text"))
		if err != nil {
			t.Fatal(err)
		}
		again, err := testKey(algorithm)
		if ok, failed := source.Verify("any", algorithm, []byte("text"), signature); !ok || err != nil || failed != nil || again != text {
			t.Errorf("%s: %v, %v, %v", algorithm, ok, err, failed)
		}
	}
	if _, err := testKey("none"); err == nil {
		t.Error("there is a key for no algorithm")
	}
}

// TestRecord: a call that was recorded is a case that passes, beside those that
// were there.
func TestRecord(t *testing.T) {
	text := `{"name":"Ana"}`
	c := Case{Name: "fetch", Operation: "fetch", InputText: &text}
	out := Outcome{
		Output: []byte(`{"status":201,"id":"7"}`), Log: []string{"info: made"},
		Requests: []abi.HTTPExchange{
			{Request: abi.HTTPRequest{Method: "POST", URL: "/contacts", Headers: map[string]string{"x-a": "b"}, Body: text},
				Response: abi.HTTPResponse{Status: 201, Body: `{"id":"7"}`}},
			{Request: abi.HTTPRequest{Method: "GET", URL: "/", Headers: map[string]string{"authorization": "Bearer <secret:token>"}}},
			{Request: abi.HTTPRequest{Method: "GET", URL: "/slow"}},
		},
		Failures: []string{"", FailureRefused, FailureTimeout},
	}
	before := []byte("# mine\n- {name: fetch, operation: echo, output: 1}")
	after, err := Add("c.yaml", before, Recorded(c, out))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(after), string(before)) {
		t.Errorf("%s", after)
	}
	cases, problems := Parse("c.yaml", after, suite(t))
	if len(problems) > 0 || len(cases) != 2 || cases[1].Name != "fetch 2" {
		t.Fatalf("%v\n%s", problems, after)
	}
	if got := compareOutcome(cases[1], out); len(got) > 0 {
		t.Error(got)
	}
	if cases[1].HTTP[0].Failure != "" || cases[1].HTTP[1].Failure != FailureRefused || cases[1].HTTP[2].Failure != FailureTimeout || cases[1].HTTP[1].Request.Headers["authorization"] != "Bearer <secret:token>" {
		t.Errorf("%s", after)
	}
	if _, err := Add("c.json", []byte(`[{"name":"a","operation":"echo","output":1}]`), Recorded(c, out)); err == nil || !strings.Contains(err.Error(), "list of YAML") {
		t.Errorf("added below JSON: %v", err)
	}
}

// TestKept: what of a request has the name of a secret is not kept, but for what
// names its secret itself, is the same in all tests, or was hidden before.
func TestKept(t *testing.T) {
	headers := func(name, value string) map[string]string { return map[string]string{name: value} }
	for _, test := range []struct {
		name       string
		give, want abi.HTTPRequest
	}{
		{"nothing", abi.HTTPRequest{Method: "GET", URL: "/a?b=c", Headers: headers("accept", "*"), Body: `{"a": 1}`}, abi.HTTPRequest{Method: "GET", URL: "/a?b=c", Headers: headers("accept", "*"), Body: `{"a": 1}`}},
		{"a header", abi.HTTPRequest{Headers: headers("x-auth-token", "abc")}, abi.HTTPRequest{}},
		{"a header's secret", abi.HTTPRequest{Headers: headers("authorization", "Bearer <secret:token>")}, abi.HTTPRequest{Headers: headers("authorization", "Bearer <secret:token>")}},
		{"the effect", abi.HTTPRequest{Headers: headers("idempotency-key", EffectID), Body: `{"key":"` + EffectID + `-1"}`}, abi.HTTPRequest{Headers: headers("idempotency-key", EffectID), Body: `{"key":"` + EffectID + `-1"}`}},
		{"a query", abi.HTTPRequest{URL: "/a?access_token=abc"}, abi.HTTPRequest{}},
		{"a query's secret", abi.HTTPRequest{URL: "/a?key=<secret:token>"}, abi.HTTPRequest{URL: "/a?key=<secret:token>"}},
		{"a password in a URL", abi.HTTPRequest{URL: "https://a:b@c.example/"}, abi.HTTPRequest{}},
		{"a member", abi.HTTPRequest{Body: `{"user": {"password": "abc"}}`}, abi.HTTPRequest{}},
		{"a member that was hidden", abi.HTTPRequest{Body: `{"password": "[redacted]"}`}, abi.HTTPRequest{Body: `{"password": "[redacted]"}`}},
		{"a member beside a secret", abi.HTTPRequest{Body: `{"token": "<secret:token>", "pin": 1234}`}, abi.HTTPRequest{}},
		{"a form", abi.HTTPRequest{Headers: headers("content-type", "application/x-www-form-urlencoded"), Body: "code=abc"}, abi.HTTPRequest{Headers: headers("content-type", "application/x-www-form-urlencoded")}},
	} {
		got, err := marshal(exchangeOf(abi.HTTPExchange{Request: test.give}).Request.withoutSecrets())
		if err != nil {
			t.Fatal(err)
		}
		want := exchangeOf(abi.HTTPExchange{Request: test.want}).Request
		if want.Headers == nil {
			want.Headers = map[string]string{}
		}
		if data, err := marshal(want); err != nil || string(data) != string(got) {
			t.Errorf("%s: %s, want %s, %v", test.name, got, data, err)
		}
	}
}

// TestURLsWithoutSecrets: a URL keeps what lets it be reached, and what names its
// secret itself; what was hidden stays as it is.
func TestURLsWithoutSecrets(t *testing.T) {
	for text, want := range map[string]string{
		"https://a:b@c.example/d?e=f#g":                                "https://%5Bredacted%5D@c.example/d?e=f#g",
		"postgres://a@c.example":                                       "postgres://%5Bredacted%5D@c.example",
		"https://c.example/?access_token=abc&e=f":                      "https://c.example/?access_token=%5Bredacted%5D&e=f",
		"https://c.example/?access_token=<secret:token>&e=f":           "https://c.example/?access_token=<secret:token>&e=f",
		"https://c.example/?code=abc":                                  "https://c.example/?code=%5Bredacted%5D",
		"https://c.example/?e=f&E=F":                                   "https://c.example/?e=f&E=F",
		`{"a": ["https://a:b@c.example/"], "b": 12345678901234567890}`: `{"a":["https://%5Bredacted%5D@c.example/"],"b":12345678901234567890}`,
		`{"a": "https://c.example/",  "b": 1.50}`:                      `{"a": "https://c.example/",  "b": 1.50}`,
		"what?code=abc":                                                "what?code=abc",
		"a:b@c":                                                        "a:b@c",
		"12":                                                           "12",
	} {
		if got := textWithout(text); got != want || textWithout(got) != want {
			t.Errorf("%s\ngives %s, then %s\nwant  %s", text, got, textWithout(got), want)
		}
		if v := valueWithout(source.ValueOf([]any{text})); v.Get("0").Any() != want {
			t.Errorf("%s in a list gives %v", text, v.Get("0").Any())
		}
	}
}
