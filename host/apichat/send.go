package apichat

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"time"

	"github.com/trama-run/trama/host/calllog"
	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/cause"
	"github.com/trama-run/trama/host/outbox"
	"github.com/trama-run/trama/host/signature"
	"github.com/trama-run/trama/pdk/abi"
)

// sendTime is how long a system has to take a message.
const sendTime = 15 * time.Second

// sendBytes bounds a message as it is posted: a flow's text of any length, and a
// carousel with long addresses, fit.
const sendBytes = 4 << 20

// Names of what is sent beside the signature.
const (
	headerID   = "Webhook-Id"
	headerTime = "Webhook-Timestamp"
)

// Content types of messages to a system.
const (
	contentText    = "text"
	contentButtons = "button_template"
	contentCards   = "generic_template"
)

// outgoing is a message to a system, as it is posted.
type outgoing struct {
	Event       string       `json:"event"`
	MessageType string       `json:"message_type"`
	ID          string       `json:"id"` // the same in each try
	Channel     string       `json:"channel"`
	CreatedAt   int64        `json:"created_at"` // seconds since 1970
	Recipient   recipient    `json:"recipient"`
	ContentType string       `json:"content_type"`
	Content     string       `json:"content"`
	InReplyTo   string       `json:"in_reply_to,omitempty"`
	Header      string       `json:"header,omitempty"`
	Footer      string       `json:"footer,omitempty"`
	Buttons     []pressable  `json:"buttons,omitempty"`
	Elements    []card       `json:"elements,omitempty"`
	Attachments []attachable `json:"attachments,omitempty"`
}

type recipient struct {
	ID string `json:"id"`
}

type pressable struct {
	Type    string `json:"type"` // postback or web_url
	Title   string `json:"title"`
	Payload string `json:"payload,omitempty"`
	URL     string `json:"url,omitempty"`
}

type card struct {
	Title    string      `json:"title"`
	Subtitle string      `json:"subtitle,omitempty"`
	Media    *attachable `json:"attachment,omitempty"`
	Buttons  []pressable `json:"buttons,omitempty"`
}

type attachable struct {
	FileType    string `json:"file_type"` // image, audio, video or file
	DataURL     string `json:"data_url"`
	FileName    string `json:"file_name,omitempty"`
	ContentType string `json:"content_type,omitempty"`
}

// Body is the body of a message to a user of a system. The error has the code
// [abi.CodeUnsupported] or [abi.CodeInvalid].
func Body(channel string, to abi.Address, m abi.Message, id string, at time.Time) ([]byte, *abi.Error) {
	if wrong := m.Check(); wrong != nil {
		return nil, wrong
	}
	out := outgoing{
		Event: "message_created", MessageType: "outgoing", ID: id, Channel: channel, CreatedAt: at.Unix(), Recipient: recipient{to.Path},
		ContentType: contentText, Content: m.Text, Header: m.Header, Footer: m.Footer, InReplyTo: idIn(to.Path, m.ReplyTo),
	}
	var failure *abi.Error
	attach := func(of *abi.Media) attachable {
		a, wrong := fileOf(*of)
		if failure == nil {
			failure = wrong
		}
		return a
	}
	switch m.Type {
	case abi.MessageText:
	case abi.MessageMedia:
		a := attach(m.Media)
		out.ContentType, out.Attachments = a.FileType, []attachable{a}
	case abi.MessageButtons:
		out.ContentType, out.Buttons = contentButtons, pressables(m.Buttons)
		if m.Media != nil {
			out.Attachments = []attachable{attach(m.Media)}
		}
	case abi.MessageCards:
		out.ContentType = contentCards
		for _, c := range m.Cards {
			element := card{Title: c.Title, Subtitle: c.Subtitle, Buttons: pressables(c.Buttons)}
			if c.Media != nil {
				a := attach(c.Media)
				element.Media = &a
			}
			out.Elements = append(out.Elements, element)
		}
	default:
		return nil, &abi.Error{Code: abi.CodeUnsupported, Message: fmt.Sprintf("a system's chat has no form for a message of the kind %s", m.Kind())}
	}
	if failure != nil {
		return nil, failure
	}
	data, err := json.Marshal(out)
	if err != nil {
		return nil, &abi.Error{Code: abi.CodeInvalid, Message: err.Error()}
	}
	return data, nil
}

func pressables(buttons []abi.Button) (list []pressable) {
	for _, b := range buttons {
		p := pressable{Type: "postback", Title: b.Title, Payload: b.ID}
		if b.URL != "" {
			p = pressable{Type: "web_url", Title: b.Title, URL: b.URL}
		}
		list = append(list, p)
	}
	return list
}

func fileOf(m abi.Media) (attachable, *abi.Error) {
	kinds := map[string]string{"image": "image", "sticker": "image", "video": "video", "audio": "audio", "voice": "audio", "document": "file"}
	a := attachable{FileType: kinds[m.Kind], DataURL: m.URL, FileName: m.Filename, ContentType: m.MIME}
	if m.URL == "" {
		return a, &abi.Error{Code: abi.CodeInvalid, Message: "the file has no address: give it a url; for one that the host keeps, write public_url: https://... into trama.yaml"}
	}
	return a, nil
}

// Send posts a message to the channel's system, once.
func (c *Chats) Send(ctx context.Context, ch catalog.Channel, to abi.Address, m outbox.Message) (abi.Sent, *abi.Error) {
	s, failure := settings(ch)
	if failure != nil {
		return abi.Sent{}, failure
	}
	w, err := c.load(ctx, ch.ID)
	if err != nil {
		return abi.Sent{}, unavailable("channel %q: %v", ch.ID, err)
	}
	if w.URL == "" {
		return abi.Sent{}, c.Held(ctx, ch.ID)
	}
	now := c.config.Now()
	body, failure := Body(ch.ID, to, m.Message, m.EffectID, m.At)
	if failure != nil {
		return abi.Sent{}, failure
	}
	headers, failure := c.headers(ch, s, m.EffectID, now, body)
	if failure != nil {
		return abi.Sent{}, failure
	}
	scope, err := c.open(s, w.URL, sendTime, sendBytes)
	if err != nil { // the channel's settings are others than when it was set
		return abi.Sent{}, unavailable("channel %q: its webhook can't be used: %v", ch.ID, err)
	}
	scope.Hide(w.Key)
	answer, err := scope.Send(calling(ctx, ch.ID), abi.HTTPRequest{Method: http.MethodPost, URL: w.URL, Headers: headers, Body: string(body)})
	if err != nil {
		return abi.Sent{}, unsent(ch.ID, err)
	}
	if answer.Status == http.StatusGone {
		_, err := c.change(ctx, ch.ID, func(now *webhook) {
			if now.URL == w.URL { // else it was set anew meanwhile
				now.URL, now.Key, now.Gone = "", "", "the system answered with status 410, that its webhook is gone"
			}
		})
		if err != nil {
			return abi.Sent{}, unavailable("channel %q: %v", ch.ID, err)
		}
		return abi.Sent{}, unavailable("channel %q: the system answered with status 410, that its webhook is gone; messages wait until it sets another", ch.ID)
	}
	if failure := refused(ch.ID, answer, now); failure != nil {
		return abi.Sent{}, failure
	}
	return abi.Sent{MessageID: m.EffectID}, nil
}

// Signs says why messages of a channel can't be signed now; nil if they can.
func (c *Chats) Signs(ch catalog.Channel) *abi.Error {
	s, failure := settings(ch)
	if failure == nil {
		_, failure = c.headers(ch, s, "check", c.config.Now(), nil)
	}
	return failure
}

// headers sign a body. While the secret is rotated, a scheme with room for
// several signatures has one of each; another has that of the first.
func (c *Chats) headers(ch catalog.Channel, s catalog.APIChat, id string, now time.Time, body []byte) (map[string]string, *abi.Error) {
	method, err := signature.New(s.Signature.Scheme)
	if err != nil {
		return nil, unavailable("channel %q: signature: %v", ch.ID, err)
	}
	var keys []signature.Key
	for _, name := range ch.Secrets[catalog.SecretWebhook] {
		value, err := c.config.Secrets.Open(name)
		if err != nil {
			return nil, unavailable("channel %q: %v", ch.ID, err)
		}
		key, err := method.Key(value.Reveal())
		if err != nil {
			return nil, unavailable("channel %q: messages can't be signed: secret %q: %v: give it one that its config's signature can be made with", ch.ID, name, err)
		}
		keys = append(keys, key)
	}
	if len(keys) > 1 && !method.Several() {
		keys = keys[:1]
	}
	signed, err := method.Sign(id, now, body, keys...)
	if err != nil {
		return nil, unavailable("channel %q: messages can't be signed: %v", ch.ID, err)
	}
	headers := map[string]string{
		"Content-Type": "application/json; charset=utf-8",
		headerID:       id, headerTime: strconv.FormatInt(now.Unix(), 10),
	}
	maps.Copy(headers, signed)
	return headers, nil
}

// calling names the channel as what makes a request.
func calling(ctx context.Context, channel string) context.Context {
	return cause.With(ctx, func(of *cause.Cause) { of.Kind, of.Name = calllog.KindConnector, "apichat."+channel })
}

// unsent says why there is no answer. All that may heal is tried again.
func unsent(channel string, err error) *abi.Error {
	failure := &abi.Error{Code: abi.CodeUnreachable, Message: err.Error()}
	if shaped, ok := errors.AsType[*abi.Error](err); ok {
		copied := *shaped
		failure = &copied
	}
	failure.Retryable = true
	if failure.Code == abi.CodeDenied { // its remedy is for plugins' grants
		failure.Message = "its webhook leads to an address that is not public: the system sets another, or the channel has config: {allow_private: true}"
	}
	failure.Message = fmt.Sprintf("channel %q: %s", channel, failure.Message)
	return failure
}

// refused makes a failure of an answer that is not 2xx. What may heal is tried
// again: the system is busy, in trouble, or being changed.
func refused(channel string, answer abi.HTTPResponse, now time.Time) *abi.Error {
	if answer.Status/100 == 2 {
		return nil
	}
	text := fmt.Sprintf("channel %q: the system answered with status %d", channel, answer.Status)
	again := answer.Status >= 500
	switch answer.Status {
	case http.StatusTooManyRequests, http.StatusRequestTimeout, http.StatusTooEarly:
		again = true
	}
	if answer.Status/100 == 3 {
		text += ", a redirect, which is not followed: the system sets its webhook to where it leads"
		again = true
	}
	return &abi.Error{
		Code: "status_" + strconv.Itoa(answer.Status), Message: text, Retryable: again,
		RetryAfterMillis: outbox.RetryAfter(answer.Headers["retry-after"], now).Milliseconds(),
	}
}
