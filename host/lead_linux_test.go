package host_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/trama-run/trama/plugins/rdstation/rdtest"
	"github.com/trama-run/trama/plugins/telegram/telegramtest"
	"github.com/trama-run/trama/plugins/whatsapp/graphtest"
)

// leadSecrets are all that the example is given.
var leadSecrets = map[string]string{
	"wa_app": "wa-app-secret-7d10", "wa_verify": "wa-verify-9e21", "wa_token": "wa-token-EAAB-3f32",
	"shop_bot": botToken, "shop_hook": hookToken, "rd_token": rdtest.Token,
	"chat_api_key": "chat-api-key-5b43", "chat_flow_key": "chat-flow-key-6c54", "chat_signing": "chat-signing-secret-8d65",
}

// talk is one channel of the example: how a contact writes there, how it presses
// the button with an id, and what it is shown, one message after the other, each
// as text with the titles of its buttons behind it.
type talk struct {
	write func(text string)
	press func(payload, title string)
	next  func() string
}

// transcript is the conversation: the contact's lines begin with >, a press of a
// button with #.
const transcript = `> Oi
Olá! Aqui é da Acme. Qual é o seu nome?
> Ana Souza
Prazer, Ana Souza! Qual é o seu e-mail?
> ana at acme
Esse e-mail não parece certo. Pode escrever de novo?
> ana@acme.example
E de qual empresa você é?
> Acme & Cia
Posso registrar Ana Souza, ana@acme.example, da Acme & Cia? [Sim, pode] [Não]
# yes Sim, pode
Pronto! Acompanhe aqui: https://crm.rdstation.com/app/deals/%s`

// TestLead: the example "lead", the same flow on three channels: a conversation
// becomes a deal in RD Station with its contact, and is answered with the deal's
// address. While plugins wait for the other systems, no secret is in their
// memory; nor is one in anything that is kept or shown.
func TestLead(t *testing.T) {
	t.Parallel()
	for name, connect := range map[string]func(*testing.T, *leadWorld) talk{"wa": onWhatsApp, "tg": onTelegram, "chat": onChat} {
		t.Run(name, func(t *testing.T) {
			w := newLeadWorld(t)
			channel := connect(t, w)
			var id string
			for line := range strings.Lines(transcript) {
				line = strings.TrimSpace(line)
				switch said, rest, _ := strings.Cut(line, " "); said {
				case ">":
					channel.write(rest)
					continue
				case "#":
					payload, title, _ := strings.Cut(rest, " ")
					channel.press(payload, title)
					continue
				}
				if strings.HasSuffix(line, "%s") {
					w.eventually("the deal", func() error {
						if len(w.crm.Records("v1/deals")) == 0 {
							return fmt.Errorf("there is none")
						}
						return nil
					})
					id, _ = w.crm.Records("v1/deals")[0]["id"].(string)
					line = fmt.Sprintf(line, id)
				}
				if got := channel.next(); got != line {
					t.Fatalf("the contact is shown %q, want %q", got, line)
				}
			}
			deals := w.crm.Records("v1/deals")
			want := fmt.Sprintf(`{"contacts":[{"emails":[{"email":"ana@acme.example"}],"name":"Ana Souza","title":"Contato pelo canal %s"}],"deal_stage_id":"%s","id":"%s","name":"Acme \u0026 Cia - Ana Souza"}`, name, rdtest.Stage, id)
			if len(deals) != 1 || asJSON(t, deals[0]) != want {
				t.Errorf("the deals are %s\nwant %s", asJSON(t, deals), want)
			}
			w.clean(t)
		})
	}
}

// leadWorld is the example with the systems that it talks to.
type leadWorld struct {
	*installation
	crm   *rdtest.Stub
	bot   *telegramtest.API
	graph *graphtest.API

	mu      sync.Mutex
	scanned int      // bytes of guests' memory
	found   []string // secrets in it
}

func newLeadWorld(t *testing.T) *leadWorld {
	t.Helper()
	w := &leadWorld{bot: telegramtest.New(botToken)}
	var err error
	if w.crm, err = rdtest.New(); err != nil {
		t.Fatal(err)
	}
	if w.graph, err = graphtest.New("106540352242922", leadSecrets["wa_token"]); err != nil {
		t.Fatal(err)
	}
	replace := []string{}
	for address, stub := range map[string]http.Handler{"http://127.0.0.1:8172": w.crm, "http://127.0.0.1:8174": w.graph, "http://127.0.0.1:8173": w.bot} {
		server := httptest.NewServer(w.watched(stub))
		t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
		replace = append(replace, address, server.URL)
	}
	w.installation = install(t, []string{"whatsapp", "telegram", "http", "javascript"}, exampleFiles(t, "lead", replace...))
	w.secrets = leadSecrets
	w.start()
	return w
}

// watched looks at the memory of plugins while one of them waits for an answer.
func (w *leadWorld) watched(next http.Handler) http.Handler {
	return http.HandlerFunc(func(answer http.ResponseWriter, r *http.Request) {
		memory, err := guestMemory()
		w.mu.Lock()
		if err != nil {
			w.found = append(w.found, err.Error())
		}
		w.scanned += len(memory)
		for name, value := range leadSecrets {
			if bytes.Contains(memory, []byte(value)) {
				w.found = append(w.found, name)
			}
		}
		w.mu.Unlock()
		next.ServeHTTP(answer, r)
	})
}

// clean looks for secrets in what is left of a conversation.
func (w *leadWorld) clean(t *testing.T) {
	t.Helper()
	w.mu.Lock()
	if w.scanned < 1<<20 || len(w.found) > 0 {
		t.Errorf("in %d bytes of plugins' memory: %q", w.scanned, w.found)
	}
	w.mu.Unlock()
	if faults := w.bot.Faults(); len(faults) > 0 {
		t.Errorf("the Bot API refused: %q", faults)
	}
	for _, v := range slices.Concat(w.crm.Violations(), w.graph.Violations()) {
		t.Errorf("refused: %s", v)
	}
	texts := map[string]string{"the log": w.log.String()}
	paths := []string{"/v1/runs", "/v1/calls", "/v1/contacts", "/v1/doctor", "/v1/connections", "/v1/channels"}
	for _, r := range w.runs() {
		w.ended(r.ID)
		paths = append(paths, "/v1/runs/"+r.ID)
	}
	for _, path := range paths {
		texts[path] = w.admin("GET", path, "").body
	}
	if len(find(texts, "ana@acme.example")) == 0 {
		t.Error("what is searched is not what it should be")
	}
	for name, value := range leadSecrets {
		if places := find(texts, value); len(places) > 0 {
			t.Errorf("the secret %s is in %q", name, places)
		}
	}
}

func onTelegram(t *testing.T, w *leadWorld) talk {
	update, n := 0, 0
	var last telegramtest.Call
	return talk{
		write: func(text string) {
			update++
			w.told(fromAna(update, fmt.Sprintf(`"text":%q`, text)))
		},
		press: func(payload, _ string) {
			update++
			w.told(fmt.Sprintf(`{"update_id":%d,"callback_query":{"id":"777","chat_instance":"1","from":{"id":5511223344,"first_name":"Ana"},"data":%q,
				"message":{"message_id":%d,"date":1749416383,"chat":{"id":5511223344,"type":"private"},"reply_markup":%s}}}`, update, payload, last.MessageID, last.Params["reply_markup"]))
		},
		next: func() string {
			last, n = w.asked(w.bot, n, "sendMessage")
			var markup struct {
				Rows [][]struct {
					Text string `json:"text"`
				} `json:"inline_keyboard"`
			}
			if raw := last.Params["reply_markup"]; raw != nil {
				if err := json.Unmarshal(raw, &markup); err != nil {
					t.Fatal(err)
				}
			}
			text := last.Text("text")
			for _, row := range markup.Rows {
				for _, button := range row {
					text += " [" + button.Text + "]"
				}
			}
			return text
		},
	}
}

func onWhatsApp(t *testing.T, w *leadWorld) talk {
	sent, n := 0, 0
	tell := func(message map[string]any) {
		sent++
		body, header, err := w.graph.Webhook(leadSecrets["wa_app"], "5511987654321", "Ana", fmt.Sprintf("wamid.ANA%d", sent), time.Now(), message)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.call("POST", "/hooks/wa", string(body), "Content-Type", "application/json", "X-Hub-Signature-256", header.Get("X-Hub-Signature-256")).want(200); err != nil {
			t.Fatal(err)
		}
	}
	return talk{
		write: func(text string) {
			tell(map[string]any{"type": "text", "text": map[string]any{"body": text}})
		},
		press: func(payload, title string) {
			tell(map[string]any{"type": "interactive", "interactive": map[string]any{"type": "button_reply", "button_reply": map[string]any{"id": payload, "title": title}}})
		},
		next: func() string {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			for {
				messages, more := w.graph.Messages()
				if n < len(messages) {
					n++
					return shownBy(t, messages[n-1].Body)
				}
				select {
				case <-more:
				case <-ctx.Done():
					t.Fatalf("nothing was sent; the log ends %s", w.log)
				}
			}
		},
	}
}

// shownBy is the text of a message of WhatsApp with its buttons.
func shownBy(t *testing.T, body map[string]any) string {
	t.Helper()
	var m struct {
		Text struct {
			Body string `json:"body"`
		} `json:"text"`
		Interactive struct {
			Body struct {
				Text string `json:"text"`
			} `json:"body"`
			Action struct {
				Buttons []struct {
					Reply struct {
						Title string `json:"title"`
					} `json:"reply"`
				} `json:"buttons"`
			} `json:"action"`
		} `json:"interactive"`
	}
	if err := json.Unmarshal([]byte(asJSON(t, body)), &m); err != nil {
		t.Fatal(err)
	}
	text := m.Text.Body + m.Interactive.Body.Text
	for _, b := range m.Interactive.Action.Buttons {
		text += " [" + b.Reply.Title + "]"
	}
	return text
}

// onChat registers a chat of one's own, which checks what comes as its
// documentation asks.
func onChat(t *testing.T, w *leadWorld) talk {
	shown := make(chan string, 100)
	chat := httptest.NewServer(http.HandlerFunc(func(answer http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		if r.Header.Get("Content-Type") == "application/x-www-form-urlencoded" {
			r.Body = io.NopCloser(bytes.NewReader(body))
			if r.FormValue("hub_verify_token") == "mine" {
				io.WriteString(answer, r.FormValue("hub_challenge"))
			}
			return
		}
		mac := hmac.New(sha256.New, []byte(leadSecrets["chat_signing"]))
		fmt.Fprintf(mac, "%s.%s.%s", r.Header.Get("Webhook-Id"), r.Header.Get("Webhook-Timestamp"), body)
		if r.Header.Get("Webhook-Signature") != "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)) {
			t.Errorf("a message with the signature %q", r.Header.Get("Webhook-Signature"))
			answer.WriteHeader(401)
			return
		}
		var m struct {
			Content string `json:"content"`
			Buttons []struct {
				Title string `json:"title"`
			} `json:"buttons"`
		}
		if err := json.Unmarshal(body, &m); err != nil {
			t.Error(err)
		}
		for _, b := range m.Buttons {
			m.Content += " [" + b.Title + "]"
		}
		shown <- m.Content
	}))
	t.Cleanup(chat.Close)
	set := w.call("POST", "/hooks/chat?action=set-webhook", fmt.Sprintf(`{"ChaveApi": %q, "webhook_url": %q, "webhook_verification_key": "mine"}`, leadSecrets["chat_api_key"], chat.URL), "Content-Type", "application/json")
	var registered struct {
		Data struct {
			Status string `json:"webhook_status"`
			Bot    string `json:"bot_url"`
		} `json:"data"`
	}
	if err := json.Unmarshal([]byte(set.body), &registered); err != nil || registered.Data.Status != "verified" {
		t.Fatalf("%d %s: %v", set.status, set.body, err)
	}
	_, path, _ := strings.Cut(registered.Data.Bot, "/hooks/")
	sent := 0
	tell := func(more map[string]any) {
		sent++
		m := map[string]any{"event": "message_created", "message_type": "incoming", "id": fmt.Sprintf("m-%d", sent), "conversation_id": "c-1", "sender": map[string]any{"id": "ana", "name": "Ana", "type": "contact"}}
		for name, value := range more {
			m[name] = value
		}
		if a := w.call("POST", "/hooks/"+path, asJSON(t, m), "Content-Type", "application/json", "Authorization", "Bearer "+leadSecrets["chat_flow_key"]); a.status != 200 {
			t.Fatalf("%d %s", a.status, a.body)
		}
	}
	return talk{
		write: func(text string) { tell(map[string]any{"content": text}) },
		press: func(payload, title string) { tell(map[string]any{"content": title, "payload": payload}) },
		next: func() string {
			select {
			case text := <-shown:
				return text
			case <-time.After(patience):
				t.Fatalf("nothing was sent; the log ends %s", w.log)
				return ""
			}
		},
	}
}
