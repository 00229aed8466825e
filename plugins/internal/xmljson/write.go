package xmljson

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Form says how a document is written.
type Form struct {
	// Encoding is "UTF-8" or "ISO-8859-1", as the declaration names it;
	// empty: UTF-8. A character that ISO-8859-1 lacks is written as a
	// reference to it.
	Encoding string
	// Declaration begins with <?xml ...?>.
	Declaration bool
	// Indent is how many spaces each level is moved to the right; 0 writes
	// all in one line. Elements with text are written without any.
	Indent int
	// CDATA lists the names of elements whose text is a CDATA section.
	CDATA []string
}

// Document writes the element as a document.
func (e *Element) Document(form Form) ([]byte, error) {
	w := output{form: form, cdata: map[string]bool{}}
	for _, name := range form.CDATA {
		w.cdata[name] = true
	}
	encoding := "UTF-8"
	switch strings.ToUpper(form.Encoding) {
	case "", "UTF-8":
	case "ISO-8859-1":
		encoding, w.latin1 = "ISO-8859-1", true
	default:
		return nil, unwritable(form.Encoding)
	}
	if form.Declaration {
		w.out = fmt.Appendf(w.out, "<?xml version=\"1.0\" encoding=\"%s\"?>\n", encoding)
	}
	if err := w.element(e, &scope{prefix: "xml", space: spaceXML}, 0); err != nil {
		return nil, err
	}
	if form.Indent > 0 {
		w.out = append(w.out, '\n')
	}
	if !w.latin1 {
		return w.out, nil
	}
	bytes := make([]byte, 0, len(w.out))
	for _, r := range string(w.out) { // element has left none above 0xff
		bytes = append(bytes, byte(r))
	}
	return bytes, nil
}

// AppendXML appends the element as XML in UTF-8. Its prefixes must be declared
// by it, an element around it inside this tree, or be among declared.
func (e *Element) AppendXML(dst []byte, declared ...string) ([]byte, error) {
	names := &scope{prefix: "xml", space: spaceXML}
	for _, prefix := range declared {
		names = &scope{prefix: prefix, space: "declared", outer: names}
	}
	w := output{out: dst}
	if err := w.element(e, names, 0); err != nil {
		return nil, err
	}
	return w.out, nil
}

type output struct {
	form   Form
	cdata  map[string]bool
	latin1 bool
	out    []byte
}

func (w *output) element(e *Element, outer *scope, depth int) error {
	names, err := resolve(e, outer)
	if err != nil {
		return invalid("<"+e.Name+">", "%v", err)
	}
	if w.latin1 {
		if i := strings.IndexFunc(e.Name, beyondLatin1); i >= 0 {
			return invalid("<"+e.Name+">", "ISO-8859-1 can't write this name; take UTF-8")
		}
	}
	w.out = append(append(w.out, '<'), e.Name...)
	for _, attribute := range e.Attributes {
		if w.latin1 && strings.ContainsFunc(attribute.Name, beyondLatin1) {
			return invalid("<"+e.Name+"> "+attribute.Name, "ISO-8859-1 can't write this name; take UTF-8")
		}
		w.out = append(append(append(w.out, ' '), attribute.Name...), `="`...)
		w.out = append(w.escaped(w.out, attribute.Value, true), '"')
	}
	if e.Text == "" && len(e.Children) == 0 {
		w.out = append(w.out, "/>"...)
		return nil
	}
	w.out = append(w.out, '>')
	if w.cdata[e.Name] {
		w.section(e.Text)
	} else {
		w.out = w.escaped(w.out, e.Text, false)
	}
	apart := w.form.Indent > 0 && e.Text == ""
	for _, child := range e.Children {
		if apart {
			w.line(depth + 1)
		}
		if err := w.element(child, names, depth+1); err != nil {
			return err
		}
	}
	if apart {
		w.line(depth)
	}
	w.out = append(append(w.out, "</"...), e.Name...)
	w.out = append(w.out, '>')
	return nil
}

func (w *output) line(depth int) {
	w.out = append(w.out, '\n')
	for range depth * w.form.Indent {
		w.out = append(w.out, ' ')
	}
}

// section writes a CDATA section; what can't stand in one, its own end and
// what the encoding or a parser would change, stands between two.
func (w *output) section(text string) {
	open := false
	for i, r := range text {
		outside := r == '\r' || w.latin1 && beyondLatin1(r) || r == '>' && strings.HasSuffix(text[:i], "]]")
		if open == outside {
			w.out = append(w.out, map[bool]string{true: "]]>", false: "<![CDATA["}[open]...)
			open = !open
		}
		if outside {
			w.out = w.escaped(w.out, string(r), false)
		} else {
			w.out = utf8.AppendRune(w.out, r)
		}
	}
	if open {
		w.out = append(w.out, "]]>"...)
	}
}

func beyondLatin1(r rune) bool { return r > 0xff }

// escaped writes text so that a parser gives it back unchanged: also the
// whitespace that parsers normalise (XML 1.0, 2.11 and 3.3.3).
func (w *output) escaped(dst []byte, text string, attribute bool) []byte {
	for _, r := range text {
		switch {
		case r == '&':
			dst = append(dst, "&amp;"...)
		case r == '<':
			dst = append(dst, "&lt;"...)
		case r == '>':
			dst = append(dst, "&gt;"...)
		case r == '\r':
			dst = append(dst, "&#13;"...)
		case attribute && r == '"':
			dst = append(dst, "&quot;"...)
		case attribute && r == '\n':
			dst = append(dst, "&#10;"...)
		case attribute && r == '\t':
			dst = append(dst, "&#9;"...)
		case w.latin1 && beyondLatin1(r):
			dst = fmt.Appendf(dst, "&#%d;", r)
		default:
			dst = utf8.AppendRune(dst, r)
		}
	}
	return dst
}
