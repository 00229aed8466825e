package guide

import (
	"net"
	"testing"
)

// TestAddress: an address is free for who knows it, and nobody else is given it.
func TestAddress(t *testing.T) {
	ours := map[string]bool{}
	for range 20 {
		ours[Address(t)] = true
	}
	listen := func(addr string) string {
		t.Helper()
		l, err := net.Listen("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		return l.Addr().String()
	}
	for range 5000 {
		if given := listen("127.0.0.1:0"); ours[given] {
			t.Fatalf("%s was given to another", given)
		}
	}
	for addr := range ours {
		listen(addr)
		listen(addr)
	}
}
