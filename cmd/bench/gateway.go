package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
)

// ask sends a request to a process's admin API.
func (p *process) ask(workspace, method, path string, body, into any) error {
	token, err := os.ReadFile(filepath.Join(workspace, "data", "admin.token"))
	if err != nil {
		return err
	}
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}
	q, err := http.NewRequest(method, "http://"+p.admin+path, bytes.NewReader(data))
	if err != nil {
		return err
	}
	q.Header.Set("Authorization", "Bearer "+string(bytes.TrimSpace(token)))
	q.Header.Set("Content-Type", "application/json")
	a, err := http.DefaultClient.Do(q)
	if err != nil {
		return err
	}
	defer a.Body.Close()
	var answer bytes.Buffer
	if _, err := answer.ReadFrom(a.Body); err != nil {
		return err
	}
	if a.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s: %s: %s", method, path, a.Status, answer.Bytes())
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(answer.Bytes(), into)
}

// client makes a client of the gateway and returns its id; one that an earlier
// bench left is removed.
func (p *process) client(workspace string) (string, error) {
	var made struct {
		ID string `json:"client_id"`
	}
	if err := p.ask(workspace, "GET", "/v1/clients/bench", nil, nil); err == nil {
		if err := p.ask(workspace, "DELETE", "/v1/clients/bench", nil, nil); err != nil {
			return "", err
		}
	}
	err := p.ask(workspace, "POST", "/v1/clients", map[string]string{"name": "bench"}, &made)
	if err == nil && made.ID == "" {
		err = errors.New("POST /v1/clients gave no client_id")
	}
	return made.ID, err
}

// security measures what checks of callers cost a call: the sum of a client, an
// address, scopes, a rate and a quota, and a signature, over what a public route
// pays. A token is one that came before, a new token one that did not. The room's
// own benchmark can leave all the rest out.
func security(s settings, _ string) ([]Row, error) {
	const name = "gateway.security"
	if !s.wants(name) {
		return nil, nil
	}
	out, err := exec.Command("go", "test", "-run", "^$", "-bench", "^BenchmarkCheck$", "-count", strconv.Itoa(s.rounds), "./host/access").CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("go test -bench BenchmarkCheck: %w\n%s", err, out)
	}
	times := map[string][]float64{}
	for _, m := range regexp.MustCompile(`BenchmarkCheck/(\w+)\S*\s+\d+\s+([\d.]+) ns/op`).FindAllStringSubmatch(string(out), -1) {
		v, err := strconv.ParseFloat(m[2], 64)
		if err != nil {
			return nil, err
		}
		times[m[1]] = append(times[m[1]], v/1000)
	}
	var rows []Row
	for _, check := range []string{"client", "all", "signed", "token", "new_token"} {
		if len(times[check]) == 0 || len(times["public"]) == 0 {
			return nil, fmt.Errorf("go test -bench BenchmarkCheck printed no time of %s:\n%s", check, out)
		}
		public := median(times["public"])
		v := median(times[check]) - public
		rows = append(rows, Row{Name: name + "." + check, Unit: "us more", Value: v, Peer: "public", PeerValue: public, Goal: "<= 5 us", Met: v <= 5})
	}
	return rows, nil
}

// Sizes of the subscriptions' measurements.
const (
	idleSubscriptions = 10_000
	eventsTold        = 2_000
)

// receiver takes deliveries and keeps how long each was under way.
type receiver struct {
	addr   string
	server *fasthttp.Server
	taken  atomic.Int64
	took   chan time.Duration
}

func receive() (*receiver, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &receiver{addr: l.Addr().String(), took: make(chan time.Duration, 2*eventsTold)}
	r.server = &fasthttp.Server{Handler: func(c *fasthttp.RequestCtx) {
		var told struct {
			Data struct {
				Data struct {
					At int64 `json:"at"`
				} `json:"data"`
			} `json:"data"`
		}
		if err := json.Unmarshal(c.PostBody(), &told); err == nil && told.Data.Data.At > 0 {
			r.took <- time.Since(time.Unix(0, told.Data.Data.At))
			r.taken.Add(1)
		}
	}}
	go r.server.Serve(l) //nolint:errcheck // ends with Shutdown
	return r, nil
}

// subscriptions measures ten thousand subscriptions while nothing happens, and
// what a subscriber who does not answer does to the others.
func subscriptions(s settings, dir string) (rows []Row, err error) {
	if !s.wants("webhooks.idle") && !s.wants("webhooks.dead") {
		return nil, nil
	}
	alive, err := receive()
	if err != nil {
		return nil, err
	}
	defer func() { err = firstOf(err, alive.server.Shutdown()) }()
	dead, err := net.Listen("tcp", "127.0.0.1:0") // takes connections, and never answers
	if err != nil {
		return nil, err
	}
	defer dead.Close()
	workspace := filepath.Join(dir, "subscriptions")
	if err := os.RemoveAll(workspace); err != nil { // of a run before
		return nil, err
	}
	if err := write(workspace, map[string]string{
		"trama.yaml": "cache: ../cache\nwebhooks: {allow_http: true, allow_private: true}\n",
		"flows/hear.yaml": `schema: 1
id: hear
triggers: [{id: heard, type: event, event: bench}]
nodes: [{id: stop, type: end}]
edges: [{from: heard, to: stop}]
`,
	}); err != nil {
		return nil, err
	}
	host, _, err := serve(workspace)
	if err != nil {
		return nil, err
	}
	defer func() { err = firstOf(err, host.stop()) }()
	if s.wants("webhooks.idle") {
		row, err := idle(s, workspace, host)
		if err != nil {
			return nil, fmt.Errorf("%w\n%s", err, tail(host.log.String()))
		}
		rows = append(rows, row)
	}
	if s.wants("webhooks.dead") {
		row, err := besideDead(s, workspace, host, alive, dead.Addr().String())
		if err != nil {
			return nil, fmt.Errorf("%w\n%s", err, tail(host.log.String()))
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// besideDead measures the slowest hundredth of deliveries to one subscriber,
// alone and beside one that never answers.
func besideDead(s settings, workspace string, host *process, alive *receiver, dead string) (Row, error) {
	if err := host.ask(workspace, "PUT", "/v1/subscriptions/alive", map[string]any{"id": "alive", "url": "http://" + alive.addr, "events": []string{"event:bench"}}, nil); err != nil {
		return Row{}, err
	}
	var alone, beside, ratios []float64
	for range s.rounds {
		a, err := tell(workspace, host, alive)
		if err != nil {
			return Row{}, err
		}
		if err := host.ask(workspace, "PUT", "/v1/subscriptions/dead", map[string]any{"id": "dead", "url": "http://" + dead, "events": []string{"event:bench"}}, nil); err != nil {
			return Row{}, err
		}
		b, err := tell(workspace, host, alive)
		if err != nil {
			return Row{}, err
		}
		if err := host.ask(workspace, "DELETE", "/v1/subscriptions/dead", nil, nil); err != nil {
			return Row{}, err
		}
		alone, beside, ratios = append(alone, a), append(beside, b), append(ratios, b/a)
	}
	row := Row{Name: "webhooks.dead", Unit: "ms, p99 of deliveries beside a dead endpoint", Value: median(beside), Peer: "without it", PeerValue: median(alone), Ratio: median(ratios), Goal: "<= 1.5x"}
	row.Met = row.Ratio <= 1.5
	return row, nil
}

// tell emits events, a hundred a second and more, and returns the 99th
// percentile of the milliseconds until each was delivered.
func tell(workspace string, host *process, to *receiver) (float64, error) {
	before := to.taken.Load()
	begun := time.Now()
	for n := range eventsTold {
		time.Sleep(time.Until(begun.Add(time.Duration(n) * 5 * time.Millisecond)))
		if err := host.ask(workspace, "POST", "/v1/events/bench", map[string]any{"data": map[string]int64{"at": time.Now().UnixNano()}}, nil); err != nil {
			return 0, err
		}
	}
	var times []float64
	late := time.After(time.Minute)
	for range eventsTold {
		select {
		case t := <-to.took:
			times = append(times, float64(t)/1e6)
		case <-late:
			return 0, fmt.Errorf("%d of %d events were delivered in a minute", to.taken.Load()-before, eventsTold)
		}
	}
	slices.Sort(times)
	return times[len(times)*99/100], nil
}

// idle measures the CPU time that a host with ten thousand subscriptions takes
// while nothing happens, beside the same host without them.
func idle(s settings, workspace string, host *process) (Row, error) {
	quiet := func() (float64, error) {
		time.Sleep(5 * time.Second) // what the change set off ends
		before, err := host.cpu()
		if err != nil {
			return 0, err
		}
		time.Sleep(4 * s.seconds)
		after, err := host.cpu()
		return (after - before) / (4 * s.seconds).Seconds() * 1000, err
	}
	without, err := quiet()
	if err != nil {
		return Row{}, err
	}
	var text strings.Builder
	for n := range idleSubscriptions {
		fmt.Fprintf(&text, "- {id: s%d, url: \"http://127.0.0.1:9/%d\", events: [message, \"event:other\"]}\n", n, n)
	}
	if err := os.WriteFile(filepath.Join(workspace, "subscriptions.yaml"), []byte(text.String()), 0o644); err != nil {
		return Row{}, err
	}
	for begun := time.Now(); ; time.Sleep(200 * time.Millisecond) {
		err := host.ask(workspace, "GET", fmt.Sprintf("/v1/subscriptions/s%d", idleSubscriptions-1), nil, nil)
		if err == nil {
			break
		}
		if time.Since(begun) > 2*time.Minute {
			return Row{}, fmt.Errorf("subscriptions.yaml was not taken in: %w", err)
		}
	}
	with, err := quiet()
	if err == nil { // what is measured next is without them
		err = os.WriteFile(filepath.Join(workspace, "subscriptions.yaml"), []byte("[]\n"), 0o644)
	}
	row := Row{Name: "webhooks.idle", Unit: "ms of CPU a second, 10,000 subscriptions", Value: with, Peer: "without them", PeerValue: without, Goal: "<= 1 ms more", Met: with-without <= 1}
	return row, err
}

// cpu is the processor time that a process has taken, in seconds.
func (p *process) cpu() (float64, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(stat), ") ") // the name may hold anything
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0, fmt.Errorf("/proc/%d/stat: %q", p.cmd.Process.Pid, stat)
	}
	var ticks float64
	for _, field := range fields[11:13] { // utime and stime (proc(5))
		v, err := strconv.ParseFloat(field, 64)
		if err != nil {
			return 0, err
		}
		ticks += v
	}
	return ticks / 100, nil // of a hundredth of a second on every Linux
}
