package main

import (
	"fmt"

	"github.com/trama-run/trama/pdk/abi"
	pdk "github.com/trama-run/trama/pdk/go"
)

// What a button's data begins with, so that the choice of a list's row comes
// back as one. A button's own id goes as it is, unless it begins like that.
const (
	rowPrefix    = "l:"
	buttonPrefix = "b:"
)

// Limits of inline keyboards
// (core.telegram.org/bots/api#inlinekeyboardbutton).
const (
	maxData = 64 // bytes
	maxKeys = 100
)

// keyboard is an inline one (core.telegram.org/bots/api#inlinekeyboardmarkup),
// one button below the other, so that each title has room.
type keyboard struct {
	Rows [][]key `json:"inline_keyboard"`
}

type key struct {
	Text string `json:"text"`
	Data string `json:"callback_data,omitempty"`
	URL  string `json:"url,omitempty"`
}

func keyboardOf(buttons []abi.Button) (keyboard, error) {
	var out keyboard
	if len(buttons) > maxKeys {
		return out, pdk.Errorf(abi.CodeInvalid, "message.buttons: %d buttons; telegram takes at most %d", len(buttons), maxKeys)
	}
	for i, b := range buttons {
		k := key{Text: b.Title, URL: b.URL}
		if b.URL == "" {
			k.Data = b.ID
			if len(b.ID) >= 2 && (b.ID[:2] == rowPrefix || b.ID[:2] == buttonPrefix) {
				k.Data = buttonPrefix + b.ID
			}
		}
		if err := dataWithin(fmt.Sprintf("buttons[%d].id", i), b.ID, k.Data); err != nil {
			return out, err
		}
		out.Rows = append(out.Rows, []key{k})
	}
	return out, nil
}

// listKeyboard gives the rows of a list as buttons.
func listKeyboard(l abi.List) (keyboard, error) {
	var out keyboard
	for i, s := range l.Sections {
		for j, r := range s.Rows {
			k := key{Text: r.Title, Data: rowPrefix + r.ID}
			if err := dataWithin(fmt.Sprintf("list.sections[%d].rows[%d].id", i, j), r.ID, k.Data); err != nil {
				return out, err
			}
			out.Rows = append(out.Rows, []key{k})
		}
	}
	if len(out.Rows) > maxKeys {
		return out, pdk.Errorf(abi.CodeInvalid, "message.list.sections: %d rows; telegram takes at most %d", len(out.Rows), maxKeys)
	}
	return out, nil
}

// dataWithin refuses an id that can't come back with the press of its button.
func dataWithin(place, id, data string) error {
	if over := len(data) - maxData; over > 0 {
		return pdk.Errorf(abi.CodeInvalid, "message.%s: %d bytes; telegram takes at most %d of it", place, len(id), len(id)-over)
	}
	return nil
}

// listText is what buttons can't show of a list: the titles of its sections and
// the descriptions of its rows.
func listText(l abi.List) string {
	shown := ""
	for _, s := range l.Sections {
		lines := s.Title
		for _, r := range s.Rows {
			if r.Description != "" {
				lines = joined("\n", lines, r.Title+": "+r.Description)
			}
		}
		shown = joined("\n\n", shown, lines)
	}
	return shown
}
