// Package fallback says by other means what a channel has no form for: buttons
// become a list or a numbered text, a carousel becomes one message a card, a
// file that can't be sent becomes its address, a long text becomes several. And
// it reads what the contact writes in answer, a number or a title, as the button
// that was meant, so that one flow holds the same conversation on every channel.
//
// It is pure: it must not know how messages are stored or sent, nor any
// service; what an adapter can send is given to it as data. The table of what
// becomes of which kind is in host/channel/README.md.
package fallback

import (
	"fmt"
	"slices"

	"github.com/trama-run/trama/pdk/abi"
)

// MaxMessages is how many messages one may become.
const MaxMessages = 50

// Adapter is what an adapter can send.
type Adapter struct {
	// Sends are kinds of message, of [abi.MessageKinds]; nil: it is not known,
	// and every kind is left to the adapter.
	Sends  []string
	Bounds abi.Bounds
	// Away, if not nil, says why all of this is not known now. What is planned
	// then is left to the adapter, so who can wait does.
	Away *abi.Error
}

// Of reads what a manifest says.
func Of(m abi.Manifest) Adapter { return Adapter{Sends: m.Sends, Bounds: m.Bounds} }

// Plan is what is sent in place of a message, in its order. A message that
// needs nothing is in it as it is.
type Plan struct {
	Messages []abi.Message
	// Choices are what the contact can answer; nil: the message asks nothing.
	Choices *Choices
	// Dropped says that nothing is sent, since nothing else would say the same:
	// a reaction, or a sign of reading or typing.
	Dropped bool
}

// For plans a message. The error has the code [abi.CodeUnsupported] if there is
// neither a form nor another means for it, or [abi.CodeLimit].
func For(m abi.Message, a Adapter) (Plan, *abi.Error) {
	p := planner{adapter: a}
	if err := p.add(m); err != nil {
		return Plan{}, err
	}
	if len(p.out) > MaxMessages {
		return Plan{}, &abi.Error{Code: abi.CodeLimit, Message: fmt.Sprintf("the channel would need %d messages to say this, over the limit of %d: shorten it", len(p.out), MaxMessages)}
	}
	if len(p.out) > 0 { // the first answers, or replaces, what the message did
		p.out[0].ReplyTo, p.out[0].Edits = m.ReplyTo, m.Edits
		if a.Bounds.Edits < 0 {
			p.out[0].Edits = ""
		}
	}
	plan := Plan{Messages: p.out, Dropped: len(p.out) == 0}
	if p.asks {
		plan.Choices = &Choices{List: p.choices}
	}
	return plan, nil
}

// Lacks says that an adapter has no form for a message, as the error that its
// sender would give.
func Lacks(m abi.Message, a Adapter) *abi.Error {
	if a.can(m.Kind()) {
		return nil
	}
	return unsupported(m.Kind())
}

func unsupported(kind string) *abi.Error {
	return &abi.Error{Code: abi.CodeUnsupported, Message: fmt.Sprintf("the channel has no form for a message of the kind %s, and nothing else says the same", kind)}
}

func (a Adapter) can(kind string) bool {
	return a.Sends == nil || slices.Contains(a.Sends, kind)
}

// fits says whether something is within a bound, if there is one.
func fits(n, bound int) bool { return bound <= 0 || n <= bound }

// planner makes a plan.
type planner struct {
	adapter Adapter
	out     []abi.Message
	choices []Choice // that are offered
	numbers int      // that were given so far
	bare    bool     // no choice has a number
	asks    bool
}

func (p *planner) add(m abi.Message) *abi.Error {
	can := p.adapter.can(m.Kind())
	switch m.Type {
	case abi.MessageText:
		p.text(m.Text, m.PreviewURL)
	case abi.MessageMedia:
		if m.Media == nil { // the adapter says what it lacks
			p.out = append(p.out, m)
			return nil
		}
		return p.media(*m.Media, m.Text)
	case abi.MessageButtons:
		return p.buttons(m)
	case abi.MessageList:
		if m.List == nil {
			p.out = append(p.out, m)
			return nil
		}
		return p.list(m)
	case abi.MessageCards:
		return p.cards(m)
	case abi.MessageLocation:
		if !can && m.Location != nil {
			p.text(placeText(*m.Location), true)
			return nil
		}
		p.out = append(p.out, m)
	case abi.MessageContacts:
		if !can {
			p.text(contactsText(m.Contacts), false)
			return nil
		}
		p.out = append(p.out, m)
	case abi.MessageReaction, abi.MessageTyping, abi.MessageRead:
		if can {
			p.out = append(p.out, m)
		}
	default:
		if !can {
			return unsupported(m.Kind())
		}
		p.out = append(p.out, m)
	}
	return nil
}

// text adds a text, in as many messages as it takes.
func (p *planner) text(text string, preview bool) {
	for _, part := range split(text, p.adapter.Bounds.Text) {
		p.out = append(p.out, abi.Message{Type: abi.MessageText, Text: part, PreviewURL: preview})
	}
}

// nearest gives the kind that a file can be sent as; empty if there is none.
func (p *planner) nearest(kind string) string {
	instead := map[string][]string{"voice": {"audio", "document"}, "sticker": {"image", "document"}, "image": {"document"}, "video": {"document"}, "audio": {"document"}}
	for _, k := range append([]string{kind}, instead[kind]...) {
		if p.adapter.can(k) {
			return k
		}
	}
	return ""
}

// textless says whether services show no text below a file of a kind, and nothing
// to press.
func textless(kind string) bool { return kind == "audio" || kind == "voice" || kind == "sticker" }

// media adds a file with a text: the text below it, or after it where it is too
// long for that, or where services show none below such a file.
func (p *planner) media(file abi.Media, text string) *abi.Error {
	was := file.Kind
	file.Kind = p.nearest(file.Kind)
	if file.Kind == "" {
		if file.URL == "" {
			return &abi.Error{Code: abi.CodeUnsupported, Message: fmt.Sprintf("the channel has no form for a file of the kind %s, and the file has no address to be sent instead: give it a url", was)}
		}
		p.text(lines(text, file.URL), true)
		return nil
	}
	caption, rest := text, ""
	if textless(was) {
		caption, rest = "", text
	} else {
		if caption, rest = cut(text, p.adapter.Bounds.Caption); rest != "" && length(caption) < p.adapter.Bounds.Caption/4 {
			caption, rest = "", text
		}
	}
	p.out = append(p.out, abi.Message{Type: abi.MessageMedia, Text: caption, Media: &file})
	p.text(rest, false)
	return nil
}

// beside adds a file, if there is one, with a text that belongs to it: in one
// message if that holds both.
func (p *planner) beside(file *abi.Media, text string, preview bool) *abi.Error {
	if file == nil {
		p.text(text, preview)
		return nil
	}
	if p.nearest(file.Kind) == "" || fits(length(text), p.adapter.Bounds.Caption) {
		return p.media(*file, text)
	}
	if err := p.media(*file, ""); err != nil {
		return err
	}
	p.text(text, preview)
	return nil
}

// interactive adds a message with something to press; what is too long of its
// text goes before it.
func (p *planner) interactive(m abi.Message) {
	p.asks = true
	m = p.frame(m)
	bound := p.adapter.Bounds.Interactive
	if caption := p.adapter.Bounds.Caption; m.Media != nil && (bound <= 0 || !fits(bound, caption)) {
		bound = caption
	}
	if parts := split(m.Text, bound); len(parts) > 1 {
		last := parts[len(parts)-1]
		for _, part := range parts[:len(parts)-1] {
			p.text(part, false)
		}
		m.Text = last
	}
	p.out = append(p.out, m)
}

// frame makes a header and a footer that the service can't show parts of the
// text.
func (p *planner) frame(m abi.Message) abi.Message {
	bound := p.adapter.Bounds.Frame
	if bound < 0 || !fits(length(m.Header), bound) || bound > 0 && m.Media != nil {
		m.Text, m.Header = join("\n\n", m.Header, m.Text), ""
	}
	if bound < 0 || !fits(length(m.Footer), bound) {
		m.Text, m.Footer = join("\n\n", m.Text, m.Footer), ""
	}
	return m
}

// cards adds a carousel, or a message for each of its cards.
func (p *planner) cards(m abi.Message) *abi.Error {
	if p.adapter.can(string(abi.MessageCards)) && p.carousel(m) {
		most := p.adapter.Bounds.Cards
		if most <= 0 {
			most = max(len(m.Cards), 1)
		}
		for some := range slices.Chunk(m.Cards, most) {
			part := m
			part.Cards = some
			p.interactive(part)
			m.Text = "" // once
		}
		for _, c := range m.Cards {
			p.offer(c.Buttons)
		}
		return nil
	}
	p.text(m.Text, false)
	var all []abi.Button // a number of one card must be no title of another
	for _, c := range m.Cards {
		all = append(all, slices.DeleteFunc(slices.Clone(c.Buttons), func(b abi.Button) bool { return b.URL != "" })...)
	}
	p.bare = !p.numbered(all)
	for _, c := range m.Cards {
		text := lines(c.Title, c.Subtitle)
		if len(c.Buttons) == 0 {
			if err := p.beside(c.Media, text, false); err != nil {
				return err
			}
			continue
		}
		if err := p.buttons(abi.Message{Type: abi.MessageButtons, Text: text, Media: c.Media, Buttons: c.Buttons}); err != nil {
			return err
		}
	}
	return nil
}

// carousel says whether the service takes cards as they are.
func (p *planner) carousel(m abi.Message) bool {
	b := p.adapter.Bounds
	last := len(m.Cards)
	if b.Cards > 0 && last > b.Cards {
		last = (last-1)%b.Cards + 1
	}
	// A second carousel would have no text above it.
	if last < b.FewestCards || b.CardMedia > 0 && (m.Text == "" || m.Header != "" || m.Footer != "" || !fits(len(m.Cards), b.Cards)) {
		return false
	}
	opens := func(b abi.Button) bool { return b.URL != "" }
	for _, c := range m.Cards {
		if !p.within(c.Buttons, b.ButtonTitle, b.ButtonID) {
			return false
		}
		if !fits(length(lines(c.Title, c.Subtitle)), b.CardText) {
			return false
		}
		if b.CardMedia == 0 {
			continue
		}
		if c.Media == nil || c.Media.Kind != "image" && c.Media.Kind != "video" {
			return false
		}
		before := m.Cards[0].Buttons
		if len(c.Buttons) == 0 || len(c.Buttons) != len(before) || slices.ContainsFunc(c.Buttons, opens) != slices.ContainsFunc(before, opens) {
			return false
		}
		if len(c.Buttons) > 1 && slices.ContainsFunc(c.Buttons, opens) {
			return false
		}
	}
	return true
}
