// Package image gives guests their linear memory, and takes it back to a kept
// state between calls.
//
// An [Image] is a memory's content at one moment. A [Memory] that was loaded
// from an image holds that content again after each Restore, and the work this
// takes follows what the guest changed, not the memory's size. On Linux the
// image is mapped copy-on-write, and the kernel says which pages are no longer
// the image's; those are copied back. Pages are never dropped, because each
// would fault again in the next call; of what a call let grow, a few megabytes
// are cleared and held. Elsewhere everything is copied.
//
//	space, err := image.Open()
//	memory, err := space.Reserve(limit)
//	guest := memory.Resize(size)      // a guest initialises itself in it
//	kept, err := space.Keep(guest)
//	err = memory.Load(kept)           // now it starts as kept
//	err = memory.Restore()            // and does so again
//
// The package knows pages and nothing of WebAssembly, of who writes them or of
// what they mean.
package image

import (
	"bytes"
	"errors"
	"fmt"
)

// Method is a way to find out what has to be copied back.
type Method string

// The methods, the fastest first. Figures are in RATIONALE.
const (
	// Userfaultfd: pages are write-protected once, the kernel lifts that at
	// the first write and remembers (userfaultfd WP_ASYNC and the
	// PAGEMAP_SCAN ioctl, Linux 6.7).
	Userfaultfd Method = "userfaultfd"
	// Scan: the kernel lists the pages that are not the file's any more
	// (PAGEMAP_SCAN, Linux 6.7).
	Scan Method = "pagemap-scan"
	// Pagemap: the same from /proc/self/pagemap, page by page.
	Pagemap Method = "pagemap"
	// Copy: the whole image is copied, whatever was changed.
	Copy Method = "copy"
)

// Methods lists all methods, the fastest first.
func Methods() []Method { return []Method{Userfaultfd, Scan, Pagemap, Copy} }

// Open finds the first of methods that works on this machine; all of them
// are tried without an argument. A container may forbid userfaultfd, and old
// kernels lack the scan, so each is tried out: a method that would leave one
// changed byte is not taken.
func Open(methods ...Method) (*Space, error) {
	if len(methods) == 0 {
		methods = Methods()
	}
	var failed []error
	for _, method := range methods {
		s, err := open(method)
		if err == nil {
			if err = s.tryOut(); err == nil {
				return s, nil
			}
			err = errors.Join(err, s.Close())
		}
		failed = append(failed, fmt.Errorf("%s: %w", method, err))
	}
	return nil, fmt.Errorf("no way to restore memory works here: %w", errors.Join(failed...))
}

// Method is the way that was chosen.
func (s *Space) Method() Method { return s.method }

// tryOut restores a small memory and compares.
func (s *Space) tryOut() error {
	const pages = 8
	content := bytes.Repeat([]byte{7}, pages*pageSize)
	clear(content[pageSize : 3*pageSize])
	kept, err := s.Keep(content)
	if err != nil {
		return err
	}
	m, err := s.Reserve(pages * pageSize)
	if err != nil {
		return errors.Join(err, kept.Close())
	}
	err = func() error {
		if err := m.Load(kept); err != nil {
			return err
		}
		for _, changed := range [][]int{{0, 2, 7}, {2, 3}, {5}} {
			for _, page := range changed {
				m.Bytes()[page*pageSize+page] ^= 0xff
			}
			if err := m.Restore(); err != nil {
				return err
			}
			if !bytes.Equal(m.Bytes(), content) {
				return fmt.Errorf("a restored memory differs from its image")
			}
		}
		return nil
	}()
	return errors.Join(err, m.Release(), kept.Close())
}
