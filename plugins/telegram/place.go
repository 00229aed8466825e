package main

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/trama-run/trama/pdk/abi"
	pdk "github.com/trama-run/trama/pdk/go"
)

// locationOf sends a place, with its name if it has one: Telegram then wants an
// address as well.
func locationOf(l abi.Location) call {
	c := call{method: "sendLocation", params: map[string]any{"latitude": l.Latitude, "longitude": l.Longitude}}
	if title := cmp.Or(l.Name, l.Address); title != "" {
		c.method = "sendVenue"
		c.params["title"] = title
		c.params["address"] = cmp.Or(l.Address, fmt.Sprintf("%g, %g", l.Latitude, l.Longitude))
	}
	return c
}

// maxVCard is how many bytes a card may have
// (core.telegram.org/bots/api#sendcontact).
const maxVCard = 2048

// contactOf sends a card. Telegram takes one in a message, with a phone number;
// others are written out.
func contactOf(cards []abi.ContactCard) (call, error) {
	card := cards[0]
	if len(cards) > 1 || len(card.Phones) == 0 {
		return textOf(abi.Message{Text: cardsText(cards)}, nil)
	}
	c := call{method: "sendContact", params: map[string]any{
		"phone_number": card.Phones[0].Value, "first_name": cmp.Or(card.FirstName, card.Name),
	}}
	if card.FirstName != "" && card.LastName != "" {
		c.params["last_name"] = card.LastName
	}
	if vcard := vcardOf(card); vcard != "" {
		if len(vcard) > maxVCard {
			return call{}, pdk.Errorf(abi.CodeInvalid, "message.contacts[0]: %d bytes as a vCard; telegram takes at most %d", len(vcard), maxVCard)
		}
		c.params["vcard"] = vcard
	}
	return c, nil
}

// cardsText writes out what people would note of the cards.
func cardsText(cards []abi.ContactCard) string {
	var all []string
	for _, card := range cards {
		lines := []string{card.Name, card.Organization}
		for _, values := range [][]abi.ContactValue{card.Phones, card.Emails, card.URLs} {
			for _, v := range values {
				lines = append(lines, v.Value)
			}
		}
		all = append(all, joined("\n", lines...))
	}
	return joined("\n\n", all...)
}

// vcardOf gives the card as a vCard (RFC 2426) if it has more than a name and a
// number.
func vcardOf(card abi.ContactCard) string {
	if len(card.Phones) == 1 && len(card.Emails)+len(card.URLs)+len(card.Addresses) == 0 && card.Organization+card.Title+card.Birthday == "" {
		return ""
	}
	var b strings.Builder
	line := func(name string, parts ...string) {
		for i, p := range parts {
			parts[i] = vcardEscape.Replace(p)
		}
		b.WriteString(name + ":" + strings.Join(parts, ";") + "\r\n")
	}
	line("BEGIN", "VCARD")
	line("VERSION", "3.0")
	line("FN", card.Name)
	line("N", card.LastName, card.FirstName, "", "", "")
	for _, list := range []struct {
		name   string
		values []abi.ContactValue
	}{{"TEL", card.Phones}, {"EMAIL", card.Emails}, {"URL", card.URLs}} {
		for _, v := range list.values {
			line(list.name, v.Value)
		}
	}
	for _, a := range card.Addresses {
		line("ADR", "", "", a.Street, a.City, a.State, a.ZIP, a.Country)
	}
	for _, field := range [][2]string{{"ORG", card.Organization}, {"TITLE", card.Title}, {"BDAY", card.Birthday}} {
		if field[1] != "" {
			line(field[0], field[1])
		}
	}
	line("END", "VCARD")
	return b.String()
}

var vcardEscape = strings.NewReplacer(`\`, `\\`, "\r", "", "\n", `\n`, ",", `\,`, ";", `\;`)
