package meter_test

import (
	"cmp"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/trama-run/trama/host/sandbox/meter"
	"github.com/trama-run/trama/host/sandbox/wasm"
)

// suite gives the folder of the WebAssembly core tests in wazero's module.
func suite(tb testing.TB) string {
	tb.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/tetratelabs/wazero").Output()
	if err != nil {
		tb.Fatalf("find wazero's module: %v", err)
	}
	return filepath.Join(strings.TrimSpace(string(out)), "internal/integration_test/spectest")
}

// script is what wast2json makes of a test file.
type script struct {
	Commands []command `json:"commands"`
}

type command struct {
	Type     string `json:"type"`
	Line     int    `json:"line"`
	Name     string `json:"name"`
	As       string `json:"as"`
	Filename string `json:"filename"`
	Form     string `json:"module_type"`
	Action   struct {
		Type   string  `json:"type"`
		Module string  `json:"module"`
		Field  string  `json:"field"`
		Args   []value `json:"args"`
	} `json:"action"`
}

type value struct {
	Type  string `json:"type"`
	Lane  string `json:"lane_type"`
	Value any    `json:"value"`
}

// bits gives a value as the engine takes it: one number, or two for a vector.
func (v value) bits() []uint64 {
	if v.Type == "v128" {
		lanes := v.Value.([]any)
		width := 128 / len(lanes)
		var both [2]uint64
		for i, lane := range lanes {
			both[i*width/64] |= number(lane.(string), width) << (i * width % 64)
		}
		return both[:]
	}
	s, _ := v.Value.(string)
	switch {
	case s == "null" || v.Value == nil:
		return []uint64{0}
	case v.Type == "externref":
		return []uint64{number(s, 64) + 1} // 0 is the null reference here
	}
	width := 64
	if strings.HasSuffix(v.Type, "32") {
		width = 32
	}
	return []uint64{number(s, width)}
}

func number(s string, width int) uint64 {
	switch {
	case strings.HasPrefix(s, "nan") && width == 32:
		return 0x7fc00000
	case strings.HasPrefix(s, "nan"):
		return 0x7ff8000000000000
	case strings.HasPrefix(s, "-"):
		v, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			panic(err)
		}
		return uint64(v) & (1<<(width-1)<<1 - 1)
	}
	v, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		panic(err)
	}
	return v
}

// tally counts what a run of the suite did.
type tally struct {
	modules, calls, refused int
	excluded                map[string]int // modules by reason
	skipped                 int            // calls of excluded modules
	changed                 int            // calls that end as the suite does not have it
}

// TestSpec runs the core test suite on modules as they are and as they are
// rewritten: both must do the same. Nothing invalid may become valid.
func TestSpec(t *testing.T) {
	placed := map[string]int{"data segment 0: its offset is global.get, so its place depends on an import": 6}
	for _, test := range []struct {
		dir  string
		want tally // at least; of what is left out, at most
	}{
		// Core 2 changed what a failed instantiation leaves in a shared table.
		{"v1", tally{modules: 780, calls: 16_300, refused: 1_740, excluded: placed, changed: 2}},
		{"v2", tally{modules: 1_590, calls: 48_300, refused: 2_980, excluded: placed}},
	} {
		t.Run(test.dir, func(t *testing.T) {
			dir := filepath.Join(suite(t), test.dir, "testdata")
			scripts, err := filepath.Glob(filepath.Join(dir, "*.json"))
			if err != nil {
				t.Fatal(err)
			}
			got := tally{excluded: map[string]int{}}
			for _, path := range scripts {
				runScript(t, path, &got)
			}
			t.Logf("%d scripts, %+v", len(scripts), got)
			if got.modules < test.want.modules || got.calls < test.want.calls || got.refused < test.want.refused {
				t.Errorf("did %+v, want at least %+v", got, test.want)
			}
			if got.skipped > test.want.skipped || got.changed > test.want.changed {
				t.Errorf("skipped %d and changed %d calls, want at most %d and %d", got.skipped, got.changed, test.want.skipped, test.want.changed)
			}
			for reason, n := range got.excluded {
				if n > test.want.excluded[reason] {
					t.Errorf("excluded %d modules, want at most %d: %s", n, test.want.excluded[reason], reason)
				}
			}
		})
	}
}

func runScript(t *testing.T, path string, got *tally) {
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var s script
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	host := read(t, filepath.Join(suite(t), "testdata/spectest.wasm"))
	pair := [2]*world{newWorld(t, host, false), newWorld(t, host, true)}
	for i, c := range s.Commands {
		place := filepath.Base(path) + ":" + strconv.Itoa(c.Line) + " " + c.Type
		switch c.Type {
		case "module":
			as := ""
			if i+1 < len(s.Commands) && s.Commands[i+1].Type == "register" {
				as = s.Commands[i+1].As
			}
			data := read(t, filepath.Join(filepath.Dir(path), c.Filename))
			got.modules++
			if reason := excluded(data); reason != "" {
				got.excluded[reason]++
				pair[0].forget(c.Name, as)
				pair[1].forget(c.Name, as)
				continue
			}
			plain, metered := pair[0].instantiate(data, c.Name, as), pair[1].instantiate(data, c.Name, as)
			if plain != "" || metered != "" {
				t.Errorf("%s: plain %q, metered %q", place, plain, metered)
			}
		case "assert_return", "action", "assert_trap", "assert_exhaustion":
			plain, metered := pair[0].do(c), pair[1].do(c)
			if plain == gone || metered == gone {
				got.skipped++
				continue
			}
			got.calls++
			returned := c.Action.Type == "get" || strings.HasPrefix(plain, "[")
			if returns := c.Type == "assert_return" || c.Type == "action"; returned != returns {
				got.changed++
				t.Logf("%s %s: %s", place, c.Action.Field, plain)
			}
			if plain != metered && !(c.Type == "assert_exhaustion" && metered == "stack used up") {
				t.Errorf("%s %s: plain %s, metered %s", place, c.Action.Field, plain, metered)
			}
		case "assert_invalid", "assert_malformed", "assert_unlinkable", "assert_uninstantiable":
			if cmp.Or(c.Form, "binary") != "binary" {
				continue
			}
			got.refused++
			data := read(t, filepath.Join(filepath.Dir(path), c.Filename))
			plain, metered := pair[0].instantiate(data, "", ""), pair[1].instantiate(data, "", "")
			if plain != "" && metered == "" {
				t.Errorf("%s: plain %q, but metered it is taken", place, plain)
			}
		case "register":
		default:
			t.Errorf("%s: unknown command", place)
		}
	}
}

// excluded says why a valid module can't be rewritten; nothing if it can.
func excluded(data []byte) string {
	m, err := wasm.Parse(data)
	if err == nil {
		_, err = meter.Rewrite(m)
	}
	if err == nil {
		return ""
	}
	return err.Error()
}
