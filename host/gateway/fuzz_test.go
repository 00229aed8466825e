package gateway

import (
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestPreference(t *testing.T) {
	for header, want := range map[string]string{
		"":                                 "",
		"respond-async":                    "async",
		"Respond-Async":                    "async",
		"respond-async, wait=10":           "async 10s",
		"wait=10, respond-async;x=y":       "async 10s",
		`return=minimal, wait="7"`:         "7s",
		"wait=3, wait=4":                   "3s", // the first counts
		"wait=-1":                          "",
		"wait=1.5":                         "",
		"wait=99999999999":                 "",
		"wait":                             "",
		"respond-asynchronously":           "",
		" , ;;=,respond-async = x ;,":      "async",
		"wait = 5":                         "5s",
		"respond-async\x00":                "",
		strings.Repeat(",", 1000) + "wait": "",
	} {
		p := preferenceOf(header)
		var got []string
		if p.async {
			got = append(got, "async")
		}
		if p.wait != nil {
			got = append(got, p.wait.String())
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%.40q: %q, want %q", header, got, want)
		}
	}
}

func FuzzPreference(f *testing.F) {
	f.Add("respond-async, wait=10")
	f.Add(`wait="7";a="b,c", handling=lenient`)
	f.Fuzz(func(t *testing.T, header string) {
		p := preferenceOf(header)
		if p.wait != nil && (*p.wait < 0 || *p.wait > 65535*time.Second) {
			t.Errorf("%q: wait %s", header, p.wait)
		}
		if p.async && !strings.Contains(strings.ToLower(header), "respond-async") {
			t.Errorf("%q: async", header)
		}
	})
}

func TestKeyOf(t *testing.T) {
	for header, want := range map[string]string{
		"":                                       "",
		" ":                                      "",
		`"8e03978e-40d5-43dd-bc93-6894a57f9324"`: "8e03978e-40d5-43dd-bc93-6894a57f9324",
		"8e03978e-40d5-43dd-bc93-6894a57f9324":   "8e03978e-40d5-43dd-bc93-6894a57f9324",
		`"a \"b\" \\"`:                           `a "b" \`,
		` "a" `:                                  "a",
	} {
		if key, err := keyOf(header); err != nil || key != want {
			t.Errorf("%q: %q, %v", header, key, err)
		}
	}
	for _, bad := range []string{`"`, `""`, `"a`, `"a\`, `"a\b"`, `"a"b`, `"a", "b"`, "a,b", "a b", "a;b", "é", "\x00", `"` + "\n" + `"`, strings.Repeat("a", maxKey+1)} {
		if key, err := keyOf(bad); err == nil {
			t.Errorf("%q gives %q", bad, key)
		}
	}
}

// FuzzKeyOf: what is read as a key is one, and reads the same when it is
// written as the draft has it.
func FuzzKeyOf(f *testing.F) {
	f.Add(`"a \"b\" \\"`)
	f.Add("8e03978e-40d5-43dd-bc93-6894a57f9324")
	f.Fuzz(func(t *testing.T, header string) {
		key, err := keyOf(header)
		if err != nil || key == "" {
			return
		}
		if len(key) > maxKey || strings.ContainsFunc(key, func(r rune) bool { return r < ' ' || r >= 0x7f }) {
			t.Fatalf("%q: %q", header, key)
		}
		quoted := `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(key) + `"`
		if again, err := keyOf(quoted); err != nil || again != key {
			t.Errorf("%q: %q, written %s: %q, %v", header, key, quoted, again, err)
		}
	})
}

// FuzzSegments: what a path gives can't lead a flow elsewhere, and says what was
// sent.
func FuzzSegments(f *testing.F) {
	for _, seed := range []string{"/a/b", "/%2e%2e/%2F..", "/a%00", "/%c0%ae", "//a//", "/..%5c", "/\xff", "/%E2%82%AC"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, path string) {
		parts, err := segments(path)
		if err != nil {
			return
		}
		for _, part := range parts {
			if !utf8.ValidString(part) || strings.ContainsFunc(part, func(r rune) bool { return r < ' ' || r == 0x7f }) {
				t.Fatalf("%q: %q", path, part)
			}
			for inner := range strings.SplitSeq(strings.ReplaceAll(part, `\`, "/"), "/") {
				if inner == "." || inner == ".." {
					t.Fatalf("%q: %q", path, part)
				}
			}
		}
		sent := strings.Trim(path, "/")
		for i, part := range strings.Split(sent, "/") {
			if sent == "" {
				break
			}
			if decoded, err := url.PathUnescape(part); err != nil || decoded != parts[i] {
				t.Fatalf("%q: segment %q is %q", path, part, parts[i])
			}
		}
	})
}

// TestCacheBound: the cache holds what was used last, and no more than it may.
func TestCacheBound(t *testing.T) {
	c, now := newCache(), time.Now()
	add := func(key string, size int) {
		c.put(&entry{key: key, made: now, ends: now.Add(time.Minute), reply: reply{body: make([]byte, size)}})
	}
	add("too large", cacheAnswer)
	if _, ok := c.get("too large", now); ok || c.size != 0 {
		t.Errorf("an answer of %d bytes is kept", cacheAnswer)
	}
	for n := range 100 {
		add(string(rune('a'+n)), cacheAnswer-2*cacheCost)
		if _, ok := c.get("a", now); !ok {
			t.Fatalf("what is used all the time is gone after %d others", n)
		}
	}
	if c.size > cacheSize || len(c.entries) != c.used.Len() || len(c.entries) < 60 {
		t.Errorf("%d bytes in %d entries, %d in order", c.size, len(c.entries), c.used.Len())
	}
	if _, ok := c.get("b", now); ok {
		t.Error("what was used least is there")
	}
	add("a", 1)
	for key := range c.entries {
		if key != "a" {
			if _, ok := c.get(key, now.Add(time.Minute)); ok {
				t.Fatalf("%s stands after its time", key)
			}
		}
	}
	if len(c.entries) != 1 || c.size != cacheCost+2 {
		t.Errorf("%d entries of %d bytes are left", len(c.entries), c.size)
	}
}
