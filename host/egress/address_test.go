package egress

import "testing"

// TestNearOf: what a host says of where it is, before anything is asked.
func TestNearOf(t *testing.T) {
	for host, want := range map[string][2]bool{
		"example.com": {}, "8.8.8.8": {}, "2606:4700::1111": {},
		"127.0.0.1": {true, false}, "10.1.2.3": {true, false}, "[::1]": {true, false}, "::ffff:192.168.0.1": {true, false}, "localhost": {true, false}, "db.internal": {true, false},
		"169.254.169.254": {false, true}, "fe80::1": {false, true}, "0.0.0.0": {false, true}, "100.100.100.200": {false, true},
	} {
		if near, never := NearOf(host); near != want[0] || never != want[1] {
			t.Errorf("%s: near %v, never %v", host, near, never)
		}
	}
}
