package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"trama": main, "request": request})
}

// request is a program of the scripts: METHOD URL [BODY] -> status and body.
func request() {
	body := strings.NewReader("")
	if len(os.Args) > 3 {
		body = strings.NewReader(os.Args[3])
	}
	q, err := http.NewRequest(os.Args[1], os.Args[2], body)
	if err == nil {
		q.Header.Set("Content-Type", "application/json")
		var answer *http.Response
		if answer, err = http.DefaultClient.Do(q); err == nil {
			defer answer.Body.Close()
			fmt.Println(answer.StatusCode)
			_, err = io.Copy(os.Stdout, answer.Body)
			fmt.Println()
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// TestScripts runs the command lines in testdata/script. Beside testscript's
// own, scripts have: until, take, request, $ADDR and $ADMIN (free addresses),
// $BUILD (what make built), $GUESTS (small modules) and the file trap.wasm.
func TestScripts(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			addr, adminAddr, err := freeAddresses()
			env.Setenv("ADDR", addr)
			env.Setenv("ADMIN", adminAddr)
			env.Setenv("BUILD", filepath.Join(root, "build"))
			env.Setenv("GUESTS", filepath.Join(root, "host", "sandbox", "testdata"))
			return errors.Join(err, os.WriteFile(filepath.Join(env.WorkDir, "trap.wasm"), []byte(trapModule), 0o600))
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"until": until, "take": take},
	})
}

// trapModule exports "receive" and "send", which trap.
const trapModule = "\x00asm\x01\x00\x00\x00" +
	"\x01\x05\x01\x60\x00\x01\x7f" + // one type: () -> i32
	"\x03\x02\x01\x00" + // one function of it
	"\x07\x12\x02\x07receive\x00\x00\x04send\x00\x00" + // exported twice
	"\x0a\x05\x01\x03\x00\x00\x0b" // no locals, unreachable, end

// freeAddresses gives two addresses on which nothing listens.
func freeAddresses() (string, string, error) {
	a, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", "", err
	}
	defer a.Close()
	b, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", "", err
	}
	defer b.Close()
	return a.Addr().String(), b.Addr().String(), nil
}

// until REGEXP PROGRAM ARGS... runs a program until it prints what the
// expression matches; its exit code does not matter.
func until(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: until REGEXP PROGRAM ARGS...")
	}
	want, err := regexp.Compile(args[0])
	ts.Check(err)
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		err := ts.Exec(args[1], args[2:]...)
		stdout := ts.ReadFile("stdout")
		if want.MatchString(stdout) {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%q never printed %q; last: %v\n%s\n%s", args[1:], args[0], err, stdout, ts.ReadFile("stderr"))
		}
	}
}

// take VARIABLE REGEXP sets a variable to what the expression's group finds in
// the last stdout.
func take(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: take VARIABLE REGEXP")
	}
	pattern, err := regexp.Compile(args[1])
	ts.Check(err)
	found := pattern.FindStringSubmatch(ts.ReadFile("stdout"))
	if len(found) != 2 {
		ts.Fatalf("%q finds %q", args[1], found)
	}
	ts.Setenv(args[0], found[1])
}

func TestExitCodes(t *testing.T) {
	empty := t.TempDir()
	for _, test := range []struct {
		args string
		code int
		err  string // part of stderr
	}{
		{"version", exitOK, ""},
		{"", exitOK, ""},
		{"runs", exitOK, ""},
		{"help runs list", exitOK, ""},
		{"flow schema --json", exitOK, ""},
		{"serv", exitUsage, `there is no command "serv" in "trama"; did you mean serve?`},
		{"runs lst", exitUsage, `there is no command "lst" in "trama runs"; did you mean list?`},
		{"runs list --flw x", exitUsage, "unknown flag: --flw"},
		{"runs list --limit many", exitUsage, "invalid argument"},
		{"runs show", exitUsage, "accepts 1 arg(s), received 0"},
		{"flow validate", exitUsage, "requires at least 1 arg(s)"},
		{"serve --log-format xml", exitUsage, `--log-format "xml": want text or json`},
		{"runs list --server ftp://x -w EMPTY", exitUsage, "want a URL such as http://127.0.0.1:8081"},
		{"serve -w EMPTY/none", exitFailed, "no such directory"},
		{"runs list -w EMPTY/none", exitFailed, "no such directory"},
		{"runs list -w EMPTY --server 127.0.0.1:1", exitFailed, "no server answers at http://127.0.0.1:1: start one with: trama serve -w EMPTY"},
		{"doctor -w EMPTY --server 127.0.0.1:1", exitFailed, ""},
		{"apply EMPTY", exitFailed, "has no files of a workspace"},
		{"flow validate EMPTY/none.yaml", exitFailed, "no such file"},
		{"plugin inspect EMPTY/none.wasm", exitFailed, "no such file"},
		{"compile-module", exitUsage, "not for use by hand"},
	} {
		t.Run(test.args, func(t *testing.T) {
			args := strings.Fields(strings.ReplaceAll(test.args, "EMPTY", empty))
			var stdout, stderr bytes.Buffer
			if code := run(args, strings.NewReader(""), &stdout, &stderr, nil); code != test.code {
				t.Errorf("exit code %d, want %d", code, test.code)
			}
			if want := strings.ReplaceAll(test.err, "EMPTY", empty); !strings.Contains(stderr.String(), want) {
				t.Errorf("stderr:\n%swant in it: %s", &stderr, want)
			}
			if stderr.Len() > 0 && test.code == exitOK {
				t.Errorf("stderr: %s", &stderr)
			}
		})
	}
}
