package main

import (
	"cmp"

	"github.com/trama-run/trama/pdk/abi"
)

// card is a contact card as WhatsApp writes it, both ways.
type card struct {
	Name      cardName             `json:"name"`
	Phones    []cardPhone          `json:"phones,omitempty"`
	Emails    []cardEmail          `json:"emails,omitempty"`
	URLs      []cardURL            `json:"urls,omitempty"`
	Addresses []abi.ContactAddress `json:"addresses,omitempty"`
	Org       *cardOrg             `json:"org,omitempty"`
	Birthday  string               `json:"birthday,omitempty"`
}

type cardName struct {
	Formatted string `json:"formatted_name"`
	First     string `json:"first_name,omitempty"`
	Last      string `json:"last_name,omitempty"`
}

type cardPhone struct {
	Phone string `json:"phone"`
	Type  string `json:"type,omitempty"`
	ID    id     `json:"wa_id,omitempty"`
}

type cardEmail struct {
	Email string `json:"email"`
	Type  string `json:"type,omitempty"`
}

type cardURL struct {
	URL  string `json:"url"`
	Type string `json:"type,omitempty"`
}

type cardOrg struct {
	Company string `json:"company,omitempty"`
	Title   string `json:"title,omitempty"`
}

func contactsOf(contacts []abi.ContactCard) (out []card) {
	for _, c := range contacts {
		// A name wants another part beside the formatted one.
		name := cardName{Formatted: c.Name, First: c.FirstName, Last: c.LastName}
		if name.First == "" && name.Last == "" {
			name.First = c.Name
		}
		to := card{Name: name, Addresses: c.Addresses, Birthday: c.Birthday}
		for _, p := range c.Phones {
			to.Phones = append(to.Phones, cardPhone{p.Value, p.Type, id(p.ID)})
		}
		for _, e := range c.Emails {
			to.Emails = append(to.Emails, cardEmail{e.Value, e.Type})
		}
		for _, u := range c.URLs {
			to.URLs = append(to.URLs, cardURL{u.Value, u.Type})
		}
		if c.Organization != "" || c.Title != "" {
			to.Org = &cardOrg{c.Organization, c.Title}
		}
		out = append(out, to)
	}
	return out
}

func (c card) abi() abi.ContactCard {
	out := abi.ContactCard{
		Name:      cmp.Or(c.Name.Formatted, c.Name.First, c.Name.Last),
		FirstName: c.Name.First, LastName: c.Name.Last,
		Addresses: c.Addresses, Birthday: c.Birthday,
	}
	for _, p := range c.Phones {
		out.Phones = append(out.Phones, abi.ContactValue{Value: cmp.Or(p.Phone, string(p.ID)), Type: p.Type, ID: string(p.ID)})
	}
	for _, e := range c.Emails {
		out.Emails = append(out.Emails, abi.ContactValue{Value: e.Email, Type: e.Type})
	}
	for _, u := range c.URLs {
		out.URLs = append(out.URLs, abi.ContactValue{Value: u.URL, Type: u.Type})
	}
	if c.Org != nil {
		out.Organization, out.Title = c.Org.Company, c.Org.Title
	}
	return out
}
