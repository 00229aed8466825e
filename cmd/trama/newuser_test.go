package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/trama-run/trama/cmd/trama/internal/cli"
	"github.com/trama-run/trama/examples/guide"
	"github.com/trama-run/trama/host/author"
)

// newUser is somebody with an empty home and a directory outside the repository.
type newUser struct {
	t    *testing.T
	dir  string
	home string
}

// run runs a program there, and gives its stdout.
func (u newUser) run(dir string, args ...string) (stdout, stderr string, err error) {
	u.t.Helper()
	c := exec.CommandContext(u.t.Context(), args[0], args[1:]...)
	var out, said bytes.Buffer
	c.Dir, c.Stdout, c.Stderr = filepath.Join(u.dir, dir), &out, &said
	c.Env = []string{"HOME=" + u.home, "PATH=" + os.Getenv("PATH"), "TMPDIR=" + os.TempDir()}
	for _, name := range []string{"GOPROXY", "GOCOVERDIR", "npm_config_registry", "NPM_CONFIG_REGISTRY", "HTTPS_PROXY", "https_proxy", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"} {
		if value := os.Getenv(name); value != "" {
			c.Env = append(c.Env, name+"="+value)
		}
	}
	// The caches of compilers stay warm: cold, each builds its library first.
	if cache, err := exec.CommandContext(u.t.Context(), "go", "env", "GOCACHE").Output(); err == nil {
		c.Env = append(c.Env, "GOCACHE="+strings.TrimSpace(string(cache)))
	}
	if cache, err := os.UserCacheDir(); err == nil {
		c.Env = append(c.Env, "XDG_CACHE_HOME="+cache)
	}
	err = c.Run()
	return out.String(), said.String(), err
}

// must is run that has to succeed.
func (u newUser) must(dir string, args ...string) string {
	u.t.Helper()
	out, said, err := u.run(dir, args...)
	if err != nil {
		u.t.Fatalf("%s: %v\n%s%s", strings.Join(args, " "), err, out, said)
	}
	return out
}

// without skips a test whose tool is missing; where all is tested, it fails.
func (u newUser) without(reason string) {
	u.t.Helper()
	if os.Getenv("CI") == "1" {
		u.t.Fatal(reason)
	}
	u.t.Skip(reason)
}

// TestNewUser does in each language what a new author does first: new, build,
// test, check, drop the file into a running host, grant it, and call it from a
// flow. The other kinds of project are built and tried in host/plugintest.
func TestNewUser(t *testing.T) {
	for _, language := range author.Languages() {
		t.Run(language.Name, func(t *testing.T) {
			u := newUser{t, t.TempDir(), t.TempDir()}
			began := time.Now()
			u.must(".", "trama", "plugin", "new", "--lang", language.Name, "acme")
			if language.Name == "assemblyscript" {
				if _, err := exec.LookPath("asc"); err != nil {
					if _, said, err := u.run("acme", "npm", "install", "--no-audit", "--no-fund"); err != nil {
						u.without("assemblyscript is not to be had: " + err.Error() + "\n" + said)
					}
				}
			}
			out, said, err := u.run("acme", "trama", "plugin", "build", "--json")
			if exit, failed := errors.AsType[*exec.ExitError](err); failed && exit.ExitCode() == cli.ExitFailed && strings.Contains(said, "; get it: ") {
				u.without(said)
			}
			if err != nil {
				t.Fatalf("build: %v\n%s%s", err, out, said)
			}
			var built author.Built
			if err := json.Unmarshal([]byte(out), &built); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			if built.Path != "build/acme.wasm" || built.Size == 0 || len(built.SHA256) != 64 {
				t.Errorf("%+v", built)
			}
			out = u.must("acme", "trama", "plugin", "test")
			if !strings.Contains(out, " passed, 0 failed") || strings.Contains(out, "\n0 passed") {
				t.Error(out)
			}
			t.Logf("new, build and test: %s; %d bytes", time.Since(began).Round(10*time.Millisecond), built.Size)
			u.must("acme", "trama", "plugin", "check", "build/acme.wasm")
			u.serves("acme/build/acme.wasm")
		})
	}
}

// serves drops a plugin into a running host, gives it what it asks for, and
// calls it from a flow.
func (u newUser) serves(file string) {
	u.t.Helper()
	addr, adminAddr := guide.Address(u.t), guide.Address(u.t)
	for name, text := range map[string]string{
		"host/trama.yaml":  "addr: " + addr + "\nadmin_addr: " + adminAddr + "\n",
		"host/routes.yaml": "- {method: POST, path: /greet, flow: greet, security: {public: true}}\n",
		"host/flows/greet.yaml": `schema: 1
id: greet
triggers: [{id: start, type: gateway}]
nodes:
  - {id: greet, type: acme.greet, with: {name: "{{ input.body.name }}"}}
  - {id: reply, type: response.json, with: {body: "{{ input }}"}}
edges:
  - {from: start, to: greet}
  - {from: greet, to: reply}
`,
		"host/plugins/README": "", // the directory is there
	} {
		path := filepath.Join(u.dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			u.t.Fatal(err)
		}
	}
	server := exec.Command("trama", "serve", "-w", "host")
	server.Dir, server.Env = u.dir, []string{"HOME=" + u.home, "PATH=" + os.Getenv("PATH")}
	server.Stdout, server.Stderr = u.t.Output(), u.t.Output()
	if err := server.Start(); err != nil {
		u.t.Fatal(err)
	}
	u.t.Cleanup(func() {
		if err := server.Process.Signal(os.Interrupt); err != nil {
			u.t.Error(err)
		}
		if err := server.Wait(); err != nil {
			u.t.Errorf("the server ended with %v", err)
		}
	})
	u.until(`"ready"`, func() string { return ask("GET", "http://"+adminAddr+"/readyz", "") })
	u.must(".", "cp", file, "host/plugins/")
	u.until("pending", func() string { return u.listed() })
	u.must(".", "trama", "plugin", "grant", "acme", "--yes", "-w", "host")
	u.until("ready", func() string { return u.listed() })
	u.until(`{"greeting":"Hello, Ana!"}`, func() string { return ask("POST", "http://"+addr+"/api/greet", `{"name":"Ana"}`) })
}

// listed is what the server says of its plugins.
func (u newUser) listed() string {
	u.t.Helper()
	out, _, _ := u.run(".", "trama", "plugin", "list", "-w", "host") // until it is as it should be
	return out
}

// until waits for a text.
func (u newUser) until(want string, look func() string) {
	u.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		got := look()
		if strings.Contains(got, want) {
			return
		}
		if time.Now().After(deadline) {
			u.t.Fatalf("%q does not come: %s", want, got)
		}
	}
}

// ask gives the body of an answer, or the error.
func ask(method, url, body string) string {
	q, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		return err.Error()
	}
	q.Header.Set("Content-Type", "application/json")
	a, err := http.DefaultClient.Do(q)
	if err != nil {
		return err.Error()
	}
	defer a.Body.Close()
	data, err := io.ReadAll(a.Body)
	if err != nil {
		return err.Error()
	}
	return string(data)
}
