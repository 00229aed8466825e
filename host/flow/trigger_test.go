package flow_test

import (
	"slices"
	"testing"
	"time"

	"github.com/trama-run/trama/host/flow"
	"github.com/trama-run/trama/pdk/abi"
)

func TestFit(t *testing.T) {
	text := func(s string) abi.Message { return abi.Message{Type: abi.MessageText, Text: s} }
	ad := abi.Message{Type: abi.MessageText, Text: "oi", Referral: &abi.Referral{Ref: "natal", SourceType: "ad", SourceID: "120"}}
	keyword := func(match string, words ...string) flow.Trigger {
		return flow.Trigger{Type: flow.TriggerMessage, Keywords: words, Match: match}
	}
	const no, any, typed, pattern, word, referral = 0, 1, 2, 3, 4, 5
	for _, c := range []struct {
		name    string
		trigger flow.Trigger
		message abi.Message
		fit     int
	}{
		{"any", flow.Trigger{Type: flow.TriggerMessage}, text("x"), any},
		{"any, without text", flow.Trigger{Type: flow.TriggerMessage}, abi.Message{Type: abi.MessageLocation}, any},
		{"exact", keyword("", "Olá", "bom dia"), text("  OLA!! "), word},
		{"exact is not part", keyword("", "ola"), text("ola amigo"), no},
		{"exact, two words", keyword("exact", "Bom dia"), text("bom\n\tDIA."), word},
		{"decomposed accents", keyword("", "não"), text("na\u0303o"), word},
		{"word", keyword("word", "menu"), text("quero o Menú, por favor"), word},
		{"word is not part of one", keyword("word", "menu"), text("menus"), no},
		{"words in a row", keyword("word", "bom dia"), text("bom e dia"), no},
		{"contains", keyword("contains", "menu"), text("submenus"), word},
		{"payload of a button", keyword("", "start"), abi.Message{Type: abi.MessageButtonReply, Text: "Begin", Payload: "START"}, word},
		{"emoji", keyword("", "👍"), text("👍\ufe0f"), word},
		{"no text has no keyword", keyword("word", "menu"), abi.Message{Type: abi.MessageLocation}, no},
		{"pattern", flow.Trigger{Type: flow.TriggerMessage, Pattern: "^pedido ([0-9]+)$"}, text("pedido 7"), pattern},
		{"pattern takes case", flow.Trigger{Type: flow.TriggerMessage, Pattern: "^pedido"}, text("Pedido 7"), no},
		{"pattern of a payload", flow.Trigger{Type: flow.TriggerMessage, Pattern: "^go-"}, abi.Message{Type: abi.MessageListReply, Payload: "go-1"}, pattern},
		{"keyword or pattern", flow.Trigger{Type: flow.TriggerMessage, Pattern: "x", Keywords: flow.Texts{"y"}}, text("x"), pattern},
		{"type", flow.Trigger{Type: flow.TriggerMessage, Types: flow.Texts{"text"}}, text("x"), typed},
		{"other type", flow.Trigger{Type: flow.TriggerMessage, Types: flow.Texts{"image"}}, text("x"), no},
		{"media", flow.Trigger{Type: flow.TriggerMessage, Types: flow.Texts{"media"}}, abi.Message{Type: abi.MessageMedia, Media: &abi.Media{Kind: "image"}}, typed},
		{"kind of media", flow.Trigger{Type: flow.TriggerMessage, Types: flow.Texts{"image"}}, abi.Message{Type: abi.MessageMedia, Media: &abi.Media{Kind: "image"}}, typed},
		{"keyword of another type", flow.Trigger{Type: flow.TriggerMessage, Types: flow.Texts{"image"}, Keywords: flow.Texts{"x"}}, text("x"), no},
		{"referral, any", flow.Trigger{Type: flow.TriggerReferral}, ad, referral},
		{"referral, none came", flow.Trigger{Type: flow.TriggerReferral}, text("x"), no},
		{"source type", flow.Trigger{Type: flow.TriggerReferral, SourceType: "AD"}, ad, referral + 1},
		{"source id", flow.Trigger{Type: flow.TriggerReferral, SourceID: "120"}, ad, referral + 2},
		{"other source id", flow.Trigger{Type: flow.TriggerReferral, SourceID: "12", SourceType: "ad"}, ad, no},
		{"pattern of the ref", flow.Trigger{Type: flow.TriggerReferral, Pattern: "^na"}, ad, referral + 4},
		{"other pattern", flow.Trigger{Type: flow.TriggerReferral, Pattern: "^x"}, ad, no},
		{"ref", flow.Trigger{Type: flow.TriggerReferral, Ref: flow.Texts{"pascoa", "natal"}, SourceID: "120"}, ad, referral + 10},
		{"other ref", flow.Trigger{Type: flow.TriggerReferral, Ref: flow.Texts{"pascoa"}}, ad, no},
	} {
		l, ok := c.trigger.Listener()
		if !ok {
			t.Fatalf("%s: takes no messages", c.name)
		}
		if got := l.Fit(flow.Hear(c.message)); got != c.fit {
			t.Errorf("%s: fit %d, want %d", c.name, got, c.fit)
		}
	}
	again := flow.Hear(abi.Message{Type: abi.MessageButtonReply, Text: "Sim", Payload: "yes"})
	again.Again = true
	for _, c := range []struct {
		trigger flow.Trigger
		fit     int
	}{
		{flow.Trigger{Type: flow.TriggerMessage}, no},
		{flow.Trigger{Type: flow.TriggerMessage, Types: flow.Texts{"button_reply"}}, typed},
		{flow.Trigger{Type: flow.TriggerMessage, Pattern: "^yes"}, pattern},
		{keyword("", "yes"), word},
	} {
		if l, ok := c.trigger.Listener(); !ok || l.Fit(again) != c.fit {
			t.Errorf("a press that says nothing new: the fit of %+v is not %d", c.trigger, c.fit)
		}
	}
	if _, ok := (flow.Trigger{Type: flow.TriggerEvent}).Listener(); ok {
		t.Error("an event trigger takes messages")
	}
}

// at reads an instant with its zone's offset.
func at(t *testing.T, text string) time.Time {
	t.Helper()
	v, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func schedule(t *testing.T, trigger flow.Trigger) *flow.Schedule {
	t.Helper()
	trigger.Type = flow.TriggerSchedule
	s, problems := trigger.Schedule()
	if problems != nil {
		t.Fatal(problems)
	}
	return s
}

// TestNext: the instants of schedules, where clocks are changed too: New York
// skips 2 to 3 o'clock on 8 March 2026 and doubles 1 to 2 on 1 November, São
// Paulo skipped midnight to 1 on 4 November 2018, Lord Howe changes by half an
// hour.
func TestNext(t *testing.T) {
	const york = "America/New_York"
	for _, c := range []struct {
		name    string
		trigger flow.Trigger
		after   string
		want    []string
	}{
		{"weekdays", flow.Trigger{Cron: "0 9 * * 1-5"}, "2026-01-02T09:00:00Z", []string{"2026-01-05T09:00:00Z", "2026-01-06T09:00:00Z"}},
		{"just before", flow.Trigger{Cron: "0 9 * * *"}, "2026-01-02T08:59:59.999Z", []string{"2026-01-02T09:00:00Z"}},
		{"zone", flow.Trigger{Cron: "30 8 1 * *", Zone: "America/Sao_Paulo"}, "2026-01-02T00:00:00Z", []string{"2026-02-01T08:30:00-03:00"}},
		{"gap", flow.Trigger{Cron: "30 2 * * *", Zone: york}, "2026-03-07T02:30:00-05:00", []string{"2026-03-08T03:00:00-04:00", "2026-03-09T02:30:00-04:00"}},
		{"several in a gap are one", flow.Trigger{Cron: "*/20 2,3 * * *", Zone: york}, "2026-03-08T01:00:00-05:00", []string{"2026-03-08T03:00:00-04:00", "2026-03-08T03:20:00-04:00"}},
		{"every hour, gap", flow.Trigger{Cron: "15 * * * *", Zone: york}, "2026-03-08T01:00:00-05:00", []string{"2026-03-08T01:15:00-05:00", "2026-03-08T03:15:00-04:00"}},
		{"midnight is skipped", flow.Trigger{Cron: "0 0 * * *", Zone: "America/Sao_Paulo"}, "2018-11-03T12:00:00-03:00", []string{"2018-11-04T01:00:00-02:00", "2018-11-05T00:00:00-02:00"}},
		{"fold", flow.Trigger{Cron: "30 1 * * *", Zone: york}, "2026-10-31T12:00:00-04:00", []string{"2026-11-01T01:30:00-04:00", "2026-11-02T01:30:00-05:00"}},
		{"from within the second of a fold", flow.Trigger{Cron: "30 1 * * *", Zone: york}, "2026-11-01T01:10:00-05:00", []string{"2026-11-02T01:30:00-05:00"}},
		{"every hour, fold", flow.Trigger{Cron: "30 * * * *", Zone: york}, "2026-11-01T01:00:00-04:00", []string{"2026-11-01T01:30:00-04:00", "2026-11-01T01:30:00-05:00", "2026-11-01T02:30:00-05:00"}},
		{"half an hour's gap", flow.Trigger{Cron: "15 2 * * *", Zone: "Australia/Lord_Howe"}, "2026-10-03T12:00:00+10:30", []string{"2026-10-04T02:30:00+11:00", "2026-10-05T02:15:00+11:00"}},
		{"half an hour's fold", flow.Trigger{Cron: "45 1 * * *", Zone: "Australia/Lord_Howe"}, "2026-04-04T12:00:00+11:00", []string{"2026-04-05T01:45:00+11:00", "2026-04-06T01:45:00+10:30"}},
		{"quarters", flow.Trigger{Every: "15m"}, "2026-01-02T09:07:12Z", []string{"2026-01-02T09:15:00Z", "2026-01-02T09:30:00Z"}},
		{"on the instant", flow.Trigger{Every: "1h"}, "2026-01-02T09:00:00Z", []string{"2026-01-02T10:00:00Z"}},
		{"weeks are Mondays", flow.Trigger{Every: "1w"}, "2026-01-02T09:00:00Z", []string{"2026-01-05T00:00:00Z", "2026-01-12T00:00:00Z"}},
		{"given", flow.Trigger{Times: flow.Texts{"2026-12-25 09:00", "2026-12-24T09:00:00-03:00"}, Zone: "Europe/Lisbon"}, "2026-01-01T00:00:00Z", []string{"2026-12-24T12:00:00Z", "2026-12-25T09:00:00Z", ""}},
		{"given, in a gap", flow.Trigger{Times: flow.Texts{"2026-03-08T02:30"}, Zone: york}, "2026-01-01T00:00:00Z", []string{"2026-03-08T03:00:00-04:00", ""}},
	} {
		s, now := schedule(t, c.trigger), at(t, c.after)
		for _, want := range c.want {
			got := s.Next(now)
			if want == "" {
				if !got.IsZero() {
					t.Errorf("%s: after %s: %s, want never", c.name, now, got)
				}
				break
			}
			if got.Format(time.RFC3339) != want && !(got.Equal(at(t, want)) && c.trigger.Times != nil) {
				t.Errorf("%s: after %s: %s, want %s", c.name, now, got, want)
			}
			now = got
		}
	}
}

func TestDue(t *testing.T) {
	for _, c := range []struct {
		name       string
		trigger    flow.Trigger
		first, now string
		most       int
		last       []string
		count      int
	}{
		{"none", flow.Trigger{Every: "1h"}, "2026-01-02T09:00:00Z", "2026-01-02T08:59:59Z", 3, nil, 0},
		{"one", flow.Trigger{Every: "1h"}, "2026-01-02T09:00:00Z", "2026-01-02T09:00:00Z", 3, []string{"2026-01-02T09:00:00Z"}, 1},
		{"spans", flow.Trigger{Every: "1h"}, "2026-01-02T09:00:00Z", "2026-01-02T13:10:00Z", 2, []string{"2026-01-02T12:00:00Z", "2026-01-02T13:00:00Z"}, 5},
		{"few spans", flow.Trigger{Every: "1h"}, "2026-01-02T09:00:00Z", "2026-01-02T10:10:00Z", 5, []string{"2026-01-02T09:00:00Z", "2026-01-02T10:00:00Z"}, 2},
		{"cron", flow.Trigger{Cron: "0 9 * * *"}, "2026-01-02T09:00:00Z", "2026-01-10T08:00:00Z", 2, []string{"2026-01-08T09:00:00Z", "2026-01-09T09:00:00Z"}, 8},
		{"given", flow.Trigger{Times: flow.Texts{"2026-01-02T09:00", "2026-01-03T09:00", "2027-01-03T09:00"}}, "2026-01-02T09:00:00Z", "2026-02-01T00:00:00Z", 9, []string{"2026-01-02T09:00:00Z", "2026-01-03T09:00:00Z"}, 2},
	} {
		last, count := schedule(t, c.trigger).Due(at(t, c.first), at(t, c.now), c.most)
		var got []string
		for _, l := range last {
			got = append(got, l.Format(time.RFC3339))
		}
		if !slices.Equal(got, c.last) || count != c.count {
			t.Errorf("%s: %d, the last %v; want %d, %v", c.name, count, got, c.count, c.last)
		}
	}
}
