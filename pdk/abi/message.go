package abi

import "encoding/json"

// Message is a message in the one shape that all channels share, whichever
// way it goes. Type says which other field holds its content; [Message.Check]
// says what a message that is sent must have.
//
// Examples:
//
//	{"type": "text", "text": "Oi"}
//	{"type": "media", "text": "The invoice", "media": {"kind": "document", "url": "https://example.com/1.pdf", "filename": "1.pdf"}}
//	{"type": "buttons", "text": "Sure?", "buttons": [{"id": "yes", "title": "Yes"}]}
//	{"type": "button_reply", "text": "Yes", "payload": "yes", "reply_to": "the id of the message with the buttons"}
type Message struct {
	ID   string      `json:"id,omitempty"`
	Type MessageType `json:"type"`
	// Text is what was written: the message itself, a medium's caption, or
	// what stands above buttons, a list, a form, cards or products. Inbound
	// it is also the title of the chosen reply.
	Text string `json:"text,omitempty"`
	// Header and Footer stand above and below the text of interactive
	// messages; outbound.
	Header string `json:"header,omitempty"`
	Footer string `json:"footer,omitempty"`
	// PreviewURL asks for a preview of the first address in the text; outbound.
	PreviewURL bool `json:"preview_url,omitempty"`
	// Payload is the id of the chosen button or list row; inbound.
	Payload string   `json:"payload,omitempty"`
	Buttons []Button `json:"buttons,omitempty"`
	// Media is the content of type media, and the picture, video or document
	// above the text of type buttons.
	Media       *Media        `json:"media,omitempty"`
	Location    *Location     `json:"location,omitempty"`
	Contacts    []ContactCard `json:"contacts,omitempty"`
	List        *List         `json:"list,omitempty"`
	Form        *Form         `json:"form,omitempty"`
	Cards       []Card        `json:"cards,omitempty"`
	Product     *Product      `json:"product,omitempty"` // inbound: what the message asks about
	ProductList *ProductList  `json:"product_list,omitempty"`
	Order       *Order        `json:"order,omitempty"`
	Template    *Template     `json:"template,omitempty"`
	Reaction    *Reaction     `json:"reaction,omitempty"`
	// ReplyTo is the id of the message that this one answers.
	ReplyTo string `json:"reply_to,omitempty"`
	// Edits is the id of the earlier message that this one replaces.
	Edits string `json:"edits,omitempty"`
	// Referral is how the contact came here, where the service tells; inbound.
	Referral *Referral       `json:"referral,omitempty"`
	Raw      json.RawMessage `json:"raw,omitempty"` // as received, for type "unknown"
}

// MessageType says which fields of a [Message] count.
type MessageType string

// The types of message. Those without a remark go both ways.
const (
	MessageText        MessageType = "text"
	MessageMedia       MessageType = "media"
	MessageLocation    MessageType = "location"
	MessageContacts    MessageType = "contacts"
	MessageReaction    MessageType = "reaction"
	MessageButtons     MessageType = "buttons"      // outbound: text with buttons
	MessageList        MessageType = "list"         // outbound: text with a list to choose from
	MessageForm        MessageType = "form"         // outbound: text with a button that opens a form ("WhatsApp Flows")
	MessageCards       MessageType = "cards"        // outbound: a card or a carousel of them ("generic template")
	MessageProduct     MessageType = "product"      // outbound: one product of a catalogue
	MessageProductList MessageType = "product_list" // outbound: products to choose from
	MessageTemplate    MessageType = "template"     // outbound: a text that the service has approved
	MessageTyping      MessageType = "typing"       // outbound: shows that an answer is being written, and marks ReplyTo as read
	MessageRead        MessageType = "read"         // outbound: marks ReplyTo as read
	MessageButtonReply MessageType = "button_reply" // inbound: a button was pressed
	MessageListReply   MessageType = "list_reply"   // inbound: a list row was chosen
	MessageFormReply   MessageType = "form_reply"   // inbound: a form was filled in
	MessageOrder       MessageType = "order"        // inbound: products were ordered
	MessageUnknown     MessageType = "unknown"      // inbound: Raw has it
)

// Kind is the message's type or, for media, which one: "image". These are the
// words of [MessageKinds] and of the manifest's "sends".
func (m Message) Kind() string {
	if m.Type == MessageMedia && m.Media != nil {
		return m.Media.Kind
	}
	return string(m.Type)
}

// MessageKinds lists the kinds of message that can be sent.
func MessageKinds() []string {
	kinds := []string{string(MessageText)}
	kinds = append(kinds, MediaKinds()...)
	for _, t := range []MessageType{
		MessageLocation, MessageContacts, MessageButtons, MessageList, MessageForm, MessageCards,
		MessageProduct, MessageProductList, MessageTemplate, MessageReaction, MessageTyping, MessageRead,
	} {
		kinds = append(kinds, string(t))
	}
	return kinds
}

// Button is a button below a message: one with an id answers with it, one
// with a URL opens that page.
type Button struct {
	ID    string `json:"id,omitempty"`
	Title string `json:"title"`
	URL   string `json:"url,omitempty"`
}

// Media is a file by reference: the service's own id of it, an address, or
// bytes that the host keeps. Inbound, the host fetches what came by id (see
// [FuncFetch]) and adds Blob and, where it has a public address, a URL that
// serves it for a short while; what could not be fetched has Error. Outbound,
// an adapter that can takes Blob before ID, and ID before URL.
type Media struct {
	Kind     string `json:"kind"` // of [MediaKinds]
	ID       string `json:"id,omitempty"`
	URL      string `json:"url,omitempty"`
	Blob     *Blob  `json:"blob,omitempty"`
	MIME     string `json:"mime,omitempty"`
	SHA256   string `json:"sha256,omitempty"` // hexadecimal, or base64 where the service has it so
	Size     int64  `json:"size,omitempty"`   // bytes
	Filename string `json:"filename,omitempty"`
	Error    *Error `json:"error,omitempty"`
}

// MediaKinds lists the kinds of [Media]. A voice message is audio that was
// recorded for the message; a document is any file.
func MediaKinds() []string {
	return []string{"image", "video", "audio", "voice", "document", "sticker"}
}

// Location is a place on Earth, in degrees.
type Location struct {
	Latitude  float64 `json:"latitude"`
	Longitude float64 `json:"longitude"`
	Name      string  `json:"name,omitempty"`
	Address   string  `json:"address,omitempty"`
}

// ContactCard is a card with the data of a person or a company, as a vCard
// has them.
type ContactCard struct {
	Name         string           `json:"name"` // as it is shown
	FirstName    string           `json:"first_name,omitempty"`
	LastName     string           `json:"last_name,omitempty"`
	Phones       []ContactValue   `json:"phones,omitempty"`
	Emails       []ContactValue   `json:"emails,omitempty"`
	URLs         []ContactValue   `json:"urls,omitempty"`
	Addresses    []ContactAddress `json:"addresses,omitempty"`
	Organization string           `json:"organization,omitempty"`
	Title        string           `json:"title,omitempty"`    // in the organization
	Birthday     string           `json:"birthday,omitempty"` // YYYY-MM-DD
}

// ContactValue is a phone number, an e-mail address or a web address.
type ContactValue struct {
	Value string `json:"value"`
	Type  string `json:"type,omitempty"` // such as HOME or WORK
	// ID is the service's id of whom a phone number reaches, where it is known.
	ID string `json:"id,omitempty"`
}

// ContactAddress is a postal address.
type ContactAddress struct {
	Street      string `json:"street,omitempty"`
	City        string `json:"city,omitempty"`
	State       string `json:"state,omitempty"`
	ZIP         string `json:"zip,omitempty"`
	Country     string `json:"country,omitempty"`
	CountryCode string `json:"country_code,omitempty"` // ISO 3166-1, two letters
	Type        string `json:"type,omitempty"`         // such as HOME or WORK
}

// List is a list that opens at a button, of whose rows one can be chosen.
type List struct {
	Button   string    `json:"button"` // what the button says
	Sections []Section `json:"sections"`
}

// Section is a part of a list. Its title may be left out if it is the only one.
type Section struct {
	Title string `json:"title,omitempty"`
	Rows  []Row  `json:"rows"`
}

// Row is what can be chosen of a list.
type Row struct {
	ID          string `json:"id"`
	Title       string `json:"title"`
	Description string `json:"description,omitempty"`
}

// Form is a form that the service shows and that is filled in there. Inbound,
// Data are the answers.
type Form struct {
	// ID or Name names the form at the service.
	ID     string `json:"id,omitempty"`
	Name   string `json:"name,omitempty"`
	Button string `json:"button,omitempty"` // what the button that opens it says
	// Token comes back to the form's endpoint and with the answers.
	Token string `json:"token,omitempty"`
	// Screen is the one that opens first, and Data, an object, is what it
	// gets; left out, the form decides. With Endpoint, the form's endpoint is
	// asked for both.
	Screen   string          `json:"screen,omitempty"`
	Data     json.RawMessage `json:"data,omitempty"`
	Endpoint bool            `json:"endpoint,omitempty"`
	Draft    bool            `json:"draft,omitempty"` // the unpublished form
}

// Card is a picture or video with texts and buttons.
type Card struct {
	Title    string   `json:"title"`
	Subtitle string   `json:"subtitle,omitempty"`
	Media    *Media   `json:"media,omitempty"`
	Buttons  []Button `json:"buttons,omitempty"`
}

// Product is a product of a catalogue.
type Product struct {
	CatalogID string `json:"catalog_id"`
	ProductID string `json:"product_id"` // the seller's own id of it
}

// ProductList is products of a catalogue, to choose from.
type ProductList struct {
	CatalogID string           `json:"catalog_id"`
	Sections  []ProductSection `json:"sections"`
}

// ProductSection is a part of a product list. Its title may be left out if it
// is the only one.
type ProductSection struct {
	Title      string   `json:"title,omitempty"`
	ProductIDs []string `json:"product_ids"`
}

// Order is what a contact has ordered of a catalogue.
type Order struct {
	CatalogID string      `json:"catalog_id"`
	Items     []OrderItem `json:"items"`
}

// OrderItem is one product of an order.
type OrderItem struct {
	ProductID string      `json:"product_id"`
	Quantity  json.Number `json:"quantity"`
	Price     json.Number `json:"price,omitempty"`    // of one, in the currency's main unit
	Currency  string      `json:"currency,omitempty"` // ISO 4217
}

// Template is a text that the service has approved, by name.
type Template struct {
	Name     string `json:"name"`
	Language string `json:"language"` // such as pt_BR
	// Params are the values of the placeholders in the template's text, in
	// their order.
	Params []string `json:"params,omitempty"`
	// Components are those of the service, in its own shape, for whatever
	// Params can't say: headers, buttons, cards, named placeholders. A list.
	Components json.RawMessage `json:"components,omitempty"`
}

// Reaction is an emoji on an earlier message; an empty one takes it back.
type Reaction struct {
	MessageID string `json:"message_id"`
	Emoji     string `json:"emoji"`
}

// Referral is how a contact came here: by an advertisement, a post or a link.
type Referral struct {
	Ref        string `json:"ref,omitempty"`         // what the link carried
	SourceType string `json:"source_type,omitempty"` // such as ad, post, link
	SourceID   string `json:"source_id,omitempty"`   // the advertisement's id
	SourceURL  string `json:"source_url,omitempty"`
	Headline   string `json:"headline,omitempty"`
	Body       string `json:"body,omitempty"`
	ClickID    string `json:"click_id,omitempty"` // of the click, for attribution
}
