package xmljson

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/trama-run/trama/pdk/abi"
)

// Parse reads a whole document. The text is already decoded: what its prolog
// says about its encoding is ignored.
//
// The tokens are encoding/xml's; that package leaves to its caller what
// [parser] checks: one root, nothing around it, matching tags, unique
// attributes, bound prefixes, the place of the XML declaration, whitespace
// between attributes and references to surrogates.
func Parse(text string) (*Element, error) {
	text = strings.TrimPrefix(text, "\ufeff")
	decoder := xml.NewDecoder(strings.NewReader(text))
	decoder.CharsetReader = func(_ string, input io.Reader) (io.Reader, error) { return input, nil }
	p := &parser{text: text, decoder: decoder, names: map[xml.Name]string{}}
	p.base = &scope{prefix: "xml", space: spaceXML}
	for {
		done, err := p.step()
		if err != nil {
			return nil, err
		}
		if done {
			return p.root, nil
		}
	}
}

type parser struct {
	text    string
	decoder *xml.Decoder
	names   map[xml.Name]string // each name once, as written
	base    *scope
	root    *Element
	open    []frame
	nodes   int
}

// frame is an element whose end tag is still to come.
type frame struct {
	element *Element
	scope   *scope
	text    []byte
	start   int // offset of the start tag
}

// step takes one token.
func (p *parser) step() (done bool, err error) {
	start := int(p.decoder.InputOffset())
	rest := p.text[start:]
	if strings.HasPrefix(rest, "<!") && !strings.HasPrefix(rest, "<!-") && !strings.HasPrefix(rest, "<![") {
		return false, failAt(CodeDTD, p.text, start, "a document type declaration (DTD) is refused: it can define entities and name files; send the document without it")
	}
	token, err := p.decoder.RawToken()
	if err == io.EOF {
		return true, p.end()
	}
	if err != nil {
		return false, p.syntax(err)
	}
	raw := p.text[start:p.decoder.InputOffset()]
	if reference, bad := surrogateReference(raw); bad && !strings.HasPrefix(raw, "<!") {
		return false, p.fail(start, "%s is no character", reference)
	}
	switch token := token.(type) {
	case xml.StartElement:
		return false, p.startElement(token, raw, start)
	case xml.EndElement:
		return false, p.endElement(token, start)
	case xml.CharData:
		return false, p.characters(token, raw, start)
	case xml.ProcInst:
		if strings.EqualFold(token.Target, "xml") && start > 0 {
			return false, p.fail(start, "the XML declaration must stand at the very start")
		}
	}
	return false, nil
}

func (p *parser) startElement(token xml.StartElement, raw string, start int) error {
	if p.root != nil && len(p.open) == 0 {
		return p.fail(start, "a second root element <%s>; a document has one", p.name(token.Name))
	}
	if len(p.open) == MaxDepth {
		return failAt(abi.CodeLimit, p.text, start, "elements are nested deeper than %d", MaxDepth)
	}
	if p.nodes += 1 + len(token.Attr); p.nodes > MaxNodes {
		return failAt(abi.CodeLimit, p.text, start, "more than %d elements and attributes; send it in parts", MaxNodes)
	}
	if len(token.Attr) > 1 && !attributesApart(raw) {
		return p.fail(start, "<%s>: no whitespace between two attributes", p.name(token.Name))
	}
	element := &Element{Name: p.name(token.Name)}
	if len(token.Attr) > 0 {
		element.Attributes = make([]Attribute, len(token.Attr))
	}
	for i, attribute := range token.Attr {
		element.Attributes[i] = Attribute{Name: p.name(attribute.Name), Value: attribute.Value}
	}
	outer := p.base
	if len(p.open) > 0 {
		outer = p.open[len(p.open)-1].scope
	}
	inner, err := resolve(element, outer)
	if err != nil {
		return p.fail(start, "<%s>: %v", element.Name, err)
	}
	if len(p.open) == 0 {
		p.root = element
	} else {
		parent := p.open[len(p.open)-1].element
		parent.Children = append(parent.Children, element)
	}
	p.open = append(p.open, frame{element: element, scope: inner, start: start})
	return nil
}

func (p *parser) endElement(token xml.EndElement, start int) error {
	if len(p.open) == 0 {
		return p.fail(start, "</%s> without its start tag", p.name(token.Name))
	}
	last := p.open[len(p.open)-1]
	if name := p.name(token.Name); name != last.element.Name {
		return p.fail(start, "</%s> where </%s> must come first", name, last.element.Name)
	}
	if len(last.element.Children) == 0 || !isSpace(string(last.text)) {
		last.element.Text = string(last.text)
	}
	p.open = p.open[:len(p.open)-1]
	return nil
}

func (p *parser) characters(text []byte, raw string, start int) error {
	if len(p.open) == 0 {
		if !isSpace(raw) {
			return p.fail(start, "text outside the root element")
		}
		return nil
	}
	last := &p.open[len(p.open)-1]
	last.text = append(last.text, text...)
	return nil
}

// end judges the document once all tokens are taken.
func (p *parser) end() error {
	if n := len(p.open); n > 0 {
		last := p.open[n-1]
		return p.fail(last.start, "<%s> is never closed", last.element.Name)
	}
	if p.root == nil {
		return p.fail(len(p.text), "no root element")
	}
	return nil
}

// syntax translates an error of the decoder.
func (p *parser) syntax(err error) error {
	message := strings.TrimPrefix(err.Error(), "xml: ")
	if syntax, ok := errors.AsType[*xml.SyntaxError](err); ok {
		message = syntax.Msg
	}
	code := CodeMalformed
	if strings.Contains(message, "invalid character entity") {
		code = CodeEntity
	}
	return failAt(code, p.text, int(p.decoder.InputOffset()), "%s", message)
}

func (p *parser) fail(offset int, format string, args ...any) error {
	return failAt(CodeMalformed, p.text, offset, format, args...)
}

// name gives a name as written, the same string for the same name.
func (p *parser) name(name xml.Name) string {
	if known, ok := p.names[name]; ok {
		return known
	}
	written := name.Local
	if name.Space != "" {
		written = name.Space + ":" + name.Local
	}
	p.names[name] = written
	return written
}

// resolve sets the element's namespace and checks its attributes' names.
func resolve(element *Element, outer *scope) (*scope, error) {
	inner, err := outer.declare(element.Attributes)
	if err != nil {
		return nil, err
	}
	space, err := lookup(element.Name, inner)
	if err != nil {
		return nil, err
	}
	element.Space = space
	if len(element.Attributes) == 0 {
		return inner, nil
	}
	var seen keys
	for _, attribute := range element.Attributes {
		name := attribute.Name // stands for itself unless it has a prefix
		if _, declaration := attribute.declares(); !declaration && strings.Contains(name, ":") {
			space, err := lookup(name, inner)
			if err != nil {
				return nil, err
			}
			name = space + " " + local(name)
		}
		if !seen.add(name) {
			return nil, fmt.Errorf("attribute %q stands twice", attribute.Name)
		}
	}
	return inner, nil
}

func lookup(name string, names *scope) (space string, err error) {
	if strings.HasPrefix(name, ":") || strings.HasSuffix(name, ":") {
		return "", fmt.Errorf("%q is no name", name)
	}
	space, ok := names.lookup(prefix(name))
	if !ok {
		return "", fmt.Errorf("prefix %q of %q is not declared; add xmlns:%s", prefix(name), name, prefix(name))
	}
	return space, nil
}

// surrogateReference finds a character reference such as &#xD800;, which
// names no character and which encoding/xml replaces in silence.
func surrogateReference(raw string) (reference string, found bool) {
	for {
		start := strings.Index(raw, "&#")
		if start < 0 {
			return "", false
		}
		raw = raw[start:]
		end := strings.IndexByte(raw, ';')
		if end < 0 {
			return "", false
		}
		digits, base := raw[2:end], 10
		if hex, ok := strings.CutPrefix(digits, "x"); ok {
			digits, base = hex, 16
		}
		if code, err := strconv.ParseUint(digits, base, 32); err == nil && code >= 0xd800 && code <= 0xdfff {
			return raw[:end+1], true
		}
		raw = raw[end+1:]
	}
}

// attributesApart says whether whitespace follows each attribute of a start
// tag that another attribute follows.
func attributesApart(tag string) bool {
	var quote byte
	for i := range len(tag) {
		switch c := tag[i]; {
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case quote == c && quote != 0:
			quote = 0
			if i+1 < len(tag) && !strings.ContainsRune(" \t\r\n/>", rune(tag[i+1])) {
				return false
			}
		}
	}
	return true
}

func isSpace(text string) bool { return strings.Trim(text, " \t\r\n") == "" }
