package engine

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/trama-run/trama/host/flow"
	"github.com/trama-run/trama/host/value"
	"github.com/trama-run/trama/pdk/abi"
)

// accept says whether a reply fits what a wait expects, and gives its value,
// which is nil if any message is taken. An error means that what is expected
// makes no sense.
func (m *move) accept(c *flow.WaitReply, reply map[string]any) (typed any, fits bool, err *abi.Error) {
	e := c.Expect
	if e == nil {
		return nil, true, nil
	}
	text, _ := reply["text"].(string)
	text = strings.TrimSpace(text)
	switch e.Type {
	case flow.ExpectAny:
		return nil, true, nil
	case flow.ExpectOption:
		v, err := m.expand(e.Options)
		if err != nil {
			return nil, false, err
		}
		options, problem := value.Options(v)
		if problem != nil {
			return nil, false, invalid("%v; write texts, or {id, title, words}", problem)
		}
		payload, _ := reply["payload"].(string)
		chosen, ok := value.Choose(options, payload, text)
		return chosen.ID, ok, nil
	case flow.ExpectPattern:
		found, ok, problem := e.Pattern.Find(text)
		if problem != nil {
			return nil, false, &abi.Error{Code: abi.CodeLimit, Message: problem.Error()}
		}
		return found, ok, nil
	case flow.ExpectLocation:
		place, ok := reply["location"].(map[string]any)
		return place, ok, nil
	case flow.ExpectText:
		typed, fits = text, text != ""
	case value.FormYesNo:
		// A button may say it by its id, whatever its title.
		payload, _ := reply["payload"].(string)
		for _, said := range []string{payload, text} {
			if typed, fits = value.Read(value.FormYesNo, said, value.Reading{}); fits {
				break
			}
		}
	default:
		if e.Type == flow.ExpectMedia || slices.Contains(abi.MediaKinds(), string(e.Type)) {
			file, ok := reply["media"].(map[string]any)
			return file, ok && (e.Type == flow.ExpectMedia || file["kind"] == string(e.Type)), nil
		}
		typed, fits = value.Read(string(e.Type), text, e.Reading())
	}
	if !fits {
		return nil, false, nil
	}
	for _, bound := range []struct {
		name  string
		limit flow.Template
		sign  int
	}{{"min", e.Min, -1}, {"max", e.Max, 1}} {
		if bound.limit.IsZero() {
			continue
		}
		v, err := m.expand(bound.limit)
		if err != nil {
			return nil, false, err
		}
		limit, problem := e.Bound(v)
		if problem != nil {
			return nil, false, invalid("%s: %v", bound.name, problem)
		}
		if fits = fits && compare(e.Type, typed, limit) != bound.sign; !fits {
			return nil, false, nil
		}
	}
	return typed, true, nil
}

// compare compares a reply with a bound: the length of a text, else the value.
func compare(t flow.Expected, typed, bound any) int {
	if t == flow.ExpectText {
		typed = int64(utf8.RuneCountInString(fmt.Sprint(typed)))
	}
	return value.Compare(typed, bound)
}
