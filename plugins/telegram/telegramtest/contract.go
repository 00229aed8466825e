package telegramtest

// method is what the Bot API's page says of one method. What it says of the
// others, and of the params that no request here has, is left out: they are
// refused.
type method struct {
	fields []field
	result func(a *API, c Call) any
}

// field is a param of a method or a member of an object.
type field struct {
	name     string
	kind     kind
	required bool
	min, max int     // characters of text, bytes of data, members of a list; max 0: as many as one likes
	fields   []field // of an object, or of a list's objects
	words    []string
}

type kind int

const (
	text    kind = iota
	data         // text that is counted in bytes
	integer      // of 64 bits
	degrees      // a number
	boolean
	object
	list    // of objects, or of texts if they have no fields
	lists   // of lists of objects
	file    // the id of one, an address, or the bytes
	words   // one of some
	address // an https one
)

// Shapes that many methods take (core.telegram.org/bots/api#replyparameters,
// #inlinekeyboardmarkup, #inlinekeyboardbutton, #linkpreviewoptions).
var (
	chatID  = field{name: "chat_id", kind: integer, required: true}
	topic   = field{name: "message_thread_id", kind: integer}
	replyTo = field{name: "reply_parameters", kind: object, fields: []field{
		{name: "message_id", kind: integer, required: true}, {name: "allow_sending_without_reply", kind: boolean},
	}}
	markup = field{name: "reply_markup", kind: object, fields: []field{
		{name: "inline_keyboard", kind: lists, required: true, fields: []field{
			{name: "text", kind: text, required: true, min: 1},
			{name: "callback_data", kind: data, min: 1, max: 64},
			{name: "url", kind: text, min: 1},
		}},
	}}
	caption = field{name: "caption", kind: text, max: 1024}
	preview = field{name: "link_preview_options", kind: object, fields: []field{{name: "is_disabled", kind: boolean}}}
	number  = field{name: "message_id", kind: integer, required: true}
)

func sending(own ...field) []field { return append([]field{chatID, topic, replyTo, markup}, own...) }

func required(f field) field {
	f.required = true
	return f
}

// contract are the methods by name (core.telegram.org/bots/api#available-methods;
// the address of a method's part of that page is its name in lower case).
var contract = map[string]method{
	"getMe":          {result: (*API).me},
	"getWebhookInfo": {result: (*API).webhookInfo},
	"setWebhook": {result: (*API).setWebhook, fields: []field{
		{name: "url", kind: address, required: true},
		{name: "secret_token", kind: data, min: 1, max: 256},
		{name: "max_connections", kind: integer},
		{name: "drop_pending_updates", kind: boolean},
		{name: "allowed_updates", kind: list},
	}},
	"getFile": {result: (*API).getFile, fields: []field{{name: "file_id", kind: text, required: true, min: 1}}},
	"answerCallbackQuery": {result: done, fields: []field{
		{name: "callback_query_id", kind: text, required: true, min: 1}, {name: "text", kind: text, max: 200},
	}},
	"sendChatAction": {result: done, fields: []field{chatID, topic, {name: "action", kind: words, required: true, words: []string{
		"typing", "upload_photo", "record_video", "upload_video", "record_voice", "upload_voice", "upload_document",
		"choose_sticker", "find_location", "record_video_note", "upload_video_note",
	}}}},
	"sendMessage":   {result: (*API).sent, fields: sending(preview, field{name: "text", kind: text, required: true, min: 1, max: 4096})},
	"sendPhoto":     {result: (*API).sent, fields: sending(caption, field{name: "photo", kind: file, required: true, max: 10 << 20})},
	"sendVideo":     {result: (*API).sent, fields: sending(caption, field{name: "video", kind: file, required: true, max: 50 << 20})},
	"sendAnimation": {result: (*API).sent, fields: sending(caption, field{name: "animation", kind: file, required: true, max: 50 << 20})},
	"sendAudio":     {result: (*API).sent, fields: sending(caption, field{name: "audio", kind: file, required: true, max: 50 << 20})},
	"sendVoice":     {result: (*API).sent, fields: sending(caption, field{name: "voice", kind: file, required: true, max: 50 << 20})},
	"sendDocument":  {result: (*API).sent, fields: sending(caption, field{name: "document", kind: file, required: true, max: 50 << 20})},
	"sendSticker":   {result: (*API).sent, fields: sending(field{name: "sticker", kind: file, required: true, max: 50 << 20})},
	"sendLocation": {result: (*API).sent, fields: sending(
		field{name: "latitude", kind: degrees, required: true, max: 90}, field{name: "longitude", kind: degrees, required: true, max: 180})},
	"sendVenue": {result: (*API).sent, fields: sending(
		field{name: "latitude", kind: degrees, required: true, max: 90}, field{name: "longitude", kind: degrees, required: true, max: 180},
		field{name: "title", kind: text, required: true, min: 1}, field{name: "address", kind: text, required: true, min: 1})},
	"sendContact": {result: (*API).sent, fields: sending(
		field{name: "phone_number", kind: text, required: true, min: 1}, field{name: "first_name", kind: text, required: true, min: 1},
		field{name: "last_name", kind: text}, field{name: "vcard", kind: data, max: 2048})},
	"setMessageReaction": {result: done, fields: []field{chatID, number, {name: "reaction", kind: list, max: 1, fields: []field{
		{name: "type", kind: words, required: true, words: []string{"emoji"}}, {name: "emoji", kind: text, required: true, min: 1},
	}}}},
	"editMessageText":    {result: (*API).edited, fields: []field{chatID, number, preview, markup, {name: "text", kind: text, required: true, min: 1, max: 4096}}},
	"editMessageCaption": {result: (*API).edited, fields: []field{chatID, number, markup, required(caption)}},
	"editMessageMedia": {result: (*API).edited, fields: []field{chatID, number, markup, {name: "media", kind: object, required: true, fields: []field{
		{name: "type", kind: words, required: true, words: []string{"photo", "video", "animation", "audio", "document"}},
		{name: "media", kind: file, required: true, max: 50 << 20}, caption,
	}}}},
}
