package contact

import (
	"maps"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/trama-run/trama/pdk/abi"
)

func TestKeyRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		channel := rapid.StringMatching(`[a-z][a-z0-9_-]{0,10}`).Draw(t, "channel")
		want := abi.Address{
			Scheme: rapid.StringMatching(`[a-z]{1,10}`).Draw(t, "scheme"),
			Path:   rapid.String().Draw(t, "path"), // a service's id may hold any character
		}
		gotChannel, got, err := KeyOf(channel, want).Split()
		if err != nil || gotChannel != channel || got != want {
			t.Fatalf("got %q %v %v, want %q %v", gotChannel, got, err, channel, want)
		}
	})
	for _, bad := range []Key{"", "wa", "wa/whatsapp", "whatsapp:1"} {
		if _, _, err := bad.Split(); err == nil {
			t.Errorf("Split(%q) succeeded", bad)
		}
	}
}

func TestScopeKeepsOwnFields(t *testing.T) {
	c := Contact{Channel: "wa", Address: abi.Address{Scheme: "whatsapp", Path: "55"}, Name: "Ana", Vars: map[string]any{"age": int64(3)}}
	scope := c.Scope()
	if scope[FieldChannel] != "wa" || scope[FieldAddress] != "55" || scope[FieldProfileName] != "Ana" || scope["age"] != int64(3) {
		t.Errorf("scope: %v", scope)
	}
	if at, known := scope[FieldHeardAt]; at != nil || !known {
		t.Errorf("of a contact that never wrote: %v, %v", at, known)
	}
	c.Hear("tg", time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	c.Hear("wa", time.Date(2026, 3, 1, 9, 0, 0, 1e6, time.FixedZone("", -3*3600)))
	c.Hear("tg", time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC))
	if got := c.Scope()[FieldHeardAt]; got != "2026-03-01T12:00:00.001Z" {
		t.Errorf("heard at %v", got)
	}
	if got := c.ScopeAt("tg/p:1")[FieldHeardAt]; got != "2026-03-02T12:00:00Z" {
		t.Errorf("heard on the other channel at %v", got)
	}
	scope["age"], scope["city"], scope[FieldAddress] = int64(4), "Recife", "forged"
	c.SetScope(scope)
	if want := map[string]any{"age": int64(4), "city": "Recife"}; !maps.Equal(c.Vars, want) {
		t.Errorf("vars %v, want %v", c.Vars, want)
	}
	if c.Address.Path != "55" {
		t.Error("a flow changed the contact's address")
	}
}
