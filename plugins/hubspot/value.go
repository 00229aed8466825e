package main

import (
	"encoding/json"
	"errors"
	"strings"

	"github.com/trama-run/trama/pdk/abi"
	pdk "github.com/trama-run/trama/pdk/go"
)

// id is a record's, whose digits a flow may have as text or as a number. Ids
// go beyond 2^53.
type id string

// stamp is when something happened. HubSpot writes it as text; a number is kept
// as its digits.
type stamp = id

// UnmarshalJSON takes text and whole numbers; null leaves it as it is.
func (i *id) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		return nil
	}
	if len(data) > 0 && data[0] == '"' {
		return json.Unmarshal(data, (*string)(i))
	}
	if strings.Trim(string(data), "0123456789") != "" {
		return errors.New("an id is a text or a whole number")
	}
	*i = id(data)
	return nil
}

// Lacks is of [rest.Complete], of what has an id.
func (i id) Lacks() string {
	if i == "" {
		return "id"
	}
	return ""
}

// properties are a record's, as a flow gives them.
type properties map[string]json.RawMessage

// texts gives them as HubSpot takes them, which is as text alone: numbers as
// they are written, a list as the options of a checkbox, joined by ";", and null
// as "", which clears a property. at is where they stand in the input.
//
// Source: HubSpot, "Properties", "Add values to checkbox type properties" and
// "Clear a property value",
// https://developers.hubspot.com/docs/api-reference/crm-properties-v3/guide
func (p properties) texts(at string) (map[string]string, error) {
	out := make(map[string]string, len(p))
	for name, value := range p {
		text, err := textOf(value)
		if err != nil {
			return nil, pdk.Errorf(abi.CodeInvalid, "%s.%s: %v", at, name, err)
		}
		out[name] = text
	}
	return out, nil
}

func textOf(value json.RawMessage) (string, error) {
	switch {
	case len(value) == 0 || value[0] == 'n':
		return "", nil
	case value[0] == '"':
		var text string
		err := json.Unmarshal(value, &text)
		return text, err
	case value[0] == '{':
		return "", errors.New("an object; HubSpot's properties are texts, numbers, booleans, or lists of options")
	case value[0] != '[':
		return string(value), nil
	}
	var items []json.RawMessage
	if err := json.Unmarshal(value, &items); err != nil {
		return "", err
	}
	all := make([]string, len(items))
	for i, item := range items {
		if len(item) > 0 && item[0] == '[' {
			return "", errors.New("a list inside a list")
		}
		text, err := textOf(item)
		if err != nil {
			return "", err
		}
		if strings.Contains(text, ";") {
			return "", errors.New(`an option of a list has a ";", which HubSpot takes for two options`)
		}
		all[i] = text
	}
	return strings.Join(all, ";"), nil
}
