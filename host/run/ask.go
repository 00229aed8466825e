package run

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"

	"github.com/trama-run/trama/host/engine"
	"github.com/trama-run/trama/host/fallback"
	"github.com/trama-run/trama/host/outbox"
	"github.com/trama-run/trama/host/run/record"
	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/pdk/abi"
)

// What the contact was last asked to choose from is kept with it (see
// host/fallback): from the commit that sends the question to the one that
// consumes the answer.

// send puts messages into the outbox, with the next commit.
func (c *conversation) send(j *journey) func(engine.Effect) error {
	return func(effect engine.Effect) error {
		if effect.Send == nil {
			return fmt.Errorf("run %s: a conversation can't answer a gateway request", j.record.ID)
		}
		for i, m := range c.plan(j, effect) {
			id := effect.ID
			if i > 0 {
				id = fmt.Sprintf("%s.%d", id, i+1)
			}
			data, err := json.Marshal(outbox.Message{Head: outbox.Head{EffectID: id, At: c.runner.now(), RunID: j.session.ID}, Message: m, Owner: c.who, Unasked: !j.session.Heard})
			if err != nil {
				return err
			}
			key := outbox.ContactKey(c.place)
			j.changes.Append = append(j.changes.Append, store.Append{Queue: key, Value: data})
			j.wake(key)
		}
		return nil
	}
}

// plan gives the messages that say on the contact's channel what a message does.
func (c *conversation) plan(j *journey, effect engine.Effect) []abi.Message {
	m := effect.Send.Message
	if c.runner.config.Able == nil {
		return []abi.Message{m}
	}
	note := func(level, text string) {
		j.record.KeepLine(record.Line{Node: effect.Node, At: c.runner.now(), Level: level, Text: text})
	}
	able := c.runner.config.Able(c.channel)
	plan, failure := fallback.For(m, able)
	if failure != nil { // the outbox makes a dead letter of it
		note("error", failure.Message)
		if fallback.Lacks(m, able) != nil {
			j.keepSent(effect.ID, nil)
		}
		return []abi.Message{m}
	}
	if len(plan.Messages) != 1 || !reflect.DeepEqual(plan.Messages[0], m) {
		j.keepSent(effect.ID, plan.Messages)
	}
	if plan.Dropped {
		note("info", fmt.Sprintf("dropped: channel %s has no form for a message of the kind %s", c.channel, m.Kind()))
		return nil
	}
	if plan.Choices != nil {
		plan.Choices.Run = j.session.ID
		c.asks = plan.Choices
	} else if last := c.asked(); last != nil && last.Run != j.session.ID {
		c.asks = &fallback.Choices{} // the conversation is about something else now
	}
	return plan.Messages
}

// keepSent keeps in the record what went to the channel in place of the message
// of an effect's step.
func (j *journey) keepSent(effect string, messages []abi.Message) {
	sent := make([]any, len(messages))
	for i, m := range messages {
		sent[i] = engine.MessageValue(m)
	}
	for i := range j.steps {
		if j.steps[i].EffectID == effect {
			j.steps[i].Sent = sent
		}
	}
}

// asked gives what the contact was last asked, in the present commit or before.
func (c *conversation) asked() *fallback.Choices {
	if c.asks != nil {
		return c.asks
	}
	return c.contact.Choices
}

// settle gives the choices as a commit is to keep them: they are of the wait
// that follows them, and late once it is over, however it ended.
func (c *conversation) settle(j *journey) *fallback.Choices {
	last := c.asked()
	if last == nil || len(last.List) == 0 || last.Late || j.session.Run == nil {
		return last
	}
	kept := *last
	switch at := j.session.Listener(); {
	case at == nil:
		kept.Late = kept.Wait != nil && j.session.Over()
	case kept.Wait == nil && kept.Run == j.session.ID:
		kept.Wait = &fallback.Wait{Path: at.Path, Node: at.Node, Ordinal: at.Ordinal}
	case kept.Wait == nil || kept.Run != j.session.ID || kept.Wait.Path != at.Path || kept.Wait.Node != at.Node:
		kept.Late = true
	case at.Wait.Tries > 0: // it asks again, as a step of its own
		kept.Wait = &fallback.Wait{Path: at.Path, Node: at.Node, Ordinal: at.Ordinal}
	default:
		kept.Late = kept.Wait.Ordinal != at.Ordinal
	}
	return &kept
}

// answers gives the letters with the first that answers what the contact was
// asked as the answer that it is.
func (c *conversation) answers(letters []letter) []letter {
	for i, l := range letters {
		if l.Unit.Message == nil || l.Unit.Message.Edits != "" {
			continue
		}
		m, is := c.contact.Choices.Answer(*l.Unit.Message)
		if !is {
			continue
		}
		letters = slices.Clone(letters)
		letters[i].Unit.Message, letters[i].answers = &m, true
		break
	}
	return letters
}
