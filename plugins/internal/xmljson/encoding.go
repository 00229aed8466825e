package xmljson

import (
	"bytes"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/trama-run/trama/pdk/abi"
)

// Decode makes UTF-8 of a document's bytes. The encoding is, in this order:
// the byte order mark's, the given charset (such as Content-Type's; empty for
// none), the prolog's, UTF-8 (RFC 7303, section 3).
func Decode(data []byte, charset string) (string, error) {
	if rest, ok := bytes.CutPrefix(data, []byte("\xef\xbb\xbf")); ok {
		return decodeUTF8(rest)
	}
	if bytes.HasPrefix(data, []byte{0xfe, 0xff}) || bytes.HasPrefix(data, []byte{0xff, 0xfe}) {
		return "", unsupported("UTF-16")
	}
	if charset == "" {
		charset = declared(data)
	}
	switch strings.ToLower(charset) {
	case "", "utf-8", "utf8":
		return decodeUTF8(data)
	case "us-ascii", "ascii":
		if i := bytes.IndexFunc(data, func(r rune) bool { return r >= utf8.RuneSelf }); i >= 0 {
			return "", failAt(CodeMalformed, string(data[:i]), i, "byte 0x%02x is not US-ASCII", data[i])
		}
		return string(data), nil
	case "iso-8859-1", "iso8859-1", "iso_8859-1", "latin1", "latin-1":
		return decodeBytes(data, nil), nil
	case "windows-1252", "cp1252":
		return decodeBytes(data, []rune(windows1252)), nil
	}
	return "", unsupported(charset)
}

// declaration finds the encoding in an XML declaration (XML 1.0, 2.8).
const declaration = `^<\?xml[ \t\r\n][^>]*?[ \t\r\n]encoding[ \t\r\n]*=[ \t\r\n]*(?:"([A-Za-z0-9._-]+)"|'([A-Za-z0-9._-]+)')`

func declared(data []byte) string {
	if !bytes.HasPrefix(data, []byte("<?xml")) {
		return ""
	}
	match := regexp.MustCompile(declaration).FindSubmatch(data[:min(len(data), 1024)])
	if match == nil {
		return ""
	}
	return string(match[1]) + string(match[2])
}

func decodeUTF8(data []byte) (string, error) {
	if !utf8.Valid(data) {
		valid := 0
		for valid < len(data) {
			r, size := utf8.DecodeRune(data[valid:])
			if r == utf8.RuneError && size <= 1 {
				break
			}
			valid += size
		}
		return "", failAt(CodeMalformed, string(data[:valid]), valid, "byte 0x%02x is not UTF-8; declare the encoding in the prolog if it is another", data[valid])
	}
	return string(data), nil
}

// windows1252 is what the bytes 0x80 to 0x9f mean there (WHATWG Encoding,
// index windows-1252); elsewhere it equals ISO-8859-1.
const windows1252 = "€\u0081‚ƒ„…†‡ˆ‰Š‹Œ\u008dŽ\u008f\u0090‘’“”•–—˜™š›œ\u009džŸ"

// decodeBytes maps each byte to the character of the same number, those from
// 0x80 to 0x9f by the table if there is one.
func decodeBytes(data []byte, table []rune) string {
	var text strings.Builder
	text.Grow(len(data) + len(data)/8)
	for _, b := range data {
		if table != nil && b >= 0x80 && b < 0xa0 {
			text.WriteRune(table[b-0x80])
		} else {
			text.WriteRune(rune(b))
		}
	}
	return text.String()
}

func unsupported(charset string) error {
	return &abi.Error{Code: CodeEncoding, Message: "xml: encoding \"" + charset + "\" is not supported; use UTF-8, ISO-8859-1, windows-1252 or US-ASCII"}
}

func unwritable(encoding string) error {
	return &abi.Error{Code: CodeEncoding, Message: "xml: encoding \"" + encoding + "\" can't be written; use UTF-8 or ISO-8859-1"}
}
