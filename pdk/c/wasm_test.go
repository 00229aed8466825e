package c_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/trama-run/trama/pdk/internal/stock"
)

// flags are those by which trama plugin build compiles, without the language.
var flags = []string{
	"--target=wasm32", "-O2", "-ffreestanding", "-nostdlib", "-mbulk-memory", "-Wall", "-Wextra", "-Werror", "-I.",
	"-Wl,--no-entry", "-Wl,--strip-debug", "-Wl,-z,stack-size=65536",
}

var languages = map[string][]string{
	".c":  {"-std=c11"},
	".cc": {"-std=c++17", "-x", "c++", "-fno-exceptions", "-fno-rtti", "-fno-threadsafe-statics"},
}

// TestC runs a plugin in C under Extism's own host, the reference for the ABI.
// Nothing of Trama's is there, so it also shows that nothing of it is imported.
func TestC(t *testing.T) {
	for name, without := range map[string]string{"": "", "without bulk memory": "-mno-bulk-memory", "not optimised": "-O0"} {
		t.Run(name, func(t *testing.T) {
			plugin := stock.Start(t, compile(t, "testdata/guest.c", without), true)
			stock.Expect(t, plugin, "describe", "", `{"name":"guest"}`)
			for _, n := range []int{0, 1, 7, 8, 9, 15, 16, 17, 65_536, 1_000_001} {
				text := strings.Repeat("é", n/2) + strings.Repeat("x", n%2)
				stock.Expect(t, plugin, "echo", text, text)
			}
			stock.Expect(t, plugin, "local", "", "local")
			stock.Expect(t, plugin, "nothing", "x", "")
			stock.Expect(t, plugin, "setting", "color", "red")
			stock.ExpectError(t, plugin, "setting", "size", `{"code":"none","message":"no setting size"}`)
			stock.ExpectError(t, plugin, "setting", "", `{"code":"none","message":"no setting "}`)
			stock.ExpectError(t, plugin, "plain", "", "it did not work")
			stock.ExpectError(t, plugin, "coded", "", `{"code":"busy","message":"a \"busy\" line\n","retryable":true,"retry_after_millis":5,"detail":[1]}`)
			stock.Expect(t, plugin, "products", "[3,-4, 3037000500,3037000499, 4294967296,2147483648, -4294967296,2147483648, -9223372036854775808,1, -9223372036854775808,-1]",
				"[-12,9223372033963249500,null,-9223372036854775808,-9223372036854775808,null]")
			stock.ExpectError(t, plugin, "products", "[1,2.5]", `{"code":"invalid","message":"[1]: want a whole number"}`)
			stock.ExpectError(t, plugin, "products", "[1,", `{"code":"invalid","message":"input: the text ends early, at byte 3"}`)
		})
	}
}

// TestArena: calls of one instance use the same memory again, but for what a
// call has kept.
func TestArena(t *testing.T) {
	plugin := stock.Start(t, compile(t, "testdata/guest.c"), true)
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
}

// TestPanic: the call crashes, and its error says why and where.
func TestPanic(t *testing.T) {
	for export, want := range map[string]string{
		"oh_no": `{"code":"panic","message":"guest.c:`,
		"hoard": `out of memory; the manifest can ask for more in limits.memory_bytes"}`,
	} {
		plugin := stock.Start(t, compile(t, "testdata/guest.c"), true)
		code, _, err := plugin.Call(export, nil)
		if code == 0 || err == nil || !strings.Contains(err.Error(), "unreachable") || !strings.Contains(plugin.GetError(), want) {
			t.Errorf("%s gives %d, %v, with the error %q, want %q in it", export, code, err, plugin.GetError(), want)
		}
		if export == "oh_no" && !strings.HasSuffix(plugin.GetError(), `: oh \"no\""}`) {
			t.Errorf("the message is not in %q", plugin.GetError())
		}
	}
}

// TestCPlusPlus compiles the header as C++, with what C++ needs of a library.
func TestCPlusPlus(t *testing.T) {
	plugin := stock.Start(t, compile(t, "testdata/guest.cc"), true)
	stock.Expect(t, plugin, "describe", "", `{"name":"guest"}`)
	stock.Expect(t, plugin, "echo", "é 😀", "é 😀")
	stock.Expect(t, plugin, "total", `{"items":[{"price":250,"quantity":2},{"price":99,"quantity":10}]}`, `{"total":1490,"items":2}`)
	stock.ExpectError(t, plugin, "total", `{"items":[{"price":1,"quantity":1},{"price":"1"}]}`, `{"code":"invalid","message":"items[1].price: want a whole number"}`)
	stock.ExpectError(t, plugin, "total", `{}`, `{"code":"invalid","message":"items: want a list"}`)
	for range 3 {
		stock.ExpectError(t, plugin, "fail", "plain", "plain failure")
	}
	stock.ExpectError(t, plugin, "fail", "coded", `{"code":"teapot","message":"I'm a teapot","detail":{"short":"stout"}}`)
	if _, _, err := plugin.Call("fail", []byte("panic")); err == nil || !strings.Contains(plugin.GetError(), "oh no") {
		t.Errorf("a panic gives %v, %q", err, plugin.GetError())
	}
}

// TestLibc: the header beside wasi-libc, whose functions are used then.
func TestLibc(t *testing.T) {
	clang := tool(t, "clang")
	output, err := exec.Command(clang, "--target=wasm32-wasi", "-print-file-name=crt1-reactor.o").Output()
	if err != nil || !filepath.IsAbs(strings.TrimSpace(string(output))) {
		stock.LeftOut(t, "wasi-libc", "apt-get install wasi-libc libclang-rt-19-dev-wasm32")
	}
	read(t, "trama.h", "testdata/libc.c")
	file := filepath.Join(t.TempDir(), "plugin.wasm")
	command := exec.Command(clang, "--target=wasm32-wasi", "-mexec-model=reactor", "-O2", "-Wall", "-Wextra", "-Werror", "-I.",
		"-fuse-ld="+tool(t, "wasm-ld"), "-o", file, "testdata/libc.c")
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", command, err, output)
	}
	wasm, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	plugin := stock.Start(t, wasm, true)
	stock.Expect(t, plugin, "sorted", `[3,-1,2.5]`, `[-1.000,2.500,3.000]`)
	stock.Expect(t, plugin, "sorted", `[]`, `[]`)
	stock.ExpectError(t, plugin, "sorted", `["a"]`, `{"code":"invalid","message":"[0]: want a number"}`)
}

// TestSources: the suite and the sources of new projects compile without a
// warning, those as C++ too, and stay small.
func TestSources(t *testing.T) {
	for source, limit := range map[string]int{
		"suite/plugin.c": 40_000, "template/connector/plugin.c": 30_000, "template/channel/plugin.c": 40_000, "template/language/plugin.c": 20_000,
	} {
		if size := len(compile(t, source)); size > limit {
			t.Errorf("%s compiles to %d bytes, more than %d", source, size, limit)
		}
		if strings.HasPrefix(source, "template/") { // an author may rename it to plugin.cc
			text, err := os.ReadFile(source)
			other := filepath.Join(t.TempDir(), "plugin.cc")
			if err == nil {
				err = os.WriteFile(other, text, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			compile(t, other)
		}
	}
}

func compile(t *testing.T, source string, more ...string) []byte {
	t.Helper()
	clang := tool(t, "clang")
	linker := tool(t, "wasm-ld")
	read(t, "trama.h", source)
	file := filepath.Join(t.TempDir(), "plugin.wasm")
	var arguments []string
	for _, list := range [][]string{languages[filepath.Ext(source)], flags, more, {"-fuse-ld=" + linker, "-o", file, source}} {
		for _, argument := range list {
			if argument != "" {
				arguments = append(arguments, argument)
			}
		}
	}
	if output, err := exec.Command(clang, arguments...).CombinedOutput(); err != nil || len(output) > 0 {
		t.Fatalf("%s %s: %v\n%s", clang, strings.Join(arguments, " "), err, output)
	}
	wasm, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return wasm
}
