package xmljson

import (
	"slices"
	"unicode/utf8"
)

// keys is a set of keys in the order of their arrival. Few are searched one
// by one, which beats a map for nearly every element.
type keys struct {
	list  []string
	index map[string]int // from manyKeys on
}

const manyKeys = 16

// find gives a key's place, or -1.
func (k *keys) find(key string) int {
	if k.index == nil {
		return slices.Index(k.list, key)
	}
	if at, ok := k.index[key]; ok {
		return at
	}
	return -1
}

// add says whether the key is new.
func (k *keys) add(key string) bool {
	if k.find(key) >= 0 {
		return false
	}
	k.list = append(k.list, key)
	switch {
	case k.index != nil:
		k.index[key] = len(k.list) - 1
	case len(k.list) == manyKeys:
		k.index = make(map[string]int, 2*manyKeys)
		for i, known := range k.list {
			k.index[known] = i
		}
	}
	return true
}

// AppendString appends text as a JSON string. Bytes that are not UTF-8 become
// U+FFFD.
func AppendString(dst []byte, text string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(text); {
		c := text[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		size := 1
		if c >= utf8.RuneSelf {
			var r rune
			if r, size = utf8.DecodeRuneInString(text[i:]); r != utf8.RuneError || size > 1 {
				i += size
				continue
			}
		}
		dst = append(dst, text[start:i]...)
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			if c < ' ' {
				dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
			} else {
				dst = append(dst, "\ufffd"...)
			}
		}
		i += size
		start = i
	}
	dst = append(dst, text[start:]...)
	return append(dst, '"')
}
