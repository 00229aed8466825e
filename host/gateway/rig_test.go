package gateway_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/trama-run/trama/host/access"
	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/dispatch"
	"github.com/trama-run/trama/host/egress"
	"github.com/trama-run/trama/host/engine"
	"github.com/trama-run/trama/host/gateway"
	"github.com/trama-run/trama/host/plugin"
	"github.com/trama-run/trama/host/run"
	"github.com/trama-run/trama/host/secret"
	"github.com/trama-run/trama/host/server"
	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/host/store/memory"
	"github.com/trama-run/trama/host/workspace"
	"github.com/trama-run/trama/pdk/abi"
)

// rig is the gateway with all that stands behind it, on a listener of its own:
// the store is in memory, the clock is the test's, and there is one plugin.
type rig struct {
	testing.TB
	disk    *memory.Disk
	files   workspace.Files
	clients map[string]string // client_id by name
	known   []access.Client
	plugin  *slow
	log     *logBuffer
	places  atomic.Int32 // that runs asked for

	mu  sync.Mutex
	now time.Time // guarded by mu

	store   store.Store
	catalog *catalog.Catalog
	runs    *run.Runner
	gateway *gateway.Gateway
	addr    string
	stop    func() // ends the host in order
	crash   func() // ends it as a crash does: nothing more is stored
}

// clock is the rig's; runs need no sleep.
func (r *rig) clock() time.Time { r.mu.Lock(); defer r.mu.Unlock(); return r.now }

func (r *rig) pass(d time.Duration) { r.mu.Lock(); r.now = r.now.Add(d); r.mu.Unlock() }

// serve starts a gateway with routes (the lines of routes.yaml) and other files.
func serve(t testing.TB, routes string, files map[string]string) *rig {
	t.Helper()
	r := &rig{TB: t, disk: memory.NewDisk(), clients: map[string]string{}, plugin: &slow{}, log: &logBuffer{}, now: time.Now()}
	for _, name := range []string{"erp", "shop"} {
		key, value, _ := access.NewKey(r.now, false)
		r.clients[name] = value
		r.known = append(r.known, access.Client{Name: name, Keys: []access.Key{key}})
	}
	r.files = workspace.Files{"routes.yaml": []byte(routes)}
	maps.Copy(r.files, flows())
	for name, text := range files {
		r.files[name] = []byte(text)
	}
	r.start()
	t.Cleanup(func() {
		r.plugin.release()
		if r.stop != nil {
			r.stop()
		}
		if t.Failed() {
			t.Log(r.log.String())
		}
	})
	return r
}

// start starts a host on what is on disk.
func (r *rig) start() {
	r.Helper()
	log := slog.New(slog.NewTextHandler(r.log, nil))
	s := memory.Open(r.disk, r.clock)
	r.store = s
	var guard *access.Guard
	var err error
	vault, err := secret.OpenVault(r.TempDir())
	if err != nil {
		r.Fatal(err)
	}
	secrets := secret.New(nil, "")
	client := egress.New(egress.Config{Secrets: secrets, Vault: vault, Log: log})
	if guard, err = access.New(r.Context(), access.Config{Secrets: secrets, Vault: vault, Egress: client, Store: s, Log: log}); err != nil {
		r.Fatal(err)
	}
	guard.Update(r.known)
	var dispatcher *dispatch.Dispatcher
	r.runs = run.New(run.Config{
		Store: s, Catalog: func() *catalog.Catalog { return r.catalog }, Plugins: r.plugin, Log: log,
		Poke:  func() { dispatcher.Poke() },
		Check: func(route string, a *engine.Respond) error { return r.gateway.Broken(route, a) },
		Place: func(ctx context.Context, route string) (func(), bool) {
			r.places.Add(1)
			return r.gateway.Place(ctx, route)
		},
	})
	r.gateway = gateway.New(gateway.Config{Runs: r.runs, Guard: guard, Now: r.clock, Log: log})
	dispatcher = dispatch.New(s, log, map[string]dispatch.Handler{run.PrefixRun: r.runs.Alone})
	if r.catalog, err = catalog.Open(r.Context(), s, r.gateway.Update); err != nil {
		r.Fatal(err)
	}
	r.apply()
	l, err := server.Listen("127.0.0.1:0", server.TLS{}, func(netip.Addr) netip.Addr { return netip.Addr{} }, log)
	if err != nil {
		r.Fatal(err)
	}
	r.addr = "http://" + l.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	var parts sync.WaitGroup
	parts.Go(func() {
		if err := dispatcher.Run(ctx, 5*time.Second); err != nil && !strings.Contains(err.Error(), store.ErrClosed.Error()) {
			r.Error(err)
		}
	})
	parts.Go(func() {
		if err := server.NewPublic(log, server.Public{Gateway: r.gateway.Handle}).Serve(ctx, l, 5*time.Second); err != nil {
			r.Error(err)
		}
	})
	runs := r.runs
	r.stop = func() {
		cancel()
		parts.Wait()
		ending, ended := context.WithTimeout(context.Background(), 5*time.Second)
		defer ended()
		runs.Close(ending)
		client.Close()
		r.stop = nil
	}
	r.crash = func() {
		r.store = memory.Open(r.disk, r.clock) // the host's own is no good any more
		r.plugin.release()
		r.stop()
	}
}

// apply makes the files what is configured.
func (r *rig) apply() {
	r.Helper()
	set, problems := workspace.Parse(r.files)
	if len(problems) > 0 {
		r.Fatal(problems)
	}
	if _, err := r.catalog.Apply(r.Context(), set, true); err != nil {
		r.Fatal(err)
	}
}

// hurry lets a run that a crash cut short go on now, not when it would be
// looked at.
func (r *rig) hurry(id string) {
	r.Helper()
	if _, err := r.store.Commit(r.Context(), &store.Batch{Wake: []store.Wake{{Key: run.PrefixRun + ":" + id, At: time.Now()}}}); err != nil {
		r.Fatal(err)
	}
}

// flows are what routes lead to.
func flows() workspace.Files {
	flow := func(id, nodes string) []byte {
		return fmt.Appendf(nil, "schema: 1\nid: %s\ntriggers: [{id: start, type: gateway}]\nnodes:\n%s\n", id, nodes)
	}
	return workspace.Files{
		"flows/echo.yaml": flow("echo", `  - {id: reply, type: response.json, with: {body: "{{ input }}"}}
edges: [{from: start, to: reply}]`),
		// slowly calls the plugin, and answers with its body and how often it
		// was called.
		"flows/slowly.yaml": flow("slowly", `  - {id: work, type: slow.go, with: {}}
  - {id: reply, type: response.json, with: {status: "{{ trigger.body.status ?? 201 }}", headers: {X-Kept: yes}, body: {got: "{{ trigger.body }}", calls: "{{ nodes.work.calls }}"}}}
edges: [{from: start, to: work}, {from: work, to: reply}]`),
		// says answers with the status, headers and body that its body names.
		"flows/says.yaml": flow("says", `  - {id: reply, type: response.json, with: {status: "{{ input.body.status ?? 200 }}", headers: {X-Own: "{{ input.body.header }}"}, body: "{{ input.body.body }}"}}
edges: [{from: start, to: reply}]`),
		"flows/silent.yaml": flow("silent", `  - {id: over, type: end, with: {}}
edges: [{from: start, to: over}]`),
	}
}

// slow is one plugin, "slow", whose operation "go" is idempotent. It waits while
// it is held, and tells how often it was called.
type slow struct {
	mu    sync.Mutex
	calls int           // guarded by mu
	now   int           // calls that have not ended; guarded by mu
	top   int           // the most of them; guarded by mu
	held  chan struct{} // closed when calls may end; nil: they may; guarded by mu
}

func (s *slow) hold() { s.mu.Lock(); defer s.mu.Unlock(); s.held = make(chan struct{}) }

func (s *slow) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held != nil {
		close(s.held)
		s.held = nil
	}
}

func (s *slow) count() int { s.mu.Lock(); defer s.mu.Unlock(); return s.calls }

// most is how many calls there were at once.
func (s *slow) most() int { s.mu.Lock(); defer s.mu.Unlock(); return s.top }

func (s *slow) Call(ctx context.Context, _ plugin.Call) (json.RawMessage, plugin.Usage, *abi.Error) {
	s.mu.Lock()
	s.calls++
	s.now++
	s.top = max(s.top, s.now)
	n, held := s.calls, s.held
	s.mu.Unlock()
	defer func() { s.mu.Lock(); s.now--; s.mu.Unlock() }()
	if held != nil {
		select {
		case <-held:
		case <-ctx.Done():
		}
	}
	return fmt.Appendf(nil, `{"calls": %d}`, n), plugin.Usage{}, nil
}

func (*slow) ManifestOf(name, _ string) (abi.Manifest, bool) {
	return abi.Manifest{Name: name, Kind: abi.KindConnector, Operations: []abi.Operation{{Name: "go", Export: "go", Effect: abi.EffectIdempotent}}}, name == "slow"
}

func (*slow) Serving(string) string { return "d1" }

func (*slow) ReadyOf(string, string) *abi.Error { return nil }

// answer is an HTTP answer.
type answer struct {
	*rig
	asked  string
	status int
	header http.Header
	body   string
}

// call sends a request; headers are pairs.
func (r *rig) call(method, path, body string, headers ...string) answer {
	r.Helper()
	a, err := r.try(method, path, body, headers...)
	if err != nil {
		r.Fatal(err)
	}
	return a
}

func (r *rig) try(method, path, body string, headers ...string) (answer, error) {
	request, err := http.NewRequest(method, r.addr+path, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	for n := 0; n < len(headers); n += 2 {
		if request.Header[headers[n]] = append(request.Header[headers[n]], headers[n+1]); headers[n] == "Content-Type" {
			request.Header.Set(headers[n], headers[n+1])
		}
	}
	response, err := (&http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return answer{r, method + " " + path, response.StatusCode, response.Header, string(text)}, err
}

// want checks an answer's status and, if it is not empty, its body.
func (a answer) want(status int, body string) answer {
	a.Helper()
	if a.status != status || body != "" && a.body != body {
		a.Errorf("%s: status %d, %s; want %d, %s", a.asked, a.status, a.body, status, body)
	}
	return a
}

// has checks headers, which are pairs; an empty value: there is none.
func (a answer) has(headers ...string) answer {
	a.Helper()
	for n := 0; n < len(headers); n += 2 {
		if got := strings.Join(a.header.Values(headers[n]), " | "); got != headers[n+1] {
			a.Errorf("%s: header %s is %q, want %q", a.asked, headers[n], got, headers[n+1])
		}
	}
	return a
}

// details are the members of a problem.
type details struct {
	Status     int     `json:"status"`
	Title      string  `json:"title"`
	Detail     string  `json:"detail"`
	Code       string  `json:"code"`
	RequestID  string  `json:"request_id"`
	RunID      string  `json:"run_id"`
	Retry      *bool   `json:"retry"`
	RetryAfter float64 `json:"retry_after"`
	Errors     []struct {
		Pointer, Detail string
	} `json:"errors"`
}

// problem checks that an answer is a problem.
func (a answer) problem(status int, code string) (d details) {
	a.Helper()
	if err := json.Unmarshal([]byte(a.body), &d); err != nil {
		a.Fatalf("%s: status %d, %s", a.asked, a.status, a.body)
	}
	if a.status != status || d.Status != status || d.Code != code || d.Title == "" || d.Detail == "" || d.Retry == nil {
		a.Errorf("%s: status %d, %s; want %d, %s", a.asked, a.status, a.body, status, code)
	}
	if d.RequestID == "" || d.RequestID != a.header.Get("X-Request-Id") || a.header.Get("Content-Type") != "application/problem+json" {
		a.Errorf("%s: request id %q, headers %v", a.asked, d.RequestID, a.header)
	}
	return d
}

// event is the body of an answer of the flow echo.
func (a answer) event() (e map[string]any) {
	a.Helper()
	if err := json.Unmarshal([]byte(a.want(200, "").body), &e); err != nil {
		a.Fatal(err)
	}
	return e
}

// eventually asks until there is no error.
func (r *rig) eventually(ask func() error) {
	r.Helper()
	var err error
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if err = ask(); err == nil {
			return
		}
	}
	r.Fatal(err)
}

// called waits until the plugin was called so often.
func (r *rig) called(times int) {
	r.Helper()
	r.eventually(func() error {
		if n := r.plugin.count(); n != times {
			return fmt.Errorf("the plugin was called %d times, want %d", n, times)
		}
		return nil
	})
}

// logBuffer keeps what is logged.
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
