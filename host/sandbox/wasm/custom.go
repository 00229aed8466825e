package wasm

import "unicode/utf8"

// Custom gives what the custom section of that name holds; ok is false if
// there is none. What else the module has is passed over unread, so a module
// that [Parse] refuses may have one too. Two sections of the name are an error:
// readers would not agree on which one counts. Beside an error, ok says whether one
// stands before the fault.
func Custom(wasm []byte, name string) (data []byte, ok bool, err error) {
	err = sections(wasm, func(r *reader, s customSection) {
		if s.name != name {
			return
		}
		if ok {
			r.failAt(s.start, "the custom section %q stands twice", name)
		}
		data, ok = wasm[s.data:s.end:s.end], true
	})
	if err != nil {
		return nil, ok, err
	}
	return data, ok, nil
}

// WithCustom gives the module with one custom section of that name, at its
// end, in place of those that it has. Nothing else changes: what comes before
// stays byte for byte. The name has at most 1000 bytes of UTF-8.
func WithCustom(wasm []byte, name string, data []byte) ([]byte, error) {
	r := &reader{data: wasm, place: "custom section", index: -1, name: name}
	if len(name) > maxName || !utf8.ValidString(name) {
		r.refuse("want a name of at most %d bytes of UTF-8", maxName)
		return nil, r.err
	}
	out, err := WithoutCustom(wasm, name)
	if err != nil {
		return nil, err
	}
	head := AppendName(nil, name)
	out = append(out, SectionCustom)
	out = AppendU32(out, uint32(len(head)+len(data)))
	out = append(append(out, head...), data...)
	if len(out) > MaxModule {
		r.refuse("with it the module has %s, over the limit of %s for one plugin", Size(int64(len(out))), Size(MaxModule))
		return nil, r.err
	}
	return out, nil
}

// WithoutCustom gives the module without the custom sections of that name, in
// memory of its own.
func WithoutCustom(wasm []byte, name string) ([]byte, error) {
	out, kept := make([]byte, 0, len(wasm)), 0
	err := sections(wasm, func(_ *reader, s customSection) {
		if s.name == name {
			out = append(out, wasm[kept:s.start]...)
			kept = s.end
		}
	})
	if err != nil {
		return nil, err
	}
	return append(out, wasm[kept:]...), nil
}

// customSection is where one stands in a module: its header, what it holds, and
// what follows it.
type customSection struct {
	name             string
	start, data, end int
}

// sections calls visit with each custom section. Of the others only the header
// is read.
func sections(wasm []byte, visit func(*reader, customSection)) error {
	r := &reader{data: wasm, end: len(wasm), place: "file", index: -1}
	r.head()
	for r.err == nil && r.at < r.end {
		start := r.at
		r.reading("section header")
		id := r.byte()
		n := r.u32()
		if r.err == nil && int64(n) > int64(r.end-r.at) {
			r.fail("it has %d bytes by its header, but the file ends after %d", n, r.end-r.at)
		}
		if r.err != nil {
			break
		}
		whole, end := r.end, r.at+int(n)
		if id == SectionCustom {
			r.reading("section custom")
			r.end = end
			name := r.utf8()
			if r.err == nil {
				visit(r, customSection{name: name, start: start, data: r.at, end: end})
			}
		}
		r.at, r.end = end, whole
	}
	return r.err
}
