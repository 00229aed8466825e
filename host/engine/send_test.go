package engine_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/trama-run/trama/host/engine"
	"github.com/trama-run/trama/pdk/abi"
)

// say runs a flow that is one send_message node on a message, and gives what
// is sent, or why nothing is.
func say(t *testing.T, with, input string) (*abi.Message, string) {
	t.Helper()
	programs := engine.Programs{"f": compile(t, []byte(`{"schema": 1, "id": "say", "triggers": [{"id": "start", "type": "message"}],
		"nodes": [{"id": "say", "type": "send_message", "with": `+with+`}], "edges": [{"from": "start", "to": "say"}]}`))}
	var value any
	if err := json.Unmarshal([]byte(input), &value); err != nil {
		t.Fatal(err)
	}
	out, err := programs.Advance(begin("run-1", programs, "start"), engine.Event{
		Now: began, Start: &engine.Start{Trigger: "start", Value: integers(value)},
	})
	if err != nil {
		t.Fatal(err)
	}
	switch failure := out.Session.Run.Failure; {
	case failure != nil && len(out.Effects) == 0:
		return nil, failure.Code + ": " + failure.Message
	case failure == nil && len(out.Effects) == 1 && out.Effects[0].Send != nil:
		return &out.Effects[0].Send.Message, ""
	}
	t.Fatalf("got %+v", out)
	return nil, ""
}

// integers gives whole numbers as int64, as the values of events are.
func integers(v any) any {
	switch v := v.(type) {
	case float64:
		if v == float64(int64(v)) {
			return int64(v)
		}
	case []any:
		for i := range v {
			v[i] = integers(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = integers(v[k])
		}
	}
	return v
}

const order = `{"id": "wamid.1", "name": "Ana", "n": 7, "price": 10.5, "ok": true, "nothing": null, "lat": "-23.5", "lon": -46.6,
	"media": {"kind": "document", "id": "m1", "mime": "application/pdf", "sha256": "x=", "filename": "a.pdf"},
	"items": [{"sku": 1, "title": "Blue {{ env.X }}", "text": "{name}"}, {"sku": 2, "title": "Green"}]}`

// TestSendKinds: what each kind of message becomes, with templates expanded
// once, numbers as text where text is wanted, and parts made by expressions.
func TestSendKinds(t *testing.T) {
	missing := abi.MessageKinds()
	for _, test := range []struct{ with, want string }{
		{`{"text": "Oi {name}, {{ input.n }} {{ input.items[0].text }}", "preview_url": "{{ input.ok }}", "reply_to": "{{ input.id }}"}`,
			`{"type": "text", "text": "Oi Ana, 7 {name}", "preview_url": true, "reply_to": "wamid.1"}`},
		{`{"text": "{{ input.n }}"}`, `{"type": "text", "text": "7"}`},
		{`{"text": "{{ input.price }}"}`, `{"type": "text", "text": "10.5"}`},
		{`{"text": "{{ [input.n, '<'] }}"}`, `{"type": "text", "text": "[7,\"<\"]"}`},
		{`{"text": "a{{ input.nothing }}", "reply_to": "{{ input.nothing }}", "preview_url": "{{ input.nothing }}"}`, `{"type": "text", "text": "a"}`},
		{`{"type": "image", "text": "{name}", "media": {"url": "https://example.com/{items[0][sku]}.png"}}`,
			`{"type": "media", "text": "Ana", "media": {"kind": "image", "url": "https://example.com/1.png"}}`},
		{`{"media": "{{ input.media }}"}`,
			`{"type": "media", "media": {"kind": "document", "id": "m1", "mime": "application/pdf", "sha256": "x=", "filename": "a.pdf"}}`},
		{`{"media": "{{ {kind: 'image', blob: {id: 'blob_1', size: input.n, sha256: 'ab'}, size: nil} }}"}`,
			`{"type": "media", "media": {"kind": "image", "blob": {"id": "blob_1", "size": 7, "sha256": "ab"}}}`},
		{`{"type": "video", "media": {"id": "{n}"}}`, `{"type": "media", "media": {"kind": "video", "id": "7"}}`},
		{`{"type": "audio", "media": {"id": "1"}}`, `{"type": "media", "media": {"kind": "audio", "id": "1"}}`},
		{`{"type": "voice", "media": {"id": "1"}}`, `{"type": "media", "media": {"kind": "voice", "id": "1"}}`},
		{`{"type": "sticker", "media": {"id": "1"}}`, `{"type": "media", "media": {"kind": "sticker", "id": "1"}}`},
		{`{"location": {"latitude": "{{ input.lat }}", "longitude": "{{ input.lon }}", "name": "{name}"}}`,
			`{"type": "location", "location": {"latitude": -23.5, "longitude": -46.6, "name": "Ana"}}`},
		{`{"location": {"latitude": 0, "longitude": 10}}`, `{"type": "location", "location": {"latitude": 0, "longitude": 10}}`},
		{`{"contacts": [{"name": "{name}", "phones": [{"value": "{{ input.n }}", "type": "WORK"}]}]}`,
			`{"type": "contacts", "contacts": [{"name": "Ana", "phones": [{"value": "7", "type": "WORK"}]}]}`},
		{`{"header": "h", "text": "t", "footer": "f", "buttons": [{"id": "{{ input.n }}", "title": "{name}"}, {"title": "Page", "url": "https://example.com/?n={n}"}]}`,
			`{"type": "buttons", "header": "h", "text": "t", "footer": "f", "buttons": [{"id": "7", "title": "Ana"}, {"title": "Page", "url": "https://example.com/?n=7"}]}`},
		{`{"text": "t", "list": {"button": "b", "sections": [{"rows": "{{ map(input.items, ({id: .sku, title: .title, description: .text})) }}"}]}}`,
			`{"type": "list", "text": "t", "list": {"button": "b", "sections": [{"rows": [{"id": "1", "title": "Blue {{ env.X }}", "description": "{name}"}, {"id": "2", "title": "Green"}]}]}}`},
		{`{"text": "t", "form": {"id": "1", "button": "b", "screen": "S", "data": {"n": "{{ input.n }}", "name": "{name}", "none": null}, "draft": true}}`,
			`{"type": "form", "text": "t", "form": {"id": "1", "button": "b", "screen": "S", "data": {"n": 7, "name": "Ana", "none": null}, "draft": true}}`},
		{`{"text": "t", "cards": "{{ map(input.items, ({title: .title, media: {kind: 'image', id: string(.sku)}, buttons: [{id: .sku, title: 'Buy'}]})) }}"}`,
			`{"type": "cards", "text": "t", "cards": [{"title": "Blue {{ env.X }}", "media": {"kind": "image", "id": "1"}, "buttons": [{"id": "1", "title": "Buy"}]}, {"title": "Green", "media": {"kind": "image", "id": "2"}, "buttons": [{"id": "2", "title": "Buy"}]}]}`},
		{`{"product": {"catalog_id": "1", "product_id": "{{ input.items[1].sku }}"}}`, `{"type": "product", "product": {"catalog_id": "1", "product_id": "2"}}`},
		{`{"header": "h", "text": "t", "product_list": {"catalog_id": "1", "sections": [{"product_ids": "{{ map(input.items, .sku) }}"}]}}`,
			`{"type": "product_list", "header": "h", "text": "t", "product_list": {"catalog_id": "1", "sections": [{"product_ids": ["1", "2"]}]}}`},
		{`{"template": {"name": "order", "language": "pt_BR", "params": ["{name}", "{{ input.price }}"], "components": [{"type": "button", "index": 0, "parameters": [{"type": "text", "text": "{{ input.n }}"}]}]}}`,
			`{"type": "template", "template": {"name": "order", "language": "pt_BR", "params": ["Ana", "10.5"], "components": [{"index": 0, "parameters": [{"text": 7, "type": "text"}], "type": "button"}]}}`},
		{`{"type": "typing", "reply_to": "{{ input.id }}"}`, `{"type": "typing", "reply_to": "wamid.1"}`},
		{`{"type": "read", "reply_to": "{{ input.id }}"}`, `{"type": "read", "reply_to": "wamid.1"}`},
		{`{"reaction": {"message_id": "{{ input.id }}", "emoji": "👍"}}`, `{"type": "reaction", "reaction": {"message_id": "wamid.1", "emoji": "👍"}}`},
	} {
		got, failure := say(t, test.with, order)
		if failure != "" {
			t.Errorf("%s: %s", test.with, failure)
			continue
		}
		var want abi.Message
		if err := json.Unmarshal([]byte(test.want), &want); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(jsonOf(t, *got), jsonOf(t, want)) {
			t.Errorf("%s: got\n%s\nwant\n%s", test.with, dump(t, got), test.want)
		}
		missing = slices.DeleteFunc(missing, func(kind string) bool { return kind == got.Kind() })
	}
	if len(missing) > 0 {
		t.Errorf("no case for the kinds %q", missing)
	}
}

func jsonOf(t *testing.T, v any) (out any) {
	t.Helper()
	if err := json.Unmarshal([]byte(dump(t, v)), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// TestSendRefuses: what a template gave that no message can have is an error
// that names the field.
func TestSendRefuses(t *testing.T) {
	for _, test := range []struct{ with, want string }{
		{`{"text": "{{ input.nothing }}"}`, "invalid: message.text: it is empty; give it a default if its value may be missing"},
		{`{"text": "{missing[0]}"}`, "invalid: message.text: it is empty"},
		{`{"text": "t", "preview_url": "{{ input.name }}"}`, `invalid: message.preview_url: it must be true or false, found the text "Ana"`},
		{`{"text": "t", "buttons": "{{ input.items }}"}`, `invalid: message.buttons[0]: it has no field "sku"; its fields are id, title, url`},
		{`{"text": "t", "buttons": "{{ input.name }}"}`, `invalid: message.buttons: it must be a list, found the text "Ana"`},
		{`{"text": "t", "buttons": "{{ input.nothing }}"}`, "invalid: message.buttons: there are none"},
		{`{"text": "t", "buttons": "{{ [1] }}"}`, "invalid: message.buttons[0]: it must be a mapping, found 1"},
		{`{"text": "t", "buttons": [{"id": "{{ input.nothing }}", "title": "A"}]}`, "invalid: message.buttons[0].id: it is empty"},
		{`{"text": "t", "list": {"button": "b", "sections": [{"rows": "{{ input.nothing }}"}]}}`, "invalid: message.list.sections[0].rows: there are none"},
		{`{"text": "t", "list": "{{ input.items }}"}`, "invalid: message.list: it must be a mapping, found a list"},
		{`{"media": "{{ input.nothing }}"}`, "invalid: message.media: it is missing"},
		{`{"type": "image", "media": "{{ input.name }}"}`, `invalid: message.media: it must be a mapping, found the text "Ana"`},
		{`{"type": "image", "media": {"url": "{{ input.nothing }}"}}`, "invalid: message.media.url: it is empty"},
		{`{"media": {"kind": "{{ input.name }}", "id": "1"}}`, `invalid: message.media.kind: "Ana" is none of`},
		{`{"location": {"latitude": "{{ input.nothing }}", "longitude": 1}}`, "invalid: message.location.latitude: it must be a number, found null; give it a default"},
		{`{"location": {"latitude": "{{ input.name }}", "longitude": 1}}`, `invalid: message.location.latitude: it must be a number, found the text "Ana"`},
		{`{"location": {"latitude": "{{ 'NaN' }}", "longitude": 1}}`, `invalid: message.location.latitude: NaN is not between`},
		{`{"text": "t", "form": {"id": "1", "button": "b", "data": "{{ input.items }}"}}`, "invalid: message.form.data: it is no object"},
		{`{"template": {"name": "a", "language": "pt_BR", "params": ["{{ input.nothing }}"]}}`, "invalid: message.template.params[0]: it is empty"},
		{`{"text": "{{ input.name > 1 }}"}`, `invalid: expression "input.name > 1"`},
	} {
		got, failure := say(t, test.with, order)
		if got != nil || !strings.HasPrefix(failure, test.want) {
			t.Errorf("%s: got %v, %q, want %q", test.with, got, failure, test.want)
		}
	}
}

// TestEmitToAContact: an event that names a contact has one, or the node fails;
// one that names none is of nobody.
func TestEmitToAContact(t *testing.T) {
	for to, want := range map[string]string{
		`, contact: "wa/whatsapp:5511"`: "", "": "",
		`, contact: "not a key"`: abi.CodeInvalid, `, contact: "wa/whatsapp:"`: abi.CodeInvalid, `, contact: "{{ input.none }}"`: abi.CodeInvalid,
	} {
		programs := flowOf(t, fmt.Sprintf(`
nodes:
  - {id: tell, type: emit_event, with: {event: seen%s}}
edges:
  - {from: start, to: tell}
`, to))
		out, _ := onward(t, programs, advance(t, programs, begin("r", programs, "start"), engine.Event{Start: &engine.Start{Trigger: "start", Value: map[string]any{}}}))
		got := ""
		if failure := out.Session.Run.Failure; failure != nil {
			got = failure.Code
		}
		if got != want || (want == "") != (len(out.Effects) == 1) {
			t.Errorf("%s: %q, %d effects", to, got, len(out.Effects))
		}
	}
}
