package lines

import (
	"regexp"
	"strconv"
	"strings"
)

// hash is what Rust puts behind the path of a function.
var hash = regexp.MustCompile(`(::h[0-9a-f]{16}|\.llvm\.[0-9]+)+$`)

// escapes are what Rust's names may not hold, as its legacy mangling writes it.
var escapes = strings.NewReplacer("$LT$", "<", "$GT$", ">", "$LP$", "(", "$RP$", ")", "$C$", ",", "$RF$", "&", "$BP$", "*", "$SP$", "@",
	"$u20$", " ", "$u27$", "'", "$u5b$", "[", "$u5d$", "]", "$u7b$", "{", "$u7d$", "}", "$u7e$", "~", "..", "::")

// Name gives a function's name as its author wrote it, where that is simple:
// the path of a Rust function without its hash. Linkers give most names in
// readable form already.
func Name(name string) string {
	if path, ok := unmangle(name); ok {
		name = path
	}
	return hash.ReplaceAllString(name, "")
}

// unmangle reads Rust's legacy form: _ZN, each part of the path behind its
// length, E.
func unmangle(name string) (string, bool) {
	rest, ok := strings.CutPrefix(name, "_ZN")
	if !ok {
		return "", false
	}
	var parts []string
	for rest != "" && rest[0] != 'E' {
		digits := len(rest) - len(strings.TrimLeft(rest, "0123456789"))
		n, err := strconv.Atoi(rest[:digits])
		if err != nil || n == 0 || n > len(rest)-digits {
			return "", false
		}
		part := rest[digits : digits+n]
		if strings.HasPrefix(part, "_$") {
			part = part[1:]
		}
		parts = append(parts, escapes.Replace(part))
		rest = rest[digits+n:]
	}
	return strings.Join(parts, "::"), rest != "" && len(parts) > 0
}
