//go:build peers

package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/trama-run/trama/pdk/abi"
	"github.com/trama-run/trama/plugins/peer"
	"github.com/trama-run/trama/plugins/telegram/telegramtest"
)

// TestTestServer holds a conversation on telegram-test-api, which others wrote
// as a stand-in of the Bot API: it has texts, buttons, edits and webhooks.
func TestTestServer(t *testing.T) {
	server := peer.Start(t, "testdata/server.mjs")
	bodies := make(chan []byte, 4)
	webhook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		bodies <- body
	}))
	defer webhook.Close()
	ask := func(path, kind, body string) abi.HTTPResponse {
		t.Helper()
		response, err := http.Post(server.URL+path, kind, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		data, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return abi.HTTPResponse{Status: response.StatusCode, Body: string(data)}
	}
	b := onStub(t, nil)
	b.send = func(in abi.HTTPRequest) (abi.HTTPResponse, error) {
		return ask(strings.ReplaceAll(in.URL, "<secret:bot_token>", stubToken), in.Headers["Content-Type"], in.Body), nil
	}

	var done bool
	if err := b.call(call{method: "setWebhook", params: map[string]any{"url": webhook.URL, "secret_token": "s-1"}}, &done); err != nil {
		t.Fatal(err)
	}
	user := `"botToken":"` + stubToken + `","date":1749416383,"from":{"id":7,"first_name":"Ana","is_bot":false},"chat":{"id":7,"first_name":"Ana","type":"private"}`
	receive := func(path, body string) abi.Unit {
		t.Helper()
		if answer := ask(path, "application/json", body); answer.Status != 200 {
			t.Fatalf("%s: %d %s", path, answer.Status, answer.Body)
		}
		received, err := b.receive(abi.Receive{Body: <-bodies})
		if err != nil || len(received.Units) != 1 {
			t.Fatalf("%s gave %+v, %v", path, received, err)
		}
		return received.Units[0]
	}
	hello := receive("/sendMessage", `{`+user+`,"text":"/start promo"}`)
	if m := hello.Message; hello.From.Path != "7" || hello.Name != "Ana" || m.Text != "/start" || m.Referral == nil || m.Referral.Ref != "promo" {
		t.Errorf("got %+v", hello)
	}
	sent, err := b.deliver(abi.Send{To: hello.From, Message: abi.Message{
		Type: abi.MessageButtons, Text: "Certo?", ReplyTo: hello.ID, Buttons: []abi.Button{{ID: "yes", Title: "Sim"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	press := receive("/sendCallback", `{"botToken":"`+stubToken+`","from":{"id":7,"first_name":"Ana"},"message":{"chat":{"id":7,"type":"private"}},"data":"yes"}`)
	if m := press.Message; press.From != hello.From || m.Type != abi.MessageButtonReply || m.Payload != "yes" {
		t.Errorf("got %+v", press)
	}
	if _, err := b.deliver(abi.Send{To: hello.From, Message: abi.Message{Type: abi.MessageText, Text: "Obrigado", Edits: sent.MessageID}}); err != nil {
		t.Error(err)
	}
	var shown struct {
		Result []struct {
			Message struct {
				Text   string   `json:"text"`
				Markup keyboard `json:"reply_markup"`
			} `json:"message"`
		} `json:"result"`
	}
	answer := ask("/getUpdates", "application/json", `{"token":"`+stubToken+`","chatId":7}`)
	if err := json.Unmarshal([]byte(answer.Body), &shown); err != nil || len(shown.Result) != 1 ||
		shown.Result[0].Message.Text != "Obrigado" || shown.Result[0].Message.Markup.Rows[0][0].Data != "yes" {
		t.Errorf("Ana sees %s, %v", answer.Body, err)
	}
}

// TestGrammy lets a bot of grammY do what the plugin does: the stub must take
// what it sends, and answer what it reads.
func TestGrammy(t *testing.T) {
	api := telegramtest.New(stubToken)
	api.AddFile("P-1", []byte("jpeg"))
	server := httptest.NewServer(api)
	defer server.Close()
	sends := 0
	// The second and the third text are refused as Telegram does it.
	inner := http.Handler(api)
	server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/sendMessage") {
			switch sends++; sends {
			case 2:
				api.Refuse("sendMessage", 403, "Forbidden: bot was blocked by the user", nil)
			case 3:
				api.Refuse("sendMessage", 429, "Too Many Requests: retry after 7", map[string]any{"retry_after": 7})
			}
		}
		inner.ServeHTTP(w, r)
	})
	out := peer.Run(t, "testdata/grammy.mjs", server.URL, stubToken)
	want := `getMe ok "trama_stub_bot"
sendMessage ok 1
sendPhoto ok 2
sendVideo ok 3
sendAnimation ok 4
sendAudio ok 5
sendVoice ok 6
sendDocument ok 7
sendSticker ok 8
byID ok 9
sendLocation ok 10
sendVenue ok 11
sendContact ok 12
sendChatAction ok true
setMessageReaction ok true
answerCallbackQuery ok true
editMessageText ok 1
editMessageCaption ok 2
editMessageMedia ok 2
getFile ok "all files/P-1"
setWebhook ok true
getWebhookInfo ok "https://bots.example.com/hooks/tg"
blocked 403 "Forbidden: bot was blocked by the user" {}
rate 429 "Too Many Requests: retry after 7" {"retry_after":7}
long 400 "Bad Request: text is too long or empty: 4097, want 1 to 4096" {}
unknown 404 "Not Found" {}
token 401 "Unauthorized" {}
`
	if string(out) != want {
		t.Errorf("got\n%s\nwant\n%s", out, want)
	}
	for _, c := range api.Calls() {
		for name, upload := range c.Files {
			if !bytes.Equal(upload.Data, []byte("bytes")) || upload.Name != "a.bin" {
				t.Errorf("%s: the part %s is %q, %d bytes", c.Method, name, upload.Name, len(upload.Data))
			}
		}
	}
}
