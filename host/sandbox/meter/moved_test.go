package meter_test

import (
	"bytes"
	"os"
	"slices"
	"testing"

	"github.com/trama-run/trama/host/sandbox/meter"
	"github.com/trama-run/trama/host/sandbox/wasm"
)

func TestBefore(t *testing.T) {
	// Ten bytes kept, five put in, a call of two bytes now of three, the rest.
	moved := meter.Moved{{Now: 100, Before: 40}, {Now: 110, Before: 50}, {Now: 115, Before: 50}, {Now: 120, Before: 55}, {Now: 123, Before: 57}}
	for now, want := range map[uint32]uint32{99: 0, 100: 40, 109: 49, 110: 50, 114: 50, 115: 50, 119: 54, 120: 55, 122: 57, 123: 57, 130: 64} {
		if got := moved.Before(now); got != want {
			t.Errorf("%d was %d, want %d", now, got, want)
		}
	}
}

// TestMoved: each instruction of the original is where it is said to be, and
// what describes the original is gone.
func TestMoved(t *testing.T) {
	file, err := os.ReadFile("../testdata/debug/rust.wasm")
	if err != nil {
		t.Fatal(err)
	}
	original, err := wasm.Parse(file)
	if err != nil {
		t.Fatal(err)
	}
	result, err := meter.Rewrite(original)
	if err != nil {
		t.Fatal(err)
	}
	rewritten, err := wasm.Parse(result.Wasm)
	if err != nil {
		t.Fatal(err)
	}
	code := func(m *wasm.Module) []byte {
		i := slices.IndexFunc(m.Sections, func(s wasm.Section) bool { return s.ID == wasm.SectionCode })
		return m.Bytes[m.Sections[i].Offset:][:m.Sections[i].Bytes]
	}
	before, now := code(original), code(rewritten)
	kept := 0
	for i, p := range result.Moved[:len(result.Moved)-1] {
		next := result.Moved[i+1]
		if next.Now <= p.Now || next.Before < p.Before {
			t.Fatalf("%v comes behind %v", next, p)
		}
		n := next.Now - p.Now
		if next.Before-p.Before != n {
			continue // an edit, or the end of a body
		}
		if !bytes.Equal(now[p.Now:next.Now], before[p.Before:next.Before]) {
			t.Fatalf("%d bytes at %d are not those at %d", n, p.Now, p.Before)
		}
		kept += int(n)
	}
	if kept < len(before)/2 {
		t.Errorf("%d of %d bytes are found again", kept, len(before))
	}
	for _, s := range rewritten.Sections {
		if s.ID == wasm.SectionCustom && s.Bytes > 100 && s.Name != "custom name" {
			t.Errorf("section %s has %d bytes", s.Name, s.Bytes)
		}
	}
	for _, name := range []string{".debug_line", ".debug_info"} {
		without, err := wasm.WithoutCustom(file, name)
		if err != nil {
			t.Fatal(err)
		}
		m, err := wasm.Parse(without)
		if err != nil {
			t.Fatal(err)
		}
		if r, err := meter.Rewrite(m); err != nil || r.Moved != nil {
			t.Errorf("without %s: %d places, %v", name, len(r.Moved), err)
		}
	}
}
