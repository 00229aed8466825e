package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/trama-run/trama/cmd/trama/internal/cli"
)

// TestObjectAnswers: what commands make of what a server answers.
func TestObjectAnswers(t *testing.T) {
	var sent string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.Method == "PUT" {
			body, _ := io.ReadAll(q.Body)
			sent = string(body)
		}
		answer := map[string]string{
			"/v1/routes/GET /a": `{"name":"GET /a","origin":{"origin":"api"},"policy":"only client erp","value":{"method":"GET"}}`,
			"/v1/clients/erp":   `{"name":"erp","rate":"100/1m","quota":"5/1d"}`,
		}[q.URL.Path]
		if answer == "" {
			t.Errorf("%s %s", q.Method, q.URL.Path)
		}
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, answer)
	}))
	defer server.Close()
	for _, c := range []struct{ args, out, sent string }{
		{"route show GET /a", "who may call  only client erp", ""},
		{"client change erp --rate none", "client erp is changed", `"quota":"5/1d"`},
	} {
		var stdout, stderr bytes.Buffer
		args := append(strings.Fields(c.args), "--server", server.URL, "--token", "x")
		if code := run(args, strings.NewReader(""), &stdout, &stderr, nil); code != cli.ExitOK || !strings.Contains(stdout.String(), c.out) {
			t.Errorf("%s: %d\n%s%s", c.args, code, &stdout, &stderr)
		}
		if !strings.Contains(sent, c.sent) || c.sent != "" && strings.Contains(sent, `"rate"`) {
			t.Errorf("%s: sent %s", c.args, sent)
		}
	}
}
