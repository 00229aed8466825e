package value

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// answers are folded texts that say yes or no.
func answers() (yes, no []string) {
	return []string{
			"sim", "s", "ss", "sim sim", "sim claro", "sim por favor", "claro", "claro que sim", "com certeza", "certo", "certeza", "correto", "isso",
			"isso mesmo", "exato", "positivo", "pode", "pode ser", "quero", "confirmo", "confirmado", "aceito", "concordo", "ok", "okay", "blz", "beleza",
			"yes", "y", "yes please", "yep", "yeah", "yup", "sure", "true", "si", "si claro", "por supuesto", "👍", "✅",
		}, []string{
			"nao", "n", "nn", "nao nao", "nao obrigado", "nao obrigada", "nunca", "negativo", "errado", "incorreto", "nao quero", "nao pode",
			"nao aceito", "nao concordo", "recuso", "no", "nope", "nah", "no thanks", "no thank you", "never", "false", "no gracias", "👎", "❌",
		}
}

func readYesNo(v any, _ Reading) (any, bool) {
	if b, ok := v.(bool); ok {
		return b, true
	}
	s, ok := v.(string)
	if !ok {
		return nil, false
	}
	said := answer(s)
	yes, no := answers()
	if slices.Contains(yes, said) {
		return true, true
	}
	return false, slices.Contains(no, said)
}

// answer folds a text and leaves out what is not said: "Sim, claro!" is "sim
// claro"; a thumb has the colour of any skin.
func answer(s string) string {
	s = strings.Map(func(c rune) rune {
		switch {
		case c >= 0x1f3fb && c <= 0x1f3ff:
			return -1
		case unicode.IsPunct(c):
			return ' '
		}
		return c
	}, Fold(s))
	return strings.Join(strings.Fields(s), " ")
}

// Option is one of several things to choose from.
type Option struct {
	ID    string
	Title string
	// Words are other ways to name it.
	Words []string
}

// Options reads a list of options: texts, which are id and title, or objects
// with id, title and words; a title that is left out is the id.
func Options(v any) ([]Option, error) {
	list, ok := v.([]any)
	if !ok || len(list) == 0 {
		return nil, fmt.Errorf("options must be a list of texts, or of objects with id and title")
	}
	var options []Option
	for i, item := range list {
		o, err := option(item)
		if err != nil {
			return nil, fmt.Errorf("option %d: %w", i+1, err)
		}
		if slices.ContainsFunc(options, func(before Option) bool { return before.ID == o.ID }) {
			return nil, fmt.Errorf("option %d: the id %q is there twice", i+1, o.ID)
		}
		options = append(options, o)
	}
	return options, nil
}

func option(item any) (o Option, err error) {
	fields, isObject := item.(map[string]any)
	if !isObject {
		fields = map[string]any{"id": item}
	}
	for name, v := range fields {
		var ok bool
		switch name {
		case "id":
			o.ID, ok = Text(v)
		case "title":
			o.Title, ok = Text(v)
		case "words":
			list, isList := v.([]any)
			ok = isList
			for _, word := range list {
				w, isText := Text(word)
				o.Words, ok = append(o.Words, w), ok && isText
			}
		default:
			ok = true // such as the description of a list's row
		}
		if !ok {
			return o, fmt.Errorf("its %s does not fit: write texts, and words as a list of them", name)
		}
	}
	if o.ID == "" {
		return o, fmt.Errorf("it has no id")
	}
	if o.Title == "" {
		o.Title = o.ID
	}
	return o, nil
}

// Choose gives the option that an answer names: by the payload of a button,
// which is an id; by its title, id or other words as text; or else by its
// number, the first being 1.
func Choose(options []Option, payload, said string) (Option, bool) {
	for _, o := range options {
		if payload != "" && o.ID == payload {
			return o, true
		}
	}
	if o, ok := Named(options, said); ok {
		return o, true
	}
	n, err := strconv.Atoi(answer(said))
	if err != nil || n < 1 || n > len(options) {
		return Option{}, false
	}
	return options[n-1], true
}

// Named gives the option that an answer names by its title, id or other words.
func Named(options []Option, said string) (Option, bool) {
	if len(said) > maxForm {
		return Option{}, false
	}
	for _, same := range []func(string) string{Fold, answer} {
		text := same(said)
		if text == "" {
			continue
		}
		for _, o := range options {
			if same(o.Title) == text || same(o.ID) == text || slices.ContainsFunc(o.Words, func(w string) bool { return same(w) == text }) {
				return o, true
			}
		}
	}
	return Option{}, false
}
