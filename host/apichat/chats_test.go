package apichat_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/trama-run/trama/host/apichat"
	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/egress"
	"github.com/trama-run/trama/host/outbox"
	"github.com/trama-run/trama/host/problem"
	"github.com/trama-run/trama/host/secret"
	"github.com/trama-run/trama/host/signature"
	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/host/store/memory"
	"github.com/trama-run/trama/pdk/abi"
)

const signing = "what messages are signed with"

// system is one with a chat of its own, on loopback.
type system struct {
	*httptest.Server
	mu       sync.Mutex
	answer   func(w http.ResponseWriter, q *http.Request, body string) // nil: it does all right
	got      []http.Header
	messages []string
}

func newSystem(t *testing.T) *system {
	s := &system{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, err := io.ReadAll(q.Body)
		if err != nil {
			t.Error(err)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.answer != nil {
			s.answer(w, q, string(body))
			return
		}
		s.right(t, w, q, string(body))
	}))
	t.Cleanup(s.Close)
	return s
}

// right answers a challenge, in any of its forms, and takes messages.
func (s *system) right(t *testing.T, w http.ResponseWriter, q *http.Request, body string) {
	fields := q.URL.Query()
	switch q.Header.Get("Content-Type") {
	case "application/x-www-form-urlencoded":
		var err error
		if fields, err = url.ParseQuery(body); err != nil {
			t.Error(err)
		}
	case "application/json":
		var f map[string]string
		if err := json.Unmarshal([]byte(body), &f); err != nil {
			t.Error(err)
		}
		for name, value := range f {
			fields.Set(name, value)
		}
	}
	if fields.Get("hub_mode") == "subscribe" {
		if fields.Get("hub_verify_token") != "the verify key" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		fmt.Fprintln(w, fields.Get("hub_challenge"))
		return
	}
	s.got, s.messages = append(s.got, q.Header), append(s.messages, body)
}

func (s *system) answers(f func(w http.ResponseWriter, q *http.Request, body string)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = f
}

func newChats(t *testing.T) *apichat.Chats {
	t.Helper()
	secrets := secret.New([]string{"TRAMA_SECRET_SIGN=" + signing, "TRAMA_SECRET_OLD=an older one"}, "")
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	vault, err := secret.OpenVault(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return apichat.New(apichat.Config{
		Store: memory.Open(memory.NewDisk(), nil), Secrets: secrets, Vault: vault,
		Egress: egress.New(egress.Config{Secrets: secrets, Log: log}),
	})
}

// channel is one whose system may be on loopback.
func channel(config map[string]any) catalog.Channel {
	full := map[string]any{"allow_http": true, "allow_private": true}
	for name, value := range config {
		full[name] = value
	}
	return catalog.Channel{ID: "chat", Adapter: catalog.AdapterAPIChat, Config: full, Secrets: map[string]catalog.SecretList{
		catalog.SecretAPIKey: {"api"}, catalog.SecretWebhook: {"sign"},
	}}
}

func order(action, address string) apichat.Order {
	return apichat.Order{Action: action, Workspace: "7", Email: "ops@example.com", URL: address, Key: "the verify key"}
}

func manage(t *testing.T, c *apichat.Chats, ch catalog.Channel, o apichat.Order) apichat.Answer {
	t.Helper()
	a, err := c.Manage(t.Context(), ch, o, "https://bots.example.com/hooks/chat")
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// TestManage: a webhook is set once it is proved, told, removed; the address for
// users' messages stays until it is given another code.
func TestManage(t *testing.T) {
	for _, encoding := range []string{"form", "json", "query"} {
		t.Run(encoding, func(t *testing.T) {
			s, c, ch := newSystem(t), newChats(t), channel(map[string]any{"challenge": encoding, "workspace": 7, "email": "Ops@example.com"})
			first := manage(t, c, ch, order(apichat.ActionGet, ""))
			if first.Data.Status != "none" || first.Status != "ok" || first.Data.BotURL != "https://bots.example.com/hooks/chat/bot/"+first.Code || len(first.Code) < 32 {
				t.Errorf("at first: %+v", first)
			}
			if held := c.Held(t.Context(), "chat"); held == nil || held.Code != abi.CodeUnavailable || !strings.Contains(held.Message, "set-webhook") {
				t.Errorf("held: %v", held)
			}
			set := manage(t, c, ch, order(apichat.ActionSet, s.URL+"/in?a=1"))
			if set.Data.Status != "verified" || set.Data.URL != s.URL+"/in?a=1" || set.Data.Key != "the verify key" || set.Code != first.Code {
				t.Errorf("set: %+v", set)
			}
			if got := manage(t, c, ch, order(apichat.ActionGet, "")); got != set {
				t.Errorf("got %+v, want %+v", got, set)
			}
			if held := c.Held(t.Context(), "chat"); held != nil {
				t.Errorf("held: %v", held)
			}
			turned := manage(t, c, ch, order(apichat.ActionRotate, ""))
			for code, want := range map[string]bool{first.Code: false, turned.Code: true, "": false} {
				if known, err := c.Knows(t.Context(), "chat", code); err != nil || known != want {
					t.Errorf("the code %q is known: %v, %v", code, known, err)
				}
			}
			if gone := manage(t, c, ch, order(apichat.ActionDelete, "")); gone.Data.Status != "none" || gone.Data.URL != "" || gone.Code != turned.Code {
				t.Errorf("removed: %+v", gone)
			}
			if held := c.Held(t.Context(), "chat"); held == nil || !strings.Contains(held.Message, "removed") {
				t.Errorf("held: %v", held)
			}
		})
	}
}

// TestNotProved: a webhook that does not prove to be the system's is not set, and
// the one before stays.
func TestNotProved(t *testing.T) {
	for name, c := range map[string]struct {
		answer func(w http.ResponseWriter, q *http.Request, body string)
		config map[string]any
		change func(*apichat.Order)
		code   string
	}{
		"another text": {answer: func(w http.ResponseWriter, _ *http.Request, _ string) { fmt.Fprint(w, "ok") }, code: "webhook_unverified"},
		"a refusal":    {answer: func(w http.ResponseWriter, _ *http.Request, _ string) { w.WriteHeader(403) }, code: "webhook_unverified"},
		"a redirect": {answer: func(w http.ResponseWriter, q *http.Request, _ string) {
			http.Redirect(w, q, "/elsewhere", http.StatusTemporaryRedirect)
		}, code: "webhook_unverified"},
		"all it was sent": {answer: func(w http.ResponseWriter, _ *http.Request, body string) { fmt.Fprint(w, body) }, code: "webhook_unverified"},
		"a flood": {answer: func(w http.ResponseWriter, _ *http.Request, _ string) {
			for range 2000 {
				if _, err := w.Write(make([]byte, 4096)); err != nil {
					return
				}
			}
		}, code: "webhook_unverified"},
		"another key":       {change: func(o *apichat.Order) { o.Key = "wrong" }, code: "webhook_unverified"},
		"no key":            {change: func(o *apichat.Order) { o.Key = "" }, code: "webhook_verification_key"},
		"not encrypted":     {config: map[string]any{"allow_http": false}, code: "webhook_url"},
		"a private address": {config: map[string]any{"allow_private": false}, code: "webhook_unverified"},
		"no address":        {change: func(o *apichat.Order) { o.URL = "" }, code: "webhook_url"},
		"a file":            {change: func(o *apichat.Order) { o.URL = "file:///etc/passwd" }, code: "webhook_url"},
		"credentials":       {change: func(o *apichat.Order) { o.URL = strings.Replace(o.URL, "//", "//user:pass@", 1) }, code: "webhook_url"},
		"a long address":    {change: func(o *apichat.Order) { o.URL += "/" + strings.Repeat("a", 3000) }, code: "webhook_url"},
		"metadata":          {change: func(o *apichat.Order) { o.URL = "http://169.254.169.254/latest" }, code: "webhook_unverified"},
		"another workspace": {config: map[string]any{"workspace": "8"}, code: "workspace"},
		"another e-mail":    {config: map[string]any{"email": "b@example.com"}, code: "workspace"},
		"no such action":    {change: func(o *apichat.Order) { o.Action = "burn" }, code: "action"},
	} {
		t.Run(name, func(t *testing.T) {
			s, chats := newSystem(t), newChats(t)
			before := manage(t, chats, channel(nil), order(apichat.ActionSet, s.URL+"/before"))
			s.answers(c.answer)
			o := order(apichat.ActionSet, s.URL+"/after")
			if c.change != nil {
				c.change(&o)
			}
			_, err := chats.Manage(t.Context(), channel(c.config), o, "https://bots.example.com/hooks/chat")
			d, ok := errors.AsType[*problem.Details](err)
			if !ok || d.Code != c.code {
				t.Fatalf("got %v, want %s", err, c.code)
			}
			if strings.Contains(d.Error(), o.Key) && o.Key != "" {
				t.Errorf("the problem shows the key: %v", d)
			}
			if after := manage(t, chats, channel(nil), order(apichat.ActionGet, "")); after != before {
				t.Errorf("the webhook is %+v, was %+v", after, before)
			}
		})
	}
}

func message(text string) outbox.Message {
	return outbox.Message{Head: outbox.Head{EffectID: "e1", At: at}, Message: abi.Message{Type: abi.MessageText, Text: text}}
}

var ana = abi.Address{Scheme: apichat.Scheme, Path: "42"}

// TestSend: what a system gets is signed as its settings say, which it can check.
func TestSend(t *testing.T) {
	for name, scheme := range map[string]any{
		"default":    nil,
		"github":     "github",
		"stripe":     "stripe",
		"of its own": map[string]any{"header": "X-Chat-Signature", "algorithm": "sha512", "encoding": "base64", "timestamp": "header:X-Chat-Time", "signed": "{timestamp}.{body}"},
	} {
		t.Run(name, func(t *testing.T) {
			config := map[string]any{}
			if scheme != nil {
				config["signature"] = scheme
			}
			s, c, ch := newSystem(t), newChats(t), channel(config)
			manage(t, c, ch, order(apichat.ActionSet, s.URL))
			sent, failure := c.Send(t.Context(), ch, ana, message("Oi"))
			if failure != nil || sent.MessageID != "e1" {
				t.Fatalf("%+v, %v", sent, failure)
			}
			if len(s.messages) != 1 || !strings.Contains(s.messages[0], `"content":"Oi"`) || s.got[0].Get("Webhook-Id") != "e1" {
				t.Fatalf("got %q, %v", s.messages, s.got)
			}
			settings, problems := ch.APIChat()
			if problems != nil {
				t.Fatal(problems)
			}
			method, err := signature.New(settings.Signature.Scheme)
			if err != nil {
				t.Fatal(err)
			}
			key, err := method.Key(signing)
			if err != nil {
				t.Fatal(err)
			}
			headers := map[string]string{}
			for name := range s.got[0] {
				headers[strings.ToLower(name)] = s.got[0].Get(name)
			}
			now := nowOf(t, s.got[0])
			if _, err := method.Verify(signature.Request{Headers: headers, Body: []byte(s.messages[0])}, now, key); err != nil {
				t.Error(err)
			}
			if _, err := method.Verify(signature.Request{Headers: headers, Body: []byte(s.messages[0] + " ")}, now, key); err == nil {
				t.Error("another body passes")
			}
		})
	}
}

// TestSealed: what is kept of a system tells nothing, and is set anew under
// another vault.
func TestSealed(t *testing.T) {
	s, kept := newSystem(t), memory.Open(memory.NewDisk(), nil)
	chats := func() *apichat.Chats {
		vault, err := secret.OpenVault(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		secrets := secret.New(nil, "")
		return apichat.New(apichat.Config{Store: kept, Secrets: secrets, Vault: vault, Egress: egress.New(egress.Config{Secrets: secrets, Log: slog.New(slog.DiscardHandler)})})
	}
	first := chats()
	set := manage(t, first, channel(nil), order(apichat.ActionSet, s.URL))
	record, err := kept.Load(t.Context(), store.ID{Kind: apichat.KindWebhook, Key: "chat"})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{set.Code, "the verify key", s.URL} {
		if strings.Contains(string(record.Value), text) {
			t.Errorf("the store shows %q", text)
		}
	}
	if err := first.Check(t.Context(), channel(nil)); err != nil {
		t.Error(err)
	}
	s.answers(func(w http.ResponseWriter, _ *http.Request, _ string) { w.WriteHeader(500) })
	if err := first.Check(t.Context(), channel(nil)); err == nil || !strings.Contains(err.Error(), "500") {
		t.Errorf("a webhook in trouble: %v", err)
	}
	s.answers(nil)
	other := chats()
	if held := other.Held(t.Context(), "chat"); held == nil || !strings.Contains(held.Message, "vault") || !strings.Contains(held.Message, "set-webhook") {
		t.Errorf("held: %v", held)
	}
	if anew := manage(t, other, channel(nil), order(apichat.ActionSet, s.URL)); anew.Data.Status != "verified" || anew.Code == set.Code {
		t.Errorf("set anew: %+v", anew)
	}
}

// TestSendLong: a text of any length that a flow may have is sent.
func TestSendLong(t *testing.T) {
	s, c, ch := newSystem(t), newChats(t), channel(nil)
	manage(t, c, ch, order(apichat.ActionSet, s.URL))
	if _, failure := c.Send(t.Context(), ch, ana, message(strings.Repeat("palavra ação ", 20_000))); failure != nil {
		t.Fatal(failure)
	}
	if len(s.messages) != 1 || len(s.messages[0]) < 300_000 {
		t.Errorf("%d messages", len(s.messages))
	}
}

// TestFetchNear: that the webhook may be on this machine lets no file be there.
func TestFetchNear(t *testing.T) {
	s, c := newSystem(t), newChats(t)
	s.answers(func(http.ResponseWriter, *http.Request, string) { panic(http.ErrAbortHandler) })
	m := abi.Media{Kind: "image", URL: s.URL}
	var into struct{ egress.Blobs } // none is made
	_, failure := c.Fetch(t.Context(), channel(nil), m, into)
	if failure == nil || failure.Code != abi.CodeDenied || !strings.Contains(failure.Message, "allow_private_files") {
		t.Errorf("got %v", failure)
	}
	if _, failure := c.Fetch(t.Context(), channel(map[string]any{"allow_private_files": true}), m, into); failure == nil || failure.Code != abi.CodeUnreachable {
		t.Errorf("where it is allowed: %v", failure)
	}
}

// TestSendFails: what becomes of a message that a system doesn't take.
func TestSendFails(t *testing.T) {
	status := func(code int, headers ...string) func(w http.ResponseWriter, q *http.Request, body string) {
		return func(w http.ResponseWriter, _ *http.Request, _ string) {
			for i := 0; i < len(headers); i += 2 {
				w.Header().Set(headers[i], headers[i+1])
			}
			w.WriteHeader(code)
			fmt.Fprint(w, signing) // as a debugger page would
		}
	}
	for name, c := range map[string]struct {
		answer func(w http.ResponseWriter, q *http.Request, body string)
		code   string
		again  bool
		after  int64
	}{
		"busy":       {status(429, "Retry-After", "7"), "status_429", true, 7000},
		"trouble":    {status(503), "status_503", true, 0},
		"a refusal":  {status(400), "status_400", false, 0},
		"a redirect": {status(302, "Location", "/x"), "status_302", true, 0},
		"gone":       {status(410), abi.CodeUnavailable, false, 0},
		"no answer":  {func(w http.ResponseWriter, _ *http.Request, _ string) { panic(http.ErrAbortHandler) }, abi.CodeUnreachable, true, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s, chats, ch := newSystem(t), newChats(t), channel(nil)
			manage(t, chats, ch, order(apichat.ActionSet, s.URL))
			s.answers(c.answer)
			_, failure := chats.Send(t.Context(), ch, ana, message("Oi"))
			if failure == nil || failure.Code != c.code || failure.Retryable != c.again || failure.RetryAfterMillis != c.after {
				t.Fatalf("got %+v", failure)
			}
			if strings.Contains(failure.Message, signing) || !strings.Contains(failure.Message, `"chat"`) {
				t.Errorf("the reason: %s", failure.Message)
			}
			held := chats.Held(t.Context(), "chat")
			if gone := name == "gone"; gone != (held != nil) {
				t.Fatalf("held: %v", held)
			}
			s.answers(nil)
			manage(t, chats, ch, order(apichat.ActionSet, s.URL)) // set anew, it takes what waited
			if _, failure := chats.Send(t.Context(), ch, ana, message("Oi")); failure != nil {
				t.Error(failure)
			}
		})
	}
}

// TestSecretsOfASend: while the secret is rotated there is a signature of each,
// where there is room; without one nothing is sent.
func TestSecretsOfASend(t *testing.T) {
	s, c, ch := newSystem(t), newChats(t), channel(nil)
	manage(t, c, ch, order(apichat.ActionSet, s.URL))
	ch.Secrets[catalog.SecretWebhook] = catalog.SecretList{"sign", "old"}
	if _, failure := c.Send(t.Context(), ch, ana, message("Oi")); failure != nil || len(strings.Fields(s.got[0].Get("Webhook-Signature"))) != 2 {
		t.Errorf("%v, %v", failure, s.got)
	}
	ch.Config["signature"] = "github"
	if _, failure := c.Send(t.Context(), ch, ana, message("Oi")); failure != nil || !strings.HasPrefix(s.got[1].Get("X-Hub-Signature-256"), "sha256=") {
		t.Errorf("%v, %v", failure, s.got)
	}
	ch.Secrets[catalog.SecretWebhook] = catalog.SecretList{"missing"}
	if _, failure := c.Send(t.Context(), ch, ana, message("Oi")); failure == nil || failure.Code != abi.CodeUnavailable || len(s.got) != 2 {
		t.Errorf("%v", failure)
	}
}

// TestUnsigned: a secret that the settings can't sign with is said before
// anything is sent, and names what to mend.
func TestUnsigned(t *testing.T) {
	c := newChats(t)
	if failure := c.Signs(channel(nil)); failure != nil {
		t.Errorf("the default: %v", failure)
	}
	for want, scheme := range map[string]map[string]any{
		`secret "sign": it is not base64`:                     {"header": "X-Signature", "key": "base64"},
		`secret "sign": a public key of ed25519 has 32 bytes`: {"header": "X-Signature", "algorithm": "ed25519"},
	} {
		failure := c.Signs(channel(map[string]any{"signature": scheme}))
		if failure == nil || failure.Code != abi.CodeUnavailable || !strings.Contains(failure.Message, want) {
			t.Errorf("%v: %v, want %q", scheme, failure, want)
		}
	}
}

// TestAbandonedSend: what a stop cuts short is no failure of the system.
func TestAbandonedSend(t *testing.T) {
	s, c, ch := newSystem(t), newChats(t), channel(nil)
	manage(t, c, ch, order(apichat.ActionSet, s.URL))
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if _, failure := c.Send(ctx, ch, ana, message("Oi")); failure == nil || len(s.messages) > 0 {
		t.Errorf("%v, %q", failure, s.messages)
	}
}
