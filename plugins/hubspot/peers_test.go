//go:build peers

package main

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/trama-run/trama/plugins/hubspot/hubspottest"
	"github.com/trama-run/trama/plugins/peer"
)

// TestHubSpotsClient lets HubSpot's own client do what the plugin does: the stub
// must take what it sends, and answer what it reads.
func TestHubSpotsClient(t *testing.T) {
	stub, err := hubspottest.New()
	if err != nil {
		t.Fatal(err)
	}
	stub.Guard(t)
	server := httptest.NewServer(stub)
	defer server.Close()
	got := map[string]string{}
	for line := range strings.Lines(string(peer.Run(t, "testdata/client.mjs", server.URL, hubspottest.Token))) {
		name, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		got[name] = rest
	}
	for name, want := range map[string]string{
		"read": `"9007199254740993"`, "create": `"9007199254740995"`, "update": `"Site novo"`, "list": "1", "search": "1",
		"batchCreate": "1", "batchRead": `"9007199254740993"`, "batchUpdate": `"COMPLETE"`, "batchUpsert": "true",
		"associate": `"COMPLETE"`, "associations": "1", "dissociate": "null", "owners": `"Bia"`, "pipelines": `"default"`, "stages": "2",
		"batchArchive": "null", "archive": "null", "complete": "null", "conflict": "error 409 CONFLICT",
	} {
		if got[name] != want {
			t.Errorf("%s gave %s, want %s", name, got[name], want)
		}
	}
}
