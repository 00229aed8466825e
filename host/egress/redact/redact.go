// Package redact takes texts that must not be seen out of what comes back from
// other systems: as they are, and in the spellings in which systems commonly
// give them back.
//
// It is a guard against accidents: a system that was given a secret can always
// return it in a form that nobody recognises (reversed, in pieces, encrypted).
// The package is pure and knows nothing of where texts come from.
package redact

import (
	"cmp"
	"io"
	"slices"
	"sync"
)

// Mark stands in the place of what was taken out.
const Mark = "[redacted]"

// minLength is the shortest text that is taken out: removing every "a" from an
// answer would ruin it and hide nothing.
const minLength = 4

// Set is a growing set of hidden texts. Its zero value is empty and ready; it
// is safe for concurrent use.
type Set struct {
	mu     sync.Mutex
	hidden []string // guarded by mu
	made   *matcher // of hidden; guarded by mu; nil until it is needed
}

// Hide adds a text. One shorter than 4 bytes is passed over.
func (s *Set) Hide(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(text) >= minLength && !slices.Contains(s.hidden, text) {
		s.hidden, s.made = append(s.hidden, text), nil
	}
}

// Empty says whether nothing is hidden.
func (s *Set) Empty() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.hidden) == 0
}

// matcher returns what finds the hidden texts, nil if there are none.
func (s *Set) matcher() *matcher {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.made == nil && len(s.hidden) > 0 {
		s.made = newMatcher(s.hidden)
	}
	return s.made
}

// Redact takes the hidden texts out of a text.
func (s *Set) Redact(text string) string {
	m := s.matcher()
	if m == nil || !m.in(text) {
		return text
	}
	out, _ := m.replace(nil, []byte(text), len(text))
	return string(out)
}

// Reader takes the hidden texts out of a stream, wherever it is cut into
// reads. What is hidden later is not looked for.
func (s *Set) Reader(from io.Reader) io.Reader {
	m := s.matcher()
	if m == nil {
		return from
	}
	return &reader{from: from, matcher: m, chunk: make([]byte, 32<<10)}
}

// matcher finds the forms of hidden texts.
type matcher struct {
	forms   [256][]string // by first byte, longest first: no part of one stays behind
	longest int
}

func newMatcher(hidden []string) *matcher {
	m := &matcher{}
	var all []string
	for _, text := range hidden {
		all = append(all, forms(text)...)
	}
	slices.SortFunc(all, func(a, b string) int { return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b)) })
	for _, form := range slices.Compact(all) {
		m.forms[form[0]] = append(m.forms[form[0]], form)
		m.longest = max(m.longest, len(form))
	}
	return m
}

// at returns the length of the form that b begins with, 0 for none.
func (m *matcher) at(b []byte) int {
	for _, form := range m.forms[b[0]] {
		if len(form) <= len(b) && string(b[:len(form)]) == form {
			return len(form)
		}
	}
	return 0
}

func (m *matcher) in(text string) bool {
	b := []byte(text)
	for i := range b {
		if m.at(b[i:]) > 0 {
			return true
		}
	}
	return false
}

// replace appends to out what is left of b, as far as forms begin before end,
// and says how much of b that was.
func (m *matcher) replace(out, b []byte, end int) ([]byte, int) {
	i := 0
	for i < end {
		if n := m.at(b[i:]); n > 0 {
			out = append(out, Mark...)
			i += n
			continue
		}
		out = append(out, b[i])
		i++
	}
	return out, i
}

// reader redacts a stream. It holds back as much as could be the beginning of
// a form.
type reader struct {
	from    io.Reader
	matcher *matcher
	chunk   []byte
	in      []byte // read and not yet looked at
	out     []byte // ready
	err     error  // of from; nothing is read after it
}

func (r *reader) Read(p []byte) (int, error) {
	for len(r.out) == 0 {
		end := len(r.in) - r.matcher.longest + 1
		if r.err != nil {
			end = len(r.in)
		}
		if end > 0 {
			var used int
			r.out, used = r.matcher.replace(r.out[:0], r.in, end)
			r.in = append(r.in[:0], r.in[used:]...)
			continue
		}
		if r.err != nil {
			return 0, r.err
		}
		var n int
		n, r.err = r.from.Read(r.chunk)
		r.in = append(r.in, r.chunk[:n]...)
	}
	n := copy(p, r.out)
	r.out = r.out[n:]
	return n, nil
}
