package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/trama-run/trama/pdk/abi"
	pdk "github.com/trama-run/trama/pdk/go"
	"github.com/trama-run/trama/pdk/go/pdktest"
)

func deliver(t *testing.T, host *pdktest.Host, to string, message string) ([]byte, *abi.Error) {
	t.Helper()
	input := `{"channel":"wa","config":` + testConfig + `,"to":` + to + `,"message":` + message + `,"effect_id":"effect-1","from_a_newer_host":1}`
	return pdk.CallOpen(sender{host.HTTPSend, func() time.Time { return time.Unix(0, 0) }}.deliver, []byte(input))
}

const ana = `{"scheme":"whatsapp","path":"5511987654321"}`

func accepted(body string) abi.HTTPExchange {
	return abi.HTTPExchange{
		Request: abi.HTTPRequest{
			Method: "POST", URL: "/106540352242922/messages",
			Headers: map[string]string{"content-type": "application/json"}, Body: body,
		},
		Response: abi.HTTPResponse{Status: 200, Body: `{"messaging_product":"whatsapp",
			"contacts":[{"input":"5511987654321","wa_id":"5511987654321"}],"messages":[{"id":"wamid.S1"}]}`},
	}
}

const common = `"messaging_product":"whatsapp","recipient_type":"individual","biz_opaque_callback_data":"effect-1"`

// TestSend runs the cases of testdata/send: a message, and what is sent of it
// beside the fields that all messages have. There is one for each kind.
func TestSend(t *testing.T) {
	files, err := filepath.Glob("testdata/send/*.json")
	if err != nil {
		t.Fatal(err)
	}
	missing := slices.DeleteFunc(abi.MessageKinds(), func(kind string) bool { // see TestMark
		return kind == string(abi.MessageTyping) || kind == string(abi.MessageRead)
	})
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var test struct {
				Title   string          `json:"title"`
				Message json.RawMessage `json:"message"`
				Body    json.RawMessage `json:"body"`
			}
			if err := json.Unmarshal(data, &test); err != nil {
				t.Fatal(err)
			}
			var message abi.Message
			decoder := json.NewDecoder(bytes.NewReader(test.Message))
			decoder.DisallowUnknownFields()
			if err := decoder.Decode(&message); err != nil {
				t.Fatal(err)
			}
			missing = slices.DeleteFunc(missing, func(kind string) bool { return kind == message.Kind() })
			body := `{"to":"5511987654321",` + common + "," + strings.TrimPrefix(string(test.Body), "{")
			output, failure := deliver(t, pdktest.NewHost(t, accepted(body)), ana, string(test.Message))
			if failure != nil || string(output) != `{"message_id":"wamid.S1"}` {
				t.Errorf("%s: got %s, %v", test.Title, output, failure)
			}
		})
	}
	if len(missing) > 0 {
		t.Errorf("no case for %q", missing)
	}
}

func TestSendTo(t *testing.T) {
	const number = `"also":[{"scheme":"whatsapp","path":"5511987654321"}]`
	for _, test := range []struct{ name, to, want, contacts, output string }{
		{"plus sign", `{"scheme":"whatsapp","path":"+5511987654321"}`, `"to":"5511987654321"`, `[{"wa_id":"5511987654321"}]`, number},
		{"user without a phone number", `{"scheme":"whatsapp","path":"BR.13491208655302741918"}`, `"recipient":"BR.13491208655302741918"`, `[{"input":"BR.13491208655302741918"}]`, ""},
		{"user with one", `{"scheme":"whatsapp","path":"BR.13491208655302741918"}`, `"recipient":"BR.13491208655302741918"`, `[{"wa_id":5511987654321}]`, number},
		{"number of another length", `{"scheme":"whatsapp","path":"551187654321"}`, `"to":"551187654321"`, `[{"input":"551187654321","wa_id":"5511987654321"}]`, number},
		{"two contacts", ana, `"to":"5511987654321"`, `[{"wa_id":"1"},{"wa_id":"2"}]`, ""},
		{"contacts that can't be read", ana, `"to":"5511987654321"`, `[{"wa_id":true}]`, ""},
		{"no number", ana, `"to":"5511987654321"`, `[{"wa_id":"ana"}]`, ""},
		{"no contacts", ana, `"to":"5511987654321"`, `null`, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			exchange := accepted(`{` + common + `,` + test.want + `,"type":"text","text":{"body":"x"}}`)
			exchange.Response.Body = `{"contacts":` + test.contacts + `,"messages":[{"id":"wamid.S1"}]}`
			output, failure := deliver(t, pdktest.NewHost(t, exchange), test.to, `{"type":"text","text":"x"}`)
			if want := strings.TrimSuffix(`{"message_id":"wamid.S1",`+test.output, ",") + "}"; failure != nil || string(output) != want {
				t.Errorf("got %s, %v, want %s", output, failure, want)
			}
		})
	}
}

// TestLimits sends each part at its limit, and refuses it with one more. The
// host expects no second request, so sending one fails the test.
func TestLimits(t *testing.T) {
	letters := func(n int) string { return strings.Repeat("ç", n) }
	repeat := func(n int, each string) string {
		var parts []string
		for i := range n {
			parts = append(parts, strings.ReplaceAll(each, "#", fmt.Sprint(i)))
		}
		return strings.Join(parts, ",")
	}
	const oneButton, oneRow = `"buttons":[{"id":"1","title":"1"}]`, `"list":{"button":"b","sections":[{"rows":[{"id":"1","title":"1"}]}]}`
	row := func(fields string) string {
		return `{"type":"list","text":"x","list":{"button":"b","sections":[{"rows":[{` + fields + `}]}]}}`
	}
	card := func(title string) string {
		return `{"title":"` + title + `","media":{"kind":"image","id":"1"},"buttons":[{"id":"1","title":"1"}]}`
	}
	tests := []struct {
		name    string
		limit   int
		message func(n int) string
		want    string
	}{
		{"text", 4096, func(n int) string { return `{"type":"text","text":"` + letters(n) + `"}` }, "message.text: 4097 characters"},
		{"caption", 1024, func(n int) string {
			return `{"type":"media","text":"` + letters(n) + `","media":{"kind":"image","id":"1"}}`
		}, "message.text: 1025 characters"},
		{"contacts", 257, func(n int) string { return `{"type":"contacts","contacts":[` + repeat(n, `{"name":"a"}`) + `]}` }, "message.contacts: 258 contacts"},
		{"text above buttons", 1024, func(n int) string { return `{"type":"buttons","text":"` + letters(n) + `",` + oneButton + `}` }, "message.text: 1025 characters"},
		{"header", 60, func(n int) string {
			return `{"type":"buttons","text":"x","header":"` + letters(n) + `",` + oneButton + `}`
		}, "message.header: 61 characters"},
		{"footer", 60, func(n int) string {
			return `{"type":"buttons","text":"x","footer":"` + letters(n) + `",` + oneButton + `}`
		}, "message.footer: 61 characters"},
		{"buttons", 3, func(n int) string {
			return `{"type":"buttons","text":"x","buttons":[` + repeat(n, `{"id":"#","title":"#"}`) + `]}`
		}, "message.buttons: 4 buttons"},
		{"button title", 20, func(n int) string {
			return `{"type":"buttons","text":"x","buttons":[{"id":"1","title":"` + letters(n) + `"}]}`
		}, "message.buttons[0].title: 21 characters"},
		{"button id", 256, func(n int) string {
			return `{"type":"buttons","text":"x","buttons":[{"id":"` + letters(n) + `","title":"1"}]}`
		}, "message.buttons[0].id: 257 characters"},
		{"url button title", 20, func(n int) string {
			return `{"type":"buttons","text":"x","buttons":[{"url":"https://a.b","title":"` + letters(n) + `"}]}`
		}, "message.buttons[0].title: 21 characters"},
		{"text above a list", 4096, func(n int) string { return `{"type":"list","text":"` + letters(n) + `",` + oneRow + `}` }, "message.text: 4097 characters"},
		{"list button", 20, func(n int) string {
			return `{"type":"list","text":"x","list":{"button":"` + letters(n) + `","sections":[{"rows":[{"id":"1","title":"1"}]}]}}`
		}, "message.list.button: 21 characters"},
		{"rows", 10, func(n int) string {
			return `{"type":"list","text":"x","list":{"button":"b","sections":[{"rows":[` + repeat(n, `{"id":"#","title":"#"}`) + `]}]}}`
		}, "message.list.sections: 11 rows"},
		{"section title", 24, func(n int) string {
			return `{"type":"list","text":"x","list":{"button":"b","sections":[{"title":"` + letters(n) + `","rows":[{"id":"1","title":"1"}]}]}}`
		}, "message.list.sections[0].title: 25 characters"},
		{"row id", 200, func(n int) string { return row(`"id":"` + letters(n) + `","title":"1"`) }, "message.list.sections[0].rows[0].id: 201 characters"},
		{"row title", 24, func(n int) string { return row(`"id":"1","title":"` + letters(n) + `"`) }, "rows[0].title: 25 characters"},
		{"row description", 72, func(n int) string { return row(`"id":"1","title":"1","description":"` + letters(n) + `"`) }, "rows[0].description: 73 characters"},
		{"form button", 30, func(n int) string {
			return `{"type":"form","text":"x","form":{"id":"1","button":"` + letters(n) + `"}}`
		}, "message.form.button: 31 characters"},
		{"cards", 10, func(n int) string { return `{"type":"cards","text":"x","cards":[` + repeat(n, card("#")) + `]}` }, "message.cards: 11 cards"},
		{"card", 160, func(n int) string {
			return `{"type":"cards","text":"x","cards":[` + card("a") + "," + card(letters(n)) + `]}`
		}, "message.cards[1]: 161 characters"},
		{"products", 30, func(n int) string {
			return `{"type":"product_list","text":"x","header":"x","product_list":{"catalog_id":"1","sections":[{"product_ids":[` + repeat(n, `"#"`) + `]}]}}`
		}, "message.product_list.sections: 31 products"},
		{"product sections", 10, func(n int) string {
			return `{"type":"product_list","text":"x","header":"x","product_list":{"catalog_id":"1","sections":[` + repeat(n, `{"title":"#","product_ids":["#"]}`) + `]}}`
		}, "message.product_list.sections: 11 sections"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			host := pdktest.NewHost(t, accepted(""))
			if output, failure := deliver(t, host, ana, test.message(test.limit)); failure != nil {
				t.Errorf("at the limit: got %s, %v", output, failure)
			}
			output, failure := deliver(t, host, ana, test.message(test.limit+1))
			if failure == nil || failure.Code != abi.CodeInvalid || !strings.Contains(failure.Message, test.want) {
				t.Errorf("over the limit: got %s, %v, want %q", output, failure, test.want)
			}
		})
	}
}

// TestRefusedBeforeSending: the host expects no request, so sending one fails
// the test.
func TestRefusedBeforeSending(t *testing.T) {
	buttons := func(list string) string { return `{"type":"buttons","text":"x","buttons":[` + list + `]}` }
	cards := func(list string) string { return `{"type":"cards","text":"x","cards":[` + list + `]}` }
	const image, answer = `"media":{"kind":"image","id":"1"}`, `"buttons":[{"id":"1","title":"1"}]`
	const whole = `{"title":"a",` + image + `,` + answer + `}`
	for _, test := range []struct{ name, to, message, code, want string }{
		{"empty text", ana, `{"type":"text","text":" "}`, abi.CodeInvalid, "message.text: it is empty"},
		{"text with buttons", ana, `{"type":"text","text":"x","buttons":[{"id":"1","title":"1"}]}`, abi.CodeInvalid, `use the type buttons`},
		{"no buttons", ana, buttons(``), abi.CodeInvalid, "message.buttons: there are none"},
		{"id with a space", ana, buttons(`{"id":"1 ","title":"1"}`), abi.CodeInvalid, "space"},
		{"same id", ana, buttons(`{"id":"1","title":"1"},{"id":"1","title":"2"}`), abi.CodeInvalid, "message.buttons[1].id"},
		{"same title", ana, buttons(`{"id":"1","title":"1"},{"id":"2","title":"1"}`), abi.CodeInvalid, "message.buttons[1].title"},
		{"url and answer", ana, buttons(`{"id":"1","title":"1"},{"url":"https://a.b","title":"2"}`), abi.CodeUnsupported, "message.buttons[1].url: whatsapp shows a button with a url alone"},
		{"two urls", ana, buttons(`{"url":"https://a.b","title":"1"},{"url":"https://a.b","title":"2"}`), abi.CodeUnsupported, "message.buttons[0].url"},
		{"header and file", ana, `{"type":"buttons","text":"x","header":"h",` + image + `,` + answer + `}`, abi.CodeUnsupported, "message.header"},
		{"audio above buttons", ana, `{"type":"buttons","text":"x","media":{"kind":"voice","id":"1"},` + answer + `}`, abi.CodeUnsupported, "message.media.kind: whatsapp shows an image, video or document there, no voice"},
		{"text with a sticker", ana, `{"type":"media","text":"x","media":{"kind":"sticker","id":"1"}}`, abi.CodeUnsupported, "no text with a message of the kind sticker"},
		{"text with audio", ana, `{"type":"media","text":"x","media":{"kind":"audio","id":"1"}}`, abi.CodeUnsupported, "audio"},
		{"header of a product", ana, `{"type":"product","header":"x","product":{"catalog_id":"1","product_id":"1"}}`, abi.CodeUnsupported, "message.header"},
		{"no header of products", ana, `{"type":"product_list","text":"x","product_list":{"catalog_id":"1","sections":[{"product_ids":["1"]}]}}`, abi.CodeInvalid, "message.header: it is empty"},
		{"cards without a text", ana, `{"type":"cards","cards":[` + whole + `,` + whole + `]}`, abi.CodeInvalid, "message.text: it is empty"},
		{"cards with a footer", ana, `{"type":"cards","text":"x","footer":"f","cards":[` + whole + `,` + whole + `]}`, abi.CodeUnsupported, "no footer"},
		{"card without a picture", ana, cards(whole + `,{"title":"a",` + answer + `}`), abi.CodeUnsupported, "message.cards[1].media: each card"},
		{"card with audio", ana, cards(whole + `,{"title":"a","media":{"kind":"audio","id":"1"},` + answer + `}`), abi.CodeUnsupported, "message.cards[1].media: each card"},
		{"cards without buttons", ana, cards(`{"title":"a",` + image + `},{"title":"a",` + image + `}`), abi.CodeUnsupported, "message.cards[0].buttons"},
		{"cards with other buttons", ana, cards(whole + `,{"title":"a",` + image + `,"buttons":[{"url":"https://a.b","title":"1"}]}`), abi.CodeUnsupported, "message.cards[1].buttons"},
		{"cards with more buttons", ana, cards(whole + `,{"title":"a",` + image + `,"buttons":[{"id":"1","title":"1"},{"id":"2","title":"2"}]}`), abi.CodeUnsupported, "message.cards[1].buttons"},
		{"form with no object", ana, `{"type":"form","text":"x","form":{"id":"1","button":"b","data":[1]}}`, abi.CodeInvalid, "message.form.data: it is no object"},
		{"component without a type", ana, `{"type":"template","template":{"name":"a","language":"b","components":[{}]}}`, abi.CodeInvalid, "message.template.components[0]"},
		{"params and a body", ana, `{"type":"template","template":{"name":"a","language":"b","params":["1"],"components":[{"type":"BODY"}]}}`, abi.CodeInvalid, "message.template.components[0]: the template has params"},
		{"type that is received", ana, `{"type":"button_reply","text":"x"}`, abi.CodeInvalid, `"button_reply" is no type of message that can be sent`},
		{"address of another channel", `{"scheme":"telegram","path":"5511987654321"}`, `{"type":"text","text":"x"}`, abi.CodeInvalid, "telegram:5511987654321"},
		{"address that is no number", `{"scheme":"whatsapp","path":"ana"}`, `{"type":"text","text":"x"}`, abi.CodeInvalid, `"ana" is neither`},
		{"no address", `{"scheme":"whatsapp","path":""}`, `{"type":"text","text":"x"}`, abi.CodeInvalid, "neither"},
	} {
		t.Run(test.name, func(t *testing.T) {
			output, failure := deliver(t, pdktest.NewHost(t), test.to, test.message)
			if failure == nil || failure.Code != test.code || failure.Retryable || !strings.Contains(failure.Message, test.want) {
				t.Errorf("got %s, %v, want %q", output, failure, test.want)
			}
		})
	}
}

func TestSendFails(t *testing.T) {
	graph := func(code string) string {
		return `{"error":{"message":"(#` + code + `) Something","type":"OAuthException","code":` + code + `,"error_data":{"messaging_product":"whatsapp","details":"In detail."},"fbtrace_id":"Az8"}}`
	}
	tests := []struct {
		name       string // with ": all wait": nothing else can be sent either
		status     int
		retryAfter string
		body       string
		code       string
		retryable  bool
		wait       int64
	}{
		{"spam: all wait", 400, "", graph("131048"), "whatsapp_131048", true, 0},
		{"outside the 24 hours", 400, "", graph("131047"), abi.CodeWindowClosed, false, 0},
		{"token expired", 401, "", graph("190"), "whatsapp_190", false, 0},
		{"throughput: all wait", 400, "", graph("130429"), "whatsapp_130429", true, 0},
		{"pair rate", 400, "", graph("131056"), "whatsapp_131056", true, 6000},
		{"pair rate with a longer wait", 400, "60", graph("131056"), "whatsapp_131056", true, 60_000},
		{"429 with a code that is final", 429, "3", graph("100"), "whatsapp_100", true, 3000},
		{"service down", 500, "", graph("2"), "whatsapp_2", true, 0},
		{"unavailable, no JSON", 503, "9", "<html>", "whatsapp_unavailable", true, 9000},
		{"bad gateway: it may have been sent", 502, "", "<html>", abi.CodeUnknown, false, 0},
		{"success without an id", 200, "", `{"messages":[]}`, abi.CodeUnknown, false, 0},
		{"success that is no JSON", 200, "", `OK`, abi.CodeUnknown, false, 0},
		{"wrong address", 404, "", `not here`, "whatsapp_refused", false, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			response := abi.HTTPResponse{Status: test.status, Headers: map[string]string{"retry-after": test.retryAfter}, Body: test.body}
			output, failure := deliver(t, pdktest.NewHost(t, abi.HTTPExchange{Response: response}), ana, `{"type":"text","text":"x"}`)
			if failure == nil || failure.Code != test.code || failure.Retryable != test.retryable || failure.RetryAfterMillis != test.wait {
				t.Fatalf("got %s, %+v", output, failure)
			}
			if all := strings.Contains(string(failure.Detail), `"scope":"channel"`); all != strings.HasSuffix(test.name, ": all wait") {
				t.Errorf("detail %s", failure.Detail)
			}
			if failure.Detail != nil && (!json.Valid(failure.Detail) || !strings.Contains(failure.Message, "In detail.")) {
				t.Errorf("message %q, detail %s", failure.Message, failure.Detail)
			}
		})
	}
}

func TestEffectIDTooLong(t *testing.T) {
	s := sender{send: func(abi.HTTPRequest) (abi.HTTPResponse, error) {
		t.Error("it was sent")
		return abi.HTTPResponse{}, nil
	}}
	_, err := s.deliver(abi.Send{
		Config: json.RawMessage(testConfig), To: abi.Address{Scheme: scheme, Path: "5511987654321"},
		Message: abi.Message{Type: abi.MessageText, Text: "x"}, EffectID: strings.Repeat("x", 513),
	})
	if err == nil {
		t.Error("it was taken")
	}
}

func TestHostErrorsPassThrough(t *testing.T) {
	s := sender{send: func(abi.HTTPRequest) (abi.HTTPResponse, error) {
		return abi.HTTPResponse{}, &abi.Error{Code: abi.CodeUnreachable, Message: "connection refused", Retryable: true}
	}}
	_, err := s.deliver(abi.Send{
		Config: json.RawMessage(testConfig), To: abi.Address{Scheme: scheme, Path: "5511987654321"},
		Message: abi.Message{Type: abi.MessageText, Text: "x"}, EffectID: "e",
	})
	if failure, ok := err.(*abi.Error); !ok || failure.Code != abi.CodeUnreachable || !failure.Retryable {
		t.Errorf("got %v", err)
	}
}

// FuzzSend: any message is sent as JSON or refused, and never a panic.
func FuzzSend(f *testing.F) {
	seed(f, "testdata/send/*.json", "message")
	f.Fuzz(func(t *testing.T, data []byte) {
		var message abi.Message
		if json.Unmarshal(data, &message) != nil {
			return
		}
		body, err := compose(abi.Send{To: abi.Address{Scheme: scheme, Path: "5511987654321"}, Message: message, EffectID: "e"})
		if err != nil {
			return
		}
		kind, _ := body["type"].(string)
		if _, err := json.Marshal(body); err != nil || kind == "" || body[kind] == nil {
			t.Fatalf("%s became %v, %v", data, body, err)
		}
	})
}

// TestBounds: what is over a limit of WhatsApp is known to the host, which says
// it by other means.
func TestBounds(t *testing.T) {
	var m abi.Manifest
	if err := json.Unmarshal(manifest, &m); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string][2]int{
		"button_title": {m.Bounds.ButtonTitle, maxButtonTitle}, "button_id": {m.Bounds.ButtonID, maxButtonID}, "buttons": {m.Bounds.Buttons, maxButtons},
		"rows": {m.Bounds.Rows, maxRows}, "row_title": {m.Bounds.RowTitle, maxRowTitle}, "row_id": {m.Bounds.RowID, maxRowID}, "row_text": {m.Bounds.RowText, maxRowText},
		"section_title": {m.Bounds.SectionTitle, maxSectionTitle}, "frame": {m.Bounds.Frame, maxFrame}, "cards": {m.Bounds.Cards, maxCards}, "card_text": {m.Bounds.CardText, maxCardBody},
	} {
		if c[0] == 0 || c[0] > c[1] {
			t.Errorf("%s is %d in the manifest, and %d here", name, c[0], c[1])
		}
	}
}
