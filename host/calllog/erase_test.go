package calllog

import (
	"strings"
	"testing"
)

// TestErase: of the calls that concern somebody nothing is left but that they
// were; ids of the others stay, and nothing lives longer for it.
func TestErase(t *testing.T) {
	l, s := open(t, nil)
	for _, c := range []Call{
		{Direction: Out, Kind: KindConnector, Endpoint: "https://a.example/secret-word", Contact: "wa/p:1", Status: 200},
		{Direction: Out, Kind: KindConnector, Endpoint: "https://b.example/other-word", Contact: "wa/p:2", Run: "r2", Status: 500},
		{Direction: In, Kind: KindWebhook, Endpoint: "/hooks/shop", Run: "r1", Status: 200},
	} {
		l.Add(&Seen{Call: c, Asked: Half{Headers: []byte("X-A: secret-word\r\n"), Body: []byte("secret-word"), Bytes: 11}})
	}
	other, _, err := l.Search(t.Context(), Filter{Run: "r2"}, 1)
	if err != nil || len(other) != 1 {
		t.Fatalf("%+v, %v", other, err)
	}
	mine := func(contact, run string) bool { return contact == "wa/p:1" || run == "r1" }
	for _, dry := range []bool{true, false} {
		if n, err := l.Erase(t.Context(), mine, dry); n != 2 || err != nil {
			t.Fatalf("dry %v: %d, %v; want 2", dry, n, err)
		}
	}
	if n, err := l.Erase(t.Context(), mine, false); n != 0 || err != nil {
		t.Errorf("again: %d, %v", n, err)
	}
	if got := search(t, l, Filter{}); got != "erased https://b.example/other-word erased" {
		t.Errorf("left: %s", got)
	}
	for _, f := range []Filter{{Contact: "wa/p:1"}, {Run: "r1"}, {Endpoint: "a.example"}} {
		if got := search(t, l, f); got != "" {
			t.Errorf("%+v finds %s", f, got)
		}
	}
	if c, err := l.Load(t.Context(), other[0].ID); err != nil || c.Contact != "wa/p:2" {
		t.Errorf("the other call: %+v, %v", c, err)
	}
	l.Add(&Seen{Call: Call{Direction: In, Endpoint: "/later", Status: 200}})
	if got := search(t, l, Filter{Endpoint: "/later"}); got != "/later" {
		t.Errorf("after that: %q", got)
	}
	pages, err := s.List(t.Context(), KindPage, "", 100, false)
	if err != nil || len(pages) != 2 {
		t.Fatalf("%d pages, %v", len(pages), err)
	}
	if text := string(pages[0].Value); strings.Count(text, "secret-word") != 2 { // of the other's call
		t.Errorf("the page is %s", text)
	}
	var none *Log
	if n, err := none.Erase(t.Context(), mine, false); n != 0 || err != nil {
		t.Errorf("of no log: %d, %v", n, err)
	}
}
