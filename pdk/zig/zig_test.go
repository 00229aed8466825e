// Package zig_test holds the tests of trama.zig: what it makes of JSON, and
// plugins made with it under Extism's own host.
package zig_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/trama-run/trama/pdk/internal/stock"
)

// version is the Zig that trama.zig is for.
const version = "0.17."

// TestParsers runs the tests of what needs no WebAssembly.
func TestParsers(t *testing.T) {
	zig(t, project(t, "testdata/trama_test.zig", "trama_test.zig"), "test", "trama_test.zig")
}

// TestTemplates runs an author's own tests, those of a new project, where no
// host is.
func TestTemplates(t *testing.T) {
	templates, err := filepath.Glob("template/*/plugin.zig")
	if err != nil || len(templates) != 3 {
		t.Fatalf("there are %d templates (%v), want 3", len(templates), err)
	}
	for _, template := range templates {
		zig(t, project(t, template, "plugin.zig"), "test", "plugin.zig")
	}
}

// TestZig runs a plugin under Extism's own host, the reference for the ABI.
// Nothing of Trama's is there, so it also shows that nothing of it is imported.
func TestZig(t *testing.T) {
	wasm := compile(t, "testdata/guest.zig")
	plugin := stock.Start(t, wasm, false)
	stock.Expect(t, plugin, "describe", "", `{"name":"guest"}`)
	for _, n := range []int{0, 1, 7, 8, 9, 15, 16, 17, 65_536, 1_000_001} {
		text := strings.Repeat("é", n/2) + strings.Repeat("x", n%2)
		stock.Expect(t, plugin, "echo", text, text)
	}
	stock.Expect(t, plugin, "setting", "color", "red")
	stock.ExpectError(t, plugin, "setting", "size", `{"code":"none","message":"no such setting"}`)
	stock.ExpectError(t, plugin, "setting", "", `{"code":"none","message":"no such setting"}`)
	stock.Expect(t, plugin, "strict", `{"n":1}`, `{"n":2}`)
	stock.Expect(t, plugin, "strict", `{}`, `{"n":1}`)
	stock.Expect(t, plugin, "open", `{"m":1}`, `{"n":1}`)
	stock.ExpectError(t, plugin, "strict", `{"m":1}`, `{"code":"invalid","message":"JSON: unknown field at line 1, column 5"}`)
	stock.ExpectError(t, plugin, "open", `{"n":256}`, `{"code":"invalid","message":"JSON: no number of the wanted kind at line 1, column 9"}`)
	stock.ExpectError(t, plugin, "named", `1`, `{"code":"error","message":"NoLuck"}`)

	// Calls of one instance use the same memory again, but for what a call has kept.
	_, pages, err := plugin.Call("pages", nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 50 {
		stock.Expect(t, plugin, "pages", "", string(pages))
	}
	for _, n := range []string{"1", "2", "3"} {
		stock.Expect(t, plugin, "keep", "", n)
		stock.Expect(t, plugin, "echo", strings.Repeat("z", 400_000), strings.Repeat("z", 400_000))
	}
	stock.ExpectError(t, plugin, "hoard", "", `{"code":"limit","message":"out of memory; the manifest can ask for more in limits.memory_bytes"}`)

	// A panic crashes the call, and its error says why.
	for _, test := range []struct{ export, input, want string }{
		{"oh_no", "", `{"code":"panic","message":"guest.zig:`},
		{"oh_no", "", `: oh \"no\""}`},
		{"outside", "abc", `{"code":"panic","message":"index out of bounds: index 6, len 3"}`},
		{"open", `{"n":255}`, `{"code":"panic","message":"integer overflow"}`},
	} {
		plugin := stock.Start(t, wasm, false)
		code, _, err := plugin.Call(test.export, []byte(test.input))
		if code == 0 || err == nil || !strings.Contains(err.Error(), "unreachable") || !strings.Contains(plugin.GetError(), test.want) {
			t.Errorf("%s gives %d, %v, with the error %q, want %q in it", test.export, code, err, plugin.GetError(), test.want)
		}
	}
}

// project puts a source beside trama.zig, as it is in a plugin's project.
func project(t *testing.T, source, name string) string {
	t.Helper()
	dir := t.TempDir()
	for from, to := range map[string]string{source: name, "trama.zig": "trama.zig"} {
		data, err := os.ReadFile(from)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, to), data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// compile does what trama plugin build does.
func compile(t *testing.T, source string) []byte {
	t.Helper()
	name := filepath.Base(source)
	dir := project(t, source, name)
	zig(t, dir, "build-exe", name, "-target", "wasm32-freestanding", "-O", "ReleaseSafe", "-fno-entry", "-rdynamic",
		"--stack", "65536", "-femit-bin=plugin.wasm")
	wasm, err := os.ReadFile(filepath.Join(dir, "plugin.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	return wasm
}

// zig runs Zig in a directory: that of PATH, or of the Python package ziglang.
func zig(t *testing.T, dir string, arguments ...string) {
	t.Helper()
	var command []string
	for _, candidate := range [][]string{{"zig"}, {"python3", "-m", "ziglang"}, {"python", "-m", "ziglang"}} {
		output, err := exec.Command(candidate[0], append(candidate[1:], "version")...).Output()
		if err == nil && strings.HasPrefix(string(output), version) {
			command = candidate
			break
		}
	}
	if command == nil {
		stock.LeftOut(t, "zig "+version+"x", "pip install ziglang")
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = t.TempDir()
	}
	command = append(command, arguments...)
	command = append(command, "--color", "off", "--cache-dir", filepath.Join(dir, "cache"), "--global-cache-dir", filepath.Join(cache, "trama", "zig"))
	run := exec.Command(command[0], command[1:]...)
	run.Dir = dir
	if output, err := run.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(command, " "), err, output)
	}
}
