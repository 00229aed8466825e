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

// Limits of the Cloud API, in characters
// (developers.facebook.com/docs/whatsapp/cloud-api/reference/messages).
const (
	maxText        = 4096
	maxButtonsText = 1024 // the text above buttons
	maxButtons     = 3
	maxButtonTitle = 20
	maxButtonID    = 256
	maxCallback    = 512 // biz_opaque_callback_data
)

// outbound is the body of POST /{phone_number_id}/messages.
type outbound struct {
	Product       string `json:"messaging_product"`
	RecipientType string `json:"recipient_type"`
	// To is a phone number, Recipient a business-scoped user id.
	To          string           `json:"to,omitempty"`
	Recipient   string           `json:"recipient,omitempty"`
	Context     *outboundContext `json:"context,omitempty"`
	Type        string           `json:"type"`
	Text        *outboundText    `json:"text,omitempty"`
	Interactive *interactive     `json:"interactive,omitempty"`
	// Callback comes back in every status of the message: it tells a repeat
	// from a second message.
	Callback string `json:"biz_opaque_callback_data,omitempty"`
}

type outboundContext struct {
	MessageID string `json:"message_id"`
}

type outboundText struct {
	Body string `json:"body"`
}

type interactive struct {
	Type   string       `json:"type"`
	Body   buttonsText  `json:"body"`
	Action buttonAction `json:"action"`
}

type buttonsText struct {
	Text string `json:"text"`
}

type buttonAction struct {
	Buttons []replyButton `json:"buttons"`
}

type replyButton struct {
	Type  string `json:"type"`
	Reply reply  `json:"reply"`
}

type sender struct {
	send func(abi.HTTPRequest) (abi.HTTPResponse, error)
	now  func() time.Time
}

// deliver sends one message. Everything that WhatsApp would refuse for its
// form is refused before.
func (s sender) deliver(in abi.Send) (abi.Sent, error) {
	config, err := parseConfig(in.Config)
	if err != nil {
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
	answer, err := s.send(abi.HTTPRequest{
		Method:  "POST",
		URL:     "/" + string(config.PhoneNumberID) + "/messages",
		Headers: map[string]string{"Content-Type": "application/json"},
		Body:    string(body),
	})
	if err != nil {
		return abi.Sent{}, err
	}
	return s.outcome(answer)
}

func compose(in abi.Send) (outbound, error) {
	out := outbound{Product: "whatsapp", RecipientType: "individual", Callback: in.EffectID}
	if len(in.EffectID) > maxCallback {
		return out, pdk.Errorf(abi.CodeInvalid, "effect_id: longer than the %d characters that whatsapp carries", maxCallback)
	}
	userID := regexp.MustCompile(`^[A-Z]{2}\.[A-Za-z0-9.]{1,150}$`)
	switch phone := strings.TrimPrefix(in.To.Path, "+"); {
	case in.To.Scheme != scheme:
		return out, pdk.Errorf(abi.CodeInvalid, "to: the address %s is not of the scheme %q", in.To, scheme)
	case isDigits(phone):
		out.To = phone
	case userID.MatchString(in.To.Path):
		out.Recipient = in.To.Path
	default:
		return out, pdk.Errorf(abi.CodeInvalid, "to: %q is neither a phone number with its country code nor a business-scoped user id", in.To.Path)
	}
	message := in.Message
	if message.ReplyTo != "" {
		out.Context = &outboundContext{MessageID: message.ReplyTo}
	}
	switch message.Type {
	case abi.MessageText:
		if err := checkLength("message.text", message.Text, maxText); err != nil {
			return out, err
		}
		if len(message.Buttons) > 0 {
			return out, pdk.Errorf(abi.CodeInvalid, `message.buttons: a message of type "text" has none; use type "buttons"`)
		}
		out.Type, out.Text = "text", &outboundText{Body: message.Text}
		return out, nil
	case abi.MessageButtons:
		if err := checkLength("message.text", message.Text, maxButtonsText); err != nil {
			return out, err
		}
		buttons, err := composeButtons(message.Buttons)
		out.Type = "interactive"
		out.Interactive = &interactive{Type: "button", Body: buttonsText{message.Text}, Action: buttonAction{buttons}}
		return out, err
	}
	return out, pdk.Errorf(abi.CodeInvalid, `message.type: %q can't be sent by this adapter; use "text" or "buttons"`, message.Type)
}

func composeButtons(buttons []abi.Button) ([]replyButton, error) {
	if len(buttons) == 0 || len(buttons) > maxButtons {
		return nil, pdk.Errorf(abi.CodeInvalid, "message.buttons: %d buttons; whatsapp takes 1 to %d", len(buttons), maxButtons)
	}
	ids, titles := map[string]bool{}, map[string]bool{}
	var out []replyButton
	for i, button := range buttons {
		place := fmt.Sprintf("message.buttons[%d]", i)
		if err := checkLength(place+".id", button.ID, maxButtonID); err != nil {
			return nil, err
		}
		if strings.TrimSpace(button.ID) != button.ID {
			return nil, pdk.Errorf(abi.CodeInvalid, "%s.id: %q begins or ends with a space", place, button.ID)
		}
		if err := checkLength(place+".title", button.Title, maxButtonTitle); err != nil {
			return nil, err
		}
		if ids[button.ID] || titles[button.Title] {
			return nil, pdk.Errorf(abi.CodeInvalid, "%s: its id or title is that of an earlier button; each must differ", place)
		}
		ids[button.ID], titles[button.Title] = true, true
		out = append(out, replyButton{Type: "reply", Reply: reply{ID: button.ID, Title: button.Title}})
	}
	return out, nil
}

func checkLength(place, text string, limit int) error {
	switch n := utf8.RuneCountInString(text); {
	case strings.TrimSpace(text) == "":
		return pdk.Errorf(abi.CodeInvalid, "%s: empty", place)
	case n > limit:
		return pdk.Errorf(abi.CodeInvalid, "%s: %d characters; whatsapp takes at most %d", place, n, limit)
	}
	return nil
}

// outcome reads the answer to a message.
func (s sender) outcome(answer abi.HTTPResponse) (abi.Sent, error) {
	var body struct {
		Messages []struct {
			ID string `json:"id"`
		} `json:"messages"`
		Error *graphError `json:"error"`
	}
	err := json.Unmarshal([]byte(answer.Body), &body)
	success := answer.Status >= 200 && answer.Status <= 299
	if success && len(body.Messages) > 0 && body.Messages[0].ID != "" {
		return abi.Sent{MessageID: body.Messages[0].ID}, nil
	}
	wait := pdk.RetryAfterMillis(answer, s.now())
	if err == nil && body.Error != nil {
		failure := body.Error.abi()
		failure.Retryable = failure.Retryable || answer.Status == 429
		failure.RetryAfterMillis = max(wait, failure.RetryAfterMillis)
		return abi.Sent{}, &failure
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
	return abi.Sent{}, failure
}
