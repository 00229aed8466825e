package main

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/trama-run/trama/pdk/abi"
)

// header is what all messages have (core.telegram.org/bots/api#message).
type header struct {
	ID           id     `json:"message_id"`
	Date         int64  `json:"date"`
	EditDate     int64  `json:"edit_date"`
	Chat         chat   `json:"chat"`
	From         user   `json:"from"`
	SenderChat   chat   `json:"sender_chat"` // who writes in the name of a group or channel
	Topic        id     `json:"message_thread_id"`
	InTopic      bool   `json:"is_topic_message"`
	ReplyTo      *quote `json:"reply_to_message"`
	MigratedFrom id     `json:"migrate_from_chat_id"`
}

type chat struct {
	ID    id     `json:"id"`
	Type  string `json:"type"` // private, group, supergroup or channel
	Title string `json:"title"`
}

type user struct {
	ID       id     `json:"id"`
	First    string `json:"first_name"`
	Last     string `json:"last_name"`
	Language string `json:"language_code"`
}

type quote struct {
	ID           id              `json:"message_id"`
	TopicCreated json.RawMessage `json:"forum_topic_created"`
}

// place is where an answer goes: the chat, or the topic of a group.
func (h header) place() place {
	if h.InTopic && h.Chat.Type == "supergroup" {
		return place{h.Chat.ID, h.Topic}
	}
	return place{chat: h.Chat.ID}
}

// sender is the name of who wrote.
func (h header) sender() string {
	if h.SenderChat.Title != "" {
		return h.SenderChat.Title
	}
	return h.From.name()
}

func (u user) name() string { return strings.TrimSpace(u.First + " " + u.Last) }

// beginsTopic says whether the message is the one that every message of a topic
// refers to.
func (q quote) beginsTopic(topic id) bool {
	return len(q.TopicCreated) > 0 || topic != "" && q.ID == topic
}

// body is what a message may hold. Those without a place in abi.Message are not
// named here: such a message stays as received.
type body struct {
	Text      *string       `json:"text"`
	Caption   string        `json:"caption"`
	Photo     []file        `json:"photo"` // one picture in several sizes
	Video     *file         `json:"video"`
	Note      *file         `json:"video_note"`
	Animation *file         `json:"animation"`
	Audio     *file         `json:"audio"`
	Voice     *file         `json:"voice"`
	Document  *file         `json:"document"`
	Sticker   *file         `json:"sticker"`
	Location  *abi.Location `json:"location"`
	Venue     *struct {
		Location abi.Location `json:"location"`
		Title    string       `json:"title"`
		Address  string       `json:"address"`
	} `json:"venue"`
	Contact *struct {
		Phone string `json:"phone_number"`
		First string `json:"first_name"`
		Last  string `json:"last_name"`
		User  id     `json:"user_id"`
	} `json:"contact"`
}

type file struct {
	ID       string `json:"file_id"`
	Size     int64  `json:"file_size"`
	MIME     string `json:"mime_type"`
	Name     string `json:"file_name"`
	Width    int64  `json:"width"`
	Height   int64  `json:"height"`
	Animated bool   `json:"is_animated"` // of stickers
	Video    bool   `json:"is_video"`
}

// serviceFields are of messages that nobody wrote: they tell what happened to
// the chat.
var serviceFields = []string{
	"new_chat_members", "left_chat_member", "new_chat_title", "new_chat_photo", "delete_chat_photo",
	"group_chat_created", "supergroup_chat_created", "channel_chat_created", "message_auto_delete_timer_changed",
	"migrate_to_chat_id", "pinned_message", "write_access_allowed", "proximity_alert_triggered", "boost_added",
	"chat_background_set", "forum_topic_created", "forum_topic_edited", "forum_topic_closed", "forum_topic_reopened",
	"general_forum_topic_hidden", "general_forum_topic_unhidden",
	"video_chat_scheduled", "video_chat_started", "video_chat_ended", "video_chat_participants_invited",
}

// contentOf gives a message in the shape that channels share; or says what news
// of the chat it is. What there is no shape for, or is not as documented, stays
// as received.
func contentOf(raw json.RawMessage, config config) (out abi.Message, service string) {
	unknown := abi.Message{Type: abi.MessageUnknown, Raw: raw}
	var fields map[string]json.RawMessage
	if json.Unmarshal(raw, &fields) != nil {
		return unknown, ""
	}
	for _, name := range serviceFields {
		if _, is := fields[name]; is {
			return out, name
		}
	}
	var b body
	if json.Unmarshal(raw, &b) != nil {
		return unknown, ""
	}
	if out, is := b.message(config); is {
		return out, ""
	}
	return unknown, ""
}

func (b body) message(config config) (abi.Message, bool) {
	media := func(kind, mime string, f file) (abi.Message, bool) {
		if f.MIME != "" {
			mime = f.MIME
		}
		return abi.Message{Type: abi.MessageMedia, Text: b.Caption, Media: &abi.Media{
			Kind: kind, ID: f.ID, MIME: mime, Size: f.Size, Filename: f.Name,
		}}, f.ID != ""
	}
	switch {
	case b.Text != nil:
		return text(*b.Text, config), true
	case len(b.Photo) > 0:
		largest := slices.MaxFunc(b.Photo, func(a, b file) int { return int(a.Width*a.Height - b.Width*b.Height) })
		return media("image", "image/jpeg", largest)
	case b.Video != nil:
		return media("video", "video/mp4", *b.Video)
	case b.Note != nil:
		return media("video", "video/mp4", *b.Note)
	case b.Animation != nil: // there is a document of the same file beside it
		return media("video", "video/mp4", *b.Animation)
	case b.Audio != nil:
		return media("audio", "audio/mpeg", *b.Audio)
	case b.Voice != nil:
		return media("voice", "audio/ogg", *b.Voice)
	case b.Document != nil:
		return media("document", "", *b.Document)
	case b.Sticker != nil:
		return media("sticker", b.Sticker.stickerMIME(), *b.Sticker)
	case b.Venue != nil:
		place := b.Venue.Location
		place.Name, place.Address = b.Venue.Title, b.Venue.Address
		return abi.Message{Type: abi.MessageLocation, Location: &place}, true
	case b.Location != nil:
		return abi.Message{Type: abi.MessageLocation, Location: b.Location}, true
	case b.Contact != nil:
		c := b.Contact
		return abi.Message{Type: abi.MessageContacts, Contacts: []abi.ContactCard{{
			Name: user{First: c.First, Last: c.Last}.name(), FirstName: c.First, LastName: c.Last,
			Phones: []abi.ContactValue{{Value: c.Phone, ID: string(c.User)}},
		}}}, true
	}
	return abi.Message{}, false
}

func (f file) stickerMIME() string {
	switch {
	case f.Animated:
		return "application/x-tgsticker"
	case f.Video:
		return "video/webm"
	}
	return "image/webp"
}

// text gives what was written. Of a command to this bot ("/help@our_bot"), the
// bot's name is left out; what a link has put behind /start
// (core.telegram.org/bots/features#deep-linking) is the message's referral.
func text(said string, config config) abi.Message {
	out := abi.Message{Type: abi.MessageText, Text: said}
	if !strings.HasPrefix(said, "/") {
		return out
	}
	command, rest, spaced := strings.Cut(said, " ")
	name, bot, named := strings.Cut(command, "@")
	if named && config.BotUsername != "" && strings.EqualFold(bot, strings.TrimPrefix(config.BotUsername, "@")) {
		command, out.Text = name, name
		if spaced {
			out.Text += " " + rest
		}
	}
	if ref := strings.TrimSpace(rest); command == "/start" && ref != "" {
		out.Text = command
		out.Referral = &abi.Referral{Ref: ref, SourceType: "link"}
	}
	return out
}

func keys(fields map[string]json.RawMessage) []string { return slices.Sorted(maps.Keys(fields)) }
