package channel

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/grant"
	"github.com/trama-run/trama/pdk/abi"
)

// TestLacks: a channel that works in part is told of what it could do, and what
// that needs.
func TestLacks(t *testing.T) {
	var m abi.Manifest
	m.Capabilities.Secrets = []abi.SecretRequest{
		{Name: "verify", Optional: true, Origins: []string{abi.EgressConnection}, Reason: "for connect"},
		{Name: "token", Optional: true, Origins: []string{"https://media.example.com"}, Reason: "for media"},
		{Name: "must", Origins: []string{"https://other.example.com"}, Reason: "for all"},
	}
	named := catalog.SecretList{"own"}
	const verify, token, reach = "without the secret verify, for connect", "without the secret token, for media", "token is for https://media.example.com, which plugin wa can't reach"
	for _, test := range []struct {
		secrets map[string]catalog.SecretList
		egress  []string
		want    []string
	}{
		{nil, []string{"connection"}, []string{verify, token, reach}},
		{map[string]catalog.SecretList{"token": named}, []string{"connection"}, []string{verify, reach}},
		{map[string]catalog.SecretList{"verify": named}, []string{"https://*.example.com"}, []string{token}},
		{map[string]catalog.SecretList{"verify": named, "token": named}, []string{"connection", "https://media.example.com"}, nil},
	} {
		notes := lacks(catalog.Channel{ID: "wa", Adapter: "wa", Secrets: test.secrets}, m, test.egress)
		right := len(notes) == len(test.want)
		for n := range min(len(notes), len(test.want)) {
			right = right && strings.Contains(notes[n], test.want[n])
		}
		if !right {
			t.Errorf("%v, %q: %q, want %q", test.secrets, test.egress, notes, test.want)
		}
	}
}

// TestSentAgain: a channel whose requests can be sent again by others says so.
func TestSentAgain(t *testing.T) {
	for _, c := range []struct{ config, says string }{
		{`signature: github, id: "header:X-GitHub-Delivery"`, "with another X-GitHub-Delivery"},
		{`signature: github`, "as it was"},
		{`signature: github, id: body`, ""},
		{`signature: github, id: "json:/id"`, ""},
		{`signature: {preset: github, signed: "{header:X-Id}.{body}"}, id: "header:x-id"`, ""},
		{`signature: {preset: github, signed: "{header:X-Id}.{body}"}`, "as it was"},
		{`signature: slack`, ""},
		{`signature: standard`, ""},
		{`token: "header:X-Token"`, ""},
	} {
		h := newHooks(t, `[{id: x, adapter: webhook, config: {event: x, `+c.config+`}, secrets: {secret: a}}]`)
		k := &checking{Channels: h.Channels, id: "x"}
		k.config.Plugins = noPlugins{}
		if _, _, ok := k.setUp(); !ok {
			t.Fatalf("%s: %+v", c.config, k.list)
		}
		says := k.list[0].Detail
		if c.says == "" && says != "adapter webhook" || c.says != "" && (!strings.Contains(says, c.says) || !strings.Contains(says, "write id: body")) {
			t.Errorf("%s: %q, want %q", c.config, says, c.says)
		}
	}
}

// noPlugins are none.
type noPlugins struct{ Plugins }

func (noPlugins) Grant(string) grant.Grant { return grant.Grant{} }

// TestLevelOf: what an adapter logs has the level that it says.
func TestLevelOf(t *testing.T) {
	for level, want := range map[string]slog.Level{
		"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError, "trace": slog.LevelInfo,
	} {
		if got := levelOf(level); got != want {
			t.Errorf("%s is logged as %s, want %s", level, got, want)
		}
	}
}
