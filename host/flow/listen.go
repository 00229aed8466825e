package flow

import (
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/trama-run/trama/host/value"
	"github.com/trama-run/trama/pdk/abi"
)

// How a keyword must stand in a message.
const (
	MatchExact    = "exact"    // it is the whole message
	MatchWord     = "word"     // its words stand in it
	MatchContains = "contains" // its letters stand in it
)

// How well a message fits a trigger: the better fit is taken. A referral
// trigger fits better the more it asks for.
const (
	fitAny = 1 + iota
	fitType
	fitPattern
	fitKeyword
	fitReferral
)

// Listener is a trigger of type message or referral, ready to be asked for
// many messages.
type Listener struct {
	trigger  Trigger
	keywords []string // folded
	pattern  *regexp.Regexp
}

// Listener prepares the trigger; ok is false if it takes no messages.
func (t Trigger) Listener() (l *Listener, ok bool) {
	if t.Type != TriggerMessage && t.Type != TriggerReferral {
		return nil, false
	}
	l = &Listener{trigger: t}
	for _, k := range t.Keywords {
		l.keywords = append(l.keywords, fold(k))
	}
	if t.Pattern != "" {
		var err error
		if l.pattern, err = regexp.Compile(t.Pattern); err != nil {
			return nil, false // no document that passed its checks has it
		}
	}
	return l, true
}

// On says whether the trigger takes messages of a channel, and if so whether
// it names it.
func (l *Listener) On(channel string) (on, named bool) {
	named = l.trigger.Channel != ""
	return !named || l.trigger.Channel == channel, named
}

// Heard is a message, prepared to be compared with many triggers.
type Heard struct {
	// Again says that it is a press which says nothing new: it starts what asks
	// for it, and not what takes any message.
	Again bool

	message abi.Message
	folded  []string // its text, and the payload of a button
}

// typeEdit asks for messages that change earlier ones, whatever they are.
const typeEdit = "edit"

// Asides lists the types of messages that start and answer only what names
// them: with one, a contact does not say something new.
func Asides() []string {
	return []string{string(abi.MessageReaction), typeEdit, string(abi.MessageUnknown)}
}

// Aside gives the type of [Asides] that a message is; empty: it is none. What
// is unknown and came by a click is the contact's first word all the same.
func Aside(m abi.Message) string {
	switch {
	case m.Edits != "":
		return typeEdit
	case m.Type == abi.MessageReaction, m.Type == abi.MessageUnknown && m.Referral == nil:
		return string(m.Type)
	}
	return ""
}

// Hear prepares a message.
func Hear(m abi.Message) Heard {
	h := Heard{message: m, folded: []string{fold(m.Text)}}
	if m.Payload != "" {
		h.folded = append(h.folded, fold(m.Payload))
	}
	return h
}

// Fit says how well a message fits the trigger: 0 is not at all.
func (l *Listener) Fit(h Heard) int {
	t := l.trigger
	if aside := Aside(h.message); aside != "" && !slices.Contains(t.Types, aside) {
		return 0
	}
	if t.Type == TriggerReferral {
		return l.referral(h.message.Referral)
	}
	if len(t.Types) > 0 && h.message.Edits == "" && !slices.Contains(t.Types, string(h.message.Type)) && !slices.Contains(t.Types, h.message.Kind()) {
		return 0
	}
	switch {
	case slices.ContainsFunc(l.keywords, func(k string) bool {
		return slices.ContainsFunc(h.folded, func(text string) bool { return t.matches(text, k) })
	}):
		return fitKeyword
	case l.pattern != nil && (l.pattern.MatchString(h.message.Text) || h.message.Payload != "" && l.pattern.MatchString(h.message.Payload)):
		return fitPattern
	case len(l.keywords) > 0 || l.pattern != nil:
		return 0
	case len(t.Types) > 0:
		return fitType
	case h.Again:
		return 0
	}
	return fitAny
}

// matches compares folded texts.
func (t Trigger) matches(text, keyword string) bool {
	switch t.Match {
	case MatchContains:
		return strings.Contains(text, keyword)
	case MatchWord:
		return strings.Contains(" "+text+" ", " "+keyword+" ")
	}
	return text == keyword
}

// referral gives a fit by what the trigger asks for: a ref counts more than a
// source's id, and that more than its type.
func (l *Listener) referral(r *abi.Referral) int {
	if r == nil {
		return 0
	}
	t, fit := l.trigger, fitReferral
	for _, asked := range []struct {
		is, holds bool
		weight    int
	}{
		{t.SourceType != "", strings.EqualFold(t.SourceType, r.SourceType), 1},
		{t.SourceID != "", t.SourceID == r.SourceID, 2},
		{l.pattern != nil, l.pattern != nil && l.pattern.MatchString(r.Ref), 4},
		{len(t.Ref) > 0, slices.Contains(t.Ref, r.Ref), 8},
	} {
		if asked.is && !asked.holds {
			return 0
		}
		if asked.is {
			fit += asked.weight
		}
	}
	return fit
}

// fold makes texts alike that people take for the same: case, accents, white
// space and punctuation don't count.
func fold(text string) string {
	return strings.Join(strings.FieldsFunc(value.Fold(text), func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsPunct(r) || unicode.IsControl(r)
	}), " ")
}
