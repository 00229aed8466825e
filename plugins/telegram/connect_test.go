package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/trama-run/trama/pdk/abi"
	pdk "github.com/trama-run/trama/pdk/go"
	"github.com/trama-run/trama/pdk/go/pdktest"
	"github.com/trama-run/trama/plugins/telegram/telegramtest"
)

const hook = "https://bots.example.com/hooks/tg"

func TestConnect(t *testing.T) {
	const config = `{"max_connections":5,"drop_pending_updates":true,"allowed_updates":["message"],"bot_username":"trama_stub_bot"}`
	api := telegramtest.New(stubToken)
	output, failure := pdk.CallOpen(onStub(t, api).connect, []byte(`{"channel":"tg","config":`+config+`,"url":"`+hook+`"}`))
	if failure != nil || string(output) != `{"account":"@trama_stub_bot","webhook":"`+hook+`"}` {
		t.Fatalf("got %s, %v; faults %q", output, failure, api.Faults())
	}
	params, err := json.Marshal(api.Calls()[0].Params)
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"allowed_updates":["message"],"drop_pending_updates":true,"max_connections":5,"secret_token":"s-1","url":"` + hook + `"}`; string(params) != want {
		t.Errorf("set %s, want %s", params, want)
	}
	api = telegramtest.New(stubToken)
	if output, failure := pdk.CallOpen(onStub(t, api).connect, []byte(`{"url":"`+hook+`"}`)); failure != nil {
		t.Errorf("with no settings: %s, %v", output, failure)
	}
	if got := string(api.Calls()[0].Params["allowed_updates"]); !strings.Contains(got, "callback_query") || !strings.Contains(got, "my_chat_member") {
		t.Errorf("with no settings it asks for %s", got)
	}
}

func TestConnectFails(t *testing.T) {
	for _, test := range []struct {
		name, url string
		answer    abi.HTTPResponse
		code      string
		says      string
	}{
		{"no address", "", abi.HTTPResponse{}, abi.CodeInvalid, "public_url"},
		{"no HTTPS", "http://a.b/", refused(400, "Bad Request: bad webhook: An HTTPS URL must be provided for webhook", ""), "telegram_bad_webhook", "443, 80, 88 or 8443"},
		{"secret", hook, refused(400, "Bad Request: secret token contains unallowed characters", ""), abi.CodeInvalid, "webhook_secret"},
		{"token", hook, refused(401, "Unauthorized", ""), "telegram_unauthorized", "bot_token"},
		{"rate", hook, refused(429, "Too Many Requests: retry after 1", `{"retry_after":1}`), "telegram_rate", "retry after 1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var exchanges []abi.HTTPExchange
			if test.url != "" {
				exchanges = []abi.HTTPExchange{{Response: test.answer}}
			}
			_, err := botOf(pdktest.NewHost(t, exchanges...)).connect(abi.Connect{Channel: "tg", URL: test.url})
			if failure, ok := err.(*abi.Error); !ok || failure.Code != test.code || !strings.Contains(failure.Message, test.says) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestCheck: it says what is amiss, and changes nothing.
func TestCheck(t *testing.T) {
	const me = `{"ok":true,"result":{"id":7700000001,"is_bot":true,"first_name":"L","username":"Loja_bot"}}`
	for _, test := range []struct{ name, config, url, info, want string }{
		{"all is well", `{"bot_username":"@loja_bot"}`, hook, `{"url":"` + hook + `","pending_update_count":0,"allowed_updates":["message","edited_message","callback_query","my_chat_member","message_reaction"]}`,
			`{"account":"@Loja_bot","webhook":"` + hook + `"}`},
		{"no webhook", `{}`, hook, `{"url":"","pending_update_count":0}`,
			`{"account":"@Loja_bot","notes":["no webhook is set, so nothing comes in: run trama channel connect tg"]}`},
		{"elsewhere, and failing", `{"bot_username":"outra_bot"}`, hook, `{"url":"https://old.example.com/x","pending_update_count":12,"last_error_date":1749416383,"last_error_message":"Wrong response from the webhook: 500 Internal Server Error","allowed_updates":["message"]}`,
			`{"account":"@Loja_bot","webhook":"https://old.example.com/x","notes":["the token is that of @Loja_bot, and config.bot_username says @outra_bot: correct one of them",` +
				`"updates go to https://old.example.com/x instead of ` + hook + `: run trama channel connect tg","12 updates wait to be delivered",` +
				`"the last delivery that failed, at 2025-06-08T20:59:43Z: Wrong response from the webhook: 500 Internal Server Error",` +
				`"updates of the kind edited_message are not sent: run trama channel connect tg","updates of the kind callback_query are not sent: run trama channel connect tg",` +
				`"updates of the kind my_chat_member are not sent: run trama channel connect tg","updates of the kind message_reaction are not sent: run trama channel connect tg"]}`},
		{"a host without an address", `{"allowed_updates":["message"]}`, "", `{"url":"https://old.example.com/x","pending_update_count":0}`,
			`{"account":"@Loja_bot","webhook":"https://old.example.com/x"}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			host := pdktest.NewHost(t, exchange("getMe", `{}`, 200, me), exchange("getWebhookInfo", `{}`, 200, `{"ok":true,"result":`+test.info+`}`))
			output, failure := pdk.CallOpen(botOf(host).check, []byte(`{"channel":"tg","config":`+test.config+`,"url":"`+test.url+`"}`))
			if failure != nil || string(output) != test.want {
				t.Errorf("got %s, %v\nwant %s", output, failure, test.want)
			}
		})
	}
}

func TestFetch(t *testing.T) {
	api := telegramtest.New(stubToken)
	api.AddFile("P-1", []byte("jpeg"))
	output, failure := pdk.CallOpen(onStub(t, api).fetch, []byte(`{"channel":"tg","media":{"kind":"image","id":"P-1","mime":"image/jpeg"}}`))
	if want := `{"blob":{"id":"blob-of-jpeg","size":4,"sha256":"","mime":"application/octet-stream"},"mime":"image/jpeg","filename":"P-1"}`; failure != nil || string(output) != want {
		t.Errorf("got %s, %v; faults %q", output, failure, api.Faults())
	}
	if strings.Contains(string(output), stubToken) {
		t.Error("the token is in the output")
	}
}

func TestFetchFails(t *testing.T) {
	file := func(path string) abi.HTTPExchange {
		return exchange("getFile", `{"file_id":"P-1"}`, 200, `{"ok":true,"result":{"file_id":"P-1","file_path":"`+path+`"}}`)
	}
	download := func(status int) abi.HTTPExchange {
		return abi.HTTPExchange{
			Request:  abi.HTTPRequest{Method: "GET", URL: "/file/bot<secret:bot_token>/photos/file%201.jpg"},
			Response: abi.HTTPResponse{Status: status, Headers: map[string]string{"retry-after": "2"}, Blob: &abi.Blob{ID: "b"}},
		}
	}
	tooBig := abi.HTTPExchange{Response: refused(400, "Bad Request: file is too big", "")}
	wrong := abi.HTTPExchange{Response: refused(400, "Bad Request: wrong file_id or the file is temporarily unavailable", "")}
	for _, test := range []struct {
		name      string
		id        string
		exchanges []abi.HTTPExchange
		code      string
		retryable bool
		wait      int64
	}{
		{"no id", "", nil, abi.CodeInvalid, false, 0},
		{"too big", "P-1", []abi.HTTPExchange{tooBig}, abi.CodeLimit, false, 0},
		{"no such file", "P-1", []abi.HTTPExchange{wrong}, "telegram_bad_request", false, 0},
		{"server down", "P-1", []abi.HTTPExchange{{Response: abi.HTTPResponse{Status: 502}}}, "telegram_unavailable", true, 0},
		{"a path of a disk", "P-1", []abi.HTTPExchange{file("/var/lib/x.jpg")}, "telegram_local", false, 0},
		{"a path that climbs", "P-1", []abi.HTTPExchange{file("../../bot/x")}, "telegram_file", false, 0},
		{"no path", "P-1", []abi.HTTPExchange{file("")}, "telegram_file", false, 0},
		{"gone", "P-1", []abi.HTTPExchange{file("photos/file 1.jpg"), download(404)}, "telegram_file", true, 0},
		{"forbidden", "P-1", []abi.HTTPExchange{file("photos/file 1.jpg"), download(403)}, "telegram_file", false, 0},
		{"rate", "P-1", []abi.HTTPExchange{file("photos/file 1.jpg"), download(429)}, "telegram_file", true, 2000},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := botOf(pdktest.NewHost(t, test.exchanges...)).fetch(abi.Fetch{Media: abi.Media{Kind: "image", ID: test.id}})
			if failure, ok := err.(*abi.Error); !ok || failure.Code != test.code || failure.Retryable != test.retryable || failure.RetryAfterMillis != test.wait {
				t.Errorf("got %+v", err)
			}
		})
	}
}

func TestManifest(t *testing.T) {
	m := pdktest.Manifest(t, manifest)
	if m.Name != "telegram" || m.Kind != abi.KindChannel || m.Webhook == nil || m.Webhook.Token == nil ||
		*m.Webhook.Token != (abi.WebhookToken{Header: "X-Telegram-Bot-Api-Secret-Token", Secret: webhookSecret}) {
		t.Errorf("got %+v", m)
	}
	if m.Bounds.Text != maxText || m.Bounds.Caption != maxCaption || m.Bounds.Interactive != maxText || m.Bounds.Buttons != maxKeys || m.Bounds.Rows != maxKeys {
		t.Errorf("bounds %+v", m.Bounds)
	}
	sample, err := json.Marshal(abi.Receive{Body: m.Webhook.Sample.Body})
	if err != nil {
		t.Fatal(err)
	}
	if output, failure := pdk.CallOpen(botOf(pdktest.NewHost(t)).receive, sample); failure != nil || !strings.Contains(string(output), `"text":"hello"`) {
		t.Errorf("the sample gives %s, %v", output, failure)
	}
	for _, warm := range m.Warm { // they reach nothing outside, and are read
		host := pdktest.NewHost(t)
		b := botOf(host)
		b.send = func(abi.HTTPRequest) (abi.HTTPResponse, error) {
			return abi.HTTPResponse{}, &abi.Error{Code: abi.CodeDenied, Message: "warm"}
		}
		_, failure := map[string]pdktest.Handler{
			"receive": pdktest.Handle(b.receive), "warm": pdktest.Handle(b.deliver),
		}[warm.Export](warm.Input)
		if (failure == nil) != (warm.Export == "receive") || failure != nil && failure.Code != abi.CodeDenied {
			t.Errorf("%s: %v", warm.Export, failure)
		}
	}
}
