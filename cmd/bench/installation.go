package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/trama-run/trama/host/plugin"
)

const (
	order  = `{"customer":"Ana","items":[{"sku":"a-1","price":250,"quantity":2},{"sku":"b-2","price":99,"quantity":10}]}`
	secret = "bench-app-secret"
)

// workspaceFiles are an installation with a route to a pure C plugin, one to a
// script, both for clients that are known, and a WhatsApp channel.
var workspaceFiles = map[string]string{
	"routes.yaml":      "- {method: POST, path: /pure, flow: pure, security: {clients: any}}\n- {method: POST, path: /script, flow: script, security: {clients: any}}\n- {method: POST, path: /near, flow: pure, security: {public: true}}\n- {method: POST, path: /spin, flow: spin, security: {public: true}, timeout: 60s}\n",
	"channels.yaml":    "- {id: wa, adapter: whatsapp, connection: graph, config: {phone_number_id: \"123\"}, secrets: {app_secret: wa_app, verify_token: wa_verify}}\n",
	"connections.yaml": "- {id: graph, base_url: \"http://127.0.0.1:9/v23.0\", auth: {type: bearer, secret: wa_token}}\n",
	"flows/pure.yaml": `schema: 1
id: pure
triggers: [{id: start, type: gateway}]
nodes:
  - {id: total, type: bench_json.total, with: {items: "{{ input.body.items }}"}}
  - {id: reply, type: response.json, with: {body: "{{ input }}"}}
edges:
  - {from: start, to: total}
  - {from: total, to: reply}
`,
	"flows/script.yaml": `schema: 1
id: script
triggers: [{id: start, type: gateway}]
nodes:
  - id: total
    type: run_code
    with:
      language: javascript
      code: |
        const items = input.body.items;
        let total = 0;
        for (const i of items) total += i.price * i.quantity;
        return {total, items: items.length};
  - {id: reply, type: response.json, with: {body: "{{ input }}"}}
edges:
  - {from: start, to: total}
  - {from: total, to: reply}
`,
	"flows/spin.yaml": `schema: 1
id: spin
triggers: [{id: start, type: gateway}]
nodes:
  - {id: forever, type: bench_spin.spin, timeout: 60s}
edges:
  - {from: start, to: forever}
`,
	"flows/chat.yaml": `schema: 1
id: chat
triggers: [{id: start, type: message, channel: wa}]
nodes:
  - {id: seen, type: set_user, with: {set: {last: "{{ input.text }}"}}}
edges:
  - {from: start, to: seen}
`,
}

const spinManifest = `name: bench_spin
version: 1.0.0
abi: 1
kind: connector
operations: [{name: spin, effect: pure}]
`

const manifest = `name: bench_json
version: 1.0.0
abi: 1
kind: connector
operations: [{name: total, effect: pure}]
`

// installed is how many plugins the figures are measured with.
const installed = 30

// build writes the workspace and returns its directory.
func build(dir string) (string, error) {
	dir = filepath.Join(dir, "workspace")
	files := map[string]string{"trama.yaml": "cache: ../cache\n"}
	for name, text := range workspaceFiles {
		files[name] = text
	}
	guest, err := os.ReadFile("host/sandbox/testdata/json.wasm")
	if err != nil {
		return "", err
	}
	files["plugins/bench_json.wasm"], files["plugins/bench_json.yaml"] = string(guest), manifest
	var grants strings.Builder
	fmt.Fprintf(&grants, "- {plugin: bench_json, of: \"sha256:%s\"}\n", plugin.Digest(guest, []byte(manifest)))
	hostile, err := os.ReadFile("host/sandbox/testdata/hostile.wasm")
	if err != nil {
		return "", err
	}
	files["plugins/bench_spin.wasm"], files["plugins/bench_spin.yaml"] = string(hostile), spinManifest
	fmt.Fprintf(&grants, "- {plugin: bench_spin, of: \"sha256:%s\", limits: {time: 1m, fuel: 100G}}\n", plugin.Digest(hostile, []byte(spinManifest)))
	built, err := builtPlugins()
	if err != nil {
		return "", err
	}
	for _, path := range built {
		data, err := os.ReadFile(path)
		if err != nil {
			return "", err
		}
		name := strings.TrimSuffix(filepath.Base(path), ".wasm")
		files["plugins/"+name+".wasm"] = string(data)
		fmt.Fprintf(&grants, "- {plugin: %s, of: bundled, egress: [connection], secrets: [wa_app, wa_verify], keys: [none], limits: {memory: 64MiB}}\n", name)
	}
	for i := len(built) + 2; i < installed; i++ {
		name := "filler_" + strconv.Itoa(i)
		files["plugins/"+name+".wasm"] = string(marked(guest, name))
		files["plugins/"+name+".yaml"] = strings.Replace(manifest, "bench_json", name, 1)
	}
	files["grants.yaml"] = grants.String()
	return dir, write(dir, files)
}

// write writes files by name.
func write(dir string, files map[string]string) error {
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// builtPlugins lists the files of our own plugins.
func builtPlugins() ([]string, error) {
	built, err := filepath.Glob("build/plugins/*.wasm")
	if err == nil && len(built) == 0 {
		err = errors.New("build/plugins has no plugins: run make build")
	}
	return built, err
}

// marked gives a module that does the same and is a content of its own: a
// custom section holds the mark, of fewer than 127 bytes.
func marked(wasm []byte, mark string) []byte {
	section := append([]byte{0, byte(len(mark) + 1), byte(len(mark))}, mark...)
	return append(slices.Clone(wasm), section...)
}

// process is a child that serves.
type process struct {
	cmd         *exec.Cmd
	addr, admin string
	log         bytes.Buffer
}

func (p *process) stop() error {
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		return err
	}
	p.cmd.Wait() // how it ended is of no interest
	return nil
}

func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// begin starts a child and waits until url answers 200.
func begin(path string, p *process, url string, args ...string) (time.Duration, error) {
	p.cmd = exec.Command(path, args...)
	p.cmd.Env = append(os.Environ(), "TRAMA_SECRET_WA_APP="+secret, "TRAMA_SECRET_WA_VERIFY=v", "TRAMA_SECRET_WA_TOKEN=t")
	p.cmd.Stderr = &p.log
	started := time.Now()
	if err := p.cmd.Start(); err != nil {
		return 0, err
	}
	for time.Since(started) < 3*time.Minute {
		if a, err := http.Get(url); err == nil {
			a.Body.Close()
			if a.StatusCode < 500 {
				return time.Since(started), nil
			}
		}
		time.Sleep(5 * time.Millisecond)
	}
	return 0, fmt.Errorf("%s did not get ready: %s", path, p.log.String())
}

func serve(workspace string) (*process, time.Duration, error) {
	p := &process{}
	var err error
	if p.addr, err = freeAddr(); err != nil {
		return nil, 0, err
	}
	if p.admin, err = freeAddr(); err != nil {
		return nil, 0, err
	}
	took, err := begin("build/trama", p, "http://"+p.admin+"/readyz", "serve", "-w", workspace, "--addr", p.addr, "--admin-addr", p.admin)
	return p, took, err
}

func bareFiber() (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &process{}
	if p.addr, err = freeAddr(); err != nil {
		return nil, err
	}
	_, err = begin(self, p, "http://"+p.addr+"/", "peer", p.addr)
	return p, err
}

// resident is a process's resident memory in MiB.
func (p *process) resident() (float64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kib / 1024, err
		}
	}
	return 0, fmt.Errorf("no VmRSS")
}

// installation measures the built binary: its start, its idle memory and its
// listeners against bare Fiber.
func installation(s settings, dir string) (rows []Row, err error) {
	if !s.wants("start.ready") && !s.wants("mem.idle") && !s.wants("gateway.pure") && !s.wants("gateway.run_code") && !s.wants("webhook.durable") {
		return nil, nil
	}
	workspace, err := build(dir)
	if err != nil {
		return nil, err
	}
	warm, _, err := serve(workspace) // fills the cache
	if err != nil {
		return nil, err
	}
	if err := warm.stop(); err != nil {
		return nil, err
	}
	var starts []float64
	for range s.rounds - 1 {
		p, took, err := serve(workspace)
		if err != nil {
			return nil, err
		}
		if err := p.stop(); err != nil {
			return nil, err
		}
		starts = append(starts, took.Seconds())
	}
	host, took, err := serve(workspace)
	if err != nil {
		return nil, err
	}
	defer func() { err = firstOf(err, host.stop()) }()
	start := median(append(starts, took.Seconds()))
	rows = append(rows, Row{Name: "start.ready", Unit: "s", Value: start, Goal: "<= 0.5 s, 30 plugins, warm cache", Met: start <= 0.5})
	time.Sleep(2 * time.Second)
	idle, err := host.resident()
	if err != nil {
		return nil, err
	}
	rows = append(rows, Row{Name: "mem.idle", Unit: "MiB", Value: idle, Goal: "<= 150 MB, 30 plugins", Met: idle*1.048576 <= 150})
	fiber, err := bareFiber()
	if err != nil {
		return nil, err
	}
	defer func() { err = firstOf(err, fiber.stop()) }()
	id, err := host.client(workspace)
	if err != nil {
		return nil, err
	}
	known := func(path string) request { return as(id, plain(path)) }
	for _, l := range []struct {
		name, path  string
		connections int
		make        func(path string) request
		least       float64
	}{
		{"gateway.pure", "/api/pure", 32, known, 0.40},
		{"gateway.run_code", "/api/script", 32, known, 0},
		{"webhook.durable", "/hooks/wa", 128, signed, 0.50},
	} {
		if !s.wants(l.name) {
			continue
		}
		more, err := against(s, dir, host.addr, fiber.addr, l.name, l.path, l.connections, l.make, l.least)
		if err != nil {
			return nil, fmt.Errorf("%w\n%s", err, tail(host.log.String()))
		}
		rows = append(rows, more...)
	}
	more, err := besideProducts(s, host.addr, known)
	return append(rows, more...), err
}

func tail(log string) string { return log[max(0, len(log)-2000):] }

func plain(path string) request {
	return func(_ int64, q *fasthttp.Request) {
		q.Header.SetMethod("POST")
		q.Header.SetContentType("application/json")
		q.SetRequestURI("http://x" + path)
		q.SetBodyString(order)
	}
}

// as makes requests of a client.
func as(client string, make request) request {
	return func(n int64, q *fasthttp.Request) {
		make(n, q)
		q.Header.Set("client_id", client)
	}
}

// signed makes webhooks as Meta sends them, each with a message of its own,
// from one of a thousand contacts.
func signed(path string) request {
	epoch := time.Now().UnixNano()
	return func(n int64, q *fasthttp.Request) {
		body := fmt.Sprintf(`{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[{"field":"messages","value":{"messaging_product":"whatsapp","metadata":{"display_phone_number":"1","phone_number_id":"123"},"contacts":[{"profile":{"name":"Ana"},"wa_id":"55%03d"}],"messages":[{"from":"55%03d","id":"wamid.%d.%d","timestamp":"%d","type":"text","text":{"body":"oi"}}]}}]}]}`, n&1023, n&1023, epoch, n, epoch/int64(time.Second))
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write([]byte(body))
		q.Header.SetMethod("POST")
		q.Header.SetContentType("application/json")
		q.Header.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac.Sum(nil)))
		q.SetRequestURI("http://x" + path)
		q.SetBodyString(body)
	}
}

// against measures a path's throughput beside bare Fiber's with the same
// requests, then the latency at half of it, and bare Fiber's at the same rate;
// for the durable webhook beside the disk's fsync.
func against(s settings, dir, host, fiber, name, path string, connections int, make func(string) request, least float64) ([]Row, error) {
	var a, b, ratios []float64
	for range s.rounds {
		ra, err := closedLoop(host, connections, s.seconds, 200, make(path))
		if err != nil {
			return nil, err
		}
		rb, err := closedLoop(fiber, connections, s.seconds, 200, make(path))
		if err != nil {
			return nil, err
		}
		a, b, ratios = append(a, ra), append(b, rb), append(ratios, ra/rb)
	}
	row := Row{Name: name, Unit: "req/s", Value: median(a), Peer: "bare Fiber", PeerValue: median(b), Ratio: median(ratios)}
	if least > 0 {
		row.Goal = fmt.Sprintf(">= %.2f", least)
		row.Met = row.Ratio >= least
	}
	p99, err := openLoop(host, connections, median(a)/2, s.seconds, 200, make(path))
	if err != nil {
		return nil, err
	}
	bare, err := openLoop(fiber, connections, median(a)/2, s.seconds, 200, make(path))
	if err != nil {
		return nil, err
	}
	latency := Row{Name: name + ".p99", Unit: "ms", Value: float64(p99) / 1e6}
	alone := Row{Name: name + ".p99.fiber", Unit: "ms, bare Fiber at the same rate", Value: float64(bare) / 1e6}
	if name == "webhook.durable" {
		sync, err := fsyncTime(dir)
		if err != nil {
			return nil, err
		}
		latency.Peer, latency.PeerValue = "fsync", float64(sync)/1e6
		latency.Ratio = latency.Value / latency.PeerValue
		latency.Goal, latency.Met = "<= 20x", latency.Ratio <= 20
	}
	return []Row{row, latency, alone}, nil
}
