package main

import (
	"bufio"
	"net"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// server is a serving process.
type server struct {
	*exec.Cmd
	addr  string // of the public listener
	admin string // URL of the admin API
	done  chan error
}

// startServer starts the real program on free ports and waits until it is
// ready.
func startServer(t *testing.T, dir string) server {
	t.Helper()
	s := server{Cmd: exec.Command("trama", "serve", "-w", dir, "--addr", "127.0.0.1:0", "--admin-addr", "127.0.0.1:0"), done: make(chan error, 1)}
	stdout, err := s.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Process.Kill() }) // an error says that it has ended
	lines := bufio.NewScanner(stdout)
	for lines.Scan() && lines.Text() != "trama: ready" {
		if url, ok := strings.CutPrefix(lines.Text(), "trama: public http://"); ok {
			s.addr = url
		}
		if rest, ok := strings.CutPrefix(lines.Text(), "trama: admin "); ok {
			s.admin, _, _ = strings.Cut(rest, " ")
		}
	}
	if lines.Text() != "trama: ready" || s.addr == "" {
		t.Fatalf("not ready; last line %q, address %q", lines.Text(), s.addr)
	}
	go func() { s.done <- s.Wait() }()
	return s
}

func (s server) signal(t *testing.T, signal syscall.Signal) {
	t.Helper()
	if err := s.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
}

func TestServeStopsOnSIGTERM(t *testing.T) {
	s := startServer(t, t.TempDir())
	s.signal(t, syscall.SIGTERM)
	select {
	case err := <-s.done:
		if err != nil {
			t.Errorf("ended with %v, want exit code 0", err)
		}
	case <-time.After(15 * time.Second): // the grace is longer
		t.Fatal("still running 15 s after SIGTERM")
	}
}

// A request that is half sent holds a graceful stop; a second signal does not
// wait for it.
func TestServeSecondSignalEndsAtOnce(t *testing.T) {
	s := startServer(t, t.TempDir())
	slow, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	if _, err := slow.Write([]byte("POST /api/x HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\nhalf")); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(slow).ReadString('\n'); err != nil || !strings.Contains(line, "100 Continue") { // it is being read
		t.Fatalf("%q, %v", line, err)
	}
	s.signal(t, syscall.SIGTERM)
	select {
	case err := <-s.done:
		t.Fatalf("ended by the first signal (%v): the request did not hold it, so this tests nothing", err)
	case <-time.After(500 * time.Millisecond):
	}
	s.signal(t, syscall.SIGTERM)
	select {
	case err := <-s.done:
		if err == nil || !strings.Contains(err.Error(), "terminated") {
			t.Errorf("ended with %v, want by the signal", err)
		}
	case <-time.After(time.Minute):
		t.Fatal("still running a minute after the second signal")
	}
}
