package host_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/trama-run/trama/host"
	"github.com/trama-run/trama/host/admin"
	"github.com/trama-run/trama/host/store"
)

const abuseRoutes = `
- {method: POST, path: /orders, flow: order, security: {public: true}, request: {schema: {type: object, required: [n], properties: {n: {type: integer}, items: {items: {type: object, required: [sku]}}}}}}
- {method: GET, path: /orders/:id, flow: order, security: {public: true}}
- {method: GET, path: /here, flow: order, security: {ips: [10.9.8.7]}}
- {method: POST, path: /tree, flow: order, security: {public: true}, request: {schema: {type: object, properties: {items: {items: {oneOf: [{allOf: [{required: [a]}, {$ref: "#"}]}, {allOf: [{required: [items]}, {$ref: "#"}]}, {allOf: [{required: [items]}, {$ref: "#"}]}]}}}}}}
- {method: POST, path: /known, flow: order, security: {clients: any}}
- {method: POST, path: /signed, flow: order, security: {clients: any, signed: true}}
`

const abuseFlow = `schema: 1
id: order
triggers: [{id: start, type: gateway}]
nodes: [{id: reply, type: response.json, with: {body: {id: "{{ input.params.id }}"}}}]
edges: [{from: start, to: reply}]
`

// mallory sends bytes and checks what comes back.
type mallory struct {
	*installation
	never []string // what no answer may hold
}

// sends sends one request and returns its answer. A problem is checked: its
// form, and that it tells nothing.
func (m mallory) sends(t *testing.T, request string) (*http.Response, string) {
	t.Helper()
	c, err := net.Dial("tcp", m.host.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	go io.WriteString(c, request) //nolint:errcheck // who is refused may not take all of it
	a, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	body, err := io.ReadAll(a.Body)
	if err != nil {
		t.Fatal(err)
	}
	if a.StatusCode < 400 {
		return a, string(body)
	}
	var p map[string]any
	if err := json.Unmarshal(body, &p); err != nil || a.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("in %s: %s", a.Header.Get("Content-Type"), body)
	}
	if p["request_id"] != a.Header.Get("X-Request-Id") || p["request_id"] == nil || p["status"] != float64(a.StatusCode) {
		t.Errorf("%s with the request id %q", body, a.Header.Get("X-Request-Id"))
	}
	for _, secret := range append(m.never, m.dir, "goroutine ", ".go:", "mallory") {
		if strings.Contains(string(body), secret) {
			t.Errorf("the answer tells %q: %s", secret, body)
		}
	}
	return a, string(body)
}

// TestAbuse: each way to abuse the public listener gets its status and its
// problem, nothing is told in plain text, and memory stays flat.
func TestAbuse(t *testing.T) {
	i := install(t, nil, map[string]string{
		"routes.yaml": abuseRoutes, "flows/order.yaml": abuseFlow,
		"channels.yaml":   "- {id: shop, adapter: webhook, config: {event: order.paid, signature: standard}, secrets: {secret: shop_hook}}\n",
		"flows/paid.yaml": shopFlow,
	})
	key := []byte("0123456789abcdef0123456789abcdef")
	i.secrets = map[string]string{"shop_hook": "whsec_" + base64.StdEncoding.EncodeToString(key)}
	i.start()
	m := mallory{i, []string{i.secrets["shop_hook"], string(key)}}

	created := i.admin("POST", "/v1/clients", `{"name": "erp", "signed": true}`)
	if err := created.want(201); err != nil {
		t.Fatal(err)
	}
	var client struct {
		ID     string `json:"client_id"`
		Secret string `json:"secret"`
	}
	if err := json.Unmarshal([]byte(created.body), &client); err != nil || client.ID == "" || client.Secret == "" {
		t.Fatalf("%v: %s", err, created.body)
	}
	m.never = append(m.never, client.ID, client.Secret)
	signed := func(at time.Time, nonce, body, sent string) string {
		sum := sha256.Sum256([]byte(body))
		mac := hmac.New(sha256.New, []byte(client.Secret))
		fmt.Fprintf(mac, "v1\n%d\n%s\nPOST\n/api/signed\n%x", at.Unix(), nonce, sum)
		return fmt.Sprintf("POST /api/signed HTTP/1.1\r\nHost: x\r\nclient_id: %s\r\nTrama-Signature: t=%d,n=%s,v1=%s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
			client.ID, at.Unix(), nonce, hex.EncodeToString(mac.Sum(nil)), len(sent), sent)
	}
	hook := func(at time.Time, id, body string) string {
		mac := hmac.New(sha256.New, key)
		fmt.Fprintf(mac, "%s.%d.%s", id, at.Unix(), body)
		return fmt.Sprintf("POST /hooks/shop HTTP/1.1\r\nHost: x\r\nWebhook-Id: %s\r\nWebhook-Timestamp: %d\r\nWebhook-Signature: v1,%s\r\nContent-Length: %d\r\n\r\n%s",
			id, at.Unix(), base64.StdEncoding.EncodeToString(mac.Sum(nil)), len(body), body)
	}
	post := func(path, headers, body string) string {
		return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n%sContent-Length: %d\r\n\r\n%s", path, headers, len(body), body)
	}
	get := func(path, headers string) string {
		return "GET " + path + " HTTP/1.1\r\nHost: x\r\n" + headers + "\r\n"
	}
	now := time.Now()
	// A host knows no nonces from before its start, and takes none.
	again := signed(now.Add(2*time.Second), "nonce-again", `{}`, `{}`)

	slow := make(chan string, 1) // meanwhile: headers that never end
	go func() { slow <- m.slowly() }()

	for _, c := range []struct {
		name, request string
		status        int
		code          string
	}{
		{"what is right", post("/api/orders", "", `{"n": 1}`), 200, ""},
		{"too large a body", post("/api/orders", "", strings.Repeat("x", 5<<20)), 413, "too_big"},
		{"a length without a body", "POST /api/orders HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n", 413, "too_big"},
		{"an endless body", "POST /api/orders HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + strings.Repeat("10000\r\n"+strings.Repeat("x", 65536)+"\r\n", 70), 413, "too_big"},
		{"headers too large", get("/api/orders/1", "X-A: "+strings.Repeat("x", 20000)+"\r\n"), 431, "headers_too_big"},
		{"too many headers", get("/api/orders/1", strings.Repeat("X-A: b\r\n", 500)), 431, "headers_too_big"},
		{"two lengths", "POST /api/orders HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nmallory", 400, "framing"},
		{"length and chunks", "POST /api/orders HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, "framing"},
		{"trailers", "POST /api/orders HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nclient_id: x\r\n\r\n", 400, "framing"},
		{"an unknown method", "BREW /api/orders HTTP/1.1\r\nHost: x\r\n\r\n", 405, "method"},
		{"TRACE", "TRACE /api/orders HTTP/1.1\r\nHost: x\r\nmallory: x\r\n\r\n", 405, "method"},
		{"CONNECT", "CONNECT mallory:22 HTTP/1.1\r\nHost: x\r\n\r\n", 405, "method"},
		{"another route's method", "DELETE /api/orders HTTP/1.1\r\nHost: x\r\n\r\n", 405, "method"},
		{"HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 405, "method"},
		{"TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 \r\n\r\n", 400, "bad_request"},
		{"no HTTP", "mallory\r\n\r\n", 400, "bad_request"},
		{"no host", "GET /api/orders/1 HTTP/1.1\r\n\r\n", 400, "bad_request"},
		{"two hosts", get("/api/orders/1", "Host: mallory\r\n"), 400, "duplicate_header"},
		{"two types", post("/api/orders", "Content-Type: text/plain\r\n", `{"n": 1}`), 400, "duplicate_header"},
		{"a folded header", get("/api/orders/1", "X-A: b\r\n c\r\n"), 400, "bad_request"},
		{"a line feed in a header", get("/api/orders/1", "X-A: b\nX-B: c\r\n"), 400, "bad_request"},
		{"an absolute URL", get("http://x/api/orders/1", ""), 200, ""},
		{"a URL of another scheme", get("file:///etc/mallory", ""), 400, "bad_path"},
		{"dots", get("/api/../v1/runs", ""), 400, "bad_path"},
		{"encoded dots", get("/api/%2e%2e/v1/runs", ""), 400, "bad_path"},
		{"an encoded slash stays in its segment", get("/api/orders/a%2Fb", ""), 200, ""},
		{"the admin API", get("/v1/runs", ""), 404, "no_path"},
		{"an empty segment", get("/api/orders//1", ""), 404, "no_route"},
		{"a line in the path", get("/api/orders/a%0d%0aX:mallory", ""), 400, "bad_path"},
		{"a zero in the path", get("/api/orders/a%00", ""), 400, "bad_path"},
		{"a path that is not UTF-8", get("/api/orders/%ff", ""), 400, "bad_path"},
		{"half an escape", get("/api/orders/%f", ""), 400, "bad_path"},
		{"no JSON", post("/api/orders", "", `{"n": `), 400, "bad_json"},
		{"JSON that is not UTF-8", post("/api/orders", "", "{\"n\": \"caf\xe9\"}"), 400, "bad_json"},
		{"deep JSON", post("/api/orders", "", strings.Repeat("[", 100_000)), 400, "bad_json"},
		{"a huge number", post("/api/orders", "", `{"n": 1e999}`), 400, "bad_json"},
		{"another type than the schema's", post("/api/orders", "", `{"n": "one"}`), 422, ""},
		{"what the schema asks for is missing", post("/api/orders", "", `{}`), 422, ""},
		{"a schema that leads back to itself", post("/api/tree", "", strings.Repeat(`{"items": [`, 90)+strings.Repeat("]}", 90)), 422, "invalid_body"},
		{"a body of very many values", post("/api/orders", "", "["+strings.Repeat(`{"a":0},`, 500_000)+"0]"), 413, "too_big"},
		{"a bomb", post("/api/orders", "Content-Encoding: gzip\r\n", "\x1f\x8b\x08"), 415, "content_encoding"},
		{"an expectation", post("/api/orders", "Expect: mallory\r\n", "{}"), 417, "expect"},
		{"a forged address", get("/api/here", "X-Forwarded-For: 10.9.8.7\r\nForwarded: for=10.9.8.7\r\nX-Real-IP: 10.9.8.7\r\n"), 403, ""},
		{"no client", post("/api/known", "", "{}"), 401, ""},
		{"an unknown client", post("/api/known", "client_id: mallory\r\n", "{}"), 401, ""},
		{"two clients", post("/api/known", "client_id: "+client.ID+"\r\nclient_id: mallory\r\n", "{}"), 400, ""},
		{"a known client", post("/api/known", "client_id: "+client.ID+"\r\n", "{}"), 200, ""},
		{"a signature", again, 200, ""},
		{"the same again", again, 401, ""},
		{"a late signature", signed(now.Add(-time.Hour), "nonce-late", `{}`, `{}`), 401, ""},
		{"another body", signed(now, "nonce-other", `{}`, `[]`), 401, ""},
		{"a webhook", hook(now, "msg_1", `{"id": 1}`), 200, ""},
		{"a late webhook", hook(now.Add(-time.Hour), "msg_2", `{"id": 2}`), 401, ""},
		{"a webhook from the future", hook(now.Add(time.Hour), "msg_3", `{"id": 3}`), 401, ""},
		{"an unsigned webhook", post("/hooks/shop", "", "{}"), 401, ""},
		{"a webhook to nobody", post("/hooks/none", "", "{}"), 404, "no_channel"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, body := m.sends(t, c.request)
			if a.StatusCode != c.status || c.code != "" && !strings.Contains(body, fmt.Sprintf(`"code":%q`, c.code)) {
				t.Errorf("status %d: %s; want %d, %q", a.StatusCode, body, c.status, c.code)
			}
		})
	}
	if a, body := m.sends(t, hook(now, "msg_1", `{"id": 1}`)); a.StatusCode != 200 {
		t.Errorf("a replayed webhook: status %d: %s", a.StatusCode, body)
	}
	t.Run("memory stays flat", m.flat)
	t.Run("a replayed webhook is one event", func(t *testing.T) { // there was time for another
		paid := 0
		for _, r := range read[[]admin.RunInfo](i, "/v1/runs?limit=100") {
			if r.Flow == "paid" {
				paid++
			}
		}
		if paid != 1 {
			t.Errorf("%d runs of one delivery", paid)
		}
	})
	if text := <-slow; !strings.HasPrefix(text, "HTTP/1.1 408") {
		t.Errorf("slow headers are answered with %q", text)
	}
	if log := i.log.String(); strings.Contains(log, "panic") {
		t.Error("something panicked")
	}
}

// slowly sends a byte of a header now and then, and returns how the answer
// begins.
func (m mallory) slowly() string {
	c, err := net.Dial("tcp", m.host.Addr())
	if err != nil {
		return err.Error()
	}
	defer c.Close()
	go func() {
		for _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\nX-A: "); err == nil; _, err = io.WriteString(c, "b") {
			time.Sleep(time.Second / 2)
		}
	}()
	if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return err.Error()
	}
	text, err := bufio.NewReader(c).ReadString('\n')
	if err != nil {
		return err.Error()
	}
	return text
}

// flat holds many connections that promise large bodies, sends bodies and
// client ids without end, and looks at the heap meanwhile and afterwards.
func (m mallory) flat(t *testing.T) {
	heap := func() int64 {
		var s runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&s)
		return int64(s.HeapInuse)
	}
	before := heap()
	var open []net.Conn
	for range 1000 { // 4 GiB of promises
		c, err := net.Dial("tcp", m.host.Addr())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := io.WriteString(c, "POST /api/orders HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 4194304\r\n\r\n"+strings.Repeat("[", 9000)); err != nil {
			t.Fatal(err)
		}
		open = append(open, c)
	}
	if err := m.call("POST", "/api/orders", `{"n": 1}`, "Content-Type", "application/json").want(200); err != nil {
		t.Errorf("beside a thousand slow bodies: %v", err)
	}
	if grown := heap() - before; grown > 128<<20 {
		t.Errorf("a thousand slow bodies hold %d MiB", grown>>20)
	}
	for _, c := range open {
		c.Close()
	}
	var began, ended runtime.MemStats
	runtime.ReadMemStats(&began)
	items := `{"n": 1, "items": [` + strings.Repeat("{},", 1<<20) + "{}]}"
	if a := m.call("POST", "/api/orders", items, "Content-Type", "application/json"); a.status != 422 || strings.Count(a.body, "pointer") != 20 {
		t.Errorf("a million wrong items are answered with %d %.200q, %v", a.status, a.body, a.err)
	}
	runtime.ReadMemStats(&ended)
	if took := (ended.TotalAlloc - began.TotalAlloc) >> 20; took > 500 {
		t.Errorf("a body of a million wrong items took %d MiB", took)
	}
	var all sync.WaitGroup
	var mu sync.Mutex
	statuses := map[int]int{}
	for worker := range 8 {
		all.Go(func() {
			for n := range 500 {
				a := m.call("POST", "/api/known", "{}", "client_id", fmt.Sprintf("%032x", worker*1000+n), "X-Forwarded-For", fmt.Sprintf("10.1.%d.%d", worker, n%250))
				if a.err != nil {
					t.Error(a.err)
					return
				}
				mu.Lock()
				statuses[a.status]++
				mu.Unlock()
			}
		})
		all.Go(func() {
			body := bytes.Repeat([]byte("["), 1<<20)
			for range 10 {
				if a := m.call("POST", "/api/orders", string(body), "Content-Type", "application/json"); a.err != nil || a.status != 400 && a.status != 503 {
					t.Errorf("%d %v", a.status, a.err)
				}
			}
		})
	}
	// Small objects take fifty times what is sent: 60 MB would take 3 GB.
	var most atomic.Int64
	objects := "[" + strings.Repeat(`{"a":0},`, 250_000) + "0]"
	for range 15 {
		all.Go(func() {
			for range 2 {
				a := m.call("POST", "/api/orders", objects, "Content-Type", "application/json")
				if a.err != nil || a.status != 422 && a.status != 503 {
					t.Errorf("%d %v", a.status, a.err)
				}
				var s runtime.MemStats
				runtime.ReadMemStats(&s)
				most.Store(max(most.Load(), int64(s.HeapInuse)))
			}
		})
	}
	all.Wait()
	if grown := most.Load() - before; grown > 1<<30 {
		t.Errorf("large bodies of small objects hold %d MiB", grown>>20)
	}
	if statuses[401]+statuses[429] != 4000 {
		t.Errorf("4000 unknown clients were answered with %v", statuses)
	}
	m.client.CloseIdleConnections()
	m.eventually("memory to be free again", func() error {
		if grown := heap() - before; grown > 48<<20 {
			return fmt.Errorf("%d MiB more are held than before", grown>>20)
		}
		return nil
	})
}

// TestStopUnderLoad: a host that is told to stop says so first, ends what it
// has begun, and loses no event that it took.
func TestStopUnderLoad(t *testing.T) {
	i := install(t, nil, map[string]string{
		"trama.yaml":  "drain_delay: 1s\n",
		"routes.yaml": "- {method: GET, path: /slow, flow: slow, security: {public: true}}\n",
		"flows/slow.yaml": `schema: 1
id: slow
triggers: [{id: start, type: gateway}]
nodes: [{id: nap, type: wait, with: {for: 2s}}, {id: reply, type: response.json, with: {body: {done: true}}}]
edges: [{from: start, to: nap}, {from: nap, to: reply}]
`,
		"channels.yaml":   `- {id: shop, adapter: webhook, config: {event: order.paid, token: "header:X-Token", id: "json:/id"}, secrets: {secret: form_token}}` + "\n",
		"flows/paid.yaml": shopFlow,
	})
	i.secrets = map[string]string{"form_token": "t0k3n"}
	i.start()
	addr, admins := i.host.Addr(), i.host.AdminAddr()
	var all sync.WaitGroup
	var mu sync.Mutex
	taken, refused := map[string]bool{}, 0
	for worker := range 4 {
		all.Go(func() {
			for n := 0; ; n++ {
				id := fmt.Sprintf("%d-%d", worker, n)
				a := i.send("POST", "http://"+addr+"/hooks/shop", fmt.Sprintf(`{"id": %q}`, id), "X-Token", "t0k3n")
				mu.Lock()
				switch {
				case a.err != nil: // the listener is closed
					mu.Unlock()
					return
				case a.status == 200:
					taken[id] = true
				case a.status == 503 && strings.Contains(a.body, `"stopping"`) && a.header.Get("Retry-After") != "":
					refused++
				default:
					t.Errorf("status %d: %s", a.status, a.body)
				}
				mu.Unlock()
				time.Sleep(5 * time.Millisecond)
			}
		})
	}
	i.eventually("some events", func() error {
		mu.Lock()
		defer mu.Unlock()
		if len(taken) < 20 {
			return fmt.Errorf("%d", len(taken))
		}
		return nil
	})
	slow, stopped := make(chan answer, 1), make(chan bool)
	go func() { slow <- i.call("GET", "/api/slow", "") }()
	go func() { i.stop(); close(stopped) }()
	i.eventually("/readyz to say that the host stops", func() error {
		a := i.send("GET", "http://"+admins+"/readyz", "")
		if a.status != 503 || !strings.Contains(a.body, `"status":"stopping"`) {
			return fmt.Errorf("%d %s %v", a.status, a.body, a.err)
		}
		return nil
	})
	if a := <-slow; a.want(200) != nil || !strings.Contains(a.body, "true") {
		t.Errorf("what was in progress: %d %s %v", a.status, a.body, a.err)
	}
	all.Wait()
	<-stopped
	if refused == 0 {
		t.Error("nobody was told that the host stops")
	}
	i.start()
	i.eventually("a run of each event that was taken", func() error {
		runs := map[string]bool{}
		for before := ""; ; {
			page := read[[]admin.RunInfo](i, "/v1/runs?limit=500&flow=paid&before="+before)
			for _, r := range page {
				runs[fmt.Sprint(r.Result)] = true
			}
			if len(page) < 500 {
				break
			}
			before = page[len(page)-1].ID
		}
		for id := range taken {
			if !runs[id] {
				return fmt.Errorf("event %s of %d has no run yet (%d have)", id, len(taken), len(runs))
			}
		}
		return nil
	})
	t.Logf("%d events taken, %d refused while stopping", len(taken), refused)
}

// hanging is a store whose disk can hang.
type hanging struct {
	store.Store
	free *sync.RWMutex // held while it hangs
}

func (h hanging) Commit(ctx context.Context, b *store.Batch) (store.Result, error) {
	h.free.RLock()
	defer h.free.RUnlock()
	return h.Store.Commit(ctx, b)
}

// TestReadyTellsTheTruth: a flow that can't run is told of and no more; a disk
// that hangs makes the host unready, and one that goes on makes it ready.
func TestReadyTellsTheTruth(t *testing.T) {
	i := install(t, nil, map[string]string{"flows/lame.yaml": `schema: 1
id: lame
triggers: [{id: start, type: gateway}]
nodes: [{id: leg, type: crutch.walk}]
edges: [{from: start, to: leg}]
`})
	config, err := i.config()
	if err != nil {
		t.Fatal(err)
	}
	var disk sync.RWMutex
	config.Wrap = func(s store.Store) store.Store { return hanging{s, &disk} }
	h, err := host.New(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- h.Run(ctx) }()
	says := func(status string, parts ...string) {
		t.Helper()
		i.eventually("the host to be "+status, func() error {
			if health := h.Health(t.Context()); health.Status != status || !containsAll(fmt.Sprint(health), parts) {
				return fmt.Errorf("it is %+v", health)
			}
			return nil
		})
	}
	says("ready", "{flows degraded held: lame; see: trama doctor}", "{store ok }", "{disk ok }", "{public_listener ok }")
	disk.Lock()
	says("failing", "{store failing a commit has not been synced for 2")
	disk.Unlock()
	says("ready", "{store ok }")
	stop()
	if err := errors.Join(<-ended, h.Close()); err != nil {
		t.Error(err)
	}
}
