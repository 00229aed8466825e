package sandbox

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// guest reads a guest of testdata; build.sh makes them.
func guest(t testing.TB, name string) []byte {
	t.Helper()
	wasm, err := os.ReadFile(filepath.Join("testdata", name+".wasm"))
	if err != nil {
		t.Fatal(err)
	}
	return wasm
}

func open(t testing.TB, config Config) *Sandbox {
	t.Helper()
	s, err := Open(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return s
}

// load compiles a guest with the default memory, or takes what is compiled.
func load(t testing.TB, name string) *Module {
	t.Helper()
	m, err := openCached(t).Compile(context.Background(), guest(t, name), Options{Memory: DefaultLimits().Memory})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// short are limits for calls that are meant to fail.
func short() Limits {
	l := DefaultLimits()
	l.Time = 100 * time.Millisecond
	return l
}

func call(m *Module, export, input string) (Result, error) {
	return m.Call(context.Background(), Call{Export: export, Input: []byte(input), Limits: DefaultLimits()})
}

// kindOf gives the Error in err, which must be there, and have an end: an
// error that wraps itself hangs whoever asks what it is.
func kindOf(t testing.TB, err error) *Error {
	t.Helper()
	for cause, deep := err, 0; cause != nil; cause, deep = errors.Unwrap(cause), deep+1 {
		if deep > 20 {
			t.Fatalf("an error wraps itself: %T", cause)
		}
	}
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("error is %T (%v), want *Error", err, err)
	}
	return e
}

func TestEcho(t *testing.T) {
	m := load(t, "echo")
	for n := range 40 {
		input := string(make([]byte, n)) + "x"
		got, err := call(m, "echo", input)
		if err != nil || string(got.Output) != input {
			t.Fatalf("%d bytes: got %q, %v", n, got.Output, err)
		}
	}
}
