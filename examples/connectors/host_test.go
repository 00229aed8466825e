package connectors_test

import (
	"bytes"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/trama-run/trama/examples/guide"
	"github.com/trama-run/trama/plugins/google_sheets/sheetstest"
	"github.com/trama-run/trama/plugins/hubspot/hubspottest"
	"github.com/trama-run/trama/plugins/rdstation/rdtest"
)

// sheetsToken is nobody's.
const sheetsToken = "ya29.invented-sheets-token"

// host is one that serves a copy of the workspace, with the stubs that its
// connections lead to.
type host struct {
	t             *testing.T
	dir           string
	public, admin string
	hubspot       *hubspottest.Stub
	rd            *rdtest.Stub
	sheets        *sheetstest.Sheets
	cmd           *exec.Cmd
	output        bytes.Buffer // what it logged
	told          bytes.Buffer // what it answered
}

func start(t *testing.T) *host {
	t.Helper()
	binary, err := filepath.Abs("../../build/trama")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(binary); err != nil {
		t.Fatalf("%v: run make build first", err)
	}
	h := &host{t: t, dir: t.TempDir(), public: guide.Address(t), admin: guide.Address(t)}
	if h.hubspot, err = hubspottest.New(); err != nil {
		t.Fatal(err)
	}
	if h.rd, err = rdtest.New(); err != nil {
		t.Fatal(err)
	}
	h.sheets = sheetstest.New(sheetsToken)
	h.sheets.Put("1InventedOrders", "Orders", []any{"order", "name", "state"}, []any{"F-1", "Ana", "paid"})
	h.sheets.Guard(t)
	h.hubspot.Guard(t)
	h.rd.Guard(t)
	hubspot, rd, sheets := httptest.NewServer(h.hubspot), httptest.NewServer(h.rd), httptest.NewServer(h.sheets)
	t.Cleanup(hubspot.Close)
	t.Cleanup(rd.Close)
	t.Cleanup(sheets.Close)
	build := filepath.Dir(binary)
	h.copy("127.0.0.1:8280", h.public, "127.0.0.1:8281", h.admin, "../../build", build,
		"https://api.hubapi.com", hubspot.URL, "https://crm.rdstation.com", rd.URL, "https://api.rd.services", rd.URL, `base_url: "https://sheets.googleapis.com"`, `base_url: "`+sheets.URL+`"`)
	h.cmd = exec.Command(binary, "serve", "-w", h.dir)
	h.cmd.Env = append(h.cmd.Environ(), "TRAMA_SECRET_HUBSPOT_TOKEN="+hubspottest.Token, "TRAMA_SECRET_RD_TOKEN="+rdtest.Token, "TRAMA_SECRET_RD_BEARER="+rdtest.Bearer, "TRAMA_SECRET_SHEETS_TOKEN="+sheetsToken)
	h.cmd.Stdout, h.cmd.Stderr = &h.output, &h.output
	if err := h.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		h.stop()
		if t.Failed() {
			t.Logf("%s", &h.output)
		}
	})
	for deadline := time.Now().Add(3 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
		if answer, err := http.Get("http://" + h.admin + "/readyz"); err == nil {
			answer.Body.Close()
			if answer.StatusCode == 200 {
				return h
			}
		}
		if time.Now().After(deadline) {
			t.Fatal("the host is not ready")
		}
	}
}

// copy copies the workspace, with other addresses.
func (h *host) copy(pairs ...string) {
	h.t.Helper()
	replace := strings.NewReplacer(pairs...)
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".yaml" {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		to := filepath.Join(h.dir, path)
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			return err
		}
		return os.WriteFile(to, []byte(replace.Replace(string(data))), 0o600)
	})
	if err != nil {
		h.t.Fatal(err)
	}
}

// ask sends a request to a route.
func (h *host) ask(method, path, body string) (int, string) {
	h.t.Helper()
	request, err := http.NewRequest(method, "http://"+h.public+"/api"+path, strings.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		h.t.Fatal(err)
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	h.told.Write(data)
	return response.StatusCode, string(data)
}

// traces keeps what the command line shows of all runs.
func (h *host) traces() {
	h.t.Helper()
	list, err := exec.Command("../../build/trama", "runs", "list", "-w", h.dir, "--limit", "200", "--json").Output()
	if err != nil {
		h.t.Fatal(err)
	}
	h.told.Write(list)
	for _, id := range ids(list) {
		shown, err := exec.Command("../../build/trama", "runs", "show", id, "-w", h.dir, "--json").Output()
		if err != nil {
			h.t.Fatalf("runs show %s: %v", id, err)
		}
		h.told.Write(shown)
	}
}

func (h *host) stop() {
	if h.cmd.ProcessState != nil {
		return
	}
	h.cmd.Process.Signal(os.Interrupt) //nolint:errcheck // it has ended
	h.cmd.Wait()                       //nolint:errcheck // so had it
}

// search looks for secrets in all that the host has left: answers, runs with
// their traces, logs, and the files of its store.
func (h *host) search(secrets ...string) {
	h.t.Helper()
	places := map[string][]byte{"the answers and runs": h.told.Bytes(), "the log": h.output.Bytes()}
	err := filepath.WalkDir(filepath.Join(h.dir, "data"), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		places[path], err = os.ReadFile(path)
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	if len(places) < 4 || !bytes.Contains(h.told.Bytes(), []byte("create_deal")) {
		h.t.Errorf("looked into %d places, and runs of create_deal are not among them", len(places))
	}
	for place, data := range places {
		for _, secret := range secrets {
			if bytes.Contains(data, []byte(secret)) {
				h.t.Errorf("%s has the secret %s", place, secret)
			}
		}
	}
}
