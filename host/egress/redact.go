package egress

import (
	"cmp"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

const (
	redacted = "[redacted]"
	// minRedacted bytes is the shortest text that is redacted: removing every
	// "a" from an answer would ruin it and hide nothing.
	minRedacted = 4
)

// Redact removes the secrets that this scope has used from a text: as they
// are, and in the encodings in which systems commonly give them back (JSON,
// XML, URL, base64, hexadecimal). Secrets shorter than 4 bytes stay. It is a
// guard against accidents: a system that was given a secret can always return
// it in a form that nobody recognises.
func (s *Scope) Redact(text string) string {
	s.mu.Lock()
	if s.redactor == nil && len(s.hidden) > 0 {
		// A longer text goes first, so that no part of it stays behind.
		slices.SortFunc(s.hidden, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
		var pairs []string
		for _, h := range s.hidden {
			pairs = append(pairs, h, redacted)
		}
		s.redactor = strings.NewReplacer(pairs...)
	}
	redactor := s.redactor
	s.mu.Unlock()
	if redactor == nil {
		return text
	}
	return redactor.Replace(text)
}

// hide adds a secret to those that Redact removes.
func (s *Scope) hide(value string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if slices.Contains(s.hidden, value) {
		return
	}
	for _, form := range forms(value) {
		if len(form) >= minRedacted && !slices.Contains(s.hidden, form) {
			s.hidden = append(s.hidden, form)
			s.redactor = nil
		}
	}
}

var escapePattern = regexp.MustCompile(`%[0-9A-F]{2}`)

// forms are the ways in which a value may come back.
func forms(value string) []string {
	if len(value) < minRedacted {
		return nil
	}
	raw := []byte(value)
	all := []string{
		value, url.QueryEscape(value), url.PathEscape(value), hex.EncodeToString(raw), strings.ToUpper(hex.EncodeToString(raw)),
		base64.RawStdEncoding.EncodeToString(raw), base64.RawURLEncoding.EncodeToString(raw),
	}
	for _, escaped := range slices.Clone(all[1:3]) {
		all = append(all, escapePattern.ReplaceAllStringFunc(escaped, strings.ToLower))
	}
	for _, escapeHTML := range []bool{true, false} {
		var b strings.Builder
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(escapeHTML)
		if e.Encode(value) == nil {
			quoted := strings.TrimSpace(b.String())
			all = append(all, quoted[1:len(quoted)-1])
		}
	}
	var b strings.Builder
	if xml.EscapeText(&b, raw) == nil {
		all = append(all, b.String())
	}
	return all
}
