package flow

import (
	"encoding/json"
	"errors"
	"regexp"
	"slices"

	"github.com/trama-run/trama/host/source"
	"github.com/trama-run/trama/pdk/abi"
)

// Types of triggers.
const (
	TriggerGateway  = "gateway"  // a call of a gateway route
	TriggerMessage  = "message"  // a message of a contact on a channel
	TriggerReferral = "referral" // a message that came by an advertisement or a link
	TriggerActivate = "activate" // a call of the operator's API, for one contact or many
	TriggerEvent    = "event"    // an event by name, from a webhook, the API or another flow
	TriggerSchedule = "schedule" // an instant, or recurring ones
	TriggerCall     = "call"     // a jump of another flow
)

// TriggerKind declares one type of trigger.
type TriggerKind struct {
	Type string
	Doc  string
	// gives is what nodes of the flow may need: a call may give anything, since
	// the calling run's contact and caller are the called one's too.
	gives []Need
}

var triggerKinds = []TriggerKind{
	{TriggerGateway, "A caller of a gateway route, which routes.yaml leads here. The input is {method, path, params, query, headers, client, body}.", []Need{NeedsCaller}},
	{TriggerMessage, "A message of a contact whose conversation has no run that waits for it. Of the triggers that fit, one with a keyword in the message is taken before one whose pattern fits, that before one that asks for a type only, and that before one that takes any; then one that names the channel before one that doesn't; then by the flow's id. A reaction, an edited message, whose edits is the id of the earlier one, and an unknown one, for which channels have no form, such as news of another number, start nothing, unless types names them (reaction, edit, unknown), and are no reply that a run waits for, unless also of its wait_reply names them. A press of a message whose question the contact has answered by a press before, such as a second one behind the end of the run, starts nothing by a trigger that takes any message: name a keyword, a pattern or the type.", []Need{NeedsContact}},
	{TriggerReferral, "A message that came by a click on an advertisement, or on a link with a ref. It is taken before triggers of type message, and of several the one that asks for most.", []Need{NeedsContact}},
	{TriggerActivate, "The operator's API or the command trama activate, for one contact or a list, with variables. The input is {contact, ...}: the contact's key, and beside it each variable by its name. While a run of the contact waits, it starts when that one has ended.", []Need{NeedsContact}},
	{TriggerEvent, "An event with this name: from a webhook, the operator's API, or an emit_event node. In a contact's conversation it starts when the present run has ended. The input is {event, data}, with contact if it has one.", []Need{NeedsContact}},
	{TriggerSchedule, "Instants: of a cron line, at equal spans, or given ones. The input is {scheduled_at, fired_at, trigger, missed}; missed counts the instants before that have no run of their own.", nil},
	{TriggerCall, "A jump of another flow. The input is what the jump gives.", []Need{NeedsContact, NeedsCaller}},
}

// TriggerKinds lists the types of triggers.
func TriggerKinds() []TriggerKind { return slices.Clone(triggerKinds) }

// Trigger is a declared way for the flow to start.
type Trigger struct {
	At source.Place `json:"-"`

	ID   string `json:"id" source:"required" jsonschema_description:"Name by which edges start here."`
	Type string `json:"type" source:"required" jsonschema_description:"What starts the flow."`

	Channel   string `json:"channel,omitempty" jsonschema_description:"Types message and referral: the only channel that starts the flow; without it, every channel does."`
	Interrupt bool   `json:"interrupt,omitempty" jsonschema_description:"Types message, referral, activate and event: start even while a run of the contact waits, which is then cancelled."`
	Event     string `json:"event,omitempty" jsonschema_description:"Type event: name of the event."`

	Keywords Texts  `json:"keywords,omitempty" jsonschema_description:"Type message: what the contact may write. Case, accents and punctuation don't count."`
	Match    string `json:"match,omitempty" jsonschema:"enum=exact,enum=word,enum=contains" jsonschema_description:"With keywords: exact (if left out), the keyword is the whole message; word, its words stand in the message; contains, its letters do."`
	Pattern  string `json:"pattern,omitempty" jsonschema_description:"Types message and referral: a regular expression (RE2) that the text, or the ref, fits; (?i) at its start makes case not count."`
	Types    Texts  `json:"types,omitempty" jsonschema_description:"Type message: only messages of these types, such as text, image, location; media is all media, and edit an earlier message that was edited, of any type."`

	Ref        Texts  `json:"ref,omitempty" jsonschema_description:"Type referral: what the link carries, or a list of what it may."`
	SourceType string `json:"source_type,omitempty" jsonschema_description:"Type referral: what was clicked, such as ad, post or link."`
	SourceID   string `json:"source_id,omitempty" jsonschema_description:"Type referral: the service's id of what was clicked."`

	Cron   string `json:"cron,omitempty" jsonschema_description:"Type schedule: minute, hour, day of the month, month and day of the week, such as 0 9 * * 1-5, by the clock of zone. What the clock skips is due when it skips; what comes twice is due once; with * for hours it is as time passes."`
	Zone   string `json:"zone,omitempty" jsonschema_description:"Type schedule, with cron or at: time zone, such as America/Sao_Paulo; UTC if left out."`
	Every  string `json:"every,omitempty" jsonschema_description:"Type schedule: a span such as 15m or 1d, counted from a Monday at 00:00 UTC: 15m is at the quarters of hours."`
	Times  Texts  `json:"at,omitempty" jsonschema_description:"Type schedule: an instant or a list of them, such as 2026-12-24T09:00 (by the clock of zone) or 2026-12-24T09:00:00-03:00."`
	Missed string `json:"missed,omitempty" jsonschema:"enum=run_once,enum=skip,enum=run_all" jsonschema_description:"Type schedule: what becomes of instants at which the host was down or the flow could not run. run_once (if left out): one run for all; skip: none; run_all: a run for each of the last 100."`
}

// Texts is a list of texts; a document may write one text for a list of one.
type Texts []string

// UnmarshalJSON reads a text or a list of texts.
func (t *Texts) UnmarshalJSON(data []byte) error {
	var one string
	if err := json.Unmarshal(data, &one); err == nil {
		*t = Texts{one}
		return nil
	}
	if err := json.Unmarshal(data, (*[]string)(t)); err != nil {
		return errors.New("write a text in quotes, or a list of such texts")
	}
	return nil
}

// gives says whether runs that begin here have what a node needs.
func (t Trigger) gives(need Need) bool {
	return slices.ContainsFunc(triggerKinds, func(k TriggerKind) bool { return k.Type == t.Type && slices.Contains(k.gives, need) })
}

func (t Trigger) check() (problems source.Problems) {
	var types []string
	for _, k := range triggerKinds {
		types = append(types, k.Type)
	}
	if t.Type == "" {
		return nil
	}
	if !slices.Contains(types, t.Type) {
		problems.Add(t.At, source.Suggest(t.Type, types), "%q is not a type of trigger", t.Type)
		return problems
	}
	for _, f := range triggerFields {
		if f.set(t) && !slices.Contains(f.of, t.Type) {
			problems.Add(t.At, "leave it out", "a %s trigger has no %s", t.Type, f.name)
		}
	}
	if len(problems) > 0 {
		return problems
	}
	switch t.Type {
	case TriggerEvent:
		if !eventName(t.Event) {
			problems.Add(t.At, "add event: order.paid", "a trigger of type event needs the name of the event")
		}
	case TriggerMessage:
		problems = append(problems, t.checkMessage()...)
	case TriggerReferral:
		problems = append(problems, t.checkPattern()...)
	case TriggerSchedule:
		_, found := t.Schedule()
		problems = append(problems, found...)
	}
	return problems
}

// triggerFields are the fields that some types have only.
var triggerFields = []struct {
	name string
	of   []string
	set  func(Trigger) bool
}{
	{"channel", []string{TriggerMessage, TriggerReferral}, func(t Trigger) bool { return t.Channel != "" }},
	{"interrupt", []string{TriggerMessage, TriggerReferral, TriggerActivate, TriggerEvent}, func(t Trigger) bool { return t.Interrupt }},
	{"event", []string{TriggerEvent}, func(t Trigger) bool { return t.Event != "" }},
	{"keywords", []string{TriggerMessage}, func(t Trigger) bool { return t.Keywords != nil }},
	{"match", []string{TriggerMessage}, func(t Trigger) bool { return t.Match != "" }},
	{"pattern", []string{TriggerMessage, TriggerReferral}, func(t Trigger) bool { return t.Pattern != "" }},
	{"types", []string{TriggerMessage}, func(t Trigger) bool { return t.Types != nil }},
	{"ref", []string{TriggerReferral}, func(t Trigger) bool { return t.Ref != nil }},
	{"source_type", []string{TriggerReferral}, func(t Trigger) bool { return t.SourceType != "" }},
	{"source_id", []string{TriggerReferral}, func(t Trigger) bool { return t.SourceID != "" }},
	{"cron", []string{TriggerSchedule}, func(t Trigger) bool { return t.Cron != "" }},
	{"zone", []string{TriggerSchedule}, func(t Trigger) bool { return t.Zone != "" }},
	{"every", []string{TriggerSchedule}, func(t Trigger) bool { return t.Every != "" }},
	{"at", []string{TriggerSchedule}, func(t Trigger) bool { return t.Times != nil }},
	{"missed", []string{TriggerSchedule}, func(t Trigger) bool { return t.Missed != "" }},
}

// maxKeywords bounds the keywords of a trigger, which every message is
// compared with.
const maxKeywords = 200

func (t Trigger) checkMessage() (problems source.Problems) {
	for _, k := range t.Keywords {
		if fold(k) == "" {
			problems.Add(t.At, "write a word", "the keyword %q has no letter, digit or symbol", k)
		}
	}
	if len(t.Keywords) > maxKeywords {
		problems.Add(t.At, "use a pattern, or several triggers", "%d keywords, over the limit of %d", len(t.Keywords), maxKeywords)
	}
	matches := []string{MatchExact, MatchWord, MatchContains}
	switch {
	case t.Match != "" && !slices.Contains(matches, t.Match):
		problems.Add(t.At, source.Suggest(t.Match, matches), "match can't be %q", t.Match)
	case t.Match != "" && len(t.Keywords) == 0:
		problems.Add(t.At, "add keywords, or leave match out", "match is for keywords, and there are none")
	}
	for _, name := range t.Types {
		if !slices.Contains(heardTypes(), name) {
			problems.Add(t.At, source.Suggest(name, heardTypes()), "%q is not a type of message that comes in", name)
		}
	}
	return append(problems, t.checkPattern()...)
}

func (t Trigger) checkPattern() (problems source.Problems) {
	if _, err := regexp.Compile(t.Pattern); err != nil {
		problems.Add(t.At, "", "pattern: %v", err)
	}
	return problems
}

// heardTypes lists the types of messages that contacts send, and the kinds of
// media.
func heardTypes() []string {
	names := append(abi.MediaKinds(), typeEdit)
	for _, t := range []abi.MessageType{
		abi.MessageText, abi.MessageMedia, abi.MessageLocation, abi.MessageContacts, abi.MessageReaction, abi.MessageProduct,
		abi.MessageButtonReply, abi.MessageListReply, abi.MessageFormReply, abi.MessageOrder, abi.MessageUnknown,
	} {
		names = append(names, string(t))
	}
	return names
}
