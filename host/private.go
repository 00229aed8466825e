package host

import (
	"fmt"
	"io/fs"
	"log/slog"
	"os"
)

// private makes a directory, if it is not there, and keeps others out of it:
// who can write into it can put compiled code into the place of a plugin's.
func private(dir string, log *slog.Logger) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	mode := info.Mode()
	if mode.Perm()&0o077 == 0 {
		return nil
	}
	if mode&fs.ModeSticky != 0 {
		return fmt.Errorf("data directory %s is shared (mode %04o, sticky): name one of its own", dir, mode.Perm())
	}
	if err := os.Chmod(dir, mode&^0o077); err == nil {
		log.Warn("data directory was open to others: it is not any more", "dir", dir, "mode", fmt.Sprintf("%04o", mode.Perm()))
	} else if mode.Perm()&0o002 != 0 {
		return fmt.Errorf("data directory %s can be written by everybody (mode %04o): chmod 700 %s: %w", dir, mode.Perm(), dir, err)
	} else { // another owner's, as mounted volumes are
		log.Warn("data directory is open to others, and belongs to another user", "dir", dir, "mode", fmt.Sprintf("%04o", mode.Perm()))
	}
	return nil
}
