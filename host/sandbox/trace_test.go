package sandbox

import (
	"context"
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/trama-run/trama/host/sandbox/wasm"
)

// crashDetail is what an error of a crash carries beside its message.
type crashDetail struct {
	Stderr, Error string
	Log, Trace    []string
}

func detailOf(t *testing.T, e *Error) (d crashDetail) {
	t.Helper()
	if err := json.Unmarshal(e.Err.Detail, &d); err != nil {
		t.Fatalf("%s: %v", e.Err.Detail, err)
	}
	return d
}

// TestTraces: a crash is told with the names that the author gave, and the
// lines, although the code that ran is not the code that was compiled.
func TestTraces(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "code")
	for _, test := range []struct {
		guest, export, message string
		trace                  []string
	}{
		{"debug/c", "deep", "the plugin crashed: integer divide by zero, in divide (crash.c:10:12)",
			[]string{"divide debug/crash.c:10:12", "middle debug/crash.c:14:10", "deep debug/crash.c:25:28"}},
		{"debug/c", "outside", "the plugin crashed: out of bounds memory access, in within (crash.c:18:10)",
			[]string{"within debug/crash.c:18:10 (inlined)", "reads debug/crash.c:22:10", "outside debug/crash.c:27:31"}},
		{"debug/rust", "deep", `in crash::Order::price (crash.rs:50:9); it set the error: panicked at 'index out of bounds: the len is 3 but the index is 7', debug/crash.rs:50:9`,
			[]string{"crash::Order::price debug/crash.rs:50:9", "crash::Order::twice debug/crash.rs:55:9 (inlined)", "crash::total debug/crash.rs:61:5", "deep debug/crash.rs:66:5"}},
	} {
		t.Run(test.guest+" "+test.export, func(t *testing.T) {
			for _, what := range []string{"compiled", "from the cache"} {
				m, err := open(t, Config{CacheDir: dir}).Compile(context.Background(), guest(t, test.guest), Options{Memory: DefaultLimits().Memory})
				if err != nil {
					t.Fatal(err)
				}
				for range 2 { // the second time from the tables that were read
					_, err := call(m, test.export, "")
					e := kindOf(t, err)
					d := detailOf(t, e)
					if i := slices.IndexFunc(d.Trace, func(f string) bool { return f == test.trace[0] }); i < 0 ||
						!slices.Equal(d.Trace[i:min(len(d.Trace), i+len(test.trace))], test.trace) {
						t.Errorf("%s: %s\nwant %s", what, strings.Join(d.Trace, "\n"), strings.Join(test.trace, "\n"))
					}
					if !strings.Contains(e.Err.Message, test.message) {
						t.Errorf("%s: %s\nwant %s", what, e.Err.Message, test.message)
					}
				}
			}
		})
	}
}

// TestTraceWithoutLines: names alone, or numbers as the file has them.
func TestTraceWithoutLines(t *testing.T) {
	whole := guest(t, "debug/c")
	without := func(names ...string) []byte {
		out := whole
		for _, name := range names {
			var err error
			if out, err = wasm.WithoutCustom(out, name); err != nil {
				t.Fatal(err)
			}
		}
		return out
	}
	broken, err := wasm.WithCustom(whole, ".debug_line", []byte("\x10\x00\x00\x00no line table at all"))
	if err != nil {
		t.Fatal(err)
	}
	nonsense, err := wasm.WithCustom(whole, ".debug_info", slices.Repeat([]byte{0xff}, 100))
	if err != nil {
		t.Fatal(err)
	}
	heavy, err := wasm.WithCustom(whole, ".debug_str", slices.Repeat([]byte("x"), 1<<20)) // that any number of entries may name
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name   string
		module []byte
		trace  string
	}{
		{"no line tables", without(".debug_line"), "divide, middle, deep"},
		{"no names either", without(".debug_line", "name"), "function 7, function 6, function 5"},
		{"no names", without("name"), "function 7 debug/crash.c:10:12, function 6 debug/crash.c:14:10, function 5 debug/crash.c:25:28"},
		{"line tables that are none", broken, "divide, middle, deep"},
		{"line tables that ask for too much", heavy, "divide, middle, deep"},
		{"no DWARF", nonsense, "divide, middle, deep"},
	} {
		m, err := open(t, Config{}).Compile(context.Background(), test.module, Options{Memory: DefaultLimits().Memory})
		if err != nil {
			t.Fatal(err)
		}
		_, err = call(m, "deep", "")
		if got := strings.Join(detailOf(t, kindOf(t, err)).Trace, ", "); got != test.trace {
			t.Errorf("%s: %s, want %s", test.name, got, test.trace)
		}
	}
}

// TestCrashSaysWhatWasSaid: the error and the last lines come along.
func TestCrashSaysWhatWasSaid(t *testing.T) {
	m := load(t, "debug/c")
	_, err := with(m, &recorder{}, "says", "")
	e := kindOf(t, err)
	d := detailOf(t, e)
	if !strings.HasSuffix(e.Err.Message, "unreachable, in says (crash.c:38:3); it set the error: oh no") || d.Error != "oh no" ||
		strings.Join(d.Log, ", ") != "info: first line, warn: last line" {
		t.Errorf("%s\n%+v", e.Err.Message, d)
	}
	// What stopped it is no crash of its own, but has its place as well.
	_, err = m.Call(context.Background(), Call{Export: "loops", Limits: short()})
	if e := kindOf(t, err); e.Kind != KindTimeout {
		t.Errorf("%v", err)
	}
	if _, err := call(m, "deep", ""); len(detailOf(t, kindOf(t, err)).Log) != 0 {
		t.Errorf("lines of an earlier call: %s", kindOf(t, err).Err.Detail)
	}
}

// TestGoPanics: a Go guest tells itself where it panicked, without line tables.
func TestGoPanics(t *testing.T) {
	m, err := openCached(t).Compile(context.Background(), buildGuest(t, "../..", "./host/sandbox/testdata/gopanic"), Options{Memory: DefaultLimits().Memory})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		export, input string
		kind          Kind
		message       string
	}{
		{"raw", "", KindTrap, "the plugin crashed: unreachable, in main.raw (main.go:13); it wrote: panic: oh no"},
		{"index", "seven..", KindTrap, "in main.pick (main.go:7); it wrote: panic: runtime error: index out of range [7] with length 1"},
		{"handled", "5", KindTrap, "in main.pick (main.go:7); it wrote: panic: runtime error: index out of range [5] with length 1"},
		{"stack", "", KindTrap, "stack overflow"},
	} {
		_, err := call(m, test.export, test.input)
		if e := kindOf(t, err); e.Kind != test.kind || !strings.Contains(e.Err.Message, test.message) {
			t.Errorf("%s: %v\nwant %s: %s\n%s", test.export, err, test.kind, test.message, e.Err.Detail)
		}
	}
}

// TestPanicLines: the lines by which languages announce a crash.
func TestPanicLines(t *testing.T) {
	for _, test := range []struct{ written, want string }{
		{"panic: oh no\n\ngoroutine 1 [running]:\nmain.main()\n\t/x.go:1 +0x1\n", "panic: oh no"},
		{"thread 'main' panicked at 'oh no', src/lib.rs:3:5\nnote: run with `RUST_BACKTRACE=1`\n", "thread 'main' panicked at 'oh no', src/lib.rs:3:5"},
		{"thread 'main' panicked at src/lib.rs:3:5:\noh no\nnote: run with `RUST_BACKTRACE=1`\n", "thread 'main' panicked at src/lib.rs:3:5: oh no"},
		{"some\nlast words\n", "last words"},
	} {
		in := &instance{limits: DefaultLimits()}
		c := console{in: in, level: "warn", keep: true}
		c.write([]byte(test.written))
		if got := c.last(); got != test.want {
			t.Errorf("%q, want %q", got, test.want)
		}
	}
}

// TestPlace: a panic is told with the author's place, not with that of the
// language or the PDK that it runs through. These frames are those of plugins
// with and without lines.
func TestPlace(t *testing.T) {
	std := "/usr/lib/python3/site-packages/ziglang/lib/std/debug.zig:118:33"
	for _, test := range []struct {
		want   string
		shown  int // frames that the trace keeps
		frames []frame
	}{
		{"greeting (plugin.zig:34:65)", 3, []frame{
			{function: "trama.panicked", at: "trama.zig:230:5"}, {function: "debug.FullPanic((function 'panicked')).outOfBounds", at: std},
			{function: "greeting", at: "plugin.zig:34:65", inlined: true}, {function: "plugin.greet", at: "plugin.zig:13:24"},
		}},
		{"greeting (plugin.zig:32:43)", 3, []frame{
			{function: "trama.panicked", at: "trama.zig:230:5"}, {function: "trama.crash__func_380", at: "trama.zig:237:28"},
			{function: "greeting", at: "plugin.zig:32:43", inlined: true}, {function: "plugin.greet", at: "plugin.zig:13:24"},
		}},
		{"plugin.greet (plugin.zig:13:24)", 2, []frame{ // inlined, and so without the file's name
			{function: "trama.panicked", at: "trama.zig:230:5"}, {function: "answer__func_379", at: "/p/trama.zig:75:18", inlined: true},
			{function: "plugin.greet", at: "plugin.zig:13:24"},
		}},
		{"plugin.greet", 2, []frame{{function: "trama.panicked"}, {function: "trama.crash__func_380"}, {function: "plugin.greet"}}},
		{"trama_export_fail", 2, []frame{{function: "trama_panic_"}, {function: "trama_export_fail"}}},
		{"divide (plugin.c:9:3)", 2, []frame{{function: "trama_panic_", at: "trama.h:700:3"}, {function: "divide", at: "plugin.c:9:3"}}},
		{"dramatic.trama (dramatic_trama.zig:1:1)", 1, []frame{{function: "dramatic.trama", at: "dramatic_trama.zig:1:1"}}}, // an author's own
	} {
		if got := placeOf(test.frames); got != test.want {
			t.Errorf("%v: %q, want %q", test.frames, got, test.want)
		}
		if shown := fromAuthor(test.frames); len(shown) != test.shown {
			t.Errorf("%v: %v is shown, want %d frames", test.frames, shown, test.shown)
		}
	}
}
