package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/trama-run/trama/pdk/abi"
	pdk "github.com/trama-run/trama/pdk/go"
)

// Limits of interactive messages
// (developers.facebook.com/docs/whatsapp/cloud-api/messages).
const (
	maxBody         = 1024
	maxListBody     = 4096
	maxFrame        = 60 // a header or footer
	maxButtons      = 3
	maxButtonTitle  = 20
	maxButtonID     = 256
	maxFormButton   = 30
	maxSections     = 10
	maxSectionTitle = 24
	maxRows         = 10
	maxRowID        = 200
	maxRowTitle     = 24
	maxRowText      = 72
	maxCards        = 10
	maxCardBody     = 160
	maxProducts     = 30
	formVersion     = "3"
)

type interactive struct {
	Type   string  `json:"type"`
	Header *header `json:"header,omitempty"`
	Body   *words  `json:"body,omitempty"`
	Footer *words  `json:"footer,omitempty"`
	Action any     `json:"action"`
}

type words struct {
	Text string `json:"text"`
}

type header struct {
	Type     string `json:"type"`
	Text     string `json:"text,omitempty"`
	Image    *file  `json:"image,omitempty"`
	Video    *file  `json:"video,omitempty"`
	Document *file  `json:"document,omitempty"`
}

// call is an action with parameters.
type call struct {
	Name       string `json:"name"`
	Parameters any    `json:"parameters"`
}

type link struct {
	Text string `json:"display_text"`
	URL  string `json:"url"`
}

// interactiveOf gives a message with something to press or choose.
func interactiveOf(m abi.Message) (out interactive, err error) {
	limit := maxBody
	switch m.Type {
	case abi.MessageButtons:
		out.Type, out.Action, err = buttonsAction(m.Buttons)
	case abi.MessageList:
		out.Type, limit = "list", maxListBody
		out.Action, err = listAction(*m.List)
	case abi.MessageForm:
		out.Type = "flow"
		out.Action, err = formAction(*m.Form)
	case abi.MessageCards:
		out.Type = "carousel"
		out.Action, err = carouselAction(m)
	case abi.MessageProduct:
		out.Type = "product"
		out.Action = product{m.Product.CatalogID, m.Product.ProductID}
		if m.Header != "" {
			err = unsupported("header", "whatsapp shows none with a product")
		}
	case abi.MessageProductList:
		out.Type = "product_list"
		out.Action, err = productsAction(*m.ProductList)
		if m.Header == "" && err == nil {
			err = pdk.Errorf(abi.CodeInvalid, "message.header: it is empty; whatsapp wants one above a list of products")
		}
	default:
		err = unsupported("type", "%q is not sent by this adapter", m.Type)
	}
	if err != nil {
		return out, err
	}
	return out, out.frame(m, limit)
}

// frame sets what stands around the action.
func (out *interactive) frame(m abi.Message, limit int) error {
	if m.Text != "" {
		out.Body = &words{m.Text}
	}
	if m.Footer != "" {
		out.Footer = &words{m.Footer}
	}
	switch file := m.Type == abi.MessageButtons && m.Media != nil; {
	case file && m.Header != "":
		return unsupported("header", "whatsapp shows a text or a file above the buttons; leave one of them out")
	case file:
		h, err := fileHeader("media", *m.Media)
		if err != nil {
			return err
		}
		out.Header = h
	case m.Header != "":
		out.Header = &header{Type: "text", Text: m.Header}
	}
	return first(within("text", m.Text, limit), within("header", m.Header, maxFrame), within("footer", m.Footer, maxFrame))
}

func fileHeader(place string, m abi.Media) (*header, error) {
	kind, f := fileOf(m)
	h := &header{Type: kind}
	switch kind {
	case "image":
		h.Image = &f
	case "video":
		h.Video = &f
	case "document":
		h.Document = &f
	default:
		return nil, unsupported(place+".kind", "whatsapp shows an image, video or document there, no %s", m.Kind)
	}
	return h, nil
}

// first gives the first error.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

type reply struct {
	ID    string `json:"id"`
	Title string `json:"title"`
}

type replyButton struct {
	Type  string `json:"type"`
	Reply reply  `json:"reply"`
}

func buttonsAction(buttons []abi.Button) (kind string, action any, err error) {
	if url, err := checkButtons("buttons", buttons); err != nil || url {
		return "cta_url", linkAction(buttons[0]), err
	}
	if err := atMost("buttons", "buttons", len(buttons), maxButtons); err != nil {
		return "", nil, err
	}
	var list []replyButton
	for _, b := range buttons {
		list = append(list, replyButton{"reply", reply{b.ID, b.Title}})
	}
	return "button", map[string]any{"buttons": list}, nil
}

func linkAction(b abi.Button) call { return call{"cta_url", link{b.Title, b.URL}} }

// checkButtons says whether the buttons are one that opens a page, or some
// that answer.
func checkButtons(place string, buttons []abi.Button) (url bool, err error) {
	titles := map[string]bool{}
	for i, b := range buttons {
		button := fmt.Sprintf("%s[%d]", place, i)
		if b.URL != "" && len(buttons) > 1 {
			return true, unsupported(button+".url", "whatsapp shows a button with a url alone; send it as a message of its own")
		}
		url = b.URL != ""
		if err := first(within(button+".title", b.Title, maxButtonTitle), within(button+".id", b.ID, maxButtonID)); err != nil {
			return url, err
		}
		if strings.TrimSpace(b.ID) != b.ID {
			return url, pdk.Errorf(abi.CodeInvalid, "message.%s.id: %q begins or ends with a space", button, b.ID)
		}
		if titles[b.Title] {
			return url, pdk.Errorf(abi.CodeInvalid, "message.%s.title: %q is the title of an earlier button too; whatsapp wants each its own", button, b.Title)
		}
		titles[b.Title] = true
	}
	return url, nil
}

func listAction(l abi.List) (any, error) {
	err := first(within("list.button", l.Button, maxButtonTitle), atMost("list.sections", "sections", len(l.Sections), maxSections))
	rows := 0
	for i, s := range l.Sections {
		section := fmt.Sprintf("list.sections[%d]", i)
		err = first(err, within(section+".title", s.Title, maxSectionTitle))
		for j, r := range s.Rows {
			row := fmt.Sprintf("%s.rows[%d]", section, j)
			err = first(err, within(row+".id", r.ID, maxRowID), within(row+".title", r.Title, maxRowTitle), within(row+".description", r.Description, maxRowText))
		}
		rows += len(s.Rows)
	}
	return l, first(err, atMost("list.sections", "rows", rows, maxRows)) // its JSON is WhatsApp's
}

type form struct {
	Version string       `json:"flow_message_version"`
	ID      string       `json:"flow_id,omitempty"`
	Name    string       `json:"flow_name,omitempty"`
	Button  string       `json:"flow_cta"`
	Token   string       `json:"flow_token,omitempty"`
	Mode    string       `json:"mode,omitempty"`
	Action  string       `json:"flow_action,omitempty"`
	Payload *formPayload `json:"flow_action_payload,omitempty"`
}

type formPayload struct {
	Screen string                     `json:"screen,omitempty"`
	Data   map[string]json.RawMessage `json:"data,omitempty"` // WhatsApp takes no empty one
}

func formAction(f abi.Form) (any, error) {
	out := form{Version: formVersion, ID: f.ID, Name: f.Name, Button: f.Button, Token: f.Token}
	if f.Draft {
		out.Mode = "draft"
	}
	var data map[string]json.RawMessage
	if len(f.Data) > 0 {
		if err := json.Unmarshal(f.Data, &data); err != nil {
			return nil, pdk.Errorf(abi.CodeInvalid, "message.form.data: %v", err)
		}
	}
	switch {
	case f.Endpoint:
		out.Action = "data_exchange"
	case f.Screen != "" || len(data) > 0:
		out.Action, out.Payload = "navigate", &formPayload{f.Screen, data}
	}
	return call{"flow", out}, within("form.button", f.Button, maxFormButton)
}

type carouselCard struct {
	Index  int     `json:"card_index"`
	Type   string  `json:"type"` // "cta_url", whatever the buttons do
	Header *header `json:"header"`
	Body   *words  `json:"body,omitempty"`
	Action any     `json:"action"`
}

type quickReply struct {
	Type  string `json:"type"`
	Reply reply  `json:"quick_reply"`
}

// carouselAction gives two cards or more, each with an image or a video, and
// all with the same number and kind of buttons.
func carouselAction(m abi.Message) (any, error) {
	if m.Text == "" {
		return nil, pdk.Errorf(abi.CodeInvalid, "message.text: it is empty; whatsapp wants one above the cards")
	}
	if m.Header != "" || m.Footer != "" {
		return nil, unsupported("header", "whatsapp shows no header and no footer with cards")
	}
	if err := atMost("cards", "cards", len(m.Cards), maxCards); err != nil {
		return nil, err
	}
	var cards []carouselCard
	for i, c := range m.Cards {
		place := fmt.Sprintf("cards[%d]", i)
		if c.Media == nil || c.Media.Kind != "image" && c.Media.Kind != "video" {
			return nil, unsupported(place+".media", "each card of a whatsapp carousel has an image or a video")
		}
		h, err := fileHeader(place+".media", *c.Media)
		if err != nil {
			return nil, err
		}
		url, err := checkButtons(place+".buttons", c.Buttons)
		if err != nil {
			return nil, err
		}
		before := m.Cards[0].Buttons
		if len(c.Buttons) == 0 || len(c.Buttons) != len(before) || (before[0].URL != "") != url {
			return nil, unsupported(place+".buttons", "the cards of a whatsapp carousel have buttons, all the same number and kind")
		}
		body := lines(c.Title, c.Subtitle)
		if err := within(place, body, maxCardBody); err != nil {
			return nil, err
		}
		out := carouselCard{Index: i, Type: "cta_url", Header: h, Body: &words{body}}
		if url {
			out.Action = linkAction(c.Buttons[0])
		} else {
			var replies []quickReply
			for _, b := range c.Buttons {
				replies = append(replies, quickReply{"quick_reply", reply{b.ID, b.Title}})
			}
			out.Action = map[string]any{"buttons": replies}
		}
		cards = append(cards, out)
	}
	return map[string]any{"cards": cards}, nil
}

type product struct {
	CatalogID string `json:"catalog_id,omitempty"`
	ProductID string `json:"product_retailer_id"`
}

type productSection struct {
	Title string    `json:"title,omitempty"`
	Items []product `json:"product_items"`
}

func productsAction(l abi.ProductList) (any, error) {
	err := atMost("product_list.sections", "sections", len(l.Sections), maxSections)
	var sections []productSection
	products := 0
	for i, s := range l.Sections {
		err = first(err, within(fmt.Sprintf("product_list.sections[%d].title", i), s.Title, maxSectionTitle))
		section := productSection{Title: s.Title}
		for _, id := range s.ProductIDs {
			section.Items = append(section.Items, product{ProductID: id})
		}
		sections = append(sections, section)
		products += len(s.ProductIDs)
	}
	action := map[string]any{"catalog_id": l.CatalogID, "sections": sections}
	return action, first(err, atMost("product_list.sections", "products", products, maxProducts))
}
