//go:build linux && (amd64 || arm64)

package image

import (
	"encoding/binary"
	"fmt"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Numbers and structures of the kernel: include/uapi/linux/userfaultfd.h and
// include/uapi/linux/fs.h (Documentation/admin-guide/mm/pagemap.rst).
const (
	userfaultAPI          = 0xaa
	ioctlUserfaultAPI     = 0xc018aa3f
	ioctlUserfaultWatch   = 0xc020aa00 // UFFDIO_REGISTER
	ioctlUserfaultProtect = 0xc018aa06 // UFFDIO_WRITEPROTECT
	userModeOnly          = 1          // UFFD_USER_MODE_ONLY: needs no privilege
	registerModeProtect   = 1 << 1     // UFFDIO_REGISTER_MODE_WP
	protectModeProtect    = 1 << 0     // UFFDIO_WRITEPROTECT_MODE_WP
	featureUnpopulated    = 1 << 13    // UFFD_FEATURE_WP_UNPOPULATED
	featureAsync          = 1 << 15    // UFFD_FEATURE_WP_ASYNC

	ioctlPagemapScan = 0xc0606610 // PAGEMAP_SCAN
	pageIsWritten    = 1 << 1
	pageIsFile       = 1 << 2
	pageIsPresent    = 1 << 3
	pageIsSwapped    = 1 << 4
	pageIsZero       = 1 << 5 // the page of zeros that all share

	entryPresent = 1 << 63 // of /proc/self/pagemap
	entrySwapped = 1 << 62
	entryFile    = 1 << 61
)

type userfaultAPIRequest struct{ api, features, ioctls uint64 }

type userfaultRange struct{ start, length, mode, ioctls uint64 }

// scanRequest is struct pm_scan_arg.
type scanRequest struct {
	size, flags, start, end, walkEnd         uint64
	regions, room, maxPages                  uint64
	inverted, allOf, anyOf, returnedCategory uint64
}

// region is struct page_region: addresses from start to before end.
type region struct{ start, end, categories uint64 }

// Which pages a scan reports.
var (
	// scanWritten: written since they were protected.
	scanWritten = scanRequest{allOf: pageIsWritten, returnedCategory: pageIsWritten}
	// scanPrivate: there or swapped out, and not the file's.
	scanPrivate = scanRequest{inverted: pageIsFile, allOf: pageIsFile, anyOf: pageIsPresent | pageIsSwapped, returnedCategory: pageIsFile}
	// scanHeld: there or swapped out, and not a page of zeros that was only read.
	scanHeld = scanRequest{inverted: pageIsZero, allOf: pageIsZero, anyOf: pageIsPresent | pageIsSwapped, returnedCategory: pageIsPresent}
)

// openFaults opens a userfaultfd that lifts protections by itself.
func openFaults() (int, error) {
	fd, _, errno := unix.Syscall(unix.SYS_USERFAULTFD, unix.O_CLOEXEC|userModeOnly, 0, 0)
	if errno != 0 {
		return -1, fmt.Errorf("userfaultfd: %w", errno)
	}
	request := userfaultAPIRequest{api: userfaultAPI, features: featureAsync | featureUnpopulated}
	if err := ioctl(int(fd), ioctlUserfaultAPI, unsafe.Pointer(&request)); err != nil {
		_ = unix.Close(int(fd)) // the first error says it all
		return -1, fmt.Errorf("userfaultfd: %w", err)
	}
	return int(fd), nil
}

// watch has the kernel remember which pages of a clean mapping are written.
func (s *Space) watch(memory []byte) error {
	request := userfaultRange{start: address(memory), length: uint64(len(memory)), mode: registerModeProtect}
	if err := ioctl(s.faults, ioctlUserfaultWatch, unsafe.Pointer(&request)); err != nil {
		return fmt.Errorf("userfaultfd register: %w", err)
	}
	return s.protect(memory)
}

// protect begins the list of written pages anew.
func (s *Space) protect(memory []byte) error {
	request := userfaultRange{start: address(memory), length: uint64(len(memory)), mode: protectModeProtect}
	if err := ioctl(s.faults, ioctlUserfaultProtect, unsafe.Pointer(&request)); err != nil {
		return fmt.Errorf("userfaultfd protect: %w", err)
	}
	return nil
}

// scan does something with the pages of [from, to), offsets in bytes, that a scan
// reports, and counts them.
func (m *Memory) scan(request scanRequest, from, to int, do func(from, to int)) (pages int, err error) {
	if m.regions == nil {
		m.regions = make([]region, 64)
	}
	base := address(m.room)
	request.size = uint64(unsafe.Sizeof(request))
	request.start, request.end = base+uint64(from), base+uint64(to)
	request.regions, request.room = uint64(uintptr(unsafe.Pointer(&m.regions[0]))), uint64(len(m.regions))
	for request.start < request.end {
		n, _, errno := unix.Syscall(unix.SYS_IOCTL, m.space.pagemap.Fd(), ioctlPagemapScan, uintptr(unsafe.Pointer(&request)))
		if errno != 0 {
			return pages, fmt.Errorf("pagemap scan: %w", errno)
		}
		for _, r := range m.regions[:n] {
			do(int(r.start-base), int(r.end-base))
			pages += int(r.end-r.start) / pageSize
		}
		request.start = request.walkEnd
	}
	return pages, nil
}

// looked copies back the pages that /proc/self/pagemap shows as private.
func (m *Memory) looked() (pages int, err error) {
	if m.entries == nil {
		m.entries = make([]byte, 4096)
	}
	base := address(m.room)
	for at := 0; at < m.size; {
		want := min(len(m.entries), (m.size-at)/pageSize*8)
		n, err := m.space.pagemap.ReadAt(m.entries[:want], int64(base/pageSize)*8+int64(at/pageSize)*8)
		if err != nil {
			return pages, fmt.Errorf("pagemap: %w", err)
		}
		for i := 0; i+8 <= n; i += 8 {
			entry := binary.LittleEndian.Uint64(m.entries[i:])
			if entry&(entryPresent|entrySwapped) != 0 && entry&entryFile == 0 {
				m.copyBack(at, at+pageSize)
				pages++
			}
			at += pageSize
		}
	}
	return pages, nil
}

// mapOver maps a file, or anonymous memory, over a part of a reservation.
func mapOver(memory []byte, protection, flags, file int) error {
	_, _, errno := unix.Syscall6(unix.SYS_MMAP, uintptr(address(memory)), uintptr(len(memory)),
		uintptr(protection), uintptr(flags|unix.MAP_FIXED), uintptr(file), 0)
	return errnoOf(errno)
}

func address(memory []byte) uint64 { return uint64(uintptr(unsafe.Pointer(unsafe.SliceData(memory)))) }

func ioctl(fd int, request uintptr, argument unsafe.Pointer) error {
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, uintptr(argument))
	return errnoOf(errno)
}

func errnoOf(errno syscall.Errno) error {
	if errno != 0 {
		return errno
	}
	return nil
}
