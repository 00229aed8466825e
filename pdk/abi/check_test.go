package abi_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/trama-run/trama/pdk/abi"
)

// TestCheck: of each kind a message that lacks nothing, and what is said of
// those that lack something.
func TestCheck(t *testing.T) {
	missing := abi.MessageKinds()
	for _, test := range []struct{ message, want string }{
		{`{"type":"text","text":"x"}`, ""},
		{`{"type":"text","text":" "}`, "message.text: it is empty"},
		{`{"type":"text","text":"x","buttons":[{"id":"a","title":"a"}]}`, "message.buttons: a message of the type text has none"},
		{`{"type":"media","media":{"kind":"image","url":"u"}}`, ""},
		{`{"type":"media","media":{"kind":"video","id":"1"}}`, ""},
		{`{"type":"media","media":{"kind":"audio","id":"1"}}`, ""},
		{`{"type":"media","media":{"kind":"voice","id":"1"}}`, ""},
		{`{"type":"media","media":{"kind":"document","id":"1"}}`, ""},
		{`{"type":"media","media":{"kind":"sticker","id":"1"}}`, ""},
		{`{"type":"media"}`, "message.media: it is missing"},
		{`{"type":"media","media":{"kind":"movie","id":"1"}}`, `message.media.kind: "movie" is none of image, video`},
		{`{"type":"media","media":{"kind":"image"}}`, "message.media.url: it is empty"},
		{`{"type":"media","media":{"kind":"image","id":"1","url":"u"}}`, "message.media: it has an id and a url"},
		{`{"type":"location","location":{"latitude":-90,"longitude":180}}`, ""},
		{`{"type":"location"}`, "message.location: it is missing"},
		{`{"type":"location","location":{"latitude":90.1,"longitude":0}}`, "message.location.latitude: 90.1 is not between"},
		{`{"type":"location","location":{"latitude":0,"longitude":-180.1}}`, "message.location.longitude"},
		{`{"type":"contacts","contacts":[{"name":"Ana","phones":[{"value":"1"}]}]}`, ""},
		{`{"type":"contacts"}`, "message.contacts: there are none"},
		{`{"type":"contacts","contacts":[{"name":"Ana"},{"first_name":"Ana"}]}`, "message.contacts[1].name: it is empty"},
		{`{"type":"contacts","contacts":[{"name":"Ana","emails":[{"value":"a"},{}]}]}`, "message.contacts[0].emails[1].value: it is empty"},
		{`{"type":"buttons","text":"x","buttons":[{"id":"a","title":"a"},{"title":"b","url":"u"}]}`, ""},
		{`{"type":"buttons","buttons":[{"id":"a","title":"a"}]}`, "message.text: it is empty"},
		{`{"type":"buttons","text":"x"}`, "message.buttons: there are none"},
		{`{"type":"buttons","text":"x","buttons":[{"id":"a"}]}`, "message.buttons[0].title: it is empty"},
		{`{"type":"buttons","text":"x","buttons":[{"title":"a"}]}`, "message.buttons[0].id: it is empty"},
		{`{"type":"buttons","text":"x","buttons":[{"title":"a","id":"a","url":"u"}]}`, "message.buttons[0]: it has an id and a url"},
		{`{"type":"buttons","text":"x","buttons":[{"id":"a","title":"a"},{"id":"a","title":"b"}]}`, `message.buttons[1].id: "a" is the id of an earlier one`},
		{`{"type":"buttons","text":"x","buttons":[{"id":"a","title":"a"}],"media":{"kind":"image"}}`, "message.media.url: it is empty"},
		{`{"type":"list","text":"x","list":{"button":"b","sections":[{"rows":[{"id":"a","title":"a"}]}]}}`, ""},
		{`{"type":"list","text":"x"}`, "message.list: it is missing"},
		{`{"type":"list","text":"x","list":{"sections":[{"rows":[{"id":"a","title":"a"}]}]}}`, "message.list.button: it is empty"},
		{`{"type":"list","text":"x","list":{"button":"b"}}`, "message.list.sections: there are none"},
		{`{"type":"list","text":"x","list":{"button":"b","sections":[{}]}}`, "message.list.sections[0].rows: there are none"},
		{`{"type":"list","text":"x","list":{"button":"b","sections":[{"title":"s","rows":[{"id":"a","title":"a"}]},{"rows":[{"id":"b","title":"b"}]}]}}`, "message.list.sections[1].title: it is empty"},
		{`{"type":"list","text":"x","list":{"button":"b","sections":[{"title":"s","rows":[{"id":"a","title":"a"}]},{"title":"t","rows":[{"id":"a","title":"b"}]}]}}`, `message.list.sections[1].rows[0].id: "a" is the id`},
		{`{"type":"form","text":"x","form":{"id":"1","button":"b","data":{}}}`, ""},
		{`{"type":"form","text":"x"}`, "message.form: it is missing"},
		{`{"type":"form","text":"x","form":{"id":"1"}}`, "message.form.button: it is empty"},
		{`{"type":"form","text":"x","form":{"button":"b"}}`, "message.form.id: it is empty"},
		{`{"type":"form","text":"x","form":{"id":"1","name":"n","button":"b"}}`, "message.form: it has an id and a name"},
		{`{"type":"form","text":"x","form":{"id":"1","button":"b","data":"x"}}`, "message.form.data: it is no object"},
		{`{"type":"form","text":"x","form":{"id":"1","button":"b","screen":"S","endpoint":true}}`, "message.form.endpoint: it gives the screen"},
		{`{"type":"cards","cards":[{"title":"a","media":{"kind":"image","id":"1"},"buttons":[{"id":"a","title":"a"}]},{"title":"b","buttons":[{"id":"a","title":"a"}]}]}`, ""},
		{`{"type":"cards"}`, "message.cards: there are none"},
		{`{"type":"cards","cards":[{"subtitle":"a"}]}`, "message.cards[0].title: it is empty"},
		{`{"type":"cards","cards":[{"title":"a","buttons":[{"id":"a"}]}]}`, "message.cards[0].buttons[0].title: it is empty"},
		{`{"type":"cards","cards":[{"title":"a","media":{"id":"1"}}]}`, "message.cards[0].media.kind"},
		{`{"type":"product","product":{"catalog_id":"1","product_id":"2"}}`, ""},
		{`{"type":"product","product":{"catalog_id":"1"}}`, "message.product.product_id: it is empty"},
		{`{"type":"product"}`, "message.product: it is missing"},
		{`{"type":"product_list","text":"x","product_list":{"catalog_id":"1","sections":[{"product_ids":["2"]}]}}`, ""},
		{`{"type":"product_list","text":"x"}`, "message.product_list: it is missing"},
		{`{"type":"product_list","text":"x","product_list":{"catalog_id":"1","sections":[{"product_ids":["2",""]}]}}`, "message.product_list.sections[0].product_ids[1]: it is empty"},
		{`{"type":"template","template":{"name":"a","language":"pt_BR","params":["1"],"components":[]}}`, ""},
		{`{"type":"template"}`, "message.template: it is missing"},
		{`{"type":"template","template":{"name":"a"}}`, "message.template.language: it is empty"},
		{`{"type":"template","template":{"name":"a","language":"pt_BR","params":["1",""]}}`, "message.template.params[1]: it is empty"},
		{`{"type":"template","template":{"name":"a","language":"pt_BR","components":{}}}`, "message.template.components: it is no list"},
		{`{"type":"reaction","reaction":{"message_id":"1","emoji":""}}`, ""},
		{`{"type":"reaction"}`, "message.reaction: it is missing"},
		{`{"type":"reaction","reaction":{"emoji":"x"}}`, "message.reaction.message_id: it is empty"},
		{`{"type":"typing"}`, ""},
		{`{"type":"read","reply_to":"1"}`, ""},
		{`{"type":"read"}`, "message.reply_to: it is empty"},
		{`{"type":"media","media":{"kind":"image","id":"1","blob":{"id":"b"}}}`, ""},
		{`{"type":"media","media":{"kind":"image","blob":{}}}`, "message.media.blob.id: it is empty"},
		{`{"type":"order"}`, `message.type: "order" is no type of message that can be sent`},
		{`{}`, `message.type: "" is no type`},
	} {
		var m abi.Message
		if err := json.Unmarshal([]byte(test.message), &m); err != nil {
			t.Fatal(err)
		}
		switch err := m.Check(); {
		case test.want == "" && err != nil:
			t.Errorf("%s: %v", test.message, err)
		case test.want == "":
			missing = slices.DeleteFunc(missing, func(kind string) bool { return kind == m.Kind() })
		case err == nil || err.Code != abi.CodeInvalid || !strings.HasPrefix(err.Message, test.want):
			t.Errorf("%s: got %v, want %s", test.message, err, test.want)
		}
	}
	if len(missing) > 0 {
		t.Errorf("no message of the kinds %q", missing)
	}
}
