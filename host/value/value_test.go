package value_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/trama-run/trama/host/value"
	"pgregory.net/rapid"
)

// none stands for a text that a form does not take.
const none = "none"

func TestRead(t *testing.T) {
	br := value.Reading{Country: "BR"}
	comma, point := value.Reading{Decimal: ","}, value.Reading{Decimal: "."}
	type read struct {
		form string
		from any
		how  value.Reading
		want any
	}
	tests := []read{
		{"number", "12", value.Reading{}, int64(12)},
		{"number", " -3 ", value.Reading{}, int64(-3)},
		{"number", "+3", value.Reading{}, int64(3)},
		{"number", "1.234,56", value.Reading{}, 1234.56},
		{"number", "1,234.56", value.Reading{}, 1234.56},
		{"number", "1.234.567", value.Reading{}, int64(1234567)},
		{"number", "1,234,567", value.Reading{}, int64(1234567)},
		{"number", "1.234.567,8", value.Reading{}, 1234567.8},
		{"number", "1,5", value.Reading{}, 1.5},
		{"number", "1.5", value.Reading{}, 1.5},
		{"number", "350.000", value.Reading{}, int64(350000)},
		{"number", "350,000", value.Reading{}, int64(350000)},
		{"number", "350.000", point, int64(350)},
		{"number", "350,000", comma, int64(350)},
		{"number", "1.234", comma, int64(1234)},
		{"number", "1,234", point, int64(1234)},
		{"number", "1.5", comma, none},
		{"number", "0.125", value.Reading{}, 0.125},
		{"number", "1234.567", value.Reading{}, 1234.567},
		{"number", "R$ 1.500,00", value.Reading{}, int64(1500)},
		{"number", "R$ -10", value.Reading{}, int64(-10)},
		{"number", "-R$ 10", value.Reading{}, int64(-10)},
		{"number", "US$5", value.Reading{}, int64(5)},
		{"number", "€ 5", value.Reading{}, int64(5)},
		{"number", "9007199254740993", value.Reading{}, int64(9007199254740993)},
		{"number", int64(4), value.Reading{}, int64(4)},
		{"number", 4.5, value.Reading{}, 4.5},
		{"number", "1,23,4", value.Reading{}, none},
		{"number", "1.2.3", value.Reading{}, none},
		{"number", "1.234,56,7", value.Reading{}, none},
		{"number", "1,2345.6", value.Reading{}, none},
		{"number", "", value.Reading{}, none},
		{"number", "-", value.Reading{}, none},
		{"number", "--1", value.Reading{}, none},
		{"number", ",", value.Reading{}, none},
		{"number", "5.", value.Reading{}, none},
		{"number", ".5", value.Reading{}, none},
		{"number", "1e5", value.Reading{}, none},
		{"number", "٣", value.Reading{}, none},
		{"number", "12 anos", value.Reading{}, none},
		{"number", strings.Repeat("9", 400), value.Reading{}, none},
		{"number", true, value.Reading{}, none},
		{"number", nil, value.Reading{}, none},

		{"integer", "12", value.Reading{}, int64(12)},
		{"integer", "12,00", value.Reading{}, int64(12)},
		{"integer", 3.0, value.Reading{}, int64(3)},
		{"integer", "12,5", value.Reading{}, none},
		{"integer", "99999999999999999999", value.Reading{}, none},

		{"date", "2026-12-25", value.Reading{}, "2026-12-25"},
		{"date", "25/12/2026", value.Reading{}, "2026-12-25"},
		{"date", "5/1/2026", value.Reading{}, "2026-01-05"},
		{"date", "25.12.26", value.Reading{}, "2026-12-25"},
		{"date", "25-12-69", value.Reading{}, "1969-12-25"},
		{"date", "25-12-68", value.Reading{}, "2068-12-25"},
		{"date", "29/02/2024", value.Reading{}, "2024-02-29"},
		{"date", "2026-12-25T23:30:00-03:00", value.Reading{}, "2026-12-25"},
		{"date", "2026-12-25 10:00", value.Reading{}, "2026-12-25"},
		{"date", "29/02/2026", value.Reading{}, none},
		{"date", "31/04/2026", value.Reading{}, none},
		{"date", "12/25/2026", value.Reading{}, none},
		{"date", "00/12/2026", value.Reading{}, none},
		{"date", "25/12-2026", value.Reading{}, none},
		{"date", "25/12", value.Reading{}, none},
		{"date", "25/12/0026", value.Reading{}, none},
		{"date", "2026-12-25 25:00", value.Reading{}, none},
		{"date", "amanhã", value.Reading{}, none},
		{"date", int64(20261225), value.Reading{}, none},

		{"time", "14:30", value.Reading{}, "14:30"},
		{"time", "9:05", value.Reading{}, "09:05"},
		{"time", "14:30:15", value.Reading{}, "14:30:15"},
		{"time", "14h30", value.Reading{}, "14:30"},
		{"time", "14h30min", value.Reading{}, "14:30"},
		{"time", "14H", value.Reading{}, "14:00"},
		{"time", "14 horas", value.Reading{}, "14:00"},
		{"time", "2:30 PM", value.Reading{}, "14:30"},
		{"time", "2pm", value.Reading{}, "14:00"},
		{"time", "12 am", value.Reading{}, "00:00"},
		{"time", "12pm", value.Reading{}, "12:00"},
		{"time", "14", value.Reading{}, none},
		{"time", "14 min", value.Reading{}, none},
		{"time", "14pm", value.Reading{}, none},
		{"time", "0am", value.Reading{}, none},
		{"time", "24:00", value.Reading{}, none},
		{"time", "14:60", value.Reading{}, none},
		{"time", int64(14), value.Reading{}, none},

		{"email", " Ana.Lima+x@Example.COM ", value.Reading{}, "Ana.Lima+x@example.com"},
		{"email", "ana@exämple.de", value.Reading{}, "ana@exämple.de"},
		{"email", "ana@localhost", value.Reading{}, none},
		{"email", "Ana <ana@example.com>", value.Reading{}, none},
		{"email", "ana@example", value.Reading{}, none},
		{"email", "ana@example..com", value.Reading{}, none},
		{"email", "ana@-example.com", value.Reading{}, none},
		{"email", "ana@127.0.0.1", value.Reading{}, none},
		{"email", "ana@example.com\nbcc: x@example.com", value.Reading{}, none},
		{"email", "ana example@x.com", value.Reading{}, none},
		{"email", strings.Repeat("a", 65) + "@example.com", value.Reading{}, none},
		{"email", nil, value.Reading{}, none},

		{"phone", "+55 (11) 98765-4321", value.Reading{}, "+5511987654321"},
		{"phone", "0055 11 98765 4321", value.Reading{}, "+5511987654321"},
		{"phone", "5511987654321", value.Reading{}, "+5511987654321"},
		{"phone", int64(5511987654321), value.Reading{}, "+5511987654321"},
		{"phone", "11 98765-4321", br, "+5511987654321"},
		{"phone", "(011) 98765-4321", br, "+5511987654321"},
		{"phone", "11 3456-7890", br, "+551134567890"},
		{"phone", "5511987654321", br, "+5511987654321"},
		{"phone", "+351 912 345 678", br, "+351912345678"},
		{"phone", "+55 (0)11 98765-4321", value.Reading{}, "+5511987654321"},
		{"phone", "(202) 555-0123", value.Reading{Country: "US"}, "+12025550123"},
		{"phone", "+1 202 555 0123", br, "+12025550123"},
		{"phone", "+247 12345", value.Reading{}, "+24712345"},
		{"phone", "8 912 345-67-89", value.Reading{Country: "RU"}, "+79123456789"},
		{"phone", "98765-4321", br, none},
		{"phone", "98765-4321 ramal 3", br, none},
		{"phone", "11 98765-4321", value.Reading{}, none},
		{"phone", "+55 11 8765", value.Reading{}, none},
		{"phone", "+1 102 555 0123", value.Reading{}, none},
		{"phone", "+", value.Reading{}, none},
		{"phone", "1+1", value.Reading{}, none},
		{"phone", "+2471234567890123", value.Reading{}, none},
		{"phone", "", br, none},

		{"cpf", "529.982.247-25", value.Reading{}, "52998224725"},
		{"cpf", "52998224725", value.Reading{}, "52998224725"},
		{"cpf", " 529 982 247 25 ", value.Reading{}, "52998224725"},
		{"cpf", "529.982.247-26", value.Reading{}, none},
		{"cpf", "529.982.247-15", value.Reading{}, none},
		{"cpf", "111.111.111-11", value.Reading{}, none},
		{"cpf", "5299822472", value.Reading{}, none},
		{"cpf", "", value.Reading{}, none},
		{"cpf", int64(52998224725), value.Reading{}, none},

		{"cnpj", "11.222.333/0001-81", value.Reading{}, "11222333000181"},
		{"cnpj", "11222333000181", value.Reading{}, "11222333000181"},
		{"cnpj", "12.abc.345/01de-35", value.Reading{}, "12ABC34501DE35"},
		{"cnpj", "12.ABC.345/01DE-36", value.Reading{}, none},
		{"cnpj", "11.222.333/0001-82", value.Reading{}, none},
		{"cnpj", "00.000.000/0000-00", value.Reading{}, none},

		{"yes_no", "Sim!", value.Reading{}, true},
		{"yes_no", "SIM, claro", value.Reading{}, true},
		{"yes_no", "sim, por favor", value.Reading{}, true},
		{"yes_no", "👍🏽", value.Reading{}, true},
		{"yes_no", "Não, obrigada.", value.Reading{}, false},
		{"yes_no", "nao", value.Reading{}, false},
		{"yes_no", true, value.Reading{}, true},
		{"yes_no", "talvez", value.Reading{}, none},
		{"yes_no", "", value.Reading{}, none},
		{"yes_no", nil, value.Reading{}, none},

		{"colour", "red", value.Reading{}, none},
		{"number", strings.Repeat(" ", 2000) + "1", value.Reading{}, none},
	}
	for _, test := range tests {
		got, ok := value.Read(test.form, test.from, test.how)
		if want := test.want; ok != (want != none) || ok && got != want {
			t.Errorf("%s %#v %+v: got %#v, %t; want %#v", test.form, test.from, test.how, got, ok, want)
		}
	}
	for _, form := range value.Forms() {
		taken := slices.ContainsFunc(tests, func(test read) bool { return test.form == form.Name && test.want != none })
		if !taken || form.Doc == "" || form.Gives == "" {
			t.Errorf("form %s: no case takes it, or it has no doc", form.Name)
		}
	}
}

func TestNumberOfOtherSystems(t *testing.T) {
	tests := []struct {
		from string
		how  value.Reading
		want any
	}{
		{"1.234", value.Reading{}, 1.234},
		{"1.234", value.Reading{Decimal: ","}, int64(1234)},
		{"1e3", value.Reading{}, int64(1000)},
		{"1.234,5", value.Reading{}, 1234.5},
		{"9007199254740993", value.Reading{}, int64(9007199254740993)},
		{"1e999", value.Reading{}, none},
		{"true", value.Reading{}, none},
		{`"1"`, value.Reading{}, none},
	}
	for _, test := range tests {
		got, ok := value.Number(test.from, test.how)
		if ok != (test.want != none) || ok && got != test.want {
			t.Errorf("%q %+v: got %#v, %t; want %#v", test.from, test.how, got, ok, test.want)
		}
	}
}

func TestFold(t *testing.T) {
	same := [][]string{
		{"nao", "NÃO", " Não\u00a0", "na\u0303o", "ｎａｏ"},
		{"sao paulo", "São  Paulo", "SÃO\nPAULO"},
		{"strasse", "Straße", "STRASSE"},
		{"1", "1️⃣", "１"},
		{"", "  ", "\u0301"},
	}
	for _, texts := range same {
		for _, text := range texts {
			if got := value.Fold(text); got != texts[0] {
				t.Errorf("%q: got %q, want %q", text, got, texts[0])
			}
		}
	}
	// Marks of other scripts are letters of their own.
	for _, different := range [][2]string{{"か", "が"}, {"कि", "कु"}, {"á", "b"}} {
		if value.Fold(different[0]) == value.Fold(different[1]) {
			t.Errorf("%q and %q are the same", different[0], different[1])
		}
	}
}

func TestChoose(t *testing.T) {
	options, err := value.Options([]any{
		map[string]any{"id": "sales", "title": "Vendas", "words": []any{"comprar", "preço"}},
		map[string]any{"id": "help", "title": "Atendimento técnico", "description": "x"},
		"20", int64(2),
	})
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct{ payload, said, want string }{
		{"help", "Vendas", "help"},
		{"gone", "vendas", "sales"},
		{"", "VENDAS!", "sales"},
		{"", "sales", "sales"},
		{"", "Preco", "sales"},
		{"", "atendimento tecnico", "help"},
		{"", "1", "sales"},
		{"", "1)", "sales"},
		{"", "2️⃣", "2"}, // an id is before a number
		{"", "3", "20"},
		{"", "20", "20"},
		{"", "5", none},
		{"", "0", none},
		{"", "", none},
		{"", "...", none},
		{"", "vendas e preço", none},
		{"", strings.Repeat(" ", 2000) + "vendas", none},
	}
	for _, test := range tests {
		got, ok := value.Choose(options, test.payload, test.said)
		if ok != (test.want != none) || ok && got.ID != test.want {
			t.Errorf("%q %q: got %q, %t; want %q", test.payload, test.said, got.ID, ok, test.want)
		}
	}
	for _, bad := range []struct {
		from any
		want string
	}{
		{nil, "must be a list"},
		{[]any{}, "must be a list"},
		{[]any{"a", "a"}, `option 2: the id "a" is there twice`},
		{[]any{map[string]any{"title": "x"}}, "option 1: it has no id"},
		{[]any{[]any{}}, "option 1: its id does not fit"},
		{[]any{map[string]any{"id": "x", "words": "a"}}, "option 1: its words does not fit"},
	} {
		if _, err := value.Options(bad.from); err == nil || !strings.Contains(err.Error(), bad.want) {
			t.Errorf("%v: got %v, want %s", bad.from, err, bad.want)
		}
	}
}

func TestZone(t *testing.T) {
	if zone, err := value.Zone("America/Sao_Paulo"); err != nil || zone.String() != "America/Sao_Paulo" {
		t.Errorf("got %v, %v", zone, err)
	}
	for _, name := range []string{"", "Local", "America/Sao Paulo", "../etc/passwd"} {
		if _, err := value.Zone(name); err == nil {
			t.Errorf("%q is taken", name)
		}
	}
}

// TestWrittenNumbers: however a number is written, it is read back.
func TestWrittenNumbers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64Range(-1e12, 1e12).Draw(t, "n")
		cents := rapid.IntRange(0, 99).Draw(t, "cents")
		group := rapid.SampledFrom([]string{"", ".", ","}).Draw(t, "group")
		decimal := ","
		if group == "," {
			decimal = "."
		}
		digits := strconv.FormatInt(max(n, -n), 10)
		grouped := ""
		for i, c := range digits {
			if i > 0 && (len(digits)-i)%3 == 0 {
				grouped += group
			}
			grouped += string(c)
		}
		sign := ""
		if n < 0 {
			sign = "-"
		}
		text := fmt.Sprintf("%s%s%s%02d", sign, grouped, decimal, cents)
		want, err := strconv.ParseFloat(fmt.Sprintf("%s%s.%02d", sign, digits, cents), 64)
		if err != nil {
			t.Fatal(err)
		}
		for _, how := range []value.Reading{{}, {Decimal: decimal}} {
			got, ok := value.Read("number", text, how)
			if !ok || value.Float(got) != want {
				t.Fatalf("%q: got %v, %t; want %v", text, got, ok, want)
			}
		}
		if again, ok := value.Number(value.Integral(want), value.Reading{}); !ok || value.Float(again) != want {
			t.Fatalf("%v became %v", want, again)
		}
	})
}

// TestRegistrations: of the hundred pairs of check digits one is right, and a
// check digit that is written wrong is noticed.
func TestRegistrations(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		form, length := "cpf", 9
		if rapid.Bool().Draw(t, "cnpj") {
			form, length = "cnpj", 12
		}
		base := rapid.StringOfN(rapid.RuneFrom([]rune("0123456789")), length, length, -1).Draw(t, "base")
		if strings.Trim(base, base[:1]) == "" {
			return
		}
		var right []string
		for check := range 100 {
			if got, ok := value.Read(form, fmt.Sprintf("%s%02d", base, check), value.Reading{}); ok {
				right = append(right, got.(string))
			}
		}
		if len(right) != 1 {
			t.Fatalf("%s %s: right ones are %v", form, base, right)
		}
		at := rapid.IntRange(length, length+1).Draw(t, "at")
		wrong := []byte(right[0])
		wrong[at] = '0' + (wrong[at]-'0'+byte(rapid.IntRange(1, 9).Draw(t, "by")))%10
		if _, ok := value.Read(form, string(wrong), value.Reading{}); ok {
			t.Fatalf("%s passes with another check digit: %s", right[0], wrong)
		}
	})
}

// FuzzRead: no text stops a form, and what is read is read again as itself.
func FuzzRead(f *testing.F) {
	for _, s := range []string{"1.234,56", "R$ -10", "25/12/2026", "2026-12-25T10:00:00Z", "2:30 pm", "+55 (11) 98765-4321", "ana@example.com", "529.982.247-25", "12.ABC.345/01DE-35", "Não, obrigada 👍🏽", "ﷺ", "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, how := range []value.Reading{{}, {Country: "BR", Decimal: ","}, {Country: "IT", Decimal: "."}} {
			for _, form := range value.Forms() {
				got, ok := value.Read(form.Name, s, how)
				if !ok {
					continue
				}
				if again, ok := value.Read(form.Name, got, how); !ok || again != got {
					t.Errorf("%s %q: %#v became %#v", form.Name, s, got, again)
				}
			}
		}
		if _, ok := value.Number(s, value.Reading{}); ok && len(s) > 1000 {
			t.Errorf("a number of %d bytes", len(s))
		}
		if folded := value.Fold(s); utf8.ValidString(s) && value.Fold(folded) != folded {
			t.Errorf("%q folds to %q and then to %q", s, folded, value.Fold(folded))
		}
		if options, err := value.Options([]any{s, "x" + s}); err == nil {
			if got, ok := value.Choose(options, s, ""); !ok || got.ID != s {
				t.Errorf("%q is not chosen by its id: %q", s, got.ID)
			}
		}
	})
}
