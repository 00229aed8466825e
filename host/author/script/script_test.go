package script_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/trama-run/trama/host/author/script"
	"github.com/trama-run/trama/host/plugintest"
	"github.com/trama-run/trama/host/sandbox"
	"github.com/trama-run/trama/pdk/abi"
)

// project writes files, and gives their folder.
func project(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// manifestOf gives the manifest of a connector with these pure operations.
func manifestOf(t testing.TB, operations ...string) []byte {
	t.Helper()
	m := abi.Manifest{Name: "acme", Version: "1.0.0", ABI: abi.Version, Kind: abi.KindConnector}
	for _, name := range operations {
		m.Operations = append(m.Operations, abi.Operation{Name: name, Effect: abi.EffectPure})
	}
	data, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// behaviour is a program of several files, one of them a package.
var behaviour = map[string]string{
	"plugin.ts": `import { PluginError, random, raw } from "trama";
import { upper } from "./lib/text";
import twice from "twice";

interface Named { name: string }
let calls = 0;
const started = Date.now();

export const shout = async ({ name }: Named): Promise<string> => upper(await Promise.resolve(name));
export const doubled = (n: number): number => twice(n);
export const counted = (): number => ++calls;
export const loaded = (): boolean => started === 0 && Date.now() > 1.7e12;
export const nothing = (): void => {};
export const text = raw(() => "text é");
export const buffer = () => new Uint8Array([1, 2, 255]).buffer;
export const reversed = raw(async (input) => input.toReversed());
export const numbers = () => [Math.random(), random(4).toHex(), crypto.randomUUID()];
export const utf8 = (text: string) => new TextDecoder().decode(new TextEncoder().encode("\uFEFF" + text));
export const grown = (n: number) => Array.from({ length: n }, (_, i) => ({ i })).length;
export const typed = () => (undefined as any).field;
export const rejected = async ({ name }: Named) => { await null; upper((name as any).x); };
export const forgotten = () => { Promise.reject(new Error("nobody listens")); };
export const pending = () => new Promise(() => {});
export const deep = () => { const down = (): number => down() + 1; return down(); };
export const thrown = () => { throw { some: "thing" }; };
export const object = () => { throw { code: "own", message: "of an object", retryable: true, retry_after_millis: 7 }; };
export const coded = () => { throw new PluginError("own", "é", { detail: [1] }); };
export const unfit = () => ({ f: { g() {} } });
export const cyclic = () => { const a: any = {}; a.a = a; return a; };
export const wrong = raw((() => 5) as any);
`,
	"lib/text.ts": `// A comment, so that lines differ from those of the bundle.

type Text = string;

export function upper(text: Text): Text {
  return text.toUpperCase();
}
`,
	"node_modules/twice/package.json": `{"name": "twice", "main": "index.cjs"}`,
	"node_modules/twice/index.cjs":    `module.exports = (n) => 2 * n;`,
}

func behaviours() []string {
	return []string{"shout", "doubled", "counted", "loaded", "nothing", "text", "buffer", "reversed", "numbers", "utf8", "grown",
		"typed", "rejected", "forgotten", "pending", "deep", "thrown", "object", "coded", "unfit", "cyclic", "wrong"}
}

// TestCalls runs what a program may do, here and under extism/go-sdk: nothing
// of it needs a Trama host, so both must give the same.
func TestCalls(t *testing.T) {
	path := build(t, project(t, behaviour)+"/plugin.ts", manifestOf(t, behaviours()...))
	p, peer := open(t, path), goSDK(t, path)
	for _, im := range p.Info.Imports {
		if im.Module == abi.ModuleTrama {
			t.Errorf("it imports %s, which it does not use", im.Name)
		}
	}
	for _, test := range []struct{ operation, input, output, failure string }{
		{"shout", `{"name":"ana"}`, `"ANA"`, ""},
		{"doubled", "21", "42", ""},
		{"counted", "null", "1", ""},
		{"loaded", "null", "true", ""},
		{"nothing", "null", "null", ""},
		{"text", "", "text é", ""},
		{"buffer", "null", "\x01\x02\xff", ""},
		{"reversed", "abc", "cba", ""},
		{"reversed", "", "", ""},
		{"utf8", `"é😀\u0000"`, "\"é😀\\u0000\"", ""},
		{"grown", "100000", "100000", ""},
		{"typed", "null", "", `{"code":"error","message":"TypeError: cannot read property 'field' of undefined (plugin.ts:20:`},
		{"rejected", `{"name":"ana"}`, "", `{"code":"error","message":"TypeError: cannot read property 'toUpperCase' of undefined (lib/text.ts:6:`},
		{"forgotten", "null", "", `{"code":"error","message":"nobody listens (plugin.ts:22:`},
		{"pending", "null", "", `{"code":"error","message":"TypeError: it awaits a promise that nothing will settle`},
		{"deep", "null", "", `{"code":"error","message":"RangeError: Maximum call stack size exceeded`},
		{"thrown", "null", "", `{"code":"error","message":"{\"some\":\"thing\"}"}`},
		{"object", "null", "", `{"code":"own","message":"of an object","retryable":true,"retry_after_millis":7}`},
		{"coded", "null", "", `{"code":"own","message":"é","detail":[1]}`},
		{"unfit", "null", "", `{"code":"bad_output","message":"output: the result holds at \"g\" what is a function`},
		{"cyclic", "null", "", `{"code":"bad_output","message":"output: circular reference`},
		{"wrong", "", "", `{"code":"bad_output","message":"output: a raw operation returns`},
		{"doubled", "", "", `{"code":"invalid","message":"input: `},
		{"doubled", "{", "", `{"code":"invalid","message":"input: `},
	} {
		t.Run(test.operation, func(t *testing.T) {
			for range 2 {
				output, failure := call(t, p, test.operation, test.input)
				if output != test.output || !strings.HasPrefix(failure, test.failure) || (failure == "") != (test.failure == "") {
					t.Errorf("here: %q, %s\nwant  %q, %s", output, failure, test.output, test.failure)
				}
			}
			if test.operation == "counted" || test.operation == "deep" {
				return // go-sdk keeps memory between calls; wazero's interpreter has a small stack
			}
			code, output, err := peer.Call(test.operation, []byte(test.input))
			failure := ""
			if err != nil {
				failure = err.Error()
			}
			if string(output) != test.output || !strings.HasPrefix(failure, test.failure) || (code == 0) != (test.failure == "") {
				t.Errorf("go-sdk: %d, %q, %s\nwant    %q, %s", code, output, failure, test.output, test.failure)
			}
		})
	}
	t.Run("randomness differs", func(t *testing.T) {
		seen := map[any]bool{}
		for range 3 {
			output, _ := call(t, p, "numbers", "null")
			var values []any
			if err := json.Unmarshal([]byte(output), &values); err != nil {
				t.Fatal(err)
			}
			for _, v := range values {
				seen[v] = true
			}
		}
		if len(seen) != 9 {
			t.Errorf("%d values of 9: %v", len(seen), seen)
		}
	})
	t.Run("memory ends", func(t *testing.T) {
		if _, failure := call(t, p, "grown", "10000000"); !strings.Contains(failure, "memory") {
			t.Error(failure)
		}
	})
}

// TestAbort: a crash says where the author ended the call, and names nothing of
// the engine.
func TestAbort(t *testing.T) {
	p := open(t, build(t, project(t, map[string]string{
		"plugin.ts":  "import { abort } from 'trama';\nimport { end } from './lib/end.ts';\nexport const stop = (why: string) => end(why);\nexport const halt = () => abort();\n",
		"lib/end.ts": "import { abort } from 'trama';\n\nexport function end(why: string) {\n  try { abort(why); } catch { return 1; }\n}\n",
	})+"/plugin.ts", manifestOf(t, "stop", "halt")))
	for _, test := range []struct{ operation, want string }{
		{"stop", `{"code":"trap","message":"the plugin crashed: unreachable, in stop; it set the error: oh no é (lib/end.ts:4:15)",`},
		{"halt", `{"code":"trap","message":"the plugin crashed: unreachable, in halt; it set the error: abort() (plugin.ts:4:27)",`},
	} {
		for range 2 { // from a fresh image
			output, failure := call(t, p, test.operation, `"oh no é"`)
			if output != "" || !strings.HasPrefix(failure, test.want) || strings.Contains(failure, "host_abort") || strings.Contains(failure, `"JS_`) {
				t.Errorf("%q, %s\nwant %s", output, failure, test.want)
			}
		}
	}
}

// call gives the output of a call, or the JSON of its error.
func call(t *testing.T, p *plugintest.Plugin, operation, input string) (output, failure string) {
	t.Helper()
	out, err := p.Call(t.Context(), plugintest.Call{Export: operation, Input: []byte(input)})
	if err != nil {
		t.Fatal(err)
	}
	if out.Error == nil {
		return string(out.Output), ""
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(out.Error); err != nil {
		t.Fatal(err)
	}
	return string(out.Output), strings.TrimSpace(b.String())
}

// TestImports: a plugin imports what its program uses of trama:host/v1, and
// what moves the blocks of that.
func TestImports(t *testing.T) {
	for code, want := range map[string][]string{
		`import { log } from "trama"; export const run = () => log.info("trama")`:                  nil,
		`import * as t from "trama"; export const run = () => t.raw`:                               nil,
		`import { kv } from "trama"; export const run = () => kv.get("a")`:                         {"block_read", "block_write", "kv_delete", "kv_get", "kv_list", "kv_set"},
		`import { http, effectId } from "trama"; export const run = () => http("/" + effectId())`:  {"block_read", "block_write", "effect_id", "http_send"},
		`import { verify as v } from "trama"; export const run = () => v("k", "HS256", "a", "b")`:  {"block_read", "block_write", "verify"},
		`const t = require("trama"); export const run = (name) => typeof t[name]`:                  append([]string{"block_read", "block_write"}, hostFunctions()...),
		`import { secretRef } from "trama"; if (false) secretRef("x"); export const run = () => 1`: nil,
	} {
		module, err := script.Build(t.Context(), os.DirFS(pdk+"/js"), project(t, map[string]string{"plugin.js": code})+"/plugin.js", manifestOf(t, "run"))
		if err != nil {
			t.Fatal(err)
		}
		info, err := sandbox.Inspect(module)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, im := range info.Imports {
			if im.Module == abi.ModuleTrama {
				got = append(got, im.Name)
			}
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s\nimports %v, want %v", code, got, want)
		}
	}
}

// hostFunctions are those of the library: all but log, for which it has
// Extism's, and random, for which it has WASI's.
func hostFunctions() []string {
	return slices.DeleteFunc(abi.HostFunctions(), func(name string) bool { return name == abi.HostLog || name == abi.HostRandom })
}

// TestSame: the same files give the same bytes, wherever they lie and
// whenever they are built.
func TestSame(t *testing.T) {
	var first []byte
	for i := range 3 {
		module, err := script.Build(t.Context(), os.DirFS(pdk+"/js"), project(t, behaviour)+"/plugin.ts", manifestOf(t, behaviours()...))
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			first = module
		} else if !bytes.Equal(module, first) {
			t.Fatal("two builds differ")
		}
	}
	if len(first) > 1_000_000 {
		t.Errorf("%d bytes", len(first))
	}
}

// TestErrors: what an author can get wrong, and what is said of it.
func TestErrors(t *testing.T) {
	for _, test := range []struct {
		name, code, want string
		manifest         string // left out: an operation named run
	}{
		{name: "syntax", code: "export function run() {\n  return 1 +;\n}", want: "plugin.js:2:13: Unexpected \";\""},
		{name: "no such file", code: "\nimport './helper.js';", want: `plugin.js:2:8: Could not resolve "./helper.js"`},
		{name: "no such package", code: "import _ from 'lodash';", want: `plugin.js:1:15: Could not resolve "lodash"; a package must be in node_modules beside the plugin (npm install)`},
		{name: "Node.js", code: "import fs from 'node:fs';", want: `plugin.js:1:16: "node:fs" can't be bundled`},
		{name: "not of the library", code: "import { fetch } from 'trama'; export const run = fetch;", want: `plugin.js:1:10: No matching export in "trama:trama.js" for import "fetch"`},
		{name: "the engine's", code: "import { host } from 'trama:engine'; export const run = host;", want: `plugin.js:1:22: there is no module "trama:engine"; import from "trama"`},
		{name: "no export", code: "export const walk = () => 1;", want: "the manifest has run, but the program exports nothing of that name"},
		{name: "no function", code: "export const run = 1;", want: "the manifest has run, but the program exports no function of that name"},
		{name: "throws", code: "const a = 1;\nfunction set() { throw new Error('oh no'); }\nset();\nexport const run = () => a;", want: "plugin.js:2:28: the program fails while it loads: oh no"},
		{name: "a text thrown", code: "export const run = 1; throw 'oh';", want: "the program fails while it loads: oh"},
		{name: "outside", code: "import { kv } from 'trama';\nconst n = kv.get('n');\nexport const run = () => n;", want: "plugin.js:2:14: the program fails while it loads: TypeError: trama:host/v1/kv_get is used while the program loads, which happens once, when the plugin is built; use it inside of an operation"},
		{name: "config", code: "import { config } from 'trama';\nexport const run = () => n, n = config('n');", want: "plugin.js:2:33: the program fails while it loads: TypeError: config() is used while"},
		{name: "log", code: "console.log(1); export const run = () => 1", want: "plugin.js:1:9: the program fails while it loads: TypeError: the log is used"},
		{name: "randomness", code: "const id = crypto.randomUUID(); export const run = () => id", want: "randomness is used while the program loads"},
		{name: "a promise that nothing settles", code: "await new Promise(() => {}); export const run = () => 1", want: "it awaits a promise that nothing will settle"},
		{name: "memory", code: "const a = new ArrayBuffer(3e8); export const run = () => a", want: "the plugin ran out of memory"},
		{name: "no manifest", code: "export const run = () => 1", manifest: "{", want: "manifest.json: unexpected end of JSON input"},
		{name: "no operations", code: "export const run = () => 1", manifest: `{"kind":"connector"}`, want: "manifest.json: operations: there are none"},
		{name: "a name of the engine", code: "export const memory = () => 1", manifest: `{"operations":[{"name":"memory"}]}`, want: `"memory" is the name of an export that the engine has`},
		{name: "a warming call of nothing", code: "export const run = () => 1", manifest: `{"operations":[{"name":"run"}],"warm":[{"export":"fill"}]}`, want: "the manifest has fill, but"},
		{name: "a channel without send", code: "export const receive = () => 1", manifest: `{"kind":"channel"}`, want: "the manifest has send, but"},
	} {
		t.Run(test.name, func(t *testing.T) {
			manifest := []byte(test.manifest)
			if test.manifest == "" {
				manifest = manifestOf(t, "run")
			}
			entry := project(t, map[string]string{"plugin.js": test.code}) + "/plugin.js"
			_, err := script.Build(t.Context(), os.DirFS(pdk+"/js"), entry, manifest)
			var e *script.Error
			if !errors.As(err, &e) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v\nwant %s", err, test.want)
			}
		})
	}
}

// TestEndless: a program that doesn't come to its end is stopped.
func TestEndless(t *testing.T) {
	entry := project(t, map[string]string{"plugin.js": "for (;;);"}) + "/plugin.js"
	for wait := time.Second; ; wait *= 2 {
		ctx, cancel := context.WithTimeout(t.Context(), wait)
		_, err := script.Build(ctx, os.DirFS(pdk+"/js"), entry, manifestOf(t, "run"))
		cancel()
		if errors.Is(err, context.DeadlineExceeded) && wait < time.Minute {
			continue // the engine was still being loaded
		}
		if err == nil || !strings.Contains(err.Error(), "plugin.js: its top level hasn't ended") {
			t.Error(err)
		}
		return
	}
}

// TestManifest: what is exported, by the manifest and the program, and the
// section.
func TestManifest(t *testing.T) {
	for _, test := range []struct{ rest, code, want string }{
		{`"kind":"language","operations":[{"name":"two","export":"one","effect":"pure"}]`, "export { f as run, f as one };", "[one run]"},
		{`"kind":"language"`, "export { f as run, f as prepare, f as more };", "[run prepare]"},
		{`"kind":"connector","operations":[{"name":"two","effect":"pure"}],"warm":[{"export":"fill"},{"export":"two"}]`, "export { f as two, f as fill, f as prepare };", "[two fill]"},
	} {
		manifest := []byte(`{"name":"acme","version":"1.0.0","abi":1,` + test.rest + `}`)
		entry := project(t, map[string]string{"plugin.js": "const f = () => 1; " + test.code}) + "/plugin.js"
		p := open(t, build(t, entry, manifest))
		var exports []string
		for _, e := range p.Info.Exports {
			if e.Callable() {
				exports = append(exports, e.Name)
			}
		}
		if got := fmt.Sprint(exports); got != test.want || p.Manifest.Name != "acme" {
			t.Errorf("exports %s, manifest %+v; want %s", got, p.Manifest, test.want)
		}
	}
}

// TestPrepare: what prepare leaves in memory is there in run.
func TestPrepare(t *testing.T) {
	code := "let kept; export const prepare = ({ code }) => { kept = code + '!'; }; export const run = ({ code }) => code ?? kept;"
	manifest := []byte(`{"name":"acme","version":"1.0.0","abi":1,"kind":"language","image":"none"}`)
	peer := goSDK(t, build(t, project(t, map[string]string{"plugin.js": code})+"/plugin.js", manifest))
	if _, _, err := peer.Call(abi.FuncPrepare, []byte(`{"code":"a"}`)); err != nil {
		t.Fatal(err)
	}
	if _, output, err := peer.Call(abi.FuncRun, []byte(`{"input":1}`)); string(output) != `"a!"` || err != nil {
		t.Errorf("%s, %v", output, err)
	}
}
