package flow

import (
	"slices"

	"github.com/trama-run/trama/host/source"
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
	{TriggerGateway, "A caller of a gateway route, which routes.yaml leads here.", []Need{NeedsCaller}},
	{TriggerMessage, "A message of a contact whose conversation has no run that waits for it.", []Need{NeedsContact}},
	{TriggerReferral, "A message that came by a click on an advertisement, or on a link with a ref.", []Need{NeedsContact}},
	{TriggerActivate, "The operator's API or the command trama activate, for one contact or a list, with variables.", []Need{NeedsContact}},
	{TriggerEvent, "An event with this name: from a webhook, the operator's API, or an emit_event node.", []Need{NeedsContact}},
	{TriggerSchedule, "An instant, or recurring ones.", nil},
	{TriggerCall, "A jump of another flow.", []Need{NeedsContact, NeedsCaller}},
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
	// A field is for some types only.
	only := func(set bool, field string, of ...string) {
		if set && !slices.Contains(of, t.Type) {
			problems.Add(t.At, "leave it out", "a %s trigger has no %s", t.Type, field)
		}
	}
	only(t.Channel != "", "channel", TriggerMessage, TriggerReferral)
	only(t.Interrupt, "interrupt", TriggerMessage, TriggerReferral, TriggerActivate, TriggerEvent)
	only(t.Event != "", "event", TriggerEvent)
	if t.Type == TriggerEvent && !eventName(t.Event) {
		problems.Add(t.At, "add event: order.paid", "a trigger of type event needs the name of the event")
	}
	return problems
}
