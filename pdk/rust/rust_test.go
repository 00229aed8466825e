// Package rust_test has cargo test the PDK for Rust, and runs plugins made with
// it under Extism's own host. What Trama's host does with them is tested where
// the suite of all languages is.
package rust_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"

	"github.com/trama-run/trama/pdk/internal/stock"
)

// debian is where Debian keeps the sources of its crates: with them cargo needs
// no network, and all of it is known to build with Debian's rustc.
const debian = "/usr/share/cargo/registry"

// targets are those that a plugin can be built for.
var targets = []string{"wasm32-unknown-unknown", "wasm32-wasip1", "wasm32-wasi"}

// TestCargo runs the tests and the examples in the documentation, with serde.
func TestCargo(t *testing.T) {
	cargo, _ := toolchain(t)
	if found, _ := filepath.Glob(filepath.Join(debian, "serde_json-1*")); len(found) == 0 {
		stock.LeftOut(t, "serde_json in "+debian, "apt-get install librust-serde-dev librust-serde-derive-dev librust-serde-json-dev")
	}
	run(t, cargo, "../rust", nil, "--config", `source.crates-io.replace-with="debian"`, "--config", `source.debian.directory="`+debian+`"`,
		"test", "--offline", "--features", "serde")
}

// TestWithoutStd: a plugin without std serves the stock host; its panics are
// told before the trap.
func TestWithoutStd(t *testing.T) {
	cargo, installed := toolchain(t)
	version, err := exec.Command(rustc(cargo), "--version").Output()
	var minor int
	if _, scan := fmt.Sscanf(string(version), "rustc 1.%d", &minor); err != nil || scan != nil {
		t.Fatalf("%s: %v, %v", version, err, scan)
	}
	var old []string
	if minor < 68 { // before, an allocator without std was not stable
		old = []string{"RUSTC_BOOTSTRAP=1", "RUSTFLAGS=--cfg old"}
	}
	plugin := stock.Start(t, build(t, cargo, "testdata/bare", installed[0], old...), false)
	for _, n := range []int{0, 1, 7, 8, 9, 100_000} {
		text := strings.Repeat("x", n)
		stock.Expect(t, plugin, "echo", text, text)
	}
	stock.Expect(t, plugin, "describe", "", `{"name":"bare","version":"1.0.0","abi":1,"kind":"connector"}`+"\n")
	stock.Expect(t, plugin, "color", "color", `{"value":"red"}`)
	stock.Expect(t, plugin, "color", "absent", `{"value":null}`)
	stock.Expect(t, plugin, "parse", ` [1.50, 1e300, {"a" : -7}]`, `[1.5,1e300,{"a":-7}]`)
	for range 300 { // one instance for all: it only grows
		stock.Expect(t, plugin, "echo", strings.Repeat("y", 5000), strings.Repeat("y", 5000))
	}
	if code, _, err := plugin.Call("parse", []byte(`{"a":`)); code != 1 || err == nil ||
		err.Error() != `{"code":"invalid","message":"input: JSON, byte 5: want a JSON value"}` {
		t.Errorf("%d, %v", code, err)
	}
	stock.ExpectTrap(t, plugin, "boom", "abc", "index out of bounds: the len is 3 but the index is 5", "src/lib.rs:31")
}

// TestEveryTarget builds new projects for each target that is installed. What
// only computes needs nothing of Trama, and names such as send, which are those
// of a C library too, are no trouble where there is one.
func TestEveryTarget(t *testing.T) {
	cargo, installed := toolchain(t)
	for _, target := range installed {
		t.Run(target, func(t *testing.T) {
			wasi := target != targets[0]
			plugin := stock.Start(t, build(t, cargo, project(t, "language"), target), wasi)
			stock.Expect(t, plugin, "run", `{"code":"Hello, {name}!","input":{"name":"Ana"}}`, `"Hello, Ana!"`)
			if !wasi {
				return
			}
			module := build(t, cargo, project(t, "channel"), target)
			for _, export := range []string{"receive", "send", "trama_input", "trama_output", "memory"} {
				if !strings.Contains(exportsOf(t, module), " "+export+" ") {
					t.Errorf("the channel adapter lacks %s: it exports%s", export, exportsOf(t, module))
				}
			}
		})
	}
}

// TestNewProject runs the native tests that a new project begins with. It needs
// no registry.
func TestNewProject(t *testing.T) {
	cargo, _ := toolchain(t)
	for _, kind := range []string{"connector", "channel", "language"} {
		run(t, cargo, project(t, kind), nil, "test", "--offline")
	}
}

// toolchain finds a cargo and the rustc beside it, and its targets.
func toolchain(t *testing.T) (cargo string, installed []string) {
	t.Helper()
	for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/bin") {
		cargo := filepath.Join(dir, "cargo")
		if _, err := os.Stat(cargo); err != nil {
			continue
		}
		for _, target := range targets {
			libraries, err := exec.Command(filepath.Join(dir, "rustc"), "--target", target, "--print", "target-libdir").Output()
			if err != nil {
				continue
			}
			if found, _ := filepath.Glob(filepath.Join(strings.TrimSpace(string(libraries)), "libcore-*.rlib")); len(found) > 0 {
				installed = append(installed, target)
			}
		}
		if len(installed) > 0 {
			return cargo, installed
		}
	}
	stock.LeftOut(t, "cargo and a rustc that knows "+targets[0], "apt-get install cargo libstd-rust-dev-wasm32 lld-14")
	return "", nil
}

// run runs cargo in a directory, with results kept between tests. Each
// directory has its own: all modules have one name.
func run(t *testing.T, cargo, dir string, env []string, args ...string) {
	t.Helper()
	results, err := filepath.Abs(resultsOf(dir))
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), cargo, args...)
	command.Dir = dir
	command.Env = append(os.Environ(), "RUSTC="+rustc(cargo), "RUSTDOC="+filepath.Join(filepath.Dir(cargo), "rustdoc"), "CARGO_TARGET_DIR="+results)
	command.Env = append(command.Env, env...)
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", cargo, strings.Join(args, " "), err, output)
	}
}

func resultsOf(dir string) string {
	return filepath.Join("../../build/testcache/cargo", filepath.Base(dir)+".target")
}

func rustc(cargo string) string { return filepath.Join(filepath.Dir(cargo), "rustc") }

func build(t *testing.T, cargo, dir, target string, env ...string) []byte {
	t.Helper()
	run(t, cargo, dir, env, "build", "--release", "--offline", "--target", target, "--lib")
	module, err := os.ReadFile(filepath.Join(resultsOf(dir), target, "release", "plugin.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s for %s: %d bytes", dir, target, len(module))
	return module
}

// project makes a new project of a kind, with the PDK in it: always the same
// one, in which nothing is written that is there, so that cargo compiles what
// has changed.
func project(t *testing.T, kind string) string {
	t.Helper()
	const dir = "../../build/testcache/cargo/project"
	for from, to := range map[string]string{
		"template/all": ".", "template/" + kind: ".", "Cargo.toml": "trama-pdk/Cargo.toml", "src": "trama-pdk/src",
	} {
		err := filepath.WalkDir(from, func(path string, entry os.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			data = bytes.ReplaceAll(data, []byte("{{.Name}}"), []byte("my_plugin"))
			data = bytes.ReplaceAll(data, []byte("{{.Scheme}}"), []byte("my-plugin"))
			target := filepath.Join(dir, to, strings.TrimPrefix(path, from))
			if there, err := os.ReadFile(target); err == nil && bytes.Equal(there, data) {
				return nil
			}
			if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
				return err
			}
			return os.WriteFile(target, data, 0o644)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// exportsOf lists the names of a module's exports, between spaces.
func exportsOf(t *testing.T, wasm []byte) string {
	t.Helper()
	runtime := wazero.NewRuntimeWithConfig(t.Context(), wazero.NewRuntimeConfigInterpreter())
	defer runtime.Close(t.Context()) //nolint:errcheck // of a test
	module, err := runtime.CompileModule(t.Context(), wasm)
	if err != nil {
		t.Fatal(err)
	}
	names := " "
	for name := range module.ExportedFunctions() {
		names += name + " "
	}
	for name := range module.ExportedMemories() {
		names += name + " "
	}
	return names
}
