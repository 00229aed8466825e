package host_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/trama-run/trama/host"
	"github.com/trama-run/trama/host/admin"
	"github.com/trama-run/trama/host/workspace"
)

// patience is how long a test waits for something that must come.
// startPatience is that for a start, which compiles plugins that this machine
// has not seen.
const (
	patience      = time.Minute
	startPatience = 5 * time.Minute
)

// installation is a workspace in a temporary directory and, once started, the
// host that serves it.
type installation struct {
	t       testing.TB
	dir     string
	data    string
	secrets map[string]string
	bundled []string
	log     *logBuffer

	host   *host.Host
	stop   func()
	client *http.Client
}

// install makes a workspace of files. Plugins are those of build/plugins that
// it shall have, as the bundled ones; other files of plugins stand in files.
func install(t testing.TB, plugins []string, files map[string]string) *installation {
	t.Helper()
	dir := t.TempDir()
	i := &installation{
		t: t, dir: dir, data: filepath.Join(dir, "data"), secrets: map[string]string{}, log: &logBuffer{},
		client: &http.Client{Timeout: patience, Transport: &http.Transport{MaxIdleConnsPerHost: 64}},
	}
	t.Cleanup(i.client.CloseIdleConnections)
	t.Cleanup(i.close)
	for _, name := range plugins {
		wasm := built(t, name)
		i.bundled = append(i.bundled, sha(wasm))
		i.write("bundled/"+name+".wasm", string(wasm))
	}
	for name, text := range files {
		i.write(name, text)
	}
	return i
}

// serve is install and start.
func serve(t testing.TB, plugins []string, files map[string]string) *installation {
	t.Helper()
	i := install(t, plugins, files)
	i.start()
	return i
}

// built reads a plugin that make has built.
func built(t testing.TB, name string) []byte {
	t.Helper()
	wasm, err := os.ReadFile(filepath.Join("..", "build", "plugins", name+".wasm"))
	if err != nil {
		t.Fatalf("%v: run make build first", err)
	}
	return wasm
}

// guest builds one of testdata's plugins, each once in a process.
func guest(t testing.TB, name, version string) string {
	t.Helper()
	building.Lock()
	defer building.Unlock()
	out := filepath.Join(cacheDir(t), "guests", name+"-"+version+".wasm")
	if !builtGuests[out] {
		temp := fmt.Sprintf("%s.%d", out, os.Getpid())
		cmd := exec.Command("go", "build", "-buildmode=c-shared", "-trimpath", "-ldflags", "-s -w -X main.version="+version, "-o", temp, "./testdata/"+name)
		cmd.Env = append(cmd.Environ(), "GOOS=wasip1", "GOARCH=wasm")
		if text, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("build %s: %v\n%s", name, err, text)
		}
		if err := os.Rename(temp, out); err != nil {
			t.Fatal(err)
		}
		builtGuests[out] = true
	}
	wasm, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return string(wasm)
}

var (
	building    sync.Mutex
	builtGuests = map[string]bool{} // guarded by building
)

// sandboxGuest reads a guest of the sandbox's own tests.
func sandboxGuest(t testing.TB, name string) string {
	t.Helper()
	wasm, err := os.ReadFile(filepath.Join("sandbox", "testdata", name+".wasm"))
	if err != nil {
		t.Fatal(err)
	}
	return string(wasm)
}

// compiler is the built binary, as `make build` leaves it: the same compiler in
// this process takes ten times as long under the race detector.
func compiler(t testing.TB) []string {
	t.Helper()
	binary, err := filepath.Abs(filepath.Join("..", "build", "trama"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(binary); err != nil {
		t.Fatalf("%v: run make build first", err)
	}
	return []string{binary, "compile-module"}
}

// cacheDir is the directory of compiled code that all tests share.
func cacheDir(t testing.TB) string {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join("..", "build", "testcache"))
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func sha[T string | []byte](wasm T) string {
	sum := sha256.Sum256([]byte(wasm))
	return hex.EncodeToString(sum[:])
}

// write puts a file into the workspace, whole at once.
func (i *installation) write(name, text string) {
	i.t.Helper()
	path := filepath.Join(i.dir, filepath.FromSlash(name))
	if err := errors.Join(
		os.MkdirAll(filepath.Dir(path), 0o755),
		os.WriteFile(path+".new", []byte(text), 0o644),
		os.Rename(path+".new", path),
	); err != nil {
		i.t.Fatal(err)
	}
}

func (i *installation) remove(name string) {
	i.t.Helper()
	if err := os.Remove(filepath.Join(i.dir, filepath.FromSlash(name))); err != nil {
		i.t.Fatal(err)
	}
}

// config is what the host is started with. Both listeners take free ports.
func (i *installation) config() (host.Config, error) {
	s, err := workspace.ReadSettings(i.dir)
	if err != nil {
		return host.Config{}, err
	}
	s.Addr, s.AdminAddr = "127.0.0.1:0", "127.0.0.1:0"
	s.Data, s.Cache = i.data, cacheDir(i.t)
	s.Plugins = []string{filepath.Join(i.dir, "plugins"), filepath.Join(i.dir, "bundled")}
	var environ []string
	for name, value := range i.secrets {
		environ = append(environ, "TRAMA_SECRET_"+strings.ToUpper(name)+"="+value)
	}
	return host.Config{
		Workspace: i.dir, Settings: s, Environ: environ, Bundled: i.bundled,
		Compiler: compiler(i.t),
		Log:      slog.New(slog.NewTextHandler(i.log, nil)),
	}, nil
}

// start starts the host and waits until it is ready.
func (i *installation) start() {
	i.t.Helper()
	config, err := i.config()
	if err != nil {
		i.t.Fatal(err)
	}
	h, err := host.New(context.Background(), config)
	if err != nil {
		i.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- h.Run(ctx) }()
	i.host = h
	i.stop = func() {
		cancel()
		if err := errors.Join(<-ended, h.Close()); err != nil {
			i.t.Errorf("the host ended with: %v", err)
		}
		i.host, i.stop = nil, nil
	}
	i.within(startPatience, "the host to be ready", func() error {
		return i.admin("GET", "/readyz", "").want(200)
	})
}

// restart stops the host in order and starts it again.
func (i *installation) restart() {
	i.t.Helper()
	i.stop()
	i.start()
}

func (i *installation) close() {
	if i.stop != nil {
		i.stop()
	}
	if i.t.Failed() {
		text := i.log.String()
		i.t.Logf("the end of the host's log:\n%s", text[max(0, len(text)-8000):])
	}
}

// answer is an HTTP answer.
type answer struct {
	status int
	header http.Header
	body   string
	err    error
}

// want is an error if the status is another one.
func (a answer) want(status int) error {
	if a.err != nil || a.status != status {
		return fmt.Errorf("status %d, want %d: %s %v", a.status, status, a.body, a.err)
	}
	return nil
}

// run is the id of the run that answered.
func (a answer) run() string { return a.header.Get("Trama-Run") }

// call sends one request to the public listener; headers are pairs.
func (i *installation) call(method, path, body string, headers ...string) answer {
	return i.send(method, "http://"+i.host.Addr()+path, body, headers...)
}

// admin sends one request to the admin listener, with the token.
func (i *installation) admin(method, path, body string, headers ...string) answer {
	token, err := os.ReadFile(filepath.Join(i.data, admin.TokenFile))
	if err != nil {
		return answer{err: err}
	}
	return i.send(method, "http://"+i.host.AdminAddr()+path, body, append(headers, "Authorization", "Bearer "+strings.TrimSpace(string(token)))...)
}

func (i *installation) send(method, url, body string, headers ...string) (a answer) {
	request, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		return answer{err: err}
	}
	for n := 0; n < len(headers); n += 2 {
		request.Header.Set(headers[n], headers[n+1])
	}
	response, err := i.client.Do(request)
	if err != nil {
		return answer{err: err}
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return answer{response.StatusCode, response.Header, string(text), err}
}

// read reads a path of the admin API.
func read[T any](i *installation, path string) T {
	i.t.Helper()
	var value T
	a := i.admin("GET", path, "")
	if err := a.want(200); err != nil {
		i.t.Fatalf("GET %s: %v", path, err)
	}
	if err := json.Unmarshal([]byte(a.body), &value); err != nil {
		i.t.Fatalf("GET %s: %v: %s", path, err, a.body)
	}
	return value
}

// ended waits for the record of a run that is over.
func (i *installation) ended(id string) admin.RunDetail {
	i.t.Helper()
	var detail admin.RunDetail
	i.eventually("the end of run "+id, func() error {
		a := i.admin("GET", "/v1/runs/"+id, "")
		if err := a.want(200); err != nil {
			return err
		}
		detail = admin.RunDetail{}
		if err := json.Unmarshal([]byte(a.body), &detail); err != nil {
			return err
		}
		if detail.Status != "done" && detail.Status != "failed" {
			return fmt.Errorf("it is %s", detail.Status)
		}
		return nil
	})
	return detail
}

// finding waits until the doctor says something that has all these texts.
func (i *installation) finding(texts ...string) {
	i.t.Helper()
	i.eventually(fmt.Sprintf("the doctor to say %q", texts), func() error {
		findings := read[[]admin.Finding](i, "/v1/doctor")
		for _, f := range findings {
			if containsAll(fmt.Sprint(f), texts) {
				return nil
			}
		}
		return fmt.Errorf("it says %+v", findings)
	})
}

func containsAll(text string, parts []string) bool {
	for _, part := range parts {
		if !strings.Contains(text, part) {
			return false
		}
	}
	return true
}

// eventually asks until there is no error.
func (i *installation) eventually(what string, ask func() error) {
	i.t.Helper()
	i.within(patience, what, ask)
}

// within asks until there is no error, no longer than a while.
func (i *installation) within(a time.Duration, what string, ask func() error) {
	i.t.Helper()
	for deadline := time.Now().Add(a); ; time.Sleep(10 * time.Millisecond) {
		err := ask()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			i.t.Fatalf("waited %s for %s: %v", a, what, err)
		}
	}
}

// problem checks that an answer is a problem of RFC 9457 and returns its
// members.
func (i *installation) problem(a answer, status int, code string, texts ...string) map[string]any {
	i.t.Helper()
	var p map[string]any
	if a.err != nil {
		i.t.Fatal(a.err)
	}
	if err := json.Unmarshal([]byte(a.body), &p); err != nil {
		i.t.Fatalf("status %d, body %q: %v", a.status, a.body, err)
	}
	if a.status != status || p["status"] != float64(status) || p["code"] != code {
		i.t.Errorf("status %d, body %s: want %d and code %q", a.status, a.body, status, code)
	}
	if got := a.header.Get("Content-Type"); got != "application/problem+json" {
		i.t.Errorf("content type %q", got)
	}
	if id := p["request_id"]; id == "" || id == nil || id != a.header.Get("X-Request-Id") {
		i.t.Errorf("request id %v, in the header %q", id, a.header.Get("X-Request-Id"))
	}
	if _, ok := p["retry"].(bool); !ok || p["title"] == "" || p["detail"] == nil {
		i.t.Errorf("problem without title, detail or retry: %s", a.body)
	}
	if !containsAll(fmt.Sprint(p["detail"]), texts) {
		i.t.Errorf("detail %q does not name %q", p["detail"], texts)
	}
	return p
}

// logBuffer keeps what a host logs.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer // guarded by mu
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// join makes one set of files of several.
func join(sets ...map[string]string) map[string]string {
	all := map[string]string{}
	for _, s := range sets {
		maps.Copy(all, s)
	}
	return all
}
