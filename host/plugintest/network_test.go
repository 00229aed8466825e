package plugintest_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/trama-run/trama/host/plugintest"
	"github.com/trama-run/trama/pdk/abi"
)

// TestNetwork: with a connection's URL, requests go there and nowhere else; what
// came of them is kept, and can be recorded.
func TestNetwork(t *testing.T) {
	reached := 0
	server := func() *httptest.Server {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			reached++
			w.Header().Set("Set-Cookie", "session=1")
			w.WriteHeader(http.StatusCreated)
			fmt.Fprintf(w, "%s %s", r.Method, r.URL)
		}))
		t.Cleanup(s.Close)
		return s
	}
	here, other := server(), server()
	path := filepath.Join(t.TempDir(), "guest.wasm")
	if err := copyFile("../sandbox/testdata/portable.wasm", path); err != nil {
		t.Fatal(err)
	}
	manifest := head + "capabilities: {egress: [connection]}\noperations: [{name: http, effect: pure}]\n"
	if err := os.WriteFile(strings.TrimSuffix(path, ".wasm")+".yaml", []byte(manifest), 0o644); err != nil {
		t.Fatal(err)
	}
	p, err := plugintest.Open(t.Context(), plugintest.Config{Sandbox: openSandbox(t), Network: here.URL + "/v1"}, path)
	if err != nil {
		t.Fatal(err)
	}
	out, err := p.Call(t.Context(), plugintest.Call{Export: "http", Input: []byte(`{"url":"/a?b=c"}`)})
	if err != nil || out.Error != nil || !strings.Contains(string(out.Output), "GET /v1/a?b=c") || reached != 1 {
		t.Fatalf("%s, %v, %v; %d requests came", out.Output, out.Error, err, reached)
	}
	if x := out.Requests; len(x) != 1 || x[0].Request.URL != "/a?b=c" || x[0].Response.Status != 201 || x[0].Response.Body != "GET /v1/a?b=c" {
		t.Errorf("kept are %+v", x)
	}
	text := `{"url":"/a?b=c"}`
	c := plugintest.Recorded(plugintest.Case{Name: "seen", Operation: "http", InputText: &text}, out)
	if c.HTTP[0].Response.Status != 201 {
		t.Errorf("recorded is %+v", c.HTTP[0].Response)
	}
	// The record passes where nothing is reached, but for what the host itself
	// writes, which this guest prints.
	c.OutputText, c.OutputBase64 = nil, nil
	alone := open(t, path)
	if again, err := alone.CallOf(c); err != nil {
		t.Error(err)
	} else if out, err := alone.Call(t.Context(), again); err != nil || out.Error != nil || len(out.Unexpected) > 0 || !strings.Contains(string(out.Output), "GET /v1/a?b=c") {
		t.Errorf("%s, %v, %v, %v", out.Output, out.Error, out.Unexpected, err)
	}
	if out.Cut {
		t.Error("a short body is cut")
	}
	long := `{"url":"/` + strings.Repeat("a", 20<<10) + `"}`
	if out, err := p.Call(t.Context(), plugintest.Call{Export: "http", Input: []byte(long)}); err != nil || !out.Cut {
		t.Errorf("a long body is whole: %v, %v", out.Error, err)
	}
	reached = 1
	out, err = p.Call(t.Context(), plugintest.Call{Export: "http", Input: []byte(`{"url":"` + other.URL + `/a"}`)})
	if err != nil || out.Error == nil || out.Error.Code != abi.CodeDenied || reached != 1 {
		t.Errorf("another server: %s, %v, %v; %d requests came", out.Output, out.Error, err, reached)
	}
	for _, wrong := range []string{"ftp://a.example", "a.example", here.URL + "/?q"} {
		if _, err := plugintest.Open(t.Context(), plugintest.Config{Sandbox: openSandbox(t), Network: wrong}, path); err == nil || !strings.Contains(err.Error(), "base_url") {
			t.Errorf("%s: %v", wrong, err)
		}
	}
}

// TestRecordHides: a case that is kept in a file has nothing in it with the name
// of a secret, nor what the plugin made of that, and passes.
func TestRecordHides(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Set-Cookie", "session=hidden1")
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Link", "https://a.example/?access_token=hidden5")
		fmt.Fprint(w, `{"id": 7, "access_token": "hidden2", "next": "https://a.example/?access_token=hidden6"}`)
	}))
	defer server.Close()
	path := filepath.Join(t.TempDir(), "guest.wasm")
	if err := copyFile("../sandbox/testdata/portable.wasm", path); err != nil {
		t.Fatal(err)
	}
	manifest := head + "capabilities: {egress: [connection]}\noperations: [{name: http, effect: pure}]\n"
	if err := os.WriteFile(strings.TrimSuffix(path, ".wasm")+".yaml", []byte(manifest), 0o644); err != nil {
		t.Fatal(err)
	}
	p, err := plugintest.Open(t.Context(), plugintest.Config{Sandbox: openSandbox(t), Network: server.URL}, path)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ name, input string }{
		{"a header", `{"url":"/a","headers":{"X-Api-Key":"hidden3"}}`},
		{"a query", `{"url":"/a","api_key":"hidden3"}`},
		{"no server", `{"url":"https://none.example/a"}`},
		{"a URL", `{"url":"/a","callback":"https://a:hidden7@b.example/c?token=hidden8"}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := plugintest.Case{Name: "seen", Operation: "http", InputText: &test.input, Config: map[string]string{"password": "hidden4"}}
			out, err := p.Call(t.Context(), plugintest.Call{Export: "http", Input: []byte(test.input)})
			if err != nil {
				t.Fatal(err)
			}
			if c, err = p.Record(t.Context(), c, out); err != nil {
				t.Fatal(err)
			}
			file, err := plugintest.Add("c.yaml", nil, c)
			if err != nil || strings.Contains(string(file), "hidden") {
				t.Errorf("%v\n%s", err, file)
			}
			alone := open(t, path)
			cases, problems := plugintest.Parse("c.yaml", file, alone.Manifest)
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			run(t, alone, cases)
		})
	}
	input := `{"url":"/a"}`
	alone := open(t, path)
	for _, test := range []struct {
		answers []plugintest.Exchange
		want    string
	}{
		{nil, "not every request had its answer"},
		{[]plugintest.Exchange{{Failure: plugintest.FailureTimeout}}, ""},
	} {
		out, err := alone.Call(t.Context(), plugintest.Call{Export: "http", Input: []byte(input), HTTP: test.answers})
		if err != nil {
			t.Fatal(err)
		}
		c, err := alone.Record(t.Context(), plugintest.Case{Name: "seen", Operation: "http", InputText: &input}, out)
		if test.want != "" {
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("recorded without an answer: %v", err)
			}
			continue
		}
		if err != nil || c.HTTP[0].Failure != plugintest.FailureTimeout {
			t.Fatalf("%+v, %v", c.HTTP, err)
		}
		run(t, alone, []plugintest.Case{c})
	}
}
