package expr

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Template is a compiled text, list or object with expressions in its texts.
// It may be used by many goroutines.
type Template struct{ root part }

// part is one of literal, *Expression, joined, listOf, objectOf.
type part any

type (
	literal  struct{ value any }
	joined   []part   // texts
	listOf   []part   // lists
	objectOf []member // objects, sorted by name
	path     []any    // {a[b][0]}: keys and indexes under input
)

type member struct {
	name  string
	value part
}

// PathError is an error in one text of a template tree; Path leads there.
type PathError struct {
	Path []string
	Err  error
}

// CompileMessage reads the text of a message, where not only {{ expressions }}
// but also {name} and {items[0][title]} stand for values, those under input.
// What is not of this form stays as it is. Its errors are of type [*Error].
func CompileMessage(text string) (*Template, error) {
	p, err := compileText(text, true)
	return &Template{p}, err
}

// CompileTree reads a JSON value with templates in its texts; the keys of
// objects are not templates. All errors are reported, in the order of paths.
func CompileTree(value any) (*Template, []PathError) {
	var errs []PathError
	root := compileTree(value, false, nil, &errs)
	return &Template{root}, errs
}

// CompileMessageTree is [CompileTree] for a value whose texts are those of a
// message (see [CompileMessage]).
func CompileMessageTree(value any) (*Template, []PathError) {
	var errs []PathError
	root := compileTree(value, true, nil, &errs)
	return &Template{root}, errs
}

func compileTree(value any, braces bool, at []string, errs *[]PathError) part {
	constant := true
	inner := func(v any, step string) part {
		p := compileTree(v, braces, append(slices.Clip(at), step), errs)
		_, ok := p.(literal)
		constant = constant && ok
		return p
	}
	switch v := value.(type) {
	case string:
		p, err := compileText(v, braces)
		if err != nil {
			*errs = append(*errs, PathError{at, err})
		}
		return p
	case []any:
		list := make(listOf, len(v))
		for i, item := range v {
			list[i] = inner(item, strconv.Itoa(i))
		}
		if !constant {
			return list
		}
	case map[string]any:
		object := make(objectOf, 0, len(v))
		for _, k := range slices.Sorted(maps.Keys(v)) { // so that the first error is always the same
			object = append(object, member{k, inner(v[k], k)})
		}
		if !constant {
			return object
		}
	}
	return literal{value}
}

// Literal gives the value of a template without expressions.
func (t *Template) Literal() (any, bool) {
	l, ok := t.root.(literal)
	return l.value, ok
}

// Expand gives the template's value in a scope (see [Expression.Eval]).
// Errors are of type [*Error].
func (t *Template) Expand(scope map[string]any) (any, error) {
	if l, ok := t.root.(literal); ok {
		return l.value, nil
	}
	scope, g := guarded(scope)
	return t.expand(g, scope, t.root)
}

// Text gives the template's value as text.
func (t *Template) Text(scope map[string]any) (string, error) {
	scope, g := guarded(scope)
	v, err := t.expand(g, scope, t.root)
	if err != nil {
		return "", err
	}
	return textOf(g, "", v)
}

func (t *Template) expand(g *guard, scope map[string]any, p part) (any, error) {
	switch p := p.(type) {
	case literal:
		return p.value, nil
	case *Expression:
		return p.eval(g, scope)
	case path:
		v := scope["input"]
		for _, step := range p {
			v = get(g, v, step)
		}
		return v, nil
	case joined:
		var b strings.Builder
		for _, piece := range p {
			v, err := t.expand(g, scope, piece)
			if err != nil {
				return nil, err
			}
			name := ""
			if e, ok := piece.(*Expression); ok {
				name = e.text
			}
			s, err := textOf(g, name, v)
			if err != nil {
				return nil, err
			}
			b.WriteString(s)
		}
		return b.String(), nil
	case listOf:
		list := make([]any, len(p))
		for i, item := range p {
			v, err := t.expand(g, scope, item)
			if err != nil {
				return nil, err
			}
			list[i] = v
		}
		return list, nil
	case objectOf:
		object := make(map[string]any, len(p))
		for _, m := range p {
			v, err := t.expand(g, scope, m.value)
			if err != nil {
				return nil, err
			}
			object[m.name] = v
		}
		return object, nil
	}
	return nil, nil
}

func textOf(g *guard, expression string, v any) (s string, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = faultError(expression, r)
		}
	}()
	s = text(g, v)
	g.grow(len(s))
	return s, nil
}

// compileText gives a literal, an expression, a path, or joined of them.
func compileText(text string, braces bool) (part, error) {
	var pieces joined
	var plain strings.Builder
	flush := func() {
		if plain.Len() > 0 {
			pieces = append(pieces, literal{plain.String()})
			plain.Reset()
		}
	}
	for rest := text; rest != ""; {
		i := strings.IndexByte(rest, '{')
		if i < 0 {
			plain.WriteString(rest)
			break
		}
		plain.WriteString(rest[:i])
		rest = rest[i:]
		if strings.HasPrefix(rest, "{{") {
			end := closing(rest)
			if end < 0 {
				return literal{text}, &Error{Text: rest, Message: "{{ without }}", Hint: `close it with }}; for two plain braces write {{ "{{" }}`}
			}
			e, err := Compile(strings.TrimSpace(rest[2:end]))
			if err != nil {
				return literal{text}, err
			}
			flush()
			pieces = append(pieces, e)
			rest = rest[end+2:]
			continue
		}
		if p, size := bracePath(rest); braces && size > 0 {
			flush()
			pieces = append(pieces, p)
			rest = rest[size:]
			continue
		}
		plain.WriteByte('{')
		rest = rest[1:]
	}
	flush()
	switch len(pieces) {
	case 0:
		return literal{""}, nil
	case 1:
		return pieces[0], nil
	}
	return pieces, nil
}

// closing gives the offset of the }} that ends the expression at the
// beginning of text, or -1. Braces of objects and closures and quoted texts
// in the expression are passed over.
func closing(text string) int {
	depth := 0
	for i := 2; i < len(text); i++ {
		switch c := text[i]; c {
		case '{':
			depth++
		case '}':
			if depth == 0 {
				if strings.HasPrefix(text[i:], "}}") {
					return i
				}
				return -1
			}
			depth--
		case '"', '\'', '`':
			for i++; i < len(text) && text[i] != c; i++ {
				if text[i] == '\\' && c != '`' {
					i++
				}
			}
		}
	}
	return -1
}

// bracePath reads {name}, {name[key]} or {name[0][key]} at the beginning of
// text and gives its size; 0 means that there is none.
func bracePath(text string) (path, int) {
	i := 1
	word := func(dash bool) string {
		start := i
		for i < len(text) {
			c := text[i]
			if c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || dash && c == '-' {
				i++
				continue
			}
			break
		}
		return text[start:i]
	}
	name := word(false)
	if name == "" || name[0] >= '0' && name[0] <= '9' {
		return nil, 0
	}
	p := path{name}
	for i < len(text) {
		switch text[i] {
		case '}':
			return p, i + 1
		case '[':
			i++
			step := word(true)
			if step == "" || i >= len(text) || text[i] != ']' {
				return nil, 0
			}
			i++
			if n, err := strconv.ParseInt(step, 10, 64); err == nil && n >= 0 {
				p = append(p, n)
			} else {
				p = append(p, step)
			}
		default:
			return nil, 0
		}
	}
	return nil, 0
}
