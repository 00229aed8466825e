package flow

import (
	"reflect"
	"strings"

	"github.com/invopop/jsonschema"
	"github.com/trama-run/trama/host/source"
)

// Part is a part of a message that is written out, or is one {{ expression }}
// that gives it: the rows of a list, say, made of what a connector returned.
type Part[T any] struct {
	Value   T
	Written bool // Value was in the document
}

// UnmarshalSource reads the part. The message that it is in compiles the
// expressions.
func (p *Part[T]) UnmarshalSource(v source.Value) (problems source.Problems) {
	raw := v.Any()
	if raw == nil {
		return nil
	}
	if text, ok := raw.(string); ok {
		if text = strings.TrimSpace(text); !strings.HasPrefix(text, "{{") || !strings.HasSuffix(text, "}}") {
			problems.Add(v.Place(), "write it out, or as one {{ expression }} that gives it", "%q is no %s", text, jsonType[T]())
		}
		return problems
	}
	p.Written = true
	problems = v.Decode(&p.Value)
	for i, problem := range problems {
		problems[i].Message = strings.Replace(problem.Message, "the document", "this part", 1)
	}
	return problems
}

// JSONSchema says both ways of writing the part.
func (Part[T]) JSONSchema() *jsonschema.Schema {
	written := reflector().ReflectFromType(reflect.TypeFor[T]())
	written.Version, written.ID = "", ""
	return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{
		written,
		{Type: "string", Pattern: `^\s*\{\{[\s\S]*\}\}\s*$`, Description: "An {{ expression }} that gives it."},
	}}
}

func jsonType[T any]() string {
	switch reflect.TypeFor[T]().Kind() {
	case reflect.Slice:
		return "list"
	case reflect.Bool:
		return "true or false"
	case reflect.Float64:
		return "number"
	}
	return "mapping"
}

// Button is a button of a message.
type Button struct {
	At source.Place `json:"-"`

	ID    string `json:"id,omitempty" jsonschema_description:"The reply's payload."`
	Title string `json:"title" source:"required" jsonschema_description:"What the button says."`
	URL   string `json:"url,omitempty" jsonschema_description:"Page that the button opens, instead of answering."`
}

// Media is a file of a message.
type Media struct {
	At source.Place `json:"-"`

	Kind     string       `json:"kind,omitempty" jsonschema_description:"image, video, audio, voice, document or sticker, if the type of the message doesn't say it."`
	ID       string       `json:"id,omitempty" jsonschema_description:"The service's id of the file."`
	URL      string       `json:"url,omitempty" jsonschema_description:"Public address from which the service takes it."`
	Blob     source.Value `json:"blob,omitempty" jsonschema_description:"Bytes that the host keeps, as {{ nodes.get.blob }} of a call or {{ input.media.blob }} of a message gives them."`
	Filename string       `json:"filename,omitempty" jsonschema_description:"Name that a document is shown with."`
	MIME     string       `json:"mime,omitempty" jsonschema_description:"Media type, where the service wants to know it."`
}

// Location is a place of a message.
type Location struct {
	Latitude  Part[float64] `json:"latitude" source:"required" jsonschema_description:"Degrees north."`
	Longitude Part[float64] `json:"longitude" source:"required" jsonschema_description:"Degrees east."`
	Name      string        `json:"name,omitempty" jsonschema_description:"What the place is called."`
	Address   string        `json:"address,omitempty" jsonschema_description:"Its postal address."`
}

// ContactCard is a card of a person or a company.
type ContactCard struct {
	Name         string                 `json:"name" source:"required" jsonschema_description:"The name as it is shown."`
	FirstName    string                 `json:"first_name,omitempty" jsonschema_description:"The first name alone."`
	LastName     string                 `json:"last_name,omitempty" jsonschema_description:"The last name alone."`
	Phones       Part[[]ContactValue]   `json:"phones,omitempty" jsonschema_description:"Phone numbers."`
	Emails       Part[[]ContactValue]   `json:"emails,omitempty" jsonschema_description:"E-mail addresses."`
	URLs         Part[[]ContactValue]   `json:"urls,omitempty" jsonschema_description:"Web addresses."`
	Addresses    Part[[]ContactAddress] `json:"addresses,omitempty" jsonschema_description:"Postal addresses."`
	Organization string                 `json:"organization,omitempty" jsonschema_description:"The company."`
	Title        string                 `json:"title,omitempty" jsonschema_description:"What the person is there."`
	Birthday     string                 `json:"birthday,omitempty" jsonschema_description:"YYYY-MM-DD."`
}

// ContactValue is a number or an address on a card.
type ContactValue struct {
	Value string `json:"value" source:"required" jsonschema_description:"The number or address."`
	Type  string `json:"type,omitempty" jsonschema_description:"Such as HOME or WORK."`
	ID    string `json:"id,omitempty" jsonschema_description:"The service's id of whom a phone number reaches."`
}

// ContactAddress is a postal address on a card.
type ContactAddress struct {
	Street      string `json:"street,omitempty" jsonschema_description:"Street and number."`
	City        string `json:"city,omitempty" jsonschema_description:"City."`
	State       string `json:"state,omitempty" jsonschema_description:"State or province."`
	ZIP         string `json:"zip,omitempty" jsonschema_description:"Postal code."`
	Country     string `json:"country,omitempty" jsonschema_description:"Country's name."`
	CountryCode string `json:"country_code,omitempty" jsonschema_description:"Two letters, such as BR."`
	Type        string `json:"type,omitempty" jsonschema_description:"Such as HOME or WORK."`
}

// List is a list to choose from.
type List struct {
	Button   string          `json:"button" source:"required" jsonschema_description:"What the button that opens the list says."`
	Sections Part[[]Section] `json:"sections" source:"required" jsonschema_description:"Its parts, with ten rows at most in all."`
}

// Section is a part of a list.
type Section struct {
	Title string      `json:"title,omitempty" jsonschema_description:"May be left out if it is the only section."`
	Rows  Part[[]Row] `json:"rows" source:"required" jsonschema_description:"What can be chosen."`
}

// Row is what can be chosen of a list.
type Row struct {
	ID          string `json:"id" source:"required" jsonschema_description:"The reply's payload."`
	Title       string `json:"title" source:"required" jsonschema_description:"What the row says."`
	Description string `json:"description,omitempty" jsonschema_description:"Small print below the title."`
}

// Form is a form that the service shows.
type Form struct {
	ID       string       `json:"id,omitempty" jsonschema_description:"The service's id of the form."`
	Name     string       `json:"name,omitempty" jsonschema_description:"The form's name, instead of the id."`
	Button   string       `json:"button" source:"required" jsonschema_description:"What the button that opens the form says."`
	Token    string       `json:"token,omitempty" jsonschema_description:"Comes back with the answers."`
	Screen   string       `json:"screen,omitempty" jsonschema_description:"Screen that opens first."`
	Data     source.Value `json:"data,omitempty" jsonschema_description:"An object: what that screen gets."`
	Endpoint Part[bool]   `json:"endpoint,omitempty" jsonschema_description:"Whether the form's endpoint gives the first screen and its data."`
	Draft    Part[bool]   `json:"draft,omitempty" jsonschema_description:"Whether the unpublished form is meant."`
}

// Card is a card of a carousel.
type Card struct {
	Title    string         `json:"title" source:"required" jsonschema_description:"The card's title."`
	Subtitle string         `json:"subtitle,omitempty" jsonschema_description:"Text below the title."`
	Media    Part[Media]    `json:"media,omitempty" jsonschema_description:"Picture or video of the card; say its kind."`
	Buttons  Part[[]Button] `json:"buttons,omitempty" jsonschema_description:"Buttons of the card."`
}

// Product is a product of a catalogue.
type Product struct {
	CatalogID string `json:"catalog_id" source:"required" jsonschema_description:"The service's id of the catalogue."`
	ProductID string `json:"product_id" source:"required" jsonschema_description:"Your own id of the product."`
}

// ProductList is products of a catalogue.
type ProductList struct {
	CatalogID string                 `json:"catalog_id" source:"required" jsonschema_description:"The service's id of the catalogue."`
	Sections  Part[[]ProductSection] `json:"sections" source:"required" jsonschema_description:"Its parts, with thirty products at most in all."`
}

// ProductSection is a part of a product list.
type ProductSection struct {
	Title      string         `json:"title,omitempty" jsonschema_description:"May be left out if it is the only section."`
	ProductIDs Part[[]string] `json:"product_ids" source:"required" jsonschema_description:"Your own ids of the products."`
}

// Approved is a text that the service has approved.
type Approved struct {
	Name       string         `json:"name" source:"required" jsonschema_description:"The template's name."`
	Language   string         `json:"language" source:"required" jsonschema_description:"Such as pt_BR."`
	Params     Part[[]string] `json:"params,omitempty" jsonschema_description:"Values of the placeholders in the template's text, in their order."`
	Components source.Value   `json:"components,omitempty" jsonschema_description:"Other components, in the service's own shape: headers, buttons, cards, named placeholders."`
}

// Reaction is an emoji on an earlier message.
type Reaction struct {
	MessageID string `json:"message_id" source:"required" jsonschema_description:"Id of the message, such as {{ input.id }}."`
	Emoji     string `json:"emoji" source:"required" jsonschema_description:"The emoji; an empty text takes the reaction back."`
}
