package compile

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"
)

// The test binary is also the child, and some that go wrong: each is named by
// the first argument. They leave notes in the cache's directory, which is the
// parent of the one that they are to fill.
const (
	childCompiles = "child-compiles"
	childDiffers  = "child-differs" // compiles for another version of wazero
	childHangs    = "child-hangs"   // leaves its process id in "pid"
	childCrashes  = "child-crashes" // without a word of the module
	childTells    = "child-tells"   // what it has of its parent
	hostHangs     = "host-hangs"    // a host with a child that hangs
)

func TestMain(m *testing.M) {
	if len(os.Args) < 2 || strings.HasPrefix(os.Args[1], "-") {
		os.Exit(m.Run())
	}
	switch mode, args := os.Args[1], os.Args[2:]; mode {
	case childCompiles:
		note(args[0], "count", ".")
		syscall.Exit(Child(args, os.Stdin, os.Stderr)) // os.Exit lingers for a second under the race detector
	case childDiffers:
		code := Child(args, os.Stdin, os.Stderr)
		made, err := filepath.Glob(filepath.Join(args[0], "wazero-*"))
		if err == nil && code == exitDone {
			err = os.Rename(made[0], made[0]+"-other")
		}
		if err != nil {
			panic(err)
		}
		os.Exit(code)
	case childHangs:
		note(args[0], "pid", fmt.Sprint(os.Getpid()))
		time.Sleep(time.Hour)
	case childCrashes:
		panic("no such register")
	case childTells:
		tell()
		os.Exit(exitModule)
	case hostHangs:
		c, err := Open(Config{Dir: args[0], Command: []string{os.Args[0], childHangs}})
		if err == nil {
			_, err = c.Load(context.Background(), module(0))
		}
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(1)
}

// note appends to a file beside the directory that a child fills.
func note(dir, name, text string) {
	f, err := os.OpenFile(filepath.Join(filepath.Dir(dir), name), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = f.WriteString(text)
	}
	if err != nil {
		panic(err)
	}
}

// tell writes the environment and the open files to stderr.
func tell() {
	fmt.Fprintf(os.Stderr, "environment %q", os.Environ())
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		panic(err)
	}
	for _, e := range entries {
		if target, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil {
			fmt.Fprintf(os.Stderr, " fd %s", target)
		}
	}
}

// world is a cache in a directory of its own, with its log.
type world struct {
	*Cache
	dir string
	log *bytes.Buffer
}

func open(t *testing.T, mode string, change func(*Config)) world {
	t.Helper()
	w := world{dir: filepath.Join(t.TempDir(), "code"), log: &bytes.Buffer{}}
	config := Config{Dir: w.dir, Command: command(t, mode), Log: slog.New(slog.NewTextHandler(&locked{w: w.log}, nil))}
	if change != nil {
		change(&config)
	}
	var err error
	if w.Cache, err = Open(config); err != nil {
		t.Fatal(err)
	}
	return w
}

// command runs this binary as one of the children.
func command(t *testing.T, mode string) []string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return []string{self, mode}
}

type locked struct {
	mu sync.Mutex
	w  *bytes.Buffer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// compiled says how often a child has compiled into a cache's directory.
func (w world) compiled(t *testing.T) int {
	t.Helper()
	count, err := os.ReadFile(filepath.Join(w.dir, "count"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return len(count)
}

// entry gives the path of a module's entry.
func (w world) entry(wasm []byte) string { return filepath.Join(w.dir, keyOf(wasm)) }

// load loads a module, which must work, and closes it when the test ends.
func load(t *testing.T, c *Cache, wasm []byte) *Code {
	t.Helper()
	code, err := c.Load(context.Background(), wasm)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := code.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return code
}

// answer runs a module's "f" over loaded code.
func answer(t *testing.T, code *Code, wasm []byte) uint64 {
	t.Helper()
	ctx := context.Background()
	rt := wazero.NewRuntimeWithConfig(ctx, RuntimeConfig(true).WithCompilationCache(code.Cache))
	defer rt.Close(ctx)
	if _, err := rt.NewHostModuleBuilder("host").NewFunctionBuilder().WithFunc(func() uint32 { return 40 }).Export("forty").Instantiate(ctx); err != nil {
		t.Fatal(err)
	}
	instance, err := rt.Instantiate(ctx, wasm)
	if err != nil {
		t.Fatal(err)
	}
	result, err := instance.ExportedFunction("f").Call(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return result[0]
}

// module imports "forty" of "host" and exports "f", which adds n < 64 to it.
func module(n byte) []byte {
	return join("\x00asm\x01\x00\x00\x00",
		"\x01\x05\x01\x60\x00\x01\x7f",
		"\x02\x0e\x01\x04host\x05forty\x00\x00",
		"\x03\x02\x01\x00",
		"\x07\x05\x01\x01f\x00\x01",
		"\x0a\x09\x01\x07\x00\x10\x00\x41"+string([]byte{n})+"\x6a\x0b")
}

// bomb is a module of one function of so many conditions in a row, each of
// which costs the compiler more than the one before.
func bomb(conditions int) []byte {
	body := "\x01\x40\x7f" + strings.Repeat("\x20\x00\x04\x40\x20\x01\x21\x02\x05\x20\x02\x21\x01\x0b", conditions) + "\x41\x00\x0b"
	section := "\x01" + leb(len(body)) + body
	return join("\x00asm\x01\x00\x00\x00",
		"\x01\x05\x01\x60\x00\x01\x7f",
		"\x03\x02\x01\x00",
		"\x0a", leb(len(section)), section)
}

func join(parts ...string) []byte { return []byte(strings.Join(parts, "")) }

func leb(n int) string {
	var out []byte
	for ; n >= 0x80; n >>= 7 {
		out = append(out, byte(n)|0x80)
	}
	return string(append(out, byte(n)))
}
