package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/trama-run/trama/pdk/abi"
	pdk "github.com/trama-run/trama/pdk/go"
)

// scheme of the addresses: the path is the id of a chat, which for a private
// one is the user's, or CHAT/TOPIC for a topic of a group.
const scheme = "telegram"

// config is a channel's settings.
type config struct {
	BotUsername        string   `json:"bot_username"`
	AllowedUpdates     []string `json:"allowed_updates"`
	MaxConnections     int      `json:"max_connections"`
	DropPendingUpdates bool     `json:"drop_pending_updates"`
}

func parseConfig(data json.RawMessage) (config, error) {
	var parsed config
	if len(data) > 0 {
		if err := json.Unmarshal(data, &parsed); err != nil {
			return config{}, pdk.Errorf(abi.CodeInvalid, "config: %v", err)
		}
	}
	if len(parsed.AllowedUpdates) == 0 {
		parsed.AllowedUpdates = []string{"message", "edited_message", "callback_query", "my_chat_member", "message_reaction"}
	}
	return parsed, nil
}

// id is an integer as it is written: some have more digits than a float keeps.
type id string

func (i *id) UnmarshalJSON(data []byte) error {
	text := strings.Trim(string(data), `"`)
	if text == "null" {
		return nil
	}
	if !isID(text) {
		return fmt.Errorf("%s is no id", data)
	}
	*i = id(text)
	return nil
}

// word is a text that some write as a number.
type word string

func (w *word) UnmarshalJSON(data []byte) error {
	var text string
	if json.Unmarshal(data, &text) == nil {
		*w = word(text)
		return nil
	}
	var number id
	err := number.UnmarshalJSON(data)
	*w = word(number)
	return err
}

// MarshalJSON writes it as the number that it is.
func (i id) MarshalJSON() ([]byte, error) { return []byte(i), nil }

func isID(text string) bool { return isDigits(strings.TrimPrefix(text, "-")) }

func isDigits(text string) bool {
	return text != "" && len(text) <= 20 && strings.Trim(text, "0123456789") == ""
}

// place is a chat or a topic of one.
type place struct {
	chat  id
	topic id // empty: none
}

func (p place) address() abi.Address {
	path := string(p.chat)
	if p.topic != "" {
		path += "/" + string(p.topic)
	}
	return abi.Address{Scheme: scheme, Path: path}
}

func placeOf(to abi.Address) (place, error) {
	if to.Scheme != scheme {
		return place{}, pdk.Errorf(abi.CodeInvalid, "to: the address %s is not of the scheme %q", to, scheme)
	}
	chat, topic, is := strings.Cut(to.Path, "/")
	if !isID(chat) || is && !isDigits(topic) {
		return place{}, pdk.Errorf(abi.CodeInvalid, "to: %q is not the id of a chat, such as 123456789, or of a topic of a group, such as -1001234567890/7", to.Path)
	}
	return place{id(chat), id(topic)}, nil
}

// messageID makes an id of a message that no other chat's has: Telegram counts
// messages in each chat.
func messageID(chat, message id) string { return string(chat) + ":" + string(message) }

// What the ids of presses of buttons and of reactions begin with. They are no
// messages of the chat, so nothing can quote them.
const (
	callbackPrefix = "callback:"
	reactionPrefix = "reaction:"
)

func isMessage(message string) bool {
	return message != "" && !strings.HasPrefix(message, callbackPrefix) && !strings.HasPrefix(message, reactionPrefix)
}

// messageIn is the chat's own number of a message, or of one that was changed.
func messageIn(chat id, field, message string) (id, error) {
	plain, _, _ := strings.Cut(message, "/")
	in, number, ok := strings.Cut(plain, ":")
	if !ok || !isID(in) || !isDigits(number) {
		return "", pdk.Errorf(abi.CodeInvalid, "message.%s: %q is not the id of a message of this channel, such as 123456789:42", field, message)
	}
	if id(in) != chat {
		return "", pdk.Errorf(abi.CodeInvalid, "message.%s: %q is a message of another chat than %s", field, message, chat)
	}
	return id(number), nil
}
