package plugintest_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/trama-run/trama/host/plugin"
	"github.com/trama-run/trama/host/plugintest"
	"github.com/trama-run/trama/host/plugintest/kit"
	"github.com/trama-run/trama/pdk/abi"
)

// withManifest puts a manifest beside a module of the sandbox's tests.
func withManifest(t *testing.T, guest, manifest string) *plugintest.Plugin {
	t.Helper()
	path := filepath.Join(t.TempDir(), "guest.wasm")
	if source := filepath.Join("testdata", guest+".wat"); exists(source) {
		assemble(t, source, path)
	} else if err := copyFile(filepath.Join("../sandbox/testdata", guest+".wasm"), path); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(strings.TrimSuffix(path, ".wasm")+".yaml", []byte(manifest), 0o644); err != nil {
		t.Fatal(err)
	}
	return open(t, path)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// assemble makes a module of WebAssembly's text.
func assemble(t *testing.T, source, path string) {
	t.Helper()
	if _, err := exec.LookPath("wat2wasm"); err != nil {
		leftOut(t, errors.New("wat2wasm is missing: apt-get install wabt"))
	}
	if said, err := exec.Command("wat2wasm", source, "-o", path).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
}

// out asks for the one thing that the guest "careless" imports, and asked is an
// example of its operation ask.
const (
	out   = "capabilities: {egress: [connection]}\n"
	asked = `{input: 1, output: {ok: {status: 200, body: "1"}}, http: [{request: {url: /}, response: {status: 200, body: "1"}}]}`
)

const head = "name: guest\nversion: 1.0.0\nabi: 1\nkind: connector\n"

// manifestOf begins a manifest that may say of which other kind it is.
func manifestOf(rest string) string {
	if strings.HasPrefix(rest, "kind:") {
		return strings.Replace(head, "kind: connector\n", "", 1) + rest
	}
	return head + rest
}

// TestKitFinds: each check finds what it is for, says where, and nothing else is
// found. The guests that copy their input have a buffer for less than a megabyte,
// and import what their manifests don't ask for.
func TestKitFinds(t *testing.T) {
	tried := map[string]bool{}
	for _, test := range []struct{ name, guest, manifest, want, checks string }{
		{"no schemas", "portable", `operations: [{name: copy, effect: pure, examples: [{input: 1, output: 1}]}]`,
			"schemas: $.operations[0].input: operation copy has no schema", "schemas authority oversized"},
		{"a schema that can't be read", "portable", `operations: [{name: copy, effect: pure, input: {}, output: {type: words}, examples: [{input: 1, output: 1}]}]`,
			"schemas: $.operations[0].output:", "schemas authority oversized"},
		{"no example", "portable", `operations: [{name: copy, effect: pure, input: {}, output: {}}]`,
			"examples: $.operations[0].examples: operation copy has no example", "examples authority oversized"},
		{"an example without an end", "portable", `operations: [{name: copy, effect: pure, input: {}, output: {}, examples: [{input: 1, output: 1}, {input: 1}]}]`,
			"examples: $.operations[0].examples[1]: the example says nothing of its end", "examples authority oversized"},
		{"an input that breaks the schema", "portable", `operations: [{name: copy, effect: pure, input: {type: string}, output: {}, examples: [{input: 1, output: 1}]}]`,
			"examples: $.operations[0].examples[0].input: the example breaks the operation's own schema: #:", "examples authority oversized"},
		{"another output", "portable", `operations: [{name: copy, effect: pure, input: {}, output: {}, examples: [{input: {a: [1, 2]}, output: {a: [1, 3]}}]}]`,
			"examples: copy: example 1: output.a[1]\n  - 3\n  + 2", "examples authority oversized"},
		{"another error", "portable", `operations: [{name: fail_json, effect: pure, input: {}, output: {}, examples: [{input: 1, error: {code: other}}]}]`,
			"examples: fail_json: example 1: error.code\n  - other\n", "examples authority"},
		{"more than half of its memory", "json", "limits: {memory_bytes: 262144}\n" + `operations: [{name: total, effect: pure, input: {}, output: {}, examples: [{input: {items: []}, output: {total: 0, items: 0}}]}]`,
			`limits: $.limits.memory_bytes: the example "total: example 1" took 196608 of the 262144 that its calls have of memory`, "limits"},
		{"memory of contacts that is not used", "portable", `capabilities: {kv_bytes: 5}` + "\n" + `operations: [{name: copy, effect: pure, input: {}, output: {}, examples: [{input: 1, output: 1}]}]`,
			"authority: $.capabilities.kv_bytes: it asks for kv_bytes, and the module imports none of kv_get", "authority oversized"},
		{"settings that nobody reads", "careless", out + `config: {properties: {rate: {type: string}}}` + "\n" + `operations: [{name: fail_shape, effect: pure, input: {}, output: {}, examples: [{input: 1, error: {code: error}}]}]`,
			"authority: $.config: it asks for settings, and the module imports none of config_get", "authority errors"},
		{"an example without a setting that is required", "settled", strings.Replace(settled[len(head):], "config: {k: abc}, output: 3}", "config: {k: abc}, output: 3}, {title: none, input: 1, error: {code: trap}}", 1),
			"examples: $.operations[0].examples[1].config: the example breaks the manifest's own schema of settings: ", "examples"},
		{"a crash", "portable", `operations: [{name: trap, effect: pure, input: {}, output: {}, examples: [{input: 1, error: {code: trap}}]}]`,
			"empty: trap: on no input it did not answer: the plugin crashed", "authority empty malformed numbers oversized"},
		{"an error that says nothing", "portable", `operations: [{name: fail_silent, effect: pure, input: {}, output: {}, examples: [{input: 1, error: {code: error}}]}]`,
			"errors: fail_silent: the plugin returned code 7 without saying why", "authority errors"},
		{"an output that a PDK could not write", "portable", `operations: [{name: fail_input, effect: pure, input: {}, output: {}, examples: [{input: {code: bad_output, message: "output: NaN"}, error: {code: bad_output}}]}]`,
			`errors: fail_input: what it gave for some input could not be written as JSON: "output: NaN"; give what JSON has`, "authority oversized errors"},
		{"an error of half the input", "portable", `operations: [{name: fail_input, effect: pure, input: {}, output: {}, examples: [{input: {code: Bad Code, message: m}, error: {code: Bad Code}}]}]`,
			`errors: fail_input: the code "Bad Code" of an error is no word for programs`, "authority oversized errors"},
		{"an error with a misspelt field", "portable", `operations: [{name: fail_input, effect: pure, input: {}, output: {}, examples: [{input: {code: odd, message: m, retriable: true}, error: {code: odd}}]}]`,
			`errors: fail_input: an error has the field "retriable", which no host reads: "m"; an error has code, message, retryable, `, "authority oversized errors"},
		{"an error with a field in capitals", "portable", `operations: [{name: fail_input, effect: pure, input: {}, output: {}, examples: [{input: {code: odd, message: m, Retryable: true}, error: {code: odd}}]}]`,
			`errors: fail_input: an error has the field "Retryable", which no host reads: "m"`, "authority oversized errors"},
		{"an error with an empty code", "portable", `operations: [{name: fail_input, effect: pure, input: {}, output: {}, examples: [{input: {code: "", message: m}, error: {code: error}}]}]`,
			`errors: fail_input: an error has no code: "m"; use a word such as not_found`, "authority oversized errors"},
		{"an output that is not JSON", "portable", `operations: [{name: upper, effect: pure, input: {}, output: {}, examples: [{input: "a", output: "A"}]}]`,
			"malformed: upper: for the input \"null\" it gave what is not JSON: \"NULL\"", "authority malformed unicode oversized"},
		{"chance", "system", `capabilities: {egress: [connection], secrets: [{name: a}], sign: [HS256], kv_bytes: 5}` + "\n" + `operations: [{name: random_bytes, effect: pure, input: {}, output: {}, examples: [{input: 1, output: 1}]}]`,
			"again: random_bytes: example 1: it gave ", "examples again malformed numbers oversized"},
		{"the day", "today", `operations: [{name: today, effect: pure, input: {}, output: {}, examples: [{input: 1, output: 1}]}]`,
			"again: today: example 1: it gave ", "examples again"},
		{"an escape that is no more", "portable", `operations: [{name: upper, effect: pure, input: {}, output: {}, examples: [{input: "a", output: "A"}]}]`,
			"unicode: upper: for the input ", "authority malformed unicode oversized"},
		{"a number too large", "portable", `operations: [{name: output_big, effect: pure, input: {}, output: {}, examples: [{input: 0}]}]`,
			"numbers: output_big: on the input \"9007199254740991\" it did not answer: ", "examples authority malformed numbers oversized"},
		{"a buffer too small", "portable", `operations: [{name: copy, effect: pure, input: {}, output: {}, examples: [{input: 1, output: 1}]}]`,
			"oversized: copy: ", "authority oversized"},
		{"outputs that break the schema for other inputs", "portable", `operations: [{name: copy, effect: pure, input: {}, output: {enum: [1, null, true, "text", "", 0]}, examples: [{input: 1, output: 1}]}]`,
			`numbers: copy: for the input "-1" it gave what breaks its own schema: #: `, "authority malformed numbers oversized"},
		{"a crash after a request that nobody answers", "careless", out + `operations: [{name: ask, effect: idempotent, input: {}, output: {}, examples: [` + asked + `]}]`,
			`unanswered: ask: on the input "1", as request 1 is refused, it did not answer: the plugin crashed`, "empty malformed unanswered oversized"},
		{"a channel's functions", "careless", "kind: channel\n" + out,
			`unicode: check: on the input "{\"channel\":`, "empty malformed unicode numbers unanswered oversized"},
		{"another channel's function", "careless", "kind: channel\n" + out,
			`empty: connect: on no input it did not answer: the plugin crashed`, "empty malformed unicode numbers unanswered oversized"},
		{"a message's id that is no text", "careless", "kind: channel\n" + out,
			`malformed: send: for the input "null" it gave what no host can read, "{\"message_id\":7}": `, "empty malformed unicode numbers unanswered oversized"},
		{"a message without an id", "nameless", "kind: channel\n",
			`unicode: send: for the input "{\"channel\":\"\",\"config\":{},\"effect_id\":\"t"… (240 bytes) it says that the message was sent, and gives no message_id`, "malformed unicode numbers oversized"},
		{"a medium that is not fetched", "careless", "kind: channel\n" + out,
			`unanswered: fetch: on the input `, "empty malformed unicode numbers unanswered oversized"},
		{"a language's prepare", "careless", "kind: language\n" + out,
			`empty: prepare: on no input it did not answer: the plugin crashed`, "empty"},
		{"nothing to call", "careless", out,
			`schemas: $.operations: there is none, and nothing else of a connector is ever called`, "schemas"},
		{"an error of another shape", "careless", out + `operations: [{name: fail_shape, effect: pure, input: {}, output: {}, examples: [{input: 1, error: {code: error}}]}]`,
			`errors: fail_shape: an error is JSON, and not of the shape of errors, so people get all of it to read: "{\"error\":\"it did not work\"}"`, "errors"},
		{"an error that is the host's", "careless", out + `operations: [{name: fail_code, effect: pure, input: {}, output: {}, examples: [{input: 1, error: {code: trap}}]}]`,
			`errors: fail_code: the code "trap" of an error is what the host says of a plugin`, "errors"},
	} {
		check, _, _ := strings.Cut(test.want, ":")
		tried[check] = true
		t.Run(test.name, func(t *testing.T) {
			p := withManifest(t, test.guest, manifestOf(test.manifest))
			var found []string
			var names []string // of the checks that find something
			checks := 0
			err := kit.Run(t.Context(), p, func(c kit.Checked) {
				checks++
				if len(c.Findings) > 0 {
					names = append(names, c.Name)
				}
				for _, f := range c.Findings {
					if f.Remedy == "" {
						t.Errorf("%s: no remedy", f)
					}
					found = append(found, f.Check+": "+f.String())
				}
			})
			if err != nil || checks != len(kit.Checks()) {
				t.Fatalf("%d checks, %v", checks, err)
			}
			if all := strings.Join(found, "\n"); !strings.Contains(all, test.want) || strings.Join(names, " ") != test.checks {
				t.Errorf("found by %s\n%s\nwant by %s\n%s", names, all, test.checks, test.want)
			}
		})
	}
	for _, c := range kit.Checks() {
		if !tried[c.Name] {
			t.Errorf("no guest fails the check %s", c.Name)
		}
	}
}

// TestKitPasses: of a plugin that owes nothing, nothing is found.
func TestKitPasses(t *testing.T) {
	conform(t, withManifest(t, "json", head+`operations: [{name: total, effect: pure, input: {type: object}, output: {type: object}, examples: [{input: {items: [{price: 5, quantity: 3}]}, output: {total: 15, items: 1}}]}]`))
}

// settled is a manifest of the guest that reads a setting as it starts.
const settled = head + `config: {type: object, properties: {k: {type: string}}, required: [k], additionalProperties: false}
operations: [{name: go, effect: pure, input: {}, output: {}, examples: [{input: 1, config: {k: abc}, output: 3}]}]
`

// TestStartSettings: a plugin whose start needs a setting is checked with those of
// its examples, and each call starts with its own; what doesn't start without them
// is a call that failed.
func TestStartSettings(t *testing.T) {
	p := withManifest(t, "settled", settled)
	if err := plugin.Check(t.Context(), openSandbox(t), p.Path, func(string, string) {}); err != nil {
		t.Errorf("check: %v", err)
	}
	conform(t, p)
	for _, test := range []struct {
		settings map[string]string
		want     string
	}{{nil, abi.CodeTrap}, {map[string]string{"k": "ab"}, "2"}, {map[string]string{"j": "a"}, abi.CodeTrap}} {
		out, err := p.Call(t.Context(), plugintest.Call{Export: "go", Config: test.settings})
		if err != nil {
			t.Fatal(err)
		}
		got := string(out.Output)
		if out.Error != nil {
			got = out.Error.Code
		}
		if got != test.want {
			t.Errorf("with %q: %s, want %s", test.settings, got, test.want)
		}
	}
	unused := withManifest(t, "settled", settled)
	if err := unused.Close(t.Context()); err != nil {
		t.Errorf("nothing was called: %v", err)
	}
}

// TestExampleSettings: an example finds its own settings, and no other's.
func TestExampleSettings(t *testing.T) {
	p := withManifest(t, "portable", head+`operations: [{name: config, effect: pure, examples: [
  {input: 7, config: {"7": '"seven"'}, output: seven}, {input: 7, config: {"7": '"sete"'}, output: sete}]}]`)
	for _, c := range plugintest.Examples(p.Manifest) {
		if r, err := p.Run(t.Context(), c); err != nil || len(r.Differences) > 0 {
			t.Errorf("%s: %s, %v", c.Name, r.Differences, err)
		}
	}
}
