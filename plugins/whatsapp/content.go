package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/trama-run/trama/pdk/abi"
	pdk "github.com/trama-run/trama/pdk/go"
)

// Limits of the Cloud API, in characters and pieces
// (developers.facebook.com/docs/whatsapp/cloud-api/reference/messages).
const (
	maxText     = 4096
	maxCaption  = 1024
	maxContacts = 257
)

// contentOf gives a message's type as WhatsApp names it, and what stands
// under that name. The message has passed Check.
func contentOf(m abi.Message) (kind string, content any, err error) {
	switch m.Type {
	case abi.MessageText:
		return "text", text{m.Text, m.PreviewURL}, within("text", m.Text, maxText)
	case abi.MessageMedia:
		return fileContent(m)
	case abi.MessageLocation:
		return "location", m.Location, nil
	case abi.MessageContacts:
		return "contacts", contactsOf(m.Contacts), atMost("contacts", "contacts", len(m.Contacts), maxContacts)
	case abi.MessageTemplate:
		content, err = templateOf(*m.Template)
		return "template", content, err
	case abi.MessageReaction:
		return "reaction", m.Reaction, nil
	case abi.MessageCards:
		if len(m.Cards) == 1 {
			return contentOf(single(m))
		}
	}
	content, err = interactiveOf(m)
	return "interactive", content, err
}

type text struct {
	Body    string `json:"body"`
	Preview bool   `json:"preview_url,omitempty"`
}

// file is a medium in a message: by the id of an upload, or by address.
type file struct {
	ID       string `json:"id,omitempty"`
	Link     string `json:"link,omitempty"`
	Caption  string `json:"caption,omitempty"`
	Filename string `json:"filename,omitempty"` // of documents
	Voice    bool   `json:"voice,omitempty"`    // of audio
}

func fileOf(m abi.Media) (kind string, f file) {
	f = file{ID: m.ID, Link: m.URL}
	switch m.Kind {
	case "voice":
		f.Voice = true
		return "audio", f
	case "document":
		f.Filename = m.Filename
	}
	return m.Kind, f
}

func fileContent(m abi.Message) (string, any, error) {
	kind, f := fileOf(*m.Media)
	if m.Text != "" && (kind == "audio" || kind == "sticker") {
		return "", nil, unsupported("text", "whatsapp shows no text with a message of the kind %s; send the text as a message of its own", m.Media.Kind)
	}
	f.Caption = m.Text
	return kind, f, within("text", m.Text, maxCaption)
}

// single gives a message with one card in the plainer form that shows all of
// it, since WhatsApp's carousels have two cards or more.
func single(m abi.Message) abi.Message {
	card := m.Cards[0]
	plain := abi.Message{Header: m.Header, Text: lines(m.Text, card.Title, card.Subtitle), Footer: m.Footer, Media: card.Media, Buttons: card.Buttons}
	switch {
	case len(card.Buttons) > 0:
		plain.Type = abi.MessageButtons
	case card.Media != nil:
		plain.Type = abi.MessageMedia
	default:
		plain.Type = abi.MessageText
	}
	return plain
}

// lines joins the texts that are there.
func lines(texts ...string) string {
	var there []string
	for _, t := range texts {
		if t != "" {
			there = append(there, t)
		}
	}
	return strings.Join(there, "\n")
}

type template struct {
	Name       string            `json:"name"`
	Language   language          `json:"language"`
	Components []json.RawMessage `json:"components,omitempty"`
}

type language struct {
	Code string `json:"code"`
}

// templateOf puts the params before the other components, as the body's.
func templateOf(t abi.Template) (template, error) {
	out := template{Name: t.Name, Language: language{t.Language}}
	var components []json.RawMessage
	if len(t.Components) > 0 {
		if err := json.Unmarshal(t.Components, &components); err != nil {
			return out, pdk.Errorf(abi.CodeInvalid, "message.template.components: %v", err)
		}
	}
	if len(t.Params) > 0 {
		type parameter struct {
			Type string `json:"type"`
			Text string `json:"text"`
		}
		body := struct {
			Type       string      `json:"type"`
			Parameters []parameter `json:"parameters"`
		}{Type: "body"}
		for _, value := range t.Params {
			body.Parameters = append(body.Parameters, parameter{"text", value})
		}
		data, err := json.Marshal(body)
		if err != nil {
			return out, err
		}
		out.Components = append(out.Components, data)
	}
	for i, c := range components {
		var component struct {
			Type string `json:"type"`
		}
		place := fmt.Sprintf("message.template.components[%d]", i)
		if err := json.Unmarshal(c, &component); err != nil || component.Type == "" {
			return out, pdk.Errorf(abi.CodeInvalid, "%s: it has no type; whatsapp wants such as header, body, button or carousel", place)
		}
		if len(t.Params) > 0 && strings.EqualFold(component.Type, "body") {
			return out, pdk.Errorf(abi.CodeInvalid, "%s: the template has params, which are the body's; give one of the two", place)
		}
		out.Components = append(out.Components, bytes.TrimSpace(c))
	}
	return out, nil
}
