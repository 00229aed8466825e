package main

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/trama-run/trama/cmd/trama/internal/cli"
	"github.com/trama-run/trama/examples/guide"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"trama": trama, "request": request})
}

// trama is the program of the scripts: its server is the one under test, under
// the race detector if the tests are. All else, what the server starts as a
// compiler too, is the built binary, which takes a tenth of the time.
func trama() {
	if len(os.Args) > 1 && os.Args[1] != "serve" {
		_, here, _, _ := runtime.Caller(0)
		binary := filepath.Join(filepath.Dir(here), "..", "..", "build", "trama")
		err := syscall.Exec(binary, append([]string{binary}, os.Args[1:]...), os.Environ())
		fmt.Fprintf(os.Stderr, "%v: run make build first\n", err)
		os.Exit(1)
	}
	main()
}

// TestBuilt: what the scripts call is what stands in the sources.
func TestBuilt(t *testing.T) {
	built, err := os.Stat("../../build/trama")
	if err != nil {
		t.Fatalf("%v: run make build first", err)
	}
	for _, room := range []string{".", "../../host", "../../pdk"} {
		err := filepath.WalkDir(room, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			if info, err := d.Info(); err != nil || info.ModTime().After(built.ModTime()) {
				t.Fatalf("%s has changed since build/trama was built (%v): run make build first", path, err)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// request is a program of the scripts: METHOD URL [BODY [HEADER: VALUE]...] ->
// status and body.
func request() {
	body := strings.NewReader("")
	if len(os.Args) > 3 {
		body = strings.NewReader(os.Args[3])
	}
	q, err := http.NewRequest(os.Args[1], os.Args[2], body)
	if err == nil {
		q.Header.Set("Content-Type", "application/json")
		for _, header := range os.Args[min(len(os.Args), 4):] {
			name, value, _ := strings.Cut(header, ": ")
			q.Header.Set(name, value)
		}
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
			env.Setenv("ADDR", guide.Address(t))
			env.Setenv("ADMIN", guide.Address(t))
			env.Setenv("BUILD", filepath.Join(root, "build"))
			env.Setenv("GUESTS", filepath.Join(root, "host", "sandbox", "testdata"))
			return os.WriteFile(filepath.Join(env.WorkDir, "trap.wasm"), []byte(trapModule), 0o600)
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

// until REGEXP PROGRAM ARGS... runs a program until it prints what the
// expression matches; its exit code does not matter.
func until(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: until REGEXP PROGRAM ARGS...")
	}
	want, err := regexp.Compile(args[0])
	ts.Check(err)
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(100 * time.Millisecond) {
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
		{"version", cli.ExitOK, ""},
		{"", cli.ExitOK, ""},
		{"runs", cli.ExitOK, ""},
		{"help runs list", cli.ExitOK, ""},
		{"flow schema --json", cli.ExitOK, ""},
		{"serv", cli.ExitUsage, `there is no command "serv" in "trama"; did you mean serve?`},
		{"runs lst", cli.ExitUsage, `there is no command "lst" in "trama runs"; did you mean list?`},
		{"runs list --flw x", cli.ExitUsage, "unknown flag: --flw"},
		{"runs list --limit many", cli.ExitUsage, "invalid argument"},
		{"--json runs list --flw x", cli.ExitUsage, `{"detail":"unknown flag: --flw; see: trama runs list --help"}`},
		{"runs list --flw x --json", cli.ExitUsage, `{"detail":"unknown flag: --flw; see: trama runs list --help"}`},
		{"token create ci --expires soon --json", cli.ExitUsage, `{"detail":"--expires`},
		{"runs show a -- --json", cli.ExitUsage, "trama: \"--json\" is one argument too many"},
		{"runs show", cli.ExitUsage, "ID is missing: want trama runs show ID"},
		{"client show", cli.ExitUsage, "NAME is missing: want trama client show NAME"},
		{"client show a b", cli.ExitUsage, `"b" is one argument too many: want trama client show NAME`},
		{"client list a", cli.ExitUsage, `"a" is one argument too many: want trama client list`},
		{"route set a", cli.ExitUsage, `"a" is one argument too many: want trama route set [-f FILE]`},
		{"route show", cli.ExitUsage, "METHOD and PATH are missing: want trama route show METHOD PATH"},
		{"flow validate", cli.ExitUsage, "is missing: want trama flow validate"},
		{"serve --log-format xml", cli.ExitUsage, `--log-format "xml": want text or json`},
		{"runs list --server ftp://x -w EMPTY", cli.ExitUsage, "want a URL such as http://127.0.0.1:8081"},
		{"serve -w EMPTY/none", cli.ExitFailed, "no such directory"},
		{"runs list -w EMPTY/none", cli.ExitFailed, "no such directory"},
		{"help exit-codes", cli.ExitOK, ""},
		{"runs list -w EMPTY --server 127.0.0.1:1", cli.ExitAbsent, "no server answers at http://127.0.0.1:1: start one with: trama serve -w EMPTY"},
		{"runs list -w EMPTY --server 127.0.0.1:1 --json", cli.ExitAbsent, `{"detail":"no server answers at http://127.0.0.1:1: `},
		{"health -w EMPTY --server 127.0.0.1:1", cli.ExitFailed, "no server answers"},
		{"secret set erp -w EMPTY --server 127.0.0.1:1", cli.ExitFailed, "no value came on stdin"},
		{"token create ci --expires soon", cli.ExitUsage, "want a time such as"},
		{"doctor -w EMPTY --server 127.0.0.1:1", cli.ExitFailed, ""},
		{"apply EMPTY", cli.ExitFailed, "has no files of a workspace: flows/*.yaml, routes.yaml, gateway.yaml, channels.yaml, connections.yaml, grants.yaml, alerts.yaml, subscriptions.yaml"},
		{"flow validate EMPTY/none.yaml", cli.ExitFailed, "no such file"},
		{"plugin inspect EMPTY/none.wasm", cli.ExitFailed, "no such file"},
		{"compile-module", cli.ExitUsage, "not for use by hand"},
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
			if stderr.Len() > 0 && test.code == cli.ExitOK {
				t.Errorf("stderr: %s", &stderr)
			}
		})
	}
}
