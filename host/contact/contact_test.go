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
	hear := func(from Key, at time.Time) { c.Hear(from, at, at) }
	hear("wa/whatsapp:56", time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	hear("wa/whatsapp:55", time.Date(2026, 3, 1, 9, 0, 0, 1e6, time.FixedZone("", -3*3600)))
	hear("wa/whatsapp:56", time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC))
	if got := c.Scope()[FieldHeardAt]; got != "2026-03-01T12:00:00.001Z" {
		t.Errorf("heard at %v", got)
	}
	if got := c.ScopeAt("wa/whatsapp:56")[FieldHeardAt]; got != "2026-03-02T12:00:00Z" {
		t.Errorf("heard from the other number at %v", got)
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

// TestHearLate: the window counts from when a message was written, the silence
// of a contact from when one came.
func TestHearLate(t *testing.T) {
	var c Contact
	now := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	c.Hear("wa/p:1", now.Add(-30*time.Hour), now)
	if !c.Heard["wa/p:1"].Equal(now.Add(-30*time.Hour)) || !c.LastSeen.Equal(now) {
		t.Errorf("heard %v, last seen %v", c.Heard, c.LastSeen)
	}
	if c.Hear("wa/p:1", now.Add(time.Hour), now); !c.Heard["wa/p:1"].Equal(now) {
		t.Errorf("heard in the future: %v", c.Heard)
	}
}

// TestChannelsWord: a channel may say that an address is out, and takes back
// that alone.
func TestChannelsWord(t *testing.T) {
	for _, test := range []struct {
		name string
		said [][2]string // state, by
		want string
	}{
		{"its own", [][2]string{{"out", ByChannel}, {"in", ByChannel}}, "in"},
		{"an operator's", [][2]string{{"out", "operator"}, {"in", ByChannel}}, "out"},
		{"a flow's, said again", [][2]string{{"out", "flow stop"}, {"out", ByChannel}, {"in", ByChannel}}, "out"},
		{"over an operator's in", [][2]string{{"in", "operator"}, {"out", ByChannel}}, "out"},
		{"by an operator", [][2]string{{"out", "operator"}, {"in", ByChannel}, {"in", "operator"}}, "in"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var c Contact
			for _, one := range test.said {
				c.SetOpt("wa/p:1", one[0], one[1], time.Time{})
			}
			if got := c.OptOf("wa/p:1"); got != test.want {
				t.Errorf("it is %s, want %s", got, test.want)
			}
		})
	}
}
