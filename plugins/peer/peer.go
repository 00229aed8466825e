// Package peer runs other people's programs in tests: a server that a plugin
// talks to, or a vendor's own client that talks to one of our servers. The
// programs are what make test-peers installs from npm and Debian (.ci/peers);
// what starts them is a script beside the test, in JavaScript or Python.
//
// Tests that use it are in files with the build tag "peers". It knows nothing
// of plugins, nor of any of the programs.
package peer

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Patience is how long a peer has to become ready, and how long one that runs
// to its end may take.
const Patience = time.Minute

// Server is a script that runs until the test is over.
type Server struct {
	// URL is http://127.0.0.1 and the port that the script was told.
	URL string
	// Said is what the script printed after "ready": what the test must know
	// of it, such as a key.
	Said string
}

// Start runs script, a path from the test's directory that ends in .mjs, .cjs
// or .py. The script listens at 127.0.0.1 and the port in the variable PORT,
// and then prints a line that is "ready", with what the test must know behind.
// Env is added to its environment, each as NAME=value.
func Start(t testing.TB, script string, env ...string) Server {
	t.Helper()
	port := free(t)
	cmd, said := command(t, context.Background(), script, append(env, "PORT="+port))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("starting %s: %v; run make test-peers", script, err)
	}
	ready, ended := make(chan string, 1), make(chan error, 1)
	go func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			word, rest, _ := strings.Cut(lines.Text(), " ")
			if word == "ready" && len(ready) == 0 {
				ready <- rest
			}
		}
		ended <- cmd.Wait()
	}()
	t.Cleanup(func() {
		if err := cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			t.Error(err)
		}
		<-ended
		if t.Failed() {
			t.Logf("%s wrote:\n%s", script, said)
		}
	})
	select {
	case rest := <-ready:
		return Server{URL: "http://127.0.0.1:" + port, Said: rest}
	case err := <-ended:
		ended <- err
		t.Fatalf("%s ended before it was ready: %v", script, err)
	case <-time.After(Patience):
		t.Fatalf("%s is not ready after %v", script, Patience)
	}
	return Server{}
}

// Run runs script to its end, with args, and gives what it printed. It fails
// the test if the script does.
func Run(t testing.TB, script string, args ...string) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	defer cancel()
	cmd, said := command(t, ctx, script, nil, args...)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", script, err, said)
	}
	return out
}

// command makes the command of a script, which ends with its standard input.
// The second result holds its errors when it has ended.
func command(t testing.TB, ctx context.Context, script string, env []string, args ...string) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	peers := directory(t)
	// Node looks for modules from where the script is.
	dir, err := os.MkdirTemp(peers, "script-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	source, err := os.ReadFile(script)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, filepath.Base(script))
	program, watch := "", ""
	switch filepath.Ext(script) {
	case ".mjs", ".cjs":
		program = filepath.Join(peers, "node_modules", ".bin", "node")
		watch = "process.stdin.on('end', () => process.exit(1)).resume().unref?.(); "
	case ".py": // Debian's, which has Debian's modules
		program = "/usr/bin/python3"
		watch = "import os, sys, threading; threading.Thread(target=lambda: (sys.stdin.read(), os._exit(1)), daemon=True).start(); "
	default:
		t.Fatalf("%s ends in neither .mjs, .cjs nor .py", script)
	}
	if err := os.WriteFile(path, append([]byte(watch), source...), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, program, append([]string{path}, args...)...)
	cmd.Env = append(append(cmd.Environ(), "PYTHONUNBUFFERED=1"), env...)
	cmd.WaitDelay = time.Second
	// Open as long as this process is there: however it ends, so does the script.
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	said := &bytes.Buffer{}
	cmd.Stderr = said
	return cmd, said
}

// directory is build/peers of this repository.
func directory(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("no go.mod above the test's directory")
		}
		dir = filepath.Dir(dir)
	}
	peers := filepath.Join(dir, "build", "peers")
	if _, err := os.Stat(filepath.Join(peers, "node_modules")); err != nil {
		t.Fatalf("the peers are not installed: %v; run make test-peers", err)
	}
	return peers
}

// free gives a port of 127.0.0.1 that nobody listens at.
func free(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return fmt.Sprint(l.Addr().(*net.TCPAddr).Port)
}
