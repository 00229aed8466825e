package apichat_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/trama-run/trama/host/apichat"
	"github.com/trama-run/trama/pdk/abi"
)

const (
	asJSON = "application/json"
	asForm = "application/x-www-form-urlencoded"
)

// TestReceive: what systems post, as units; "|" stands between several.
func TestReceive(t *testing.T) {
	for _, c := range []struct {
		name, kind, body, want string
	}{
		{"text", asJSON, `{"content": "Oi", "message_type": "incoming", "sender": {"id": 42, "name": "Ana", "email": "a@example.com", "type": "contact"}, "conversation_id": 7, "event": "message_created", "id": 1001, "created_at": 1749416383}`,
			`{"id":"42/1001","from":{"scheme":"apichat","path":"42"},"name":"Ana","time_millis":1749416383000,"message":{"id":"42/1001","type":"text","text":"Oi"}}`},
		{"numbers beyond 2^53", asJSON, `{"content": "Oi", "sender": {"id": 9007199254740993}, "id": 99999999999999999999}`,
			`{"id":"9007199254740993/99999999999999999999","from":{"scheme":"apichat","path":"9007199254740993"},"message":{"id":"9007199254740993/99999999999999999999","type":"text","text":"Oi"}}`},
		{"a number for a text", asJSON, `{"content": 5, "sender": {"id": "a"}, "id": "m"}`,
			`{"id":"a/m","from":{"scheme":"apichat","path":"a"},"message":{"id":"a/m","type":"text","text":"5"}}`},
		{"without an id", asJSON, `{"content": "Oi", "conversation_id": "c1"}`,
			`{"id":"d#1","from":{"scheme":"apichat","path":"c1"},"message":{"id":"d#1","type":"text","text":"Oi"}}`},
		{"type left out", "", `{"content": "Oi", "sender": {"id": "a"}}`,
			`{"id":"d#1","from":{"scheme":"apichat","path":"a"},"message":{"id":"d#1","type":"text","text":"Oi"}}`},
		{"form", asForm, "content=Oi+l%C3%A1&sender[id]=42&sender[name]=Ana&id=9&message_type=incoming",
			`{"id":"42/9","from":{"scheme":"apichat","path":"42"},"name":"Ana","message":{"id":"42/9","type":"text","text":"Oi lá"}}`},
		{"form with a file", asForm, "sender[id]=42&id=9&attachments[0][file_type]=image&attachments[0][data_url]=https%3A%2F%2Fexample.com%2F1.png",
			`{"id":"42/9","from":{"scheme":"apichat","path":"42"},"message":{"id":"42/9","type":"media","media":{"kind":"image","url":"https://example.com/1.png"}}}`},
		{"button", asJSON, `{"content": "Yes", "payload": "yes", "sender": {"id": "a"}, "id": 1}`,
			`{"id":"a/1","from":{"scheme":"apichat","path":"a"},"message":{"id":"a/1","type":"button_reply","text":"Yes","payload":"yes"}}`},
		{"button as a postback", asJSON, `{"postback": {"title": "Yes", "payload": "yes"}, "sender": {"id": "a"}, "id": 1}`,
			`{"id":"a/1","from":{"scheme":"apichat","path":"a"},"message":{"id":"a/1","type":"button_reply","text":"Yes","payload":"yes"}}`},
		{"files", asJSON, `{"content": "see", "sender": {"id": "a"}, "id": 1, "attachments": [{"file_type": "image", "data_url": "https://example.com/1"}, {"file_type": "file", "data_url": "https://example.com/2", "file_name": "2.pdf", "content_type": "application/pdf"}]}`,
			`{"id":"a/1","from":{"scheme":"apichat","path":"a"},"message":{"id":"a/1","type":"media","text":"see","media":{"kind":"image","url":"https://example.com/1"}}}|` +
				`{"id":"a/1/2","from":{"scheme":"apichat","path":"a"},"message":{"id":"a/1/2","type":"media","media":{"kind":"document","url":"https://example.com/2","mime":"application/pdf","filename":"2.pdf"}}}`},
		{"file in the message", asJSON, `{"sender": {"id": "a"}, "id": 1, "attachments": [{"file_type": "audio", "data": "AAE=", "content_type": "audio/ogg"}]}`,
			`{"id":"a/1","from":{"scheme":"apichat","path":"a"},"message":{"id":"a/1","type":"media","media":{"kind":"audio","url":"data:audio/ogg;base64,AAE=","mime":"audio/ogg"}}}`},
		{"file with a type that ends what holds it", asJSON, `{"sender": {"id": "a"}, "id": 1, "attachments": [{"file_type": "audio", "data": "AAE=", "content_type": "audio/ogg; codecs=\"opus,vorbis\""}]}`,
			`{"id":"a/1","from":{"scheme":"apichat","path":"a"},"message":{"id":"a/1","type":"media","media":{"kind":"audio","url":"data:audio/ogg;base64,AAE=","mime":"audio/ogg; codecs=\"opus,vorbis\""}}}`},
		{"file as browsers read one", asJSON, `{"sender": {"id": "a"}, "id": 1, "attachments": [{"file_type": "image", "data": "data:image/png;base64,AAE=", "content_type": "image/png"}]}`,
			`{"id":"a/1","from":{"scheme":"apichat","path":"a"},"message":{"id":"a/1","type":"media","media":{"kind":"image","url":"data:image/png;base64,AAE=","mime":"image/png"}}}`},
		{"unknown file in the message", asJSON, `{"sender":{"id":"a"},"id":1,"attachments":[{"file_type":"hologram","data":"` + strings.Repeat("A", 4000) + `"},{"data_url":"data:,a","name":"x"}]}`,
			`{"id":"a/1","from":{"scheme":"apichat","path":"a"},"message":{"id":"a/1","type":"unknown","raw":{"attachments":[{"file_type":"hologram"},{"name":"x"}],"id":1,"sender":{"id":"a"}}}}`},
		{"place", asJSON, `{"sender": {"id": "a"}, "id": 1, "attachments": [{"file_type": "location", "coordinates_lat": -23.5, "coordinates_long": "-46.6", "fallback_title": "Here"}]}`,
			`{"id":"a/1","from":{"scheme":"apichat","path":"a"},"message":{"id":"a/1","type":"location","location":{"latitude":-23.5,"longitude":-46.6,"name":"Here"}}}`},
		{"no place", asJSON, `{"sender":{"id":"a"},"id":1,"location":{"latitude":"NaN","longitude":"1"}}`,
			`{"id":"a/1","from":{"scheme":"apichat","path":"a"},"message":{"id":"a/1","type":"unknown","raw":{"id":1,"location":{"latitude":"NaN","longitude":"1"},"sender":{"id":"a"}}}}`},
		{"no place in a file", asJSON, `{"sender":{"id":"a"},"id":1,"attachments":[{"type":"location","lat":"1","lng":"nan"}]}`,
			`{"id":"a/1","from":{"scheme":"apichat","path":"a"},"message":{"id":"a/1","type":"unknown","raw":{"attachments":[{"lat":"1","lng":"nan","type":"location"}],"id":1,"sender":{"id":"a"}}}}`},
		{"a file's name with a path and lines", asJSON, `{"sender":{"id":"a"},"id":1,"attachments":[{"file_type":"file","data_url":"https://example.com/1","file_name":"a\r\nX: y\"/../../b\u202e.html\n"}]}`,
			`{"id":"a/1","from":{"scheme":"apichat","path":"a"},"message":{"id":"a/1","type":"media","media":{"kind":"document","url":"https://example.com/1","filename":"b.html"}}}`},
		{"unknown file", asJSON, `{"sender":{"id":"a"},"id":1,"attachments":[{"file_type":"hologram","data_url":"https://example.com/1"}]}`,
			`{"id":"a/1","from":{"scheme":"apichat","path":"a"},"message":{"id":"a/1","type":"unknown","raw":{"attachments":[{"data_url":"https://example.com/1","file_type":"hologram"}],"id":1,"sender":{"id":"a"}}}}`},
		{"unknown event", asJSON, `{"event": "wave", "sender": {"id": "a"}, "id": 12345678901234567890}`,
			`{"id":"a/12345678901234567890","from":{"scheme":"apichat","path":"a"},"message":{"id":"a/12345678901234567890","type":"unknown","raw":{"event":"wave","id":12345678901234567890,"sender":{"id":"a"}}}}`},
		{"empty", asJSON, `{"sender": {"id": "a"}, "id": 1, "content": ""}`,
			`{"id":"a/1","from":{"scheme":"apichat","path":"a"},"message":{"id":"a/1","type":"unknown","raw":{"content":"","id":1,"sender":{"id":"a"}}}}`},
		{"ours comes back", asJSON, `{"content": "x", "message_type": "outgoing", "sender": {"id": "a"}}`, ``},
		{"several", asJSON, `[{"content": "x", "sender": {"id": "a"}, "id": 1}, {"content": "y", "sender": {"id": "b"}}]`,
			`{"id":"a/1","from":{"scheme":"apichat","path":"a"},"message":{"id":"a/1","type":"text","text":"x"}}|{"id":"d#2","from":{"scheme":"apichat","path":"b"},"message":{"id":"d#2","type":"text","text":"y"}}`},
		{"several, named", asJSON, `{"messages": [{"content": "x", "sender": {"id": "a"}, "id": 1}]}`,
			`{"id":"a/1","from":{"scheme":"apichat","path":"a"},"message":{"id":"a/1","type":"text","text":"x"}}`},
		{"delivered", asJSON, `{"event": "message_delivered", "message_id": "e1", "sender": {"id": "a"}}`,
			`{"id":"e1/delivered","from":{"scheme":"apichat","path":"a"},"status":{"message_id":"e1","state":"delivered"}}`},
		{"failed", asJSON, `{"event": "message_failed", "message_id": "e1", "error": "gone"}`,
			`{"id":"e1/failed","status":{"message_id":"e1","state":"failed","error":{"code":"failed","message":"gone"}}}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			units, wrong, err := apichat.Receive("d", c.kind, []byte(c.body))
			if err != nil || wrong != nil {
				t.Fatal(err, wrong)
			}
			var got []string
			for _, u := range units {
				data, err := json.Marshal(u)
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, string(data))
			}
			if all := strings.Join(got, "|"); all != c.want {
				t.Errorf("got\n%s, want\n%s", all, c.want)
			}
		})
	}
}

func TestReceiveRefuses(t *testing.T) {
	for name, c := range map[string]struct{ kind, body, want string }{
		"no JSON":          {asJSON, `{"content"`, "neither JSON nor a form"},
		"not UTF-8":        {asJSON, "{\"content\": \"\xff\"}", "neither JSON nor a form"},
		"a text":           {asJSON, `"x"`, "no entry"},
		"an empty list":    {asJSON, `[]`, "no entry"},
		"a list of texts":  {asJSON, `["x"]`, "entry 1 is no object"},
		"too many":         {asJSON, "[" + strings.Repeat(`{},`, 100) + "{}]", "1 to 100"},
		"nobody":           {asJSON, `{"content": "x"}`, "sender.id"},
		"a long id":        {asJSON, `{"content": "x", "sender": {"id": "` + strings.Repeat("a", 600) + `"}}`, "sender.id"},
		"news of nothing":  {asJSON, `{"event": "message_read"}`, "message_id"},
		"a field twice":    {asForm, "content=a&content=b", "2 times"},
		"value and object": {asForm, "sender=a&sender[id]=b", "both a value and an object"},
		"deep":             {asForm, "a[b][c][d][e][f][g]=1", "too deep"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := apichat.Receive("d", c.kind, []byte(c.body))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// TestReceiveGood: of several entries the good ones are taken, and what is wrong
// with the others is said.
func TestReceiveGood(t *testing.T) {
	units, wrong, err := apichat.Receive("d", asJSON, []byte(`[{"content": "x", "sender": {"id": "a"}}, {"x": 1}, 7, {"content": "y", "sender": {"id": "b"}}]`))
	if err != nil || len(units) != 2 || units[0].Message.Text != "x" || units[1].Message.Text != "y" || units[1].ID != "d#4" {
		t.Errorf("units %+v, %v", units, err)
	}
	if got := strings.Join(wrong, "|"); !strings.HasPrefix(got, "entry 2: sender.id is missing") || !strings.HasSuffix(got, "|entry 3 is no object") {
		t.Errorf("wrong: %s", got)
	}
}

// TestReceiveNames: no two messages have the same id, whatever their users and
// they are called.
func TestReceiveNames(t *testing.T) {
	units, _, err := apichat.Receive("d", asJSON, []byte(`[
		{"content": "1", "id": "b/c", "sender": {"id": "a"}}, {"content": "2", "id": "c", "sender": {"id": "a/b"}},
		{"content": "3", "id": "b%2Fc", "sender": {"id": "a"}}, {"content": "4", "id": "m/2", "sender": {"id": "a"}},
		{"content": "5", "id": "m", "sender": {"id": "a"}, "attachments": [{"type": "file", "url": "https://example.com/1"}, {"type": "file", "url": "https://example.com/2"}]}]`))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, u := range units {
		if seen[u.ID] || u.Message.ID != u.ID {
			t.Errorf("%q is the id of two, or not the message's, %q", u.ID, u.Message.ID)
		}
		seen[u.ID] = true
	}
	if len(units) != 6 {
		t.Errorf("%d units", len(units))
	}
	for i, id := range []string{"b/c", "c", "b%2Fc", "m/2", "m", "m"} {
		body, failure := apichat.Body("chat", units[i].From, abi.Message{Type: abi.MessageText, Text: "x", ReplyTo: units[i].ID}, "e1", at)
		if failure != nil || !strings.HasSuffix(string(body), `"in_reply_to":"`+id+`"}`) {
			t.Errorf("an answer to %q: %s, %v", id, body, failure)
		}
	}
}

// FuzzReceive: whatever comes, it is refused or gives units that a channel may
// have.
func FuzzReceive(f *testing.F) {
	f.Add(asJSON, `{"content": "x", "sender": {"id": 1}, "attachments": [{"file_type": "image", "data_url": "u"}]}`)
	f.Add(asForm, "sender[id]=1&content=x&a[]=2")
	f.Fuzz(func(t *testing.T, kind, body string) {
		units, _, err := apichat.Receive("d", kind, []byte(body))
		if err != nil {
			return
		}
		for _, u := range units {
			if _, err := json.Marshal(u); err != nil {
				t.Errorf("%q can't be kept: %v", body, err)
			}
			if u.ID == "" || u.From.Path == "" && u.Status == nil || (u.Message == nil) == (u.Status == nil) {
				t.Errorf("%q gives %+v", body, u)
			}
		}
	})
}

// TestReadOrder: numbers are as good as texts, and a form as JSON.
func TestReadOrder(t *testing.T) {
	want := apichat.Order{Action: "a", Workspace: "9007199254740993", Email: "a@example.com", APIKey: "k", URL: "https://example.com/h", Key: "v"}
	for name, c := range map[string]struct{ kind, body string }{
		"json": {asJSON, `{"workspace": 9007199254740993, "email": "a@example.com", "ChaveApi": "k", "webhook_url": " https://example.com/h", "webhook_verification_key": "v"}`},
		"form": {asForm, "workspace=9007199254740993&email=a@example.com&ChaveApi=k&webhook_url=https://example.com/h&webhook_verification_key=v"},
	} {
		if got, err := apichat.ReadOrder("a", c.kind, []byte(c.body)); err != nil || got != want {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
	if _, err := apichat.ReadOrder("a", asJSON, []byte(`[]`)); err == nil {
		t.Error("a list is taken")
	}
}

// TestBody: what systems get, without what all have.
func TestBody(t *testing.T) {
	to := abi.Address{Scheme: apichat.Scheme, Path: "42"}
	yes, site := abi.Button{ID: "yes", Title: "Yes"}, abi.Button{Title: "Site", URL: "https://example.com"}
	picture := &abi.Media{Kind: "image", URL: "https://example.com/1.png", MIME: "image/png"}
	for _, c := range []struct {
		name string
		m    abi.Message
		want string // empty: refused
	}{
		{"text", abi.Message{Type: abi.MessageText, Text: "Oi", ReplyTo: "42/7"}, `"content_type":"text","content":"Oi","in_reply_to":"7"}`},
		{"buttons", abi.Message{Type: abi.MessageButtons, Text: "Sure?", Buttons: []abi.Button{yes, site}},
			`"content_type":"button_template","content":"Sure?","buttons":[{"type":"postback","title":"Yes","payload":"yes"},{"type":"web_url","title":"Site","url":"https://example.com"}]}`},
		{"cards", abi.Message{Type: abi.MessageCards, Cards: []abi.Card{{Title: "One", Subtitle: "first", Media: picture, Buttons: []abi.Button{yes}}, {Title: "Two"}}},
			`"content_type":"generic_template","content":"","elements":[{"title":"One","subtitle":"first","attachment":{"file_type":"image","data_url":"https://example.com/1.png","content_type":"image/png"},"buttons":[{"type":"postback","title":"Yes","payload":"yes"}]},{"title":"Two"}]}`},
		{"image", abi.Message{Type: abi.MessageMedia, Text: "see", Media: picture},
			`"content_type":"image","content":"see","attachments":[{"file_type":"image","data_url":"https://example.com/1.png","content_type":"image/png"}]}`},
		{"file", abi.Message{Type: abi.MessageMedia, Media: &abi.Media{Kind: "document", URL: "https://example.com/1", Filename: "1.pdf"}},
			`"content_type":"file","content":"","attachments":[{"file_type":"file","data_url":"https://example.com/1","file_name":"1.pdf"}]}`},
		{"audio", abi.Message{Type: abi.MessageMedia, Media: &abi.Media{Kind: "audio", URL: "https://example.com/1"}}, `"content_type":"audio","content":"","attachments":[{"file_type":"audio","data_url":"https://example.com/1"}]}`},
		{"video", abi.Message{Type: abi.MessageMedia, Media: &abi.Media{Kind: "video", URL: "https://example.com/1"}}, `"content_type":"video","content":"","attachments":[{"file_type":"video","data_url":"https://example.com/1"}]}`},
		{"a file without an address", abi.Message{Type: abi.MessageMedia, Media: &abi.Media{Kind: "video", Blob: &abi.Blob{ID: "b"}}}, ""},
		{"a list", abi.Message{Type: abi.MessageList, Text: "x", List: &abi.List{Button: "o", Sections: []abi.Section{{Rows: []abi.Row{{ID: "1", Title: "A"}}}}}}, ""},
		{"nothing", abi.Message{Type: abi.MessageText}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := apichat.Body("chat", to, c.m, "e1", at)
			if err != nil && c.want == "" {
				return
			}
			want := `{"event":"message_created","message_type":"outgoing","id":"e1","channel":"chat","created_at":1767348000,"recipient":{"id":"42"},` + c.want
			if err != nil || string(got) != want {
				t.Errorf("got %s, %v, want\n%s", got, err, want)
			}
		})
	}
}
