package catalog

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/trama-run/trama/host/flow"
)

const before = `
schema: 1
id: talk
title: Old
triggers: [{id: start, type: message}]
nodes:
  - {id: ask, type: send_message, with: {text: "a\nb"}}
  - {id: wait, type: wait_reply}
  - {id: big, type: conditional, with: {branches: [{port: yes, when: "1 < 2"}, {port: no, when: "false"}]}}
  - {id: bye, type: end, with: {result: {"a.b": 1, n: 9007199254740993}}}
edges:
  - {from: start, to: ask}
  - {from: ask, to: wait}
  - {from: wait, port: next, to: big}
  - {from: big, port: yes, to: bye}
  - {from: big, port: else, to: bye}
`

// TestDiff: each case edits the document above.
func TestDiff(t *testing.T) {
	for _, c := range []struct {
		name string
		edit []string // pairs of old and new text
		want string
	}{
		{"nothing", nil, ""},
		{"another layout of the file", []string{"port: next, ", ""}, ""},
		{"a title", []string{"Old", "New"}, `changed flow : title "Old" -> "New"`},
		{"a title taken out", []string{"title: Old\n", ""}, `changed flow : title "Old" -> `},
		{"a text", []string{`a\nb`, `a\nc`}, `changed node ask: with.text "a\nb" -> "a\nc"`},
		{"an entry of a list", []string{"1 < 2", "2 > 1"}, `changed node big: with.branches[0].when "1 < 2" -> "2 > 1"`},
		{"a shorter list", []string{`, {port: no, when: "false"}`, ""}, `changed node big: with.branches [{"port":"yes","when":"1 < 2"},{"port":"no","when":"false"}] -> [{"port":"yes","when":"1 < 2"}]`},
		{"digits that a float would lose", []string{"9007199254740993", "9007199254740992"}, `changed node bye: with.result.n 9007199254740993 -> 9007199254740992`},
		{"a key with a dot", []string{`"a.b": 1`, `"a.b": "1"`}, `changed node bye: with.result["a.b"] 1 -> "1"`},
		{"a new field", []string{"type: wait_reply", "type: wait_reply, with: {save_as: x}"}, `changed node wait: with  -> {"save_as":"x"}`},
		{"another target", []string{"port: yes, to: bye", "port: yes, to: ask"}, `changed edge big:yes: to "bye" -> "ask"`},
		{"another port", []string{"port: yes, to: bye", "port: no, to: bye"}, `removed edge big:yes: from "big" -> ; port "yes" -> ; to "bye" ->  | added edge big:no: from  -> "big"; port  -> "no"; to  -> "bye"`},
		{"a node taken out", []string{"  - {id: wait, type: wait_reply}\n", "", "  - {from: ask, to: wait}\n", "", "from: wait", "from: ask"},
			`removed node wait: id "wait" -> ; type "wait_reply" ->  | changed edge ask:next: to "wait" -> "big" | removed edge wait:next: from "wait" -> ; port "next" -> ; to "big" -> `},
		{"another order", []string{"  - {id: wait, type: wait_reply}\n", "", "edges:", "  - {id: wait, type: wait_reply}\nedges:"},
			`changed flow : order of nodes ["ask","wait","big","bye"] -> ["ask","big","bye","wait"]`},
		{"a trigger", []string{"[{id: start, type: message}]", "[{id: start, type: message, channel: wa}]"}, `changed trigger start: channel  -> "wa"`},
	} {
		after := strings.NewReplacer(c.edit...).Replace(before)
		differences, err := Diff(document(t, before), document(t, after))
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if got := words(differences); got != c.want {
			t.Errorf("%s:\n%s, want\n%s", c.name, got, c.want)
		}
		back, err := Diff(document(t, after), document(t, before))
		if err != nil || len(back) != len(differences) {
			t.Errorf("%s: %d differences, and %d the other way, %v", c.name, len(differences), len(back), err)
		}
	}
	if _, err := Diff([]byte("{"), document(t, before)); err == nil {
		t.Error("half a document has no error")
	}
}

// document gives a document as the store has it.
func document(t *testing.T, text string) json.RawMessage {
	t.Helper()
	f, err := flow.Parse("", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func words(differences []Difference) string {
	var all []string
	for _, d := range differences {
		var fields []string
		for _, f := range d.Fields {
			fields = append(fields, fmt.Sprintf("%s %s -> %s", f.Field, f.From, f.To))
		}
		all = append(all, fmt.Sprintf("%s %s %s: %s", d.Action, d.Part, d.Name, strings.Join(fields, "; ")))
	}
	return strings.Join(all, " | ")
}
