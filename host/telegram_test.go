package host_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/trama-run/trama/host/admin"
	"github.com/trama-run/trama/plugins/telegram/telegramtest"
)

const (
	botToken  = "7700000001:AAH-not-a-token-of-anybody_x"
	hookToken = "hook-secret-58c1_x"
)

// startTelegram starts a host with one bot, as the adapter's page has it, whose
// Bot API is the stub.
func startTelegram(t *testing.T, flow string) (*installation, *telegramtest.API) {
	t.Helper()
	api := telegramtest.New(botToken)
	server := httptest.NewServer(api)
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	files := map[string]string{"flows/talk.yaml": flow}
	page, err := os.ReadFile("../plugins/telegram/README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range strings.Split(string(page), "```yaml\n# ")[1:] {
		block, _, _ = strings.Cut(block, "```")
		name, text, _ := strings.Cut(block, "\n")
		files[name] = strings.ReplaceAll(text, "https://api.telegram.org", server.URL)
	}
	if len(files) != 4 {
		t.Fatalf("the adapter's page has %d files, want 3", len(files)-1)
	}
	i := install(t, []string{"telegram"}, files)
	i.secrets = map[string]string{"shop_bot": botToken, "shop_hook": hookToken}
	i.start()
	return i, api
}

// told sends an update as Telegram does.
func (i *installation) told(update string) {
	i.t.Helper()
	if err := i.call("POST", "/hooks/tg", update, "Content-Type", "application/json", "X-Telegram-Bot-Api-Secret-Token", hookToken).want(200); err != nil {
		i.t.Fatal(err)
	}
}

// asked waits for the first call of a method that the stub got after the first n.
func (i *installation) asked(api *telegramtest.API, n int, method string) (telegramtest.Call, int) {
	i.t.Helper()
	ctx, cancel := context.WithTimeout(i.t.Context(), patience)
	defer cancel()
	call, next, err := api.Await(ctx, n, method)
	if err != nil {
		i.t.Fatal(err)
	}
	return call, next
}

func fromAna(id int, content string) string {
	return fmt.Sprintf(`{"update_id":%d,"message":{"message_id":%d,"date":1749416383,"chat":{"id":5511223344,"type":"private"},"from":{"id":5511223344,"first_name":"Ana","language_code":"pt-br"},%s}}`, id, id, content)
}

const pictures = `schema: 1
id: talk
triggers: [{id: start, type: message, channel: tg}]
nodes:
  - {id: kind, type: conditional, with: {branches: [{port: file, when: "input.type == 'media'"}]}}
  - {id: back, type: send_message, with: {text: "{{ input.text }}", media: "{{ input.media }}"}}
  - {id: ask, type: send_message, with: {text: "Hello, {{ user.name ?? 'you' }}: {{ input.text }}?", reply_to: "{{ input.id }}", buttons: [{id: "yes", title: Sim}, {id: "no", title: "Não"}]}}
  - {id: wait, type: wait_reply}
  - {id: chosen, type: send_message, with: {text: "You chose {{ input.payload }} ({{ input.text }})", reply_to: "{{ input.id }}"}}
edges:
  - {from: start, to: kind}
  - {from: kind, port: file, to: back}
  - {from: kind, port: else, to: ask}
  - {from: ask, to: wait}
  - {from: wait, to: chosen}
`

// TestTelegram: a conversation through the real adapter in its sandbox, with a
// press of a button and a picture that goes to and fro; the bot's token and the
// webhook's are in nothing that anybody gets.
func TestTelegram(t *testing.T) {
	t.Parallel()
	i, api := startTelegram(t, pictures)

	wrong := fromAna(1, `"text":"from somebody else"`)
	for _, headers := range [][]string{nil, {"X-Telegram-Bot-Api-Secret-Token", hookToken + "x"}, {"X-Telegram-Bot-Api-Secret-Token", ""}} {
		i.problem(i.call("POST", "/hooks/tg", wrong, headers...), 401, "token")
	}

	i.told(fromAna(1, `"text":"Olá"`))
	i.told(fromAna(1, `"text":"Olá"`)) // the same delivery
	question, n := i.asked(api, 0, "sendMessage")
	if got := string(question.Params["chat_id"]); got != "5511223344" || !strings.Contains(question.Text("text"), "Olá?") ||
		!strings.Contains(string(question.Params["reply_parameters"]), `"message_id":1`) {
		t.Errorf("the question is %s", asJSON(t, question.Params))
	}

	press := func(update int, id string) string {
		return fmt.Sprintf(`{"update_id":%d,"callback_query":{"id":%q,"chat_instance":"1","from":{"id":5511223344,"first_name":"Ana"},"data":"yes",
		"message":{"message_id":1,"date":1749416383,"chat":{"id":5511223344,"type":"private"},"reply_markup":%s}}}`, update, id, question.Params["reply_markup"])
	}
	i.told(press(2, "777"))
	answered, n := i.asked(api, n, "answerCallbackQuery")
	if answered.Text("callback_query_id") != "777" {
		t.Errorf("answered %s", asJSON(t, answered.Params))
	}
	chosen, n := i.asked(api, n, "sendMessage")
	if chosen.Text("text") != "You chose yes (Sim)" || chosen.Params["reply_parameters"] != nil {
		t.Errorf("after the press: %s", asJSON(t, chosen.Params))
	}

	i.told(press(4, "778")) // once more: Telegram gets its answer, and no conversation begins
	if answered, n = i.asked(api, n, "answerCallbackQuery"); answered.Text("callback_query_id") != "778" {
		t.Errorf("answered %s", asJSON(t, answered.Params))
	}

	picture := "\x89PNG\r\n\x1a\n" + strings.Repeat("picture", 1000)
	api.AddFile("P-large", []byte(picture))
	i.told(fromAna(3, `"caption":"a nota","photo":[{"file_id":"P-small","width":90,"height":60},{"file_id":"P-large","width":900,"height":600}]`))
	back, n := i.asked(api, n, "sendPhoto")
	if upload := back.Files["photo"]; string(upload.Data) != picture || back.Text("caption") != "a nota" {
		t.Errorf("the picture came back as %d bytes of %s with %s", len(upload.Data), upload.Type, asJSON(t, back.Params))
	}
	methods := []string{}
	for _, c := range api.Calls() {
		methods = append(methods, c.Method)
	}
	if want := []string{"sendMessage", "answerCallbackQuery", "sendMessage", "answerCallbackQuery", "getFile", "sendPhoto"}; !slices.Equal(methods, want) || n != len(want) {
		t.Errorf("the calls were %q, want %q", methods, want)
	}
	if faults := api.Faults(); len(faults) > 0 {
		t.Errorf("the Bot API refused: %q", faults)
	}

	texts := map[string]string{"the log": i.log.String()}
	paths := []string{"/v1/channels", "/v1/contacts", "/v1/runs", "/v1/calls", "/v1/doctor", "/v1/dead-letters", "/v1/plugins", "/v1/connections"}
	for _, r := range i.runs() {
		i.ended(r.ID)
		paths = append(paths, "/v1/runs/"+r.ID)
	}
	for _, path := range paths {
		texts[path] = i.admin("GET", path, "").body
	}
	if !strings.Contains(strings.Join(paths, " ")+texts["/v1/runs"], "talk") || len(find(texts, "plugin loaded")) == 0 {
		t.Error("what is searched is not what it should be")
	}
	for _, secret := range []string{botToken, strings.TrimPrefix(botToken, "7700000001:"), hookToken} {
		if places := find(texts, secret); len(places) > 0 {
			t.Errorf("the secret %s is in %q", secret, places)
		}
	}
}

func asJSON(t *testing.T, value any) string {
	t.Helper()
	data, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

const echoes = `schema: 1
id: talk
triggers: [{id: start, type: message, channel: tg}]
nodes:
  - {id: say, type: send_message, with: {text: "you said {{ input.text }}"}}
edges: [{from: start, to: say}]
`

// TestTelegramRefuses: what Telegram asks to wait for is sent after it, and what
// it will never take is a dead letter that says why.
func TestTelegramRefuses(t *testing.T) {
	t.Parallel()
	i, api := startTelegram(t, echoes)
	api.Refuse("sendMessage", 429, "Too Many Requests: retry after 1", map[string]any{"retry_after": 1})
	i.told(fromAna(1, `"text":"one"`))
	_, n := i.asked(api, 0, "sendMessage")
	if again, _ := i.asked(api, n, "sendMessage"); again.Text("text") != "you said one" || again.MessageID == 0 {
		t.Errorf("after the wait came %s", asJSON(t, again.Params))
	}
	api.Refuse("sendMessage", 403, "Forbidden: bot was blocked by the user", nil)
	i.told(fromAna(2, `"text":"two"`))
	i.eventually("the dead letter", func() error {
		if letters := i.admin("GET", "/v1/dead-letters", "").body; !strings.Contains(letters, "bot was blocked by the user") {
			return fmt.Errorf("dead letters: %s", letters)
		}
		return nil
	})
	// Who comes back is answered again; that it went and came starts nothing.
	for n, status := range []string{"kicked", "member"} {
		i.told(fmt.Sprintf(`{"update_id":%d,"my_chat_member":{"chat":{"id":5511223344,"type":"private"},"from":{"id":5511223344,"first_name":"Ana"},"date":1749416383,"new_chat_member":{"status":"%s"}}}`, 3+n, status))
	}
	i.told(fromAna(5, `"text":"three"`))
	if back, _ := i.asked(api, 3, "sendMessage"); back.Text("text") != "you said three" {
		t.Errorf("after coming back came %s", asJSON(t, back.Params))
	}
	if runs := read[[]admin.RunInfo](i, "/v1/runs"); len(runs) != 3 {
		t.Errorf("%d runs, want one for each message", len(runs))
	}
}
