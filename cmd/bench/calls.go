package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	extism "github.com/extism/go-sdk"
	"github.com/tetratelabs/wazero"

	"github.com/trama-run/trama/host/sandbox"
	"github.com/trama-run/trama/pdk/abi"
)

// calls measures calls in the sandbox against a pooled instance of
// extism/go-sdk on the same module, both with a time limit.
func calls(s settings, dir string) ([]Row, error) {
	ctx := context.Background()
	box, err := sandbox.Open(sandbox.Config{CacheDir: filepath.Join(dir, "code"), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, err
	}
	defer box.Close(ctx)
	var rows []Row
	for _, c := range []struct{ name, wasm, export, input string }{
		{"call.pooled.c", "echo", "echo", strings.Repeat("x", 21)},
		{"call.pooled.c.json", "json", "total", `{"customer":"Ana","items":[{"sku":"a-1","price":250,"quantity":2},{"sku":"b-2","price":99,"quantity":10}]}`},
	} {
		if !s.wants(c.name) {
			continue
		}
		wasm, err := os.ReadFile(filepath.Join("host/sandbox/testdata", c.wasm+".wasm"))
		if err != nil {
			return nil, err
		}
		ours, closeOurs, err := inSandbox(ctx, box, wasm, c.export, []byte(c.input))
		if err != nil {
			return nil, err
		}
		theirs, closeTheirs, err := underSDK(ctx, wasm, c.export, []byte(c.input))
		if err != nil {
			return nil, err
		}
		row := Row{Name: c.name, Unit: "us", Peer: "go-sdk 1.7.1, pooled", Goal: ">= 20x"}
		row.Value, row.PeerValue, row.Ratio, err = alternate(s.rounds, ours, theirs)
		if err := firstOf(err, closeOurs(), closeTheirs()); err != nil {
			return nil, err
		}
		row.Ratio = 1 / row.Ratio
		row.Met = row.Ratio >= 20
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

// script measures one call of a five-line script. Its goal is for scripts
// that start from an image, which are yet to come.
func script(ctx context.Context, s settings, box *sandbox.Sandbox) (Row, error) {
	wasm, err := os.ReadFile("plugins/javascript/javascript.wasm")
	if err != nil {
		return Row{}, err
	}
	input, err := json.Marshal(abi.Run{
		Code:  "const items = input.items;\nlet total = 0;\nfor (const i of items) total += i.price * i.quantity;\nconst vip = total > 1000;\nreturn {total, vip};",
		Input: json.RawMessage(`{"items":[{"price":250,"quantity":2},{"price":99,"quantity":10}]}`),
		Flow:  json.RawMessage(`{}`), User: json.RawMessage(`{}`), Env: json.RawMessage(`{}`),
	})
	if err != nil {
		return Row{}, err
	}
	call, closeModule, err := inSandbox(ctx, box, wasm, abi.FuncRun, input)
	if err != nil {
		return Row{}, err
	}
	var times []float64
	for range s.rounds {
		t, err := timed(call)
		if err != nil {
			return Row{}, err
		}
		times = append(times, t)
	}
	v := median(times)
	return Row{Name: "run_code.js", Unit: "us", Value: v, Goal: "<= 40 us (with images)", Met: v <= 40}, closeModule()
}

func inSandbox(ctx context.Context, box *sandbox.Sandbox, wasm []byte, export string, input []byte) (call, end func() error, err error) {
	limits := sandbox.DefaultLimits()
	m, err := box.Compile(ctx, wasm, limits.Memory)
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithCancel(ctx) // a caller has a deadline of its own
	call = func() error {
		_, err := m.Call(ctx, sandbox.Call{Export: export, Input: input, Limits: limits})
		return err
	}
	end = func() error { cancel(); return m.Close(context.Background()) }
	return call, end, nil
}

func underSDK(ctx context.Context, wasm []byte, export string, input []byte) (call, end func() error, err error) {
	compiled, err := extism.NewCompiledPlugin(ctx, extism.Manifest{
		Wasm:    []extism.Wasm{extism.WasmData{Data: wasm}},
		Memory:  &extism.ManifestMemory{MaxPages: 1024, MaxHttpResponseBytes: 1 << 20, MaxVarBytes: 1 << 20},
		Timeout: 5000,
	}, extism.PluginConfig{EnableWasi: true, RuntimeConfig: wazero.NewRuntimeConfig()}, nil)
	if err != nil {
		return nil, nil, err
	}
	p, err := compiled.Instance(ctx, extism.PluginInstanceConfig{})
	if err != nil {
		return nil, nil, err
	}
	call = func() error {
		code, _, err := p.Call(export, input)
		if err == nil && code != 0 {
			err = fmt.Errorf("go-sdk: %s returned %d", export, code)
		}
		return err
	}
	end = func() error { return firstOf(p.Close(ctx), compiled.Close(ctx)) }
	return call, end, nil
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
		for b.Loop() {
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

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
