package redact

import "bytes"

// span is a piece of a source.
type span struct{ from, to int }

// needle is a text to find, with its table for the search of Knuth, Morris and
// Pratt: the time that it takes does not depend on what the text repeats.
type needle struct {
	text string
	next []int // by length of a match: the longest shorter one that it ends with
}

func newNeedle(text string) needle {
	next := make([]int, len(text)+1)
	for i, k := 1, 0; i < len(text); i++ {
		for k > 0 && text[i] != text[k] {
			k = next[k]
		}
		if text[i] == text[k] {
			k++
		}
		next[i+1] = k
	}
	return needle{text, next}
}

// finder looks for needles in one view of a stream.
type finder struct {
	read    reading
	needles []needle
	matched []int // how much of each needle the view ends with
	longest int
	held    view // not yet read
	seen    view // read, as far back as a needle reaches
}

func newFinder(read reading, needles []needle) *finder {
	f := &finder{read: read, needles: needles, matched: make([]int, len(needles))}
	for _, n := range needles {
		f.longest = max(f.longest, len(n.text))
	}
	return f
}

// feed reads on, and returns what is new in the view, until the next feed.
func (f *finder) feed(in view, end bool, found func(span)) view {
	f.seen.drop(max(len(f.seen.bytes)-f.longest, 0))
	from := len(f.seen.bytes)
	f.held.append(in)
	f.held.drop(f.read(&f.held, end, &f.seen))
	for i, n := range f.needles {
		f.matched[i] = f.search(n, f.matched[i], from, found)
	}
	return f.seen.part(from, len(f.seen.bytes))
}

func (f *finder) search(n needle, k, from int, found func(span)) int {
	for i := from; i < len(f.seen.bytes); i++ {
		if k == 0 {
			skip := bytes.IndexByte(f.seen.bytes[i:], n.text[0])
			if skip < 0 {
				return 0
			}
			i += skip
		}
		b := f.seen.bytes[i]
		for k > 0 && b != n.text[k] {
			k = n.next[k]
		}
		if b == n.text[k] {
			k++
		}
		if k == len(n.text) {
			found(span{f.seen.from[i+1-k], f.seen.to[i]})
			k = n.next[k]
		}
	}
	return k
}

// safe is the offset before which no match begins that is still to come, at
// most limit.
func (f *finder) safe(limit int) int {
	if len(f.held.from) > 0 {
		limit = min(limit, f.held.from[0])
	}
	for _, k := range f.matched {
		if k > 0 {
			limit = min(limit, f.seen.from[len(f.seen.from)-k])
		}
	}
	return limit
}
