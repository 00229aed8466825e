package redact

import (
	"slices"
	"strings"
	"unicode"
)

// secretParts are parts of the names of headers, parameters and members of JSON
// that carry credentials, or something made of them.
var secretParts = []string{"cookie", "token", "secret", "signature", "password", "passwd", "passphrase", "credential", "session",
	"client_id", "client-id", "clientid", "authoriz", "authentic", "apikey", "accesskey", "privatekey"}

// secretWords are such names too where they are a whole word of one: in others
// they stand by chance.
var secretWords = []string{"auth", "key", "pass", "pwd", "pin", "otp", "jwt", "sig", "hmac", "cvv", "cvc"}

// headerParts are words that stand anywhere in the names of headers and
// parameters: few of these are "author" or "keyboard", as members may be.
var headerParts = []string{"auth", "key"}

// IsSecretName says whether a header or a parameter with this name, in lower
// case, carries credentials: its value is not to be kept.
func IsSecretName(name string) bool {
	return containsAny(name, headerParts) || IsSecretMember(name)
}

// IsSecretField says the same of a field of a query or a form: it may also be
// the code that a token is had for (RFC 6749, section 4.1.2).
func IsSecretField(name string) bool { return name == "code" || IsSecretName(name) }

// IsSecretMember says whether a member of JSON carries credentials.
func IsSecretMember(name string) bool {
	if containsAny(strings.ToLower(name), secretParts) {
		return true
	}
	for word := range strings.FieldsFuncSeq(humps(name), func(r rune) bool { return !unicode.IsLetter(r) }) {
		if slices.Contains(secretWords, word) || slices.Contains(secretWords, strings.TrimSuffix(word, "s")) {
			return true
		}
	}
	return false
}

// humps gives a name in lower case, with a space where a word of it begins in
// upper case.
func humps(name string) string {
	if !strings.ContainsFunc(name, unicode.IsUpper) {
		return name // as most are
	}
	var out strings.Builder
	lower := false // the letter before
	for _, r := range name {
		if lower && unicode.IsUpper(r) {
			out.WriteByte(' ')
		}
		lower = unicode.IsLower(r)
		out.WriteRune(unicode.ToLower(r))
	}
	return out.String()
}

func containsAny(name string, parts []string) bool {
	return slices.ContainsFunc(parts, func(part string) bool { return strings.Contains(name, part) })
}
