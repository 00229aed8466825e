package egress

import (
	"io"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/trama-run/trama/pdk/abi"
)

// TestNear: the policy bounds what addresses are dialled, whatever names them.
func TestNear(t *testing.T) {
	s := serve(t, func(http.ResponseWriter, *http.Request) {})
	resolver, _ := resolve(t, func(string, int) []netip.Addr { return []netip.Addr{netip.MustParseAddr("127.0.0.1")} })
	port := s.URL[strings.LastIndex(s.URL, ":")+1:]
	named := "http://near.example:" + port
	for _, c := range []struct {
		url  string
		near Near
		says string // "": it is reached
	}{
		{s.URL, NearAsNamed, ""},
		{s.URL, NearNothing, "the name leads to a loopback address"},
		{s.URL, NearHosts, ""},
		{named, NearAsNamed, "the name leads to a loopback address"},
		{named, NearNothing, "the name leads to a loopback address"},
		{named, NearHosts, ""},
		{"http://169.254.169.254", NearNothing, "link-local or metadata"},
		{"http://169.254.169.254", NearHosts, "link-local or metadata"},
		{"http://[fd00:ec2::254]", NearHosts, "link-local or metadata"},
	} {
		scope := newClient(t, resolver).Open(Policy{Origins: []string{c.url}, Near: c.near})
		if c.says == "" {
			ok(t, scope, abi.HTTPRequest{URL: c.url})
		} else {
			refused(t, scope, abi.HTTPRequest{URL: c.url}, abi.CodeDenied, c.says)
		}
	}
}

// TestCut: where the status is what counts, a long body is cut.
func TestCut(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/declared" {
			w.Header().Set("Content-Length", "2000")
		}
		w.WriteHeader(202)
		if r.URL.Path == "/stalled" {
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}
		for n := 0; r.Context().Err() == nil && (n < 2 || r.URL.Path == "/endless"); n++ {
			if _, err := io.WriteString(w, strings.Repeat("x", 1000)); err != nil {
				return
			}
		}
	})
	scope := newClient(t, nil).Open(Policy{Origins: []string{s.URL}, HTTPBytes: 1500, Cut: true})
	for _, path := range []string{"/declared", "/chunked", "/endless"} {
		if got := ok(t, scope, abi.HTTPRequest{URL: s.URL + path}); got.Status != 202 || got.Body != strings.Repeat("x", 1500) {
			t.Errorf("%s: status %d, %d bytes", path, got.Status, len(got.Body))
		}
	}
	stalled := newClient(t, nil).Open(Policy{Origins: []string{s.URL}, HTTPBytes: 1500, Cut: true, Timeout: time.Second})
	if got := ok(t, stalled, abi.HTTPRequest{URL: s.URL + "/stalled"}); got.Status != 202 || got.Body != "" {
		t.Errorf("/stalled: status %d, %d bytes", got.Status, len(got.Body))
	}
}
