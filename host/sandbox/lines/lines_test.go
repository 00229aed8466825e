package lines_test

import (
	"os"
	"testing"

	"github.com/trama-run/trama/host/sandbox/lines"
	"github.com/trama-run/trama/host/sandbox/wasm"
)

func sections(t testing.TB, module string) map[string][]byte {
	t.Helper()
	file, err := os.ReadFile("../testdata/debug/" + module + ".wasm")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string][]byte{}
	for _, name := range lines.Sections() {
		data, ok, err := wasm.Custom(file, name)
		if err != nil {
			t.Fatal(err)
		}
		if ok {
			found[name] = data
		}
	}
	if len(found) < 4 {
		t.Fatalf("%s has %d sections", module, len(found))
	}
	return found
}

// TestFind: every offset of a module has a place or none, and the most have one.
func TestFind(t *testing.T) {
	for module, want := range map[string]int{"c": 150, "rust": 5000} {
		table, found, inlined := lines.New(sections(t, module)), 0, 0
		for offset := range uint32(1 << 16) {
			places := table.Find(offset)
			if len(places) > 0 && places[0].File != "" && places[0].Line >= 0 {
				found++
			}
			if len(places) > 1 && places[0].Function != "" && places[len(places)-1].Function == "" {
				inlined++
			}
		}
		if found < want || inlined == 0 {
			t.Errorf("%s: %d offsets have a place, %d in something inlined; want at least %d", module, found, inlined, want)
		}
	}
}

// FuzzFind: sections are the module's own and may hold anything.
func FuzzFind(f *testing.F) {
	for _, module := range []string{"c", "rust"} {
		s := sections(f, module)
		f.Add(s[".debug_abbrev"], s[".debug_info"], s[".debug_line"], s[".debug_str"], s[".debug_ranges"], uint32(200))
	}
	f.Fuzz(func(t *testing.T, abbrev, info, line, str, ranges []byte, offset uint32) {
		table := lines.New(map[string][]byte{".debug_abbrev": abbrev, ".debug_info": info, ".debug_line": line, ".debug_str": str, ".debug_ranges": ranges})
		for i := range uint32(20) {
			table.Find(offset + i*7)
		}
	})
}

func TestName(t *testing.T) {
	for name, want := range map[string]string{
		"_ZN5crash5Order5price17ha0a61a7de77288a2E":                                           "crash::Order::price",
		"_ZN4core3ops8function6FnOnce9call_once17h8c21c56fd1e61b3bE.llvm.4784807839711558818": "core::ops::function::FnOnce::call_once",
		"_ZN48_$LT$crash..Text$u20$as$u20$core..fmt..Write$GT$9write_str17h6aac636bc22f386dE": "<crash::Text as core::fmt::Write>::write_str",
		"crash::total::he51e4b8295ca6403":                                                     "crash::total",
		"_ZN4half":                                                                            "_ZN4half",
		"_ZN99xE":                                                                             "_ZN99xE",
		"plain":                                                                               "plain",
		"total(int)":                                                                          "total(int)",
		"main.(*T).Method":                                                                    "main.(*T).Method",
	} {
		if got := lines.Name(name); got != want {
			t.Errorf("%s gives %s, want %s", name, got, want)
		}
	}
}
