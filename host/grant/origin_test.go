package grant

import (
	"net/url"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestParseOrigin(t *testing.T) {
	for text, want := range map[string]string{
		"https://api.example.com":       "https://api.example.com",
		"HTTPS://API.Example.COM":       "https://api.example.com",
		"https://api.example.com:443":   "https://api.example.com",
		"http://api.example.com:443":    "http://api.example.com:443",
		"http://localhost:80":           "http://localhost",
		"http://localhost:9000":         "http://localhost:9000",
		"https://*.example.com":         "https://*.example.com",
		"https://*.example.com:8443":    "https://*.example.com:8443",
		"http://127.0.0.1:9000":         "http://127.0.0.1:9000",
		"http://[::1]:9000":             "http://[::1]:9000",
		"http://[0:0:0:0:0:0:0:1]":      "http://[::1]",
		"https://xn--mnchen-3ya.de":     "https://xn--mnchen-3ya.de",
		"http://my_service:8080":        "http://my_service:8080",
		"https://1password.example.com": "https://1password.example.com",
	} {
		o, err := ParseOrigin(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		} else if o.String() != want {
			t.Errorf("%s: got %s, want %s", text, o, want)
		}
	}
}

func TestParseOriginRefuses(t *testing.T) {
	for _, text := range []string{
		"", "*", "https://", "https://*", "https://*.com", "https://*.*.example.com", "https://a.*.example.com",
		"https://*example.com", "https://*.10.0.0.1", "*.example.com", "example.com", "example.com:443", "ftp://example.com",
		"file:///etc/passwd", "https://example.com/", "https://example.com/path", "https://example.com?q", "https://example.com?",
		"https://example.com#f", "https://example.com#", "https://user@example.com", "https://user:pass@example.com", "https://@example.com",
		"https://example.com:", "https://example.com:0", "https://example.com:65536", "https://example.com:http",
		"https://exa mple.com", "https://example.com.", "https://.example.com", "https://exa..mple.com", "https://münchen.de",
		"https://ex%61mple.com", "https://-example.com", "https://example.com\r\nHost: x", "https://[::1", "https://[fe80::1%25eth0]",
		"http://2130706433", "http://0177.0.0.1", "http://0x7f.0.0.1", "http://0x7f000001", "http://127.1", "http://127.0.0.1.",
		"http://127.0.0.01", "http://1.2.3.4.5", "http://256.1.1.1", "http://[::ffff:127.0.0.1]", "http://[::ffff:7f00:1]", "http://[127.0.0.1]",
		"http://0", "http://1.2.3.0x4", "http://example.0x", "http://0o17", "connection",
	} {
		if o, err := ParseOrigin(text); err == nil {
			t.Errorf("%q was taken as %s", text, o)
		}
	}
}

func TestOriginMatch(t *testing.T) {
	cases := []struct {
		pattern, url string
		want         bool
	}{
		{"https://api.example.com", "https://api.example.com/x?y", true},
		{"https://api.example.com", "https://API.EXAMPLE.com:443/", true},
		{"https://api.example.com", "http://api.example.com/", false},
		{"https://api.example.com", "https://api.example.com:8443/", false},
		{"https://api.example.com", "https://api.example.com.evil.com/", false},
		{"https://api.example.com", "https://evil-api.example.com/", false},
		{"https://api.example.com", "https://api.example.com@evil.com/", false},
		{"https://api.example.com", "https://evil.com@api.example.com/", false},
		{"https://*.example.com", "https://a.example.com/", true},
		{"https://*.example.com", "https://a.b.example.com/", true},
		{"https://*.example.com", "https://example.com/", false},
		{"https://*.example.com", "https://badexample.com/", false},
		{"https://*.example.com", "https://a.example.com.evil.com/", false},
		{"http://127.0.0.1:9000", "http://127.0.0.1:9000/", true},
		{"http://127.0.0.1:9000", "http://2130706433:9000/", false},
		{"http://127.0.0.1:9000", "http://[::ffff:127.0.0.1]:9000/", false},
		{"http://[::1]", "http://[0::1]/", true},
	}
	for _, c := range cases {
		o, err := ParseOrigin(c.pattern)
		if err != nil {
			t.Fatal(err)
		}
		u, err := url.Parse(c.url)
		if err != nil {
			t.Fatal(err)
		}
		if o.Match(u) != c.want {
			t.Errorf("%s matches %s: %v, want %v", c.pattern, c.url, !c.want, c.want)
		}
	}
}

// What one pattern covers is covered by whatever covers that pattern.
func TestCoversIsTransitive(t *testing.T) {
	gen := rapid.Custom(func(t *rapid.T) Origin {
		labels := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b"}), 0, 2).Draw(t, "labels")
		return Origin{
			Scheme:   rapid.SampledFrom([]string{"http", "https"}).Draw(t, "scheme"),
			Host:     strings.Join(append(labels, "example", "com"), "."),
			Port:     rapid.SampledFrom([]uint16{80, 443}).Draw(t, "port"),
			Wildcard: rapid.Bool().Draw(t, "wildcard"),
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := gen.Draw(t, "a"), gen.Draw(t, "b"), gen.Draw(t, "c")
		if !a.Covers(a) {
			t.Fatalf("%s does not cover itself", a)
		}
		if a.Covers(b) && b.Covers(c) && !a.Covers(c) {
			t.Fatalf("%s covers %s covers %s, but the first not the last", a, b, c)
		}
		if a.Covers(b) && b.Covers(a) && a != b {
			t.Fatalf("%s and %s cover each other", a, b)
		}
		if again, err := ParseOrigin(a.String()); err != nil || again != a {
			t.Fatalf("%s is read back as %s, %v", a, again, err)
		}
	})
}

func FuzzParseOrigin(f *testing.F) {
	for _, seed := range []string{"https://*.example.com:8443", "http://[::1]:80", "http://0x7f.1", "https://a@b", "*"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		o, err := ParseOrigin(text)
		if err != nil {
			if o != (Origin{}) {
				t.Fatalf("%q: an origin beside an error", text)
			}
			return
		}
		again, err := ParseOrigin(o.String())
		if err != nil || again != o {
			t.Fatalf("%q gives %s, which gives %s, %v", text, o, again, err)
		}
	})
}
