package standin

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
)

const textBody = `{"messaging_product":"whatsapp","recipient_type":"individual","to":"5511987654321","type":"text","text":{"body":"hello"},"biz_opaque_callback_data":"e1"}`

const buttonBody = `{"messaging_product":"whatsapp","to":"5511987654321","type":"interactive","interactive":{"type":"button","body":{"text":"choose"},
	"action":{"buttons":[{"type":"reply","reply":{"id":"a","title":"Yes"}},{"type":"reply","reply":{"id":"b","title":"No"}}]}},"biz_opaque_callback_data":"e2"}`

// message makes a request with a message, changed by edit.
func messageTo(t *testing.T, server *httptest.Server, body string, edit func(*http.Request)) *http.Request {
	t.Helper()
	request, err := http.NewRequest("POST", server.URL+"/v23.0/106/messages", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer right")
	request.Header.Set("Content-Type", "application/json")
	if edit != nil {
		edit(request)
	}
	return request
}

func TestGraphTakesMessages(t *testing.T) {
	graph := NewGraph("106", "right")
	server := httptest.NewServer(graph)
	defer server.Close()
	for i, body := range []string{textBody, buttonBody} {
		status, answer := do(t, server, messageTo(t, server, body, nil))
		var got struct {
			Product  string              `json:"messaging_product"`
			Messages []map[string]string `json:"messages"`
		}
		if err := json.Unmarshal([]byte(answer), &got); err != nil || status != 200 || got.Product != "whatsapp" || len(got.Messages) != 1 {
			t.Fatalf("%d %s (%v), want 200 with one message", status, answer, err)
		}
		if id := got.Messages[0]["id"]; id == "" || id != graph.Sends()[i].ID {
			t.Errorf("answered id %q, recorded %q", id, graph.Sends()[i].ID)
		}
	}
	want := []Send{
		{ID: "wamid.QUICKSTART000001", To: "5511987654321", Type: "text", Text: "hello", Callback: "e1"},
		{ID: "wamid.QUICKSTART000002", To: "5511987654321", Type: "interactive", Text: "choose", Callback: "e2", Buttons: []Button{{"a", "Yes"}, {"b", "No"}}},
	}
	if got := graph.Sends(); !reflect.DeepEqual(got, want) {
		t.Errorf("sends %+v, want %+v", got, want)
	}
	if got := want[1].Shown(); got != `"choose" [Yes] [No]` {
		t.Errorf("shown as %s", got)
	}
}

func TestGraphRefuses(t *testing.T) {
	edited := func(old, new string) string { return strings.Replace(textBody, old, new, 1) }
	buttons := func(old, new string) string { return strings.Replace(buttonBody, old, new, 1) }
	for _, test := range []struct {
		name, body string
		edit       func(*http.Request)
		status     int
		code       int
		says       string
	}{
		{"path", textBody, func(r *http.Request) { r.URL.Path = "/v23.0/107/messages" }, 404, 100, "no object"},
		{"version", textBody, func(r *http.Request) { r.URL.Path = "/v22.0/106/messages" }, 404, 100, "no object"},
		{"method", textBody, func(r *http.Request) { r.Method = "PUT" }, 400, 100, "PUT"},
		{"token", textBody, func(r *http.Request) { r.Header.Set("Authorization", "Bearer wrong") }, 401, 190, "token"},
		{"no token", textBody, func(r *http.Request) { r.Header.Del("Authorization") }, 401, 190, "token"},
		{"content type", textBody, func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }, 400, 100, "application/json"},
		{"not JSON", "{", nil, 400, 100, "unexpected"},
		{"product", edited("whatsapp", "telegram"), nil, 400, 100, "messaging_product"},
		{"recipient", edited("individual", "group"), nil, 400, 100, "recipient_type"},
		{"to", edited("5511987654321", "ana"), nil, 400, 100, "not a phone number"},
		{"type", edited(`"type":"text"`, `"type":"image"`), nil, 400, 100, `type is "image"`},
		{"no text", edited(`"hello"`, `""`), nil, 400, 100, "text.body has 0"},
		{"long text", edited("hello", strings.Repeat("é", 4097)), nil, 400, 100, "4097 characters"},
		{"long id", edited(`"e1"`, `"`+strings.Repeat("e", 513)+`"`), nil, 400, 100, "biz_opaque_callback_data"},
		{"four buttons", buttons(`{"type":"reply","reply":{"id":"a","title":"Yes"}}`, strings.Repeat(`{"type":"reply","reply":{"id":"a","title":"Yes"}},`, 2)+`{"type":"reply","reply":{"id":"c","title":"C"}}`), nil, 400, 100, "4 buttons"},
		{"long title", buttons("Yes", strings.Repeat("y", 21)), nil, 400, 100, "21 characters"},
		{"button without id", buttons(`"id":"a"`, `"id":""`), nil, 400, 100, "reply with an id"},
		{"text and buttons", buttons(`"type":"interactive"`, `"type":"interactive","text":{"body":"x"}`), nil, 400, 100, "alone"},
	} {
		t.Run(test.name, func(t *testing.T) {
			graph := NewGraph("106", "right")
			server := httptest.NewServer(graph)
			defer server.Close()
			status, answer := do(t, server, messageTo(t, server, test.body, test.edit))
			var got struct {
				Error struct {
					Message string `json:"message"`
					Code    int    `json:"code"`
				} `json:"error"`
			}
			if err := json.Unmarshal([]byte(answer), &got); err != nil || status != test.status || got.Error.Code != test.code || !strings.Contains(got.Error.Message, test.says) {
				t.Errorf("%d %s (%v), want %d, code %d, with %q", status, answer, err, test.status, test.code, test.says)
			}
			if len(graph.Sends()) != 0 || len(graph.Failures()) != 1 {
				t.Errorf("sends %v, failures %q", graph.Sends(), graph.Failures())
			}
		})
	}
}

// TestClientGone cuts requests in the middle of their bodies, as a host that is
// killed does: that is no failure.
func TestClientGone(t *testing.T) {
	graph, erp := NewGraph("106", "right"), NewERP("right")
	for _, system := range []struct {
		http.Handler
		path, kind string
		failures   func() []string
	}{
		{graph, "/v23.0/106/messages", "application/json", graph.Failures},
		{erp, ERPPath, "text/xml", erp.Failures},
	} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("POST", system.path, io.MultiReader(strings.NewReader(`{"to":`), iotest.ErrReader(io.ErrUnexpectedEOF)))
		r.Header.Set("Content-Type", system.kind)
		if system.Handler == graph {
			r.Header.Set("Authorization", "Bearer right")
		} else {
			r.SetBasicAuth(ERPUser, "right")
			r.Header.Set("SOAPAction", ERPAction)
		}
		system.ServeHTTP(w, r)
		if failures := system.failures(); len(failures) != 0 || w.Body.Len() != 0 {
			t.Errorf("%s: failures %q, answer %s", system.path, failures, w.Body)
		}
	}
}

func TestGraphHolds(t *testing.T) {
	graph := NewGraph("106", "right")
	server := httptest.NewServer(graph)
	defer server.Close()
	graph.Hold()
	_, arrived := graph.Watch()
	answered := make(chan int, 1)
	request := messageTo(t, server, textBody, nil)
	go func() {
		status := 0
		if response, err := server.Client().Do(request); err == nil {
			status = response.StatusCode
			response.Body.Close()
		}
		answered <- status
	}()
	<-arrived
	if n := len(graph.Sends()); n != 1 {
		t.Fatalf("%d sends while held, want 1", n)
	}
	select {
	case status := <-answered:
		t.Fatalf("answered %d while held", status)
	default:
	}
	graph.Release()
	if status := <-answered; status != 200 {
		t.Errorf("answered %d after the release, want 200", status)
	}

	graph.Hold()
	_, arrived = graph.Watch()
	ctx, cancel := context.WithCancel(context.Background())
	gone := make(chan error, 1)
	cut := messageTo(t, server, textBody, nil).WithContext(ctx)
	go func() {
		_, err := server.Client().Do(cut)
		gone <- err
	}()
	<-arrived
	cancel() // the sender dies: Close below would hang if its request did not end
	if err := <-gone; err == nil {
		t.Error("the cut request got an answer")
	}
}
