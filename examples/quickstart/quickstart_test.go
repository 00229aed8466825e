// Package quickstart_test plays the demo on the built binary, and `make run`
// as a newcomer would.
package quickstart_test

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// program builds the quickstart program.
func program(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"trama", "plugins/xml.wasm", "plugins/javascript.wasm", "plugins/soap.wasm", "plugins/jwt.wasm", "plugins/whatsapp.wasm"} {
		if _, err := os.Stat(filepath.Join("../../build", name)); err != nil {
			t.Fatalf("%v: run make build first", err)
		}
	}
	for _, dir := range []string{".", "flows", "cmd/quickstart", "standin"} {
		if _, err := os.ReadDir(dir); err != nil { // so that a change there makes go test forget its cached result
			t.Fatal(err)
		}
	}
	path := filepath.Join(t.TempDir(), "quickstart")
	if out, err := exec.Command("go", "build", "-o", path, "./cmd/quickstart").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return path
}

func TestDemo(t *testing.T) {
	out, err := exec.Command(program(t), "demo").CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(out), "\n   ok: "); n < 20 {
		t.Errorf("%d checks, want at least 20", n)
	}
	if strings.Contains(string(out), "WRONG") {
		t.Error("a wrong answer did not fail the demo")
	}
}

// checkout makes a directory like the repository after a fresh clone and
// `make build`, so that neither the data nor the plugins that someone put into
// the workspace count, and returns it.
func checkout(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	link := func(name string) {
		from, err := filepath.Abs(filepath.Join("../..", name))
		if err == nil {
			err = os.Symlink(from, filepath.Join(root, name))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"build", "cmd", "host", "pdk", "plugins", "Makefile", "go.mod", "go.sum"} {
		link(name)
	}
	workspace := filepath.Join(root, "examples", "quickstart")
	for _, dir := range []string{"flows", "messages", "orders"} {
		if err := os.CopyFS(filepath.Join(workspace, dir), os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
	}
	files, err := filepath.Glob("*.yaml")
	if err != nil || len(files) < 5 {
		t.Fatalf("the workspace's files are %q (%v), want at least 5", files, err)
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err == nil {
			err = os.WriteFile(filepath.Join(workspace, name), data, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(workspace, "plugins"), 0o755); err != nil {
		t.Fatal(err)
	}
	return root
}

// running is what `make run` starts, in a checkout.
type running struct {
	root   string
	cmd    *exec.Cmd
	stdout io.Reader
	lines  *bufio.Scanner // of stdout
	log    bytes.Buffer   // of stderr; complete once cmd has ended
}

func start(t *testing.T) *running {
	t.Helper()
	for _, addr := range []string{"127.0.0.1:8080", "127.0.0.1:8081", "127.0.0.1:8090", "127.0.0.1:8091"} {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			t.Fatalf("the quickstart's ports must be free for this test: %v", err)
		}
		l.Close()
	}
	r := &running{root: checkout(t), cmd: exec.Command(program(t), "run")}
	r.cmd.Dir, r.cmd.Stderr = r.root, &r.log
	stdout, err := r.cmd.StdoutPipe()
	if err == nil {
		err = r.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	r.stdout, r.lines = stdout, bufio.NewScanner(stdout)
	hang := time.AfterFunc(5*time.Minute, r.interrupt)
	t.Cleanup(func() {
		hang.Stop()
		r.stop(t)
	})
	return r
}

func (r *running) interrupt() { r.cmd.Process.Signal(os.Interrupt) } //nolint:errcheck // it may be gone

// await reads lines until one matches what, and returns it.
func (r *running) await(t *testing.T, what string) string {
	t.Helper()
	pattern := regexp.MustCompile(what)
	for r.lines.Scan() {
		t.Log(r.lines.Text())
		if pattern.MatchString(r.lines.Text()) {
			return strings.TrimSpace(r.lines.Text())
		}
	}
	r.cmd.Wait() //nolint:errcheck // what it wrote tells
	t.Fatalf("run ended before it printed %q:\n%s", what, &r.log)
	return ""
}

// shell runs a line as someone does who pastes it at the root of the
// repository; it must succeed.
func (r *running) shell(t *testing.T, line string) string {
	t.Helper()
	cmd := exec.Command("sh", "-c", line)
	cmd.Dir = r.root
	out, err := cmd.CombinedOutput()
	t.Logf("$ %s\n%s", line, out)
	if err != nil {
		t.Errorf("%s: %v", line, err)
	}
	return string(out)
}

// stop is Ctrl-C. A second one does nothing.
func (r *running) stop(t *testing.T) {
	t.Helper()
	if r.cmd.ProcessState != nil {
		return
	}
	r.interrupt()
	io.Copy(io.Discard, r.stdout) //nolint:errcheck // Wait tells
	if err := r.cmd.Wait(); err != nil {
		t.Errorf("after Ctrl-C: %v\n%s", err, &r.log)
	}
}

// TestRun pastes the curl lines that `make run` prints, waits for what they
// lead to, and interrupts it.
func TestRun(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Fatalf("the lines are for curl: %v", err)
	}
	r := start(t)
	paste := func(line, want string) {
		t.Helper()
		if out := r.shell(t, line); !strings.Contains(out, want) {
			t.Errorf("%s\n gives %s, want %s", line, out, want)
		}
	}
	order, hello, name := r.await(t, `^ +curl .*api/orders$`), r.await(t, `^ +curl .*hooks/wa$`), r.await(t, `^ +curl .*hooks/wa$`)
	look := strings.TrimSpace(strings.TrimPrefix(r.await(t, "^Look at what ran:"), "Look at what ran:"))
	r.await(t, "Ctrl-C")
	paste(order, `"total":39.8`)
	paste(hello, "ok")
	r.await(t, "What is your name")
	paste(name, "ok")
	r.await(t, "Nice to meet you, Ana Clara")
	paste(look, "order-intake")
	r.stop(t)
}
