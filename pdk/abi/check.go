package abi

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// Check says what a message lacks that is to be sent, as an error with the
// code [CodeInvalid] that names the field; nil if it lacks nothing. How long
// and how many its parts may be differs between services, so their adapters
// check that.
func (m Message) Check() *Error {
	var c check
	switch m.Type {
	case MessageText:
		c.filled("text", m.Text)
		if len(m.Buttons) > 0 {
			c.fail("buttons", "a message of the type text has none; use the type buttons")
		}
	case MessageMedia:
		c.media("media", m.Media)
	case MessageLocation:
		c.location(m.Location)
	case MessageContacts:
		c.some("contacts", len(m.Contacts))
		for i, card := range m.Contacts {
			c.contact(at("contacts", i), card)
		}
	case MessageButtons:
		c.filled("text", m.Text)
		c.some("buttons", len(m.Buttons))
		c.buttons("buttons", m.Buttons)
		if m.Media != nil {
			c.media("media", m.Media)
		}
	case MessageList:
		c.filled("text", m.Text)
		c.list(m.List)
	case MessageForm:
		c.filled("text", m.Text)
		c.form(m.Form)
	case MessageCards:
		c.some("cards", len(m.Cards))
		for i, card := range m.Cards {
			c.filled(at("cards", i)+".title", card.Title)
			c.buttons(at("cards", i)+".buttons", card.Buttons)
			if card.Media != nil {
				c.media(at("cards", i)+".media", card.Media)
			}
		}
	case MessageProduct:
		if c.present("product", m.Product != nil) {
			c.filled("product.catalog_id", m.Product.CatalogID)
			c.filled("product.product_id", m.Product.ProductID)
		}
	case MessageProductList:
		c.filled("text", m.Text)
		c.products(m.ProductList)
	case MessageTemplate:
		if c.present("template", m.Template != nil) {
			c.filled("template.name", m.Template.Name)
			c.filled("template.language", m.Template.Language)
			for i, param := range m.Template.Params {
				c.filled(at("template.params", i), param)
			}
			if list := bytes.TrimSpace(m.Template.Components); len(list) > 0 && list[0] != '[' {
				c.fail("template.components", "it is no list")
			}
		}
	case MessageReaction:
		if c.present("reaction", m.Reaction != nil) {
			c.filled("reaction.message_id", m.Reaction.MessageID)
		}
	case MessageTyping:
	case MessageRead:
		c.filled("reply_to", m.ReplyTo)
	default:
		c.fail("type", "%q is no type of message that can be sent", m.Type)
	}
	return c.err
}

// check keeps the first thing that is wrong.
type check struct{ err *Error }

func at(list string, i int) string { return fmt.Sprintf("%s[%d]", list, i) }

func (c *check) fail(path, format string, args ...any) {
	if c.err == nil {
		c.err = &Error{Code: CodeInvalid, Message: "message." + path + ": " + fmt.Sprintf(format, args...)}
	}
}

func (c *check) present(path string, is bool) bool {
	if !is {
		c.fail(path, "it is missing")
	}
	return is
}

func (c *check) filled(path, text string) {
	if strings.TrimSpace(text) == "" {
		c.fail(path, "it is empty; give it a default if its value may be missing")
	}
}

func (c *check) some(path string, n int) {
	if n == 0 {
		c.fail(path, "there are none")
	}
}

// once reports an id that an earlier part has.
func (c *check) once(path, id string, seen *[]string) {
	if slices.Contains(*seen, id) {
		c.fail(path, "%q is the id of an earlier one too; each needs its own", id)
	}
	*seen = append(*seen, id)
}

func (c *check) buttons(path string, buttons []Button) {
	var ids []string
	for i, b := range buttons {
		place := at(path, i)
		c.filled(place+".title", b.Title)
		switch {
		case b.URL != "" && b.ID != "":
			c.fail(place, "it has an id and a url; a button answers or opens a page")
		case b.URL == "":
			c.filled(place+".id", b.ID)
			c.once(place+".id", b.ID, &ids)
		}
	}
}

func (c *check) media(path string, m *Media) {
	if !c.present(path, m != nil) {
		return
	}
	if !slices.Contains(MediaKinds(), m.Kind) {
		c.fail(path+".kind", "%q is none of %s", m.Kind, strings.Join(MediaKinds(), ", "))
	}
	if m.Blob != nil {
		c.filled(path+".blob.id", m.Blob.ID)
		return
	}
	if m.ID != "" && m.URL != "" {
		c.fail(path, "it has an id and a url; give one of them")
	}
	if m.ID == "" {
		c.filled(path+".url", m.URL)
	}
}

func (c *check) location(l *Location) {
	if !c.present("location", l != nil) {
		return
	}
	// Written so that NaN is out of range too.
	if !(l.Latitude >= -90 && l.Latitude <= 90) {
		c.fail("location.latitude", "%v is not between -90 and 90 degrees", l.Latitude)
	}
	if !(l.Longitude >= -180 && l.Longitude <= 180) {
		c.fail("location.longitude", "%v is not between -180 and 180 degrees", l.Longitude)
	}
}

func (c *check) contact(path string, card ContactCard) {
	c.filled(path+".name", card.Name)
	for _, list := range []struct {
		name   string
		values []ContactValue
	}{{"phones", card.Phones}, {"emails", card.Emails}, {"urls", card.URLs}} {
		for i, v := range list.values {
			c.filled(at(path+"."+list.name, i)+".value", v.Value)
		}
	}
}

func (c *check) list(l *List) {
	if !c.present("list", l != nil) {
		return
	}
	c.filled("list.button", l.Button)
	c.some("list.sections", len(l.Sections))
	var ids []string
	for i, s := range l.Sections {
		section := at("list.sections", i)
		if len(l.Sections) > 1 {
			c.filled(section+".title", s.Title)
		}
		c.some(section+".rows", len(s.Rows))
		for j, r := range s.Rows {
			row := at(section+".rows", j)
			c.filled(row+".title", r.Title)
			c.filled(row+".id", r.ID)
			c.once(row+".id", r.ID, &ids)
		}
	}
}

func (c *check) form(f *Form) {
	if !c.present("form", f != nil) {
		return
	}
	c.filled("form.button", f.Button)
	switch {
	case f.ID != "" && f.Name != "":
		c.fail("form", "it has an id and a name; give one of them")
	case f.ID == "":
		c.filled("form.id", f.Name)
	}
	if data := bytes.TrimSpace(f.Data); len(data) > 0 && data[0] != '{' {
		c.fail("form.data", "it is no object")
	}
	if f.Endpoint && (f.Screen != "" || len(f.Data) > 0) {
		c.fail("form.endpoint", "it gives the screen and the data, so leave them out")
	}
}

func (c *check) products(l *ProductList) {
	if !c.present("product_list", l != nil) {
		return
	}
	c.filled("product_list.catalog_id", l.CatalogID)
	c.some("product_list.sections", len(l.Sections))
	for i, s := range l.Sections {
		section := at("product_list.sections", i)
		if len(l.Sections) > 1 {
			c.filled(section+".title", s.Title)
		}
		c.some(section+".product_ids", len(s.ProductIDs))
		for j, id := range s.ProductIDs {
			c.filled(at(section+".product_ids", j), id)
		}
	}
}
