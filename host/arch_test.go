package host_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/trama-run/trama/"

// allowed is the import table: what each package may import of this module,
// and which foreign libraries. "pdk/abi" is open to all. Arrows go down only,
// and a foreign library stays in its room. It is as on Linux, and holds no
// arrow that nothing uses.
var allowed = map[string][]string{
	"host":                 {"host/admin", "host/alert", "host/catalog", "host/channel", "host/dispatch", "host/egress", "host/flow", "host/gateway", "host/grant", "host/outbox", "host/plugin", "host/run", "host/sandbox", "host/secret", "host/server", "host/source", "host/store", "host/store/backup", "host/store/badger", "host/telemetry", "host/watch", "host/workspace"},
	"host/server":          {"host/channel", "host/problem", "github.com/gofiber/fiber", "github.com/google/uuid"},
	"host/gateway":         {"host/catalog", "host/expr", "host/flow", "host/problem", "host/run", "github.com/gofiber/fiber", "golang.org/x/text"},
	"host/channel":         {"host/catalog", "host/contact", "host/deadletter", "host/expr", "host/grant", "host/outbox", "host/plugin", "host/problem", "host/run", "host/secret", "host/store"},
	"host/alert":           {"host/catalog", "host/contact", "host/egress", "host/grant", "host/outbox", "host/secret", "host/store"},
	"host/admin":           {"host/alert", "host/catalog", "host/channel", "host/contact", "host/deadletter", "host/dispatch", "host/engine", "host/expr", "host/flow", "host/grant", "host/outbox", "host/plugin", "host/problem", "host/run", "host/source", "host/store", "host/workspace", "github.com/gofiber/fiber"},
	"host/run":             {"host/blob", "host/catalog", "host/contact", "host/deadletter", "host/egress", "host/engine", "host/expr", "host/flow", "host/hostfn", "host/kv", "host/outbox", "host/plugin", "host/store", "github.com/google/uuid"},
	"host/outbox":          {"host/contact", "host/deadletter", "host/store"},
	"host/deadletter":      {"host/store"},
	"host/trial":           {"host/catalog", "host/contact", "host/egress", "host/engine", "host/expr", "host/flow", "host/grant", "host/outbox", "host/plugin", "host/run", "host/sandbox", "host/secret", "host/source", "host/store", "host/store/memory", "host/workspace"},
	"host/dispatch":        {"host/store"},
	"host/kv":              {"host/store"},
	"host/blob":            {"host/store"},
	"host/workspace":       {"host/catalog", "host/flow", "host/source"},
	"host/catalog":         {"host/egress", "host/engine", "host/flow", "host/grant", "host/source", "host/store"},
	"host/plugin":          {"host/egress", "host/grant", "host/hostfn", "host/sandbox", "host/secret", "go.yaml.in/yaml"},
	"host/hostfn":          {"host/egress", "host/sandbox", "host/secret"},
	"host/egress":          {"host/egress/auth", "host/egress/redact", "host/grant", "host/secret"},
	"host/egress/auth":     {"github.com/aws/aws-sdk-go-v2"},
	"host/egress/redact":   {},
	"host/engine":          {"host/contact", "host/expr", "host/flow", "host/value"},
	"host/flow":            {"host/contact", "host/expr", "host/source", "host/value", "github.com/robfig/cron", "github.com/santhosh-tekuri/jsonschema", "github.com/invopop/jsonschema"},
	"host/graph":           {"host/flow"},
	"host/expr":            {"host/source", "github.com/expr-lang/expr"},
	"host/source":          {"go.yaml.in/yaml"},
	"host/contact":         {},
	"host/value":           {"golang.org/x/text"},
	"host/problem":         {},
	"host/watch":           {},
	"host/telemetry":       {"github.com/prometheus/client_golang"},
	"host/grant":           {},
	"host/secret":          {},
	"host/sandbox":         {"host/sandbox/compile", "host/sandbox/image", "host/sandbox/meter", "host/sandbox/wasm", "github.com/tetratelabs/wazero", "golang.org/x/sys/cpu"},
	"host/sandbox/image":   {"golang.org/x/sys"},
	"host/sandbox/wasm":    {"host/sandbox/wasm/opcode"},
	"host/sandbox/meter":   {"host/sandbox/wasm", "host/sandbox/wasm/opcode"},
	"host/sandbox/compile": {"github.com/tetratelabs/wazero", "golang.org/x/sys/cpu"},
	"host/store":           {},
	"host/store/backup":    {"host/store", "host/store/badger", "host/store/snapshot"},
	"host/store/badger":    {"host/store", "host/store/snapshot", "github.com/dgraph-io/badger", "github.com/klauspost/compress", "golang.org/x/sys", "google.golang.org/protobuf"},
	"host/store/memory":    {"host/store", "host/store/snapshot"},
	"host/store/snapshot":  {},
	"host/store/storetest": {"host/store", "host/store/snapshot", "pgregory.net/rapid"},
	"host/simulation":      {"host/channel", "host/contact", "host/deadletter", "host/engine", "host/outbox", "host/run", "host/store"},

	"host/sandbox/wasm/opcode": {},

	// The binary wires nothing: it starts host, is a client of admin, and reads
	// what a workspace or a plugin file is without a server.
	"cmd/trama": {"host", "host/admin", "host/catalog", "host/deadletter", "host/flow", "host/grant", "host/graph", "host/outbox", "host/plugin", "host/problem", "host/run", "host/sandbox", "host/sandbox/compile", "host/source", "host/trial", "host/store/backup", "host/workspace", "github.com/rogpeppe/go-internal", "github.com/spf13/cobra"},
	// The benchmark measures rooms beside the libraries that they stand on.
	"cmd/bench": {"host/engine", "host/flow", "host/plugin", "host/sandbox", "host/store", "host/store/badger", "github.com/dgraph-io/badger", "github.com/extism/go-sdk", "github.com/gofiber/fiber", "github.com/tetratelabs/wazero", "github.com/valyala/fasthttp", "golang.org/x/sys"},

	// Examples know Trama from outside.
	"examples/nodes":                     {},
	"examples/quickstart":                {},
	"examples/quickstart/cmd/quickstart": {"examples/quickstart/standin"},
	"examples/quickstart/standin":        {},
}

// listed is what `go list` says of one package.
type listed struct {
	ImportPath string
	Imports    []string
}

// list asks `go list` about packages.
func list(t *testing.T, env []string, patterns ...string) []listed {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-json=ImportPath,Imports"}, patterns...)...)
	cmd.Dir = ".."
	cmd.Env = append(cmd.Environ(), env...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var packages []listed
	decoder := json.NewDecoder(out)
	for {
		var p listed
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	return packages
}

func TestImportTable(t *testing.T) {
	packages := list(t, []string{"GOOS=linux"}, "./host/...", "./cmd/...", "./examples/...")
	if len(packages) < len(allowed) {
		t.Errorf("found %d packages, the table has %d: remove the ones that are gone", len(packages), len(allowed))
	}
	for _, p := range packages {
		name := strings.TrimPrefix(p.ImportPath, module)
		may, ok := allowed[name]
		if !ok {
			t.Errorf("package %s is not in the table: add it with what it may import", name)
			continue
		}
		unused := slices.Clone(may)
		for _, imported := range p.Imports {
			own, isOwn := strings.CutPrefix(imported, module)
			foreign := !isOwn && strings.Contains(strings.SplitN(imported, "/", 2)[0], ".")
			if !foreign && (!isOwn || own == "pdk/abi") {
				continue
			}
			matches := func(arrow string) bool {
				return arrow == own || foreign && (imported == arrow || strings.HasPrefix(imported, arrow+"/"))
			}
			switch {
			case slices.ContainsFunc(may, matches):
				unused = slices.DeleteFunc(unused, matches)
			case isOwn:
				t.Errorf("%s imports %s: the table has no such arrow", name, own)
			default:
				t.Errorf("%s imports %s: that library has another room, or none", name, imported)
			}
		}
		for _, arrow := range unused {
			t.Errorf("%s does not import %s: take it out of the table", name, arrow)
		}
	}
}

// TestGuestSide holds the walls between host and guests: what is shipped to
// plugin authors never depends on the host.
func TestGuestSide(t *testing.T) {
	for _, env := range [][]string{nil, {"GOOS=wasip1", "GOARCH=wasm"}} {
		packages := list(t, env, "./pdk/...", "./plugins/...")
		if len(packages) < 5 {
			t.Fatalf("found %d packages under pdk and plugins, want at least 5", len(packages))
		}
		for _, p := range packages {
			for _, imported := range p.Imports {
				if strings.HasPrefix(imported, module+"host") {
					t.Errorf("%s imports %s", p.ImportPath, imported)
				}
				if p.ImportPath == module+"pdk/abi" && strings.Contains(strings.SplitN(imported, "/", 2)[0], ".") {
					t.Errorf("pdk/abi imports %s: it has the standard library alone", imported)
				}
			}
		}
	}
}
