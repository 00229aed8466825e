package egress

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/trama-run/trama/host/egress/auth"
	"github.com/trama-run/trama/host/egress/redact"
	"github.com/trama-run/trama/pdk/abi"
)

// The attacks of the list of hostile plugins and where they are tried here:
// redirects (TestRedirects, TestCredentialsStayAtTheirOrigin), rebinding
// (TestRebinding, TestMixedAnswers, TestPoolKeepsReach), IPv4 in IPv6, decimal
// and octal addresses, user@host, ports and schemes (TestURLs,
// TestAddressesThatNoGrantOpens, TestNamesThatPointInside), the Host header and
// CRLF (TestMethodsAndHeaders, TestURLs, TestPlaces), slow bodies (TestTimeouts),
// endless bodies and decompression bombs (TestLimits, TestEndlessBlob,
// TestUnreadableEncodings), proxy variables (TestProxyEnvironmentIsIgnored),
// secrets that come back (TestCanary, TestRedactProperty,
// TestSpellingsOfCredentials) or that data asks for
// (TestHandleLookAlikes, TestDataIsNeverReplaced).

func TestGrantedOriginAnswers(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Add("X-Two", "a")
		w.Header().Add("X-Two", "b")
		w.WriteHeader(201)
		io.WriteString(w, "hello")
	})
	scope := newClient(t, nil).Open(Policy{Origins: []string{s.URL}})
	got := ok(t, scope, abi.HTTPRequest{Method: "POST", URL: s.URL + "/a%2Fb?q=1&ü#fragment", Headers: map[string]string{"x-own": "1"}, Body: "body"})
	if got.Status != 201 || got.Body != "hello" || got.Headers["x-two"] != "a, b" {
		t.Errorf("got %+v", got)
	}
	r, body := s.last(t)
	if r.Method != "POST" || r.RequestURI != "/a%2Fb?q=1&%C3%BC" || body != "body" || r.Header.Get("X-Own") != "1" || r.Header.Get("User-Agent") != userAgent {
		t.Errorf("sent %s %s %q %v", r.Method, r.RequestURI, body, r.Header)
	}
	if got := ok(t, scope, abi.HTTPRequest{URL: s.URL, BodyBase64: "/w=="}); got.Status != 201 {
		t.Errorf("got %+v", got)
	}
	if _, body := s.last(t); body != "\xff" {
		t.Errorf("sent %q", body)
	}
}

// A URL is taken in one reading only, and only if that one is granted.
func TestURLs(t *testing.T) {
	s := serve(t, nil)
	port := s.port()
	scope := newClient(t, nil).Open(Policy{Origins: []string{s.URL, "https://*.example.test"}, Requests: 1000})
	for _, c := range []struct{ url, code string }{
		{"http://127.0.0.1:1/", abi.CodeDenied}, // another port
		{"http://127.0.0.1/", abi.CodeDenied},
		{"https://127.0.0.1" + port, abi.CodeDenied}, // another scheme
		{"http://localhost" + port, abi.CodeDenied},  // another name for the same place
		{"http://127.0.0.2" + port, abi.CodeDenied},
		{"http://[::1]" + port, abi.CodeDenied},
		{"https://example.test/", abi.CodeDenied},
		{"https://a.example.test.evil.test/", abi.CodeDenied},
		{"http://2130706433" + port, abi.CodeInvalid},         // decimal
		{"http://0177.0.0.1" + port, abi.CodeInvalid},         // octal
		{"http://0x7f.0.0.1" + port, abi.CodeInvalid},         // hexadecimal
		{"http://0x7f000001" + port, abi.CodeInvalid},         //
		{"http://127.1" + port, abi.CodeInvalid},              // short
		{"http://127.0.0.1." + port, abi.CodeInvalid},         // trailing dot
		{"http://[::ffff:127.0.0.1]" + port, abi.CodeInvalid}, // IPv4-mapped
		{"http://[::ffff:7f00:1]" + port, abi.CodeInvalid},
		{"http://[::1%25lo]" + port, abi.CodeInvalid}, // zone
		{"http://user@127.0.0.1" + port, abi.CodeInvalid},
		{"http://user:canary@127.0.0.1" + port, abi.CodeInvalid},
		{"http://127.0.0.1" + port + "@evil.test/", abi.CodeInvalid},
		{"http://evil.test@127.0.0.1" + port, abi.CodeInvalid},
		{"http://127.0.0.1" + port + "\\@evil.test/", abi.CodeInvalid},
		{"http://evil.test\\@127.0.0.1" + port, abi.CodeInvalid},
		{"http://127.0.0.1" + port + "/\r\nX: y", abi.CodeInvalid},
		{"http://127.0.0.1" + port + "/?canary\n", abi.CodeInvalid},
		{"http://127.0.0.1" + port + "/ HTTP/1.1", abi.CodeInvalid},
		{"http://127.0.0.1" + port + "\t/", abi.CodeInvalid},
		{"http://127.0.0.1" + port + "/a/../b", abi.CodeInvalid},
		{"http://127.0.0.1" + port + "/a/%2e%2e/b", abi.CodeInvalid},
		{"http://127.0.0.1" + port + "/a/..%2fb", abi.CodeInvalid},
		{"http://127.0.0.1" + port + "/a/..%5cb", abi.CodeInvalid},
		{"http://127.0.0.1" + port + "/a/..;x/b", abi.CodeInvalid},
		{"http://127.0.0.1" + port + "/%zz", abi.CodeInvalid},
		{"http://münchen.test/", abi.CodeInvalid},            // its xn-- form is the one reading
		{"http://１２７.0.0.1" + port, abi.CodeInvalid},         // full-width digits
		{"http://127。0。0。1" + port, abi.CodeInvalid},         // ideographic full stops
		{"http://ⓛocalhost" + port, abi.CodeInvalid},         // letters that some fold to ASCII
		{"http://127.0.0.1%00.test" + port, abi.CodeInvalid}, // an end that some see
		{"http://%31%32%37.0.0.1" + port, abi.CodeInvalid},   // percent-encoded
		{"http://0" + port, abi.CodeInvalid},
		{"http://[::127.0.0.1]" + port, abi.CodeDenied}, // IPv4-compatible
		{"http://[64:ff9b::7f00:1]" + port, abi.CodeDenied},
		{"http://127.0.0.1:/", abi.CodeInvalid},
		{"http:/127.0.0.1", abi.CodeInvalid},
		{"http:127.0.0.1", abi.CodeInvalid},
		{"http://", abi.CodeInvalid},
		{"file:///etc/passwd", abi.CodeInvalid},
		{"ftp://127.0.0.1" + port, abi.CodeInvalid},
		{"gopher://127.0.0.1" + port, abi.CodeInvalid},
		{"data:text/plain,x", abi.CodeInvalid},
		{"127.0.0.1" + port, abi.CodeInvalid},
		{"x", abi.CodeInvalid},
		{"", abi.CodeInvalid},  // relative, and no connection
		{"/", abi.CodeInvalid}, //
		{"?q", abi.CodeInvalid},
		{"//127.0.0.1" + port, abi.CodeInvalid},
		{"http://127.0.0.1" + port + "/\xff", abi.CodeInvalid},
	} {
		refused(t, scope, abi.HTTPRequest{URL: c.url}, c.code, "")
	}
	if s.count() > 0 {
		t.Errorf("%d requests arrived", s.count())
	}
	// Upper case and the default port are the same origin.
	ok(t, scope, abi.HTTPRequest{URL: "HTTP://127.0.0.1" + port})
}

func TestMethodsAndHeaders(t *testing.T) {
	s := serve(t, nil)
	scope := newClient(t, nil).Open(Policy{Origins: []string{s.URL}, Requests: 1000})
	for _, method := range []string{"get", "CONNECT", "TRACE", "GET /x HTTP/1.1", "GET\r\n", strings.Repeat("A", 33)} {
		refused(t, scope, abi.HTTPRequest{URL: s.URL, Method: method}, abi.CodeInvalid, "method")
	}
	for name, value := range map[string]string{
		"Host": "evil.test", "host": "evil.test", "Content-Length": "0", "Transfer-Encoding": "chunked", "Connection": "close", "Keep-Alive": "x",
		"Proxy-Authorization": "x", "proxy-connection": "x", "Upgrade": "websocket", "TE": "trailers", "Trailer": "X", "Expect": "100-continue",
		"X-A": "a\r\nX-B: b", "X-B": "a\nb", "X-C": "a\x00b", "X-D": "a\rb", "X-E\r\nX-F": "a", "X G": "a", "": "a", "X-Ü": "a", "X:": "a", "Host ": "x",
	} {
		refused(t, scope, abi.HTTPRequest{URL: s.URL, Headers: map[string]string{name: value}}, abi.CodeInvalid, "header")
	}
	refused(t, scope, abi.HTTPRequest{URL: s.URL, Headers: map[string]string{"X-A": "1", "x-a": "2"}}, abi.CodeInvalid, "twice")
	refused(t, scope, abi.HTTPRequest{URL: s.URL, Body: "a", BodyBase64: "YQ=="}, abi.CodeInvalid, "give one")
	refused(t, scope, abi.HTTPRequest{URL: s.URL, BodyBase64: "!"}, abi.CodeInvalid, "base64")
	if s.count() > 0 {
		t.Errorf("%d requests arrived", s.count())
	}
	ok(t, scope, abi.HTTPRequest{URL: s.URL})
	if r, _ := s.last(t); r.Host != strings.TrimPrefix(s.URL, "http://") {
		t.Errorf("host is %s", r.Host)
	}
}

func addrs(texts ...string) []netip.Addr {
	var all []netip.Addr
	for _, text := range texts {
		all = append(all, netip.MustParseAddr(text))
	}
	return all
}

// A name that its owner points into the operator's networks leads nowhere,
// though it is granted.
func TestNamesThatPointInside(t *testing.T) {
	s := serve(t, nil)
	for _, address := range []string{
		"127.0.0.1", "127.8.8.8", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "100.127.255.255",
		"169.254.169.254", "169.254.1.1", "100.100.100.200", "168.63.129.16", "192.0.0.192", "0.0.0.0", "0.1.2.3", "224.0.0.1", "239.255.255.250",
		"255.255.255.255", "240.0.0.1", "192.0.2.1", "198.51.100.1", "203.0.113.1", "198.18.0.1",
		"::1", "::", "fe80::1", "fc00::1", "fd00::1", "fd00:ec2::254", "ff02::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:10.0.0.1",
		"64:ff9b::7f00:1", "64:ff9b:1::7f00:1", "2002:7f00:1::1", "2001:0:7f00:1::1", "::127.0.0.1", "2001:db8::1", "fec0::1", "100::1", "4000::1",
	} {
		resolver, _ := resolve(t, func(string, int) []netip.Addr { return addrs(address) })
		client := newClient(t, resolver)
		for _, origin := range []string{"http://api.example.test" + s.port(), "http://*.example.test" + s.port()} {
			refused(t, client.Open(Policy{Origins: []string{origin}}), abi.HTTPRequest{URL: "http://api.example.test" + s.port()}, abi.CodeDenied, "leads to a")
		}
	}
	if s.count() > 0 {
		t.Errorf("%d requests arrived", s.count())
	}
}

func TestReach(t *testing.T) {
	for _, address := range []string{"8.8.8.8", "1.1.1.1", "172.32.0.1", "172.15.0.1", "100.128.0.1", "192.169.0.1", "11.0.0.1", "223.255.255.255", "2606:4700::1111", "2a00::1"} {
		if got := reachOf(netip.MustParseAddr(address)); got != reachPublic {
			t.Errorf("%s is %s", address, got)
		}
	}
	for address, want := range map[string]reach{"::ffff:8.8.8.8": reachPublic, "::ffff:127.0.0.1": reachLoopback, "::ffff:10.0.0.1": reachPrivate, "fe80::1%eth0": reachAddress} {
		if got := reachOf(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s is %s, want %s", address, got, want)
		}
	}
	// What is private or loopback may be reached where it is named.
	s := serve(t, nil)
	resolver, _ := resolve(t, func(name string, _ int) []netip.Addr {
		if name == "private.corp.test" {
			return addrs("10.255.255.1")
		}
		return addrs("127.0.0.1")
	})
	client := newClient(t, resolver)
	for _, host := range []string{"127.0.0.1", "localhost", "svc.internal", "printer.local"} {
		url := "http://" + host + s.port()
		ok(t, client.Open(Policy{Origins: []string{url}}), abi.HTTPRequest{URL: url})
		ok(t, client.Open(Policy{Origins: []string{"connection"}, Connection: &Connection{ID: "c", BaseURL: url}}), abi.HTTPRequest{URL: ""})
	}
	// A connection may be in a private network; loopback it must name.
	inside := func(host string) *Scope {
		return client.Open(Policy{Origins: []string{"connection"}, Connection: &Connection{ID: "c", BaseURL: "http://" + host + s.port()}})
	}
	refused(t, inside("erp.corp.test"), abi.HTTPRequest{}, abi.CodeDenied, "loopback")
	_, err := inside("private.corp.test").Send(t.Context(), abi.HTTPRequest{TimeoutMillis: 50})
	if failure, _ := err.(*abi.Error); failure == nil || failure.Code == abi.CodeDenied {
		t.Errorf("a connection to a private address: %v", err)
	}
}

// What is checked is what is dialled: one look-up for each connection.
func TestRebinding(t *testing.T) {
	s := serve(t, nil)
	resolver, ns := resolve(t, func(_ string, query int) []netip.Addr {
		if query == 1 {
			return addrs("127.0.0.1")
		}
		return addrs("169.254.169.254") // what a second look would find
	})
	client := newClient(t, resolver)
	url := "http://rebind.internal" + s.port()
	scope := client.Open(Policy{Origins: []string{url}})
	ok(t, scope, abi.HTTPRequest{URL: url})
	if n := ns.queries.Load(); n != 1 {
		t.Errorf("the name was looked up %d times", n)
	}
	client.Close() // no pooled connection: the next request looks again
	refused(t, scope, abi.HTTPRequest{URL: url}, abi.CodeDenied, "link-local")
}

// An address inside of IPv6, and one that leads nowhere, is not dialled even if
// it is granted as it is written.
func TestAddressesThatNoGrantOpens(t *testing.T) {
	s := serve(t, nil)
	for _, host := range []string{"[64:ff9b::7f00:1]", "[2002:7f00:1::1]", "[::127.0.0.1]", "[2001:0:7f00:1::1]", "0.0.0.0", "[::]", "255.255.255.255", "224.0.0.1"} {
		url := "http://" + host + s.port()
		client := newClient(t, nil)
		refused(t, client.Open(Policy{Origins: []string{url}}), abi.HTTPRequest{URL: url}, abi.CodeDenied, "no grant opens those")
		refused(t, client.Open(Policy{Origins: []string{"connection"}, Connection: &Connection{ID: "c", BaseURL: url}}), abi.HTTPRequest{}, abi.CodeDenied, "no grant opens those")
	}
	if s.count() > 0 {
		t.Errorf("%d requests arrived", s.count())
	}
}

// Of several addresses that a name has, only those are dialled that may be.
func TestMixedAnswers(t *testing.T) {
	s := serve(t, nil)
	resolver, _ := resolve(t, func(string, int) []netip.Addr {
		return addrs("203.0.113.1", "127.0.0.1", "::1", "169.254.169.254", "::ffff:127.0.0.1")
	})
	url := "http://api.example.test" + s.port()
	refused(t, newClient(t, resolver).Open(Policy{Origins: []string{url}}), abi.HTTPRequest{URL: url}, abi.CodeDenied, "leads to a")
	near := "http://svc.internal" + s.port() // which may be this machine, and still nothing beyond it
	ok(t, newClient(t, resolver).Open(Policy{Origins: []string{near}}), abi.HTTPRequest{URL: near})
	if s.count() != 1 {
		t.Errorf("%d requests arrived", s.count())
	}
}

// A pooled connection of a request that may reach far serves none that may not.
func TestPoolKeepsReach(t *testing.T) {
	s := serve(t, nil)
	resolver, _ := resolve(t, func(string, int) []netip.Addr { return addrs("127.0.0.1") })
	client := newClient(t, resolver)
	url := "http://a.svc.internal" + s.port()
	for range 3 {
		ok(t, client.Open(Policy{Origins: []string{url}}), abi.HTTPRequest{URL: url})
		refused(t, client.Open(Policy{Origins: []string{"http://*.svc.internal" + s.port()}}), abi.HTTPRequest{URL: url}, abi.CodeDenied, "loopback")
	}
	if s.count() != 3 {
		t.Errorf("%d requests arrived, want 3", s.count())
	}
}

func TestProxyEnvironmentIsIgnored(t *testing.T) {
	proxy := serve(t, nil)
	s := serve(t, nil)
	for _, name := range []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"} {
		t.Setenv(name, proxy.URL)
	}
	ok(t, newClient(t, nil).Open(Policy{Origins: []string{s.URL}}), abi.HTTPRequest{URL: s.URL})
	// Loopback is exempt from proxies by net/http's own rule; a name is not.
	resolver, _ := resolve(t, func(string, int) []netip.Addr { return addrs("127.0.0.1") })
	url := "http://svc.internal" + s.port()
	ok(t, newClient(t, resolver).Open(Policy{Origins: []string{url}}), abi.HTTPRequest{URL: url})
	if proxy.count() > 0 || s.count() != 2 {
		t.Errorf("%d requests went to the proxy, %d to the server", proxy.count(), s.count())
	}
	for _, transport := range newClient(t, nil).transports {
		if transport.(*http.Transport).Proxy != nil {
			t.Error("a transport has a proxy")
		}
	}
}

func TestHTTP2AndVerification(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Proto) }))
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	// Without its certificate authority the server is not believed.
	refused(t, newClient(t, nil).Open(Policy{Origins: []string{s.URL}}), abi.HTTPRequest{URL: s.URL}, abi.CodeUnreachable, "certificate")
	client := New(Config{RootCAs: s.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs})
	t.Cleanup(client.Close)
	if got := ok(t, client.Open(Policy{Origins: []string{s.URL}}), abi.HTTPRequest{URL: s.URL}); got.Body != "HTTP/2.0" {
		t.Errorf("spoke %s", got.Body)
	}
}

// TestSpellingsOfCredentials: a system that gives a token back with some of its
// characters escaped gives nothing away.
func TestSpellingsOfCredentials(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		for i, b := range []byte(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")) {
			fmt.Fprintf(w, []string{`\u%04x`, `%c`, `%%%02X`, `&#%d;`}[i%4], b)
			w.(http.Flusher).Flush() // each in a piece of its own
		}
	})
	connection := &Connection{ID: "c", BaseURL: s.URL, Auth: auth.Auth{Type: auth.Bearer, Secret: "plain"}}
	scope := newClient(t, nil).Open(Policy{Origins: []string{"connection"}, Connection: connection})
	if got := ok(t, scope, abi.HTTPRequest{URL: "/"}); got.Body != redact.Mark {
		t.Errorf("got %q", got.Body)
	}
}
