package sandbox

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	extism "github.com/extism/go-sdk"
	"github.com/tetratelabs/wazero"

	"github.com/trama-run/trama/pdk/abi"
)

// twin is one plugin in both hosts, ours and extism/go-sdk.
type twin struct {
	here  *Module
	there *extism.CompiledPlugin
}

// portableCase is one call of a twin.
type portableCase struct {
	export, input string
	config        map[string]string
	egress        bool     // requests are granted
	console       []string // log lines that stand for stdout and stderr, which go-sdk drops
}

// outcome is what a caller sees of a call, in the same form for both hosts.
type outcome struct {
	failed   bool
	output   string
	error    string   // code and message that the plugin set; "" for a crash
	logs     []string // "level text"
	requests []string // as the server got them
}

// cached gives a directory of compiled code that lasts longer than the test: a
// module in Go compiles for most of a minute under the race detector.
func cached(t testing.TB, name string) string {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join("../../build/testcache", name))
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// openCached opens a sandbox over the compiled code that the host's tests share.
func openCached(t testing.TB) *Sandbox {
	t.Helper()
	config := Config{CacheDir: cached(t, "code")}
	binary, err := filepath.Abs("../../build/trama")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(binary); err == nil {
		// Compiles ten times as fast as this process under the race detector.
		config.Compiler = []string{binary, "compile-module"}
	}
	return open(t, config)
}

func newTwin(t *testing.T, wasm []byte) twin {
	t.Helper()
	ctx := context.Background()
	here, err := openCached(t).Compile(ctx, wasm, Options{Memory: DefaultLimits().Memory})
	if err != nil {
		t.Fatal(err)
	}
	cache, err := wazero.NewCompilationCacheWithDir(cached(t, "go-sdk"))
	if err != nil {
		t.Fatal(err)
	}
	there, err := extism.NewCompiledPlugin(ctx, extism.Manifest{
		Wasm:   []extism.Wasm{extism.WasmData{Data: wasm}},
		Memory: &extism.ManifestMemory{MaxPages: uint32(DefaultLimits().Memory / (64 * kib)), MaxHttpResponseBytes: mib, MaxVarBytes: maxVars},
	}, extism.PluginConfig{
		EnableWasi: true, EnableHttpResponseHeaders: true,
		RuntimeConfig: wazero.NewRuntimeConfig().WithCompilationCache(cache),
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(there.Close(ctx), cache.Close(ctx)); err != nil {
			t.Error(err)
		}
	})
	return twin{here, there}
}

// compare runs a case in both hosts and gives our outcome.
func (w twin) compare(t *testing.T, outside *server, c portableCase) outcome {
	t.Helper()
	here := w.callHere(t, outside, c)
	there := w.callThere(t, outside, c)
	there.logs = append(there.logs, c.console...)
	if a, b := fmt.Sprintf("%+v", here), fmt.Sprintf("%+v", there); a != b {
		t.Errorf("%s(%.40q)\nhere:   %.600s\ngo-sdk: %.600s", c.export, c.input, a, b)
	}
	return here
}

func (w twin) callHere(t *testing.T, outside *server, c portableCase) outcome {
	t.Helper()
	host := &recorder{config: c.config}
	if c.egress {
		host.http = outside.send
	}
	result, err := w.here.Call(context.Background(), Call{Export: c.export, Input: []byte(c.input), Limits: DefaultLimits(), Host: host})
	got := outcome{failed: err != nil, output: string(result.Output), logs: host.logs, requests: outside.take()}
	var e *Error
	if errors.As(err, &e) && e.Kind == KindGuest {
		got.error = e.Err.Error()
	}
	return got
}

// sdkLine matches what go-sdk itself logs.
var sdkLine = regexp.MustCompile("^(Calling |Initializing )")

func (w twin) callThere(t *testing.T, outside *server, c portableCase) outcome {
	t.Helper()
	ctx := context.Background()
	hints := wazero.NewModuleConfig().WithEnv("GOGC", goCollects).WithEnv("GOMEMLIMIT", fmt.Sprint(w.here.memory/4*3))
	p, err := w.there.Instance(ctx, extism.PluginInstanceConfig{ModuleConfig: hints})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close(ctx)
	p.Config, p.AllowedHosts = maps.Clone(c.config), []string{}
	if c.egress {
		p.AllowedHosts = []string{"*"}
	}
	var logs []string
	p.SetLogger(func(level extism.LogLevel, text string) {
		if !sdkLine.MatchString(text) {
			logs = append(logs, strings.ToLower(level.String())+" "+text)
		}
	})
	code, output, err := p.Call(c.export, []byte(c.input))
	got := outcome{failed: err != nil || code != 0, output: string(output), logs: logs, requests: outside.take()}
	if !got.failed {
		return got
	}
	got.output = "" // an output beside an error is nobody's
	switch set := p.GetError(); {
	case err == nil: // we say what go-sdk leaves unsaid
		got.error = newError(KindGuest, "the plugin returned code %d without saying why", int32(code)).Err.Error()
	case err.Error() == set:
		got.error = guestError(set).Err.Error()
	}
	return got
}

// server answers on the loopback interface, whatever host is asked for, and
// notes what it is sent.
type server struct {
	*httptest.Server
	requests []string
}

func newServer(t *testing.T) *server {
	s := new(server)
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		s.requests = append(s.requests, fmt.Sprintf("%s %s %s %q", r.Method, r.URL, r.Header.Get("X-Token"), body))
		w.Header()["Date"] = nil
		w.Header().Set("X-Reply", "r-1")
		w.Header().Set("Content-Type", "text/plain")
		if r.URL.Path == "/missing" {
			w.WriteHeader(http.StatusNotFound)
		}
		fmt.Fprintf(w, "answer to %s", body)
	}))
	t.Cleanup(s.Close)
	// go-sdk sends through http.DefaultTransport.
	before := http.DefaultTransport
	t.Cleanup(func() { http.DefaultTransport = before })
	http.DefaultTransport = roundTrip(func(r *http.Request) (*http.Response, error) {
		r.URL.Scheme, r.URL.Host = "http", s.Listener.Addr().String()
		return before.RoundTrip(r)
	})
	return s
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// take gives the requests since the last time.
func (s *server) take() []string {
	got := s.requests
	s.requests = nil
	return got
}

// send is the egress of our side, without its policy.
func (s *server) send(ctx context.Context, in abi.HTTPRequest) (abi.HTTPResponse, error) {
	body := []byte(in.Body)
	if in.BodyBase64 != "" {
		var err error
		if body, err = base64.StdEncoding.DecodeString(in.BodyBase64); err != nil {
			return abi.HTTPResponse{}, err
		}
	}
	request, err := http.NewRequestWithContext(ctx, in.Method, in.URL, strings.NewReader(string(body)))
	if err != nil {
		return abi.HTTPResponse{}, err
	}
	for name, value := range in.Headers {
		request.Header.Set(name, value)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return abi.HTTPResponse{}, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	out := abi.HTTPResponse{Status: response.StatusCode, Headers: map[string]string{}, Body: string(text)}
	for name, values := range response.Header {
		out.Headers[strings.ToLower(name)] = strings.Join(values, ", ")
	}
	return out, err
}

// listen lets go-sdk log as much as we do, which is a setting of the whole
// process there.
func listen(t *testing.T) {
	extism.SetLogLevel(extism.LogLevelDebug)
	t.Cleanup(func() { extism.SetLogLevel(extism.LogLevelOff) })
}

// buildGuest builds a plugin in Go; dir is of the module that holds it.
func buildGuest(t testing.TB, dir, pkg string) []byte {
	t.Helper()
	file := filepath.Join(t.TempDir(), "plugin.wasm")
	command := exec.Command("go", "build", "-buildmode=c-shared", "-trimpath", "-ldflags=-s -w", "-o", file, pkg)
	command.Dir = dir
	command.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", pkg, err, output)
	}
	wasm, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return wasm
}

// moduleDir gives where go keeps the source of a dependency.
func moduleDir(t *testing.T, path string) string {
	t.Helper()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(dir))
}
