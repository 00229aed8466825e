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
	"syscall"
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

// TestRun starts `run`, pastes the curl lines that it prints, waits for what
// they lead to, and interrupts it.
func TestRun(t *testing.T) {
	for _, addr := range []string{"127.0.0.1:8080", "127.0.0.1:8081", "127.0.0.1:8090", "127.0.0.1:8091"} {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			t.Fatalf("the quickstart's ports must be free for this test: %v", err)
		}
		l.Close()
	}
	if _, err := exec.LookPath("curl"); err != nil {
		t.Fatalf("the lines are for curl: %v", err)
	}
	cmd := exec.Command(program(t), "run")
	var log bytes.Buffer
	cmd.Stderr = &log
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	hang := time.AfterFunc(5*time.Minute, func() { cmd.Process.Signal(syscall.SIGTERM) }) //nolint:errcheck // it may be gone
	defer hang.Stop()
	lines := bufio.NewScanner(stdout)
	await := func(what string) string {
		t.Helper()
		pattern := regexp.MustCompile(what)
		for lines.Scan() {
			t.Log(lines.Text())
			if pattern.MatchString(lines.Text()) {
				return strings.TrimSpace(lines.Text())
			}
		}
		t.Fatalf("run ended before it printed %q:\n%s", what, &log)
		return ""
	}
	paste := func(line, want string) {
		t.Helper()
		out, err := exec.Command("sh", "-c", line).CombinedOutput()
		if err != nil || !strings.Contains(string(out), want) {
			t.Errorf("%s\n gives %s (%v), want %s", line, out, err, want)
		}
	}
	order, hello, name := await(`^ +curl .*api/orders$`), await(`^ +curl .*hooks/wa$`), await(`^ +curl .*hooks/wa$`)
	await("Ctrl-C")
	paste(order, `"total":39.8`)
	paste(hello, "ok")
	await("What is your name")
	paste(name, "ok")
	await("Nice to meet you, Ana Clara")
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	io.Copy(io.Discard, stdout) //nolint:errcheck // Wait tells
	if err := cmd.Wait(); err != nil {
		t.Errorf("after Ctrl-C: %v\n%s", err, &log)
	}
}
