package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/trama-run/trama/cmd/trama/internal/cli"
	"github.com/trama-run/trama/host/admin"
)

// TestExport: an export asks for pages, not for contacts, and of those that
// become one between two pages none is lost or there twice.
func TestExport(t *testing.T) {
	dir, spool := t.TempDir(), t.TempDir()
	channels := "- {id: shop, adapter: apichat, secrets: {api_key: a, flow_key: b, secret: c}}\n"
	if err := os.WriteFile(filepath.Join(dir, "channels.yaml"), []byte(channels), 0o600); err != nil {
		t.Fatal(err)
	}
	server := startServer(t, dir)
	token, err := os.ReadFile(filepath.Join(dir, "data", admin.TokenFile))
	if err != nil {
		t.Fatal(err)
	}
	trama := func(base string, args ...string) string {
		t.Helper()
		var out, wrong bytes.Buffer
		if code := run(append(args, "--server", base, "--token", strings.TrimSpace(string(token))), strings.NewReader(""), &out, &wrong, nil); code != cli.ExitOK {
			t.Fatalf("%s: exit code %d: %s", args, code, &wrong)
		}
		return out.String()
	}
	const many = 600
	var file strings.Builder
	fmt.Fprintln(&file, "contact,tags,var.n")
	for n := range many {
		fmt.Fprintf(&file, "shop/p:%04d,all,%d\n", n, n)
	}
	path := filepath.Join(dir, "people.csv")
	if err := os.WriteFile(path, []byte(file.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	trama(server.admin, "contact", "import", path)

	t.Setenv("TMPDIR", spool)
	var asked atomic.Int32
	between := func() {} // is called behind the first page
	target, err := url.Parse(server.admin)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		proxy.ServeHTTP(w, q)
		if asked.Add(1) == 1 {
			between()
		}
	}))
	defer front.Close()

	between = func() {
		trama(server.admin, "contact", "merge", "--yes", "shop/p:0001", "shop/p:0550") // which is not listed any more
		trama(server.admin, "contact", "merge", "--yes", "shop/p:0560", "shop/p:0002") // which was
		trama(server.admin, "contact", "erase", "shop/p:0499", "--yes")                // behind which the next page begins
	}
	out := trama(front.URL, "contact", "export", "--tag", "all")
	if n := asked.Load(); n > 6 {
		t.Errorf("%d requests for %d contacts", n, many)
	}
	rows, err := csv.NewReader(strings.NewReader(out)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"contact", "also", "name", "language", "opt_in", "tags", "var.n"}; !slices.Equal(rows[0], want) {
		t.Fatalf("columns %q, want %q", rows[0], want)
	}
	at := map[string]int{} // rows in which an address stands
	for _, row := range rows[1:] {
		for _, key := range append(strings.Split(row[1], ","), row[0]) {
			at[key]++
		}
	}
	for n := range many {
		if key := fmt.Sprintf("shop/p:%04d", n); at[key] != 1 && n != 499 {
			t.Errorf("%s is in %d rows", key, at[key])
		}
	}
	for _, want := range [][]string{{"shop/p:0001", "shop/p:0550", "", "", "", "all", "1"}, {"shop/p:0560", "shop/p:0002", "", "", "", "all", "560"}, {"shop/p:0003", "", "", "", "", "all", "3"}} {
		if !slices.ContainsFunc(rows, func(row []string) bool { return slices.Equal(row, want) }) {
			t.Errorf("no row %q", want)
		}
	}

	var all []admin.ContactInfo
	decoder := json.NewDecoder(strings.NewReader(trama(front.URL, "contact", "export", "--json")))
	if err := decoder.Decode(&all); err != nil || len(all) != many-3 || all[0].Variables["n"] != "0" {
		t.Errorf("%d contacts as JSON, %v", len(all), err)
	}
	if rest, err := io.ReadAll(decoder.Buffered()); err != nil || strings.TrimSpace(string(rest)) != "" {
		t.Errorf("behind the JSON: %q, %v", rest, err)
	}
	if none := trama(front.URL, "contact", "export", "--json", "--tag", "none"); none != "[]\n" {
		t.Errorf("no contacts: %q", none)
	}
	typed := "contact,also,name,language,opt_in,tags,var.code,json.code,json.total\nshop/p:9000,,,,,typed,007,,\"[9007199254740993,true]\"\nshop/p:9001,,,,,typed,,7,\n"
	if err := os.WriteFile(path, []byte(typed), 0o600); err != nil {
		t.Fatal(err)
	}
	trama(server.admin, "contact", "import", path)
	if again := trama(server.admin, "contact", "export", "--tag", "typed"); again != typed {
		t.Errorf("%s came out as %s", typed, again)
	}
	if left, err := os.ReadDir(spool); err != nil || len(left) > 0 {
		t.Errorf("left behind: %q, %v", left, err)
	}
}
