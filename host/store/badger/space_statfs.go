//go:build linux || darwin

package badger

import "golang.org/x/sys/unix"

// freeSpace returns the bytes that an unprivileged process may still write to
// the volume of dir (statfs(2): f_bavail).
func freeSpace(dir string) (uint64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, err
	}
	return st.Bavail * uint64(st.Bsize), nil
}
