package lines_test

import (
	"bytes"
	"encoding/binary"
	"maps"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/trama-run/trama/host/sandbox/lines"
)

// What a table may cost, which a few bytes ask for any amount of.
const (
	mostAllocated = 256 << 20
	mostKept      = 80 << 20
	mostTime      = 3 * time.Second // a fifth of a second on a machine that does nothing else
)

// unit4 is a unit of DWARF 4.
func unit4(abbreviations uint32, body []byte) []byte {
	le := binary.LittleEndian
	u := le.AppendUint32(le.AppendUint16(nil, 4), abbreviations)
	u = append(append(u, 4), body...)
	return append(le.AppendUint32(nil, uint32(len(u))), u...)
}

// root is a compilation unit of all addresses, with children.
func root(children []byte) []byte {
	le := binary.LittleEndian
	all := le.AppendUint32(le.AppendUint32(le.AppendUint32([]byte{1}, 0), 1), 0x7ffffff0)
	return append(append(all, children...), 0)
}

// rootDeclared declares it, and further ones that end with a 0 each.
func rootDeclared(more ...byte) []byte {
	return append(append([]byte{1, 0x11, 1, 0x10, 0x17, 0x11, 0x01, 0x12, 0x06, 0, 0}, more...), 0)
}

func long(n int) []byte { return append(bytes.Repeat([]byte("x"), n), 0) }

func repeat(n int, what ...byte) []byte { return bytes.Repeat(what, n) }

// table4 is a line table of DWARF 4.
func table4(directories, files, program []byte) []byte {
	le := binary.LittleEndian
	h := slices.Concat([]byte{1, 1, 1, 0xff, 1, 10, 0, 1, 1, 1, 1, 0, 0, 0, 1}, directories, []byte{0}, files, []byte{0})
	l := slices.Concat(le.AppendUint32(le.AppendUint16(nil, 4), uint32(len(h))), h, program)
	return append(le.AppendUint32(nil, uint32(len(l))), l...)
}

func bombs() map[string]map[string][]byte {
	le := binary.LittleEndian
	all := map[string]map[string][]byte{}
	add := func(name string, abbrev, info, str, line []byte) {
		all[name] = map[string][]byte{".debug_abbrev": abbrev, ".debug_info": info, ".debug_str": append(str, 0), ".debug_line": line}
	}
	plain := table4(nil, []byte("f\x00\x00\x00\x00"), []byte{0, 5, 2, 1, 0, 0, 0, 1, 2, 0x80, 0x80, 0x80, 1, 0, 1, 1})
	inlined := []byte{2, 0x1d, 0, 0x03, 0x0e, 0x11, 0x01, 0x12, 0x06, 0, 0}
	calls := func(n int) []byte {
		return unit4(0, root(bytes.Repeat([]byte{2, 0, 0, 0, 0, 16, 0, 0, 0, 16, 0, 0, 0}, n)))
	}
	add("inlined calls with one name", rootDeclared(inlined...), calls(2000), long(1<<20), plain)
	add("inlined calls with one name as long as may be", rootDeclared(inlined...), calls(500_000), long(60_000), plain)
	variables := unit4(0, root(repeat(20_000, 2, 0, 0, 0, 0)))
	add("entries with one name", rootDeclared(2, 0x34, 0, 0x03, 0x0e, 0, 0), variables, long(1<<20), plain)
	add("entries with one name as long as may be", rootDeclared(2, 0x34, 0, 0x03, 0x0e, 0, 0), variables, long(60_000), plain)
	add("one entry of long names", rootDeclared(slices.Concat([]byte{2, 0x34, 0}, repeat(60, 0x03, 0x0e), []byte{0, 0})...),
		unit4(0, root(slices.Concat([]byte{2}, repeat(60, 0, 0, 0, 0)))), long(14<<20), plain)
	flags := func(n int) []byte {
		return rootDeclared(slices.Concat([]byte{2, 0x34, 0}, repeat(n, 0x3f, 0x19), []byte{0, 0})...)
	}
	add("attributes without bytes", flags(20_000), unit4(0, root(repeat(20_000, 2))), nil, plain)
	add("as many attributes as may be", flags(60), unit4(0, root(repeat(2_000_000, 2))), nil, plain)

	var abbrev, units []byte
	for i := range 20_000 {
		if i < 500 {
			units = append(units, unit4(uint32(len(abbrev)), []byte{0})...)
		}
		abbrev = append(binary.AppendUvarint(abbrev, uint64(i+1)), 0x34, 0, 0x03, 0x0e, 0, 0)
	}
	add("abbreviations that overlap", append(abbrev, 0), units, nil, plain)
	one := []byte{1, 0x11, 0, 0x11, 0x01, 0x12, 0x06, 0, 0, 0}
	elsewhere := unit4(0, le.AppendUint32(le.AppendUint32([]byte{1}, 0x70000000), 1))
	add("units", one, bytes.Repeat(elsewhere, 400_000), nil, plain)
	add("as many units as may be", one, bytes.Repeat(elsewhere, 9_999), nil, plain)

	unit := unit4(0, root(nil))
	add("files in a long directory", rootDeclared(), unit, nil, table4(long(1<<20), repeat(2000, 'f', 0, 1, 0, 0), []byte{0, 1, 1}))
	add("files", rootDeclared(), unit, nil, table4(long(9), repeat(2_000_000, 'f', 0, 1, 0, 0), []byte{0, 1, 1}))
	add("files of the program", rootDeclared(), unit, nil, table4(long(1<<20), nil, repeat(10_000, 0, 6, 3, 'f', 0, 1, 0, 0)))
	// Each row comes 1 before the one ahead of it.
	add("rows from the end", rootDeclared(), unit, nil, table4(nil, []byte("f\x00\x00\x00\x00"),
		slices.Concat([]byte{0, 5, 2, 0, 0, 0, 0x7f}, repeat(1_000_000, 2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 1), []byte{0, 1, 1})))
	// One list of ranges for the unit and for each of many calls.
	add("ranges", []byte{1, 0x11, 1, 0x10, 0x17, 0x55, 0x17, 0, 0, 2, 0x1d, 0, 0x55, 0x17, 0, 0, 0},
		unit4(0, slices.Concat([]byte{1}, repeat(8, 0), repeat(100_000, 2, 0, 0, 0, 0), []byte{0})), nil, plain)
	all["ranges"][".debug_ranges"] = append(repeat(500_000, 1, 0, 0, 0, 0xff, 0xff, 0, 0), repeat(8, 0)...)
	// As many entries of no bytes as the file says.
	add("files of nothing", rootDeclared(), unit, nil, slices.Concat([]byte{40, 0, 0, 0, 5, 0, 4, 0, 32, 0, 0, 0, 1, 1, 1, 0xff, 1, 1, 0},
		binary.AppendUvarint(nil, 1<<60), repeat(25, 0)))
	return all
}

// TestBombs: what a table costs at its first use is bounded, whatever it says,
// and there is next to nothing to be done at the second.
func TestBombs(t *testing.T) {
	all := bombs()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		t.Run(name, func(t *testing.T) {
			table := lines.New(all[name])
			trap := func() {
				for offset := range uint32(30) { // the frames that an engine tells of
					table.Find(offset*3 + 1)
				}
			}
			before, began := memory(), processorTime(t)
			trap()
			first := processorTime(t) - began
			after := memory()
			if n := after.TotalAlloc - before.TotalAlloc; n > mostAllocated {
				t.Errorf("%d MiB allocated", n>>20)
			}
			if n := int64(after.HeapAlloc) - int64(before.HeapAlloc); n > mostKept {
				t.Errorf("%d MiB kept", n>>20)
			}
			began = processorTime(t)
			again := testing.AllocsPerRun(1, trap)
			second := (processorTime(t) - began) / 2
			if first > mostTime || second > mostTime/10 || again > 5_000 {
				t.Errorf("%s, then %s and %.0f allocations", first, second, again)
			}
			t.Logf("%s, %d MiB, %d MiB kept; then %s", first, (after.TotalAlloc-before.TotalAlloc)>>20, (int64(after.HeapAlloc)-int64(before.HeapAlloc))>>20, second)
			runtime.KeepAlive(table)
		})
	}
}

// processorTime is what this process has used, so that the test doesn't
// depend on what else the machine does.
func processorTime(t *testing.T) time.Duration {
	t.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		t.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func memory() (m runtime.MemStats) {
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m
}
