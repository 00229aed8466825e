package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Versions of the peers that do what a script of ours does.
const (
	nodeRED = "4.0.9"
	benthos = "v4.60.0"
)

// product is another product that answers the orders of the bench at
// /api/script as our script does.
type product struct {
	name  string
	least float64 // how many times its requests a second ours are to be
	// install makes it ready in a directory, and gives how it is started there
	// on a port.
	install func(dir string) (func(port string) []string, error)
}

// products are those that PEERS=1 installs, from the registries that npm and go
// are set to, and measures. What one of them is told is in its files.
var products = []product{
	{"Node-RED " + nodeRED, 8, func(dir string) (func(port string) []string, error) {
		err := write(dir, map[string]string{
			"settings.js": `module.exports = {flowFile: "flows.json", userDir: __dirname, httpAdminRoot: false, logging: {console: {level: "warn"}}}`,
			"flows.json": `[{"id": "t", "type": "tab"},
 {"id": "in", "type": "http in", "z": "t", "url": "/api/script", "method": "post", "wires": [["f"]]},
 {"id": "f", "type": "function", "z": "t", "outputs": 1, "wires": [["out"]], "func":
  "const items = msg.payload.items;\nlet total = 0;\nfor (const i of items) total += i.price * i.quantity;\nmsg.payload = {total, items: items.length};\nreturn msg;"},
 {"id": "out", "type": "http response", "z": "t", "statusCode": "200", "wires": []}]`,
		})
		if err == nil {
			err = command(dir, "npm", "install", "--no-audit", "--no-fund", "node-red@"+nodeRED)
		}
		return func(port string) []string {
			return []string{"node", filepath.Join(dir, "node_modules/node-red/red.js"), "--settings", filepath.Join(dir, "settings.js"), "--port", port}
		}, err
	}},
	{"Benthos " + benthos, 1, func(dir string) (func(port string) []string, error) {
		err := write(dir, map[string]string{
			"go.mod": "module benthos\n\ngo 1.26\n",
			"main.go": `package main

import (
	"context"

	_ "github.com/redpanda-data/benthos/v4/public/components/io"
	_ "github.com/redpanda-data/benthos/v4/public/components/pure"
	"github.com/redpanda-data/benthos/v4/public/service"
)

func main() { service.RunCLI(context.Background()) }
`,
			"config.yaml": `http: {enabled: false}
logger: {level: WARN}
input: {http_server: {address: "127.0.0.1:${PORT}", path: /api/script, allowed_verbs: [POST]}}
pipeline:
  processors:
    - mapping: |
        root.total = this.items.map_each(i -> i.price * i.quantity).sum()
        root.items = this.items.length()
output: {sync_response: {}}
`,
		})
		for _, args := range [][]string{{"get", "github.com/redpanda-data/benthos/v4@" + benthos}, {"mod", "tidy"}, {"build", "-o", "benthos", "."}} {
			if err == nil {
				err = command(dir, "go", args...)
			}
		}
		return func(port string) []string {
			return []string{"env", "PORT=" + port, filepath.Join(dir, "benthos"), "run", filepath.Join(dir, "config.yaml")}
		}, err
	}},
}

// command runs what makes a peer ready.
func command(dir, name string, args ...string) error {
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("PEERS: %s %s: %w\n%s", name, strings.Join(args, " "), err, tail(string(out)))
	}
	return nil
}

// besideProducts measures a script's route beside the same in other products, if
// PEERS asks for them. They stay installed in build/bench-peers.
func besideProducts(s settings, host string, make func(string) request) (rows []Row, err error) {
	if os.Getenv("PEERS") != "1" || !s.wants("gateway.run_code") {
		return nil, nil
	}
	for _, r := range products {
		word, _, _ := strings.Cut(strings.ToLower(r.name), " ")
		dir, err := filepath.Abs(filepath.Join("build", "bench-peers", word))
		if err != nil {
			return nil, err
		}
		start, err := r.install(dir)
		if err != nil {
			return nil, err
		}
		row, err := byProduct(s, host, r, start, make)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", r.name, err)
		}
		row.Name = "gateway.run_code." + word
		rows = append(rows, row)
	}
	return rows, nil
}

// byProduct measures one of them, in turns with ours.
func byProduct(s settings, host string, r product, start func(port string) []string, make func(string) request) (_ Row, err error) {
	const path = "/api/script"
	peer := &process{}
	if peer.addr, err = freeAddr(); err != nil {
		return Row{}, err
	}
	_, port, _ := strings.Cut(peer.addr, ":")
	args := start(port)
	if _, err := begin(args[0], peer, "http://"+peer.addr+path, args[1:]...); err != nil {
		return Row{}, err
	}
	defer func() { err = firstOf(err, peer.stop()) }()
	var a, b, ratios []float64
	for range s.rounds {
		ours, err := closedLoop(host, 32, s.seconds, 200, make(path))
		if err != nil {
			return Row{}, err
		}
		theirs, err := closedLoop(peer.addr, 32, s.seconds, 200, make(path))
		if err != nil {
			return Row{}, err
		}
		a, b, ratios = append(a, ours), append(b, theirs), append(ratios, ours/theirs)
	}
	ratio := median(ratios)
	return Row{Name: r.name, Unit: "req/s", Value: median(a), Peer: r.name, PeerValue: median(b), Ratio: ratio, Goal: fmt.Sprintf(">= %.0fx", r.least), Met: ratio >= r.least}, nil
}
