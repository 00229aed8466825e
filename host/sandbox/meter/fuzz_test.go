package meter_test

import (
	"bytes"
	"path/filepath"
	"slices"
	"testing"

	"github.com/tetratelabs/wazero"

	"github.com/trama-run/trama/host/sandbox/meter"
	"github.com/trama-run/trama/host/sandbox/wasm"
)

// FuzzRewrite takes a whole module, and the code of one function for a module
// around it. Rewriting never panics and makes nothing invalid valid, and the
// function does the same metered as it is.
func FuzzRewrite(f *testing.F) {
	seeds, err := filepath.Glob(filepath.Join(suite(f), "v2/testdata/*.wasm"))
	if err != nil || len(seeds) < 1000 {
		f.Fatalf("%d modules, %v", len(seeds), err)
	}
	for i := 0; i < len(seeds); i += 25 {
		data := read(f, seeds[i])
		var code []byte
		if m, err := wasm.Parse(data); err == nil && len(m.Bodies) > 0 {
			code = data[m.Bodies[0].Code : m.Bodies[0].End-1]
		}
		f.Add(data, code)
	}
	f.Fuzz(func(t *testing.T, data, code []byte) {
		taken(t, data)
		around := build([]fn{
			{one, one, [][]byte{{4, wasm.I32}, {2, wasm.I64}, {1, wasm.F64}, {1, wasm.V128}, {1, wasm.FuncRef}}, code},
			{two, two, nil, []byte{get, 1, get, 0}},
			{nil, nil, nil, nil},
		}, sec(6, vec([]byte{wasm.I32, 1, 0x41, 1, end}, []byte{wasm.I64, 1, 0x42, 1, end})...),
			sec(9, vec(asm([]byte{0}, i32(2), []byte{end}, vec([]byte{1}, []byte{2})), asm([]byte{1, 0}, vec([]byte{1})))...),
			sec(12, 2), sec(11, vec(active(3, "abc"), passive("defgh"))...))
		if taken(t, around) {
			alike(t, around)
		}
	})
}

// taken reports whether a module is valid after rewriting; if so, it must be
// before.
func taken(t *testing.T, data []byte) bool {
	m, err := wasm.Parse(data)
	if err != nil {
		return false
	}
	r, err := meter.Rewrite(m)
	if err != nil || !valid(t, r.Wasm) {
		return false
	}
	// A custom section makes no module invalid, but the engine reads some.
	plain := slices.Clone(data[:8])
	for _, s := range m.Sections {
		if s.ID != wasm.SectionCustom {
			plain = append(plain, sec(s.ID, data[s.Offset:s.Offset+s.Bytes]...)...)
		}
	}
	if !valid(t, plain) {
		t.Fatalf("invalid before, valid after: % x", data)
	}
	return true
}

func valid(t *testing.T, data []byte) bool {
	ctx := t.Context()
	rt := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter())
	_, err := rt.CompileModule(ctx, data)
	if err := rt.Close(ctx); err != nil {
		t.Fatal(err)
	}
	return err == nil
}

// alike runs f0 metered, with little fuel, and if it ends, as it is.
func alike(t *testing.T, data []byte) {
	metered := newWorldOn(t, wazero.NewRuntimeConfigInterpreter(), nil, true)
	plain := newWorldOn(t, wazero.NewRuntimeConfigInterpreter(), nil, false)
	first, second := metered.instantiate(data, "", ""), plain.instantiate(data, "", "")
	if first != "" || second != "" {
		t.Fatalf("metered %q, plain %q", first, second)
	}
	var c command
	c.Action.Field = "f0"
	c.Action.Args = []value{{Type: "i32", Value: "7"}}
	metered.limits = [2]int64{50_000, 100_000} // less than lets a table grow to the limit
	got := metered.do(c)
	if got == errFuel.Error() || got == errStack.Error() {
		return
	}
	if want := plain.do(c); got != want {
		t.Fatalf("metered %s, plain %s", got, want)
	}
	a, b := metered.last.Memory(), plain.last.Memory()
	x, _ := a.Read(0, a.Size())
	y, _ := b.Read(0, b.Size())
	if !bytes.Equal(x, y) {
		t.Fatal("memory differs")
	}
}
