package graphtest

import (
	"bytes"
	"encoding/json"
	"io"
	"mime/multipart"
	"net/http/httptest"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/trama-run/trama/plugins/strict"
)

func fresh(t *testing.T) *API {
	t.Helper()
	a, err := New("106540352242922", "token")
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// TestContract: each part of each rule is held.
func TestContract(t *testing.T) {
	if n := strict.CheckMutations(t, fresh(t).contract(), func() strict.Checked { return fresh(t) }); n < 40 {
		t.Errorf("only %d requests were broken", n)
	}
}

// TestMessages: what the adapter sends of each kind keeps to the contract, and
// each kind broken in one place doesn't.
func TestMessages(t *testing.T) {
	files, err := filepath.Glob("../testdata/send/*.json")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	post := func(a *API, body map[string]any) (int, []strict.Violation) {
		data, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest("POST", "/106540352242922/messages", bytes.NewReader(data))
		r.Header.Set("Authorization", "Bearer token")
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		a.ServeHTTP(w, r)
		return w.Code, a.Violations()
	}
	broken := map[string]func(body map[string]any){
		"no type":          func(body map[string]any) { delete(body, "type") },
		"no product":       func(body map[string]any) { delete(body, "messaging_product") },
		"nobody":           func(body map[string]any) { delete(body, "to") },
		"two of them":      func(body map[string]any) { body["recipient"] = "BR.7" },
		"an unknown field": func(body map[string]any) { body["priority"] = 1 },
		"no content":       func(body map[string]any) { delete(body, body["type"].(string)) },
		"another type":     func(body map[string]any) { body["type"] = "poll" },
		"a plus":           func(body map[string]any) { body["to"] = "+5511987654321" },
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		read := func() map[string]any {
			var test struct {
				Body map[string]any `json:"body"`
			}
			if err := json.Unmarshal(data, &test); err != nil {
				t.Fatal(err)
			}
			body := test.Body
			body["messaging_product"], body["recipient_type"], body["to"] = "whatsapp", "individual", "5511987654321"
			return body
		}
		a := fresh(t)
		for _, id := range mediaIn(read()) {
			a.media[id] = File{Type: "image/png"}
		}
		if status, violations := post(a, read()); status != 200 || len(violations) > 0 {
			t.Errorf("%s: %d, %v", filepath.Base(file), status, violations)
		}
		for what, how := range broken {
			body := read()
			how(body)
			if status, violations := post(fresh(t), body); status != 400 || len(violations) != 1 {
				t.Errorf("%s with %s: %d, %v", filepath.Base(file), what, status, violations)
			}
		}
	}
}

// TestUploads: an upload is taken as the page has it, and not otherwise; what was
// uploaded can be had and sent.
func TestUploads(t *testing.T) {
	type part struct{ name, file, kind, content string }
	good := []part{{"messaging_product", "", "", "whatsapp"}, {"type", "", "", "image/png"}, {"file", "a.png", "image/png", "PNG"}}
	for _, c := range []struct {
		name, token string
		parts       []part
		reason      string
	}{
		{"as it should be", "token", good, ""},
		{"another token", "other", good, "access token"},
		{"no product", "token", good[1:], "messaging_product"},
		{"no file", "token", good[:2], "no file"},
		{"no type", "token", []part{good[0], good[2]}, "type is"},
		{"another type", "token", []part{good[0], {"type", "", "", "image/jpeg"}, good[2]}, "type is"},
		{"an unknown field", "token", append(good[:3:3], part{"caption", "", "", "x"}), "no field"},
	} {
		var body bytes.Buffer
		form := multipart.NewWriter(&body)
		for _, p := range c.parts {
			header := textproto.MIMEHeader{"Content-Disposition": {`form-data; name="` + p.name + `"`}}
			if p.file != "" {
				header.Set("Content-Disposition", `form-data; name="`+p.name+`"; filename="`+p.file+`"`)
				header.Set("Content-Type", p.kind)
			}
			w, err := form.CreatePart(header)
			if err != nil {
				t.Fatal(err)
			}
			w.Write([]byte(p.content))
		}
		form.Close()
		a := fresh(t)
		r := httptest.NewRequest("POST", "/106540352242922/media", &body)
		r.Header.Set("Authorization", "Bearer "+c.token)
		r.Header.Set("Content-Type", form.FormDataContentType())
		w := httptest.NewRecorder()
		a.ServeHTTP(w, r)
		if c.reason != "" {
			if v := a.Violations(); w.Code != 400 || len(v) != 1 || !strings.Contains(v[0].Reason, c.reason) {
				t.Errorf("%s: %d, %v", c.name, w.Code, v)
			}
			continue
		}
		if w.Code != 200 || len(a.Violations()) > 0 || string(a.media["1001"].Data) != "PNG" {
			t.Errorf("%s: %d %s, %v", c.name, w.Code, w.Body, a.Violations())
		}
		get := httptest.NewRequest("GET", "/1001?phone_number_id=106540352242922", nil)
		get.Header.Set("Authorization", "Bearer token")
		found := httptest.NewRecorder()
		a.ServeHTTP(found, get)
		if !strings.Contains(found.Body.String(), `"http://example.com/media/1001/file"`) {
			t.Errorf("the medium: %d %s", found.Code, found.Body)
		}
	}
}

// TestWebhook: it is signed as Meta signs.
// TestClientGone cuts an upload in the middle, as a client that is killed does:
// that breaks no contract.
func TestClientGone(t *testing.T) {
	a := fresh(t)
	w := httptest.NewRecorder()
	r := httptest.NewRequest("POST", "/106540352242922/media", io.MultiReader(strings.NewReader("--b\r\nContent-"), iotest.ErrReader(io.ErrUnexpectedEOF)))
	r.Header.Set("Authorization", "Bearer token")
	r.Header.Set("Content-Type", "multipart/form-data; boundary=b")
	a.ServeHTTP(w, r)
	if v := a.Violations(); len(v) != 0 || w.Body.Len() != 0 {
		t.Errorf("violations %v, answer %s", v, w.Body)
	}
}

func TestWebhook(t *testing.T) {
	body, header, err := fresh(t).Webhook("secret", "5511987654321", "Ana", "wamid.A", time.Unix(1700000000, 0), map[string]any{"type": "text", "text": map[string]any{"body": "Oi"}})
	if err != nil || !bytes.Contains(body, []byte(`"id":"wamid.A"`)) || !strings.HasPrefix(header.Get("X-Hub-Signature-256"), "sha256=") {
		t.Errorf("%s, %v, %v", body, header, err)
	}
	m := Message{ID: "wamid.B", To: "5511987654321", Body: map[string]any{"biz_opaque_callback_data": "effect-1"}}
	body, header, err = fresh(t).Status("secret", m, "delivered", time.Unix(1700000000, 0))
	if err != nil || !bytes.Contains(body, []byte(`"biz_opaque_callback_data":"effect-1"`)) || !bytes.Contains(body, []byte(`"status":"delivered"`)) || !strings.HasPrefix(header.Get("X-Hub-Signature-256"), "sha256=") {
		t.Errorf("%s, %v, %v", body, header, err)
	}
}
