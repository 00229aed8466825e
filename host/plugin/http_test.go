package plugin

import (
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/trama-run/trama/host/egress"
	"github.com/trama-run/trama/host/egress/auth"
	"github.com/trama-run/trama/host/grant"
	"github.com/trama-run/trama/host/sandbox"
	"github.com/trama-run/trama/host/secret"
	"github.com/trama-run/trama/pdk/abi"
)

const canary = "canary-secret-7f3a"

// httpPlugin is the built plugin "http", as an operator has it who granted it
// connections and a small limit of bodies.
func httpPlugin(t *testing.T) *Registry {
	t.Helper()
	wasm, err := os.ReadFile(built(t, "plugins/http.wasm"))
	if err != nil {
		t.Fatalf("%v: run make build first", err)
	}
	box, err := sandbox.Open(sandbox.Config{CacheDir: built(t, "testcache/code"), Compiler: []string{built(t, "trama"), "compile-module"}})
	if err != nil {
		t.Fatal(err)
	}
	secrets := secret.New([]string{"TRAMA_SECRET_KEY=" + canary, "TRAMA_SECRET_REFRESH=" + canary + "-refresh"}, "")
	dir := t.TempDir()
	client := egress.New(egress.Config{Secrets: secrets})
	r := New(Config{Dirs: []string{dir}, DataDir: t.TempDir(), CacheDir: t.TempDir(), Sandbox: box, Egress: client, Secrets: secrets, Log: slog.New(slog.DiscardHandler)})
	t.Cleanup(func() {
		r.Close()
		client.Close()
		if err := box.Close(t.Context()); err != nil && t.Context().Err() == nil {
			t.Error(err)
		}
	})
	if err := os.WriteFile(filepath.Join(dir, "http.wasm"), wasm, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := r.Scan(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.SetGrants([]grant.Grant{{Plugin: "http", Of: "sha256:" + r.List()[0].Digest, Egress: []string{abi.EgressConnection}, Limits: grant.Limits{HTTP: 64 << 10}}})
	if failure := r.Ready("http"); failure != nil {
		t.Fatal(failure)
	}
	return r
}

func TestHTTP(t *testing.T) {
	r := httpPlugin(t)
	t.Run("authenticates", func(t *testing.T) { httpAuthenticates(t, r) })
	t.Run("bad answers", func(t *testing.T) { httpAndBadAnswers(t, r) })
}

// httpAuthenticates: each way that a connection authenticates serves the http
// plugin, which sees nothing of it.
func httpAuthenticates(t *testing.T, r *Registry) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if q.URL.Path == "/token" {
			q.ParseForm() //nolint:errcheck // an empty form then
			user, password, _ := q.BasicAuth()
			if user != "trama" || password != canary || q.Form.Get("grant_type") == "refresh_token" && q.Form.Get("refresh_token") != canary+"-refresh" {
				w.WriteHeader(http.StatusUnauthorized)
			}
			fmt.Fprintf(w, `{"access_token":%q,"expires_in":3600}`, "canary-access-"+q.Form.Get("grant_type"))
			return
		}
		body, _ := io.ReadAll(q.Body) //nolint:errcheck // a short body shows
		// What came in goes back: the host hides it again.
		json.NewEncoder(w).Encode(map[string]any{ //nolint:errcheck // a lost answer shows
			"authorization": q.Header.Get("Authorization"), "key": q.Header.Get("X-Api-Key") + q.URL.Query().Get("api_key"), "bytes": len(body), "type": q.Header.Get("Content-Type"),
		})
		if q.Header.Get("X-Want") != "" && q.Header.Get("Authorization")+q.Header.Get("X-Api-Key")+q.URL.Query().Get("api_key") != q.Header.Get("X-Want") {
			t.Errorf("%s: authenticated by %q, %q, %q", q.Header.Get("X-Want"), q.Header.Get("Authorization"), q.Header.Get("X-Api-Key"), q.URL.RawQuery)
		}
		if q.Header.Get("X-Want") == "" && !strings.HasPrefix(q.Header.Get("Authorization"), "AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE/") && q.URL.Path != "/none" {
			t.Errorf("sigv4: %q", q.Header.Get("Authorization"))
		}
	}))
	defer server.Close()
	for _, test := range []struct {
		name string
		auth auth.Auth
		want string
	}{
		{"none", auth.Auth{}, ""},
		{"basic", auth.Auth{Type: auth.Basic, Username: "u", Secret: "key"}, "Basic " + base64.StdEncoding.EncodeToString([]byte("u:"+canary))},
		{"bearer", auth.Auth{Type: auth.Bearer, Secret: "key"}, "Bearer " + canary},
		{"a key in a header", auth.Auth{Type: auth.APIKey, Header: "X-Api-Key", Secret: "key"}, canary},
		{"a key in the query", auth.Auth{Type: auth.APIKey, Query: "api_key", Secret: "key"}, canary},
		{"client credentials", auth.Auth{Type: auth.OAuth2, TokenURL: server.URL + "/token", ClientID: "trama", Secret: "key"}, "Bearer canary-access-client_credentials"},
		{"a refresh token", auth.Auth{Type: auth.OAuth2, Grant: "refresh_token", TokenURL: server.URL + "/token", ClientID: "trama", Secret: "key", RefreshToken: "refresh"}, "Bearer canary-access-refresh_token"},
		{"sigv4", auth.Auth{Type: auth.SigV4, AccessKey: "AKIAEXAMPLE", Region: "sa-east-1", Service: "execute-api", Secret: "key"}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			connection := &egress.Connection{ID: "x", BaseURL: server.URL, Auth: test.auth}
			headers, path := "{}", "/v1"
			if test.want != "" {
				headers = fmt.Sprintf(`{"X-Want":%q}`, test.want)
			} else if test.auth.Type == "" {
				path = "/none"
			}
			for _, call := range []struct{ export, input string }{
				{"get", `{"url":%q,"headers":%s}`},
				{"request", `{"method":"DELETE","url":%q,"headers":%s,"fields":[{"key":"a[0][b]","value":"c"}]}`},
				{"request", `{"method":"POST","url":%q,"headers":%s,"multipart":[{"name":"a","value":"b"}]}`},
				{"test", `{"method":"PUT","url":%q,"headers":%s,"form":{"a":"b"}}`},
			} {
				output, _, failure := r.Call(t.Context(), Call{Plugin: "http", Export: call.export, Input: fmt.Appendf(nil, call.input, path, headers), Connection: connection})
				if failure != nil || !strings.Contains(string(output), `"status":200`) {
					t.Errorf("%s: %s, %v", call.export, output, failure)
				}
				if strings.Contains(string(output), "canary") && test.want == "" {
					t.Errorf("%s shows a secret: %s", call.export, output)
				}
			}
			// The preview has nothing to hide, since nothing is in it.
			output, _, failure := r.Call(t.Context(), Call{Plugin: "http", Export: "preview", Input: []byte(`{"method":"GET","url":"/v1"}`), Connection: connection})
			if failure != nil || !strings.Contains(string(output), `"headers":{}`) {
				t.Errorf("preview: %s, %v", output, failure)
			}
		})
	}
}

// httpAndBadAnswers: whatever a server does is an output or an error that says
// what is wrong.
func httpAndBadAnswers(t *testing.T, r *Registry) {
	hang := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch q.URL.Path {
		case "/cut":
			io.WriteString(w, `{"a": [1,`) //nolint:errcheck // whoever reads it knows
		case "/short": // fewer bytes than it says
			w.Header().Set("Content-Length", "100")
			io.WriteString(w, `{"a": 1}`) //nolint:errcheck // the same
		case "/html":
			io.WriteString(w, `<html>`) //nolint:errcheck // the same
		case "/huge":
			io.WriteString(w, `"`+strings.Repeat("x", 70<<10)+`"`) //nolint:errcheck // the same
		case "/bomb":
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			z.Write(make([]byte, 10<<20)) //nolint:errcheck // the same
			z.Close()                     //nolint:errcheck // the same
		case "/gzip":
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			io.WriteString(z, `{"packed": true}`) //nolint:errcheck // the same
			z.Close()                             //nolint:errcheck // the same
		case "/slow":
			select {
			case <-hang:
			case <-q.Context().Done():
			}
		case "/latin1":
			w.Header().Set("Content-Type", "text/plain; charset=ISO-8859-1")
			w.Write([]byte("a\xe7\xe3o")) //nolint:errcheck // the same
		case "/lie":
			w.Write([]byte("{\"a\":\"\xe7\"}")) //nolint:errcheck // the same
		case "/twice":
			w.Header().Add("X-Twice", "1")
			w.Header().Add("X-Twice", "2")
			io.WriteString(w, `{}`) //nolint:errcheck // the same
		case "/429", "/429s", "/429d", "/500":
			if q.URL.Path == "/429s" {
				w.Header().Set("Retry-After", "7")
			} else if q.URL.Path == "/429d" {
				w.Header().Set("Retry-After", time.Now().Add(time.Minute).UTC().Format(http.TimeFormat))
			}
			status := 429
			if q.URL.Path == "/500" {
				status = 500
			}
			w.WriteHeader(status)
			io.WriteString(w, `{"why":"x"}`) //nolint:errcheck // the same
		}
	}))
	defer server.Close()
	defer close(hang)
	const strict = `,"error_on_status":true`
	for _, test := range []struct {
		name, export, input string
		output, code, text  string
		retryable           bool
		after               [2]int64 // milliseconds, from and to
	}{
		{name: "truncated JSON", input: `"url":"/cut"`, code: "http_bad_json", text: "GET /cut answered 200"},
		{name: "a body that breaks off", input: `"url":"/short"`, code: abi.CodeUnreachable, text: "broke off", retryable: true},
		{name: "no JSON", input: `"url":"/html"`, code: "http_bad_json", text: "should be JSON"},
		{name: "no JSON, tested", export: "test", input: `"method":"GET","url":"/html"`, output: `<html>"`},
		{name: "huge", input: `"url":"/huge"`, code: abi.CodeLimit, text: "longer than 65536 bytes"},
		{name: "a gzip bomb", input: `"url":"/bomb"`, code: abi.CodeLimit, text: "longer than 65536 bytes"},
		{name: "gzip", input: `"url":"/gzip"`, output: `"body":{"packed": true}`},
		{name: "slow", input: `"url":"/slow","timeout_millis":100`, code: abi.CodeTimeout, text: "no answer in time", retryable: true},
		{name: "another charset", input: `"url":"/latin1"`, output: `"body":"ação"`},
		{name: "a charset that lies", input: `"url":"/lie"`, output: `"body":null,"body_base64":`},
		{name: "headers twice", input: `"url":"/twice"`, output: `"x-twice":"1, 2"`},
		{name: "429", input: `"url":"/429"` + strict, code: "http_status", text: "answered 429", retryable: true},
		{name: "429 with seconds", input: `"url":"/429s"` + strict, code: "http_status", retryable: true, after: [2]int64{7000, 7000}},
		{name: "429 with a date", input: `"url":"/429d"` + strict, code: "http_status", retryable: true, after: [2]int64{1, 60_000}},
		{name: "500 of get", input: `"url":"/500"` + strict, code: "http_status", retryable: true},
		{name: "500 of request", export: "request", input: `"method":"POST","url":"/500"` + strict, code: "http_status"},
		{name: "500 as it is", input: `"url":"/500"`, output: `"status":500`},
		{name: "500, tested", export: "test", input: `"method":"POST","url":"/500"`, output: `"body":{"why":"x"}`},
		{name: "a line end in a header's name", input: `"url":"/","headers":{"A\r\nB":"c"}`, code: abi.CodeInvalid, text: "can't be a header's name"},
		{name: "a line end in a header", input: `"url":"/","headers":{"A":"b\r\nC: d"}`, code: abi.CodeInvalid, text: "headers.A"},
		{name: "a line end in a part's name", export: "request", input: `"method":"POST","url":"/","multipart":[{"name":"a\r\nb","value":"c"}]`, code: abi.CodeInvalid, text: "line break"},
		{name: "a header of the host's", input: `"url":"/","headers":{"Host":"x"}`, code: abi.CodeInvalid, text: "the host's to set"},
		{name: "a body over the limit", export: "request", input: `"method":"POST","url":"/","text":"` + strings.Repeat("x", 70<<10) + `"`, code: abi.CodeLimit, text: "the request's body"},
		{name: "a blob without a contact", input: `"url":"/twice","as":"blob"`, code: "plugin_unavailable", text: "contacts and gateway runs"},
		{name: "another origin", input: `"url":"https://x.example/"`, code: abi.CodeDenied, text: "not granted"},
	} {
		t.Run(test.name, func(t *testing.T) {
			export := test.export
			if export == "" {
				export = "get"
			}
			output, _, failure := r.Call(t.Context(), Call{Plugin: "http", Export: export, Input: []byte("{" + test.input + "}"), Connection: &egress.Connection{ID: "x", BaseURL: server.URL}})
			if test.code == "" {
				if failure != nil || !strings.Contains(string(output), test.output) {
					t.Errorf("got %.300s, %v; want %s", output, failure, test.output)
				}
				return
			}
			if failure == nil || failure.Code != test.code || failure.Retryable != test.retryable || !strings.Contains(failure.Message, test.text) {
				t.Fatalf("got %.300s, %+v", output, failure)
			}
			if after := failure.RetryAfterMillis; after < test.after[0] || after > test.after[1] {
				t.Errorf("to be repeated after %d ms, want %v", after, test.after)
			}
		})
	}
}
