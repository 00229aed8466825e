package main

import (
	"encoding/json"
	"fmt"

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
	Contacts []contact         `json:"contacts"`
	Messages []json.RawMessage `json:"messages"`
	Statuses []status          `json:"statuses"`
	Errors   []graphError      `json:"errors"`
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
	ID        string `json:"id"`
	From      id     `json:"from"`
	FromUser  id     `json:"from_user_id"`
	Timestamp id     `json:"timestamp"`
	Type      string `json:"type"`
	Context   struct {
		ID string `json:"id"`
	} `json:"context"`
}

type status struct {
	ID            string       `json:"id"`
	Status        string       `json:"status"`
	Timestamp     id           `json:"timestamp"`
	Recipient     id           `json:"recipient_id"`
	RecipientUser id           `json:"recipient_user_id"`
	Errors        []graphError `json:"errors"`
}

type receiver struct {
	log func(level, text string) error
}

// receive gives a unit for each message and status in the notification.
// Notifications of an app come for all its phone numbers: those of others are
// passed over. One that can't be read in full is an error, so that the host
// keeps it.
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
			units, err := r.value(change.Value, config.PhoneNumberID)
			if err != nil {
				return abi.Received{}, pdk.Errorf(abi.CodeInvalid, "webhook body: entry[%d].changes[%d].value: %v", i, j, err)
			}
			received.Units = append(received.Units, units...)
		}
	}
	return received, nil
}

func (r receiver) value(data json.RawMessage, phoneNumberID id) (units []abi.Unit, err error) {
	var v value
	if err := json.Unmarshal(data, &v); err != nil {
		return nil, err
	}
	if v.Metadata.PhoneNumberID != phoneNumberID {
		return nil, nil
	}
	for i, raw := range v.Messages {
		unit, err := messageUnit(raw, v.Contacts)
		if err != nil {
			return nil, fmt.Errorf("messages[%d]: %w", i, err)
		}
		units = append(units, unit)
	}
	for i, status := range v.Statuses {
		unit, err := status.unit()
		if err != nil {
			return nil, fmt.Errorf("statuses[%d]: %w", i, err)
		}
		units = append(units, unit)
	}
	for _, failure := range v.Errors { // of the account, not of a contact
		if err := r.log("warn", "whatsapp reports: "+failure.text()); err != nil {
			return nil, err
		}
	}
	return units, nil
}

func messageUnit(raw json.RawMessage, contacts []contact) (abi.Unit, error) {
	var m message
	if err := json.Unmarshal(raw, &m); err != nil {
		return abi.Unit{}, err
	}
	path := string(m.From)
	if path == "" {
		path = string(m.FromUser)
	}
	if m.ID == "" || path == "" {
		return abi.Unit{}, fmt.Errorf("it has no id or no sender")
	}
	content := m.content(raw)
	content.ID = m.ID
	content.ReplyTo = m.Context.ID
	return abi.Unit{
		ID:         m.ID,
		From:       abi.Address{Scheme: scheme, Path: path},
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
	path := string(s.Recipient)
	if path == "" {
		path = string(s.RecipientUser)
	}
	if s.ID == "" || s.Status == "" || path == "" {
		return abi.Unit{}, fmt.Errorf("it has no id, no status or no recipient")
	}
	unit := abi.Unit{
		ID:         s.ID + ":" + s.Status,
		From:       abi.Address{Scheme: scheme, Path: path},
		TimeMillis: s.Timestamp.millis(),
		Status:     &abi.Status{MessageID: s.ID, State: s.Status},
	}
	if len(s.Errors) > 0 {
		failure := s.Errors[0].abi()
		unit.Status.Error = &failure
	}
	return unit, nil
}
