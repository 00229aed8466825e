package main

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/trama-run/trama/pdk/abi"
	pdk "github.com/trama-run/trama/pdk/go"
)

// maxCallback is the limit of biz_opaque_callback_data, in characters.
const maxCallback = 512

// userIDPattern is a business-scoped user id. Compiled here, it is in the image
// that calls start from.
var userIDPattern = regexp.MustCompile(`^[A-Z]{2}\.[A-Za-z0-9.]{1,150}$`)

type sender struct {
	send func(abi.HTTPRequest) (abi.HTTPResponse, error)
	now  func() time.Time
}

// deliver sends one message. What WhatsApp would refuse for its form is
// refused before.
func (s sender) deliver(in abi.Send) (abi.Sent, error) {
	config, err := parseConfig(in.Config)
	if err != nil {
		return abi.Sent{}, err
	}
	if problem := in.Message.Check(); problem != nil {
		return abi.Sent{}, problem
	}
	switch in.Message.Type {
	case abi.MessageTyping, abi.MessageRead:
		return s.mark(config, in.Message)
	}
	if err := s.inWindow(in); err != nil {
		return abi.Sent{}, err
	}
	if in.Message, err = s.upload(config, in.Message); err != nil {
		return abi.Sent{}, err
	}
	message, err := compose(in)
	if err != nil {
		return abi.Sent{}, err
	}
	body, err := json.Marshal(message)
	if err != nil {
		return abi.Sent{}, err
	}
	answer, err := s.post(config, body)
	if err != nil {
		return abi.Sent{}, err
	}
	return s.outcome(in.To, answer)
}

// window is how long after a contact's last message any message is taken.
const window = 24 * time.Hour

// inWindow refuses a message that WhatsApp would take and then fail
// (developers.facebook.com/docs/whatsapp/pricing#customer-service-windows).
func (s sender) inWindow(in abi.Send) error {
	if in.HeardMillis == 0 || in.Message.Type == abi.MessageTemplate {
		return nil // who never wrote: WhatsApp knows best
	}
	ago := s.now().Sub(time.UnixMilli(in.HeardMillis))
	if ago <= window {
		return nil
	}
	return pdk.Errorf(abi.CodeWindowClosed, "the contact wrote %d hours ago last; after 24 hours whatsapp takes templates alone: send a message of the kind template", int(ago.Hours()))
}

// mark marks a message as read, and shows for 25 seconds at most that an answer
// is being written
// (developers.facebook.com/documentation/business-messaging/whatsapp/typing-indicators).
func (s sender) mark(c config, m abi.Message) (abi.Sent, error) {
	if m.ReplyTo == "" { // typing, which whatsapp shows together with that alone
		return abi.Sent{}, nil
	}
	body := map[string]any{"messaging_product": "whatsapp", "status": "read", "message_id": m.ReplyTo}
	if m.Type == abi.MessageTyping {
		body["typing_indicator"] = map[string]string{"type": "text"}
	}
	data, err := json.Marshal(body)
	if err != nil {
		return abi.Sent{}, err
	}
	answer, err := s.post(c, data)
	if err != nil {
		return abi.Sent{}, err
	}
	var done struct {
		Success bool `json:"success"`
	}
	return abi.Sent{}, s.read(answer, "that a message was read", &done)
}

// post sends a body to the number's messages.
func (s sender) post(c config, body []byte) (abi.HTTPResponse, error) {
	return s.send(abi.HTTPRequest{
		Method:  "POST",
		URL:     "/" + string(c.PhoneNumberID) + "/messages",
		Headers: map[string]string{"Content-Type": "application/json"},
		Body:    string(body),
	})
}

// compose gives the body of POST /{phone_number_id}/messages.
func compose(in abi.Send) (map[string]any, error) {
	if len(in.EffectID) > maxCallback {
		return nil, pdk.Errorf(abi.CodeInvalid, "effect_id: longer than the %d characters that whatsapp carries", maxCallback)
	}
	body := map[string]any{
		"messaging_product": "whatsapp",
		"recipient_type":    "individual",
		// Comes back in every status of the message: it tells a repeat from a
		// second message.
		"biz_opaque_callback_data": in.EffectID,
	}
	switch phone := strings.TrimPrefix(in.To.Path, "+"); {
	case in.To.Scheme != scheme:
		return nil, pdk.Errorf(abi.CodeInvalid, "to: the address %s is not of the scheme %q", in.To, scheme)
	case isDigits(phone):
		body["to"] = phone
	case userIDPattern.MatchString(in.To.Path):
		body["recipient"] = in.To.Path
	default:
		return nil, pdk.Errorf(abi.CodeInvalid, "to: %q is neither a phone number with its country code nor a business-scoped user id", in.To.Path)
	}
	if in.Message.ReplyTo != "" && in.Message.Type != abi.MessageReaction {
		body["context"] = map[string]string{"message_id": in.Message.ReplyTo}
	}
	kind, content, err := contentOf(in.Message)
	if err != nil {
		return nil, err
	}
	body["type"], body[kind] = kind, content
	return body, nil
}

// within refuses a text that is longer than WhatsApp takes.
func within(place, text string, limit int) error {
	if n := utf8.RuneCountInString(text); n > limit {
		return pdk.Errorf(abi.CodeInvalid, "message.%s: %d characters; whatsapp takes at most %d", place, n, limit)
	}
	return nil
}

// atMost refuses more parts than WhatsApp takes.
func atMost(place, what string, n, limit int) error {
	if n > limit {
		return pdk.Errorf(abi.CodeInvalid, "message.%s: %d %s; whatsapp takes at most %d", place, n, what, limit)
	}
	return nil
}

func unsupported(place, format string, args ...any) error {
	return pdk.Errorf(abi.CodeUnsupported, "message."+place+": "+format, args...)
}

// outcome reads the answer to a message.
func (s sender) outcome(to abi.Address, answer abi.HTTPResponse) (abi.Sent, error) {
	var body struct {
		Contacts json.RawMessage `json:"contacts"`
		Messages []struct {
			ID string `json:"id"`
		} `json:"messages"`
	}
	success := answer.Status >= 200 && answer.Status <= 299
	if json.Unmarshal([]byte(answer.Body), &body) == nil && success && len(body.Messages) > 0 && body.Messages[0].ID != "" {
		return abi.Sent{MessageID: body.Messages[0].ID, Also: numbers(to, body.Contacts)}, nil
	}
	return abi.Sent{}, s.refusal(answer)
}

// numbers gives the number that the contact has at WhatsApp, which its webhooks
// name, where it is another than was asked for: those of Brazil and Mexico are
// written with a digit more or less. It is no reason to doubt the answer if it
// can't be read.
func numbers(asked abi.Address, contacts []byte) []abi.Address {
	var list []struct {
		Phone id `json:"wa_id"`
	}
	if json.Unmarshal(contacts, &list) != nil || len(list) != 1 || !isDigits(string(list[0].Phone)) || string(list[0].Phone) == asked.Path {
		return nil
	}
	return []abi.Address{{Scheme: scheme, Path: string(list[0].Phone)}}
}

// refusal reads an answer that is not what was asked for.
func (s sender) refusal(answer abi.HTTPResponse) error {
	var body struct {
		Error *graphError `json:"error"`
	}
	err := json.Unmarshal([]byte(answer.Body), &body)
	wait := pdk.RetryAfterMillisAt(answer, s.now())
	if err == nil && body.Error != nil {
		failure := body.Error.abi()
		failure.Retryable = failure.Retryable || answer.Status == 429 || answer.Status == 503
		failure.RetryAfterMillis = max(wait, failure.RetryAfterMillis)
		return &failure
	}
	failure := &abi.Error{
		Code:             abi.CodeUnknown,
		Message:          fmt.Sprintf("whatsapp answered %d without a message id or an error; the message may have been sent", answer.Status),
		RetryAfterMillis: wait,
	}
	switch {
	case answer.Status == 429 || answer.Status == 503: // turned away before anything was done
		failure.Code, failure.Retryable = "whatsapp_unavailable", true
		failure.Message = fmt.Sprintf("whatsapp answered %d: it takes no messages now", answer.Status)
	case answer.Status >= 300 && answer.Status <= 499:
		failure.Code = "whatsapp_refused"
		failure.Message = fmt.Sprintf("whatsapp answered %d without an error that can be read; check the connection's base URL", answer.Status)
	}
	return failure
}
