package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/trama-run/trama/host/engine"
	"github.com/trama-run/trama/host/flow"
)

// tenNodes is a flow of ten nodes without a call.
const tenNodes = `
schema: 1
id: ten
triggers: [{id: start, type: gateway}]
nodes:
  - {id: name, type: set_flow, with: {set: {name: "{{ input.body.customer }}", total: 0}}}
  - {id: known, type: conditional, with: {branches: [{port: vip, when: 'input.body.kind == "vip"'}, {port: firm, when: 'input.body.kind == "firm"'}]}}
  - {id: one, type: set_flow, with: {set: {total: "{{ flow.total + trigger.body.items[0].price }}"}}}
  - {id: two, type: set_flow, with: {set: {total: "{{ flow.total + trigger.body.items[1].price }}"}}}
  - {id: big, type: conditional, with: {branches: [{port: big, when: "flow.total > 1000"}]}}
  - {id: fee, type: set_flow, with: {set: {fee: "{{ flow.total * 0.1 }}"}}}
  - {id: text, type: set_flow, with: {set: {text: "{{ flow.name }} pays {{ flow.total }} and {{ flow.fee }}"}}}
  - {id: free, type: conditional, with: {branches: [{port: free, when: "flow.fee < 1"}]}}
  - {id: reply, type: response.json, with: {status: 201, body: {text: "{{ flow.text }}", total: "{{ flow.total }}"}}}
  - {id: end, type: end, with: {result: "{{ flow.total }}"}}
edges:
  - {from: start, to: name}
  - {from: name, to: known}
  - {from: known, port: else, to: one}
  - {from: one, to: two}
  - {from: two, to: big}
  - {from: big, port: else, to: fee}
  - {from: fee, to: text}
  - {from: text, to: free}
  - {from: free, port: else, to: reply}
  - {from: reply, to: end}
`

// engineTime measures the engine alone.
func engineTime(s settings, _ string) ([]Row, error) {
	const name = "engine.ten_nodes"
	if !s.wants(name) {
		return nil, nil
	}
	document, err := flow.Parse("ten.yaml", []byte(tenNodes))
	if err != nil {
		return nil, err
	}
	program, err := engine.Compile(document, 1)
	if err != nil {
		return nil, err
	}
	var body any
	if err := json.Unmarshal([]byte(order), &body); err != nil {
		return nil, err
	}
	programs := engine.Programs{"ten": program}
	event := engine.Event{Now: time.Now(), Start: &engine.Start{Trigger: "start", Value: map[string]any{"method": "POST", "body": body}}}
	took, err := several(s.rounds, func() error {
		out, err := programs.Advance(engine.Session{ID: "r", Caller: true, Run: &engine.Run{Flow: "ten", Version: 1}}, event)
		if err == nil && (out.Session.Run.Status != engine.Done || out.Session.Steps != 10) {
			err = fmt.Errorf("%s: the run is %s after %d nodes", name, out.Session.Run.Status, out.Session.Steps)
		}
		return err
	})
	return []Row{{Name: name, Unit: "us", Value: took, Goal: "<= 25 us", Met: took <= 25}}, err
}

// Sizes of the conversations' measurements.
const (
	turns    = 5_000
	sleepers = 100_000
	page     = 300 // contacts of one activation
)

// conversations measures whole turns of conversations, and what sleeping ones
// cost.
func conversations(s settings, dir string) (rows []Row, err error) {
	if !s.wants("turns") && !s.wants("start.sessions") && !s.wants("mem.sessions") {
		return nil, nil
	}
	graph, err := listen()
	if err != nil {
		return nil, err
	}
	defer func() { err = firstOf(err, graph.server.Shutdown()) }()
	workspace := filepath.Join(dir, "conversations")
	if err := os.RemoveAll(filepath.Join(workspace, "data")); err != nil { // of a run before
		return nil, err
	}
	adapter, err := os.ReadFile("build/plugins/whatsapp.wasm")
	if err != nil {
		return nil, err
	}
	if err := write(workspace, map[string]string{
		"trama.yaml":            "cache: ../cache\n",
		"plugins/whatsapp.wasm": string(adapter),
		"grants.yaml":           "- {plugin: whatsapp, of: bundled, egress: [connection], secrets: [wa_app, wa_verify], limits: {memory: 64MiB}}\n",
		"channels.yaml":         workspaceFiles["channels.yaml"],
		"connections.yaml":      "- {id: graph, base_url: \"http://" + graph.addr + "/v23.0\", auth: {type: bearer, secret: wa_token}}\n",
		"flows/chat.yaml": `schema: 1
id: chat
triggers: [{id: start, type: message, channel: wa}]
nodes:
  - {id: count, type: set_user, with: {set: {n: "{{ (user.n ?? 0) + 1 }}"}}}
  - {id: say, type: send_message, with: {text: "{{ user.n }}: {{ input.text }}"}}
  - {id: wait, type: wait_reply, with: {timeout: 30d}}
edges:
  - {from: start, to: count}
  - {from: count, to: say}
  - {from: say, to: wait}
  - {from: wait, to: count}
`,
		"flows/sleep.yaml": `schema: 1
id: sleep
triggers: [{id: start, type: activate}]
nodes:
  - {id: nap, type: wait, with: {for: 30d}}
edges: [{from: start, to: nap}]
`,
	}); err != nil {
		return nil, err
	}
	host, _, err := serve(workspace)
	if err != nil {
		return nil, err
	}
	defer func() { err = firstOf(err, host.stop()) }()
	if s.wants("turns") {
		if rows, err = talk(s, dir, host, graph); err != nil {
			return nil, fmt.Errorf("%w\n%s", err, tail(host.log.String()))
		}
	}
	if !s.wants("start.sessions") && !s.wants("mem.sessions") {
		return rows, nil
	}
	before, err := restarted(&host, workspace, nil)
	if err != nil {
		return nil, err
	}
	if err := sleep(workspace, host); err != nil {
		return nil, fmt.Errorf("%w\n%s", err, tail(host.log.String()))
	}
	var starts []float64
	var after float64
	for range s.rounds {
		if after, err = restarted(&host, workspace, &starts); err != nil {
			return nil, err
		}
	}
	start := median(starts)
	return append(rows,
		Row{Name: "start.sessions", Unit: "s", Value: start, Goal: fmt.Sprintf("<= 2 s, %d sleeping sessions with timers", sleepers), Met: start <= 2},
		Row{Name: "mem.sessions", Unit: "MiB", Value: after, Peer: "no session", PeerValue: before, Ratio: after / before, Goal: "<= 1.2x: no memory a session", Met: after/before <= 1.2},
	), nil
}

// restarted stops a host, starts it again and gives its memory when it is idle.
func restarted(host **process, workspace string, starts *[]float64) (float64, error) {
	if err := (*host).stop(); err != nil {
		return 0, err
	}
	again, took, err := serve(workspace)
	if err != nil {
		return 0, err
	}
	*host = again
	if starts != nil {
		*starts = append(*starts, took.Seconds())
	}
	time.Sleep(3 * time.Second)
	return again.resident()
}

// graphServer stands for the service behind the channel: it takes every message
// and counts them.
type graphServer struct {
	addr   string
	server *fasthttp.Server
	taken  atomic.Int64
}

func listen() (*graphServer, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	g := &graphServer{addr: l.Addr().String()}
	g.server = &fasthttp.Server{Handler: func(c *fasthttp.RequestCtx) {
		c.SetContentType("application/json")
		fmt.Fprintf(c, `{"messaging_product":"whatsapp","contacts":[{"input":"1","wa_id":"1"}],"messages":[{"id":"wamid.out.%d"}]}`, g.taken.Add(1))
	}}
	go g.server.Serve(l) //nolint:errcheck // ends with Shutdown
	return g, nil
}

// talk sends messages of a thousand contacts and waits until each is answered:
// a turn is the webhook, its place on the disk, the adapter that reads it, the
// flow, and the send. It compares with the merged appends of the same disk, and
// with bare Fiber, which answers the same webhooks and does nothing else.
func talk(s settings, dir string, host *process, graph *graphServer) ([]Row, error) {
	client := &fasthttp.HostClient{Addr: host.addr, MaxConns: 128}
	defer client.CloseIdleConnections()
	message := signed("/hooks/wa")
	var rates []float64
	for range s.rounds {
		begun, answered := time.Now(), graph.taken.Load()
		var next atomic.Int64
		sender := func() func() error {
			q, a := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
			return func() error {
				if n := next.Add(1); n <= turns {
					return one(client, q, a, begun.UnixNano()+n, 200, message)
				}
				return io.EOF
			}
		}
		if _, err := rate(128, 5*time.Minute, sender); err != nil && err != io.EOF {
			return nil, err
		}
		for graph.taken.Load()-answered < turns {
			if time.Since(begun) > 5*time.Minute {
				return nil, fmt.Errorf("turns: %d of %d were answered in 5 minutes", graph.taken.Load()-answered, turns)
			}
			time.Sleep(5 * time.Millisecond)
		}
		rates = append(rates, turns/time.Since(begun).Seconds())
	}
	beside := func(peer string, value float64) Row {
		mine := median(rates)
		return Row{Name: "turns", Unit: "turns/s", Value: mine, Peer: peer, PeerValue: value, Ratio: mine / value}
	}
	appends, err := storeAppend(settings{rounds: 1, seconds: s.seconds}, filepath.Join(dir, "beside"))
	if err != nil {
		return nil, err
	}
	fiber, err := bareFiber()
	if err != nil {
		return nil, err
	}
	bare, err := closedLoop(fiber.addr, 128, s.seconds, 200, message)
	if err = firstOf(err, fiber.stop()); err != nil {
		return nil, err
	}
	return []Row{beside("merged appends", appends[0].Value), beside("bare Fiber", bare)}, nil
}

// sleep lets a hundred thousand contacts sleep.
func sleep(workspace string, host *process) error {
	for first := 0; first < sleepers; first += page {
		contacts := make([]string, page)
		for i := range contacts {
			contacts[i] = fmt.Sprintf("wa/whatsapp:55%07d", first+i)
		}
		if err := host.ask(workspace, "POST", "/v1/activations", map[string]any{"flow": "sleep", "contacts": contacts}, nil); err != nil {
			return err
		}
	}
	for begun := time.Now(); ; time.Sleep(time.Second) {
		var versions []struct {
			Sessions int `json:"sessions"`
		}
		if err := host.ask(workspace, "GET", "/v1/flows/sleep/versions", nil, &versions); err != nil {
			return err
		}
		if len(versions) > 0 && versions[0].Sessions >= sleepers {
			return nil
		}
		if time.Since(begun) > 5*time.Minute {
			return fmt.Errorf("%d of %d sessions sleep after 5 minutes", versions[0].Sessions, sleepers)
		}
	}
}
