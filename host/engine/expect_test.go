package engine_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/trama-run/trama/host/engine"
	"github.com/trama-run/trama/host/flow"
)

func TestExpect(t *testing.T) {
	text := func(s string) map[string]any { return map[string]any{"type": "text", "text": s} }
	picture := map[string]any{"kind": "image", "id": "1"}
	place := map[string]any{"latitude": 1.5, "longitude": int64(2)}
	press := map[string]any{"type": "button_reply", "text": "Agora", "payload": "yes"}
	type given struct {
		expect string
		reply  map[string]any
		fits   bool
		value  any // of the output
	}
	tests := []given{
		{"type: any", text("x"), true, nil},
		{"type: any", map[string]any{"type": "location", "text": "", "location": place}, true, nil},
		{"type: text", text("  olá "), true, "olá"},
		{"type: text", text(" "), false, nil},
		{"type: text, min: 3", text("olá"), true, "olá"},
		{"type: text, min: 4", text("olá"), false, nil},
		{"type: text, max: 3", text("olá"), true, "olá"},
		{"type: text, max: 2", text("olá"), false, nil},
		{"type: number", text("R$ 1.234,50"), true, 1234.5},
		{"type: number", text("1.234"), true, int64(1234)},
		{`type: number, decimal: "."`, text("1.234"), true, 1.234},
		{"type: number", text("dez"), false, nil},
		{"type: number, min: 1, max: 10", text("10"), true, int64(10)},
		{"type: number, min: 1, max: 10", text("10,01"), false, nil},
		{"type: number, min: 1, max: 10", text("0,99"), false, nil},
		{`type: number, min: "{{ flow.least ?? 3 }}"`, text("2"), false, nil},
		{"type: integer", text("3"), true, int64(3)},
		{"type: integer", text("3,5"), false, nil},
		{"type: date", text("3/2/2026"), true, "2026-02-03"},
		{`type: date, min: "{{ now }}"`, text("2/2/2026"), false, nil},
		{`type: date, min: "{{ now }}"`, text("3/2/2026"), true, "2026-02-03"},
		{"type: date, max: 2026-01-31", text("1/2/2026"), false, nil},
		{"type: time", text("2 pm"), true, "14:00"},
		{`type: time, min: "08:00", max: "18:00"`, text("18h"), true, "18:00"},
		{`type: time, min: "08:00", max: "18:00"`, text("18:00:01"), false, nil},
		{`type: time, min: "08:00", max: "18:00"`, text("7h59"), false, nil},
		{"type: email", text("Ana@Example.com "), true, "Ana@example.com"},
		{"type: email", text("ana"), false, nil},
		{"type: phone", text("+55 11 98765-4321"), true, "+5511987654321"},
		{"type: phone, country: BR", text("(11) 98765-4321"), true, "+5511987654321"},
		{"type: phone, country: BR", text("1234"), false, nil},
		{"type: cpf", text("529.982.247-25"), true, "52998224725"},
		{"type: cpf", text("529.982.247-24"), false, nil},
		{"type: cnpj", text("11.222.333/0001-81"), true, "11222333000181"},
		{"type: cnpj", text("x"), false, nil},
		{"type: yes_no", text("Sim!"), true, true},
		{"type: yes_no", text("NAO"), true, false},
		{"type: yes_no", text("talvez"), false, nil},
		{"type: yes_no", press, true, true},
		{"type: option, options: [Vendas, Ajuda]", text("ajuda"), true, "Ajuda"},
		{"type: option, options: [Vendas, Ajuda]", text("1"), true, "Vendas"},
		{"type: option, options: [Vendas, Ajuda]", text("3"), false, nil},
		{"type: option, options: [{id: no, title: Depois}, {id: yes, title: Já}]", press, true, "yes"},
		{`type: pattern, pattern: "^[0-9]{5}$"`, text("12345"), true, "12345"},
		{`type: pattern, pattern: "#([0-9]+)"`, text("pedido #12 por favor"), true, "12"},
		{`type: pattern, pattern: "^[0-9]{5}$"`, text("1234"), false, nil},
		{"type: location", map[string]any{"type": "location", "text": "", "location": place}, true, place},
		{"type: location", text("here"), false, nil},
		{"type: media", map[string]any{"type": "media", "text": "", "media": picture}, true, picture},
		{"type: media", text("x"), false, nil},
	}
	for _, kind := range []string{"image", "video", "audio", "voice", "document", "sticker"} {
		file := map[string]any{"kind": kind}
		tests = append(tests,
			given{"type: " + kind, map[string]any{"type": "media", "text": "x", "media": file}, true, file},
			given{"type: " + kind, map[string]any{"type": "media", "text": "x", "media": map[string]any{"kind": "other"}}, false, nil})
	}
	for _, test := range tests {
		programs := engine.Programs{"f": compile(t, []byte(fmt.Sprintf(`
schema: 1
id: f
triggers: [{id: start, type: message}]
nodes: [{id: ask, type: wait_reply, with: {expect: {%s}}}]
edges: [{from: start, to: ask}]
`, test.expect)))}
		p := player{programs: programs, stored: true}
		p.play(t, event{Start: &start{Trigger: "start"}})
		o := p.play(t, event{Message: test.reply})
		port := flow.PortInvalid
		if test.fits {
			port = flow.PortNext
		}
		if len(o.Steps) != 1 || o.Steps[0].Port != port {
			t.Errorf("{%s} %v: %+v, want port %s", test.expect, test.reply, o.Steps, port)
			continue
		}
		output, _ := o.Steps[0].Output.(map[string]any)
		if got := output["value"]; !reflect.DeepEqual(got, test.value) || output["text"] != test.reply["text"] {
			t.Errorf("{%s} %v: output %v, want value %v", test.expect, test.reply, output, test.value)
		}
	}
	for _, kind := range flow.ExpectTypes() {
		for _, fits := range []bool{true, false} {
			shown := func(test given) bool {
				return test.fits == fits && strings.HasPrefix(test.expect+",", "type: "+kind.Name+",")
			}
			if kind.Name != flow.ExpectAny && !slices.ContainsFunc(tests, shown) {
				t.Errorf("no case where type %s fits: %t", kind.Name, fits)
			}
		}
		if kind.Doc == "" || kind.Gives == "" {
			t.Errorf("type %s has no doc", kind.Name)
		}
	}
}
