package main

import (
	"encoding/json"
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

func TestSend(t *testing.T) {
	common := `{"messaging_product":"whatsapp","recipient_type":"individual","biz_opaque_callback_data":"effect-1",`
	tests := []struct{ name, to, message, want string }{
		{"text", ana, `{"type":"text","text":"Oi, {{secret:x}} <&> 👋"}`,
			`"to":"5511987654321","type":"text","text":{"body":"Oi, {{secret:x}} <&> 👋"}}`},
		{"reply", ana, `{"type":"text","text":"x","reply_to":"wamid.Q"}`,
			`"to":"5511987654321","context":{"message_id":"wamid.Q"},"type":"text","text":{"body":"x"}}`},
		{"plus sign", `{"scheme":"whatsapp","path":"+5511987654321"}`, `{"type":"text","text":"x"}`,
			`"to":"5511987654321","type":"text","text":{"body":"x"}}`},
		{"user without a phone number", `{"scheme":"whatsapp","path":"BR.13491208655302741918"}`, `{"type":"text","text":"x"}`,
			`"recipient":"BR.13491208655302741918","type":"text","text":{"body":"x"}}`},
		{"buttons", ana, `{"type":"buttons","text":"Confirma?","buttons":[{"id":"y","title":"Sim"},{"id":"n","title":"Não"}]}`,
			`"to":"5511987654321","type":"interactive","interactive":{"type":"button","body":{"text":"Confirma?"},
			"action":{"buttons":[{"type":"reply","reply":{"id":"y","title":"Sim"}},{"type":"reply","reply":{"id":"n","title":"Não"}}]}}}`},
		{"longest text", ana, `{"type":"text","text":"` + strings.Repeat("ç", 4096) + `"}`,
			`"to":"5511987654321","type":"text","text":{"body":"` + strings.Repeat("ç", 4096) + `"}}`},
		{"longest title", ana, `{"type":"buttons","text":"x","buttons":[{"id":"` + strings.Repeat("i", 256) + `","title":"` + strings.Repeat("ç", 20) + `"}]}`,
			`"to":"5511987654321","type":"interactive","interactive":{"type":"button","body":{"text":"x"},
			"action":{"buttons":[{"type":"reply","reply":{"id":"` + strings.Repeat("i", 256) + `","title":"` + strings.Repeat("ç", 20) + `"}}]}}}`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			output, failure := deliver(t, pdktest.NewHost(t, accepted(common+test.want)), test.to, test.message)
			if failure != nil || string(output) != `{"message_id":"wamid.S1"}` {
				t.Errorf("got %s, %v", output, failure)
			}
		})
	}
}

// TestRefusedBeforeSending: the host expects no request, so sending one fails
// the test.
func TestRefusedBeforeSending(t *testing.T) {
	buttons := func(list string) string { return `{"type":"buttons","text":"x","buttons":[` + list + `]}` }
	for _, test := range []struct{ name, to, message, want string }{
		{"empty text", ana, `{"type":"text","text":" "}`, "message.text: empty"},
		{"text too long", ana, `{"type":"text","text":"` + strings.Repeat("ç", 4097) + `"}`, "4097 characters; whatsapp takes at most 4096"},
		{"text with buttons", ana, `{"type":"text","text":"x","buttons":[{"id":"1","title":"1"}]}`, `use type "buttons"`},
		{"buttons without text", ana, `{"type":"buttons","buttons":[{"id":"1","title":"1"}]}`, "message.text: empty"},
		{"text above buttons too long", ana, `{"type":"buttons","text":"` + strings.Repeat("x", 1025) + `","buttons":[{"id":"1","title":"1"}]}`, "at most 1024"},
		{"no buttons", ana, buttons(``), "0 buttons"},
		{"four buttons", ana, buttons(`{"id":"1","title":"1"},{"id":"2","title":"2"},{"id":"3","title":"3"},{"id":"4","title":"4"}`), "4 buttons; whatsapp takes 1 to 3"},
		{"title too long", ana, buttons(`{"id":"1","title":"` + strings.Repeat("ç", 21) + `"}`), "message.buttons[0].title: 21 characters"},
		{"no title", ana, buttons(`{"id":"1"}`), "message.buttons[0].title: empty"},
		{"no id", ana, buttons(`{"title":"1"}`), "message.buttons[0].id: empty"},
		{"id too long", ana, buttons(`{"id":"` + strings.Repeat("i", 257) + `","title":"1"}`), "at most 256"},
		{"id with a space", ana, buttons(`{"id":"1 ","title":"1"}`), "space"},
		{"same id", ana, buttons(`{"id":"1","title":"1"},{"id":"1","title":"2"}`), "message.buttons[1]"},
		{"same title", ana, buttons(`{"id":"1","title":"1"},{"id":"2","title":"1"}`), "message.buttons[1]"},
		{"type not sent", ana, `{"type":"location"}`, `"location" can't be sent`},
		{"address of another channel", `{"scheme":"telegram","path":"5511987654321"}`, `{"type":"text","text":"x"}`, "telegram:5511987654321"},
		{"address that is no number", `{"scheme":"whatsapp","path":"ana"}`, `{"type":"text","text":"x"}`, `"ana" is neither`},
		{"no address", `{"scheme":"whatsapp","path":""}`, `{"type":"text","text":"x"}`, "neither"},
	} {
		t.Run(test.name, func(t *testing.T) {
			output, failure := deliver(t, pdktest.NewHost(t), test.to, test.message)
			if failure == nil || failure.Code != abi.CodeInvalid || failure.Retryable || !strings.Contains(failure.Message, test.want) {
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
		name       string
		status     int
		retryAfter string
		body       string
		code       string
		retryable  bool
		wait       int64
	}{
		{"outside the 24 hours", 400, "", graph("131047"), "whatsapp_131047", false, 0},
		{"token expired", 401, "", graph("190"), "whatsapp_190", false, 0},
		{"throughput", 400, "", graph("130429"), "whatsapp_130429", true, 0},
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
