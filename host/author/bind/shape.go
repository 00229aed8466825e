package bind

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/trama-run/trama/host/source"
)

type kind int

const (
	raw kind = iota // any JSON
	text
	integer
	number
	boolean
	list
	dict // an object with keys of the data
	of   // a named type
)

// use is a type where it is used.
type use struct {
	kind     kind
	item     *use   // of a list or dict
	to       *named // of a named type
	nullable bool
	within   bool   // what it names would, without a list or dict between, stand in itself
	why      string // of raw: what no type can say
}

type form int

const (
	object form = iota
	enum
	union
	alias
)

// named is a type with a name.
type named struct {
	name, doc string
	form      form
	fields    []field // of an object
	closed    bool    // an object that has no other fields
	rest      *use    // what other fields of an object hold, if the schema says so
	values    []string
	variants  []*use
	target    *use // of an alias
}

// others is what the other fields of an object hold; nil: it has none.
func (n *named) others() *use {
	if n.closed || n.rest != nil {
		return n.rest
	}
	return &use{}
}

type field struct {
	key, doc string
	use      *use
	required bool
}

// builder makes types of schemas.
type builder struct {
	style style
	types []*named
	taken map[string]bool
	refs  map[string]*use       // by scope and pointer; nil while it has no name yet
	whole map[source.Value]*use // of schemas that are put together; nil likewise

	root  source.Value // the schema that is converted
	scope string       // what its references depend on
	name  string       // of its type
}

// document converts a whole schema to the type of that name.
func (b *builder) document(root source.Value, name, doc string) {
	definitions, _ := json.Marshal(map[string]any{"$defs": root.Get("$defs").Any(), "definitions": root.Get("definitions").Any()}) // plain values always marshal
	b.root, b.scope, b.name = root, string(definitions), name
	within := strings.Count(b.scope, `"$ref":"#/$defs/`) + strings.Count(b.scope, `"$ref":"#/definitions/`)
	if strings.Count(b.scope, `"$ref":`) > within { // what stands elsewhere in this document counts too
		b.scope += name
	}
	first := len(b.types)
	delete(b.taken, name) // it was kept for this
	u := b.reference("#", []string{name})
	if u.kind == of && u.to.name == name && !u.nullable {
		u.to.doc = docs(name+" is "+doc+".", u.to.doc)
		return
	}
	if u.kind == of && u.to.name == name { // a type of its own, which may be null
		u.to.name = b.free(name + "Value")
	}
	b.taken[name] = true
	n := &named{name: name, doc: docs(name+" is "+doc+".", described(root)), form: alias, target: u}
	b.types = slices.Insert(b.types, first, n)
}

// mark finds, of finished types, where one would stand in itself. What is behind
// a list or a dict has a place of its own.
func mark(types []*named) {
	const open, done = 1, 2
	state := map[*named]int{}
	var visit func(n *named)
	visit = func(n *named) {
		state[n] = open
		direct := slices.Clone(n.variants)
		for _, f := range n.fields {
			direct = append(direct, f.use)
		}
		for _, u := range direct {
			switch {
			case u.kind != of:
			case state[u.to] == open:
				u.within = true
			case state[u.to] != done:
				visit(u.to)
			}
		}
		state[n] = done
	}
	for _, n := range types {
		if state[n] != done {
			visit(n)
		}
	}
}

// docs joins paragraphs.
func docs(paragraphs ...string) string {
	return strings.Join(slices.DeleteFunc(paragraphs, func(p string) bool { return p == "" }), "\n\n")
}

// described gives what a schema says for people.
func described(v source.Value) string {
	doc := str(v.Get("description"))
	if title := str(v.Get("title")); doc == "" && strings.Contains(title, " ") { // a word names the type
		doc = title
	}
	return strings.TrimSpace(doc)
}

func str(v source.Value) string {
	s, _ := v.Any().(string)
	return s
}

func has(v source.Value, key string) bool { return slices.Contains(v.Keys(), key) }

func items(v source.Value) (all []source.Value) {
	for i := range v.Len() {
		all = append(all, v.Get(fmt.Sprint(i)))
	}
	return all
}

func unknown(format string, args ...any) *use { return &use{why: fmt.Sprintf(format, args...)} }

// reference gives the type of a part of the document, "#/$defs/name".
func (b *builder) reference(pointer string, hint []string) *use {
	key := b.scope + "\x00" + pointer
	if !strings.HasPrefix(pointer, "#/$defs/") && !strings.HasPrefix(pointer, "#/definitions/") {
		key += "\x00" + b.name
	}
	if u, known := b.refs[key]; known {
		if u == nil {
			return unknown("%s stands in itself", pointer)
		}
		again := *u
		return &again
	}
	at, last, why := b.find(pointer)
	if why != nil {
		return why
	}
	if last != "" {
		hint = words(last)
	}
	b.refs[key] = nil
	u := b.convert(at, hint, func(n *named) { b.refs[key] = &use{kind: of, to: n} })
	b.refs[key] = u
	return u
}

// find gives the part of the document that a pointer leads to, and the last step
// to it; or why there is none.
func (b *builder) find(pointer string) (at source.Value, last string, why *use) {
	path, isLocal := strings.CutPrefix(pointer, "#")
	if !isLocal {
		return at, "", unknown("%s is outside this schema", pointer)
	}
	if path == "" {
		return b.root, "", nil
	}
	at = b.root
	for step := range strings.SplitSeq(strings.TrimPrefix(path, "/"), "/") {
		step, err := url.PathUnescape(step)
		last = strings.NewReplacer("~1", "/", "~0", "~").Replace(step)
		at = at.Get(last)
		if err != nil || at.IsZero() {
			return at, "", unknown("%s leads nowhere", pointer)
		}
	}
	return at, last, nil
}

// declare names a type. early hears of it before its parts are converted.
func (b *builder) declare(f form, hint []string, doc string, early func(*named)) *named {
	n := &named{name: b.free(b.style.pascal(hint)), doc: doc, form: f}
	b.types = append(b.types, n)
	early(n)
	return n
}

// free gives a name that no type has.
func (b *builder) free(name string) string {
	free := name
	for i := 1; b.taken[free]; i++ {
		if free = name + "Type"; i > 1 {
			free = fmt.Sprintf("%s%d", name, i)
		}
	}
	b.taken[free] = true
	return free
}

func nobody(*named) {}

// convert gives the type of a schema. hint is what to call it if it needs a
// name.
func (b *builder) convert(v source.Value, hint []string, early func(*named)) *use {
	switch {
	case v.Any() == false:
		return unknown("no value fits its schema")
	case !v.IsMapping():
		return &use{}
	case has(v, "enum"):
		return b.choice(v.Get("enum"), v, hint, early)
	case has(v, "const"):
		return b.choice(source.ValueOf([]any{v.Get("const").Any()}), v, hint, early)
	case has(v, "$ref"), has(v, "allOf"):
		return b.all(v, hint, early)
	case has(v, "properties"):
		if declared(v) {
			return unknown("an object with fields of its own and of one of several schemas")
		}
	case has(v, "oneOf"):
		return b.oneOf(items(v.Get("oneOf")), v, hint, early)
	case has(v, "anyOf"):
		return b.oneOf(items(v.Get("anyOf")), v, hint, early)
	}
	types, nullable := typesOf(v)
	switch len(types) {
	case 0:
		return &use{nullable: true, why: "null alone"}
	case 1:
		u := *b.simple(types[0], v, hint, early)
		u.nullable = u.nullable || nullable
		return &u
	}
	n := b.declare(union, hint, described(v), early)
	for _, t := range types {
		u := *b.simple(t, v, append(slices.Clone(hint), t), nobody)
		u.nullable = false // the choice is
		n.variants = append(n.variants, &u)
	}
	return &use{kind: of, to: n, nullable: nullable}
}

// typesOf gives the types that a schema names, "" if it names none, and whether
// null is one beside them.
func typesOf(v source.Value) (types []string, nullable bool) {
	if !v.Get("type").IsList() {
		types = []string{str(v.Get("type"))}
	}
	for _, t := range items(v.Get("type")) {
		types = append(types, str(t))
	}
	nullable = slices.Contains(types, "null")
	types = slices.DeleteFunc(types, func(t string) bool { return t == "null" })
	return types, nullable
}

// simple gives the type of a schema of one type.
func (b *builder) simple(t string, v source.Value, hint []string, early func(*named)) *use {
	if t == "" { // what it says tells
		switch {
		case has(v, "items"):
			t = "array"
		case has(v, "properties"), has(v, "additionalProperties"), has(v, "patternProperties"), has(v, "required"):
			t = "object"
		}
	}
	switch t {
	case "string":
		return &use{kind: text}
	case "integer":
		return &use{kind: integer}
	case "number":
		return &use{kind: number}
	case "boolean":
		return &use{kind: boolean}
	case "array":
		if has(v, "prefixItems") {
			return unknown("a list whose places differ")
		}
		return &use{kind: list, item: b.convert(v.Get("items"), singular(hint), nobody)}
	case "object":
		return b.object([]source.Value{v}, v, hint, early)
	}
	return &use{}
}

// singular is what to call an item of a list.
func singular(hint []string) []string {
	last := hint[len(hint)-1]
	if one, ok := strings.CutSuffix(last, "s"); ok && len(one) > 2 && !strings.HasSuffix(one, "s") && !strings.HasSuffix(one, "u") {
		return append(slices.Clone(hint[:len(hint)-1]), one)
	}
	return append(slices.Clone(hint), "item")
}

// object gives the type of an object whose fields stand in all of parts.
func (b *builder) object(parts []source.Value, v source.Value, hint []string, early func(*named)) *use {
	var rest *use
	count, closed := 0, false
	for _, part := range parts {
		count += len(part.Get("properties").Keys())
		closed = closed || part.Get("additionalProperties").Any() == false
	}
	for _, part := range parts {
		additional := part.Get("additionalProperties")
		switch {
		case has(part, "patternProperties"):
			rest = &use{}
		case additional.IsMapping(), additional.Any() == true:
			rest = b.convert(additional, append(slices.Clone(hint), "value"), nobody)
		}
	}
	nullable := nullIn(append([]source.Value{v}, parts...))
	if count == 0 && !closed {
		if rest == nil {
			rest = &use{}
		}
		return &use{kind: dict, item: rest, nullable: nullable}
	}
	n := b.declare(object, hint, described(v), early)
	n.closed, n.rest = closed && rest == nil, rest
	for _, part := range parts {
		var required []string
		for _, r := range items(part.Get("required")) {
			required = append(required, str(r))
		}
		for _, key := range part.Get("properties").Keys() {
			if i := slices.IndexFunc(n.fields, func(f field) bool { return f.key == key }); i >= 0 {
				n.fields[i].required = n.fields[i].required || slices.Contains(required, key)
				continue
			}
			property := part.Get("properties", key)
			n.fields = append(n.fields, field{
				key: key, doc: described(property), required: slices.Contains(required, key),
				use: b.convert(property, append(words(n.name), words(key)...), nobody),
			})
		}
	}
	for _, part := range parts { // what one part declares, another may require
		for _, r := range items(part.Get("required")) {
			for i := range n.fields {
				n.fields[i].required = n.fields[i].required || n.fields[i].key == str(r)
			}
		}
	}
	return &use{kind: of, to: n, nullable: nullable}
}

// nullIn says whether null fits all of the schemas, as one of them says.
func nullIn(parts []source.Value) (nullable bool) {
	for _, part := range parts {
		t := part.Get("type")
		null := slices.ContainsFunc(items(t), func(t source.Value) bool { return str(t) == "null" })
		if !t.IsZero() && !null {
			return false
		}
		nullable = nullable || null
	}
	return nullable
}
