package access

import (
	"net/netip"
	"strings"
	"testing"
)

func networks(t testing.TB, texts ...string) (list []Network) {
	t.Helper()
	for _, text := range texts {
		var n Network
		if err := n.UnmarshalText([]byte(text)); err != nil {
			t.Fatal(err)
		}
		list = append(list, n)
	}
	return list
}

// lines gives a lookup of headers written as "name: value".
func lines(headers ...string) func(string) []string {
	return func(name string) (values []string) {
		for _, h := range headers {
			if n, value, _ := strings.Cut(h, ": "); n == name {
				values = append(values, value)
			}
		}
		return values
	}
}

func TestClientIP(t *testing.T) {
	trusted := networks(t, "10.0.0.0/8", "192.0.2.7", "2001:db8:1::/48", "::1")
	for _, c := range []struct {
		name, peer string
		headers    []string
		want       string // "" where it can't be known
	}{
		{"nobody says anything", "198.51.100.1", nil, "198.51.100.1"},
		{"a peer that is no proxy", "198.51.100.1", []string{"x-forwarded-for: 10.0.0.1"}, "198.51.100.1"},
		{"a peer that is no proxy, Forwarded", "198.51.100.1", []string{"forwarded: for=10.0.0.1"}, "198.51.100.1"},
		{"a proxy that says nothing", "10.0.0.1", nil, "10.0.0.1"},
		{"one proxy", "10.0.0.1", []string{"x-forwarded-for: 198.51.100.1"}, "198.51.100.1"},
		{"a mapped peer", "::ffff:10.0.0.1", []string{"x-forwarded-for: 198.51.100.1"}, "198.51.100.1"},
		{"a peer with a zone", "::1%lo", []string{"x-forwarded-for: 198.51.100.1"}, "198.51.100.1"},
		{"what the caller invents stands left", "10.0.0.1", []string{"x-forwarded-for: 10.9.9.9, 127.0.0.1, 198.51.100.1"}, "198.51.100.1"},
		{"rubbish left of the caller", "10.0.0.1", []string{"x-forwarded-for: ' OR 1=1, 198.51.100.1"}, "198.51.100.1"},
		{"two proxies", "10.0.0.1", []string{"x-forwarded-for: 1.1.1.1, 198.51.100.1,192.0.2.7"}, "198.51.100.1"},
		{"several lines are one list", "10.0.0.1", []string{"x-forwarded-for: 10.1.1.1", "x-forwarded-for: 198.51.100.1, 10.0.0.2", "x-forwarded-for: 10.0.0.3"}, "198.51.100.1"},
		{"a caller within the trusted networks", "10.0.0.1", []string{"x-forwarded-for: 10.0.0.9, 10.0.0.2"}, "10.0.0.9"},
		{"IPv6", "2001:db8:1::5", []string{"x-forwarded-for: 2001:db8:2::1"}, "2001:db8:2::1"},
		{"IPv6 that carries IPv4", "10.0.0.1", []string{"x-forwarded-for: ::ffff:198.51.100.1"}, "198.51.100.1"},
		{"ports", "10.0.0.1", []string{"x-forwarded-for: 198.51.100.1:4711, 10.0.0.2:80"}, "198.51.100.1"},
		{"IPv6 in brackets", "10.0.0.1", []string{"x-forwarded-for: [2001:db8:2::1]"}, "2001:db8:2::1"},
		{"IPv6 with a port", "10.0.0.1", []string{"x-forwarded-for: [2001:db8:2::1]:443"}, "2001:db8:2::1"},
		{"rubbish from a proxy", "10.0.0.1", []string{"x-forwarded-for: 198.51.100.1, unknown"}, ""},
		{"nothing from a proxy", "10.0.0.1", []string{"x-forwarded-for: 198.51.100.1, "}, ""},
		{"an empty header", "10.0.0.1", []string{"x-forwarded-for: "}, ""},
		{"a zone", "10.0.0.1", []string{"x-forwarded-for: fe80::1%eth0"}, ""},
		{"leading zeros", "10.0.0.1", []string{"x-forwarded-for: 198.051.100.1"}, ""},
		{"a bracket", "10.0.0.1", []string{"x-forwarded-for: [2001:db8:2::1"}, ""},
		{"IPv4 in brackets", "10.0.0.1", []string{"x-forwarded-for: [198.51.100.1]"}, ""},
		{"a chain without end", "10.0.0.1", []string{"x-forwarded-for: 198.51.100.1" + strings.Repeat(", 10.0.0.2", maxHops)}, ""},

		{"Forwarded", "10.0.0.1", []string{`forwarded: for=198.51.100.1;proto=http;by=203.0.113.43`}, "198.51.100.1"},
		{"Forwarded in any case", "10.0.0.1", []string{`forwarded: Proto=http; FOR="198.51.100.1:99"`}, "198.51.100.1"},
		{"Forwarded, IPv6", "10.0.0.1", []string{`forwarded: for=10.9.9.9, for="[2001:db8:2::1]:4711", for=10.0.0.2`}, "2001:db8:2::1"},
		{"Forwarded, IPv6 without quotes", "10.0.0.1", []string{`forwarded: for=[2001:db8:2::1]:4711`}, "2001:db8:2::1"},
		{"Forwarded in lines", "10.0.0.1", []string{`forwarded: for="`, `forwarded: for=198.51.100.1`}, "198.51.100.1"},
		{"Forwarded hides the caller", "10.0.0.1", []string{`forwarded: for=_hidden`}, ""},
		{"Forwarded says nothing of for", "10.0.0.1", []string{`forwarded: for=198.51.100.1, proto=http`}, ""},
		{"Forwarded says for twice", "10.0.0.1", []string{`forwarded: for=10.0.0.9;for=198.51.100.1`}, ""},
		{"the caller opens a quote", "10.0.0.1", []string{`forwarded: for=10.0.0.9;x=", for=198.51.100.1`}, ""},
		{"the caller opens a quote that the proxy closes", "10.0.0.1", []string{`forwarded: for=10.0.0.9;x=", for="[2001:db8:2::1]"`}, ""},
		{"the caller escapes a quote", "10.0.0.1", []string{`forwarded: for=10.0.0.9;x="\", for=198.51.100.1`}, ""},

		{"both agree", "10.0.0.1", []string{`forwarded: for=198.51.100.1`, `x-forwarded-for: 198.51.100.1`}, "198.51.100.1"},
		{"Forwarded is the caller's invention", "10.0.0.1", []string{`forwarded: for=10.0.0.9`, `x-forwarded-for: 198.51.100.1`}, ""},
		{"X-Forwarded-For is", "10.0.0.1", []string{`forwarded: for=198.51.100.1`, `x-forwarded-for: 10.0.0.9`}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := ClientIP(netip.MustParseAddr(c.peer), lines(c.headers...), trusted)
			want := netip.Addr{}
			if c.want != "" {
				want = netip.MustParseAddr(c.want)
			}
			if got != want {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}

func TestNetwork(t *testing.T) {
	for _, c := range []struct{ text, want, err string }{
		{text: "10.0.0.0/8", want: "10.0.0.0/8"},
		{text: "192.0.2.1", want: "192.0.2.1"},
		{text: "192.0.2.1/32", want: "192.0.2.1"},
		{text: "::ffff:192.0.2.1", want: "192.0.2.1"},
		{text: "::1", want: "::1"},
		{text: "2001:db8::/32", want: "2001:db8::/32"},
		{text: "10.1.2.3/8", err: "write 10.0.0.0/8 for the network"},
		{text: "::ffff:10.0.0.0/104", err: "IPv4 written as IPv6"},
		{text: "fe80::1%eth0", err: "neither an address nor a network"},
		{text: "localhost", err: "neither an address nor a network"},
		{text: "10.0.0.0/33", err: "neither an address nor a network"},
		{text: "", err: "neither an address nor a network"},
	} {
		var n Network
		err := n.UnmarshalText([]byte(c.text))
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: %v, want %q", c.text, err, c.err)
			}
			continue
		}
		if err != nil || n.String() != c.want {
			t.Errorf("%s: %s, %v", c.text, n, err)
		}
	}
}

func TestCrowd(t *testing.T) {
	trusted := []Network{{netip.MustParsePrefix("10.0.0.0/8")}, {netip.MustParsePrefix("2001:db8:1::/48")}}
	for peer, want := range map[string]string{
		"192.0.2.7": "192.0.2.7", "::ffff:192.0.2.7": "192.0.2.7", "2001:db8::1:2:3:4": "2001:db8::", "fe80::1%eth0": "fe80::",
		"10.1.2.3": "", "::ffff:10.1.2.3": "", "2001:db8:1::1": "", "127.0.0.1": "", "::1": "", // they speak for many
	} {
		got := Crowd(netip.MustParseAddr(peer), trusted)
		if got.IsValid() != (want != "") || want != "" && got != netip.MustParseAddr(want) {
			t.Errorf("%s is counted by %s, want %q", peer, got, want)
		}
	}
}

// FuzzClientIP: whatever a caller writes left of what the proxy appends
// doesn't change who calls, in either header.
func FuzzClientIP(f *testing.F) {
	for _, seed := range []string{"", "10.0.0.9", `for="`, `for=10.0.0.9;x="`, "unknown, [::1", `a\`, ",", ";for=1.1.1.1"} {
		f.Add(seed)
	}
	trusted := networks(f, "10.0.0.0/8")
	peer, caller := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("198.51.100.1")
	f.Fuzz(func(t *testing.T, invented string) {
		if got := ClientIP(peer, lines("x-forwarded-for: "+invented+", 198.51.100.1"), trusted); got != caller {
			t.Errorf("X-Forwarded-For %q: %v", invented, got)
		}
		if got := ClientIP(peer, lines("forwarded: "+invented, "forwarded: for=198.51.100.1"), trusted); got != caller {
			t.Errorf("Forwarded %q in a line before: %v", invented, got)
		}
		for _, appended := range []string{", for=198.51.100.1", `, for="198.51.100.1"`, `, for="198.51.100.1:80";proto=https`} {
			if got := ClientIP(peer, lines("forwarded: "+invented+appended), trusted); got.IsValid() && got != caller {
				t.Errorf("Forwarded %q%s: %v", invented, appended, got)
			}
		}
		if got := ClientIP(caller, lines("x-forwarded-for: "+invented, "forwarded: "+invented), trusted); got != caller {
			t.Errorf("from a peer that is no proxy: %v", got)
		}
	})
}
