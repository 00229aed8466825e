package telegramtest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

const token = "123456:not-a-token"

func post(t *testing.T, a *API, path, contentType string, body []byte) (int, string) {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, path, bytes.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	w := httptest.NewRecorder()
	a.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

// right makes a value that a field takes.
func right(f field) any {
	switch f.kind {
	case integer:
		return 7
	case degrees:
		return 1.5
	case boolean:
		return true
	case object:
		return rightObject(f.fields)
	case list:
		if f.fields == nil {
			return []any{"message"}
		}
		return []any{rightObject(f.fields)}
	case lists:
		button := rightObject(f.fields)
		delete(button, "url") // a button does one thing
		return []any{[]any{button}}
	case words:
		return f.words[0]
	case address:
		return "https://bots.example.com/hooks/tg"
	}
	return "file-1"
}

func rightObject(fields []field) map[string]any {
	object := map[string]any{}
	for _, f := range fields {
		object[f.name] = right(f)
	}
	return object
}

// mutation breaks one rule of a contract.
type mutation struct {
	rule   string
	params map[string]any
}

// mutations breaks each rule that fields make, one at a time. Within gives the
// params that have an object as the place that these fields are of.
func mutations(at string, fields []field, within func(object map[string]any) map[string]any) []mutation {
	var all []mutation
	change := func(rule, name string, value any) {
		object := rightObject(fields)
		if value == nil {
			delete(object, name)
		} else {
			object[name] = value
		}
		if _, button := object["callback_data"]; button && name != "url" {
			delete(object, "url")
		}
		all = append(all, mutation{at + rule, within(object)})
	}
	change("unknown member", "no_such_parameter", 1)
	for _, f := range fields {
		if f.required {
			change(f.name+" missing", f.name, nil)
		}
		wrong := any([]any{1})
		if f.kind == list || f.kind == lists {
			wrong = "text"
		}
		change(f.name+" of another type", f.name, wrong)
		switch f.kind {
		case text, data:
			if f.max > 0 {
				change(f.name+" too long", f.name, strings.Repeat("x", f.max+1))
			}
			if f.min > 0 {
				change(f.name+" empty", f.name, "")
			}
		case degrees:
			change(f.name+" off the Earth", f.name, f.max+1)
		case words:
			change(f.name+" unknown", f.name, "no such word")
		case address:
			change(f.name+" not secure", f.name, "http://bots.example.com/")
		case file:
			change(f.name+" not attached", f.name, "attach://nowhere")
		case object:
			all = append(all, mutations(at+f.name+".", f.fields, func(o map[string]any) map[string]any {
				return within(with(rightObject(fields), f.name, o))
			})...)
		case list, lists:
			if f.max > 0 {
				change(f.name+" too many", f.name, slices.Repeat(right(f).([]any), f.max+1))
			}
			if f.fields != nil {
				all = append(all, mutations(at+f.name+"[].", f.fields, func(o map[string]any) map[string]any {
					value := []any{o}
					if f.kind == lists {
						value = []any{value}
					}
					return within(with(rightObject(fields), f.name, value))
				})...)
			}
		}
	}
	return all
}

func with(object map[string]any, name string, value any) map[string]any {
	object[name] = value
	return object
}

// TestContract: of each method, a right request is taken, and a request that
// breaks one rule is refused, for each rule.
func TestContract(t *testing.T) {
	for _, name := range slices.Sorted(maps.Keys(contract)) {
		t.Run(name, func(t *testing.T) {
			a := New(token)
			a.AddFile("file-1", []byte("x"))
			a.last = 7 // so that there is a message to edit
			ask := func(params map[string]any) (int, string) {
				body, err := json.Marshal(params)
				if err != nil {
					t.Fatal(err)
				}
				return post(t, a, "/bot"+token+"/"+name, "application/json", body)
			}
			m := contract[name]
			if status, body := ask(rightObject(m.fields)); status != 200 || !strings.Contains(body, `"ok":true`) {
				t.Fatalf("the right request: %d %s", status, body)
			}
			for _, mutated := range mutations("", m.fields, func(o map[string]any) map[string]any { return o }) {
				before := len(a.Faults())
				if status, body := ask(mutated.params); status != 400 || len(a.Faults()) != before+1 {
					t.Errorf("%s: %d %s", mutated.rule, status, body)
				}
			}
			if n := len(a.Calls()); n != 1 {
				t.Errorf("%d calls were taken, want 1", n)
			}
		})
	}
}

func TestPathsAndTokens(t *testing.T) {
	for _, test := range []struct {
		method, path string
		status       int
	}{
		{"POST", "/bot" + token + "/getMe", 200},
		{"GET", "/bot" + token + "/getMe", 200},
		{"PUT", "/bot" + token + "/getMe", 404},
		{"POST", "/bot" + token + "/getme", 404},
		{"POST", "/bot" + token + "/forwardMessage", 404},
		{"POST", "/bot123456:another/getMe", 401},
		{"POST", "/" + token + "/getMe", 404},
		{"GET", "/file/bot" + token + "/all%20files/1", 200},
		{"GET", "/file/bot" + token + "/1", 404},
		{"GET", "/file/bot" + token + "/all%20files/2", 404},
		{"POST", "/file/bot" + token + "/all%20files/1", 404},
		{"GET", "/file/bot123456:another/all%20files/1", 401},
	} {
		a := New(token)
		a.AddFile("1", []byte("x"))
		w := httptest.NewRecorder()
		a.ServeHTTP(w, httptest.NewRequest(test.method, test.path, nil))
		if w.Code != test.status || (w.Code != 200) != (len(a.Faults()) == 1) {
			t.Errorf("%s %s: %d %s, faults %q", test.method, test.path, w.Code, w.Body, a.Faults())
		}
	}
}

// TestClientGone cuts a request in the middle of its body, as a client that is
// killed does: that breaks no contract.
func TestClientGone(t *testing.T) {
	a := New(token)
	w := httptest.NewRecorder()
	r := httptest.NewRequest("POST", "/bot"+token+"/sendMessage", io.MultiReader(strings.NewReader(`{"chat_id":`), iotest.ErrReader(io.ErrUnexpectedEOF)))
	r.Header.Set("Content-Type", "application/json")
	a.ServeHTTP(w, r)
	if len(a.Calls()) != 0 || len(a.Faults()) != 0 || w.Body.Len() != 0 {
		t.Errorf("calls %v, faults %q, answer %s", a.Calls(), a.Faults(), w.Body)
	}
}

func TestUpload(t *testing.T) {
	form := func(size int, parts ...[2]string) (string, []byte) {
		var body bytes.Buffer
		w := multipart.NewWriter(&body)
		for _, p := range parts {
			if err := w.WriteField(p[0], p[1]); err != nil {
				t.Fatal(err)
			}
		}
		f, err := w.CreateFormFile("photo", "a.jpg")
		if err == nil {
			_, err = f.Write(make([]byte, size))
		}
		if err == nil {
			err = w.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
		return w.FormDataContentType(), body.Bytes()
	}
	chat := [2]string{"chat_id", "7"}
	for _, test := range []struct {
		name   string
		size   int
		parts  [][2]string
		status int
	}{
		{"right", 3, [][2]string{chat, {"caption", "5"}, {"reply_markup", `{"inline_keyboard":[[{"text":"a","callback_data":"b"}]]}`}}, 200},
		{"too big", 10<<20 + 1, [][2]string{chat}, 400},
		{"no chat", 3, nil, 400},
		{"chat that is no number", 3, [][2]string{{"chat_id", "ana"}}, 400},
		{"keyboard that is no JSON", 3, [][2]string{chat, {"reply_markup", "{"}}, 400},
		{"unknown field", 3, [][2]string{chat, {"photos", "x"}}, 400},
	} {
		a := New(token)
		kind, body := form(test.size, test.parts...)
		status, answer := post(t, a, "/bot"+token+"/sendPhoto", kind, body)
		if status != test.status {
			t.Errorf("%s: %d %s", test.name, status, answer)
		}
		if calls := a.Calls(); status == 200 && (len(calls) != 1 || len(calls[0].Files["photo"].Data) != test.size || calls[0].Text("caption") != "5") {
			t.Errorf("%s: took %+v", test.name, calls)
		}
	}
}

// TestInjected: what a test wants is answered once, and counts as a call.
func TestInjected(t *testing.T) {
	a := New(token)
	a.Refuse("getMe", 429, "Too Many Requests: retry after 3", map[string]any{"retry_after": 3})
	a.Answer("getMe", 502, nil, "<html>")
	for _, want := range []string{`429 {"description":"Too Many Requests: retry after 3","error_code":429,"ok":false,"parameters":{"retry_after":3}}`, `502 <html>`, "200 {"} {
		status, body := post(t, a, "/bot"+token+"/getMe", "application/json", []byte("{}"))
		if got := fmt.Sprint(status, " ", body); !strings.HasPrefix(got, want) {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if len(a.Calls()) != 3 || len(a.Faults()) != 0 {
		t.Errorf("calls %v, faults %q", a.Calls(), a.Faults())
	}
}

func TestDeliver(t *testing.T) {
	got := make(chan string, 1)
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got <- r.Method + " " + r.Header.Get("X-Telegram-Bot-Api-Secret-Token")
		w.WriteHeader(201)
	}))
	defer hook.Close()
	a := New(token)
	if _, err := a.Deliver(context.Background(), map[string]any{}); err == nil {
		t.Error("delivered without a webhook")
	}
	body := []byte(`{"url":"` + hook.URL + `","secret_token":"s-1"}`)
	if status, answer := post(t, a, "/bot"+token+"/setWebhook", "application/json", body); status != 200 {
		t.Fatal(answer)
	}
	if status, err := a.Deliver(context.Background(), map[string]any{"update_id": 1}); status != 201 || err != nil || <-got != "POST s-1" {
		t.Errorf("delivered with %d, %v", status, err)
	}
	bad := []byte(`{"url":"` + hook.URL + `","secret_token":"s 1"}`)
	if status, answer := post(t, a, "/bot"+token+"/setWebhook", "application/json", bad); status != 400 || !strings.Contains(answer, "unallowed") {
		t.Errorf("%d %s", status, answer)
	}
}
