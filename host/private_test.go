package host

import (
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
)

func TestDataDirectoryIsPrivate(t *testing.T) {
	for _, c := range []struct {
		mode    fs.FileMode // 0: the directory is not there
		refused bool
	}{{0, false}, {0o700, false}, {0o755, false}, {0o777, false}, {0o777 | fs.ModeSticky, true}} {
		dir := filepath.Join(t.TempDir(), "data")
		if c.mode != 0 {
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(dir, c.mode); err != nil { // past the umask
				t.Fatal(err)
			}
		}
		err := private(dir, slog.New(slog.DiscardHandler))
		if (err != nil) != c.refused {
			t.Errorf("mode %v: %v, want refused %v", c.mode, err, c.refused)
		}
		if info, statErr := os.Stat(dir); statErr != nil || !c.refused && info.Mode().Perm() != 0o700 {
			t.Errorf("mode %v: it is %v now, %v; want 0700", c.mode, info.Mode(), statErr)
		}
	}
}
