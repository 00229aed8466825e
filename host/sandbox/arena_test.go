package sandbox

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"
)

// TestArenaModel performs random operations and compares with a map of blocks:
// live blocks never overlap, keep their bytes and their length, and nothing of
// one call is seen in the next.
func TestArenaModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := newArena(unbounded())
		for range rapid.IntRange(1, 3).Draw(t, "calls") {
			limit := rapid.Int64Range(1, 4*firstArena).Draw(t, "limit")
			a.begin(limit)
			a.setInput([]byte("input"))
			model := map[uint64][]byte{}
			var offsets []uint64
			t.Repeat(map[string]func(*rapid.T){
				"alloc": func(t *rapid.T) {
					n := rapid.SampledFrom([]int{1, 8, 15, 16, 17, 500, 20_000, 70_000}).Draw(t, "n")
					fill := rapid.Byte().Draw(t, "fill")
					offset, ok := a.alloc(uint64(n))
					if !ok {
						used := 0
						for _, data := range model {
							used += len(data) + blockAlign
						}
						if used == 0 && int64(n) < int64(a.max)-1000 {
							t.Fatalf("no room for %d bytes in an empty arena of %d", n, a.max)
						}
						return
					}
					if offset < firstBlock || model[offset] != nil || offset+uint64(n) > uint64(len(a.buf)) {
						t.Fatalf("bad block at %d", offset)
					}
					data := bytes.Repeat([]byte{fill}, n)
					for i := range data {
						a.storeByte(offset+uint64(i), fill)
					}
					model[offset] = data
					offsets = append(offsets, offset)
				},
				"free": func(t *rapid.T) {
					if len(offsets) == 0 {
						t.Skip("nothing to free")
					}
					offset := rapid.SampledFrom(offsets).Draw(t, "offset")
					a.free(offset)
					delete(model, offset)
				},
				"free inside": func(t *rapid.T) {
					offset := rapid.Uint64Range(0, 2*firstArena).Draw(t, "offset")
					if model[offset] == nil && offset != a.inputOffset {
						a.free(offset)
					}
				},
				"": func(t *rapid.T) {
					for offset, want := range model {
						if got := a.block(offset); !bytes.Equal(got, want) {
							t.Fatalf("block %d has %d bytes, want %d, or they changed", offset, len(got), len(want))
						}
					}
					if a.top > a.max {
						t.Fatalf("blocks end at %d, over the limit of %d", a.top, a.max)
					}
				},
			})
			a.end()
			if i := bytes.IndexFunc(a.buf, func(r rune) bool { return r != 0 }); i >= 0 {
				t.Fatalf("byte %d is left over from the call before", i)
			}
		}
	})
}

// unbounded is a budget that nothing uses up.
func unbounded() budget { return budget{newShare(1 << 60), newShare(1 << 60)} }

func TestArenaPinsOutput(t *testing.T) {
	a := newArena(unbounded())
	a.begin(firstArena)
	output, _ := a.put([]byte("the output"))
	a.outputOffset, a.outputLength = output, 10
	a.free(output)
	for {
		offset, ok := a.alloc(8)
		if !ok {
			break
		}
		a.store(offset, 1<<64-1)
	}
	if got := string(a.buf[output:][:10]); got != "the output" || a.length(output) != 0 {
		t.Errorf("a freed output was used again: %q", got)
	}
}

func TestArenaEdges(t *testing.T) {
	a := newArena(unbounded())
	if _, ok := a.alloc(1 << 63); ok {
		t.Error("alloc of 2^63 bytes")
	}
	end := uint64(len(a.buf))
	for offset, want := range map[uint64]bool{0: true, end - 8: true, end - 7: false, end: false, 1<<64 - 1: false} {
		if _, ok := a.load(offset); ok != want {
			t.Errorf("load(%d): %t", offset, ok)
		}
		if ok := a.store(offset, 1); ok != want {
			t.Errorf("store(%d): %t", offset, ok)
		}
	}
	if v, _ := a.load(0); v != 0 {
		t.Error("what lies before the first block was written")
	}
	a.storeByte(end, 1)
	a.storeByte(0, 1)
	if a.loadByte(0) != 0 || a.loadByte(end) != 0 || a.loadByte(1<<64-1) != 0 {
		t.Error("a byte outside of the blocks was written")
	}
	for _, r := range [][2]uint64{{0, 1}, {0, 0}, {end, 1}, {arenaBase, 1 << 40}, {firstBlock, 1<<64 - 5}, {1 << 40, 0}} {
		if a.holds(r[0], r[1]) {
			t.Errorf("holds(%d, %d)", r[0], r[1])
		}
	}
}
