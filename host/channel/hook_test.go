package channel

import (
	"fmt"
	"strings"
	"testing"
)

func TestMark(t *testing.T) {
	q := Request{Headers: map[string]string{"x-id": "42", "x-long": strings.Repeat("a", 5000)}, Body: []byte("body")}
	for _, c := range []struct{ where, want string }{
		{"header:X-Id", "delivery/wa/42"},
		{"header:X-Absent", ""}, // no id, no dedup
		{"", ""},
		{"body_sha256", "delivery/wa/230d8358dc8e8890b4c58deeb62912ee2f20357ae92a5cc861b98e68fe31acb5"},
	} {
		if got := mark("wa", c.where, q); got != c.want {
			t.Errorf("%q gives %q, want %q", c.where, got, c.want)
		}
	}
	long := mark("wa", "header:X-Long", q)
	other := mark("wa", "header:X-Long", Request{Headers: map[string]string{"x-long": strings.Repeat("b", 5000)}})
	if len(long) > 128 || long == other {
		t.Errorf("long ids give %q and %q, want two short marks", long, other)
	}
}

func TestMessageIDs(t *testing.T) {
	for _, id := range []string{"wamid.1", "a\x00b", strings.Repeat("x", 5000)} {
		key := messageID("wa", id).Key
		if strings.ContainsRune(key, 0) || len(key) > 200 || key == messageID("wa", id+"!").Key {
			t.Errorf("the id %.20q gives the key %q", id, key)
		}
	}
}

// TestBodyIsReadOnce: however often its values are asked for.
func TestBodyIsReadOnce(t *testing.T) {
	q := Request{Body: []byte(`{"b": 2}`), json: &document{}}
	before, err := q.parsed()
	copy(q.Body, "not JSON")
	if after, _ := q.parsed(); err != nil || fmt.Sprint(before) != "map[b:2]" || fmt.Sprint(after) != "map[b:2]" {
		t.Errorf("read %v (%v), then %v", before, err, after)
	}
}
