package host_test

import (
	"encoding/json"
	"html"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestDocsInABrowser: a browser shows each route with its body and answers, as
// the page's code and policy let it.
func TestDocsInABrowser(t *testing.T) {
	browser, err := exec.LookPath("chromium")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("CI has no chromium: .ci/run installs it")
		}
		t.Skip("NOT TESTED: chromium is not installed here")
	}
	i := serve(t, nil, described)
	page, err := exec.CommandContext(t.Context(), browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--user-data-dir="+t.TempDir(),
		"--virtual-time-budget=5000", "--dump-dom", "http://"+i.host.Addr()+"/docs").Output()
	if err != nil {
		t.Fatal(err)
	}
	var document struct {
		Paths map[string]map[string]struct {
			Summary   string         `json:"summary"`
			Responses map[string]any `json:"responses"`
		} `json:"paths"`
	}
	if err := json.Unmarshal([]byte(i.call("GET", "/openapi.json", "").body), &document); err != nil {
		t.Fatal(err)
	}
	operations := 0
	for path, methods := range document.Paths {
		for method, operation := range methods {
			if operation.Responses == nil { // what the path's operations share
				continue
			}
			operations++
			for _, want := range []string{path, strings.ToUpper(method), html.EscapeString(operation.Summary)} {
				if !strings.Contains(string(page), want) {
					t.Errorf("%s %s: the page does not show %q", method, path, want)
				}
			}
		}
	}
	if operations < 5 || !strings.Contains(string(page), ">422<") || strings.Contains(string(page), "[object") || strings.Contains(string(page), "undefined") {
		t.Errorf("%d operations; the page is\n%.2000s", operations, page)
	}
}
