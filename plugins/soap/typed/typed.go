// Package typed turns JSON into the elements that an XML schema wants, and
// elements back into JSON, led by a [Descriptor]: what a schema says of one
// operation's messages, as plain data that a flow carries. It knows nothing of
// WSDL, envelopes or HTTP.
//
// An object's members are child elements, put into the schema's order; "@name"
// is an attribute, "#text" the text beside attributes, an array an element
// that may repeat, null xsi:nil where the schema has that and otherwise
// nothing, and "@xsi:type" names a type that extends the declared one.
package typed

// Descriptor is what an operation's messages are made of. No Input or Output:
// an empty body.
type Descriptor struct {
	Input  *Element  `json:"input,omitempty"`
	Output *Element  `json:"output,omitempty"`
	Header []Element `json:"headers,omitempty"` // that a call may carry
	Faults []Element `json:"faults,omitempty"`  // what a fault's detail may hold
	// Types are the schema's own types, by the key that elements name.
	Types map[string]Type `json:"types,omitempty"`
}

// Element is an element, or with Namespace an attribute, at one place.
type Element struct {
	Name string `json:"name"`
	// Namespace is that of the element; empty: none (elementFormDefault
	// "unqualified").
	Namespace string `json:"namespace,omitempty"`
	// Type is the key of a type in Types, or "xs:" and the name of one of XML
	// Schema's own; "xs:anyType" takes anything.
	Type     string   `json:"type"`
	Array    bool     `json:"array,omitempty"`    // maxOccurs is above one
	Required bool     `json:"required,omitempty"` // minOccurs is not zero
	Nillable bool     `json:"nillable,omitempty"`
	Enum     []string `json:"enum,omitempty"` // all that the text may be
}

// Type is a complex type: everything of the types that it extends comes first.
type Type struct {
	// Name and Namespace are the schema's, for xsi:type; none: anonymous.
	Name       string    `json:"name,omitempty"`
	Namespace  string    `json:"namespace,omitempty"`
	Base       string    `json:"base,omitempty"` // key of the type that it extends
	Abstract   bool      `json:"abstract,omitempty"`
	Elements   []Element `json:"elements,omitempty"` // in their order
	Attributes []Element `json:"attributes,omitempty"`
	Text       string    `json:"text,omitempty"` // type of its text, if it has one
	Enum       []string  `json:"enum,omitempty"` // of the text
	Any        bool      `json:"any,omitempty"`  // xs:any stands behind the elements
}

// Own begins the names of XML Schema's own types.
const Own = "xs:"

// extends says whether the type with key one is, or extends, another.
func (d *Descriptor) extends(one, other string) bool {
	for range len(d.Types) + 1 {
		if one == other || other == Own+"anyType" {
			return true
		}
		if one = d.Types[one].Base; one == "" {
			return false
		}
	}
	return false
}

// derived finds the type that an xsi:type names, at a place of a type.
func (d *Descriptor) derived(name, declared string) (string, bool) {
	for key, t := range d.Types {
		if t.Name == name && d.extends(key, declared) {
			return key, true
		}
	}
	return "", false
}
