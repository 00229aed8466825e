package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/trama-run/trama/pdk/abi"
	pdk "github.com/trama-run/trama/pdk/go"
	"github.com/trama-run/trama/pdk/go/pdktest"
)

// ask calls a function of the adapter with a channel's config and what else its
// input has.
func ask[In, Out any](f func(In) (Out, error), input string) ([]byte, *abi.Error) {
	return pdk.CallOpen(f, []byte(`{"channel":"wa","config":`+testConfig+`,`+input+`}`))
}

func here(host *pdktest.Host) sender {
	return sender{host.HTTPSend, func() time.Time { return time.UnixMilli(1_800_000_000_000) }}
}

// handle plays secret_ref.
func handle(name string) (string, error) {
	if name == "no" {
		return "", &abi.Error{Code: abi.CodeNoSecret, Message: "no such secret"}
	}
	return "handle-of-" + name, nil
}

// TestMark: messages are marked as read, with or without the sign that an answer
// is being written.
func TestMark(t *testing.T) {
	read := abi.HTTPRequest{Method: "POST", URL: "/106540352242922/messages", Body: `{"messaging_product":"whatsapp","status":"read","message_id":"wamid.A"}`}
	typing := read
	typing.Body = strings.TrimSuffix(read.Body, "}") + `,"typing_indicator":{"type":"text"}}`
	yes := abi.HTTPResponse{Status: 200, Body: `{"success":true}`}
	for _, test := range []struct {
		name, message string
		http          []abi.HTTPExchange
		code          string
	}{
		{"read", `{"type":"read","reply_to":"wamid.A"}`, []abi.HTTPExchange{{Request: read, Response: yes}}, ""},
		{"typing", `{"type":"typing","reply_to":"wamid.A"}`, []abi.HTTPExchange{{Request: typing, Response: yes}}, ""},
		{"typing, to nothing", `{"type":"typing"}`, nil, ""},
		{"read, of nothing", `{"type":"read"}`, nil, abi.CodeInvalid},
		{"unknown message", `{"type":"read","reply_to":"wamid.A"}`, []abi.HTTPExchange{{Request: read, Response: abi.HTTPResponse{Status: 400, Body: `{"error":{"code":100,"message":"Invalid parameter"}}`}}}, "whatsapp_100"},
	} {
		output, failure := deliver(t, pdktest.NewHost(t, test.http...), ana, test.message)
		if test.code == "" && (failure != nil || string(output) != `{"message_id":""}`) || test.code != "" && (failure == nil || failure.Code != test.code) {
			t.Errorf("%s: %s, %v", test.name, output, failure)
		}
	}
}

// TestWindow: after 24 hours only templates go out, and nothing is sent to find
// that out.
func TestWindow(t *testing.T) {
	const now = 1_800_000_000_000
	day := (24 * time.Hour).Milliseconds()
	const text, template = `{"type":"text","text":"x"}`, `{"type":"template","template":{"name":"hello","language":"pt_BR"}}`
	for _, test := range []struct {
		name, message string
		heard         int64
		code          string
	}{
		{"just now", text, now, ""},
		{"24 hours ago", text, now - day, ""},
		{"a moment more", text, now - day - 1, abi.CodeWindowClosed},
		{"a template", template, now - 10*day, ""},
		{"never, or not known", text, 0, ""},
	} {
		var exchanges []abi.HTTPExchange
		if test.code == "" {
			exchanges = append(exchanges, abi.HTTPExchange{Response: abi.HTTPResponse{Status: 200, Body: `{"messages":[{"id":"wamid.S1"}]}`}})
		}
		_, failure := ask(here(pdktest.NewHost(t, exchanges...)).deliver,
			fmt.Sprintf(`"to":%s,"message":%s,"effect_id":"e","heard_millis":%d`, ana, test.message, test.heard))
		if test.code == "" && failure != nil || test.code != "" && (failure == nil || failure.Code != test.code) {
			t.Errorf("%s: %v", test.name, failure)
		}
	}
}

// TestUpload: a file that the host keeps is uploaded, and sent by the id that
// the upload gave.
func TestUpload(t *testing.T) {
	upload := func(mime, name string) abi.HTTPRequest {
		return abi.HTTPRequest{Method: "POST", URL: "/106540352242922/media", Parts: []abi.HTTPPart{
			{Name: "messaging_product", Text: "whatsapp"}, {Name: "type", Text: mime}, {Name: "file", Filename: name, Type: mime, Blob: "b1"},
		}}
	}
	id := abi.HTTPResponse{Status: 200, Body: `{"id":9007199254740993}`}
	sent := func(rest string) abi.HTTPExchange {
		return accepted(`{"to":"5511987654321",` + common + `,` + rest)
	}
	for _, test := range []struct {
		name, message string
		http          []abi.HTTPExchange
		code, says    string
	}{
		{"an image", `{"type":"media","text":"Look","media":{"kind":"image","mime":"image/png","blob":{"id":"b1","size":5}}}`,
			[]abi.HTTPExchange{{Request: upload("image/png", "file"), Response: id}, sent(`"type":"image","image":{"id":"9007199254740993","caption":"Look"}}`)}, "", ""},
		{"a document whose type the blob says", `{"type":"media","media":{"kind":"document","filename":"a.pdf","id":"old","blob":{"id":"b1","size":5,"mime":"application/pdf; x=y"}}}`,
			[]abi.HTTPExchange{{Request: upload("application/pdf", "a.pdf"), Response: id}, sent(`"type":"document","document":{"id":"9007199254740993","filename":"a.pdf"}}`)}, "", ""},
		{"above buttons", `{"type":"buttons","text":"x","buttons":[{"id":"a","title":"b"}],"media":{"kind":"image","mime":"image/jpeg","blob":{"id":"b1","size":5}}}`,
			[]abi.HTTPExchange{{Request: upload("image/jpeg", "file"), Response: id}, sent(`"type":"interactive","interactive":{"type":"button","header":{"type":"image","image":{"id":"9007199254740993"}},"body":{"text":"x"},"action":{"buttons":[{"type":"reply","reply":{"id":"a","title":"b"}}]}}}`)}, "", ""},
		{"a type that images have not", `{"type":"media","text":"Look","media":{"kind":"image","blob":{"id":"b1","size":5,"mime":"image/gif"}}}`,
			[]abi.HTTPExchange{{Request: upload("image/gif", "file.gif"), Response: id}, sent(`"type":"document","document":{"id":"9007199254740993","caption":"Look","filename":"file.gif"}}`)}, "", ""},
		{"a sticker that is a picture", `{"type":"media","media":{"kind":"sticker","mime":"image/png","blob":{"id":"b1","size":5}}}`,
			[]abi.HTTPExchange{{Request: upload("image/png", "file"), Response: id}, sent(`"type":"image","image":{"id":"9007199254740993"}}`)}, "", ""},
		{"an image that is too big for one", `{"type":"media","media":{"kind":"image","filename":"a.png","mime":"image/png","blob":{"id":"b1","size":5242881}}}`,
			[]abi.HTTPExchange{{Request: upload("image/png", "a.png"), Response: id}, sent(`"type":"document","document":{"id":"9007199254740993","filename":"a.png"}}`)}, "", ""},
		{"of a card", `{"type":"cards","text":"x","cards":[{"title":"y","media":{"kind":"image","blob":{"id":"b1","size":5,"mime":"image/gif"}}}]}`, nil, abi.CodeUnsupported, "message.cards[0].media.mime: whatsapp takes no image of the type image/gif"},
		{"too big", `{"type":"media","media":{"kind":"image","mime":"image/png","blob":{"id":"b1","size":104857601}}}`, nil, abi.CodeUnsupported, "takes at most 5242880"},
		{"refused", `{"type":"media","media":{"kind":"image","mime":"image/png","blob":{"id":"b1","size":5}}}`,
			[]abi.HTTPExchange{{Response: abi.HTTPResponse{Status: 400, Body: `{"error":{"code":131053,"message":"Media upload error"}}`}}}, "whatsapp_131053", "Media upload error"},
		{"no id", `{"type":"media","media":{"kind":"image","mime":"image/png","blob":{"id":"b1","size":5}}}`,
			[]abi.HTTPExchange{{Response: abi.HTTPResponse{Status: 200, Body: `{}`}}}, abi.CodeUnknown, "gave no id"},
		{"no JSON", `{"type":"media","media":{"kind":"image","mime":"image/png","blob":{"id":"b1","size":5}}}`,
			[]abi.HTTPExchange{{Response: abi.HTTPResponse{Status: 200, Body: `<html>`}}}, abi.CodeUnknown, "not the JSON"},
	} {
		_, failure := deliver(t, pdktest.NewHost(t, test.http...), ana, test.message)
		if test.code == "" && failure != nil || test.code != "" && (failure == nil || failure.Code != test.code || !strings.Contains(failure.Message, test.says)) {
			t.Errorf("%s: %v", test.name, failure)
		}
	}
}

// TestFetch: where a medium lies is asked anew each time; on Meta's host the
// token goes along, elsewhere the connection adds its own.
func TestFetch(t *testing.T) {
	about := func(body string) abi.HTTPExchange {
		return abi.HTTPExchange{Request: abi.HTTPRequest{URL: "/77?phone_number_id=106540352242922"}, Response: abi.HTTPResponse{Status: 200, Body: body}}
	}
	file := abi.HTTPResponse{Status: 200, Blob: &abi.Blob{ID: "b1", Size: 5, SHA256: "00", MIME: "image/jpeg"}}
	const meta = "https://lookaside.fbsbx.com/whatsapp_business/attachments/?mid=77"
	for _, test := range []struct {
		name, id string
		http     []abi.HTTPExchange
		code     string
		retry    bool
	}{
		{"on Meta's host", "77", []abi.HTTPExchange{about(`{"url":"` + meta + `","mime_type":"image/jpeg","id":"77"}`),
			{Request: abi.HTTPRequest{URL: meta, Response: abi.ResponseBlob, Headers: map[string]string{"authorization": "Bearer handle-of-access_token"}}, Response: file}}, "", false},
		{"elsewhere", "77", []abi.HTTPExchange{about(`{"url":"http://127.0.0.1:1/a","mime_type":"image/jpeg"}`),
			{Request: abi.HTTPRequest{URL: "http://127.0.0.1:1/a", Response: abi.ResponseBlob}, Response: file}}, "", false},
		{"an id with a path in it", "77/../me", nil, abi.CodeInvalid, false},
		{"gone", "77", []abi.HTTPExchange{{Response: abi.HTTPResponse{Status: 400, Body: `{"error":{"code":100,"message":"does not exist"}}`}}}, "whatsapp_100", false},
		{"no address", "77", []abi.HTTPExchange{about(`{}`)}, abi.CodeUnknown, true},
		{"an address that has run out", "77", []abi.HTTPExchange{about(`{"url":"` + meta + `"}`), {Response: abi.HTTPResponse{Status: 404}}}, "whatsapp_media", true},
	} {
		host := pdktest.NewHost(t, test.http...)
		input, _ := json.Marshal(test.id)
		output, failure := ask(fetcher{here(host), handle}.fetch, `"media":{"kind":"image","id":`+string(input)+`}`)
		if test.code == "" && (failure != nil || string(output) != `{"blob":{"id":"b1","size":5,"sha256":"00","mime":"image/jpeg"},"mime":"image/jpeg"}`) ||
			test.code != "" && (failure == nil || failure.Code != test.code || failure.Retryable != test.retry) {
			t.Errorf("%s: %s, %+v", test.name, output, failure)
		}
	}
}

// TestConnect: the number's webhooks are sent to the channel, and what is amiss
// is told.
func TestConnect(t *testing.T) {
	const address = "https://bots.example.com/hooks/wa"
	set := abi.HTTPRequest{Method: "POST", URL: "/106540352242922", Body: `{"webhook_configuration":{"override_callback_uri":"` + address + `","verify_token":"handle-of-verify_token"}}`}
	look := abi.HTTPRequest{URL: "/106540352242922?fields=display_phone_number,verified_name,quality_rating,status,webhook_configuration"}
	yes := abi.HTTPResponse{Status: 200, Body: `{"success":true}`}
	for _, test := range []struct {
		name string
		http []abi.HTTPExchange
		want string
	}{
		{"connected", []abi.HTTPExchange{{Request: set, Response: yes}, {Request: look, Response: abi.HTTPResponse{Status: 200, Body: `{"display_phone_number":"+55 11 4000-0000","verified_name":"Loja","quality_rating":"GREEN","status":"CONNECTED","webhook_configuration":{"phone_number":"` + address + `","application":"https://x"},"id":"1"}`}}},
			`{"account":"+55 11 4000-0000 (Loja)","webhook":"` + address + `"}`},
		{"a red number elsewhere", []abi.HTTPExchange{{Request: set, Response: yes}, {Request: look, Response: abi.HTTPResponse{Status: 200, Body: `{"display_phone_number":"1","verified_name":"L","quality_rating":"RED","status":"FLAGGED","webhook_configuration":{"application":"https://x"}}`}}},
			`{"account":"1 (L)","webhook":"https://x","notes":["the number's quality is RED: WhatsApp lowers its limits when people block or report it","the number's status is FLAGGED","its webhooks go to another address than this channel's"]}`},
		{"refused", []abi.HTTPExchange{{Request: set, Response: abi.HTTPResponse{Status: 400, Body: `{"error":{"code":2200,"message":"Callback verification failed"}}`}}}, "whatsapp_2200"},
		{"not taken", []abi.HTTPExchange{{Request: set, Response: abi.HTTPResponse{Status: 200, Body: `{"success":false}`}}}, abi.CodeUnknown},
	} {
		output, failure := ask(operator{here(pdktest.NewHost(t, test.http...)), handle}.connect, `"url":"`+address+`"`)
		if got := string(output); failure == nil && got != test.want || failure != nil && failure.Code != test.want {
			t.Errorf("%s: %s, %v", test.name, got, failure)
		}
	}
}
