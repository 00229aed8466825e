package compile

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// waitFor polls until a condition holds.
func waitFor(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 20 s", what)
		}
	}
}

// childID waits for a child that hangs in a cache's directory.
func childID(t *testing.T, dir string) int {
	t.Helper()
	var id int
	waitFor(t, "a child's id", func() bool {
		text, err := os.ReadFile(filepath.Join(dir, "pid"))
		if err != nil {
			return false
		}
		id, err = strconv.Atoi(string(text))
		return err == nil
	})
	return id
}

// ample is memory that no child runs out of before its time, though the race
// detector takes several bytes for each.
const ample = 16 << 30

func gone(id int) func() bool {
	return func() bool { return errors.Is(syscall.Kill(id, 0), syscall.ESRCH) }
}

func TestLastContextKillsTheChild(t *testing.T) {
	w := open(t, childHangs, nil)
	ctx, cancel := context.WithCancel(context.Background())
	staying, leave := context.WithCancel(context.Background())
	ended := make(chan error, 2)
	go func() {
		_, err := w.Load(ctx, module(0))
		ended <- err
	}()
	id := childID(t, w.dir)
	go func() {
		_, err := w.Load(staying, module(0))
		ended <- err
	}()
	waitFor(t, "the second to join", func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.used[keyOf(module(0))] == 2
	})
	waitFor(t, "the lowest priority", func() bool {
		priority, err := syscall.Getpriority(syscall.PRIO_PROCESS, id)
		return err == nil && priority == 20-niceness // as Linux has it
	})
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) || errors.Is(err, ErrModule) {
		t.Errorf("first: %v", err)
	}
	w.mu.Lock()
	if f := w.flights[keyOf(module(0))]; f == nil || f.users != 1 {
		t.Errorf("the flight ended while somebody waited for it: %+v", f)
	}
	w.mu.Unlock()
	leave()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("second: %v", err)
	}
	waitFor(t, "the child's end", gone(id))
	waitFor(t, "the staged directory's end", func() bool {
		left, err := filepath.Glob(filepath.Join(w.dir, stagedPrefix+"*"))
		return err == nil && len(left) == 0
	})
}

func TestChildDiesWithTheHost(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "code")
	argv := command(t, hostHangs)
	host := exec.Command(argv[0], append(argv[1:], dir)...)
	if err := host.Start(); err != nil {
		t.Fatal(err)
	}
	id := childID(t, dir)
	if err := host.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := host.Wait(); err == nil {
		t.Error("the host ended well")
	}
	waitFor(t, "the child's end", gone(id))
}

// TestCompileBomb: a bomb ends at the bound, and the host goes on meanwhile.
func TestCompileBomb(t *testing.T) {
	w := open(t, childCompiles, func(c *Config) { c.Time, c.Memory = 3*time.Second, ample })
	wasm := bomb(60_000)
	var served int
	done := make(chan struct{})
	go func() {
		defer close(done)
		ask, reply := make(chan int), make(chan int)
		go func() {
			for n := range ask {
				reply <- n
			}
		}()
		defer close(ask)
		waitFor(t, "the child's start", func() bool { return w.compiled(t) > 0 })
		for range 1000 {
			ask <- 1
			served += <-reply
		}
		runtime.GC() // would wait for a compiler in this process
	}()
	_, err := w.Load(context.Background(), wasm)
	if !errors.Is(err, ErrModule) || !strings.Contains(err.Error(), "compile: the module can't be compiled: the compiler was killed: it computed for more than 3s, the bound") {
		t.Errorf("bomb: %v", err)
	}
	<-done
	if served != 1000 {
		t.Errorf("served %d", served)
	}
	if got := answer(t, load(t, w.Cache, module(2)), module(2)); got != 42 {
		t.Errorf("after the bomb, f gives %d", got)
	}
}

// TestBusyMachine: a child that gets nowhere is given up, and that is not held
// against the module.
func TestBusyMachine(t *testing.T) {
	w := open(t, childHangs, func(c *Config) { c.Time = 50 * time.Millisecond })
	_, err := w.Load(context.Background(), module(2))
	if err == nil || errors.Is(err, ErrModule) || !strings.Contains(err.Error(), "did not get 50ms of processor time within 250ms") {
		t.Errorf("%v", err)
	}
}

func TestChildFails(t *testing.T) {
	for _, test := range []struct {
		name, mode string
		change     func(*Config)
		wasm       []byte
		text       string
	}{
		{"no module", childCompiles, nil, []byte("no module"), "invalid magic number"},
		{"invalid", childCompiles, nil, module(2)[:40], "section"},
		{"crash", childCrashes, nil, module(2), "the compiler crashed (exit status 2): panic: no such register"},
		{"memory", childCompiles, func(c *Config) { c.Memory = 48 << 20 }, bomb(20_000), "it needed more than 48 MiB of memory, the bound"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := open(t, test.mode, test.change)
			_, err := w.Load(context.Background(), test.wasm)
			if !errors.Is(err, ErrModule) || !strings.Contains(err.Error(), test.text) {
				t.Errorf("%v; want %q", err, test.text)
			}
			if _, err := os.Stat(w.entry(test.wasm)); err == nil {
				t.Error("there is an entry")
			}
		})
	}
}

// TestProcessorTimeIsBounded: even if nobody is left to kill it.
func TestProcessorTimeIsBounded(t *testing.T) {
	argv := command(t, childCompiles)
	child := exec.Command(argv[0], argv[1], filepath.Join(t.TempDir(), "code"), "1", strconv.Itoa(ample))
	child.Stdin = bytes.NewReader(bomb(60_000))
	stderr := &head{max: maxStderr}
	child.Stderr = stderr
	err := child.Run()
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Errorf("ended with %v: %s", err, stderr.text())
	}
}

func TestChildKnowsNothing(t *testing.T) {
	t.Setenv("TRAMA_SECRET_KEY", "canary-5391")
	held, err := os.Create(filepath.Join(t.TempDir(), "held-open"))
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	w := open(t, childTells, nil)
	_, err = w.Load(context.Background(), module(0))
	if err == nil || !strings.Contains(err.Error(), "environment [] fd") {
		t.Fatalf("it told: %v", err)
	}
	for _, secret := range []string{"canary", "TRAMA", "held-open"} {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("%s in what it told: %v", secret, err)
		}
	}
}

// TestWaitingForATurn: who waits for others' compilations may give up.
func TestWaitingForATurn(t *testing.T) {
	w := open(t, childHangs, nil)
	for range cap(w.child) {
		w.child <- struct{}{}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if _, err := w.Load(ctx, module(0)); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrModule) {
		t.Errorf("%v", err)
	}
	if n := w.compiled(t); n != 0 {
		t.Errorf("%d children ran", n)
	}
}

func TestChildArguments(t *testing.T) {
	for _, args := range [][]string{nil, {"dir"}, {"dir", "x", "1"}, {"dir", "1", "x"}} {
		var stderr bytes.Buffer
		if code := Child(args, strings.NewReader(""), &stderr); code != exitUsage || stderr.Len() == 0 {
			t.Errorf("%q: exit code %d, %s", args, code, &stderr)
		}
	}
}

func TestOwned(t *testing.T) {
	info, err := os.Stat(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if !owned(info) {
		t.Error("our own directory is another's")
	}
	if stat := *info.Sys().(*syscall.Stat_t); owned(foreign{info, stat}) {
		t.Error("another's directory is ours")
	}
}

// foreign is a file of another user.
type foreign struct {
	os.FileInfo
	stat syscall.Stat_t
}

func (f foreign) Sys() any {
	f.stat.Uid++
	return &f.stat
}
