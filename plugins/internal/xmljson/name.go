package xmljson

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// checkName refuses what is no qualified name (Namespaces in XML, 4).
func checkName(name string) error {
	parts := strings.Split(name, ":")
	for _, part := range parts {
		if len(parts) > 2 || !isNCName(part) {
			return fmt.Errorf("%q can't be the name of an XML element or attribute", name)
		}
	}
	return nil
}

func isNCName(name string) bool {
	if name == "" || !utf8.ValidString(name) {
		return false
	}
	for i, r := range name {
		if !isNameStart(r) && (i == 0 || !isNameRest(r)) {
			return false
		}
	}
	return true
}

// isNameStart and isNameRest are NameStartChar and NameChar of XML 1.0 (fifth
// edition), 2.3, without the colon.
func isNameStart(r rune) bool {
	switch {
	case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r == '_':
		return true
	case r < 0xc0, r == 0xd7, r == 0xf7, r == 0x37e, r >= 0x300 && r <= 0x36f:
		return false
	}
	return r <= 0x1fff || r >= 0x200c && r <= 0x200d || r >= 0x2070 && r <= 0x218f ||
		r >= 0x2c00 && r <= 0x2fef || r >= 0x3001 && r <= 0xd7ff || r >= 0xf900 && r <= 0xfdcf ||
		r >= 0xfdf0 && r <= 0xfffd || r >= 0x10000 && r <= 0xeffff
}

func isNameRest(r rune) bool {
	return r == '-' || r == '.' || r >= '0' && r <= '9' || r == 0xb7 ||
		r >= 0x300 && r <= 0x36f || r >= 0x203f && r <= 0x2040
}

// isChar is Char of XML 1.0, 2.2.
func isChar(r rune) bool {
	return r >= ' ' && r <= 0xd7ff || r == '\t' || r == '\n' || r == '\r' ||
		r >= 0xe000 && r <= 0xfffd || r >= 0x10000 && r <= 0x10ffff
}

// Writable says whether XML can hold a text: control characters have no form
// there.
func Writable(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return !isChar(r) })
}
