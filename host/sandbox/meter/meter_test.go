package meter_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/trama-run/trama/host/sandbox/meter"
	"github.com/trama-run/trama/host/sandbox/wasm"
)

var empties = []fn{{nil, nil, nil, nil}}

// passive is a passive data segment, active one at an offset.
func passive(data string) []byte { return asm([]byte{1}, str(data)) }

func active(offset int, data string) []byte {
	return asm([]byte{0}, i32(offset), []byte{end}, str(data))
}

func TestRefusals(t *testing.T) {
	v := asm([]byte{0x60}, vec(), vec())
	loops := asm([]byte{0}, bytes.Repeat([]byte{loop, empty, end}, 349_000), []byte{end})
	loops = asm(leb(len(loops)), loops)
	for _, test := range []struct {
		name, want string
		data       []byte
	}{
		{"own import", `import 0 "trama:meter.trip": the module "trama:meter" is the host's own`,
			mod(sec(1, vec(v)...), sec(2, vec(asm(str("trama:meter"), str("trip"), []byte{0, 0}))...))},
		{"own export", `export 0 "trama:fuel": names that begin with "trama:" are the host's`,
			mod(sec(6, vec([]byte{0x7e, 1, 0x42, 0, end})...), sec(7, vec(asm(str("trama:fuel"), []byte{3, 0}))...))},
		{"huge table", `tables up to 0 start with 65537 elements, over the limit of 65536`,
			mod(sec(4, 1, 0x70, 0, 0x81, 0x80, 4))},
		{"huge tables", `tables up to 2 start with 65537 elements, over the limit of 65536`,
			mod(sec(4, vec(asm([]byte{0x70, 0}, leb(40_000)), asm([]byte{0x70, 0}, leb(25_536)), []byte{0x6f, 0, 1})...))},
		{"loops", `the module grows over 64 MiB when it is metered: it has too many branches and loops for its size`,
			mod(sec(1, vec(v)...), sec(3, append(leb(15), make([]byte, 15)...)...), sec(10, vec(slices.Repeat([][]byte{loops}, 15)...)...))},
		{"imported offset", `data segment 0: its offset is global.get, so its place depends on an import`,
			mod(sec(2, vec(asm(str("env"), str("base"), []byte{3, 0x7f, 0}))...), sec(5, 1, 0, 1),
				sec(11, vec(asm([]byte{0, 0x23, 0, end}, str("x")))...))},
	} {
		r, err := meter.Rewrite(parse(t, test.data))
		if err == nil || err.Error() != test.want || r.Wasm != nil {
			t.Errorf("%s: %v, want %s", test.name, err, test.want)
		}
	}
}

// TestFresh: what an image can't bring back is named.
func TestFresh(t *testing.T) {
	global := func(t byte, init ...byte) []byte {
		return sec(6, vec(asm([]byte{t, 1}, init, []byte{end}))...)
	}
	refs := sec(9, vec(asm([]byte{1, 0}, vec([]byte{0})))...) // passive: f0
	data := [][]byte{sec(12, 1), sec(11, vec(passive("x"))...)}
	three := []byte{0x41, 0, 0x41, 0, 0x41, 0}
	code := func(code ...[]byte) []fn { return []fn{{nil, nil, nil, asm(code...)}} }
	for _, test := range []struct {
		want string
		data []byte
	}{
		{"", build(empties)},
		{"", build(empties, global(wasm.I64, 0x42, 0))},
		{"", build(code(three, []byte{0xfc, 8, 0, 0}), data...)}, // memory.init
		{"", build(code([]byte{0x41, 0, 0x25, 0, drop}))},        // table.get
		{"it uses table.set, at offset ", build(code([]byte{0x41, 0, 0xd0, 0x70, 0x26, 0}))},
		{"it uses table.grow, at offset ", build(code([]byte{0xd0, 0x70, 0x41, 1, 0xfc, 15, 0, drop}))},
		{"it uses table.fill, at offset ", build(code([]byte{0x41, 0, 0xd0, 0x70, 0x41, 1, 0xfc, 17, 0}))},
		{"it uses table.copy, at offset ", build(code(three, []byte{0xfc, 14, 0, 0}))},
		{"it uses table.init, at offset ", build(code(three, []byte{0xfc, 12, 0, 0}), refs)},
		{"it uses elem.drop, at offset ", build(code([]byte{0xfc, 13, 0}), refs)},
		{"it uses data.drop, at offset ", build(code([]byte{0xfc, 9, 0}), data...)},
		{"its global 0 is a mutable v128", build(empties, global(wasm.V128, append([]byte{0xfd, 12}, make([]byte, 16)...)...))},
		{"its global 0 is a mutable funcref", build(empties, global(wasm.FuncRef, 0xd0, 0x70))},
		{"its global 0 is a mutable externref", build(empties, global(wasm.ExternRef, 0xd0, 0x6f))},
	} {
		got := rewrite(t, test.data).Fresh
		if !strings.HasPrefix(got, test.want) || (got == "") != (test.want == "") {
			t.Errorf("%q, want %q", got, test.want)
		}
		start(t, test.data)
	}
}

// TestInstantiation: nothing runs and nothing is copied before the host says so.
func TestInstantiation(t *testing.T) {
	functions := []fn{
		{nil, nil, nil, []byte{0x41, 9, 0x24, 1}}, // the start function sets global 1
		{nil, one, nil, []byte{0x41, 8, load, 2, 0, 0x23, 1, add}},
		{nil, nil, nil, asm(i32(0), i32(0), i32(1), []byte{0xfc, 8, 1, 0})}, // memory.init of an active segment
		{nil, nil, nil, asm(i32(0), i32(0), i32(2), []byte{0xfc, 8, 2, 0})}, // of a passive one
	}
	globals := sec(6, vec([]byte{0x7f, 0, 0x41, 3, end}, []byte{0x7f, 1, 0x41, 1, end}, []byte{0x7d, 1, 0x43, 0, 0, 0, 0, end})...)
	begin := sec(8, 0)
	var numbered []byte
	for i, segments := range [][]byte{vec(active(8, "\x02"), active(9, "\x01")), vec(active(8, "\x02"), active(9, "\x01"), passive("ab"))} {
		var data []byte
		if i == 0 {
			data = build(functions[:2], globals, begin, sec(11, segments...))
		} else {
			data = build(functions, globals, begin, sec(12, 3), sec(11, segments...))
			numbered = data
		}
		r := rewrite(t, data)
		if got := fmt.Sprint(r.Globals, r.Data, r.Start); got != "[{trama:g1 127} {trama:g2 125}] [{8 [2]} {9 [1]}]trama:start" {
			t.Error(got)
		}
		if rewritten := parse(t, r.Wasm); rewritten.Start >= 0 || i == 0 && len(rewritten.Data) != 0 || i == 1 && len(rewritten.Data) != 3 {
			t.Errorf("start %d, %d segments", rewritten.Start, len(rewritten.Data))
		}
		g := start(t, data)
		g.fill()
		if got, err := g.call(t, "f1"); err != nil || got[0] != 0x102+9 {
			t.Errorf("%v, %v", got, err)
		}
		if got := g.ExportedGlobal("trama:g1").Get(); got != 9 {
			t.Errorf("the global is %d", got)
		}
	}
	g := start(t, numbered)
	g.fill()
	if _, err := g.call(t, "f2"); err == nil || !strings.Contains(err.Error(), "out of bounds memory access") {
		t.Errorf("an active segment was kept: %v", err)
	}
	if _, err := g.call(t, "f3"); err != nil {
		t.Error(err)
	}
	if b, _ := g.Memory().Read(0, 2); string(b) != "ab" {
		t.Errorf("memory.init wrote %q", b)
	}
}

// TestTableLimit: a table grows to its own limit, and all together no further
// than ours.
func TestTableLimit(t *testing.T) {
	grow := []fn{{one, one, nil, []byte{0xd0, 0x70, get, 0, 0xfc, 15, 0}}}
	for _, most := range []int{wasm.MaxTable + 1, 1 << 20, 50} {
		want := uint32(min(most, wasm.MaxTable))
		own := mod(sec(4, asm([]byte{1, 0x70, 1, 10}, leb(most))...))
		if got := parse(t, rewrite(t, own).Wasm).Tables[0]; !got.HasMax || got.Max != want {
			t.Errorf("a table of at most %d may grow to %d", most, got.Max)
		}
	}
	types := mod(sec(4, vec(asm([]byte{0x70, 0}, leb(536)), []byte{0x6f, 1, 7, 7}, []byte{0x70, 1, 0, 100}, []byte{0x6f, 0, 3})...))
	var limits []int
	for _, table := range parse(t, rewrite(t, types).Wasm).Tables {
		limits = append(limits, int(table.Max))
	}
	if want := []int{536 + 21_663, 7, 100, 3 + 21_663}; !slices.Equal(limits, want) {
		t.Errorf("four tables may grow to %v, want %v", limits, want)
	}
	g := start(t, build(grow))
	for _, test := range []struct{ by, want uint64 }{{wasm.MaxTable, 1<<32 - 1}, {wasm.MaxTable - 10, 10}, {1, 1<<32 - 1}} {
		g.fill()
		if got, err := g.call(t, "f0", test.by); err != nil || got[0] != test.want {
			t.Errorf("grow by %d: %v, %v; want %d", test.by, got, err, test.want)
		}
	}
}

// TestNames: stack traces name functions; nothing else of custom sections stays.
func TestNames(t *testing.T) {
	functions := []fn{{nil, nil, nil, []byte{call, 1}}, {nil, nil, nil, []byte{unreachable}}}
	names := asm([]byte{0}, str(string(str("mod"))), []byte{1}, str(string(vec(asm([]byte{0}, str("outer")), asm([]byte{1}, str("inner"))))))
	data := build(functions, sec(0, asm(str("producers"), []byte{0})...), sec(0, asm(str("name"), names)...))
	g := start(t, data)
	g.fill()
	_, err := g.call(t, "f0")
	if err == nil || !strings.Contains(err.Error(), "inner()") || !strings.Contains(err.Error(), "outer()") {
		t.Error(err)
	}
	if bytes.Contains(rewrite(t, data).Wasm, []byte("producers")) {
		t.Error("another custom section was kept")
	}
	inner := "new\nline\x1b[31m\u2028\u202e" + strings.Repeat("é", 300)
	names = asm([]byte{1}, str(string(vec(asm([]byte{0}, str("outer")), asm([]byte{1}, str(inner))))))
	g = start(t, build(functions, sec(0, asm(str("name"), names)...)))
	g.fill()
	_, err = g.call(t, "f0")
	want := "." + "newline[31m" + strings.Repeat("é", 94) + "()\n"
	if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "outer()") {
		t.Errorf("a long name of many lines: %v; want %q", err, want)
	}
	for _, broken := range [][]byte{{1}, {1, 9}, {1, 1, 5}, asm([]byte{1}, str(string(vec([]byte{0, 1, 0xff}))))} {
		r := rewrite(t, build(functions, sec(0, asm(str("name"), broken)...)))
		if sections := parse(t, r.Wasm).Sections; sections[len(sections)-1].ID == wasm.SectionCustom {
			t.Errorf("names % x were kept", broken)
		}
	}
}

// TestDeterminism: the same module gives the same bytes, and they are a module
// that can't be rewritten again.
func TestDeterminism(t *testing.T) {
	for _, path := range modules(t) {
		data := read(t, path)
		if len(data) > 2<<20 {
			continue // more of the same; there are always smaller ones
		}
		before := bytes.Clone(data)
		r := rewrite(t, data)
		if !bytes.Equal(r.Wasm, rewrite(t, data).Wasm) {
			t.Errorf("%s: two results", path)
		}
		if !bytes.Equal(data, before) {
			t.Errorf("%s: the file was changed", path)
		}
		if _, err := meter.Rewrite(parse(t, r.Wasm)); err == nil {
			t.Errorf("%s: a second rewriting", path)
		}
	}
}
