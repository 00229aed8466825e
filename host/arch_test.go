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
// and which foreign libraries. "pdk/abi" and "pdk/abi/jwa" are open to all. Arrows go down only,
// and a foreign library stays in its room. It is as on Linux, and holds no
// arrow that nothing uses.
var allowed = map[string][]string{
	"host":                 {"host/access", "host/admin", "host/alert", "host/apichat", "host/calllog", "host/catalog", "host/cause", "host/channel", "host/contact", "host/deadletter", "host/dispatch", "host/egress", "host/engine", "host/fallback", "host/flow", "host/gateway", "host/grant", "host/media", "host/native", "host/openapi", "host/outbox", "host/plugin", "host/run", "host/run/mail", "host/sandbox", "host/secret", "host/server", "host/source", "host/store", "host/store/backup", "host/store/badger", "host/telemetry", "host/trace", "host/watch", "host/webhook", "host/workspace"},
	"host/server":          {"host/calllog", "host/cause", "host/channel", "host/etag", "host/media", "host/openapi", "host/problem", "host/seldom", "host/trace", "github.com/gofiber/fiber", "github.com/google/uuid", "github.com/valyala/fasthttp"},
	"host/gateway":         {"host/access", "host/calllog", "host/catalog", "host/engine", "host/etag", "host/expr", "host/flow", "host/problem", "host/run", "host/run/encode", "host/schema", "host/seldom", "host/store", "github.com/gofiber/fiber", "github.com/valyala/fasthttp", "golang.org/x/text"},
	"host/channel":         {"host/access", "host/apichat", "host/calllog", "host/catalog", "host/cause", "host/contact", "host/deadletter", "host/egress", "host/expr", "host/fallback", "host/grant", "host/media", "host/outbox", "host/plugin", "host/problem", "host/run", "host/run/mail", "host/run/told", "host/schema", "host/secret", "host/seldom", "host/signature", "host/store", "github.com/google/uuid"},
	"host/webhook":         {"host/calllog", "host/catalog", "host/cause", "host/deadletter", "host/egress", "host/expr", "host/flow", "host/grant", "host/outbox", "host/run", "host/secret", "host/seldom", "host/signature", "host/store", "github.com/google/uuid"},
	"host/apichat":         {"host/calllog", "host/catalog", "host/cause", "host/contact", "host/egress", "host/expr", "host/fallback", "host/grant", "host/outbox", "host/problem", "host/secret", "host/signature", "host/store"},
	"host/alert":           {"host/calllog", "host/catalog", "host/cause", "host/contact", "host/egress", "host/grant", "host/outbox", "host/secret", "host/signature", "host/store"},
	"host/admin":           {"host/access", "host/access/token", "host/alert", "host/calllog", "host/catalog", "host/channel", "host/contact", "host/deadletter", "host/dispatch", "host/egress/redact", "host/engine", "host/expr", "host/flow", "host/grant", "host/openapi", "host/outbox", "host/plugin", "host/problem", "host/run", "host/run/mail", "host/run/record", "host/secret", "host/source", "host/store", "host/webhook", "host/workspace", "github.com/gofiber/fiber"},
	"host/run":             {"host/blob", "host/bound", "host/catalog", "host/cause", "host/contact", "host/deadletter", "host/dispatch", "host/egress", "host/engine", "host/expr", "host/fallback", "host/flow", "host/hostfn", "host/kv", "host/outbox", "host/plugin", "host/run/encode", "host/run/mail", "host/run/record", "host/run/told", "host/run/trigger", "host/store", "host/store/document", "host/trace", "host/turn", "github.com/google/uuid"},
	"host/run/record":      {"host/contact", "host/engine", "host/run/encode", "host/store"},
	"host/run/mail":        {"host/catalog", "host/contact", "host/fallback", "host/store"},
	"host/run/told":        {"host/catalog", "host/contact", "host/run/record", "host/store"},
	"host/run/trigger":     {"host/catalog", "host/flow"},
	"host/run/encode":      {"host/egress/redact"},
	"host/outbox":          {"host/cause", "host/contact", "host/deadletter", "host/dispatch", "host/store", "host/trace", "host/turn"},
	"host/deadletter":      {"host/store"},
	"host/trial":           {"host/apichat", "host/catalog", "host/contact", "host/egress", "host/engine", "host/expr", "host/fallback", "host/flow", "host/grant", "host/native", "host/outbox", "host/plugin", "host/run", "host/run/encode", "host/run/mail", "host/run/record", "host/sandbox", "host/secret", "host/source", "host/store", "host/store/memory", "host/workspace"},
	"host/dispatch":        {"host/store"},
	"host/kv":              {"host/store"},
	"host/turn":            {},
	"host/native":          {"host/contact", "host/flow", "host/plugin", "host/run", "host/run/mail"},
	"host/blob":            {"host/store"},
	"host/media":           {"host/blob", "host/egress", "host/problem", "host/store", "github.com/gabriel-vasile/mimetype"},
	"host/workspace":       {"host/access", "host/catalog", "host/flow", "host/grant", "host/seal", "host/source"},
	"host/access":          {"host/access/token", "host/egress", "host/problem", "host/secret", "host/seldom", "host/signature", "host/source", "host/store"},
	"host/access/token":    {"host/egress", "host/secret", "github.com/golang-jwt/jwt"},
	"host/catalog":         {"host/access", "host/egress", "host/engine", "host/expr", "host/flow", "host/grant", "host/schema", "host/signature", "host/source", "host/store"},
	"host/plugin":          {"host/bound", "host/calllog", "host/cause", "host/egress", "host/grant", "host/hostfn", "host/sandbox", "host/sandbox/wasm", "host/schema", "host/seal", "host/secret", "host/source", "host/trace"},
	"host/plugintest":      {"host/contact", "host/egress", "host/egress/redact", "host/hostfn", "host/kv", "host/plugin", "host/sandbox", "host/secret", "host/source", "host/store/memory"},
	"host/plugintest/kit":  {"host/grant", "host/plugin", "host/plugintest", "host/sandbox", "host/schema"},
	"host/hostfn":          {"host/egress", "host/sandbox", "host/secret"},
	"host/egress":          {"host/egress/auth", "host/egress/redact", "host/grant", "host/secret", "host/trace"},
	"host/egress/auth":     {"github.com/aws/aws-sdk-go-v2"},
	"host/egress/redact":   {},
	"host/calllog":         {"host/egress/redact", "host/store"},
	"host/bound":           {},
	"host/cause":           {},
	"host/trace":           {"go.opentelemetry.io/otel"},
	"host/engine":          {"host/contact", "host/expr", "host/flow", "host/value"},
	"host/flow":            {"host/contact", "host/expr", "host/source", "host/value", "github.com/robfig/cron", "github.com/santhosh-tekuri/jsonschema", "github.com/invopop/jsonschema"},
	"host/graph":           {"host/flow"},
	"host/openapi":         {"host/access", "host/catalog", "host/etag", "host/schema", "host/source", "github.com/invopop/jsonschema"},
	"host/expr":            {"host/source", "github.com/expr-lang/expr"},
	"host/author":          {"host/author/script", "host/plugin", "host/schema", "host/source"},
	"host/author/bind":     {"host/source"},
	"host/author/script":   {"host/plugin", "host/sandbox/wasm", "host/sandbox/wasm/opcode", "github.com/evanw/esbuild", "github.com/tetratelabs/wazero"},
	"host/source":          {"go.yaml.in/yaml"},
	"host/contact":         {"host/fallback", "golang.org/x/text"},
	"host/fallback":        {"host/value", "github.com/rivo/uniseg"},
	"host/value":           {"golang.org/x/text"},
	"host/problem":         {},
	"host/etag":            {},
	"host/schema":          {"github.com/santhosh-tekuri/jsonschema", "golang.org/x/text"},
	"host/seldom":          {},
	"host/watch":           {},
	"host/telemetry":       {"github.com/prometheus/client_golang"},
	"host/grant":           {},
	"host/secret":          {},
	"host/signature":       {},
	"host/seal":            {"host/sandbox/wasm"},
	"host/sandbox":         {"host/sandbox/compile", "host/sandbox/image", "host/sandbox/lines", "host/sandbox/meter", "host/sandbox/wasm", "github.com/tetratelabs/wazero", "golang.org/x/sys/cpu"},
	"host/sandbox/image":   {"golang.org/x/sys"},
	"host/sandbox/lines":   {},
	"host/sandbox/wasm":    {"host/sandbox/wasm/opcode"},
	"host/sandbox/meter":   {"host/sandbox/wasm", "host/sandbox/wasm/opcode"},
	"host/sandbox/compile": {"github.com/tetratelabs/wazero", "golang.org/x/sys/cpu"},
	"host/store":           {},
	"host/store/backup":    {"host/store", "host/store/badger", "host/store/snapshot"},
	"host/store/badger":    {"host/store", "host/store/snapshot", "github.com/dgraph-io/badger", "github.com/klauspost/compress", "golang.org/x/sys", "google.golang.org/protobuf"},
	"host/store/document":  {"host/expr", "host/store"},
	"host/store/memory":    {"host/store", "host/store/snapshot"},
	"host/store/snapshot":  {},
	"host/store/storetest": {"host/store", "host/store/snapshot", "pgregory.net/rapid"},
	"host/simulation":      {"host/channel", "host/contact", "host/deadletter", "host/engine", "host/flow", "host/outbox", "host/run", "host/run/mail", "host/run/record", "host/store"},

	"host/sandbox/wasm/opcode": {},
	"host/plugintest/portable": {"host/plugintest", "host/sandbox", "github.com/extism/go-sdk"},

	// The binary wires nothing: it starts host, is a client of admin, and reads
	// what a workspace or a plugin file is without a server. Its commands stand in
	// rooms of their own, over cli.
	"cmd/trama":                   {"cmd/trama/internal/change", "cmd/trama/internal/cli", "cmd/trama/internal/contacts", "cmd/trama/internal/flows", "cmd/trama/internal/local", "cmd/trama/internal/plugins", "cmd/trama/internal/project", "cmd/trama/internal/runs", "cmd/trama/internal/traffic", "cmd/trama/internal/trials", "host", "host/access", "host/admin", "host/catalog", "host/channel", "host/openapi", "host/plugintest", "host/source", "host/store/backup", "host/webhook", "host/workspace", "github.com/spf13/cobra", "golang.org/x/term"},
	"cmd/trama/internal/change":   {"cmd/trama/internal/cli", "host/catalog", "host/problem", "host/workspace", "github.com/rogpeppe/go-internal"},
	"cmd/trama/internal/cli":      {"host/admin", "host/problem", "host/source", "host/workspace", "github.com/spf13/cobra"},
	"cmd/trama/internal/contacts": {"cmd/trama/internal/cli", "host/admin", "host/contact", "host/run", "github.com/spf13/cobra"},
	"cmd/trama/internal/flows":    {"cmd/trama/internal/change", "cmd/trama/internal/cli", "cmd/trama/internal/local", "host/admin", "host/catalog", "host/flow", "host/graph", "host/plugin", "host/run", "host/source", "github.com/spf13/cobra"},
	"cmd/trama/internal/local":    {"cmd/trama/internal/cli", "host/author", "host/plugin", "host/plugintest", "host/sandbox", "host/sandbox/compile", "host/workspace", "pdk", "github.com/spf13/cobra"},
	"cmd/trama/internal/plugins":  {"cmd/trama/internal/change", "cmd/trama/internal/cli", "cmd/trama/internal/local", "host/admin", "host/author", "host/catalog", "host/grant", "host/plugin", "host/sandbox", "host/seal", "host/workspace", "github.com/spf13/cobra"},
	"cmd/trama/internal/project":  {"cmd/trama/internal/cli", "cmd/trama/internal/local", "host/author", "host/author/bind", "host/grant", "host/plugin", "host/plugintest", "host/plugintest/kit", "host/plugintest/portable", "host/sandbox", "host/source", "host/watch", "pdk", "github.com/spf13/cobra"},
	"cmd/trama/internal/runs":     {"cmd/trama/internal/cli", "host/admin", "host/grant", "host/run", "host/run/record", "host/trial", "host/workspace", "github.com/spf13/cobra"},
	"cmd/trama/internal/traffic":  {"cmd/trama/internal/cli", "host/admin", "host/calllog", "host/deadletter", "host/outbox", "github.com/spf13/cobra"},
	"cmd/trama/internal/trials":   {"cmd/trama/internal/cli", "cmd/trama/internal/local", "cmd/trama/internal/runs", "host/admin", "host/flow", "host/source", "host/trial", "host/workspace", "github.com/spf13/cobra"},
	// The benchmark measures rooms beside the libraries that they stand on.
	"cmd/bench": {"host/author", "host/egress", "host/engine", "host/flow", "host/grant", "host/plugin", "host/plugintest/portable", "host/sandbox", "host/secret", "host/store", "host/store/badger", "plugins/whatsapp/graphtest", "github.com/dgraph-io/badger", "github.com/extism/go-sdk", "github.com/gofiber/fiber", "github.com/tetratelabs/wazero", "github.com/valyala/fasthttp", "golang.org/x/sys"},

	// Examples know Trama from outside.
	"examples/connectors":                {},
	"examples/deploy":                    {},
	"examples/gateway":                   {},
	"examples/gateway/cmd/receiver":      {},
	"examples/guide":                     {},
	"examples/hubspot-app":               {},
	"examples/legacy-erp":                {},
	"examples/legacy-erp/cmd/erp":        {},
	"examples/nodes":                     {},
	"examples/own-chat":                  {},
	"examples/plugins":                   {},
	"examples/quickstart":                {},
	"examples/quickstart/cmd/quickstart": {"examples/quickstart/standin"},
	"examples/quickstart/standin":        {},
	"examples/lead":                      {},
	"examples/lead/cmd/standin":          {"plugins/rdstation/rdtest", "plugins/telegram/telegramtest", "plugins/whatsapp/graphtest"},
	"examples/sheets":                    {},
	"examples/sheets/cmd/standin":        {"plugins/google_sheets/sheetstest", "plugins/telegram/telegramtest"},
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
			if !foreign && (!isOwn || own == "pdk/abi" || own == "pdk/abi/jwa") {
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
				if strings.HasPrefix(p.ImportPath, module+"pdk/abi") && imported != module+"pdk/abi" && strings.Contains(strings.SplitN(imported, "/", 2)[0], ".") {
					t.Errorf("%s imports %s: it has the standard library alone", p.ImportPath, imported)
				}
			}
		}
	}
}
