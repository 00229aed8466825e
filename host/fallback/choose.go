package fallback

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/trama-run/trama/host/value"
	"github.com/trama-run/trama/pdk/abi"
)

// listButton is what opens a list that was buttons. It says the same in the
// languages that we know of, and is shorter than any bound.
const listButton = "Menu"

// Choice is an answer that a message offers.
type Choice struct {
	ID    string `json:"id"`
	Title string `json:"title"`
	// Row says that it was offered as a row of a list, and not as a button.
	Row bool `json:"row,omitempty"`
	// Number is the one that stands before it; 0: it has none.
	Number int `json:"number,omitempty"`
}

// Choices are what the last message that asked something offers: people write
// the title of a button as well as press it.
type Choices struct {
	List []Choice `json:"list,omitempty"`
	// Run is the run that asked.
	Run string `json:"run,omitempty"`
	// Wait is the wait that followed, if one did: what a contact writes after
	// it answers something else. They are Late then, and only a press, which
	// names what it is of, is still an answer.
	Wait *Wait `json:"wait,omitempty"`
	Late bool  `json:"late,omitempty"`
}

// Wait tells one wait of a run for a reply from its others.
type Wait struct {
	Path    string `json:"path,omitempty"` // of the sub-run
	Node    string `json:"node"`
	Ordinal int    `json:"ordinal"`
}

// Answer gives a message as the answer to a choice that it is: a text that is
// one's number or title, or a press of what it was shown as.
func (c *Choices) Answer(m abi.Message) (abi.Message, bool) {
	if c == nil || len(c.List) == 0 {
		return m, false
	}
	reply := m.Type == abi.MessageButtonReply || m.Type == abi.MessageListReply
	at := -1
	switch {
	case reply && m.Payload != "":
		at = slices.IndexFunc(c.List, func(one Choice) bool { return one.ID == m.Payload })
	case reply || m.Type == abi.MessageText && !c.Late:
		at = c.named(m.Text)
	}
	if at < 0 {
		return m, false
	}
	one := c.List[at]
	if !reply || m.Payload == "" || m.Text == "" { // else it is of an older message, with titles of its own
		m.Text = one.Title
	}
	m.Type, m.Payload = abi.MessageButtonReply, one.ID
	if one.Row {
		m.Type = abi.MessageListReply
	}
	return m, true
}

// named gives the index of the choice that a text names; -1 if it names none, or
// if nobody can tell which of several with one title. A title goes before a
// number.
func (c *Choices) named(text string) int {
	// Ids are not what the contact sees: one may be the number of another.
	var titles, numbers []value.Option
	for i, one := range c.List {
		id := fmt.Sprintf("\x00%d", i)
		titles = append(titles, value.Option{ID: id, Title: one.Title})
		if one.Number > 0 {
			numbers = append(numbers, value.Option{ID: id, Title: strconv.Itoa(one.Number)})
		}
	}
	chosen, byTitle := value.Named(titles, text)
	if !byTitle {
		var ok bool
		if chosen, ok = value.Named(numbers, text); !ok {
			return -1
		}
	}
	at, err := strconv.Atoi(strings.TrimPrefix(chosen.ID, "\x00"))
	if err != nil {
		return -1
	}
	one := c.List[at]
	if byTitle && slices.ContainsFunc(c.List, func(other Choice) bool {
		return other.ID != one.ID && value.Fold(other.Title) == value.Fold(one.Title)
	}) {
		return -1
	}
	return at
}

// offer notes what buttons answer.
func (p *planner) offer(buttons []abi.Button) {
	for _, b := range buttons {
		if b.URL == "" {
			p.note(Choice{ID: b.ID, Title: b.Title}, false)
		}
	}
}

// note notes a choice, and gives the number that it has if it has one.
func (p *planner) note(c Choice, numbered bool) int {
	if p.asks = true; numbered {
		p.numbers++
		c.Number = p.numbers
	}
	p.choices = append(p.choices, c)
	return c.Number
}

// number gives a choice as a line of the text, with a number before it. A number
// that is the title of one would mean two: then none has one.
func (p *planner) number(c Choice, numbered bool) string {
	if n := p.note(c, numbered); n > 0 {
		return fmt.Sprintf("%d. %s", n, c.Title)
	}
	return c.Title
}

// numbered says whether choices with these titles can have numbers.
func (p *planner) numbered(choices []abi.Button) bool {
	return !p.bare && !slices.ContainsFunc(choices, func(b abi.Button) bool {
		n, err := strconv.Atoi(strings.TrimSpace(b.Title))
		return err == nil && n >= 1 && n <= p.numbers+len(choices)
	})
}

// repeats says whether two choices have one title.
func repeats(choices []abi.Button) bool {
	seen := map[string]bool{}
	for _, b := range choices {
		title := value.Fold(b.Title)
		if seen[title] {
			return true
		}
		seen[title] = true
	}
	return false
}

// buttons adds a text with buttons: as they are, as a list, or numbered. What
// opens a page and can't be a button is a line of the text.
func (p *planner) buttons(m abi.Message) *abi.Error {
	bounds, can := p.adapter.Bounds, p.adapter.can(string(abi.MessageButtons))
	opens := func(b abi.Button) bool { return b.URL != "" }
	answers := slices.DeleteFunc(slices.Clone(m.Buttons), opens)
	links := len(m.Buttons) - len(answers) // that can be buttons
	switch {
	case !can || bounds.URLButtons < 0 || bounds.URLButtons > 0 && len(answers) > 0:
		links = 0
	case bounds.URLButtons > 0:
		links = min(links, bounds.URLButtons)
	}
	kept := slices.Clone(answers)
	if can && fits(len(answers)+links, bounds.Buttons) && p.within(m.Buttons, bounds.ButtonTitle, bounds.ButtonID) {
		var folded string
		kept, folded = foldLinks(m.Buttons, links, bounds.ButtonTitle)
		m.Text = lines(m.Text, folded)
	} else {
		can = false
		_, folded := foldLinks(m.Buttons, 0, 0)
		m.Text = lines(m.Text, folded)
	}
	switch {
	case len(kept) == 0:
		return p.beside(m.Media, framed(m, ""), true)
	case can:
		if m.Media != nil && (!p.adapter.can(m.Media.Kind) || textless(m.Media.Kind)) {
			if err := p.media(*m.Media, ""); err != nil {
				return err
			}
			m.Media = nil
		}
		m.Buttons = kept
		p.interactive(m)
		p.offer(kept)
		return nil
	case p.listed(answers):
		if m.Media != nil {
			if err := p.media(*m.Media, ""); err != nil {
				return err
			}
		}
		list := abi.List{Button: listButton, Sections: []abi.Section{{}}}
		for _, b := range answers {
			list.Sections[0].Rows = append(list.Sections[0].Rows, abi.Row{ID: b.ID, Title: b.Title})
		}
		p.interactive(abi.Message{Type: abi.MessageList, Text: m.Text, Header: m.Header, Footer: m.Footer, List: &list})
		p.offer(answers)
		return nil
	}
	var all []string
	numbered := p.numbered(answers)
	for _, b := range answers {
		all = append(all, p.number(Choice{ID: b.ID, Title: b.Title}, numbered))
	}
	return p.beside(m.Media, framed(m, strings.Join(all, "\n")), false)
}

// foldLinks gives the buttons that stay, with the first of those that open a
// page and whose title is within a bound, and the others of these as lines.
func foldLinks(buttons []abi.Button, links, title int) (kept []abi.Button, folded string) {
	for _, b := range buttons {
		switch {
		case b.URL == "":
			kept = append(kept, b)
		case links > 0 && fits(length(b.Title), title):
			links--
			kept = append(kept, b)
		default:
			folded = lines(folded, b.Title+": "+b.URL)
		}
	}
	return kept, folded
}

// within says whether what is answered with can be shown and come back: titles
// in characters, ids in bytes.
func (p *planner) within(buttons []abi.Button, title, id int) bool {
	seen := map[string]bool{}
	for _, b := range buttons {
		if b.URL != "" {
			continue
		}
		if !fits(length(b.Title), title) || !fits(len(b.ID), id) || p.adapter.Bounds.UniqueTitles > 0 && seen[b.Title] {
			return false
		}
		seen[b.Title] = true
	}
	return true
}

// listed says whether buttons can be the rows of a list.
func (p *planner) listed(buttons []abi.Button) bool {
	b := p.adapter.Bounds
	return p.adapter.can(string(abi.MessageList)) && fits(len(buttons), b.Rows) && p.within(buttons, b.RowTitle, b.RowID)
}

// told says whether what stands beside the rows of a list can be shown there.
func (p *planner) told(l abi.List) bool {
	for _, s := range l.Sections {
		if !fits(length(s.Title), p.adapter.Bounds.SectionTitle) {
			return false
		}
		for _, r := range s.Rows {
			if !fits(length(r.Description), p.adapter.Bounds.RowText) {
				return false
			}
		}
	}
	return true
}

// described is what stands beside the rows of a list: its sections, with their
// rows where there are several, and what describes rows.
func described(l abi.List) string {
	all := ""
	for i, s := range l.Sections {
		if s.Title != "" && i > 0 {
			s.Title = "\n" + s.Title
		}
		all = lines(all, s.Title)
		for _, r := range s.Rows {
			switch {
			case r.Description != "":
				all = lines(all, r.Title+": "+r.Description)
			case s.Title != "" && len(l.Sections) > 1:
				all = lines(all, r.Title)
			}
		}
	}
	return all
}

// list adds a text with a list: as it is, as buttons, or numbered.
func (p *planner) list(m abi.Message) *abi.Error {
	var rows []abi.Row
	var buttons []abi.Button
	for _, s := range m.List.Sections {
		for _, r := range s.Rows {
			rows, buttons = append(rows, r), append(buttons, abi.Button{ID: r.ID, Title: r.Title})
		}
	}
	bounds := p.adapter.Bounds
	told := described(*m.List)
	// What tells rows with one title apart has to stand where they do.
	apart := told == "" || !repeats(buttons)
	inText := bounds.RowText < 0 || bounds.SectionTitle < 0 // nothing stands beside rows
	if p.listed(buttons) && (inText && apart || !inText && p.told(*m.List)) {
		l := *m.List
		m.List = &l
		if !fits(length(l.Button), bounds.ButtonTitle) {
			l.Button = listButton // what opens it says nothing that the text doesn't
		}
		if inText {
			m.Text, l.Sections = join("\n\n", m.Text, told), []abi.Section{{}}
			for _, r := range rows {
				l.Sections[0].Rows = append(l.Sections[0].Rows, abi.Row{ID: r.ID, Title: r.Title})
			}
		}
		p.interactive(m)
		for _, r := range rows {
			p.note(Choice{ID: r.ID, Title: r.Title, Row: true}, false)
		}
		return nil
	}
	if p.adapter.can(string(abi.MessageButtons)) && apart && fits(len(buttons), bounds.Buttons) && p.within(buttons, bounds.ButtonTitle, bounds.ButtonID) {
		p.interactive(abi.Message{Type: abi.MessageButtons, Text: join("\n\n", m.Text, told), Header: m.Header, Footer: m.Footer, Buttons: buttons})
		for _, r := range rows {
			p.note(Choice{ID: r.ID, Title: r.Title, Row: true}, false)
		}
		return nil
	}
	all, numbered := "", p.numbered(buttons)
	for i, s := range m.List.Sections {
		if s.Title != "" {
			if i > 0 {
				s.Title = "\n" + s.Title
			}
			all = lines(all, s.Title)
		}
		for _, r := range s.Rows {
			line := p.number(Choice{ID: r.ID, Title: r.Title, Row: true}, numbered)
			if r.Description != "" {
				line += " – " + r.Description
			}
			all = lines(all, line)
		}
	}
	p.text(framed(m, all), false)
	return nil
}
