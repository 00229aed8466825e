package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	extism "github.com/extism/go-sdk"
	"github.com/tetratelabs/wazero"

	"github.com/trama-run/trama/host/sandbox"
	"github.com/trama-run/trama/pdk/abi"
)

// small is the JSON of the small calls: some 40,000 units of fuel for standard
// Go, whose encoding/json works by reflection.
const small = `{"items":[{"price":250,"quantity":2}]}`

// guest is one plugin that calls are measured with.
type guest struct {
	lang, path, export, input string
	most                      float64 // microseconds
	pooled                    float64 // how many times faster than a pooled go-sdk call it must be; 0: not measured
}

// goGuest is built from host/sandbox/testdata/gojson.
const goGuest = "build/bench/gojson.wasm"

func buildGoGuest() error {
	cmd := exec.Command("go", "build", "-buildmode=c-shared", "-trimpath", "-ldflags=-s -w", "-o", goGuest, "./host/sandbox/testdata/gojson")
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", goGuest, err, out)
	}
	return nil
}

// guests are measured in each language that this machine has one of.
func guests() []guest {
	return []guest{
		{"c", "host/sandbox/testdata/echo.wasm", "echo", strings.Repeat("x", 21), 3, 30},
		{"c.json", "host/sandbox/testdata/json.wasm", "total", small, 10, 20},
		{"rust", "host/sandbox/testdata/rust/total.wasm", "total", small, 10, 0},
		{"go", goGuest, "total", small, 40, 0},
	}
}

// calls measures calls in the sandbox, each from the image, with limits and
// fuel on, beside extism/go-sdk on the same module: its instance used again
// and again, with a time limit, and an instance for each call.
func calls(s settings, dir string) ([]Row, error) {
	if !s.wants("call.") && !s.wants("run_code.js") {
		return nil, nil
	}
	if err := buildGoGuest(); err != nil {
		return nil, err
	}
	ctx := context.Background()
	box, err := openBox(dir)
	if err != nil {
		return nil, err
	}
	defer box.Close(ctx)
	var rows []Row
	for _, g := range guests() {
		more, err := callsOf(ctx, s, box, g)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", g.path, err)
		}
		rows = append(rows, more...)
	}
	if s.wants("call.grow") {
		row, err := growing(ctx, s, box)
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	if s.wants("run_code.js") {
		row, err := script(ctx, s, box)
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// callsOf measures one guest.
func callsOf(ctx context.Context, s settings, box *sandbox.Sandbox, g guest) (rows []Row, err error) {
	name := "call.fresh." + g.lang
	if !s.wants(name) {
		return nil, nil
	}
	wasm, err := os.ReadFile(g.path)
	if err != nil {
		return nil, err
	}
	ours, closeOurs, err := inSandbox(ctx, box, wasm, sandbox.Call{Export: g.export, Input: []byte(g.input)}, "")
	if err != nil {
		return nil, err
	}
	pooled, each, closeTheirs, err := underSDK(ctx, wasm, g.export, []byte(g.input))
	if err != nil {
		return nil, err
	}
	row := Row{Name: name, Unit: "us", Peer: "go-sdk 1.7.1, pooled", Goal: fmt.Sprintf("<= %.0f us", g.most)}
	row.Value, row.PeerValue, row.Ratio, err = alternate(s.rounds, pooled, ours)
	if err != nil {
		return nil, err
	}
	row.Value, row.PeerValue = row.PeerValue, row.Value
	row.Met = row.Value <= g.most && row.Ratio >= g.pooled
	if g.pooled > 0 {
		row.Goal += fmt.Sprintf(", >= %.0fx", g.pooled)
	}
	fresh := Row{Name: name + ".instance", Unit: "us", Peer: "go-sdk 1.7.1, an instance a call", Goal: ">= 50x"}
	fresh.PeerValue, fresh.Value, fresh.Ratio, err = alternate(s.rounds, each, ours)
	if err != nil {
		return nil, err
	}
	fresh.Met = fresh.Ratio >= 50
	heap := Row{Name: name + ".heap", Unit: "B of Go heap a call", Goal: "<= 200"}
	heap.Value, err = allocated(ours)
	heap.Met = heap.Value <= 200
	return []Row{row, fresh, heap}, firstOf(err, closeOurs(), closeTheirs())
}

// growing measures a call that grows its memory: the instance is used again, so
// the memory has to shrink to the image's size.
func growing(ctx context.Context, s settings, box *sandbox.Sandbox) (Row, error) {
	wasm, err := os.ReadFile(goGuest)
	if err != nil {
		return Row{}, err
	}
	call, end, err := inSandbox(ctx, box, wasm, sandbox.Call{Export: "grow", Input: []byte(small)}, "")
	if err != nil {
		return Row{}, err
	}
	v, err := several(s.rounds, call)
	return Row{Name: "call.grow.go", Unit: "us", Value: v, Goal: "<= 500 us", Met: v <= 500}, firstOf(err, end())
}

// script measures one call of a five-line script, from the script's image.
func script(ctx context.Context, s settings, box *sandbox.Sandbox) (Row, error) {
	wasm, err := os.ReadFile("plugins/javascript/javascript.wasm")
	if err != nil {
		return Row{}, err
	}
	input, err := json.Marshal(abi.Run{
		Input: json.RawMessage(`{"items":[{"price":250,"quantity":2},{"price":99,"quantity":10}]}`),
		Flow:  json.RawMessage(`{}`), User: json.RawMessage(`{}`), Env: json.RawMessage(`{}`),
	})
	if err != nil {
		return Row{}, err
	}
	code := "const items = input.items;\nlet total = 0;\nfor (const i of items) total += i.price * i.quantity;\nconst vip = total > 1000;\nreturn {total, vip};"
	call, end, err := inSandbox(ctx, box, wasm, sandbox.Call{Export: abi.FuncRun, Input: input}, code)
	if err != nil {
		return Row{}, err
	}
	v, err := several(s.rounds, call)
	return Row{Name: "run_code.js", Unit: "us", Value: v, Goal: "<= 40 us", Met: v <= 40}, firstOf(err, end())
}

// inSandbox makes a function that performs one call; with a script, from the
// image of that.
func inSandbox(ctx context.Context, box *sandbox.Sandbox, wasm []byte, c sandbox.Call, code string) (call, end func() error, err error) {
	c.Limits = sandbox.DefaultLimits()
	c.Limits.Memory = 64 << 20
	m, err := box.Compile(ctx, wasm, sandbox.Options{Memory: c.Limits.Memory, Warm: []sandbox.Warm{{Export: c.Export, Input: c.Input}}})
	if err != nil {
		return nil, nil, err
	}
	if code != "" {
		prepare, err := json.Marshal(abi.Prepare{Code: code})
		if err != nil {
			return nil, nil, err
		}
		if c.Image, err = m.Prepare(ctx, sandbox.Call{Export: abi.FuncPrepare, Input: prepare, Limits: c.Limits}); err != nil {
			return nil, nil, err
		}
	}
	ctx, cancel := context.WithCancel(ctx) // a caller has a deadline of its own
	call = func() error {
		_, err := m.Call(ctx, c)
		return err
	}
	end = func() error { cancel(); return m.Close(context.Background()) }
	return call, end, nil
}

// sdkKept is the input that one instance under go-sdk is given, in bytes: a
// guest that frees nothing between its calls, as AssemblyScript's stub runtime
// does, fills its memory with it.
const sdkKept = 16 << 20

// underSDK makes functions that perform one call under go-sdk: with one
// instance for all of them, and with one for each. functions are what a module
// imports beside what Extism has.
func underSDK(ctx context.Context, wasm []byte, export string, input []byte, functions ...extism.HostFunction) (pooled, each, end func() error, err error) {
	compiled, err := extism.NewCompiledPlugin(ctx, extism.Manifest{
		Wasm:    []extism.Wasm{extism.WasmData{Data: wasm}},
		Memory:  &extism.ManifestMemory{MaxPages: 1024, MaxHttpResponseBytes: 1 << 20, MaxVarBytes: 1 << 20},
		Timeout: 5000,
	}, extism.PluginConfig{EnableWasi: true, RuntimeConfig: wazero.NewRuntimeConfig()}, functions)
	if err != nil {
		return nil, nil, nil, err
	}
	p, err := compiled.Instance(ctx, extism.PluginInstanceConfig{})
	if err != nil {
		return nil, nil, nil, err
	}
	call := func(p *extism.Plugin) error {
		code, _, err := p.Call(export, input)
		if err == nil && code != 0 {
			err = fmt.Errorf("go-sdk: %s returned %d", export, code)
		}
		return err
	}
	given := 0
	pooled = func() error {
		if given += len(input); given > sdkKept {
			fresh, err := compiled.Instance(ctx, extism.PluginInstanceConfig{})
			if err = firstOf(p.Close(ctx), err); err != nil {
				return err
			}
			p, given = fresh, 0
		}
		return call(p)
	}
	each = func() error {
		p, err := compiled.Instance(ctx, extism.PluginInstanceConfig{})
		if err != nil {
			return err
		}
		return firstOf(call(p), p.Close(ctx))
	}
	end = func() error { return firstOf(p.Close(ctx), compiled.Close(ctx)) }
	return pooled, each, end, nil
}

// alternate measures two functions in turn and returns the medians, in
// microseconds, and the median of the ratios of each pair.
func alternate(rounds int, a, b func() error) (va, vb, ratio float64, err error) {
	var as, bs, ratios []float64
	for range rounds {
		ta, err := timed(a)
		if err != nil {
			return 0, 0, 0, err
		}
		tb, err := timed(b)
		if err != nil {
			return 0, 0, 0, err
		}
		as, bs, ratios = append(as, ta), append(bs, tb), append(ratios, ta/tb)
	}
	return median(as), median(bs), median(ratios), nil
}

// timed returns the microseconds of one call of f, from as many as fill a
// second.
func timed(f func() error) (float64, error) {
	var failed error
	r := testing.Benchmark(func(b *testing.B) {
		for range b.N { // b.Loop must not be left early
			if err := f(); err != nil {
				failed = err
				return
			}
		}
	})
	if failed != nil {
		return 0, failed
	}
	return float64(r.T.Nanoseconds()) / float64(r.N) / 1000, nil
}

// several measures a function in rounds and returns the median, in
// microseconds.
func several(rounds int, f func() error) (float64, error) {
	var times []float64
	for range rounds {
		t, err := timed(f)
		if err != nil {
			return 0, err
		}
		times = append(times, t)
	}
	return median(times), nil
}

// allocated returns the bytes of Go heap that one call of f takes.
func allocated(f func() error) (float64, error) {
	const calls = 1000
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range calls {
		if err := f(); err != nil {
			return 0, err
		}
	}
	runtime.ReadMemStats(&after)
	return float64(after.TotalAlloc-before.TotalAlloc) / calls, nil
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
