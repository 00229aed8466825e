package graphtest

import (
	"fmt"

	"github.com/trama-run/trama/plugins/strict"
)

// Pages that the contract was read from.
const (
	pages         = "https://developers.facebook.com/documentation/business-messaging/whatsapp/"
	pageMessages  = pages + "reference/whatsapp-business-phone-number/message-api"
	pageMedia     = pages + "business-phone-numbers/media"
	pageNumber    = pages + "reference/whatsapp-business-phone-number/whatsapp-business-account-phone-number-api"
	pageOverride  = pages + "webhooks/override"
	pageErrorCode = pages + "support/error-codes"
)

// closed gives a schema of an object with nothing beside its properties.
func closed(required, properties string) string {
	return fmt.Sprintf(`{"type": "object", "additionalProperties": false, "required": [%s], "properties": {%s}}`, required, properties)
}

func text(most int) string {
	return fmt.Sprintf(`{"type": "string", "minLength": 1, "maxLength": %d}`, most)
}

// list gives a schema of a list of one to so many items.
func list(most int, item string) string {
	return fmt.Sprintf(`{"type": "array", "minItems": 1, "maxItems": %d, "items": %s}`, most, item)
}

// file is a medium: by id or by address.
func file(more string) string {
	return `{"type": "object", "additionalProperties": false, "oneOf": [{"required": ["id"]}, {"required": ["link"]}], "properties": {"id": {"type": "string", "pattern": "^[0-9]+$"}, "link": {"type": "string", "pattern": "^https?://"}` + more + `}}`
}

const (
	yes    = `{"type": "boolean"}`
	any1   = `{"type": "string", "minLength": 1}`
	number = `{"type": "number"}`
)

// schemaMessage is the body of POST /{phone-number-id}/messages: a message of one
// type, or the mark that one was read.
func schemaMessage() string {
	caption := `, "caption": ` + text(1024)
	words := func(most int) string { return closed(`"text"`, `"text": `+text(most)) }
	frame := `"header": {"type": "object", "additionalProperties": false, "required": ["type"], "properties": {
			"type": {"enum": ["text", "image", "video", "document"]}, "text": ` + text(60) + `, "image": ` + file("") + `, "video": ` + file("") + `, "document": ` + file(`, "filename": `+any1) + `}},
		"footer": ` + words(60)
	reply := func(id, title int) string {
		return closed(`"id", "title"`, `"id": `+text(id)+`, "title": `+text(title))
	}
	url := closed(`"name", "parameters"`, `"name": {"const": "cta_url"}, "parameters": `+closed(`"display_text", "url"`, `"display_text": `+text(20)+`, "url": `+any1))
	interactive := func(kind string, body int, needs, action string) string {
		return closed(needs+`"type", "action"`, `"type": {"const": "`+kind+`"}, "body": `+words(body)+`, `+frame+`, "action": `+action)
	}
	forms := `[` +
		interactive("button", 1024, `"body", `, closed(`"buttons"`, `"buttons": `+list(3, closed(`"type", "reply"`, `"type": {"const": "reply"}, "reply": `+reply(256, 20))))) + `,` +
		interactive("cta_url", 1024, `"body", `, url) + `,` +
		interactive("list", 4096, `"body", `, closed(`"button", "sections"`, `"button": `+text(20)+`, "sections": `+list(10, closed(`"rows"`, `"title": `+text(24)+`, "rows": `+list(10, closed(`"id", "title"`, `"id": `+text(200)+`, "title": `+text(24)+`, "description": `+text(72))))))) + `,` +
		interactive("flow", 1024, `"body", `, closed(`"name", "parameters"`, `"name": {"const": "flow"}, "parameters": `+closed(`"flow_message_version", "flow_cta"`,
			`"flow_message_version": {"const": "3"}, "flow_id": `+any1+`, "flow_name": `+any1+`, "flow_cta": `+text(30)+`, "flow_token": `+any1+`, "mode": {"enum": ["draft", "published"]}, "flow_action": {"enum": ["navigate", "data_exchange"]}, "flow_action_payload": {"type": "object"}`))) + `,` +
		interactive("product", 1024, ``, closed(`"catalog_id", "product_retailer_id"`, `"catalog_id": `+any1+`, "product_retailer_id": `+any1)) + `,` +
		interactive("product_list", 1024, `"header", "body", `, closed(`"catalog_id", "sections"`, `"catalog_id": `+any1+`, "sections": `+list(10, closed(`"product_items"`, `"title": `+text(24)+`, "product_items": `+list(30, closed(`"product_retailer_id"`, `"product_retailer_id": `+any1)))))) + `,` +
		interactive("carousel", 1024, `"body", `, closed(`"cards"`, `"cards": {"type": "array", "minItems": 2, "maxItems": 10, "items": {"type": "object", "required": ["card_index", "header", "action"]}}`)) + `]`
	of := map[string]string{
		"text":  closed(`"body"`, `"body": `+text(4096)+`, "preview_url": `+yes),
		"image": file(caption), "video": file(caption), "sticker": file(""), "audio": file(`, "voice": ` + yes), "document": file(caption + `, "filename": ` + any1),
		"location":    closed(`"latitude", "longitude"`, `"latitude": `+number+`, "longitude": `+number+`, "name": `+any1+`, "address": `+any1),
		"contacts":    list(257, `{"type": "object", "required": ["name"], "properties": {"name": {"type": "object", "required": ["formatted_name"]}}}`),
		"reaction":    closed(`"message_id", "emoji"`, `"message_id": `+any1+`, "emoji": {"type": "string"}`),
		"interactive": `{"oneOf": ` + forms + `}`,
		"template": closed(`"name", "language"`, `"name": {"type": "string", "pattern": "^[a-z0-9_]+$"}, "language": `+closed(`"code"`, `"code": {"type": "string", "pattern": "^[a-z]{2,3}(_[A-Z]{2})?$"}`)+
			`, "components": {"type": "array", "items": {"type": "object", "required": ["type"], "properties": {"type": {"enum": ["header", "body", "button", "carousel", "limited_time_offer"]}}}}`),
	}
	head := `"messaging_product": {"const": "whatsapp"}`
	kinds := ""
	for _, kind := range []string{"text", "image", "video", "sticker", "audio", "document", "location", "contacts", "reaction", "interactive", "template"} {
		kinds += `{"required": ["type", "` + kind + `"], "properties": {"type": {"const": "` + kind + `"}}},`
	}
	properties := head + `, "recipient_type": {"const": "individual"}, "to": {"type": "string", "pattern": "^[0-9]{5,20}$"}, "recipient": {"type": "string", "pattern": "^[A-Z]{2}\\.[A-Za-z0-9.]+$"},
		"biz_opaque_callback_data": ` + text(512) + `, "context": ` + closed(`"message_id"`, `"message_id": `+any1) + `, "type": {"type": "string"}`
	for kind, schema := range of {
		properties += `, "` + kind + `": ` + schema
	}
	message := `{"type": "object", "additionalProperties": false, "required": ["messaging_product", "type"], "properties": {` + properties + `},
		"allOf": [{"oneOf": [{"required": ["to"]}, {"required": ["recipient"]}]}, {"oneOf": [` + kinds[:len(kinds)-1] + `]}]}`
	read := closed(`"messaging_product", "status", "message_id"`, head+`, "status": {"const": "read"}, "message_id": `+any1+`, "typing_indicator": `+closed(`"type"`, `"type": {"const": "text"}`))
	return `{"if": {"required": ["status"]}, "then": ` + read + `, "else": ` + message + `}`
}

// contract is what of the Graph API the stub has, but for uploads: see upload.
func (a *API) contract() strict.Contract {
	id := map[string]strict.Param{"id": {Pattern: `\d+`, Example: a.number}}
	return strict.Contract{
		Headers: map[string]strict.Param{"Authorization": {Pattern: "Bearer .+", Required: true, Example: "Bearer " + a.token}},
		Admit:   a.admit,
		Refuse:  func(v strict.Violation) strict.Answer { return failed(400, 100, "(#100) "+v.String(), "") },
		Rules: []strict.Rule{
			{Method: "POST", Path: "/{id}/messages", Params: id, Body: schemaMessage(), Source: pageMessages, Answer: a.message,
				Example: `{"messaging_product": "whatsapp", "recipient_type": "individual", "to": "5511987654321", "type": "text", "text": {"body": "Oi"}}`},
			{Method: "GET", Path: "/{id}", Params: id, Query: map[string]strict.Param{"fields": {Pattern: `[a-z_]+(,[a-z_]+)*`, Example: "id"}, "phone_number_id": {Pattern: `\d+`, Example: a.number}}, Source: pageMedia + " " + pageNumber, Answer: a.node},
			{Method: "POST", Path: "/{id}", Params: id, Source: pageOverride, Answer: a.override,
				Body:    closed(`"webhook_configuration"`, `"webhook_configuration": `+closed(`"override_callback_uri"`, `"override_callback_uri": {"type": "string", "pattern": "^(https://.*)?$"}, "verify_token": `+any1)),
				Example: `{"webhook_configuration": {"override_callback_uri": "https://bots.example.com/hooks/wa", "verify_token": "t"}}`},
			{Method: "GET", Path: "/media/{id}/file", Params: id, Source: pageMedia, Answer: a.file},
		},
	}
}
