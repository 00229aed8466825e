package egress

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/trama-run/trama/host/secret"
	"github.com/trama-run/trama/pdk/abi"
)

const (
	token    = `canary/T0k"en+<7f3a9>&ü` // needs escaping in every encoding
	password = "canary-pa55-word"
)

// newClient returns a client with the secrets of these tests.
func newClient(t *testing.T, resolver *net.Resolver) *Client {
	t.Helper()
	c := New(Config{Resolver: resolver, Secrets: secret.New([]string{
		"TRAMA_SECRET_TOKEN=" + token, "TRAMA_SECRET_PASSWORD=" + password, "TRAMA_SECRET_SHORT=abc",
		"TRAMA_SECRET_LINES=canary-line\r\nX-Injected: 1", "TRAMA_SECRET_DOTS=..", "TRAMA_SECRET_PLAIN=canary-plain-1",
	}, "")})
	t.Cleanup(c.Close)
	return c
}

// server is a loopback server that remembers what it was sent.
type server struct {
	*httptest.Server
	mu   sync.Mutex
	seen []*http.Request // guarded by mu; bodies are read into bodies
	body []string        // guarded by mu
}

// serve starts a server; its handler runs after the request was recorded.
func serve(t *testing.T, handle http.HandlerFunc) *server {
	t.Helper()
	s := &server{}
	s.Server = httptest.NewServer(s.record(handle))
	t.Cleanup(s.Close)
	return s
}

func (s *server) record(handle http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var b strings.Builder
		buffer := make([]byte, 32<<10)
		for {
			n, err := r.Body.Read(buffer)
			b.Write(buffer[:n])
			if err != nil {
				break
			}
		}
		s.mu.Lock()
		s.seen, s.body = append(s.seen, r), append(s.body, b.String())
		s.mu.Unlock()
		if handle != nil {
			handle(w, r)
		}
	}
}

func (s *server) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.seen)
}

// last is the last request with its body.
func (s *server) last(t *testing.T) (*http.Request, string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.seen) == 0 {
		t.Fatal("the server was sent nothing")
	}
	return s.seen[len(s.seen)-1], s.body[len(s.body)-1]
}

// port gives ":12345" of a server.
func (s *server) port() string { return s.URL[strings.LastIndexByte(s.URL, ':'):] }

// ok sends and wants an answer.
func ok(t *testing.T, s *Scope, req abi.HTTPRequest) abi.HTTPResponse {
	t.Helper()
	response, err := s.Send(t.Context(), req)
	if err != nil {
		t.Fatalf("%s %s: %v", req.Method, req.URL, err)
	}
	return response
}

// refused sends and wants an error of this code whose message holds a text.
func refused(t *testing.T, s *Scope, req abi.HTTPRequest, code, text string) *abi.Error {
	t.Helper()
	response, err := s.Send(t.Context(), req)
	var failure *abi.Error
	if !errors.As(err, &failure) {
		t.Errorf("%s %q: answered with %d, %q; want %s", req.Method, req.URL, response.Status, response.Body, code)
		return &abi.Error{}
	}
	if failure.Code != code || !strings.Contains(failure.Message, text) {
		t.Errorf("%s %q: %v; want %s with %q", req.Method, req.URL, failure, code, text)
	}
	if strings.Contains(failure.Message, "canary") {
		t.Errorf("the error shows a secret: %v", failure)
	}
	return failure
}

// nameserver answers DNS queries over UDP on loopback.
type nameserver struct {
	answer  func(name string, query int) []netip.Addr
	queries atomic.Int32 // for addresses of IPv4
}

// resolve starts a name server and returns the resolver that asks it. Query
// counts the queries for IPv4 addresses from 1.
func resolve(t *testing.T, answer func(name string, query int) []netip.Addr) (*net.Resolver, *nameserver) {
	t.Helper()
	socket, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ns := &nameserver{answer: answer}
	done := make(chan struct{})
	go func() {
		defer close(done)
		packet := make([]byte, 1500)
		for {
			n, from, err := socket.ReadFrom(packet)
			if err != nil {
				return // closed at the end of the test
			}
			if reply := ns.reply(packet[:n]); reply != nil {
				socket.WriteTo(reply, from) //nolint:errcheck // a lost reply shows as a failed look-up
			}
		}
	}()
	t.Cleanup(func() { socket.Close(); <-done })
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", socket.LocalAddr().String())
	}}, ns
}

// reply makes the answer to a query of one question (RFC 1035, section 4).
func (ns *nameserver) reply(query []byte) []byte {
	const header = 12
	var labels []string
	end := header
	for end < len(query) && query[end] != 0 {
		length := int(query[end])
		labels = append(labels, string(query[end+1:end+1+length]))
		end += 1 + length
	}
	if end+5 > len(query) {
		return nil
	}
	kind := binary.BigEndian.Uint16(query[end+1:])
	count := int(ns.queries.Load())
	if kind == 1 {
		count = int(ns.queries.Add(1))
	}
	var answers [][]byte
	for _, addr := range ns.answer(strings.Join(labels, "."), count) {
		if data := addr.AsSlice(); kind == 1 && addr.Is4() || kind == 28 && addr.Is6() {
			answers = append(answers, append([]byte{0xc0, header, 0, byte(kind), 0, 1, 0, 0, 0, 0, 0, byte(len(data))}, data...))
		}
	}
	reply := append([]byte{query[0], query[1], 0x81, 0x80, 0, 1, 0, byte(len(answers)), 0, 0, 0, 0}, query[header:end+5]...)
	for _, a := range answers {
		reply = append(reply, a...)
	}
	return reply
}
