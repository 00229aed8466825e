package channel

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/grant"
	"github.com/trama-run/trama/host/plugin"
	"github.com/trama-run/trama/host/problem"
	"github.com/trama-run/trama/host/secret"
	"github.com/trama-run/trama/host/store/memory"
	"github.com/trama-run/trama/pdk/abi"
)

// bots is an adapter whose webhooks hold a token; it notes the calls that are
// made of it.
type bots struct {
	granted []string
	noting  sync.Mutex // requests are read several at once
	calls   []plugin.Call
}

func (b *bots) Call(_ context.Context, c plugin.Call) (json.RawMessage, plugin.Usage, *abi.Error) {
	b.noting.Lock()
	defer b.noting.Unlock()
	b.calls = append(b.calls, c)
	return json.RawMessage(`{"units": []}`), plugin.Usage{}, nil
}

func (b *bots) Manifest(string) (abi.Manifest, bool) {
	return abi.Manifest{
		Kind:         abi.KindChannel,
		Webhook:      &abi.Webhook{Token: &abi.WebhookToken{Header: "X-Bot-Token", Secret: "hook"}},
		Capabilities: abi.Capabilities{Secrets: []abi.SecretRequest{{Name: "bot_token", Places: []string{"path"}}, {Name: "extra", Optional: true}}},
	}, true
}

func (b *bots) Grant(string) grant.Grant {
	return grant.Grant{Secrets: b.granted, Limits: grant.Limits{Input: 1 << 20}}
}
func (b *bots) Ready(string) *abi.Error { return nil }
func (b *bots) Has(string, string) bool { return false }

// attempts counts what a guard is told.
type attempts struct{ failed, passed int }

func (a *attempts) Shut(netip.Addr, string) time.Duration { return 0 }
func (a *attempts) Failed(netip.Addr)                     { a.failed++ }
func (a *attempts) Passed(netip.Addr, string)             { a.passed++ }

// TestTokens: each channel of an adapter has its own token, several while it is
// rotated, and what was proved is kept without it.
func TestTokens(t *testing.T) {
	adapter := &bots{granted: []string{"a", "b", "c"}}
	guard := &attempts{}
	db := memory.Open(memory.NewDisk(), nil)
	objects, err := catalog.Open(t.Context(), db, func(*catalog.Snapshot) {})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := objects.Apply(t.Context(), catalog.Set{Channels: []catalog.Channel{
		{ID: "sales", Adapter: "bot", Secrets: map[string]catalog.SecretList{"hook": {"a", "b"}, "bot_token": {"a"}}},
		{ID: "help", Adapter: "bot", Secrets: map[string]catalog.SecretList{"hook": {"c"}, "bot_token": {"c"}}},
		{ID: "bare", Adapter: "bot", Secrets: map[string]catalog.SecretList{"hook": {"c"}}},
		{ID: "lost", Adapter: "bot", Secrets: map[string]catalog.SecretList{"hook": {"c"}, "bot_token": {"d"}}},
	}}, true); err != nil {
		t.Fatal(err)
	}
	c := New(Config{
		Store: db, Catalog: func() *catalog.Catalog { return objects }, Plugins: adapter, Guard: guard,
		Secrets: secret.New([]string{"TRAMA_SECRET_A=key a", "TRAMA_SECRET_B=key b", "TRAMA_SECRET_C=key c"}, ""),
		Poke:    func() {}, Log: slog.New(slog.DiscardHandler),
	})
	for _, test := range []struct {
		channel string
		headers []string
		want    string // the code of the refusal
	}{
		{"sales", []string{"X-Bot-Token", "key a"}, ""},
		{"sales", []string{"X-Bot-Token", "key b"}, ""},
		{"help", []string{"x-bot-token", "key c"}, ""},
		{"help", []string{"X-Bot-Token", "key a"}, "token"},
		{"sales", []string{"X-Bot-Token", "key "}, "token"},
		{"sales", []string{"X-Bot-Token", ""}, "token"},
		{"sales", nil, "token"},
		{"sales", []string{"X-Bot-Token", "key a", "X-Bot-Token", "key a"}, "duplicate_header"},
	} {
		before := *guard
		q := asks(test.channel, "{}", test.headers...)
		_, err := c.Hook(t.Context(), q)
		refused, is := errors.AsType[*problem.Details](err)
		if is != (test.want != "") || is && refused.Code != test.want || err != nil && !is {
			t.Errorf("%s %q: %v", test.channel, test.headers, err)
		}
		if failed := guard.failed > before.failed; failed != (test.want == "token") || (guard.passed > before.passed) != (test.want == "") {
			t.Errorf("%s %q: the guard was told %+v after %+v", test.channel, test.headers, *guard, before)
		}
	}
	adapter.granted = []string{"a"}
	if held := c.Held("help"); held == nil || held.Code != abi.CodeDenied || !strings.Contains(held.Message, `"c"`) {
		t.Errorf("a secret that no grant names: %v", held)
	}
	adapter.granted = []string{"a", "b", "c"}
	for id, want := range map[string]string{"sales": "", "help": "", "bare": `needs the secret "bot_token"`, "lost": `does not name the secret "d"`} {
		if held := c.Held(id); (held == nil) != (want == "") || held != nil && !strings.Contains(held.Message, want) {
			t.Errorf("%s is held: %v", id, held)
		}
	}
	for _, id := range []string{"sales", "help"} {
		items, err := db.Read(t.Context(), intakeKey(id), 0, 10)
		if err != nil || len(items) == 0 {
			t.Fatalf("%s has %d requests: %v", id, len(items), err)
		}
		for _, item := range items {
			if strings.Contains(string(item.Value), "key ") {
				t.Errorf("a token was kept: %s", item.Value)
			}
		}
		if _, err := c.Intake(t.Context(), intakeKey(id)); err != nil {
			t.Fatal(err)
		}
	}
	named := map[string]int{}
	for _, call := range adapter.calls {
		named[call.Secrets["bot_token"]]++
	}
	if named["a"] == 0 || named["c"] == 0 || len(named) != 2 {
		t.Errorf("the calls name the tokens %v", named)
	}
}
