package guide

import (
	"net"
	"testing"
)

// Address gives an address on loopback that a process may listen at until the
// test ends, again and again. A connection of its own keeps the port meanwhile:
// nobody else who asks for any free port is given it.
func Address(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	far, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { far.Close() })
	near, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { near.Close() })
	return l.Addr().String()
}
