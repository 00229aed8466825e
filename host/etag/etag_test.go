package etag

import "testing"

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
