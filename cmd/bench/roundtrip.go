package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/trama-run/trama/host/egress"
	"github.com/trama-run/trama/host/plugin"
	"github.com/trama-run/trama/pdk/abi"
	"github.com/trama-run/trama/plugins/whatsapp/graphtest"
)

// trips are the messages of one round, one after the other.
const trips = 200

// graph stands for WhatsApp's API: the strict stub until it is told to be plain,
// for the stub's checks take longer than what is measured.
type graph struct {
	strict  *graphtest.API
	plain   atomic.Bool
	arrived chan time.Time // when a message came
}

func (g *graph) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.arrived <- time.Now()
	if !g.plain.Load() {
		g.strict.ServeHTTP(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	io.WriteString(w, `{"messaging_product":"whatsapp","contacts":[{"input":"1","wa_id":"1"}],"messages":[{"id":"wamid.out"}]}`) //nolint:errcheck // a lost answer fails the send
}

// roundtrip measures the time from a webhook of WhatsApp, alone on the machine,
// to the request that sends the flow's answer; beside what it can't do without,
// measured in the same round: a sync of the disk, and the adapter's two calls,
// receive and send.
func roundtrip(s settings, dir string) (rows []Row, err error) {
	const name = "message.roundtrip"
	if !s.wants(name) {
		return nil, nil
	}
	api := &graph{arrived: make(chan time.Time, 1)}
	if api.strict, err = graphtest.New("123", "t"); err != nil {
		return nil, err
	}
	server := httptest.NewServer(api)
	defer server.Close()
	workspace := filepath.Join(dir, "roundtrip")
	adapter, err := os.ReadFile("build/plugins/whatsapp.wasm")
	if err != nil {
		return nil, err
	}
	if err := write(workspace, map[string]string{
		"trama.yaml":            "cache: ../cache\n",
		"plugins/whatsapp.wasm": string(adapter),
		"grants.yaml":           "- {plugin: whatsapp, of: bundled, egress: [connection], secrets: [wa_app, wa_verify], limits: {memory: 64MiB}}\n",
		"channels.yaml":         workspaceFiles["channels.yaml"],
		"connections.yaml":      "- {id: graph, base_url: \"" + server.URL + "\", auth: {type: bearer, secret: wa_token}}\n",
		"flows/chat.yaml": `schema: 1
id: chat
triggers: [{id: start, type: message, channel: wa}]
nodes: [{id: say, type: send_message, with: {text: "{{ input.text }}"}}]
edges: [{from: start, to: say}]
`,
	}); err != nil {
		return nil, err
	}
	host, _, err := serve(workspace)
	if err != nil {
		return nil, err
	}
	defer func() { err = firstOf(err, host.stop()) }()
	installed, end, err := installAlone(dir, "whatsapp", "access_token", "verify_token", "app_secret")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, end()) }()

	client := &fasthttp.HostClient{Addr: host.addr, MaxConns: 1}
	defer client.CloseIdleConnections()
	q, a := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	message := signed("/hooks/wa")
	sent := int64(0)
	trip := func() (time.Duration, error) {
		sent++
		begun := time.Now()
		if err := one(client, q, a, sent, 200, message); err != nil {
			return 0, err
		}
		select {
		case at := <-api.arrived:
			return at.Sub(begun), nil
		case <-time.After(time.Minute): // the first one waits for the adapter's code
			return 0, fmt.Errorf("%s: no answer to message %d within a minute\n%s", name, sent, tail(host.log.String()))
		}
	}
	if _, err := trip(); err != nil {
		return nil, err
	}
	if broken := api.strict.Violations(); len(broken) > 0 {
		return nil, fmt.Errorf("%s: the answer breaks WhatsApp's contract: %v", name, broken)
	}
	api.plain.Store(true)
	message(1, q)
	receive, send, err := adapterCalls(installed, api, server.URL, q.Body())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}

	var took, bounds, ratios []float64
	for round := range s.rounds + 1 {
		var times []float64
		for range trips {
			d, err := trip()
			if err != nil {
				return nil, err
			}
			times = append(times, float64(d)/1e6)
		}
		sync, err := fsyncTime(dir)
		if err != nil {
			return nil, err
		}
		in, out, err := inTurns(receive, send)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if round == 0 { // warms all up
			continue
		}
		p50, bound := median(times), float64(sync)/1e6+(in+out)/1e3
		took, bounds, ratios = append(took, p50), append(bounds, bound), append(ratios, p50/bound)
	}
	ratio := median(ratios)
	return []Row{{
		Name: name, Unit: "ms, p50", Value: median(took), Peer: "fsync + receive + send", PeerValue: median(bounds), Ratio: ratio,
		Goal: "<= 10x", Met: ratio <= 10,
	}}, nil
}

// adapterCalls gives the two calls that a message costs: the one that reads a
// webhook's body, and the one that sends an answer to who wrote it.
func adapterCalls(r *plugin.Registry, api *graph, base string, body []byte) (receive, send func() error, err error) {
	config := json.RawMessage(`{"phone_number_id":"123"}`)
	raw, err := json.Marshal(abi.Receive{Channel: "wa", Config: config, Method: "POST", Headers: map[string]string{"content-type": "application/json"}, Body: body, ReceivedMillis: time.Now().UnixMilli()})
	if err != nil {
		return nil, nil, err
	}
	ctx := context.Background()
	call := func(export string, input []byte) (json.RawMessage, error) {
		output, _, failure := r.Call(ctx, plugin.Call{Plugin: "whatsapp", Export: export, Input: input, EffectID: "bench", Connection: &egress.Connection{ID: "graph", BaseURL: base}})
		if failure != nil {
			return nil, fmt.Errorf("%s: %w", export, failure)
		}
		return output, nil
	}
	output, err := call(abi.FuncReceive, raw)
	if err != nil {
		return nil, nil, err
	}
	var received abi.Received
	if err := json.Unmarshal(output, &received); err != nil {
		return nil, nil, err
	}
	if len(received.Units) != 1 || received.Units[0].Message == nil {
		return nil, nil, fmt.Errorf("receive gave %s, want one message", output)
	}
	answer, err := json.Marshal(abi.Send{Channel: "wa", Config: config, To: received.Units[0].From, Message: abi.Message{Type: abi.MessageText, Text: "oi"}, EffectID: "bench", HeardMillis: time.Now().UnixMilli()})
	if err != nil {
		return nil, nil, err
	}
	receive = func() error {
		_, err := call(abi.FuncReceive, raw)
		return err
	}
	send = func() error {
		_, err := call(abi.FuncSend, answer)
		if err == nil {
			<-api.arrived
		}
		return err
	}
	return receive, send, nil
}
