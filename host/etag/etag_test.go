package etag

import (
	"strings"
	"testing"
)

func TestMatch(t *testing.T) {
	tag := Of("text/plain", []byte("a"))
	if tag != Of("text/plain", []byte("a")) || tag == Of("text/html", []byte("a")) || tag == Of("text/plain", []byte("b")) {
		t.Errorf("%s is not of its content", tag)
	}
	for header, want := range map[string]bool{
		"": false, tag: true, "W/" + tag: true, `"x", W/` + tag + ` ,"y"`: true, " * ": true,
		`"x"`: false, `"*"`: false, tag[1 : len(tag)-1]: false,
	} {
		if Match(header, tag) != want || Match(header, "W/"+tag) != want {
			t.Errorf("%s names %s: %v, want %v", header, tag, !want, want)
		}
	}
}

// FuzzMatch: a header names a tag if it has it in its list, whatever else is
// there, and never if it does not hold it.
func FuzzMatch(f *testing.F) {
	for _, seed := range []string{"", "*", `"x"`, `W/"x", "y"`, `"a,b"`, `W/`, `,,`, `"`, "W/W/\"x\""} {
		f.Add(seed, []byte("body"))
	}
	f.Fuzz(func(t *testing.T, header string, body []byte) {
		tag := Of("text/plain", body)
		if strings.ContainsAny(tag[1:len(tag)-1], "\", *") || len(tag) != 22 {
			t.Fatalf("the tag %s", tag)
		}
		if Match(header, tag) && strings.TrimSpace(header) != "*" && !strings.Contains(header, tag) {
			t.Errorf("%q names %s", header, tag)
		}
		for _, with := range []string{header + "," + tag, tag + " ," + header, header + ", W/" + tag + "\t"} {
			if !Match(with, tag) || !Match(with, "W/"+tag) {
				t.Errorf("%q does not name %s", with, tag)
			}
		}
	})
}
