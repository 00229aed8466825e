package pdk_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	extism "github.com/extism/go-sdk"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/trama-run/trama/pdk/abi"
)

// TestInWebAssembly runs a plugin that uses the whole package under Extism's
// own host, the reference for the ABI, with Trama's functions beside it.
func TestInWebAssembly(t *testing.T) {
	plugin, asked, memory := start(t, build(t, "./testdata/guest"))

	t.Run("describe", func(t *testing.T) {
		expect(t, plugin, "describe", "", `{"name":"guest"}`)
	})
	t.Run("input and output of every length", func(t *testing.T) {
		for _, n := range []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 63, 64, 65, 100_001} {
			text := `"` + strings.Repeat("x", n) + `"`
			expect(t, plugin, "echo", text, text)
		}
	})
	t.Run("input that is no JSON", func(t *testing.T) {
		expectError(t, plugin, "echo", `{"a":`, abi.CodeInvalid, "input:")
	})
	t.Run("fields of a newer host", func(t *testing.T) {
		expect(t, plugin, "open", `{"N":1,"newer":2}`, `2`)
	})
	t.Run("random numbers of calls from one image", func(t *testing.T) {
		image := bytes.Clone(memory.bytes)
		seen := map[string]map[string]bool{}
		const calls = 3
		for range calls {
			if len(memory.bytes) != len(image) {
				t.Fatal("the memory has grown")
			}
			copy(memory.bytes, image)
			_, output, err := plugin.Call("random", []byte("{}"))
			var numbers map[string]string
			if err != nil || json.Unmarshal(output, &numbers) != nil {
				t.Fatalf("%s, %v", output, err)
			}
			for source, number := range numbers {
				if seen[source] == nil {
					seen[source] = map[string]bool{}
				}
				seen[source][number] = true
			}
		}
		// What Rand's comment says of each.
		for source, want := range map[string]int{"pdk": calls, "crypto": calls, "math": 1, "math/v2": 1} {
			if got := len(seen[source]); got != want {
				t.Errorf("%s: %d different numbers in %d calls, want %d", source, got, calls, want)
			}
		}
	})
	t.Run("host functions", func(t *testing.T) {
		expect(t, plugin, "reach", `{}`, `{"absent":false,"body":"<ok>","deadline":1234567890123,"effect":"e-1","handle":"h-1",`+
			`"ok":true,"random":"AQID","refused":"denied: not granted","setting":"red","signature":"/wA=","status":201,"valid":true}`)
		want := []string{
			`http_send {"method":"POST","url":"/x","body":"<ç>"}`,
			`secret_ref {"name":"token"}`,
			`sign {"key":"k","algorithm":"HS256","data":"AP8="}`,
			`verify {"key":"k","algorithm":"HS256","data":"AP8=","signature":"/wA="}`,
			`effect_id `,
			`deadline `,
			`random {"n":3}`,
			`secret_ref {"name":"other"}`,
		}
		if got := strings.Join(*asked, "\n"); got != strings.Join(want, "\n") {
			t.Errorf("the host was asked\n%s\nwant\n%s", got, strings.Join(want, "\n"))
		}
	})
	t.Run("a panic is a crash", func(t *testing.T) { // the last: nothing is called after it
		_, _, err := plugin.Call("boom", []byte(`[1]`))
		if err == nil || !strings.Contains(err.Error(), "unreachable") || plugin.GetError() != "" {
			t.Errorf("%v, and it set the error %q", err, plugin.GetError())
		}
	})
}

func build(t *testing.T, directory string) []byte {
	t.Helper()
	file := filepath.Join(t.TempDir(), "plugin.wasm")
	command := exec.Command("go", "build", "-buildmode=c-shared", "-trimpath", "-ldflags=-s -w", "-o", file, directory)
	command.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	wasm, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return wasm
}

// linearMemory is memory whose bytes the test can reach.
type linearMemory struct{ bytes []byte }

func (m *linearMemory) Reallocate(size uint64) []byte {
	m.bytes = append(m.bytes, make([]byte, size-uint64(len(m.bytes)))...)
	return m.bytes
}

func (m *linearMemory) Free() {}

// start loads the plugin, lists what it asks of Trama's functions and gives
// its memory.
func start(t *testing.T, wasm []byte) (*extism.Plugin, *[]string, *linearMemory) {
	t.Helper()
	replies := map[string]string{
		abi.HostHTTPSend: `{"ok":{"status":201,"body":"<ok>"}}`,
		abi.HostSign:     `{"ok":{"signature":"/wA="}}`,
		abi.HostVerify:   `{"ok":{"valid":true}}`,
		abi.HostLog:      `{"ok":{}}`,
		abi.HostEffectID: `{"ok":{"id":"e-1"}}`,
		abi.HostDeadline: `{"ok":{"unix_millis":1234567890123}}`,
		abi.HostRandom:   `{"ok":{"bytes":"AQID"}}`,
	}
	var asked []string
	var functions []extism.HostFunction
	for _, name := range abi.HostFunctions() {
		function := extism.NewHostFunctionWithStack(name, func(_ context.Context, p *extism.CurrentPlugin, stack []uint64) {
			var request []byte
			if stack[0] != 0 {
				var err error
				if request, err = p.ReadBytes(stack[0]); err != nil {
					panic(err)
				}
				if err := p.Free(stack[0]); err != nil {
					panic(err)
				}
			}
			asked = append(asked, name+" "+string(request))
			reply := replies[name]
			if name == abi.HostSecretRef {
				reply = `{"error":{"code":"denied","message":"not granted"}}`
				if bytes.Contains(request, []byte("token")) {
					reply = `{"ok":{"handle":"h-1"}}`
				}
			}
			offset, err := p.WriteString(reply)
			if err != nil {
				panic(err)
			}
			stack[0] = offset
		}, []extism.ValueType{extism.ValueTypeI64}, []extism.ValueType{extism.ValueTypeI64})
		function.SetNamespace(abi.ModuleTrama)
		functions = append(functions, function)
	}
	var memory *linearMemory // the guest's is made after go-sdk's own
	blockRead := extism.NewHostFunctionWithStack(abi.BlockRead, func(_ context.Context, p *extism.CurrentPlugin, stack []uint64) {
		block, err := p.ReadBytes(stack[0])
		if err != nil {
			panic(err)
		}
		copy(memory.bytes[uint32(stack[1]):], block)
	}, []extism.ValueType{extism.ValueTypeI64, extism.ValueTypeI32}, nil)
	blockWrite := extism.NewHostFunctionWithStack(abi.BlockWrite, func(_ context.Context, p *extism.CurrentPlugin, stack []uint64) {
		address, length := uint32(stack[0]), uint32(stack[1])
		stack[0] = 0
		if length > 0 {
			var err error
			if stack[0], err = p.WriteBytes(memory.bytes[address:][:length]); err != nil {
				panic(err)
			}
		}
	}, []extism.ValueType{extism.ValueTypeI32, extism.ValueTypeI32}, []extism.ValueType{extism.ValueTypeI64})
	for _, function := range []extism.HostFunction{blockRead, blockWrite} {
		function.SetNamespace(abi.ModuleTrama)
		functions = append(functions, function)
	}
	manifest := extism.Manifest{
		Wasm:   []extism.Wasm{extism.WasmData{Data: wasm}},
		Memory: &extism.ManifestMemory{MaxPages: 512},
		Config: map[string]string{"color": "red"},
	}
	ctx := experimental.WithMemoryAllocator(t.Context(), experimental.MemoryAllocatorFunc(
		func(_, _ uint64) experimental.LinearMemory {
			memory = new(linearMemory)
			return memory
		}))
	plugin, err := extism.NewPlugin(ctx, manifest, extism.PluginConfig{
		EnableWasi:    true,
		RuntimeConfig: wazero.NewRuntimeConfigInterpreter(), // to compile takes longer than these calls, with -race above all
	}, functions)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := plugin.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return plugin, &asked, memory
}

func expect(t *testing.T, plugin *extism.Plugin, export, input, want string) {
	t.Helper()
	code, output, err := plugin.Call(export, []byte(input))
	if code != 0 || err != nil || string(output) != want {
		t.Errorf("%s(%.40s) gives %d, %.400s, %v\nwant %.400s", export, input, code, output, err, want)
	}
}

func expectError(t *testing.T, plugin *extism.Plugin, export, input, code, message string) {
	t.Helper()
	result, _, err := plugin.Call(export, []byte(input))
	if result == 0 || err == nil {
		t.Fatalf("%s(%s) gives %d, %v", export, input, result, err)
	}
	var failure abi.Error
	if err := json.Unmarshal([]byte(err.Error()), &failure); err != nil || failure.Code != code || !strings.Contains(failure.Message, message) {
		t.Errorf("%s(%s) fails with %+v, %v", export, input, failure, err)
	}
}
