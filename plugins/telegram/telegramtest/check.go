package telegramtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// checkObject says what is wrong with the members of an object; "" if nothing.
func checkObject(at string, fields []field, members map[string]json.RawMessage, files map[string]Upload) string {
	for name := range members {
		if !slices.ContainsFunc(fields, func(f field) bool { return f.name == name }) {
			return fmt.Sprintf("%s%s is no parameter that the contract has", at, name)
		}
	}
	for _, f := range fields {
		raw, is := members[f.name]
		upload, uploaded := files[f.name]
		switch {
		case f.kind == file && uploaded && !is:
			if len(upload.Data) > f.max {
				return fmt.Sprintf("%s%s: file is too big", at, f.name)
			}
			continue
		case !is && f.required:
			return fmt.Sprintf("%s%s is missing", at, f.name)
		case !is:
			continue
		}
		if wrong := f.check(raw, files); wrong != "" {
			return fmt.Sprintf("%s%s %s", at, f.name, wrong)
		}
	}
	return ""
}

func (f field) check(raw json.RawMessage, files map[string]Upload) string {
	switch f.kind {
	case text, data, words, address, file:
		var value string
		if json.Unmarshal(raw, &value) != nil {
			return "is no text"
		}
		return f.checkText(value, files)
	case integer:
		if _, err := strconv.ParseInt(string(raw), 10, 64); err != nil {
			return "is no integer"
		}
	case degrees:
		value, err := strconv.ParseFloat(string(raw), 64)
		if err != nil || value < float64(-f.max) || value > float64(f.max) {
			return "is no number of degrees"
		}
	case boolean:
		if string(raw) != "true" && string(raw) != "false" {
			return "is neither true nor false"
		}
	case object:
		members, ok := membersOf(raw)
		if !ok {
			return "is no object"
		}
		return checkObject("."+f.name+".", f.fields, members, files)
	case list, lists:
		return f.checkList(raw, files)
	}
	return ""
}

func (f field) checkText(value string, files map[string]Upload) string {
	length := utf8.RuneCountInString(value)
	if f.kind == data {
		length = len(value)
	}
	switch f.kind {
	case words:
		if !slices.Contains(f.words, value) {
			return fmt.Sprintf("is %q, none of %q", value, f.words)
		}
		return ""
	case address:
		if u, err := url.Parse(value); err != nil || u.Host == "" || u.Scheme != "https" && u.Hostname() != "127.0.0.1" {
			return "is bad webhook: an HTTPS URL must be provided"
		}
		return ""
	case file:
		if name, attached := strings.CutPrefix(value, "attach://"); attached {
			if _, is := files[name]; !is {
				return fmt.Sprintf("refers to the part %q, which is not there", name)
			}
			return ""
		}
		if value == "" || strings.ContainsAny(value, " \n") {
			return "is neither the id of a file nor an address"
		}
		return ""
	}
	if length < f.min || f.max > 0 && length > f.max {
		return fmt.Sprintf("is too long or empty: %d, want %d to %d", length, f.min, f.max)
	}
	return ""
}

func (f field) checkList(raw json.RawMessage, files map[string]Upload) string {
	var items []json.RawMessage
	if json.Unmarshal(raw, &items) != nil || items == nil {
		return "is no list"
	}
	if f.max > 0 && len(items) > f.max {
		return fmt.Sprintf("has %d members, want at most %d", len(items), f.max)
	}
	for _, item := range items {
		if f.kind == lists {
			inner := f
			inner.kind = list
			if wrong := inner.checkList(item, files); wrong != "" {
				return wrong
			}
			continue
		}
		if f.fields == nil {
			var value string
			if json.Unmarshal(item, &value) != nil {
				return "has a member that is no text"
			}
			continue
		}
		members, ok := membersOf(item)
		if !ok {
			return "has a member that is no object"
		}
		if wrong := checkObject("[].", f.fields, members, files); wrong != "" {
			return wrong
		}
		if _, is := members["text"]; is && len(members) != 2 {
			return "has a button that does not do exactly one thing"
		}
	}
	return ""
}

func membersOf(raw json.RawMessage) (map[string]json.RawMessage, bool) {
	var members map[string]json.RawMessage
	if !bytes.HasPrefix(bytes.TrimSpace(raw), []byte{'{'}) || json.Unmarshal(raw, &members) != nil {
		return nil, false
	}
	return members, true
}
