package main

import (
	"encoding/json"

	"github.com/trama-run/trama/pdk/abi"
)

// content gives the message in the shape that channels share. What it has no
// place for, or what is not as documented, stays as received
// (developers.facebook.com/docs/whatsapp/cloud-api/webhooks/reference/messages).
func (m message) content(raw json.RawMessage) abi.Message {
	unknown := abi.Message{Type: abi.MessageUnknown, Raw: raw}
	var body body
	if json.Unmarshal(raw, &body) != nil {
		return unknown
	}
	out, ok := body.content(m.Type)
	if !ok {
		out = unknown
	}
	if p := body.Context.Product; p != nil {
		out.Product = &abi.Product{CatalogID: string(p.CatalogID), ProductID: string(p.ProductID)}
	}
	if r := body.Referral; r != nil {
		out.Referral = &abi.Referral{
			SourceType: r.SourceType, SourceID: string(r.SourceID), SourceURL: r.SourceURL,
			Headline: r.Headline, Body: r.Body, ClickID: r.ClickID,
		}
	}
	return out
}

// body is what a message may have, by its type and beside it.
type body struct {
	Text *struct {
		Body string `json:"body"`
	} `json:"text"`
	Button *struct {
		Text    string `json:"text"`
		Payload string `json:"payload"`
	} `json:"button"`
	Interactive *struct {
		ButtonReply *reply     `json:"button_reply"`
		ListReply   *reply     `json:"list_reply"`
		FormReply   *formReply `json:"nfm_reply"`
	} `json:"interactive"`
	Location *abi.Location `json:"location"`
	Contacts []card        `json:"contacts"`
	Order    *order        `json:"order"`
	Reaction *abi.Reaction `json:"reaction"`
	Image    *media        `json:"image"`
	Audio    *media        `json:"audio"`
	Video    *media        `json:"video"`
	Document *media        `json:"document"`
	Sticker  *media        `json:"sticker"`
	Voice    *media        `json:"voice"`

	Context struct {
		// Product is the one that the message asks about.
		Product *struct {
			CatalogID id `json:"catalog_id"`
			ProductID id `json:"product_retailer_id"`
		} `json:"referred_product"`
	} `json:"context"`
	// Referral is the advertisement or post that the message was begun at.
	Referral *struct {
		SourceType string `json:"source_type"`
		SourceID   id     `json:"source_id"`
		SourceURL  string `json:"source_url"`
		Headline   string `json:"headline"`
		Body       string `json:"body"`
		ClickID    string `json:"ctwa_clid"`
	} `json:"referral"`
}

func (p body) content(kind string) (out abi.Message, ok bool) {
	files := map[string]*media{
		"image": p.Image, "audio": p.Audio, "video": p.Video,
		"document": p.Document, "sticker": p.Sticker, "voice": p.Voice,
	}
	switch i := p.Interactive; {
	case kind == "text" && p.Text != nil:
		return abi.Message{Type: abi.MessageText, Text: p.Text.Body}, true
	case kind == "button" && p.Button != nil: // a template's quick reply
		return abi.Message{Type: abi.MessageButtonReply, Text: p.Button.Text, Payload: p.Button.Payload}, true
	case kind == "interactive" && i != nil && i.ButtonReply != nil:
		return i.ButtonReply.message(abi.MessageButtonReply), true
	case kind == "interactive" && i != nil && i.ListReply != nil:
		return i.ListReply.message(abi.MessageListReply), true
	case kind == "interactive" && i != nil && i.FormReply != nil:
		return i.FormReply.message()
	case kind == "location" && p.Location != nil:
		return abi.Message{Type: abi.MessageLocation, Location: p.Location}, true
	case kind == "contacts" && len(p.Contacts) > 0:
		out.Type = abi.MessageContacts
		for _, c := range p.Contacts {
			out.Contacts = append(out.Contacts, c.abi())
		}
		return out, true
	case kind == "order" && p.Order != nil:
		return p.Order.message(), true
	case kind == "reaction" && p.Reaction != nil:
		return abi.Message{Type: abi.MessageReaction, Reaction: p.Reaction}, true
	case files[kind] != nil:
		return files[kind].message(kind), true
	}
	return out, false
}

func (r reply) message(kind abi.MessageType) abi.Message {
	return abi.Message{Type: kind, Text: r.Title, Payload: r.ID}
}

type media struct {
	ID       id     `json:"id"`
	MIME     string `json:"mime_type"`
	SHA256   string `json:"sha256"`
	Caption  string `json:"caption"`
	Filename string `json:"filename"`
	Voice    bool   `json:"voice"` // of audio: recorded in the app
}

func (f media) message(kind string) abi.Message {
	if f.Voice {
		kind = "voice"
	}
	return abi.Message{Type: abi.MessageMedia, Text: f.Caption, Media: &abi.Media{
		Kind: kind, ID: string(f.ID), MIME: f.MIME, SHA256: f.SHA256, Filename: f.Filename,
	}}
}

// formReply is what was filled in: the answers are JSON in a text.
type formReply struct {
	Name    string `json:"name"` // "flow", or the service's own form
	Body    string `json:"body"`
	Answers string `json:"response_json"`
}

// message gives the answers, if they are an object.
func (r formReply) message() (abi.Message, bool) {
	var answers map[string]json.RawMessage
	if json.Unmarshal([]byte(r.Answers), &answers) != nil || answers == nil {
		return abi.Message{}, false
	}
	form := abi.Form{Data: json.RawMessage(r.Answers)}
	if r.Name != "flow" {
		form.Name = r.Name
	}
	if token, ok := answers["flow_token"]; ok && json.Unmarshal(token, &form.Token) != nil {
		return abi.Message{}, false
	}
	return abi.Message{Type: abi.MessageFormReply, Text: r.Body, Form: &form}, true
}

type order struct {
	CatalogID id     `json:"catalog_id"`
	Text      string `json:"text"`
	Items     []struct {
		ProductID id          `json:"product_retailer_id"`
		Quantity  json.Number `json:"quantity"`
		Price     json.Number `json:"item_price"`
		Currency  string      `json:"currency"`
	} `json:"product_items"`
}

func (o order) message() abi.Message {
	out := abi.Order{CatalogID: string(o.CatalogID), Items: []abi.OrderItem{}}
	for _, i := range o.Items {
		out.Items = append(out.Items, abi.OrderItem{ProductID: string(i.ProductID), Quantity: i.Quantity, Price: i.Price, Currency: i.Currency})
	}
	return abi.Message{Type: abi.MessageOrder, Text: o.Text, Order: &out}
}
