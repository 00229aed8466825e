// Package nodes_test holds the example workspace to what it shows: a flow for
// each kind of node and type of trigger, with cases that take every port.
package nodes_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/trama-run/trama/host/flow"
	"github.com/trama-run/trama/host/trial"
	"github.com/trama-run/trama/host/workspace"
)

//go:generate go test . -run TestReadme -update

var update = flag.Bool("update", false, "write README.md")

// fileOf is the name of the flow that shows a kind of node or trigger.
func fileOf(kind string) string { return strings.ReplaceAll(kind, ".", "-") }

// read gives the flows by id, and the cases by file.
func read(t *testing.T) (flows map[string]*flow.Flow, cases map[string][]trial.Case) {
	t.Helper()
	files, err := filepath.Glob("flows/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("there are no flows: %v", err)
	}
	flows, cases = map[string]*flow.Flow{}, map[string][]trial.Case{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		if workspace.IsCases(file) {
			of := strings.TrimSuffix(name, ".test")
			found, problems := trial.Parse(file, data, of)
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			cases[of] = found
			continue
		}
		f, err := flow.Parse(file, data)
		if err != nil {
			t.Fatal(err)
		}
		if f.ID != name {
			t.Errorf("%s holds the flow %q", file, f.ID)
		}
		flows[f.ID] = f
	}
	return flows, cases
}

func TestCases(t *testing.T) {
	files, err := workspace.ReadFiles(".")
	if err != nil {
		t.Fatal(err)
	}
	settings, err := workspace.ReadSettings(".")
	if err != nil {
		t.Fatal(err)
	}
	plugins := filepath.Join("..", "..", "build", "plugins")
	javascript, err := os.ReadFile(filepath.Join(plugins, "javascript.wasm"))
	if err != nil {
		t.Fatalf("%v: run make build first", err)
	}
	sum := sha256.Sum256(javascript)
	bench, err := trial.Open(t.Context(), trial.Config{
		Files: files, Env: settings.Env, Plugins: []string{plugins}, Bundled: []string{hex.EncodeToString(sum[:])},
		Cache: filepath.Join("..", "..", "build", "testcache"), Scratch: t.TempDir(),
		// The same compiler in this process takes ten times as long under the race detector.
		Compiler: []string{filepath.Join("..", "..", "build", "trama"), "compile-module"},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := bench.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	_, cases := read(t)
	for of, list := range cases {
		for _, c := range list {
			t.Run(of+"/"+c.Name, func(t *testing.T) {
				result, err := bench.Run(t.Context(), c)
				if err != nil {
					t.Fatal(err)
				}
				for _, failure := range result.Failures {
					t.Errorf("%s: %s", result.At, failure)
				}
			})
		}
	}
}

// TestEveryPort: the steps that cases expect are those of the runs, as TestCases
// proves, and take each port of each kind.
func TestEveryPort(t *testing.T) {
	flows, cases := read(t)
	taken := map[string]bool{} // flow/node.port
	for _, list := range cases {
		for _, c := range list {
			for _, step := range steps(c) {
				for _, port := range portsOf(step) {
					taken[c.Flow+"/"+port] = true
				}
			}
		}
	}
	for _, kind := range flow.Kinds() {
		name := fileOf(kind.Type)
		if flows[name] == nil || len(cases[name]) == 0 {
			t.Errorf("%s: there is no flow %s with cases", kind.Type, name)
			continue
		}
		ports := map[string]bool{}
		for _, f := range flows {
			if f.ID != name && !strings.HasPrefix(f.ID, name+"-") {
				continue
			}
			for i := range f.Nodes {
				n := &f.Nodes[i]
				if n.Type != kind.Type {
					continue
				}
				config, problems := n.Config()
				if len(problems) > 0 {
					t.Fatal(problems)
				}
				for _, port := range n.Ports(config) {
					ports[port] = ports[port] || taken[f.ID+"/"+n.ID+"."+port]
				}
			}
		}
		if len(ports) == 0 {
			t.Errorf("%s: its example has no such node", kind.Type)
		}
		for port, is := range ports {
			if !is {
				t.Errorf("%s: no case expects a step that takes the port %s", kind.Type, port)
			}
		}
	}
}

func TestEveryTrigger(t *testing.T) {
	flows, cases := read(t)
	for _, kind := range flow.TriggerKinds() {
		f := flows[kind.Type]
		if f == nil || len(cases[kind.Type]) == 0 {
			t.Errorf("%s: there is no flow with cases", kind.Type)
		} else if !slices.ContainsFunc(f.Triggers, func(t flow.Trigger) bool { return t.Type == kind.Type }) {
			t.Errorf("%s: its example has no such trigger", kind.Type)
		}
	}
}

// steps are those that a case expects at its end and on its way.
func steps(c trial.Case) []string {
	all := slices.Clone(c.Expect.Steps)
	for _, step := range c.Messages {
		if step.Expect != nil {
			all = append(all, step.Expect.Steps...)
		}
	}
	return all
}

// portsOf gives the ports that a step shows, as node.port: the one by which it
// left, and the one where its sub-run began.
func portsOf(step string) (ports []string) {
	for i, part := range strings.Split(step, "/") {
		node, sub, in := strings.Cut(part, "[")
		switch {
		case !in:
			ports = append(ports, part)
		case i > 0: // in a called flow, or in another sub-run
		case strings.ContainsAny(sub[:1], "0123456789"):
			ports = append(ports, node+"."+flow.PortEach)
		default:
			ports = append(ports, node+"."+strings.TrimSuffix(sub, "]"))
		}
	}
	return ports
}

// TestReadme: the page is made of what the code declares, and of the examples.
func TestReadme(t *testing.T) {
	read := func(kind string) string {
		data, err := os.ReadFile("flows/" + fileOf(kind) + ".yaml")
		if err != nil {
			t.Error(err)
		}
		return string(data)
	}
	var page strings.Builder
	page.WriteString(flow.Reference(read))
	page.WriteString("## Examples of triggers\n\n")
	for _, kind := range flow.TriggerKinds() {
		fmt.Fprintf(&page, "### %s\n\n```yaml\n%s\n```\n\n", kind.Type, strings.TrimSpace(read(kind.Type)))
	}
	page.WriteString("## About the examples\n\nThey are the flows of this workspace, `flows/`. Beside each stand the cases that\n" +
		"show what it does, such as `flows/jump.test.yaml`: `trama flow test examples/nodes` tries them\n" +
		"without a server, and takes every port of every kind of node. After a change, `go generate ./examples/nodes`\n" +
		"writes this page anew.\n")
	if *update {
		if err := os.WriteFile("README.md", []byte(page.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != page.String() {
		t.Error("README.md is not what the code and the flows say now: run go generate ./examples/nodes")
	}
}
