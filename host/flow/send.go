package flow

import (
	"maps"
	"slices"
	"strings"

	"github.com/invopop/jsonschema"
	"github.com/trama-run/trama/host/expr"
	"github.com/trama-run/trama/host/source"
	"github.com/trama-run/trama/pdk/abi"
)

// SendMessage is "with" of send_message: a message in the shape of
// [abi.Message], whose field names these are. The structs say what may be
// written; what is sent comes from [SendMessage.Expand].
type SendMessage struct {
	Type       string     `json:"type,omitempty" jsonschema_description:"Kind of the message; left out, its fields say it."`
	Text       string     `json:"text,omitempty" jsonschema_description:"The text; a file's caption; what stands above buttons, a list, a form, cards or products."`
	Header     string     `json:"header,omitempty" jsonschema_description:"Title above the text of buttons, a list, a form or products."`
	Footer     string     `json:"footer,omitempty" jsonschema_description:"Small print below the text of buttons, a list, a form or products."`
	PreviewURL Part[bool] `json:"preview_url,omitempty" jsonschema_description:"Whether the text's first address is shown with a preview."`
	ReplyTo    string     `json:"reply_to,omitempty" jsonschema_description:"Id of the message that this one answers, such as {{ input.id }}."`
	Edits      string     `json:"edits,omitempty" jsonschema_description:"Id of the earlier message of ours that this one replaces, where the service can."`

	Buttons     Part[[]Button]      `json:"buttons,omitempty" jsonschema_description:"Buttons below the text, ten at most; where a channel shows fewer, they become a list or numbers."`
	Media       Part[Media]         `json:"media,omitempty" jsonschema_description:"An image, video, audio, voice message, document or sticker; with buttons, what stands above the text."`
	Location    Part[Location]      `json:"location,omitempty" jsonschema_description:"A place."`
	Contacts    Part[[]ContactCard] `json:"contacts,omitempty" jsonschema_description:"Cards of people or companies."`
	List        Part[List]          `json:"list,omitempty" jsonschema_description:"A list that opens at a button, of whose rows one can be chosen."`
	Form        Part[Form]          `json:"form,omitempty" jsonschema_description:"A form that the service shows (WhatsApp Flows)."`
	Cards       Part[[]Card]        `json:"cards,omitempty" jsonschema_description:"A card or a carousel of them, ten at most (generic template)."`
	Product     Part[Product]       `json:"product,omitempty" jsonschema_description:"A product of a catalogue."`
	ProductList Part[ProductList]   `json:"product_list,omitempty" jsonschema_description:"Products of a catalogue to choose from."`
	Template    Part[Approved]      `json:"template,omitempty" jsonschema_description:"A text that the service has approved, by name."`
	Reaction    Part[Reaction]      `json:"reaction,omitempty" jsonschema_description:"An emoji on an earlier message."`

	kind messageKind
	tree *expr.Template
}

// Most that one message may have. Channels that take less get it otherwise: see
// host/fallback.
const (
	MaxButtons  = 10
	MaxSections = 10
	MaxRows     = 10 // of all sections
	MaxCards    = 10
	MaxProducts = 30 // of all sections
)

// messageKind says what a message of a kind is made of.
type messageKind struct {
	name   string
	field  string   // holds the content; "type": there is none
	needs  []string // beside it
	may    []string // stand beside it too; type, reply_to and edits always may
	isFile bool     // name is a kind of file
}

// messageKinds lists the kinds, so that the first whose content is there is
// the kind of a message that doesn't say it.
func messageKinds() []messageKind {
	text, frame := []string{"text"}, []string{"header", "footer"}
	kinds := []messageKind{
		{name: "buttons", field: "buttons", needs: text, may: []string{"header", "footer", "media"}},
		{name: "list", field: "list", needs: text, may: frame},
		{name: "form", field: "form", needs: text, may: frame},
		{name: "cards", field: "cards", may: text},
		{name: "product", field: "product", may: []string{"text", "footer"}},
		{name: "product_list", field: "product_list", needs: text, may: frame},
		{name: "template", field: "template"},
		{name: "reaction", field: "reaction"},
		{name: "location", field: "location"},
		{name: "contacts", field: "contacts"},
		{field: "media", may: text}, // its kind says which
	}
	for _, name := range abi.MediaKinds() {
		kinds = append(kinds, messageKind{name: name, field: "media", may: text, isFile: true})
	}
	return append(kinds,
		messageKind{name: "text", field: "text", may: []string{"preview_url"}},
		messageKind{name: "typing", field: "type"},
		messageKind{name: "read", field: "type", needs: []string{"reply_to"}},
	)
}

// UnmarshalSource reads the message.
func (m *SendMessage) UnmarshalSource(v source.Value) (problems source.Problems) {
	type plain SendMessage
	problems = v.Decode((*plain)(m))
	tree, errs := expr.CompileMessageTree(v.Any())
	for _, e := range errs {
		problems.Add(v.Place(e.Path...), "", "%v", e.Err)
	}
	m.tree = tree
	for _, k := range messageKinds() {
		if m.Type != "" && m.Type == k.name || m.Type == "" && k.field != "type" && given(v, k.field) {
			m.kind = k
			break
		}
	}
	return problems
}

func given(v source.Value, field string) bool { return v.Get(field).Any() != nil }

// Expand gives the message in a scope, as a JSON value in the shape of
// [abi.Message].
func (m *SendMessage) Expand(scope map[string]any) (map[string]any, error) {
	value, err := m.tree.Expand(scope)
	if err != nil {
		return nil, err
	}
	fields, _ := value.(map[string]any)
	fields = maps.Clone(fields)
	switch {
	case m.kind.isFile:
		fields["type"] = string(abi.MessageMedia)
		if file, ok := fields["media"].(map[string]any); ok {
			file = maps.Clone(file)
			file["kind"] = m.kind.name
			fields["media"] = file
		}
	case m.kind.field == "type":
		fields["type"] = m.kind.name
	default:
		fields["type"] = m.kind.field
	}
	return fields, nil
}

// JSONSchemaExtend lists the kinds in the schema.
func (SendMessage) JSONSchemaExtend(s *jsonschema.Schema) {
	enum(set(s, "type"), abi.MessageKinds()...)
}

func (m *SendMessage) check(n *Node) (problems source.Problems) {
	with, kind := n.With, m.kind
	if m.Type != "" && kind.name == "" {
		problems.Add(with.Place("type"), source.Suggest(m.Type, abi.MessageKinds()), "%q is no kind of message", m.Type)
		return problems
	}
	if kind.field == "" {
		problems.Add(with.Place(), `add text: "..."`, "the message has no content")
		return problems
	}
	name := kind.name
	if name == "" {
		name = kind.field
	}
	needs := append([]string{kind.field}, kind.needs...)
	for _, field := range needs {
		if !given(with, field) {
			problems.Add(with.Place(), `add "`+field+`: ..."`, "a message of the kind %s lacks the field %q", name, field)
		}
	}
	for _, field := range with.Keys() {
		if given(with, field) && isField(field) && !slices.Contains(needs, field) && !slices.Contains(kind.may, field) {
			problems.Add(with.KeyPlace(field), "leave it out, or send it as a message of its own", "a message of the kind %s has no %q", name, field)
		}
	}
	if text, ok := with.Get("text").Any().(string); ok && strings.TrimSpace(text) == "" {
		problems.Add(with.Place("text"), "write what the contact reads", "the text is empty")
	}
	return append(problems, m.checkParts(with)...)
}

// isField reports whether a field is content: others may always be there, or
// are no fields at all and reported as such.
func isField(name string) bool {
	return slices.ContainsFunc(messageKinds(), func(k messageKind) bool {
		return k.field == name && name != "type" || slices.Contains(k.may, name)
	})
}

func (m *SendMessage) checkParts(with source.Value) (problems source.Problems) {
	most := func(n, limit int, what, hint string, path ...string) {
		if n > limit {
			problems.Add(with.Place(path...), hint, "%d %s, over the limit of %d", n, what, limit)
		}
	}
	most(len(m.Buttons.Value), MaxButtons, "buttons", "ask in two messages", "buttons")
	problems = append(problems, checkButtons(m.Buttons.Value)...)
	if file := m.Media; file.Written {
		switch {
		case m.kind.isFile && file.Value.Kind != "":
			problems.Add(with.Place("media", "kind"), "leave it out", "the type of the message is the kind of the file already")
		case !m.kind.isFile:
			problems = append(problems, checkKind(file.Value)...)
		}
		problems = append(problems, checkFile(file.Value)...)
	}
	sections := m.List.Value.Sections.Value
	most(len(sections), MaxSections, "sections", "ask in two messages", "list", "sections")
	rows := 0
	for _, s := range sections {
		rows += len(s.Rows.Value)
	}
	most(rows, MaxRows, "rows", "ask in two messages", "list", "sections")
	most(len(m.Cards.Value), MaxCards, "cards", "send two messages", "cards")
	for _, card := range m.Cards.Value {
		problems = append(problems, checkButtons(card.Buttons.Value)...)
		if card.Media.Written {
			problems = append(problems, checkKind(card.Media.Value)...)
			problems = append(problems, checkFile(card.Media.Value)...)
		}
	}
	sold := m.ProductList.Value.Sections.Value
	most(len(sold), MaxSections, "sections", "send two messages", "product_list", "sections")
	products := 0
	for _, s := range sold {
		products += len(s.ProductIDs.Value)
	}
	most(products, MaxProducts, "products", "send two messages", "product_list", "sections")
	return problems
}

func checkButtons(buttons []Button) (problems source.Problems) {
	for _, b := range buttons {
		if (b.ID == "") == (b.URL == "") {
			problems.Add(b.At, `give "id" for a button that answers, "url" for one that opens a page`, "a button has either an id or a url")
		}
	}
	return problems
}

func checkFile(file Media) (problems source.Problems) {
	given := 0
	for _, is := range []bool{file.ID != "", file.URL != "", file.Blob.Any() != nil} {
		if is {
			given++
		}
	}
	if given != 1 {
		problems.Add(file.At, `give "url" for an address, "id" for a file that the service has, "blob" for one that the host has`, "a file has one of id, url and blob")
	}
	return problems
}

func checkKind(file Media) (problems source.Problems) {
	switch kind := file.Kind; {
	case kind == "":
		problems.Add(file.At, `add "kind: image"`, `a file lacks the field "kind"`)
	case !strings.Contains(kind, "{") && !slices.Contains(abi.MediaKinds(), kind):
		problems.Add(file.At, source.Suggest(kind, abi.MediaKinds()), "%q is no kind of file", kind)
	}
	return problems
}
