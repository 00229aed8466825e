package main

import (
	"encoding/json"
	"strings"
	"unicode/utf8"

	"github.com/trama-run/trama/pdk/abi"
	pdk "github.com/trama-run/trama/pdk/go"
)

// Limits of the Bot API, in characters (core.telegram.org/bots/api#sendmessage
// and the methods after it).
const (
	maxText    = 4096
	maxCaption = 1024
)

// deliver sends one message. What Telegram would refuse for its form is refused
// before. A group that has become a supergroup is written to under its new id.
func (b bot) deliver(in abi.Send) (abi.Sent, error) {
	if _, err := parseConfig(in.Config); err != nil {
		return abi.Sent{}, err
	}
	to, err := placeOf(in.To)
	if err != nil {
		return abi.Sent{}, err
	}
	c, err := compose(to, in.Message)
	if err != nil {
		return abi.Sent{}, err
	}
	sent, err := b.perform(c, in.Message)
	if moved := movedTo(err); moved != "" {
		c.params["chat_id"] = moved
		delete(c.params, "reply_parameters") // messages have other numbers there
		delete(c.params, "message_thread_id")
		return b.perform(c, in.Message)
	}
	return sent, err
}

// movedTo is the id under which a group goes on that err is about.
func movedTo(err error) id {
	failure, ok := err.(*abi.Error)
	var detail refusal
	if !ok || failure.Detail == nil || json.Unmarshal(failure.Detail, &detail) != nil {
		return ""
	}
	return detail.Parameters.MigratedTo
}

func (b bot) perform(c call, m abi.Message) (abi.Sent, error) {
	var result json.RawMessage
	err := b.call(c, &result)
	if m.Edits != "" {
		if c.method == "editMessageText" && said(err, "no text in the message to edit") { // it is a file with a caption
			caption := call{method: "editMessageCaption", params: c.params, repeatable: true}
			caption.params["caption"] = caption.params["text"]
			delete(caption.params, "text")
			delete(caption.params, "link_preview_options")
			if err := within("text", m.Text, maxCaption); err != nil {
				return abi.Sent{}, err
			}
			err = b.call(caption, &result)
		}
		if err != nil && !said(err, "message is not modified") {
			return abi.Sent{}, err
		}
		return abi.Sent{MessageID: m.Edits}, nil
	}
	if err != nil {
		return abi.Sent{}, err
	}
	var sent struct {
		ID   id   `json:"message_id"`
		Chat chat `json:"chat"`
	}
	switch m.Type {
	case abi.MessageReaction, abi.MessageTyping: // which are no messages
		return abi.Sent{}, nil
	}
	if json.Unmarshal(result, &sent) != nil || sent.ID == "" || sent.Chat.ID == "" {
		return abi.Sent{}, pdk.Errorf(abi.CodeUnknown, "telegram: %s was answered without the message; it may have been sent", c.method)
	}
	return abi.Sent{MessageID: messageID(sent.Chat.ID, sent.ID)}, nil
}

// compose gives the request that sends a message.
func compose(to place, m abi.Message) (call, error) {
	if problem := m.Check(); problem != nil {
		return call{}, problem
	}
	c, err := callOf(m)
	if err != nil {
		return call{}, err
	}
	c.params["chat_id"] = to.chat
	switch number := id(""); {
	case m.Edits != "":
		number, err = messageIn(to.chat, "edits", m.Edits)
		c.params["message_id"], c.repeatable = number, true
		return c, err
	case m.Type == abi.MessageReaction:
		number, err = messageIn(to.chat, "reaction.message_id", m.Reaction.MessageID)
		c.params["message_id"], c.repeatable = number, true
		return c, err
	case m.Type == abi.MessageTyping:
		c.repeatable = true
	case isMessage(m.ReplyTo):
		number, err = messageIn(to.chat, "reply_to", m.ReplyTo)
		c.params["reply_parameters"] = map[string]any{"message_id": number, "allow_sending_without_reply": true}
	}
	if to.topic != "" {
		c.params["message_thread_id"] = to.topic
	}
	return c, err
}

// callOf gives the method and what it takes beside the chat.
func callOf(m abi.Message) (call, error) {
	if m.Edits != "" {
		return editOf(m)
	}
	switch m.Type {
	case abi.MessageText:
		return textOf(m, nil)
	case abi.MessageButtons:
		keyboard, err := keyboardOf(m.Buttons)
		switch {
		case err != nil:
			return call{}, err
		case m.Media != nil:
			return fileOf(m, keyboard)
		}
		return textOf(m, keyboard)
	case abi.MessageList:
		keyboard, err := listKeyboard(*m.List)
		if err != nil {
			return call{}, err
		}
		m.Text = joined("\n\n", m.Text, listText(*m.List))
		return textOf(m, keyboard)
	case abi.MessageMedia:
		return fileOf(m, nil)
	case abi.MessageLocation:
		return locationOf(*m.Location), nil
	case abi.MessageContacts:
		return contactOf(m.Contacts)
	case abi.MessageReaction:
		reactions := []map[string]string{}
		if m.Reaction.Emoji != "" {
			// Telegram writes its reactions without the selector of a coloured form.
			emoji := strings.ReplaceAll(m.Reaction.Emoji, "\ufe0f", "")
			reactions = append(reactions, map[string]string{"type": "emoji", "emoji": emoji})
		}
		return call{method: "setMessageReaction", params: map[string]any{"reaction": reactions}}, nil
	case abi.MessageTyping:
		return call{method: "sendChatAction", params: map[string]any{"action": "typing"}}, nil
	}
	return call{}, unsupported("type", "telegram has no form for %q", m.Type)
}

func textOf(m abi.Message, keyboard any) (call, error) {
	text := whole(m)
	c := call{method: "sendMessage", params: map[string]any{"text": text, "link_preview_options": map[string]bool{"is_disabled": !m.PreviewURL}}}
	if keyboard != nil {
		c.params["reply_markup"] = keyboard
	}
	return c, within("text", text, maxText)
}

// whole is the text with what stands above and below it.
func whole(m abi.Message) string { return joined("\n\n", m.Header, m.Text, m.Footer) }

// joined joins the texts that are there.
func joined(with string, texts ...string) string {
	var there []string
	for _, t := range texts {
		if t != "" {
			there = append(there, t)
		}
	}
	return strings.Join(there, with)
}

// editOf changes a message: its text and buttons, or its file as well.
func editOf(m abi.Message) (call, error) {
	kind := m.Type
	switch m.Edits = ""; kind {
	case abi.MessageText, abi.MessageButtons, abi.MessageList, abi.MessageMedia:
	default:
		return call{}, unsupported("edits", "telegram changes texts, buttons and files, no %s; send it as a message of its own", m.Kind())
	}
	c, err := callOf(m)
	if err != nil || c.method == "sendMessage" {
		c.method = "editMessageText"
		return c, err
	}
	return editFile(c, m)
}

// within refuses a text that is longer than Telegram takes.
func within(place, text string, limit int) error {
	if n := utf8.RuneCountInString(text); n > limit {
		return pdk.Errorf(abi.CodeInvalid, "message.%s: %d characters; telegram takes at most %d", place, n, limit)
	}
	return nil
}

func unsupported(place, format string, args ...any) error {
	return pdk.Errorf(abi.CodeUnsupported, "message."+place+": "+format, args...)
}
