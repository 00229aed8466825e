package main

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/trama-run/trama/pdk/abi"
	pdk "github.com/trama-run/trama/pdk/go"
	"github.com/trama-run/trama/pdk/go/pdktest"
	"github.com/trama-run/trama/plugins/telegram/telegramtest"
)

const (
	ana       = "5511223344"
	stubToken = "123456:not-a-token"
)

func deliver(b bot, to, message string) ([]byte, *abi.Error) {
	input := `{"channel":"tg","config":{},"to":{"scheme":"telegram","path":"` + to + `"},"message":` + message + `,"effect_id":"effect-1","from_a_newer_host":1}`
	return pdk.CallOpen(b.deliver, []byte(input))
}

// onStub gives a bot whose requests the stub gets. What egress does is done
// here in short: the secrets go into their places, blobs into the parts.
func onStub(t *testing.T, api *telegramtest.API) bot {
	t.Helper()
	secrets := strings.NewReplacer("<secret:bot_token>", stubToken, "<secret:webhook_secret>", "s-1")
	send := func(in abi.HTTPRequest) (abi.HTTPResponse, error) {
		body, kind := []byte(secrets.Replace(in.Body)), in.Headers["Content-Type"]
		if in.Parts != nil {
			var form bytes.Buffer
			w := multipart.NewWriter(&form)
			for _, p := range in.Parts {
				header := textproto.MIMEHeader{"Content-Disposition": {multipart.FileContentDisposition(p.Name, p.Filename)}, "Content-Type": {p.Type}}
				content := []byte("bytes of " + p.Blob)
				if p.Blob == "" {
					header = textproto.MIMEHeader{"Content-Disposition": {`form-data; name="` + p.Name + `"`}}
					content = []byte(p.Text)
				}
				part, err := w.CreatePart(header)
				if err == nil {
					_, err = part.Write(content)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			body, kind = form.Bytes(), w.FormDataContentType()
		}
		r := httptest.NewRequest(in.Method, secrets.Replace(in.URL), bytes.NewReader(body))
		if kind != "" {
			r.Header.Set("Content-Type", kind)
		}
		w := httptest.NewRecorder()
		api.ServeHTTP(w, r)
		answer, err := io.ReadAll(w.Result().Body)
		if err != nil {
			t.Fatal(err)
		}
		out := abi.HTTPResponse{Status: w.Code, Headers: map[string]string{}, Body: string(answer)}
		for name := range maps.Keys(w.Header()) {
			out.Headers[strings.ToLower(name)] = w.Header().Get(name)
		}
		if in.Response == abi.ResponseBlob {
			out.Body, out.Blob = "", &abi.Blob{ID: "blob-of-" + string(answer), Size: int64(len(answer)), MIME: out.Headers["content-type"]}
		}
		return out, nil
	}
	secret := func(name string) (string, error) { return "<secret:" + name + ">", nil }
	return bot{send: send, secret: secret, log: func(string, string) error { return nil }, now: func() time.Time { return time.Unix(0, 0) }}
}

type sendFile struct {
	Title   string          `json:"title"`
	To      string          `json:"to"`
	Message json.RawMessage `json:"message"`
	Method  string          `json:"method"`
	Body    json.RawMessage `json:"body"`  // without the chat
	Parts   []abi.HTTPPart  `json:"parts"` // instead of a body
}

// TestSend runs the cases of testdata/send: a message, and the call that it
// makes. The stub of the Bot API takes each of them too.
func TestSend(t *testing.T) {
	files, err := filepath.Glob("testdata/send/*.json")
	if err != nil {
		t.Fatal(err)
	}
	missing := pdktest.Manifest(t, manifest).Sends
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			var test sendFile
			read(t, file, &test)
			var message abi.Message
			decoder := json.NewDecoder(bytes.NewReader(test.Message))
			decoder.DisallowUnknownFields()
			if err := decoder.Decode(&message); err != nil {
				t.Fatal(err)
			}
			missing = slices.DeleteFunc(missing, func(kind string) bool { return kind == message.Kind() })
			if test.To == "" {
				test.To = ana
			}
			chat, _, _ := strings.Cut(test.To, "/")
			want, wantID := request(test.Method, ""), chat+":1"
			if test.Parts != nil {
				want.Headers = nil
			} else {
				want.Body = `{"chat_id":` + chat + "," + strings.TrimPrefix(string(test.Body), "{")
			}
			answer := `{"ok":true,"result":{"message_id":1,"date":1,"chat":{"id":` + chat + `}}}`
			if message.Type == abi.MessageReaction || message.Type == abi.MessageTyping {
				wantID, answer = "", `{"ok":true,"result":true}`
			}
			host := pdktest.NewHost(t, abi.HTTPExchange{Request: want, Response: abi.HTTPResponse{Status: 200, Body: answer}})
			output, failure := deliver(botOf(host), test.To, string(test.Message))
			if failure != nil || string(output) != `{"message_id":"`+wantID+`"}` {
				t.Errorf("%s: got %s, %v", test.Title, output, failure)
			}
			if sent := host.Sent(); len(sent) == 1 && !reflect.DeepEqual(sent[0].Parts, test.Parts) {
				t.Errorf("%s: sent the parts %+v, want %+v", test.Title, sent[0].Parts, test.Parts)
			}
			api := telegramtest.New(stubToken)
			b := onStub(t, api)
			if message.Edits != "" { // so that there is something to edit
				if _, failure := deliver(b, test.To, `{"type":"text","text":"x"}`); failure != nil {
					t.Fatal(failure)
				}
			}
			if output, failure := deliver(b, test.To, string(test.Message)); failure != nil || string(output) != `{"message_id":"`+wantID+`"}` {
				t.Errorf("%s: with the stub: got %s, %v; faults %q", test.Title, output, failure, api.Faults())
			}
		})
	}
	if len(missing) > 0 {
		t.Errorf("no case for %q", missing)
	}
}

func letters(n int) string { return strings.Repeat("é", n) }

func TestLimits(t *testing.T) {
	media := func(text string) string {
		return `{"type":"media","text":"` + text + `","media":{"kind":"image","id":"1"}}`
	}
	for _, test := range []struct {
		name    string
		limit   int
		message func(n int) string
		want    string
	}{
		{"text", 4096, func(n int) string { return `{"type":"text","text":"` + letters(n) + `"}` }, "message.text: 4097 characters"},
		{"caption", 1024, func(n int) string { return media(letters(n)) }, "message.text: 1025 characters"},
		{"id of a button", 64, func(n int) string {
			return `{"type":"buttons","text":"x","buttons":[{"title":"a","id":"` + strings.Repeat("x", n) + `"}]}`
		}, "message.buttons[0].id: 65 bytes; telegram takes at most 64 of it"},
		{"id of a row", 62, func(n int) string {
			return `{"type":"list","text":"x","list":{"button":"a","sections":[{"rows":[{"title":"a","id":"` + strings.Repeat("x", n) + `"}]}]}}`
		}, "message.list.sections[0].rows[0].id: 63 bytes; telegram takes at most 62 of it"},
		{"buttons", 100, func(n int) string {
			var list []string
			for i := range n {
				list = append(list, `{"title":"a","id":"`+strings.Repeat("x", i%60+1)+strings.Repeat("y", i/60)+`"}`)
			}
			return `{"type":"buttons","text":"x","buttons":[` + strings.Join(list, ",") + `]}`
		}, "message.buttons: 101 buttons"},
		{"upload", 50 << 20, func(n int) string {
			size, err := json.Marshal(n)
			if err != nil {
				t.Fatal(err)
			}
			return `{"type":"media","media":{"kind":"video","blob":{"id":"b","size":` + string(size) + `,"sha256":""}}}`
		}, "message.media: 52428801 bytes"},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := onStub(t, telegramtest.New(stubToken))
			if output, failure := deliver(b, ana, test.message(test.limit)); failure != nil {
				t.Errorf("at the limit: got %s, %v", output, failure)
			}
			output, failure := deliver(b, ana, test.message(test.limit+1))
			if failure == nil || failure.Code != abi.CodeInvalid || !strings.Contains(failure.Message, test.want) {
				t.Errorf("over the limit: got %s, %v, want %q", output, failure, test.want)
			}
		})
	}
}

// TestRefusedBeforeSending: the host expects no request, so sending one fails
// the test.
func TestRefusedBeforeSending(t *testing.T) {
	const text = `{"type":"text","text":"x"}`
	for _, test := range []struct{ name, to, message, code, want string }{
		{"empty text", ana, `{"type":"text","text":" "}`, abi.CodeInvalid, "message.text: it is empty"},
		{"address that is a name", "@ana", text, abi.CodeInvalid, `"@ana" is not the id of a chat`},
		{"address that is a path", "1/../2", text, abi.CodeInvalid, "not the id of a chat"},
		{"no address", "", text, abi.CodeInvalid, "not the id of a chat"},
		{"reply to another chat's message", ana, `{"type":"text","text":"x","reply_to":"1:2"}`, abi.CodeInvalid, "message.reply_to: \"1:2\" is a message of another chat"},
		{"reply to another channel's message", ana, `{"type":"text","text":"x","reply_to":"wamid.A"}`, abi.CodeInvalid, "message.reply_to: \"wamid.A\" is not the id of a message of this channel"},
		{"reaction to a press", ana, `{"type":"reaction","reaction":{"message_id":"callback:1","emoji":"👍"}}`, abi.CodeInvalid, "message.reaction.message_id"},
		{"text with a sticker", ana, `{"type":"media","text":"x","media":{"kind":"sticker","id":"1"}}`, abi.CodeUnsupported, "message.text"},
		{"a vCard that is too long", ana, `{"type":"contacts","contacts":[{"name":"a","phones":[{"value":"1"}],"organization":"` + strings.Repeat("x", 2048) + `"}]}`, abi.CodeInvalid, "message.contacts[0]"},
		{"a read mark", ana, `{"type":"read","reply_to":"5511223344:1"}`, abi.CodeUnsupported, "message.type"},
		{"cards", ana, `{"type":"cards","cards":[{"title":"a"}]}`, abi.CodeUnsupported, "message.type"},
		{"a template", ana, `{"type":"template","template":{"name":"a","language":"b"}}`, abi.CodeUnsupported, "message.type"},
		{"a place as an edit", ana, `{"type":"location","edits":"5511223344:1","location":{"latitude":1,"longitude":1}}`, abi.CodeUnsupported, "message.edits"},
		{"a voice message as an edit", ana, `{"type":"media","edits":"5511223344:1","media":{"kind":"voice","id":"1"}}`, abi.CodeUnsupported, "message.edits"},
		{"an edit of nothing", ana, `{"type":"text","text":"x","edits":"1"}`, abi.CodeInvalid, "message.edits"},
		{"type that is received", ana, `{"type":"button_reply","text":"x"}`, abi.CodeInvalid, "is no type of message that can be sent"},
	} {
		t.Run(test.name, func(t *testing.T) {
			output, failure := deliver(botOf(pdktest.NewHost(t)), test.to, test.message)
			if failure == nil || failure.Code != test.code || failure.Retryable || !strings.Contains(failure.Message, test.want) {
				t.Errorf("got %s, %v, want %q", output, failure, test.want)
			}
		})
	}
	if _, err := botOf(pdktest.NewHost(t)).deliver(abi.Send{To: abi.Address{Scheme: "whatsapp", Path: "1"}}); err == nil || !strings.Contains(err.Error(), `not of the scheme "telegram"`) {
		t.Errorf("to another channel's address: %v", err)
	}
}

func refused(status int, description, parameters string) abi.HTTPResponse {
	body := map[string]any{"ok": false, "error_code": status, "description": description}
	if parameters != "" {
		body["parameters"] = json.RawMessage(parameters)
	}
	data, _ := json.Marshal(body) // texts and numbers: can't fail
	return abi.HTTPResponse{Status: status, Body: string(data)}
}

func TestSendFails(t *testing.T) {
	for _, test := range []struct {
		name      string
		answer    abi.HTTPResponse
		code      string
		retryable bool
		wait      int64
		says      string
	}{
		{"blocked", refused(403, "Forbidden: bot was blocked by the user", ""), abi.CodeBlocked, false, 0, "blocked"},
		{"deactivated", refused(403, "Forbidden: user is deactivated", ""), abi.CodeBlocked, false, 0, "deactivated"},
		{"kicked", refused(403, "Forbidden: bot was kicked from the supergroup chat", ""), abi.CodeBlocked, false, 0, "kicked"},
		{"never written to", refused(403, "Forbidden: bot can't initiate conversation with a user", ""), abi.CodeBlocked, false, 0, "has to write to the bot first"},
		{"no right", refused(403, "Forbidden: something else", ""), "telegram_forbidden", false, 0, "right"},
		{"no right in a group", refused(400, "Bad Request: not enough rights to send text messages to the chat", ""), "telegram_forbidden", false, 0, "right"},
		{"no such chat", refused(400, "Bad Request: chat not found", ""), "telegram_chat_not_found", false, 0, "write to the bot first"},
		{"too long", refused(400, "Bad Request: message is too long", ""), "telegram_too_long", false, 0, "too long"},
		{"format", refused(400, "Bad Request: can't parse entities: x", ""), "telegram_bad_format", false, 0, "entities"},
		{"file", refused(400, "Bad Request: wrong file identifier/HTTP URL specified", ""), "telegram_bad_media", false, 0, "bot that got it"},
		{"address of a file", refused(400, "Bad Request: failed to get HTTP URL content", ""), "telegram_bad_media", false, 0, "from its address"},
		{"another 400", refused(400, "Bad Request: whatever", ""), "telegram_bad_request", false, 0, "whatever"},
		{"wrong token", refused(401, "Unauthorized", ""), "telegram_unauthorized", false, 0, "bot_token"},
		{"token of another form", refused(404, "Not Found", ""), "telegram_unauthorized", false, 0, "bot_token"},
		{"two that fetch", refused(409, "Conflict: terminated by other getUpdates request", ""), "telegram_conflict", false, 0, "another program"},
		{"too large", refused(413, "Request Entity Too Large", ""), abi.CodeLimit, false, 0, "50 MB"},
		{"rate", refused(429, "Too Many Requests: retry after 7", `{"retry_after":7}`), "telegram_rate", true, 7000, "retry after 7"},
		{"rate without a wait", refused(429, "Too Many Requests", ""), "telegram_rate", true, 0, "Too Many"},
		{"internal", refused(500, "Internal Server Error", ""), abi.CodeUnknown, false, 0, "may have been done"},
		{"gateway", abi.HTTPResponse{Status: 502, Body: "<html>"}, abi.CodeUnknown, false, 0, "may have been done"},
		{"gateway is busy", abi.HTTPResponse{Status: 503, Headers: map[string]string{"retry-after": "9"}, Body: "<html>"}, "telegram_unavailable", true, 9000, "503"},
		{"gateway's rate", abi.HTTPResponse{Status: 429, Headers: map[string]string{"retry-after": "Thu, 01 Jan 1970 00:00:05 GMT"}, Body: "<html>"}, "telegram_unavailable", true, 5000, "429"},
		{"no Bot API", abi.HTTPResponse{Status: 404, Body: "<html>"}, "telegram_refused", false, 0, "base URL"},
		{"redirect", abi.HTTPResponse{Status: 302}, "telegram_refused", false, 0, "base URL"},
		{"cut off", abi.HTTPResponse{Status: 200, Body: `{"ok":true,"result":{"message_id":1,`}, abi.CodeUnknown, false, 0, "may have been done"},
		{"no JSON", abi.HTTPResponse{Status: 200, Body: "OK"}, abi.CodeUnknown, false, 0, "may have been done"},
		{"JSON of another kind", abi.HTTPResponse{Status: 200, Body: `{"messages":[]}`}, abi.CodeUnknown, false, 0, "may have been done"},
		{"no message", abi.HTTPResponse{Status: 200, Body: `{"ok":true,"result":true}`}, abi.CodeUnknown, false, 0, "may have been sent"},
		{"a message without a chat", abi.HTTPResponse{Status: 200, Body: `{"ok":true,"result":{"message_id":1}}`}, abi.CodeUnknown, false, 0, "may have been sent"},
	} {
		t.Run(test.name, func(t *testing.T) {
			output, failure := deliver(botOf(pdktest.NewHost(t, abi.HTTPExchange{Response: test.answer})), ana, `{"type":"text","text":"x"}`)
			if failure == nil || failure.Code != test.code || failure.Retryable != test.retryable || failure.RetryAfterMillis != test.wait || !strings.Contains(failure.Message, test.says) {
				t.Fatalf("got %s, %+v", output, failure)
			}
			if all := strings.Contains(string(failure.Detail), `"scope":"channel"`); all != (failure.Code == "telegram_rate") {
				t.Errorf("detail %s", failure.Detail)
			}
			if strings.Contains(failure.Message, "secret:") || failure.Detail != nil && !json.Valid(failure.Detail) {
				t.Errorf("message %q, detail %s", failure.Message, failure.Detail)
			}
		})
	}
}

// TestGroupRate: a group's bound is its own.
func TestGroupRate(t *testing.T) {
	answer := refused(429, "Too Many Requests: retry after 7", `{"retry_after":7}`)
	_, failure := deliver(botOf(pdktest.NewHost(t, abi.HTTPExchange{Response: answer})), "-1001", `{"type":"text","text":"x"}`)
	if failure == nil || !failure.Retryable || strings.Contains(string(failure.Detail), "scope") {
		t.Errorf("got %+v", failure)
	}
}

// TestRepeatable: what is no second message is tried again after an answer that
// says nothing.
func TestRepeatable(t *testing.T) {
	for _, message := range []string{
		`{"type":"typing"}`, `{"type":"text","text":"x","edits":"5511223344:1"}`, `{"type":"reaction","reaction":{"message_id":"5511223344:1","emoji":"👍"}}`,
	} {
		for _, answer := range []abi.HTTPResponse{{Status: 502, Body: "<html>"}, refused(500, "Internal Server Error", ""), {Status: 200, Body: "{"}} {
			output, failure := deliver(botOf(pdktest.NewHost(t, abi.HTTPExchange{Response: answer})), ana, message)
			if failure == nil || failure.Code != "telegram_unavailable" || !failure.Retryable {
				t.Errorf("%s answered with %d: got %s, %v", message, answer.Status, output, failure)
			}
		}
	}
}

// TestMigrated: a group that has become a supergroup is written to there.
func TestMigrated(t *testing.T) {
	const first, second = `{"chat_id":-987654321,"link_preview_options":{"is_disabled":true},"reply_parameters":{"message_id":5,"allow_sending_without_reply":true},"text":"x"}`,
		`{"chat_id":-1009007199254740993,"link_preview_options":{"is_disabled":true},"text":"x"}`
	moved := refused(400, "Bad Request: group chat was upgraded to a supergroup chat", `{"migrate_to_chat_id":-1009007199254740993}`)
	host := pdktest.NewHost(t, abi.HTTPExchange{Request: request("sendMessage", first), Response: moved},
		exchange("sendMessage", second, 200, `{"ok":true,"result":{"message_id":3,"chat":{"id":-1009007199254740993}}}`))
	output, failure := deliver(botOf(host), "-987654321", `{"type":"text","text":"x","reply_to":"-987654321:5"}`)
	if failure != nil || string(output) != `{"message_id":"-1009007199254740993:3"}` {
		t.Errorf("got %s, %v", output, failure)
	}
}

func TestEdits(t *testing.T) {
	const done = `{"message_id":"5511223344:1"}`
	notText := abi.HTTPExchange{Response: refused(400, "Bad Request: there is no text in the message to edit", "")}
	same := abi.HTTPExchange{Response: refused(400, "Bad Request: message is not modified: specified new message content and reply markup are exactly the same", "")}
	t.Run("what is so already", func(t *testing.T) {
		if output, failure := deliver(botOf(pdktest.NewHost(t, same)), ana, `{"type":"text","text":"x","edits":"5511223344:1"}`); failure != nil || string(output) != done {
			t.Errorf("got %s, %v", output, failure)
		}
	})
	t.Run("the text of a file", func(t *testing.T) {
		host := pdktest.NewHost(t, notText, exchange("editMessageCaption", `{"chat_id":5511223344,"message_id":1,"caption":"x"}`, 200, `{"ok":true,"result":true}`))
		if output, failure := deliver(botOf(host), ana, `{"type":"text","text":"x","edits":"5511223344:1"}`); failure != nil || string(output) != done {
			t.Errorf("got %s, %v", output, failure)
		}
	})
	t.Run("a text that is too long for a file", func(t *testing.T) {
		if output, failure := deliver(botOf(pdktest.NewHost(t, notText)), ana, `{"type":"text","text":"`+letters(1025)+`","edits":"5511223344:1"}`); failure == nil || failure.Code != abi.CodeInvalid {
			t.Errorf("got %s, %v", output, failure)
		}
	})
	t.Run("a message that is gone", func(t *testing.T) {
		gone := abi.HTTPExchange{Response: refused(400, "Bad Request: message to edit not found", "")}
		if output, failure := deliver(botOf(pdktest.NewHost(t, gone)), ana, `{"type":"text","text":"x","edits":"5511223344:1"}`); failure == nil || failure.Code != "telegram_message_not_found" {
			t.Errorf("got %s, %v", output, failure)
		}
	})
}

func TestHostErrorsPassThrough(t *testing.T) {
	lost := &abi.Error{Code: abi.CodeUnreachable, Message: "connection refused", Retryable: true}
	b := botOf(pdktest.NewHost(t))
	b.send = func(abi.HTTPRequest) (abi.HTTPResponse, error) { return abi.HTTPResponse{}, lost }
	if _, failure := deliver(b, ana, `{"type":"text","text":"x"}`); failure == nil || failure.Code != abi.CodeUnreachable || !failure.Retryable {
		t.Errorf("got %v", failure)
	}
	b.secret = func(string) (string, error) { return "", &abi.Error{Code: abi.CodeNoSecret, Message: "no value"} }
	if _, failure := deliver(b, ana, `{"type":"text","text":"x"}`); failure == nil || failure.Code != abi.CodeNoSecret {
		t.Errorf("without a token: %v", failure)
	}
}

// FuzzSend: the stub takes whatever message is not refused before, and never is
// there a panic.
func FuzzSend(f *testing.F) {
	files, err := filepath.Glob("testdata/send/*.json")
	if err != nil || len(files) == 0 {
		f.Fatalf("no seeds: %v", err)
	}
	for _, file := range files {
		var test sendFile
		read(f, file, &test)
		f.Add([]byte(test.Message))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var message abi.Message
		if json.Unmarshal(data, &message) != nil {
			return
		}
		c, err := compose(place{chat: ana}, message)
		if err != nil {
			return
		}
		r, err := c.request()
		if err != nil || c.method == "" || r.Method != http.MethodPost || (r.Body == "") == (r.Parts == nil) {
			t.Fatalf("%s became %+v, %v", data, r, err)
		}
	})
}
