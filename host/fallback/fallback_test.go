package fallback_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"pgregory.net/rapid"

	"github.com/trama-run/trama/host/fallback"
	"github.com/trama-run/trama/pdk/abi"
)

func buttons(text string, titles ...string) abi.Message {
	m := abi.Message{Type: abi.MessageButtons, Text: text}
	for _, title := range titles {
		m.Buttons = append(m.Buttons, abi.Button{ID: "id-" + title, Title: title})
	}
	return m
}

func list(text string, titles ...string) abi.Message {
	l := abi.List{Button: "Open", Sections: []abi.Section{{}}}
	for _, title := range titles {
		l.Sections[0].Rows = append(l.Sections[0].Rows, abi.Row{ID: "id-" + title, Title: title})
	}
	return abi.Message{Type: abi.MessageList, Text: text, List: &l}
}

func file(kind, text string) abi.Message {
	return abi.Message{Type: abi.MessageMedia, Text: text, Media: &abi.Media{Kind: kind, URL: "https://example.com/f"}}
}

// TestForOpener: a list that opens at too long a text opens at a short one.
func TestForOpener(t *testing.T) {
	m := list("Choose", "A")
	m.List.Button = "Choose one of them"
	plan, err := fallback.For(m, fallback.Adapter{Bounds: abi.Bounds{ButtonTitle: 8}})
	if err != nil || plan.Messages[0].List.Button != "Menu" || m.List.Button != "Choose one of them" {
		t.Errorf("got %+v, %v", plan.Messages, err)
	}
}

// TestFor: what is sent in place of messages, as "kind: text [buttons]".
func TestFor(t *testing.T) {
	whatsapp := abi.Bounds{Text: 40, Caption: 12, Interactive: 20, Buttons: 3, ButtonTitle: 8, Rows: 4, RowTitle: 10, Cards: 2, URLButtons: 1, Edits: -1}
	all := abi.MessageKinds()
	link := abi.Button{Title: "Site", URL: "https://example.com"}
	linked := buttons("Sure?", "Yes", "No")
	linked.Buttons = append(linked.Buttons, link)
	picture := buttons("Sure?", "Yes")
	picture.Media = &abi.Media{Kind: "image", URL: "https://example.com/i"}
	framed := buttons("Sure?", "Yes", "No")
	framed.Header, framed.Footer = "Top", "Small"
	described := list("Choose", "A", "B")
	described.List.Sections[0].Title = "First"
	described.List.Sections[0].Rows[0].Description = "the one"
	described.List.Sections = append(described.List.Sections, abi.Section{Title: "Second", Rows: []abi.Row{{ID: "c", Title: "C"}}})
	cards := abi.Message{Type: abi.MessageCards, Text: "See", Cards: []abi.Card{
		{Title: "One", Subtitle: "first", Media: &abi.Media{Kind: "image", URL: "https://example.com/1"}, Buttons: []abi.Button{{ID: "b1", Title: "Buy"}}},
		{Title: "Two", Buttons: []abi.Button{{ID: "b2", Title: "Take"}, link}},
		{Title: "Three"},
	}}
	several := abi.Message{Type: abi.MessageCards, Cards: []abi.Card{
		{Title: "One", Buttons: []abi.Button{{ID: "a", Title: "3"}, {ID: "b", Title: "4 plus"}}},
		{Title: "Two", Buttons: []abi.Button{{ID: "c", Title: "Yes"}, {ID: "d", Title: "No"}}},
	}}
	ids := buttons("Sure?", "Yes", "No")
	ids.Buttons[0].ID = strings.Repeat("x", 65)
	opener := list("Choose", "A")
	opener.List.Button = "Choose one of them"
	pictured := abi.Message{Type: abi.MessageCards, Text: "See", Cards: []abi.Card{cards.Cards[0], cards.Cards[0]}}
	short := pictured
	short.Cards = short.Cards[:1]
	bare := abi.Message{Type: abi.MessageCards, Text: "See", Cards: []abi.Card{cards.Cards[0], {Title: "Two", Buttons: []abi.Button{{ID: "b2", Title: "Take"}}}}}
	strict := abi.Bounds{Cards: 3, FewestCards: 2, CardMedia: 1, ButtonTitle: 8}
	framedList := list("Choose", "A", "B")
	framedList.Header, framedList.Footer = "A long header", "Small"
	framedPicture := picture
	framedPicture.Header = "Top"
	longLink := abi.Message{Type: abi.MessageButtons, Text: "See", Buttons: []abi.Button{{Title: "Our whole site", URL: "https://example.com"}}}
	longPicture, spoken := picture, picture
	longPicture.Text = "One two three four five six."
	spoken.Media = &abi.Media{Kind: "voice", URL: "https://example.com/v"}
	days := abi.Message{Type: abi.MessageList, Text: "When?", List: &abi.List{Button: "Open", Sections: []abi.Section{
		{Title: "Monday", Rows: []abi.Row{{ID: "m10", Title: "10h"}}}, {Title: "Tuesday", Rows: []abi.Row{{ID: "t10", Title: "10h"}}},
	}}}
	for _, c := range []struct {
		name   string
		m      abi.Message
		sends  []string
		bounds abi.Bounds
		want   []string
	}{
		{"as it is", buttons("Sure?", "Yes", "No"), all, abi.Bounds{}, []string{"buttons: Sure? [Yes|No]"}},
		{"not said", buttons("Sure?", "Yes"), nil, abi.Bounds{}, []string{"buttons: Sure? [Yes]"}},
		{"numbers", buttons("Sure?", "Yes", "No"), []string{"text"}, abi.Bounds{}, []string{"text: Sure?\n\n1. Yes\n2. No"}},
		{"header and footer", framed, []string{"text"}, abi.Bounds{}, []string{"text: Top\n\nSure?\n\n1. Yes\n2. No\n\nSmall"}},
		{"too many", buttons("Sure?", "1", "2", "3", "4"), all, whatsapp, []string{"list: Sure? [1|2|3|4]"}},
		{"too many for a list", buttons("Sure?", "1", "2", "3", "4", "5"), all, whatsapp, []string{"text: Sure?\n\n1\n2\n3\n4\n5"}},
		{"long title", buttons("Sure?", "Naturally"), all, whatsapp, []string{"list: Sure? [Naturally]"}},
		{"very long title", buttons("Sure?", "Naturally so"), all, whatsapp, []string{"text: Sure?\n\n1. Naturally so"}},
		{"link beside answers", linked, all, whatsapp, []string{"text: Sure?\nSite:", "buttons: https://example.com [Yes|No]"}},
		{"link alone", abi.Message{Type: abi.MessageButtons, Text: "See", Buttons: []abi.Button{link}}, all, whatsapp, []string{"buttons: See [Site]"}},
		{"link in text", abi.Message{Type: abi.MessageButtons, Text: "See", Buttons: []abi.Button{link}}, []string{"text"}, whatsapp, []string{"text: See\nSite: https://example.com"}},
		{"no links at all", linked, all, abi.Bounds{URLButtons: -1}, []string{"buttons: Sure?\nSite: https://example.com [Yes|No]"}},
		{"links without limit", linked, all, abi.Bounds{}, []string{"buttons: Sure? [Yes|No|Site]"}},
		{"picture above numbers", picture, []string{"text", "image"}, abi.Bounds{}, []string{"image: Sure?\n\n1. Yes"}},
		{"picture above numbers, long", picture, []string{"text", "image"}, whatsapp, []string{"image: ", "text: Sure?\n\n1. Yes"}},
		{"picture above a list", picture, []string{"text", "image", "list"}, abi.Bounds{}, []string{"image: ", "list: Sure? [Yes]"}},
		{"picture that can't be", picture, []string{"text", "buttons"}, abi.Bounds{}, []string{"text: https://example.com/i", "buttons: Sure? [Yes]"}},
		{"list", described, all, whatsapp, []string{"list: Choose [A|B|C]"}},
		{"list as buttons", described, []string{"text", "buttons"}, abi.Bounds{}, []string{"buttons: Choose\n\nFirst\nA: the one\nB\n\nSecond\nC [A|B|C]"}},
		{"list as numbers", described, []string{"text", "buttons"}, abi.Bounds{Buttons: 2}, []string{"text: Choose\n\nFirst\n1. A – the one\n2. B\n\nSecond\n3. C"}},
		{"long section title", described, all, abi.Bounds{SectionTitle: 5, Buttons: 2}, []string{"text: Choose\n\nFirst\n1. A – the one\n2. B\n\nSecond\n3. C"}},
		{"section titles that fit", described, all, abi.Bounds{SectionTitle: 6, RowText: 7}, []string{"list: Choose [A|B|C]"}},
		{"long description of a row", described, all, abi.Bounds{RowText: 6}, []string{"buttons: Choose\n\nFirst\nA: the one\nB\n\nSecond\nC [A|B|C]"}},
		{"long header above a list", framedList, all, abi.Bounds{Frame: 12}, []string{"list: A long header\n\nChoose [A|B]"}},
		{"long header and footer", framedList, all, abi.Bounds{Frame: 4}, []string{"list: A long header\n\nChoose\n\nSmall [A|B]"}},
		{"header of the length that fits", framedList, all, abi.Bounds{Frame: 13}, []string{"list: Choose [A|B]"}},
		{"header above a picture", framedPicture, all, abi.Bounds{Frame: 60}, []string{"buttons: Top\n\nSure? [Yes]"}},
		{"long title of a link", longLink, all, whatsapp, []string{"text: See\nOur whole site: https://example.com"}},
		{"long text above buttons", buttons("One two three four five six.", "Yes"), all, whatsapp, []string{"text: One two three four", "buttons: five six. [Yes]"}},
		{"long text above buttons and a picture", longPicture, all, abi.Bounds{Caption: 20, Interactive: 100}, []string{"text: One two three four", "buttons: five six. [Yes]"}},
		{"a voice above buttons", spoken, all, whatsapp, []string{"voice: ", "buttons: Sure? [Yes]"}},
		{"no place for a frame", framed, all, abi.Bounds{Frame: -1, Interactive: 16}, []string{"text: Top\n\nSure?", "buttons: Small [Yes|No]"}},
		{"no place beside rows", described, all, abi.Bounds{RowText: -1, SectionTitle: -1, Frame: -1}, []string{"list: Choose\n\nFirst\nA: the one\nB\n\nSecond\nC [A|B|C]"}},
		{"no place beside rows with one title", days, all, abi.Bounds{RowText: -1, SectionTitle: -1}, []string{"text: When?\n\nMonday\n1. 10h\n\nTuesday\n2. 10h"}},
		{"rows with one title", days, all, whatsapp, []string{"list: When? [10h|10h]"}},
		{"rows with one title as buttons", days, []string{"text", "buttons"}, abi.Bounds{}, []string{"text: When?\n\nMonday\n1. 10h\n\nTuesday\n2. 10h"}},
		{"numbers that are titles", buttons("How many?", "3", "2", "1"), []string{"text"}, abi.Bounds{}, []string{"text: How many?\n\n3\n2\n1"}},
		{"numbers that are large titles", buttons("How many?", "10", "20"), []string{"text"}, abi.Bounds{}, []string{"text: How many?\n\n1. 10\n2. 20"}},
		{"cards", cards, all, whatsapp, []string{"cards: See [One|Two]", "cards:  [Three]"}},
		{"cards apart", cards, []string{"text", "image", "buttons"}, abi.Bounds{}, []string{"text: See", "buttons: One\nfirst [Buy]", "buttons: Two [Take|Site]", "text: Three"}},
		{"cards with a number for a title", several, []string{"text"}, abi.Bounds{}, []string{"text: One\n\n3\n4 plus", "text: Two\n\nYes\nNo"}},
		{"cards as texts", cards, []string{"text"}, abi.Bounds{}, []string{"text: See", "text: One\nfirst\n\n1. Buy\nhttps://example.com/1", "text: Two\nSite: https://example.com\n\n2. Take", "text: Three"}},
		{"carousel", pictured, all, strict, []string{"cards: See [One|One]"}},
		{"carousel of one card", short, all, strict, []string{"text: See", "buttons: One\nfirst [Buy]"}},
		{"carousel with a card without a picture", bare, all, strict, []string{"text: See", "buttons: One\nfirst [Buy]", "buttons: Two [Take]"}},
		{"carousel with long cards", pictured, all, abi.Bounds{CardText: 5}, []string{"text: See", "buttons: One\nfirst [Buy]", "buttons: One\nfirst [Buy]"}},
		{"what opens a list", opener, all, abi.Bounds{ButtonTitle: 8}, []string{"list: Choose [A]"}},
		{"long id of a button", ids, all, abi.Bounds{ButtonID: 64, RowID: 64}, []string{"text: Sure?\n\n1. Yes\n2. No"}},
		{"long id of a button, short enough for a list", ids, all, abi.Bounds{ButtonID: 64, RowID: 65}, []string{"list: Sure? [Yes|No]"}},
		{"long id of a row", list("Choose", "A", "B"), all, abi.Bounds{RowID: 3, ButtonID: 3}, []string{"text: Choose\n\n1. A\n2. B"}},
		{"one title twice", buttons("Sure?", "Yes", "Yes"), all, abi.Bounds{UniqueTitles: 1}, []string{"text: Sure?\n\n1. Yes\n2. Yes"}},
		{"caption", file("image", "A long caption for it"), all, whatsapp, []string{"image: A long", "text: caption for it"}},
		{"voice", file("voice", "hear"), []string{"text", "audio"}, abi.Bounds{}, []string{"audio: ", "text: hear"}},
		{"link", file("video", "see"), []string{"text"}, abi.Bounds{}, []string{"text: see\nhttps://example.com/f"}},
		{"place", abi.Message{Type: abi.MessageLocation, Location: &abi.Location{Latitude: -23.5, Longitude: -46.25, Name: "Here"}}, []string{"text"}, abi.Bounds{}, []string{"text: Here\nhttps://www.google.com/maps/search/?api=1&query=-23.5%2C-46.25"}},
		{"contacts", abi.Message{Type: abi.MessageContacts, Contacts: []abi.ContactCard{{Name: "Ana", Organization: "Acme", Phones: []abi.ContactValue{{Value: "+5511"}}}, {Name: "Bia"}}}, []string{"text"}, abi.Bounds{}, []string{"text: Ana\nAcme\n+5511\n\nBia"}},
		{"reaction", abi.Message{Type: abi.MessageReaction, Reaction: &abi.Reaction{MessageID: "1", Emoji: "x"}}, []string{"text"}, abi.Bounds{}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			plan, err := fallback.For(c.m, fallback.Adapter{Sends: c.sends, Bounds: c.bounds})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, m := range plan.Messages {
				got = append(got, shown(m))
				if len(c.m.Cards) == 0 { // cards may have no text
					if wrong := m.Check(); wrong != nil {
						t.Errorf("%s: %v", shown(m), wrong)
					}
				}
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got\n%q, want\n%q", got, c.want)
			}
			if plan.Dropped != (c.want == nil) {
				t.Errorf("dropped: %v", plan.Dropped)
			}
		})
	}
}

func shown(m abi.Message) string {
	var titles []string
	for _, b := range m.Buttons {
		titles = append(titles, b.Title)
	}
	if m.List != nil {
		for _, s := range m.List.Sections {
			for _, r := range s.Rows {
				titles = append(titles, r.Title)
			}
		}
	}
	for _, c := range m.Cards {
		titles = append(titles, c.Title)
	}
	if titles == nil {
		return m.Kind() + ": " + m.Text
	}
	return m.Kind() + ": " + m.Text + " [" + strings.Join(titles, "|") + "]"
}

func TestRefused(t *testing.T) {
	long := abi.Message{Type: abi.MessageText, Text: strings.Repeat("word ", 1000)}
	for _, c := range []struct {
		name, code string
		m          abi.Message
		bounds     abi.Bounds
	}{
		{"template", abi.CodeUnsupported, abi.Message{Type: abi.MessageTemplate, Template: &abi.Template{Name: "a"}}, abi.Bounds{}},
		{"form", abi.CodeUnsupported, abi.Message{Type: abi.MessageForm, Text: "x", Form: &abi.Form{ID: "1"}}, abi.Bounds{}},
		{"file without an address", abi.CodeUnsupported, abi.Message{Type: abi.MessageMedia, Media: &abi.Media{Kind: "image", ID: "1"}}, abi.Bounds{}},
		{"too many messages", abi.CodeLimit, long, abi.Bounds{Text: 10}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := fallback.For(c.m, fallback.Adapter{Sends: []string{"text"}, Bounds: c.bounds})
			if err == nil || err.Code != c.code {
				t.Errorf("got %v, want %s", err, c.code)
			}
		})
	}
}

// TestEdits: the first message answers and replaces what the one did.
func TestEdits(t *testing.T) {
	m := abi.Message{Type: abi.MessageText, Text: "one two three", ReplyTo: "r", Edits: "e"}
	for _, c := range []struct {
		edits int
		want  string
	}{{0, "e"}, {-1, ""}} {
		plan, err := fallback.For(m, fallback.Adapter{Bounds: abi.Bounds{Text: 8, Edits: c.edits}})
		if err != nil {
			t.Fatal(err)
		}
		if len(plan.Messages) != 2 || plan.Messages[0].ReplyTo != "r" || plan.Messages[0].Edits != c.want || plan.Messages[1].ReplyTo != "" || plan.Messages[1].Edits != "" {
			t.Errorf("edits %d: %+v", c.edits, plan.Messages)
		}
	}
}

// TestAnswerOfLongList: the rows of a list that stands there as a text are answered
// by number and by title.
func TestAnswerOfLongList(t *testing.T) {
	m := list("Choose", "A", "B")
	m.List.Sections[0].Title = "What we have in the shop today"
	plan, failure := fallback.For(m, fallback.Adapter{Bounds: abi.Bounds{SectionTitle: 24, Buttons: 1}})
	if failure != nil {
		t.Fatal(failure)
	}
	for _, text := range []string{"2", "2.", "b"} {
		if got, is := plan.Choices.Answer(abi.Message{Type: abi.MessageText, Text: text}); !is || got.Type != abi.MessageListReply || got.Payload != "id-B" {
			t.Errorf("%q is %+v", text, got)
		}
	}
}

func TestAnswer(t *testing.T) {
	ask := func(m abi.Message, a fallback.Adapter) *fallback.Choices {
		plan, err := fallback.For(m, a)
		if err != nil {
			t.Fatal(err)
		}
		return plan.Choices
	}
	plain := fallback.Adapter{Sends: []string{"text"}}
	texts := ask(buttons("Sure?", "Não", "Talvez sim", "3ª"), plain)
	rows := ask(list("Which?", "10", "20"), plain)
	listed := ask(buttons("Sure?", "Yes", "No"), fallback.Adapter{Sends: []string{"text", "list"}})
	native := ask(buttons("Sure?", "Yes", "No"), fallback.Adapter{})
	nativeRows := ask(list("Which?", "10", "20"), fallback.Adapter{})
	swapped := ask(abi.Message{Type: abi.MessageButtons, Text: "x", Buttons: []abi.Button{{ID: "2", Title: "A"}, {ID: "1", Title: "B"}}}, plain)
	rating := ask(buttons("How many?", "3", "2", "1"), plain)
	first := ask(buttons("Sure?", "2", "Yes", "20"), plain)
	twice := ask(abi.Message{Type: abi.MessageCards, Cards: []abi.Card{{Title: "A", Buttons: []abi.Button{{ID: "a", Title: "Buy"}}}, {Title: "B", Buttons: []abi.Button{{ID: "b", Title: "Buy"}, {ID: "c", Title: "Ask"}}}}}, fallback.Adapter{})
	said := func(text string) abi.Message { return abi.Message{Type: abi.MessageText, Text: text, ID: "m"} }
	for _, c := range []struct {
		name    string
		choices *fallback.Choices
		give    abi.Message
		want    string // type payload title; empty: no answer
	}{
		{"number", texts, said("2"), "button_reply id-Talvez sim Talvez sim"},
		{"number and dot", texts, said(" 1. "), "button_reply id-Não Não"},
		{"title", texts, said("nao"), "button_reply id-Não Não"},
		{"title in capitals", texts, said("TALVEZ  SIM!"), "button_reply id-Talvez sim Talvez sim"},
		{"emoji of a digit", texts, said("2️⃣"), "button_reply id-Talvez sim Talvez sim"},
		{"other number", texts, said("4"), ""},
		{"zero", texts, said("0"), ""},
		{"other text", texts, said("2 of them"), ""},
		{"id is not shown", texts, said("id-Não"), ""},
		{"picture", texts, file("image", "2"), ""},
		{"titles that are numbers", rating, said("1"), "button_reply id-1 1"},
		{"one title that is a number", first, said("2"), "button_reply id-2 2"},
		{"beside it none has a number", first, said("1"), ""},
		{"a title that is there twice", twice, said("buy"), ""},
		{"beside it", twice, said("ask"), "button_reply c Ask"},
		{"its payload", twice, abi.Message{Type: abi.MessageButtonReply, Payload: "b", Text: "Buy"}, "button_reply b Buy"},
		{"row", rows, said("2"), "list_reply id-20 20"},
		{"title before number", rows, said("10"), "list_reply id-10 10"},
		{"ids that are numbers of others", swapped, said("1"), "button_reply 2 A"},
		{"a list for buttons", listed, abi.Message{Type: abi.MessageListReply, Payload: "id-No", Text: "No"}, "button_reply id-No No"},
		{"a list has no numbers", listed, said("2"), ""},
		{"native", native, said("no!"), "button_reply id-No No"},
		{"native row", nativeRows, said("20"), "list_reply id-20 20"},
		{"native press", native, abi.Message{Type: abi.MessageButtonReply, Text: "Yes", Payload: "id-Yes"}, "button_reply id-Yes Yes"},
		{"press without a title", native, abi.Message{Type: abi.MessageButtonReply, Payload: "id-Yes"}, "button_reply id-Yes Yes"},
		{"press of an older message", native, abi.Message{Type: abi.MessageButtonReply, Text: "Certainly", Payload: "id-Yes"}, "button_reply id-Yes Certainly"},
		{"press without a payload", native, abi.Message{Type: abi.MessageButtonReply, Text: "Yes"}, "button_reply id-Yes Yes"},
		{"native, no number", native, said("1"), ""},
		{"nothing was asked", nil, said("1"), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, ok := c.choices.Answer(c.give)
			want := c.want
			if !ok {
				if want != "" {
					t.Errorf("no answer, want %s", want)
				}
				return
			}
			if have := string(got.Type) + " " + got.Payload + " " + got.Text; have != want {
				t.Errorf("got %q, want %q", have, want)
			}
		})
	}
}

// TestSplit: parts are within the limit, and hold all that is not a space.
func TestSplit(t *testing.T) {
	pieces := []string{"a", "word", "é", "e\u0301", "👍🏽", "👩‍👩‍👧", "🇧🇷", " ", "  ", "\n", "\n\n", ". ", "!", "https://example.com/a/long/path?q=1", "한국어", "\r\n"}
	bare := func(s string) string { return strings.Join(strings.Fields(s), "") }
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 1, 60).Draw(t, "text"), "")
		limit := rapid.IntRange(1, 60).Draw(t, "limit")
		plan, err := fallback.For(abi.Message{Type: abi.MessageText, Text: text}, fallback.Adapter{Bounds: abi.Bounds{Text: limit}})
		if err != nil {
			if err.Code != abi.CodeLimit {
				t.Fatal(err)
			}
			return
		}
		all := ""
		for _, m := range plan.Messages {
			if n := len(utf16.Encode([]rune(m.Text))); n > max(limit, 2) { // one character may be two
				t.Fatalf("%q is %d long, over %d", m.Text, n, limit)
			}
			if strings.TrimSpace(m.Text) != m.Text || m.Text == "" {
				t.Fatalf("part %q", m.Text)
			}
			if limit >= 12 && (strings.HasPrefix(m.Text, "\u0301") || strings.HasPrefix(m.Text, "\u200d") || strings.HasPrefix(m.Text, "🏽")) {
				t.Fatalf("a character was cut before %q", m.Text)
			}
			all += m.Text
		}
		if bare(all) != bare(text) {
			t.Fatalf("got %q of %q", all, text)
		}
	})
}

func TestSplitPlaces(t *testing.T) {
	for _, c := range []struct {
		text  string
		limit int
		want  []string
	}{
		{"One two. Three four five", 14, []string{"One two.", "Three four", "five"}},
		{"One two\n\nthree. four five six", 16, []string{"One two", "three. four five", "six"}},
		{"see https://example.com/abc now", 25, []string{"see", "https://example.com/abc", "now"}},
		{"abcdefghij", 4, []string{"abcd", "efgh", "ij"}},
		{"👍👍👍", 4, []string{"👍👍", "👍"}},
		{"ab 👩‍👩‍👧 cd", 9, []string{"ab", "👩‍👩‍👧", "cd"}},
	} {
		plan, err := fallback.For(abi.Message{Type: abi.MessageText, Text: c.text}, fallback.Adapter{Bounds: abi.Bounds{Text: c.limit}})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, m := range plan.Messages {
			got = append(got, m.Text)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%q by %d: got %q, want %q", c.text, c.limit, got, c.want)
		}
	}
}

// TestTable: the table of the README says what becomes of each kind.
func TestTable(t *testing.T) {
	data, err := os.ReadFile("../channel/README.md")
	if err != nil {
		t.Fatal(err)
	}
	word := regexp.MustCompile("`([a-z_]+)`")
	card := abi.Message{Type: abi.MessageCards, Cards: []abi.Card{{Title: "x", Buttons: []abi.Button{{ID: "a", Title: "A"}}}}}
	samples := map[string]abi.Message{
		"text": {Type: abi.MessageText, Text: "x"}, "location": {Type: abi.MessageLocation, Location: &abi.Location{}},
		"contacts": {Type: abi.MessageContacts, Contacts: []abi.ContactCard{{Name: "x"}}}, "buttons": buttons("x", "A"), "list": list("x", "A"), "cards": card,
		"form": {Type: abi.MessageForm}, "product": {Type: abi.MessageProduct}, "product_list": {Type: abi.MessageProductList},
		"template": {Type: abi.MessageTemplate}, "reaction": {Type: abi.MessageReaction}, "typing": {Type: abi.MessageTyping}, "read": {Type: abi.MessageRead},
	}
	for _, kind := range abi.MediaKinds() {
		samples[kind] = file(kind, "x")
	}
	for _, kind := range abi.MessageKinds() {
		_, row, ok := strings.Cut(string(data), "\n| `"+kind+"` | ")
		row, _, _ = strings.Cut(row, "\n")
		if !ok {
			t.Errorf("the table has no row for %s", kind)
			continue
		}
		if kind == "text" { // the last resort of all
			continue
		}
		var chain []string
		for _, w := range word.FindAllStringSubmatch(row, -1) {
			chain = append(chain, w[1])
		}
		sends, gone := abi.MessageKinds(), kind
		for _, want := range chain {
			sends = without(sends, gone)
			plan, err := fallback.For(samples[kind], fallback.Adapter{Sends: sends})
			if err != nil || len(plan.Messages) == 0 || plan.Messages[0].Kind() != want {
				t.Errorf("%s without %s: got %+v, %v, want %s", kind, gone, plan.Messages, err, want)
			}
			gone = want
		}
		if len(chain) > 0 {
			continue
		}
		plan, err := fallback.For(samples[kind], fallback.Adapter{Sends: []string{"text"}})
		if refused := err != nil && err.Code == abi.CodeUnsupported; refused != strings.Contains(row, "refused") || plan.Dropped != strings.Contains(row, "dropped") {
			t.Errorf("%s: the table says %q, and it is %+v, %v", kind, row, plan, err)
		}
	}
}

func without(kinds []string, kind string) []string {
	return slices.DeleteFunc(slices.Clone(kinds), func(k string) bool { return k == kind })
}
