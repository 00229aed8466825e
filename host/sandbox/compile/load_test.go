package compile

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestCodeIsCompiledOnce(t *testing.T) {
	w := open(t, childCompiles, nil)
	wasm := module(2)
	if got := answer(t, load(t, w.Cache, wasm), wasm); got != 42 {
		t.Fatalf("f gives %d", got)
	}
	// Another cache, as after a restart, has no compiler at all.
	again, err := Open(Config{Dir: w.dir, Command: []string{"/nowhere/compiler"}})
	if err != nil {
		t.Fatal(err)
	}
	first, second := load(t, again, wasm), load(t, again, wasm)
	if a, b := answer(t, first, wasm), answer(t, second, wasm); a != 42 || b != 42 {
		t.Errorf("f gives %d and %d from kept code", a, b)
	}
	if n := w.compiled(t); n != 1 {
		t.Errorf("compiled %d times", n)
	}
	if _, err := again.Load(context.Background(), module(3)); err == nil || errors.Is(err, ErrModule) {
		t.Errorf("another module without a compiler: %v", err)
	}
}

func TestOthersCannotReachTheCode(t *testing.T) {
	w := open(t, childCompiles, nil)
	wasm := module(1)
	load(t, w.Cache, wasm)
	seen := 0
	err := filepath.WalkDir(w.dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if seen++; err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return err
	})
	if err != nil || seen < 5 {
		t.Errorf("saw %d files, %v", seen, err)
	}
}

func TestOneFlightForAll(t *testing.T) {
	w := open(t, childCompiles, nil)
	other, err := Open(w.config) // as another process over the same directory
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for i := range 32 {
		all.Go(func() {
			wasm, cache := module(byte(i%4)), w.Cache
			if i%8 >= 4 {
				cache = other
			}
			code, err := cache.Load(context.Background(), wasm)
			if err != nil {
				t.Error(err)
				return
			}
			if got := answer(t, code, wasm); got != 40+uint64(i%4) {
				t.Errorf("f gives %d", got)
			}
			if err := code.Close(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := w.compiled(t); n < 4 || n > 8 {
		t.Errorf("compiled %d times, want once for each module and cache at most", n)
	}
	if left, err := filepath.Glob(filepath.Join(w.dir, stagedPrefix+"*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if len(w.used)+len(w.flights)+len(other.used)+len(other.flights) > 0 {
		t.Errorf("still in use: %v %v", w.used, other.used)
	}
}

// TestAlteredEntries alters an entry in each way: it is never used, told of,
// and made again.
func TestAlteredEntries(t *testing.T) {
	wasm := module(2)
	codeFile := func(entry string) string {
		files, err := filepath.Glob(filepath.Join(entry, "wazero-*", "*"))
		if err != nil || len(files) != 1 {
			t.Fatalf("code files %v, %v", files, err)
		}
		return files[0]
	}
	write := func(path string, data []byte, mode os.FileMode) error {
		return errors.Join(os.WriteFile(path, data, mode), os.Chmod(path, mode))
	}
	for name, alter := range map[string]func(entry string) error{
		"a bit flipped": func(entry string) error {
			data, err := os.ReadFile(codeFile(entry))
			data[len(data)/2] ^= 1
			return errors.Join(err, write(codeFile(entry), data, 0o600))
		},
		"truncated":       func(entry string) error { return os.Truncate(codeFile(entry), 100) },
		"empty":           func(entry string) error { return os.Truncate(codeFile(entry), 0) },
		"code gone":       func(entry string) error { return os.Remove(codeFile(entry)) },
		"list gone":       func(entry string) error { return os.Remove(filepath.Join(entry, sumsFile)) },
		"list truncated":  func(entry string) error { return os.Truncate(filepath.Join(entry, sumsFile), 0) },
		"list is endless": func(entry string) error { return os.Truncate(filepath.Join(entry, sumsFile), maxSums+1) },
		"a file more":     func(entry string) error { return write(filepath.Join(entry, "more"), []byte("x"), 0o600) },
		"a symlink": func(entry string) error {
			file := codeFile(entry)
			return errors.Join(os.Rename(file, entry+".moved"), os.Symlink(entry+".moved", file))
		},
		"the entry is a symlink": func(entry string) error {
			return errors.Join(os.Rename(entry, entry+".moved"), os.Symlink(entry+".moved", entry))
		},
		"the entry is a file": func(entry string) error {
			return errors.Join(os.RemoveAll(entry), write(entry, []byte("x"), 0o600))
		},
		"another module's": func(entry string) error {
			other := open(t, childCompiles, nil)
			load(t, other.Cache, module(3))
			return errors.Join(os.RemoveAll(entry), os.Rename(other.entry(module(3)), entry))
		},
		"writable by others":    func(entry string) error { return os.Chmod(codeFile(entry), 0o666) },
		"directory open to all": func(entry string) error { return os.Chmod(entry, 0o777) },
	} {
		t.Run(name, func(t *testing.T) {
			w := open(t, childCompiles, nil)
			load(t, w.Cache, wasm)
			if err := alter(w.entry(wasm)); err != nil {
				t.Fatal(err)
			}
			if err := verify(w.entry(wasm)); err == nil {
				t.Error("the altered entry passes")
			}
			if got := answer(t, load(t, w.Cache, wasm), wasm); got != 42 {
				t.Errorf("f gives %d", got)
			}
			if n := w.compiled(t); n != 2 {
				t.Errorf("compiled %d times", n)
			}
			if err := verify(w.entry(wasm)); err != nil {
				t.Errorf("the entry was not made again: %v", err)
			}
			if !strings.Contains(w.log.String(), "is not as it was written") {
				t.Errorf("log: %s", w.log)
			}
		})
	}
}

// TestAnotherCompiler: code that this program's wazero does not find is told of.
func TestAnotherCompiler(t *testing.T) {
	for child, told := range map[string]bool{childCompiles: false, childDiffers: true} {
		w := open(t, child, nil)
		wasm := module(2)
		for range 2 { // made, and kept
			if got := answer(t, load(t, w.Cache, wasm), wasm); got != 42 {
				t.Errorf("f gives %d", got)
			}
			if got := strings.Contains(w.log.String(), "different versions of wazero"); got != told {
				t.Errorf("%s: log: %s", child, w.log)
			}
			w.log.Reset()
		}
	}
}

// TestWithoutPlace: a directory that can't be written costs time, and no
// plugin.
func TestWithoutPlace(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	wasm := module(2)
	for name, lose := range map[string]func(*testing.T) world{
		"from the start": func(t *testing.T) world {
			return open(t, childCompiles, func(c *Config) { c.Dir = filepath.Join(file, "code") })
		},
		"later": func(t *testing.T) world {
			w := open(t, childCompiles, nil)
			if err := errors.Join(os.Remove(w.dir), os.WriteFile(w.dir, nil, 0o600)); err != nil {
				t.Fatal(err)
			}
			return w
		},
		"none wanted": func(t *testing.T) world {
			return open(t, childCompiles, func(c *Config) { c.Dir = "" })
		},
	} {
		t.Run(name, func(t *testing.T) {
			temp := t.TempDir()
			t.Setenv("TMPDIR", temp)
			w := lose(t)
			code, err := w.Load(context.Background(), wasm)
			if err != nil {
				t.Fatal(err)
			}
			if got := answer(t, code, wasm); got != 42 {
				t.Errorf("f gives %d", got)
			}
			if name != "none wanted" && !strings.Contains(w.log.String(), "compiled code") {
				t.Errorf("log: %s", w.log)
			}
			if err := code.Close(context.Background()); err != nil {
				t.Error(err)
			}
			if left, err := filepath.Glob(filepath.Join(temp, "trama-code-*")); err != nil || len(left) > 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
}

func TestInThisProcess(t *testing.T) {
	w := open(t, "", func(c *Config) { c.Command = nil })
	wasm := module(2)
	if got := answer(t, load(t, w.Cache, wasm), wasm); got != 42 {
		t.Errorf("f gives %d", got)
	}
	if _, err := w.Load(context.Background(), []byte("no module")); !errors.Is(err, ErrModule) {
		t.Errorf("no module: %v", err)
	}
}

func TestOpenRefuses(t *testing.T) {
	base := t.TempDir()
	open := filepath.Join(base, "open")
	link := filepath.Join(base, "link")
	private := filepath.Join(base, "private")
	if err := errors.Join(os.Mkdir(open, 0o755), os.Mkdir(private, 0o700), os.Symlink(private, link)); err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string]string{open: "chmod 700", link: "is not a directory", private: ""} {
		_, err := Open(Config{Dir: dir})
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", dir, err, want)
		}
	}
}
