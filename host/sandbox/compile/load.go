package compile

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/tetratelabs/wazero"
)

// Code is the machine code of one module, checked and ready to be mapped by
// the first CompileModule over Cache.
type Code struct {
	// Cache is for one runtime and holds nothing but this module's code.
	Cache wazero.CompilationCache

	cache  *Cache
	flight *flight
}

// Close closes Cache. Instances of the module must not run any more.
func (c *Code) Close(ctx context.Context) error {
	return errors.Join(c.Cache.Close(ctx), c.cache.leave(c.flight))
}

// flight is one reading or making of an entry, which all who ask for it
// meanwhile wait for.
type flight struct {
	key    string
	cancel context.CancelFunc
	users  int           // those who wait, and codes; guarded by the cache's mu
	done   chan struct{} // closed once the following are there

	dir       string
	temporary bool // dir goes with the last code
	err       error
}

// Load returns a module's code, which is compiled if it is not kept. All who
// ask for the same code share one compilation; it is killed when the last of
// their contexts ends.
//
// # Errors
//
// [ErrModule] if the compiler refuses the module, crashes or reaches a bound;
// the context's own; anything else is the machine's. What can't be kept on
// disk is compiled into the system's temporary directory, and only logged.
func (c *Cache) Load(ctx context.Context, wasm []byte) (*Code, error) {
	f := c.join(keyOf(wasm), wasm)
	select {
	case <-f.done:
	case <-ctx.Done():
		return nil, errors.Join(fmt.Errorf("compile: %w", ctx.Err()), c.leave(f))
	}
	if f.err != nil {
		return nil, errors.Join(fmt.Errorf("compile: %w", f.err), c.leave(f))
	}
	opened, err := wazero.NewCompilationCacheWithDir(f.dir)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("compile: open the code: %w", err), c.leave(f))
	}
	if err := oneVersion(f.dir); err != nil {
		c.config.Log.Warn("a module is compiled inside of the host, where nothing bounds that; start the compiler from the same build as the host", "error", err)
	}
	return &Code{Cache: opened, cache: c, flight: f}, nil
}

// join takes part in the flight of a key, or begins one.
func (c *Cache) join(key string, wasm []byte) *flight {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.used[key]++
	if f := c.flights[key]; f != nil {
		f.users++
		return f
	}
	// Whoever waits has a context; the flight ends with the last of them.
	ctx, cancel := context.WithCancel(context.Background())
	f := &flight{key: key, cancel: cancel, users: 1, done: make(chan struct{})}
	c.flights[key] = f
	go func() {
		defer cancel()
		f.dir, f.temporary, f.err = c.obtain(ctx, key, wasm)
		c.mu.Lock()
		if c.flights[key] == f {
			delete(c.flights, key)
		}
		unwanted := f.users == 0 && f.temporary
		c.mu.Unlock()
		if unwanted {
			c.remove(f.dir)
		}
		close(f.done)
	}()
	return f
}

// leave ends one's part in a flight. The last one out kills what still runs,
// and removes what was made for them alone.
func (c *Cache) leave(f *flight) error {
	c.mu.Lock()
	if c.used[f.key]--; c.used[f.key] == 0 {
		delete(c.used, f.key)
	}
	f.users--
	last := f.users == 0
	landed := c.flights[f.key] != f
	if last && !landed {
		delete(c.flights, f.key) // the next one begins another
	}
	c.mu.Unlock()
	if !last {
		return nil
	}
	f.cancel()
	if landed && f.temporary {
		return os.RemoveAll(f.dir)
	}
	return nil
}

// obtain gives the directory with the code of a module.
func (c *Cache) obtain(ctx context.Context, key string, wasm []byte) (dir string, temporary bool, err error) {
	if c.config.Dir != "" {
		dir := filepath.Join(c.config.Dir, key)
		err := c.kept(ctx, dir, wasm)
		if err == nil || ctx.Err() != nil || errors.Is(err, ErrModule) {
			return dir, false, err
		}
		c.config.Log.Warn("compiled code can't be kept, so it will be compiled again", "dir", c.config.Dir, "error", err)
	}
	dir, err = os.MkdirTemp("", "trama-code-*")
	if err != nil {
		return "", false, fmt.Errorf("there is no place for the code: %w", err)
	}
	if err := c.compile(ctx, dir, wasm); err != nil {
		c.remove(dir)
		return "", false, err
	}
	return dir, true, nil
}

// kept sees to it that the entry at dir is there and good.
func (c *Cache) kept(ctx context.Context, dir string, wasm []byte) error {
	switch err := verify(dir); {
	case err == nil:
		now := time.Now()
		return os.Chtimes(dir, now, now) // the least recently used goes first
	case !errors.Is(err, fs.ErrNotExist):
		c.config.Log.Error("compiled code is not as it was written, and is made again", "dir", dir, "reason", err)
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
	made, err := os.MkdirTemp(c.config.Dir, stagedPrefix+"*")
	if err != nil {
		return err
	}
	defer c.remove(made) // nothing is left of it after a rename
	if err := c.compile(ctx, made, wasm); err != nil {
		return err
	}
	if err := seal(made, filepath.Base(dir)); err != nil {
		return err
	}
	if err := os.Rename(made, dir); err != nil {
		// Another process may have been faster; its entry is as good.
		if verify(dir) != nil {
			return err
		}
	}
	c.prune()
	return nil
}

// remove deletes what nobody uses.
func (c *Cache) remove(dir string) {
	if err := os.RemoveAll(dir); err != nil {
		c.config.Log.Warn("compiled code was not removed; delete it", "dir", dir, "error", err)
	}
}
