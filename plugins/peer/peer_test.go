//go:build peers

package peer_test

import (
	"io"
	"net/http"
	"testing"

	"github.com/trama-run/trama/plugins/peer"
)

func TestServer(t *testing.T) {
	var url string
	t.Run("runs", func(t *testing.T) {
		server := peer.Start(t, "testdata/echo.mjs", "GREETING=hello")
		url = server.URL
		answer, err := http.Get(url + "/x")
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		if err != nil || string(body) != "hello function /x" || server.Said != "to serve" {
			t.Errorf("it answered %q, %v; and said %q", body, err, server.Said)
		}
	})
	http.DefaultClient.CloseIdleConnections()
	if answer, err := http.Get(url); err == nil {
		answer.Body.Close()
		t.Error("the server outlived its test")
	}
}

func TestScripts(t *testing.T) {
	if got := string(peer.Run(t, "testdata/sum.cjs", "1", "2")); got != "function 1+2\n" {
		t.Errorf("it printed %q", got)
	}
	if got := string(peer.Run(t, "testdata/echo.py", "x")); got != "zeep x\n" {
		t.Errorf("it printed %q", got)
	}
}
