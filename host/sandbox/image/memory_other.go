//go:build !(linux && (amd64 || arm64))

package image

import "fmt"

const pageSize = 4096 // the grain of sizes here

// Space makes memories and images. It may be used from many goroutines.
type Space struct{ method Method }

func open(method Method) (*Space, error) {
	if method != Copy {
		return nil, fmt.Errorf("it needs Linux on amd64 or arm64")
	}
	return &Space{method}, nil
}

// Close releases what the method uses: nothing.
func (s *Space) Close() error { return nil }

// Image is a kept content. It may be used by many memories at once.
type Image struct{ view []byte }

// Keep copies a content into a new image.
func (s *Space) Keep(content []byte) (*Image, error) {
	if len(content) == 0 || len(content)%pageSize != 0 {
		return nil, fmt.Errorf("keep %d bytes: want whole pages of %d", len(content), pageSize)
	}
	return &Image{append([]byte(nil), content...)}, nil
}

// Bytes is the content; it must not be changed.
func (i *Image) Bytes() []byte { return i.view }

// Close releases the image.
func (i *Image) Close() error { i.view = nil; return nil }

// Memory is one guest's linear memory, on the Go heap. Its address changes
// when it grows.
type Memory struct {
	buf   []byte
	limit uint64
	image *Image // nil before Load
}

// Reserve makes an empty memory that may hold limit bytes.
func (s *Space) Reserve(limit uint64) (*Memory, error) {
	return &Memory{limit: max((limit+pageSize-1)&^uint64(pageSize-1), pageSize)}, nil
}

// Bytes is the memory as it is now.
func (m *Memory) Bytes() []byte { return m.buf }

// Resize makes a memory larger, with zeros, and gives all of it; nil if there
// is no room.
func (m *Memory) Resize(size uint64) []byte {
	if size > m.limit || size%pageSize != 0 || size < uint64(len(m.buf)) {
		return nil
	}
	if size > uint64(cap(m.buf)) {
		grown := make([]byte, size, min(size+size/4, m.limit))
		copy(grown, m.buf)
		m.buf = grown
	}
	m.buf = m.buf[:size]
	return m.buf
}

// Load makes an image the content.
func (m *Memory) Load(i *Image) error {
	if uint64(len(i.view)) > m.limit {
		return fmt.Errorf("load an image of %d bytes into a memory of at most %d", len(i.view), m.limit)
	}
	m.buf, m.image = append([]byte(nil), i.view...), i
	return nil
}

// Kept is how many bytes a memory that was restored holds beyond its content.
func (m *Memory) Kept() int { return 0 }

// Restore makes the content the image's again, of its size.
func (m *Memory) Restore() error {
	switch {
	case m.image == nil || len(m.buf) < len(m.image.view):
		return fmt.Errorf("restore a memory of %d bytes: it is not of its image's size", len(m.buf))
	case len(m.buf) > len(m.image.view):
		return m.Load(m.image)
	}
	copy(m.buf, m.image.view)
	return nil
}

// Release forgets the memory.
func (m *Memory) Release() error { m.buf, m.image = nil, nil; return nil }
