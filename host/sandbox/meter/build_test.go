package meter_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/trama-run/trama/host/sandbox/meter"
	"github.com/trama-run/trama/host/sandbox/wasm"
)

// A small assembler.

func leb(n int) []byte {
	for b := []byte(nil); ; n >>= 7 {
		if n < 0x80 {
			return append(b, byte(n))
		}
		b = append(b, byte(n)|0x80)
	}
}

func vec(items ...[]byte) []byte { return append(leb(len(items)), slices.Concat(items...)...) }

func str(s string) []byte { return append(leb(len(s)), s...) }

func sec(id byte, content ...byte) []byte {
	return slices.Concat([]byte{id}, leb(len(content)), content)
}

func mod(sections ...[]byte) []byte {
	return append([]byte("\x00asm\x01\x00\x00\x00"), slices.Concat(sections...)...)
}

// i32 is i32.const, for numbers from 0 on.
func i32(n int) []byte {
	b := []byte{0x41}
	for ; n >= 0x40; n >>= 7 {
		b = append(b, byte(n)|0x80)
	}
	return append(b, byte(n))
}

// fn is a function: its types, groups of locals, and code without the last end.
type fn struct {
	params, results []byte
	locals          [][]byte
	code            []byte
}

func asm(code ...[]byte) []byte { return slices.Concat(code...) }

var (
	one = []byte{wasm.I32}
	two = []byte{wasm.I32, wasm.I32}
)

// build makes a module of a memory with a page, a table of ten empty places,
// and functions f0, f1 and so on. More sections go behind the one they follow.
func build(functions []fn, more ...[]byte) []byte {
	var types, indexes, exports, bodies [][]byte
	for i, f := range functions {
		types = append(types, asm([]byte{0x60}, str(string(f.params)), str(string(f.results))))
		indexes = append(indexes, leb(i))
		exports = append(exports, asm(str(fmt.Sprint("f", i)), []byte{0}, leb(i)))
		body := asm(vec(f.locals...), f.code, []byte{0x0b})
		bodies = append(bodies, asm(leb(len(body)), body))
	}
	sections := [][]byte{
		sec(1, vec(types...)...), sec(3, vec(indexes...)...), sec(4, 1, 0x70, 0, 10), sec(5, 1, 1, 1, 2),
		sec(7, vec(exports...)...), sec(10, vec(bodies...)...),
	}
	rank := func(section []byte) int {
		return slices.Index([]byte{1, 3, 4, 5, 6, 7, 8, 9, 12, 10, 11, 0}, section[0])
	}
	sections = append(sections, more...)
	slices.SortStableFunc(sections, func(a, b []byte) int { return rank(a) - rank(b) })
	return mod(sections...)
}

// start rewrites and instantiates a module.
func start(t testing.TB, data []byte) *guest {
	t.Helper()
	w := newWorld(t, nil, true)
	if reason := w.instantiate(data, "", ""); reason != "" {
		t.Fatal(reason)
	}
	return w.last
}

func rewrite(t testing.TB, data []byte) meter.Result {
	t.Helper()
	r, err := meter.Rewrite(parse(t, data))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (g *guest) call(t testing.TB, name string, args ...uint64) ([]uint64, error) {
	t.Helper()
	return g.ExportedFunction(name).Call(t.Context(), args...)
}
