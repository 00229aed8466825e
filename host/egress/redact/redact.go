// Package redact takes texts that must not be seen out of what comes back from
// other systems: as they are, and in the spellings in which systems commonly
// give them back. Escapes of JSON, URLs, HTML and XML are read as they come, a
// character at a time, so that every mix of them is found.
//
// It is a guard against accidents: a system that was given a secret can always
// return it in a form that nobody recognises (reversed, in pieces, encrypted).
// The package is pure and knows nothing of where texts come from.
package redact

import (
	"cmp"
	"io"
	"slices"
	"strings"
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

// Absent says whether Redact gives a text as it is.
func (s *Set) Absent(text string) bool {
	m := s.matcher()
	return m == nil || m.absent(text)
}

// Redact takes the hidden texts out of a text.
func (s *Set) Redact(text string) string {
	m := s.matcher()
	if m == nil || m.absent(text) {
		return text
	}
	var out strings.Builder
	io.Copy(&out, m.reader(strings.NewReader(text))) //nolint:errcheck // neither end of it fails
	return out.String()
}

// Reader takes the hidden texts out of a stream, wherever it is cut into
// reads. What is hidden later is not looked for.
func (s *Set) Reader(from io.Reader) io.Reader {
	m := s.matcher()
	if m == nil {
		return from
	}
	return m.reader(from)
}

// matcher is what to look for in each view of a source.
type matcher struct {
	plain, unescaped, twice, compact []needle
}

func newMatcher(hidden []string) *matcher {
	var unescaped, twice, compacted []string
	for _, text := range hidden {
		unescaped = append(unescaped, unescapings(text)...)
		compacted = append(compacted, encodings(text)...)
	}
	for _, text := range unescaped {
		twice = append(twice, strings.ReplaceAll(text, "+", " "))
	}
	return &matcher{newNeedles(hidden), newNeedles(unescaped), newNeedles(twice), newNeedles(compacted)}
}

func newNeedles(texts []string) []needle {
	var all []needle
	slices.Sort(texts)
	for _, text := range slices.Compact(texts) {
		all = append(all, newNeedle(text))
	}
	return all
}

func (m *matcher) reader(from io.Reader) *reader {
	return &reader{
		from: from, chunk: make([]byte, 4<<10),
		plain: newFinder(same, m.plain), unescaped: newFinder(unescape, m.unescaped),
		twice: newFinder(spaced, m.twice), compact: newFinder(compact, m.compact),
	}
}

// reader redacts a stream. It holds back what could be the beginning of a
// hidden text.
type reader struct {
	from  io.Reader
	chunk []byte
	err   error // of from; nothing is read after it

	plain     *finder // of the source
	unescaped *finder // of plain
	twice     *finder // of unescaped: JSON in JSON, and forms
	compact   *finder // of unescaped

	in      []byte // read and not yet given out
	at      int    // offset of in
	found   []span // that begin at or after at
	covered int    // offset of the end of the last span that was taken out
	out     []byte // ready
}

func (r *reader) Read(p []byte) (int, error) {
	for len(r.out) == 0 {
		if r.err != nil {
			return 0, r.err
		}
		var n int
		n, r.err = r.from.Read(r.chunk)
		r.feed(r.chunk[:n], r.err != nil)
	}
	n := copy(p, r.out)
	r.out = r.out[n:]
	return n, nil
}

// feed takes a piece of the source, or the last one, and makes out of it what
// can be given out.
func (r *reader) feed(piece []byte, end bool) {
	source := view{piece, make([]int, len(piece)), make([]int, len(piece))}
	for i := range piece {
		source.from[i], source.to[i] = r.at+len(r.in)+i, r.at+len(r.in)+i+1
	}
	r.in = append(r.in, piece...)
	found := func(s span) { r.found = append(r.found, s) }
	plain := r.plain.feed(source, end, found)
	unescaped := r.unescaped.feed(plain, end, found)
	r.twice.feed(unescaped, end, found)
	r.compact.feed(unescaped, end, found)
	safe := r.at + len(r.in)
	if !end {
		for _, f := range []*finder{r.plain, r.unescaped, r.twice, r.compact} {
			safe = f.safe(safe)
		}
	}
	r.release(safe)
}

// release gives out the source up to an offset, without what was found. Spans
// that overlap are one.
func (r *reader) release(safe int) {
	slices.SortFunc(r.found, func(a, b span) int { return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(b.to, a.to)) })
	r.out = r.out[:0]
	begin, at := r.at, r.at
	upTo := func(offset int) { // what is not covered goes out
		if from := max(at, r.covered); from < offset {
			r.out = append(r.out, r.in[from-begin:offset-begin]...)
		}
		at = max(at, offset)
	}
	n := 0
	for ; n < len(r.found) && r.found[n].from < safe; n++ {
		s := r.found[n]
		if s.from >= r.covered {
			upTo(s.from)
			r.out = append(r.out, Mark...)
		}
		r.covered = max(r.covered, s.to)
	}
	upTo(safe)
	r.found = append(r.found[:0], r.found[n:]...)
	r.in, r.at = append(r.in[:0], r.in[safe-begin:]...), safe
}
