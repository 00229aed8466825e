package main

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/trama-run/trama/pdk/abi"
	pdk "github.com/trama-run/trama/pdk/go"
)

// scheme of the addresses: the path is a phone number's digits, or a
// business-scoped user id ("BR.1349...") for users who hide theirs.
const scheme = "whatsapp"

// config is a channel's settings.
type config struct {
	PhoneNumberID id `json:"phone_number_id"`
}

func parseConfig(data json.RawMessage) (config, error) {
	var parsed config
	if len(data) > 0 {
		if err := json.Unmarshal(data, &parsed); err != nil {
			return config{}, pdk.Errorf(abi.CodeInvalid, "config: %v", err)
		}
	}
	if !isDigits(string(parsed.PhoneNumberID)) {
		return config{}, pdk.Errorf(abi.CodeInvalid, "config.phone_number_id: %q is not the id, all digits, that the WhatsApp Manager shows for the phone number", parsed.PhoneNumberID)
	}
	return parsed, nil
}

// id is an identifier that arrives as text or as a number; numbers keep their
// digits, which a float would not.
type id string

func (i *id) UnmarshalJSON(data []byte) error {
	var text string
	if err := json.Unmarshal(data, &text); err == nil {
		*i = id(text)
		return nil
	}
	if !isDigits(string(data)) {
		return fmt.Errorf("%s is no id", data)
	}
	*i = id(data)
	return nil
}

// millis reads an id as a time: seconds since the Unix epoch, or milliseconds
// if it is too big for that. What is neither gives 0, an unknown time.
func (i id) millis() int64 {
	value, err := strconv.ParseInt(string(i), 10, 64)
	switch {
	case err != nil || value < 0:
		return 0
	case value < 1e12:
		return value * 1000
	}
	return value
}

func isDigits(text string) bool {
	return text != "" && strings.Trim(text, "0123456789") == ""
}
