package host_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/trama-run/trama/host/admin"
	"github.com/trama-run/trama/host/apichat"
	"github.com/trama-run/trama/host/calllog"
	"github.com/trama-run/trama/host/channel"
	"github.com/trama-run/trama/host/outbox"
)

// chatSystem is a system with a chat of its own. It proves its webhook, and
// answers messages with a status.
type chatSystem struct {
	*httptest.Server
	mu     sync.Mutex
	status int
	texts  []string
	ids    []string
}

func newChatSystem(t *testing.T) *chatSystem {
	s := &chatSystem{status: 200}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, err := io.ReadAll(q.Body)
		if err != nil {
			t.Error(err)
		}
		if form, err := url.ParseQuery(string(body)); err == nil && form.Get("hub_mode") == "subscribe" {
			fmt.Fprint(w, form.Get("hub_challenge"))
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.status == 200 {
			var m struct{ ID, Content string }
			if err := json.Unmarshal(body, &m); err != nil {
				t.Error(err)
			}
			s.texts, s.ids = append(s.texts, m.Content), append(s.ids, m.ID)
		}
		w.WriteHeader(s.status)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *chatSystem) answers(status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status = status
}

func (s *chatSystem) got(i *installation, want ...string) {
	i.t.Helper()
	i.eventually(fmt.Sprintf("the system to get %q", want), func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		if !slices.Equal(s.texts, want) {
			return fmt.Errorf("it got %q", s.texts)
		}
		return nil
	})
}

// TestAPIChat: messages wait while a system has no webhook, and go on in their
// order once it has; what users write is taken once; news comes back; and what
// opens the channel is in no log.
func TestAPIChat(t *testing.T) {
	t.Parallel()
	i := install(t, nil, map[string]string{
		"channels.yaml": `- {id: chat, adapter: apichat, config: {allow_http: true, allow_private: true}, secrets: {api_key: chat_api, secret: chat_sign}}`,
		"flows/echo.yaml": `schema: 1
id: echo
triggers: [{id: start, type: message, channel: chat}]
nodes:
  - {id: say, type: send_message, with: {text: "you wrote {text}"}}
edges:
  - {from: start, to: say}
`,
	})
	i.secrets = map[string]string{"chat_api": "opens the management", "chat_sign": "signs what is sent"}
	i.start()
	s := newChatSystem(t)
	manage := func(action string) apichat.Answer {
		t.Helper()
		a := i.call("POST", "/hooks/chat?action="+action, fmt.Sprintf(`{"workspace": 1, "webhook_url": %q, "webhook_verification_key": "a verification key", "ChaveApi": "opens the management"}`, s.URL))
		if err := a.want(200); err != nil {
			t.Fatal(err)
		}
		var answer apichat.Answer
		if err := json.Unmarshal([]byte(a.body), &answer); err != nil {
			t.Fatal(err)
		}
		return answer
	}
	check := func() (line string) {
		t.Helper()
		answer := i.admin("POST", "/v1/channels/chat/check", "")
		if err := answer.want(200); err != nil {
			t.Fatal(err)
		}
		var stages []channel.Stage
		if err := json.Unmarshal([]byte(answer.body), &stages); err != nil {
			t.Fatal(err)
		}
		for _, stage := range stages {
			line += fmt.Sprintf("%s %s: %s %s\n", stage.Name, stage.State, stage.Detail, stage.Remedy)
		}
		return line
	}
	if line := check(); !strings.Contains(line, "secrets ok") || !strings.Contains(line, "connection failed") || !strings.Contains(line, "action=set-webhook") || !strings.Contains(line, "signed skipped") {
		t.Errorf("before the system has called:\n%s", line)
	}
	bot := manage("get-webhook").Data.BotURL
	_, code, _ := strings.Cut(bot, "/bot/")
	writes := func(id, text string) {
		t.Helper()
		a := i.call("POST", "/hooks/chat/bot/"+code, fmt.Sprintf(`{"id": %s, "content": %q, "sender": {"id": 42}}`, id, text))
		if err := a.want(200); err != nil {
			t.Fatal(err)
		}
	}
	i.problem(i.call("POST", "/hooks/chat/bot/"+code, `[{"x": 1}]`), 400, "body", "sender.id")
	writes("9007199254740993", "one")
	writes("9007199254740993", "one")
	writes("9007199254740992", "two") // another, which a float would not tell from it
	i.finding("chat", "set-webhook")
	manage("set-webhook")
	s.got(i, "you wrote one", "you wrote two")
	if line := check(); strings.Contains(line, "failed") || strings.Count(line, " ok:") != 9 || strings.Contains(line, code) || !strings.Contains(line, "of flow echo would take it") {
		t.Errorf("with a webhook:\n%s", line)
	}
	manage("delete-webhook")
	writes("3", "three")
	i.finding("chat", "removed")
	manage("set-webhook")
	s.got(i, "you wrote one", "you wrote two", "you wrote three")
	s.answers(410)
	writes("4", "four")
	i.finding("chat", "410")
	s.answers(200)
	i.restart()
	manage("set-webhook")
	s.got(i, "you wrote one", "you wrote two", "you wrote three", "you wrote four")
	if err := i.call("POST", "/hooks/chat/bot/"+code, fmt.Sprintf(`{"event": "message_read", "message_id": %q}`, s.ids[3])).want(200); err != nil {
		t.Fatal(err)
	}
	runs := read[[]admin.RunInfo](i, "/v1/runs")
	i.eventually("the last message to be read", func() error { return i.delivery(runs[0].ID, "read") })
	for n, path := range []string{"/hooks/chat/bot/" + code[1:], "/hooks/chat?action=get-webhook"} {
		i.problem(i.call("POST", path, `{"content": "x", "sender": {"id": 1}, "ChaveApi": "a guess"}`), 401, "token", []string{"bot_url", "ChaveApi"}[n])
	}
	i.problem(i.call("POST", "/hooks/chat/bot/"+code, `{"content`), 400, "body")
	i.problem(i.call("POST", "/hooks/chat/other", `{}`), 404, "no_path")
	i.problem(i.call("GET", "/hooks/chat?action=get-webhook", ""), 405, "method")
	i.eventually("the calls to be kept", func() error {
		calls := read[[]calllog.Call](i, "/v1/calls?limit=100&name=chat")
		if len(calls) < 10 {
			return fmt.Errorf("there are %d", len(calls))
		}
		return nil
	})
	all := i.log.String()
	for _, c := range read[[]calllog.Call](i, "/v1/calls?limit=100") {
		all += i.admin("GET", "/v1/calls/"+c.ID, "").body
	}
	for _, secret := range []string{code, "opens the management", "a verification key", "signs what is sent"} {
		if strings.Contains(all, secret) {
			t.Errorf("%q is in a log", secret)
		}
	}
}

// echoingChat is a host whose chat gets back what is written in it; code is that of
// the chat's address.
func echoingChat(t *testing.T, config, key string) (i *installation, s *chatSystem, code string) {
	i = install(t, nil, map[string]string{
		"channels.yaml": `- {id: chat, adapter: apichat, config: {allow_http: true, allow_private: true` + config + `}, secrets: {api_key: chat_api, secret: chat_sign}}`,
		"flows/echo.yaml": `schema: 1
id: echo
triggers: [{id: start, type: message, channel: chat}]
nodes:
  - {id: say, type: send_message, with: {text: "you wrote {text}"}}
edges:
  - {from: start, to: say}
`,
	})
	i.secrets = map[string]string{"chat_api": "opens the management", "chat_sign": key}
	i.start()
	s = newChatSystem(t)
	a := i.call("POST", "/hooks/chat?action=set-webhook", fmt.Sprintf(`{"workspace": 1, "webhook_url": %q, "webhook_verification_key": "a verification key", "ChaveApi": "opens the management"}`, s.URL))
	var answer apichat.Answer
	if err := json.Unmarshal([]byte(a.body), &answer); err != nil {
		t.Fatal(err, a)
	}
	_, code, _ = strings.Cut(answer.Data.BotURL, "/bot/")
	return i, s, code
}

// TestAPIChatPart: an entry that can't be read, or be written down, holds
// nobody's message: the others are answered.
func TestAPIChatPart(t *testing.T) {
	t.Parallel()
	i, s, code := echoingChat(t, "", "signs what is sent")
	for _, body := range []string{
		`{"id": 1, "sender": {"id": 42}, "location": {"latitude": "NaN", "longitude": "1"}}`,
		`[{"x": 1}, {"id": 2, "sender": {"id": 43}, "content": "hello"}]`,
	} {
		a := i.call("POST", "/hooks/chat/bot/"+code, body)
		if a.want(200) != nil || strings.Contains(body, `"x"`) != strings.Contains(a.body, `"refused":["entry 1: sender.id`) {
			t.Errorf("%s: %+v", body, a)
		}
	}
	i.eventually("the good entry to be answered", func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		if !slices.Contains(s.texts, "you wrote hello") {
			return fmt.Errorf("it got %q", s.texts)
		}
		return nil
	})
	i.dead(1)
}

// TestAPIChatUnsigned: where messages can't be signed, the check, the doctor and
// the list of what waits say so.
func TestAPIChatUnsigned(t *testing.T) {
	t.Parallel()
	i, _, code := echoingChat(t, ", signature: {header: X-Sign, key: base64}", "this is not base64")
	if err := i.call("POST", "/hooks/chat/bot/"+code, `{"id": 1, "sender": {"id": 42}, "content": "hello"}`).want(200); err != nil {
		t.Fatal(err)
	}
	const why = `messages can't be signed: secret "chat_sign": it is not base64`
	i.finding("chat", why)
	if checked := i.admin("POST", "/v1/channels/chat/check", ""); !strings.Contains(checked.body, "it is not base64") {
		t.Errorf("the check says %s", checked.body)
	}
	i.eventually("the answer to wait", func() error {
		if list := read[[]outbox.Waiting](i, "/v1/outbox"); len(list) != 1 || !strings.Contains(list[0].Held, why) {
			return fmt.Errorf("waiting: %+v", list)
		}
		return nil
	})
}
