package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/trama-run/trama/pdk/abi"
	pdk "github.com/trama-run/trama/pdk/go"
)

// update is the body of a webhook: one thing of which one field is there
// (core.telegram.org/bots/api#update).
type update struct {
	ID       id              `json:"update_id"`
	Message  json.RawMessage `json:"message"`
	Edited   json.RawMessage `json:"edited_message"`
	Callback *callback       `json:"callback_query"`
	Member   *member         `json:"my_chat_member"`
	Reaction *reacted        `json:"message_reaction"`
}

// callback is the press of a button (core.telegram.org/bots/api#callbackquery).
type callback struct {
	ID      word            `json:"id"`
	From    user            `json:"from"`
	Message *pressed        `json:"message"`
	Data    *string         `json:"data"`
	Raw     json.RawMessage `json:"-"`
}

// pressed is the message that the button is below; of an old one, little is
// known.
type pressed struct {
	header
	Markup struct {
		Rows [][]key `json:"inline_keyboard"`
	} `json:"reply_markup"`
}

func (c *callback) UnmarshalJSON(data []byte) error {
	type plain callback
	c.Raw = slices.Clone(data)
	return json.Unmarshal(data, (*plain)(c))
}

// member tells what the bot is in a chat
// (core.telegram.org/bots/api#chatmemberupdated).
type member struct {
	Chat chat  `json:"chat"`
	From user  `json:"from"`
	Date int64 `json:"date"`
	New  struct {
		Status string `json:"status"`
	} `json:"new_chat_member"`
}

// reacted is a change of somebody's reactions
// (core.telegram.org/bots/api#messagereactionupdated).
type reacted struct {
	Chat    chat  `json:"chat"`
	Message id    `json:"message_id"`
	User    user  `json:"user"`
	Date    int64 `json:"date"`
	New     []struct {
		Type  string `json:"type"`
		Emoji string `json:"emoji"`
	} `json:"new_reaction"`
}

// receive gives the unit of an update, if it is of a kind that a conversation
// has. One that can't be read is an error, so that the host keeps it.
func (b bot) receive(in abi.Receive) (abi.Received, error) {
	config, err := parseConfig(in.Config)
	if err != nil {
		return abi.Received{}, err
	}
	var u update
	if err := json.Unmarshal(in.Body, &u); err != nil {
		return abi.Received{}, pdk.Errorf(abi.CodeInvalid, "webhook body: %v", err)
	}
	if u.ID == "" {
		return abi.Received{}, pdk.Errorf(abi.CodeInvalid, "webhook body: it has no update_id, so it is no update of the Bot API")
	}
	unit, err := b.unit(config, u, in.Body)
	if err != nil {
		return abi.Received{}, pdk.Errorf(abi.CodeInvalid, "webhook body: update %s: %v", u.ID, err)
	}
	if unit == nil {
		return abi.Received{Units: []abi.Unit{}}, nil
	}
	return abi.Received{Units: []abi.Unit{*unit}}, nil
}

func (b bot) unit(config config, u update, body []byte) (*abi.Unit, error) {
	switch {
	case u.Message != nil:
		return b.message(config, u.ID, u.Message, false)
	case u.Edited != nil:
		return b.message(config, u.ID, u.Edited, true)
	case u.Callback != nil:
		return b.callback(*u.Callback)
	case u.Member != nil:
		return u.Member.unit(u.ID)
	case u.Reaction != nil:
		return b.reaction(u.ID, *u.Reaction)
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil {
		return nil, err
	}
	delete(fields, "update_id")
	return nil, b.passOver("update %s of the kind %s is not part of a conversation", u.ID, strings.Join(keys(fields), ", "))
}

// passOver logs what gives no unit.
func (b bot) passOver(format string, args ...any) error {
	return b.log("info", "telegram: "+fmt.Sprintf(format, args...))
}

// callback gives the press of a button, and answers it: until then the button
// shows that it waits. It is answered again if the host has to read the update
// again, and not at all if that fails, which is no harm.
func (b bot) callback(c callback) (*abi.Unit, error) {
	if c.ID == "" || c.From.ID == "" {
		return nil, fmt.Errorf("callback_query: it has no id or no sender")
	}
	var answered bool
	err := b.call(call{method: "answerCallbackQuery", params: map[string]any{"callback_query_id": c.ID}, repeatable: true, timeoutMillis: answerMillis}, &answered)
	if err != nil {
		if err := b.log("warn", "the press of a button was not answered: "+err.Error()); err != nil {
			return nil, err
		}
	}
	unit := abi.Unit{ID: callbackPrefix + string(c.ID), Name: c.From.name()}
	message := abi.Message{ID: callbackPrefix + string(c.ID), Type: abi.MessageUnknown, Raw: c.Raw}
	if c.Data != nil {
		message.Type, message.Payload, message.Raw = abi.MessageButtonReply, *c.Data, nil
		if row, is := strings.CutPrefix(*c.Data, rowPrefix); is {
			message.Type, message.Payload = abi.MessageListReply, row
		} else if button, is := strings.CutPrefix(*c.Data, buttonPrefix); is {
			message.Payload = button
		}
	}
	from := place{chat: c.From.ID}
	if m := c.Message; m != nil && m.Chat.ID != "" {
		from = m.place()
		if m.ID != "" {
			message.ReplyTo = messageID(m.Chat.ID, m.ID)
		}
		for _, row := range m.Markup.Rows {
			for _, k := range row {
				if c.Data != nil && k.Data == *c.Data {
					message.Text = k.Text
				}
			}
		}
	}
	unit.From, unit.Message = from.address(), &message
	if from.chat == c.From.ID {
		unit.Language = language(c.From.Language)
	}
	return &unit, nil
}

// answerMillis bounds the answer to a press, for which other updates wait.
const answerMillis = 3000

// unit gives news of whether a user can be written to.
func (m member) unit(update id) (*abi.Unit, error) {
	if m.Chat.ID == "" {
		return nil, fmt.Errorf("my_chat_member: it has no chat")
	}
	unit := abi.Unit{
		ID: "member:" + string(m.Chat.ID) + "/" + string(update), From: place{chat: m.Chat.ID}.address(),
		Name: m.From.name(), TimeMillis: m.Date * 1000, Opt: abi.OptIn,
	}
	if m.New.Status == "kicked" || m.New.Status == "left" {
		unit.Opt = abi.OptOut
	}
	return &unit, nil
}

func (b bot) reaction(update id, r reacted) (*abi.Unit, error) {
	if r.Chat.ID == "" || r.Message == "" {
		return nil, fmt.Errorf("message_reaction: it has no chat or no message")
	}
	reaction := abi.Reaction{MessageID: messageID(r.Chat.ID, r.Message)}
	for _, one := range r.New {
		if one.Type == "emoji" { // others are pictures that only Telegram has
			reaction.Emoji = one.Emoji
		}
	}
	if len(r.New) > 0 && reaction.Emoji == "" {
		return nil, b.passOver("update %s is a reaction that is no emoji", update)
	}
	unit := reactionPrefix + reaction.MessageID + "/" + string(update)
	return &abi.Unit{
		ID: unit, From: place{chat: r.Chat.ID}.address(), Name: r.User.name(), TimeMillis: r.Date * 1000,
		Message: &abi.Message{ID: unit, Type: abi.MessageReaction, Reaction: &reaction},
	}, nil
}

// message gives a message that was written or changed. Its own id tells it
// apart and is never given again; those of updates, which tell changes apart,
// begin anew at random when a bot has had none for a week.
func (b bot) message(config config, update id, raw json.RawMessage, edited bool) (*abi.Unit, error) {
	var m header
	if err := json.Unmarshal(raw, &m); err != nil {
		return nil, fmt.Errorf("message: %w", err)
	}
	if m.ID == "" || m.Chat.ID == "" {
		return nil, fmt.Errorf("message: it has no message_id or no chat")
	}
	key := messageID(m.Chat.ID, m.ID)
	unit := abi.Unit{ID: key, From: m.place().address(), Name: m.sender(), TimeMillis: m.Date * 1000}
	if m.Chat.Type == "private" {
		unit.Language = language(m.From.Language)
	}
	if edited {
		unit.ID += "/" + string(update)
		unit.TimeMillis = max(m.Date, m.EditDate) * 1000
	}
	if m.MigratedFrom != "" { // the group goes on under another id
		unit.Also = []abi.Address{place{chat: m.MigratedFrom}.address()}
		unit.Opt = abi.OptIn
		return &unit, nil
	}
	content, service := contentOf(raw, config)
	if service != "" {
		return nil, b.passOver("message %s is news of the chat itself: %s", key, service)
	}
	if edited && content.Location != nil {
		return nil, b.passOver("message %s is a place that moves; where it was first is known", key)
	}
	content.ID = key
	if m.ReplyTo != nil && !m.ReplyTo.beginsTopic(m.Topic) {
		content.ReplyTo = messageID(m.Chat.ID, m.ReplyTo.ID)
	}
	if edited {
		content.Edits = key
	}
	unit.Message = &content
	return &unit, nil
}

// language writes a language as BCP 47 does; what is none is left out.
func language(tag string) string {
	parts := strings.Split(strings.ToLower(tag), "-")
	if len(parts[0]) < 2 || len(parts[0]) > 3 || len(parts) > 3 {
		return ""
	}
	for i, part := range parts {
		if strings.Trim(part, "abcdefghijklmnopqrstuvwxyz0123456789") != "" {
			return ""
		}
		switch {
		case i == 0:
		case len(part) == 2:
			parts[i] = strings.ToUpper(part)
		case len(part) == 4:
			parts[i] = strings.ToUpper(part[:1]) + part[1:]
		}
	}
	return strings.Join(parts, "-")
}
