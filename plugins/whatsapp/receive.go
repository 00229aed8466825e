package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/trama-run/trama/pdk/abi"
	pdk "github.com/trama-run/trama/pdk/go"
)

// webhook is the body of a notification
// (developers.facebook.com/docs/whatsapp/cloud-api/webhooks/components).
type webhook struct {
	Object string `json:"object"`
	Entry  []struct {
		Changes []struct {
			Field string          `json:"field"`
			Value json.RawMessage `json:"value"` // its shape is the field's
		} `json:"changes"`
	} `json:"entry"`
}

type value struct {
	Metadata struct {
		PhoneNumberID id `json:"phone_number_id"`
	} `json:"metadata"`
	Contacts parts `json:"contacts"`
	Messages parts `json:"messages"`
	Statuses parts `json:"statuses"`
	Errors   parts `json:"errors"`
}

// parts is a list. What is no list is one part, which can't be read: it must not
// take down what stands beside it.
type parts []json.RawMessage

func (p *parts) UnmarshalJSON(data []byte) error {
	var list []json.RawMessage
	if json.Unmarshal(data, &list) != nil {
		list = []json.RawMessage{bytes.Clone(data)}
	}
	*p = list
	return nil
}

type contact struct {
	Profile struct {
		Name string `json:"name"`
	} `json:"profile"`
	Phone  id `json:"wa_id"`
	UserID id `json:"user_id"`
}

// message is what all messages have; the rest depends on the type.
type message struct {
	ID        id     `json:"id"`
	From      id     `json:"from"`
	FromUser  id     `json:"from_user_id"`
	Timestamp id     `json:"timestamp"`
	Type      string `json:"type"`
	Context   struct {
		ID id `json:"id"`
	} `json:"context"`
}

type status struct {
	ID            id           `json:"id"`
	Status        string       `json:"status"`
	Timestamp     id           `json:"timestamp"`
	Recipient     id           `json:"recipient_id"`
	RecipientUser id           `json:"recipient_user_id"`
	Errors        []graphError `json:"errors"`
	Callback      any          `json:"biz_opaque_callback_data"` // see compose; of what others send it is theirs
}

type receiver struct {
	log func(level, text string) error
}

// receive gives a unit for each message and status in the notification.
// Notifications of an app come for all its phone numbers: those of others are
// passed over. What can't be read does not stop the others in it: a message
// whose sender is known is one of type unknown, and the rest is unread. If there
// is nothing else in the notification, it is an error; the host keeps it either
// way.
func (r receiver) receive(in abi.Receive) (abi.Received, error) {
	config, err := parseConfig(in.Config)
	if err != nil {
		return abi.Received{}, err
	}
	var body webhook
	if err := json.Unmarshal(in.Body, &body); err != nil {
		return abi.Received{}, pdk.Errorf(abi.CodeInvalid, "webhook body: %v", err)
	}
	if body.Object != "whatsapp_business_account" {
		return abi.Received{}, pdk.Errorf(abi.CodeInvalid, "webhook body: object is %q, not \"whatsapp_business_account\"; subscribe this address to WhatsApp alone", body.Object)
	}
	received := abi.Received{Units: []abi.Unit{}}
	for i, entry := range body.Entry {
		for j, change := range entry.Changes {
			if change.Field != "messages" {
				continue
			}
			units, wrong, err := r.value(change.Value, config.PhoneNumberID)
			if err != nil {
				return abi.Received{}, err
			}
			for _, one := range wrong {
				received.Unread = append(received.Unread, fmt.Sprintf("webhook body: entry[%d].changes[%d].value: %v", i, j, one))
			}
			received.Units = append(received.Units, units...)
		}
	}
	if len(received.Units) == 0 && len(received.Unread) > 0 {
		return abi.Received{}, pdk.Errorf(abi.CodeInvalid, "%s", strings.Join(received.Unread, "; "))
	}
	return received, nil
}

// value gives the units of a change, and what of it can't be read.
func (r receiver) value(data json.RawMessage, phoneNumberID id) (units []abi.Unit, broken []error, err error) {
	var v value
	if err := json.Unmarshal(data, &v); err != nil {
		return nil, []error{err}, nil
	}
	switch v.Metadata.PhoneNumberID {
	case phoneNumberID:
	case "":
		return nil, []error{fmt.Errorf("metadata.phone_number_id is missing: the number that it is for")}, nil
	default:
		return nil, nil, nil
	}
	var contacts []contact
	for _, raw := range v.Contacts {
		var one contact
		if json.Unmarshal(raw, &one) == nil { // it gives a name at most
			contacts = append(contacts, one)
		}
	}
	for i, raw := range v.Messages {
		unit, err := messageUnit(raw, contacts)
		if err != nil {
			broken = append(broken, fmt.Errorf("messages[%d]: %w", i, err))
			continue
		}
		units = append(units, unit)
	}
	for i, raw := range v.Statuses {
		var s status
		err := json.Unmarshal(raw, &s)
		var unit abi.Unit
		if err == nil {
			unit, err = s.unit()
		}
		if err != nil {
			broken = append(broken, fmt.Errorf("statuses[%d]: %w", i, err))
			continue
		}
		units = append(units, unit)
	}
	for i, raw := range v.Errors { // of the account, not of a contact
		var failure graphError
		if err := json.Unmarshal(raw, &failure); err != nil {
			broken = append(broken, fmt.Errorf("errors[%d]: %w", i, err))
			continue
		}
		if err := r.log("warn", "whatsapp reports: "+failure.text()); err != nil {
			return nil, nil, err
		}
	}
	return units, broken, nil
}

func messageUnit(raw json.RawMessage, contacts []contact) (abi.Unit, error) {
	var m message
	if err := json.Unmarshal(raw, &m); err != nil {
		// Who wrote it is enough for the conversation to go on.
		var known struct {
			ID       id `json:"id"`
			From     id `json:"from"`
			FromUser id `json:"from_user_id"`
		}
		if json.Unmarshal(raw, &known) != nil {
			return abi.Unit{}, err
		}
		m = message{ID: known.ID, From: known.From, FromUser: known.FromUser}
	}
	path := string(m.From)
	if path == "" {
		path = string(m.FromUser)
	}
	if m.ID == "" || path == "" {
		return abi.Unit{}, fmt.Errorf("it has no id or no sender")
	}
	content := m.content(raw)
	content.ID = string(m.ID)
	content.ReplyTo = string(m.Context.ID)
	var also []abi.Address
	if m.From != "" && m.FromUser != "" {
		also = []abi.Address{{Scheme: scheme, Path: string(m.FromUser)}}
	}
	return abi.Unit{
		ID:         string(m.ID),
		From:       abi.Address{Scheme: scheme, Path: path},
		Also:       also,
		Name:       m.senderName(contacts),
		TimeMillis: m.Timestamp.millis(),
		Message:    &content,
	}, nil
}

func (m message) senderName(contacts []contact) string {
	for _, contact := range contacts {
		if m.From != "" && contact.Phone == m.From || m.FromUser != "" && contact.UserID == m.FromUser {
			return contact.Profile.Name
		}
	}
	return ""
}

// unit gives a status as a unit. A message passes several states, so its id
// alone would not do.
func (s status) unit() (abi.Unit, error) {
	if s.ID == "" || s.Status == "" {
		return abi.Unit{}, fmt.Errorf("it has no id or no status")
	}
	ref, _ := s.Callback.(string)
	unit := abi.Unit{
		ID:         string(s.ID) + ":" + s.Status,
		TimeMillis: s.Timestamp.millis(),
		Status:     &abi.Status{MessageID: string(s.ID), State: s.Status, Ref: ref},
	}
	if path := cmp.Or(s.Recipient, s.RecipientUser); path != "" {
		unit.From = abi.Address{Scheme: scheme, Path: string(path)}
	}
	if len(s.Errors) > 0 {
		failure := s.Errors[0].abi()
		unit.Status.Error = &failure
	}
	return unit, nil
}
