package compile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/tetratelabs/wazero"
)

// Exit codes of a child; Go's own end of a crashed program is 2.
const (
	exitDone   = 0
	exitUsage  = 2
	exitModule = 3 // stderr says what is wrong with the module
	exitDisk   = 4 // stderr says what could not be written
)

// How much of it is taken.
const (
	maxModule = 256 << 20 // bytes; more than any module that is let through
	maxStderr = 16 << 10
)

// Child is the whole work of a child process: it compiles the module on stdin
// into a directory. The arguments are the directory, the seconds that it may
// compute and the bytes of memory that it may use. It returns the exit code;
// what went wrong is told on stderr.
func Child(args []string, stdin io.Reader, stderr io.Writer) int {
	if len(args) != 3 {
		fmt.Fprintln(stderr, "want a directory, seconds and bytes: this is a part of the server, not for use by hand")
		return exitUsage
	}
	seconds, errSeconds := strconv.ParseInt(args[1], 10, 64)
	memory, errMemory := strconv.ParseInt(args[2], 10, 64)
	if err := errors.Join(errSeconds, errMemory); err != nil {
		fmt.Fprintln(stderr, err)
		return exitUsage
	}
	// The compiler has one thread; the collector need not have every core.
	runtime.GOMAXPROCS(2)
	debug.SetGCPercent(400)
	debug.SetMemoryLimit(memory / 4 * 3)
	if err := limit(time.Duration(seconds)*time.Second, memory); err != nil {
		fmt.Fprintln(stderr, err)
		return exitUsage
	}
	wasm, err := io.ReadAll(io.LimitReader(stdin, maxModule+1))
	if err == nil && len(wasm) > maxModule {
		err = fmt.Errorf("the module is larger than %d bytes", maxModule)
	}
	if err == nil {
		err = compileInto(context.Background(), args[0], wasm)
	}
	_, disk := errors.AsType[*fs.PathError](err)
	switch {
	case err == nil:
		return exitDone
	case disk:
		fmt.Fprintln(stderr, err)
		return exitDisk
	}
	fmt.Fprintln(stderr, err)
	return exitModule
}

// compileInto compiles a module in this process and leaves its code in a
// directory. An [fs.PathError] is of the directory; all else, and a panic, is
// the module's.
func compileInto(ctx context.Context, dir string, wasm []byte) (err error) {
	cache, err := wazero.NewCompilationCacheWithDir(dir)
	if err != nil {
		return &fs.PathError{Op: "prepare", Path: dir, Err: err}
	}
	rt := wazero.NewRuntimeWithConfig(ctx, RuntimeConfig(true).WithCompilationCache(cache))
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the compiler panicked: %v", r)
		}
		err = errors.Join(err, rt.Close(ctx), cache.Close(ctx))
	}()
	_, err = rt.CompileModule(ctx, wasm)
	return err
}

// patience is how many times its processor time a child may take by the clock:
// it has a low priority, and a busy machine is not the module's fault.
const patience = 5

// compile fills a directory with a module's code, in a child if there is a
// command for one. It waits for its turn; the bound of time begins after that.
// An [fs.PathError] is of the directory, [ErrModule] of the module.
func (c *Cache) compile(ctx context.Context, dir string, wasm []byte) error {
	select {
	case c.child <- struct{}{}:
		defer func() { <-c.child }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if len(c.config.Command) == 0 {
		err := compileInto(ctx, dir, wasm)
		if _, disk := errors.AsType[*fs.PathError](err); err != nil && !disk {
			err = fmt.Errorf("%w: %w", ErrModule, err)
		}
		return err
	}
	bounded, cancel := context.WithTimeout(ctx, patience*c.config.Time)
	defer cancel()
	seconds := int64((c.config.Time + time.Second - 1) / time.Second)
	args := append(c.config.Command[1:len(c.config.Command):len(c.config.Command)], dir, strconv.FormatInt(seconds, 10), strconv.FormatInt(c.config.Memory, 10))
	cmd := exec.CommandContext(bounded, c.config.Command[0], args...)
	stderr := &head{max: maxStderr}
	cmd.Stdin, cmd.Stderr = bytes.NewReader(wasm), stderr
	if c.config.Command[0] == Self {
		cmd.Args[0] = os.Args[0] // programs may go by the name that they were called
	}
	cmd.Env = []string{} // nil would hand down the host's, with its secrets
	cmd.WaitDelay = time.Second
	confine(cmd)
	err := c.run(cmd)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case bounded.Err() != nil:
		return fmt.Errorf("the machine is too busy: the compiler did not get %v of processor time within %v", c.config.Time, patience*c.config.Time)
	}
	return c.ended(err, dir, stderr.text())
}

// run starts a child and waits for its end.
func (c *Cache) run(cmd *exec.Cmd) error {
	runtime.LockOSThread() // a child ends with the thread that started it
	defer runtime.UnlockOSThread()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the compiler: %w", err)
	}
	if err := yieldTo(cmd); err != nil {
		c.config.Log.Warn("compiling may slow the host down", "error", err)
	}
	return cmd.Wait()
}

// noMemory are the words of a program that got no more of it: Go's own, the
// system's and, in tests, the race detector's.
var noMemory = []string{"out of memory", "cannot allocate memory", "failed to allocate"}

// ended says what the end of a child means; text is what it wrote.
func (c *Cache) ended(err error, dir, text string) error {
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok {
		return err // the child was not started, or not heard to its end
	}
	status, _ := exit.Sys().(syscall.WaitStatus)
	switch {
	case exit.ExitCode() == exitDisk:
		return &fs.PathError{Op: "write", Path: dir, Err: errors.New(text)}
	case slices.ContainsFunc(noMemory, func(words string) bool { return strings.Contains(text, words) }):
		return fmt.Errorf("%w: it needed more than %d MiB of memory, the bound; make it smaller, or its functions simpler", ErrModule, c.config.Memory>>20)
	case exit.ExitCode() == exitModule:
		return fmt.Errorf("%w: %s", ErrModule, text)
	case status.Signaled() && status.Signal() == syscall.SIGKILL:
		return fmt.Errorf("%w: the compiler was killed: it computed for more than %v, the bound, or the machine is short of memory; make it smaller, or its functions simpler", ErrModule, c.config.Time)
	}
	line, _, _ := strings.Cut(text, "\n")
	return fmt.Errorf("%w: the compiler crashed (%v): %s", ErrModule, exit, line)
}

// head keeps the first bytes that are written to it, and takes all.
type head struct {
	max int
	buf bytes.Buffer
}

func (h *head) Write(p []byte) (int, error) {
	h.buf.Write(p[:min(len(p), h.max-h.buf.Len())])
	return len(p), nil
}

func (h *head) text() string { return strings.TrimSpace(strings.ToValidUTF8(h.buf.String(), "�")) }

var _ io.Writer = (*head)(nil)
