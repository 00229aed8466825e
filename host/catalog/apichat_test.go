package catalog

import (
	"fmt"
	"strings"
	"testing"
)

// TestAPIChatSignature: a signature that no message can have, or that takes the
// place of another header of theirs, is refused when the workspace is read.
func TestAPIChatSignature(t *testing.T) {
	type object = map[string]any
	for _, c := range []struct {
		signature any
		want      string // "": it is right
	}{
		{nil, ""},
		{"standard", ""},
		{"svix", ""},
		{"stripe", ""},
		{"twitch", ""},
		{object{"header": "X-Signature", "id": "Webhook-ID", "timestamp": "header:webhook-timestamp"}, ""},
		{"hubspot", "messages can't be signed so: the scheme signs headers, parameters or the address"},
		{object{"header": "X-Signature", "signed": "{method}{body}"}, "can't be signed so"},
		{object{"header": "X-Signature", "signed": "{body}{header:X-More}"}, "can't be signed so"},
		{object{"header": "Host"}, "header: messages have another use for the header Host"},
		{object{"header": "content-length"}, "another use for the header content-length"},
		{object{"header": "Content-Type"}, "another use"},
		{object{"header": "Webhook-Id"}, "another use"},
		{object{"header": "Webhook-Timestamp"}, "another use"},
		{object{"header": "X-Signature", "id": "Webhook-Timestamp"}, "id: messages have another use for the header Webhook-Timestamp"},
		{object{"header": "X-Signature", "timestamp": "header:Te"}, "timestamp: messages have another use for the header Te"},
		{object{"header": "X-One", "id": "x-one"}, "header: messages have another use for the header X-One"},
	} {
		t.Run(fmt.Sprint(c.signature), func(t *testing.T) {
			config := object{}
			if c.signature != nil {
				config["signature"] = c.signature
			}
			_, problems := Channel{ID: "chat", Adapter: AdapterAPIChat, Config: config, Secrets: map[string]SecretList{SecretAPIKey: {"a"}, SecretWebhook: {"b"}}}.APIChat()
			if got := fmt.Sprint(problems); (c.want == "") != (problems == nil) || !strings.Contains(got, c.want) {
				t.Errorf("got %s, want %q", got, c.want)
			}
		})
	}
}
