package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/trama-run/trama/cmd/trama/internal/cli"
)

// walk gives the commands of a tree that do something.
func walk(c *cobra.Command) (all []*cobra.Command) {
	if c.Runnable() && !c.HasSubCommands() && !c.Hidden {
		all = append(all, c)
	}
	for _, child := range c.Commands() {
		all = append(all, walk(child)...)
	}
	return all
}

// jsonCases are the arguments to try each command with; "stdin: TEXT" at the
// end is its stdin. DIR is a workspace, GUESTS a directory of modules. They
// are run in this order.
const jsonCases = `
version
health
doctor
secret set erp stdin: value
secret list
secret remove erp
env set LIMIT 10
env list
env remove LIMIT
token create ci --role viewer
token list
token whoami
token remove ci
audit list
session list
delivery list
delivery show none
route set stdin: {method: GET, path: /other, flow: fine}
route list
route show GET /other
route remove GET /other
route import DIR/openapi.yaml --dry-run
soap import ../../examples/legacy-erp/wsdl/erp.wsdl --plugin ../../build/plugins/soap.wasm --into DIR --dry-run
gateway set stdin: {openapi: true}
gateway show
gateway remove
connection set stdin: {id: erp, base_url: "https://erp.example"}
connection list
connection show erp
connection remove erp
channel set stdin: {id: crm, adapter: webhook, secrets: {secret: crm}, config: {event: hello, token: "header:X-Token"}}
channel list
channel show crm
channel connect crm
channel check crm
channel remove crm
alert set stdin: {id: ops, webhook: {url: "https://ops.example"}}
alert list
alert show ops
alert remove ops
subscription set stdin: {id: crm, url: "https://crm.example", events: [message]}
subscription list
subscription show crm
subscription state crm
subscription test none
subscription enable crm
subscription replay crm
subscription remove crm
client create erp
client list
client show erp
client change erp --title ERP
client rotate erp
client expire erp
client revoke erp
client remove erp
calls list
calls show none
flow list
flow show fine
flow versions fine
flow diff fine
flow publish DIR/other.yaml
flow rollback fine
flow remove other
flow migrate fine --from 1 --to 2
flow validate DIR/flows/fine.yaml
flow test DIR/flows
flow run DIR/flows/fine.yaml
flow graph DIR/flows/fine.yaml
flow schema
flow reference
activate fine --contact crm:1
event emit hello
schedule list
runs list
runs show none
runs cancel none
runs retry none
runs replay none
contact list
contact show webchat:1
contact human crm:1 on
contact merge crm/x:1 none/x:1 --yes
contact set none/x:1
contact erase none/x:1 --dry-run
contact import none.csv
contact export
outbox list
outbox endpoints
outbox cancel none
dead list
dead show none
dead replay none
dead cancel none
plugin list
plugin inspect none
plugin grants
plugin grant none --yes
plugin revoke none
plugin check GUESTS/echo.wasm
plugin test DIR/packed.wasm
plugin run DIR/packed.wasm echo --input 1
plugin bench DIR/packed.wasm echo --input 1 --time 10ms
plugin key acme --out DIR/acme.pem
plugin pack DIR/packed.wasm
plugin sign DIR/packed.wasm --key DIR/acme.pem
plugin verify DIR/packed.wasm --key DIR/acme.pem
plugin new acme --lang go --dir DIR/acme
plugin build none
plugin bind DIR/acme --lang ts
apply DIR --dry-run
apply DIR
backup DIR/backup
verify DIR/backup
restore DIR/backup --data DIR/restored
`

// TestJSON: every command prints JSON, and nothing else, if it is asked to:
// what it gives on stdout, what went wrong on stderr.
func TestJSON(t *testing.T) {
	guests, err := filepath.Abs("../../host/sandbox/testdata")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	echo, err := os.ReadFile(filepath.Join(guests, "echo.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"packed.wasm":          string(echo),
		"packed.yaml":          "{name: packed, version: 1.0.0, abi: 1, kind: connector, operations: [{name: echo, effect: pure, examples: [{input: 1, output: 1}]}]}\n",
		"flows/fine.yaml":      "schema: 1\nid: fine\ntriggers: [{id: start, type: gateway}]\nnodes: [{id: reply, type: response.json, with: {body: {fine: true}}}]\nedges: [{from: start, to: reply}]\n",
		"flows/fine.test.yaml": "- {name: it answers, event: {}, expect: {answer: {status: 200}}}\n",
		"other.yaml":           "schema: 1\nid: other\ntriggers: [{id: start, type: gateway}]\nnodes: [{id: reply, type: response.json, with: {body: {fine: true}}}]\nedges: [{from: start, to: reply}]\n",
		"openapi.yaml":         "openapi: 3.1.0\ninfo: {title: x, version: '1'}\npaths: {/a: {get: {responses: {'200': {description: fine}}}}}\n",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	server := startServer(t, dir)
	tried := map[string]bool{"trama serve": true, "trama plugin dev": true} // which print a line for each thing that happens
	for line := range strings.Lines(strings.TrimSpace(jsonCases)) {
		command, stdin, _ := strings.Cut(strings.TrimSpace(line), " stdin: ")
		args := strings.Fields(strings.NewReplacer("DIR", dir, "GUESTS", guests).Replace(command))
		root := tree(&cli.Program{})
		found, _, err := root.Find(args)
		if err != nil {
			t.Errorf("%s: %v", command, err)
			continue
		}
		tried[found.CommandPath()] = true
		if found.Flags().Lookup("server") != nil {
			args = append(args, "--server", server.admin, "-w", dir)
		}
		var stdout, stderr bytes.Buffer
		q := exec.Command("trama", append(args, "--json")...)
		q.Stdin, q.Stdout, q.Stderr = strings.NewReader(stdin), &stdout, &stderr
		if err := q.Run(); q.ProcessState == nil {
			t.Fatal(err)
		}
		code := q.ProcessState.ExitCode()
		says := fmt.Sprintf("%s: exit code %d\nstdout: %.300s\nstderr: %.300s", command, code, &stdout, &stderr)
		switch {
		case code == cli.ExitUsage:
			t.Error(says)
		case stdout.Len() > 0 && !json.Valid(stdout.Bytes()):
			t.Error("stdout is not JSON: " + says)
		case code == cli.ExitOK && stdout.Len() == 0:
			t.Error("nothing on stdout: " + says)
		case code != cli.ExitOK && stdout.Len() == 0 && !slices.ContainsFunc(bytes.Split(stderr.Bytes(), []byte("\n")), func(line []byte) bool { return len(line) > 1 && json.Valid(line) }):
			t.Error("what went wrong is not JSON: " + says)
		}
		if strings.Contains(command, "none") {
			continue
		}
		if code != cli.ExitOK && !slices.Contains([]string{"doctor", "channel connect crm", "channel check crm", "flow diff fine", "flow rollback fine", "flow migrate fine --from 1 --to 2", "activate fine --contact crm:1", "event emit hello", "plugin check GUESTS/echo.wasm", "contact show webchat:1", "contact human crm:1 on", "apply DIR --dry-run"}, command) {
			t.Error("failed: " + says)
		}
	}
	for _, c := range walk(tree(&cli.Program{})) {
		if !tried[c.CommandPath()] && c.Name() != "completion" {
			t.Errorf("%s is not among jsonCases", c.CommandPath())
		}
	}
}
