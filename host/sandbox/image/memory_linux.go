//go:build linux && (amd64 || arm64)

package image

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

const pageSize = 4096 // of the kernel; Open fails on a machine with others

// Space makes memories and images. It may be used from many goroutines.
type Space struct {
	method  Method
	pagemap *os.File // /proc/self/pagemap; nil for Copy
	faults  int      // userfaultfd; -1 without one
}

func open(method Method) (*Space, error) {
	if size := os.Getpagesize(); size != pageSize {
		return nil, fmt.Errorf("pages have %d bytes here, want %d", size, pageSize)
	}
	s := &Space{method: method, faults: -1}
	switch method {
	case Userfaultfd, Scan, Pagemap:
	case Copy:
		return s, nil
	default:
		return nil, fmt.Errorf("there is no such method")
	}
	var err error
	if s.pagemap, err = os.Open("/proc/self/pagemap"); err != nil {
		return nil, err
	}
	if method == Userfaultfd {
		if s.faults, err = openFaults(); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	return s, nil
}

// Close releases what the methods use; memories and images are closed before.
func (s *Space) Close() error {
	var err error
	if s.pagemap != nil {
		err = s.pagemap.Close()
	}
	if s.faults >= 0 {
		err = errors.Join(err, unix.Close(s.faults))
	}
	return err
}

// Image is a kept content. It may be used by many memories at once, and is
// closed after the last of them.
type Image struct {
	file int
	view []byte // the file, read-only
}

// Keep copies a content into a new image.
func (s *Space) Keep(content []byte) (*Image, error) {
	if len(content) == 0 || len(content)%pageSize != 0 {
		return nil, fmt.Errorf("keep %d bytes: want whole pages of %d", len(content), pageSize)
	}
	file, err := unix.MemfdCreate("trama-image", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("keep an image: %w", err)
	}
	fail := func(err error) (*Image, error) {
		return nil, errors.Join(fmt.Errorf("keep an image of %d bytes: %w", len(content), err), unix.Close(file))
	}
	if err := unix.Ftruncate(file, int64(len(content))); err != nil {
		return fail(err)
	}
	for at := 0; at < len(content); at += pageSize {
		page := content[at : at+pageSize]
		if isZero(page) {
			continue // a hole costs nothing
		}
		if n, err := unix.Pwrite(file, page, int64(at)); err != nil || n < pageSize {
			return fail(fmt.Errorf("wrote %d of %d bytes at %d: %w", n, pageSize, at, err))
		}
	}
	view, err := unix.Mmap(file, 0, len(content), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return fail(err)
	}
	return &Image{file, view}, nil
}

// Bytes is the content; writing to it ends the process.
func (i *Image) Bytes() []byte { return i.view }

// Close releases the image.
func (i *Image) Close() error {
	return errors.Join(unix.Munmap(i.view), unix.Close(i.file))
}

// Memory is address space for one guest's linear memory. It is used by one
// goroutine at a time, and its address never changes.
type Memory struct {
	space *Space
	room  []byte // reserved; unreadable from size on
	size  int
	kept  int    // bytes behind the image that are held, as zeros, while nothing has grown over them
	image *Image // nil before Load

	regions []region // room for the kernel's answers
	entries []byte   // the same, for Pagemap
	usual   int      // the fewest pages that a Restore had to copy lately
}

// Reserve takes address space for a memory of at most limit bytes. It costs
// no memory until it is written.
func (s *Space) Reserve(limit uint64) (*Memory, error) {
	limit = max((limit+pageSize-1)&^uint64(pageSize-1), pageSize)
	room, err := unix.Mmap(-1, 0, int(limit), unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
	if err != nil {
		return nil, fmt.Errorf("reserve %d bytes of address space: %w", limit, err)
	}
	return &Memory{space: s, room: room}, nil
}

// Bytes is the memory as it is now.
func (m *Memory) Bytes() []byte { return m.room[:m.size:m.size] }

// Resize makes a memory larger, with zeros, and gives all of it; nil if there
// is no room.
func (m *Memory) Resize(size uint64) []byte {
	if size > uint64(len(m.room)) || size%pageSize != 0 || int(size) < m.size {
		return nil
	}
	if int(size) > m.size {
		if unix.Mprotect(m.room[m.size:size], unix.PROT_READ|unix.PROT_WRITE) != nil {
			return nil
		}
		m.size = int(size)
	}
	return m.Bytes()
}

// Load makes an image the content.
func (m *Memory) Load(i *Image) error {
	n := len(i.view)
	if n > len(m.room) {
		return fmt.Errorf("load an image of %d bytes into a memory of at most %d", n, len(m.room))
	}
	if err := mapOver(m.room[:n], unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE, i.file); err != nil {
		return fmt.Errorf("map an image: %w", err)
	}
	if end := max(m.size, m.imageSize()+m.kept); end > n {
		if err := m.drop(n, end); err != nil {
			return err
		}
	}
	m.image, m.size, m.kept, m.usual = i, n, 0, 0
	if m.space.method == Userfaultfd {
		return m.space.watch(m.room[:n])
	}
	return nil
}

// imageSize is where growth begins.
func (m *Memory) imageSize() int {
	if m.image == nil {
		return 0
	}
	return len(m.image.view)
}

// maxKept bounds what a memory holds for its next growth. A fault takes longer
// than to clear a page.
const maxKept = 4 << 20

// Kept is how many bytes a memory that was restored holds beyond its content.
func (m *Memory) Kept() int { return m.kept }

// Restore makes the content the image's again, of its size. After an error the
// content is undefined.
func (m *Memory) Restore() error {
	if m.image == nil || m.size < len(m.image.view) {
		return fmt.Errorf("restore a memory of %d bytes: it is not of its image's size", m.size)
	}
	if grown := m.size; grown > len(m.image.view) {
		m.size = len(m.image.view)
		if err := m.shrink(grown); err != nil {
			return fmt.Errorf("restore a memory: %w", err)
		}
	}
	pages, err := m.restore()
	if err != nil {
		return fmt.Errorf("restore a memory: %w", err)
	}
	if m.space.method != Userfaultfd {
		return nil
	}
	// The kernel reports a page for ever once it was written. Calls that take
	// unusual paths make the list longer than what calls change, so it is
	// begun anew. The pages hold the image's content now: none gets lost.
	const slack = 64
	if m.usual == 0 || pages < m.usual {
		m.usual = pages
	}
	if pages > 2*m.usual+slack {
		m.usual = 0
		return m.space.protect(m.room[:m.size])
	}
	return nil
}

// restore copies back what was changed, and counts the pages.
func (m *Memory) restore() (pages int, err error) {
	switch m.space.method {
	case Userfaultfd:
		return m.scan(scanWritten, 0, m.size, m.copyBack)
	case Scan:
		return m.scan(scanPrivate, 0, m.size, m.copyBack)
	case Pagemap:
		return m.looked()
	}
	return copy(m.Bytes(), m.image.view) / pageSize, nil
}

// copyBack restores the pages in [from, to), offsets in bytes.
func (m *Memory) copyBack(from, to int) { copy(m.room[from:to], m.image.view[from:to]) }

// shrink takes away what has grown up to an end, and holds a part of it, cleared.
func (m *Memory) shrink(end int) error {
	if m.space.method != Userfaultfd && m.space.method != Scan { // nothing says which pages are to be cleared
		return m.drop(m.size, end)
	}
	keep := min(end, m.size+maxKept)
	if end > keep {
		if err := m.drop(keep, end); err != nil {
			return err
		}
	}
	written := m.size
	if _, err := m.scan(scanHeld, m.size, keep, func(from, to int) {
		clear(m.room[from:to])
		written = to
	}); err != nil {
		return err
	}
	m.kept = max(m.kept, written-m.size)
	return unix.Mprotect(m.room[m.size:keep], unix.PROT_NONE)
}

// drop gives memory back that has grown.
func (m *Memory) drop(from, to int) error {
	if err := mapOver(m.room[from:to], unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE, -1); err != nil {
		return fmt.Errorf("give back grown memory: %w", err)
	}
	return nil
}

// Release gives the address space back. Nothing may run in it any more.
func (m *Memory) Release() error {
	room := m.room
	m.room, m.size, m.kept, m.image = nil, 0, 0, nil
	return unix.Munmap(room)
}

func isZero(page []byte) bool { return string(page) == zeroPage }

var zeroPage = string(make([]byte, pageSize))
